"""Options of the receiver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crowdtwist_receiver.addresses import has_loopback

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from crowdtwist_receiver.addresses import Network

MIB = 2**20
_PORT_COUNT = 65536
_MAX_DAYS = 36_500


@dataclass(frozen=True)
class ReceiverOptions:
    """Options of a receiver. They hold no secret, only the paths of files with secrets.

    Attributes:
        directory: directory of the events; created for its owner only, if missing.
        host: address to listen on.
        port: port to listen on; 0 for any free port.
        max_body: maximum size of a body in bytes, else 413.
        body_timeout: seconds until a body must be complete, else 408.
        max_bodies: maximum number of incomplete bodies, else 503.
        max_queue: maximum number of bytes that wait to be written, else 503.
        third_party_id_hook: `package.module:function` that returns the id for a profile.
        hook_timeout: time limit of the hook in seconds, else 503.
        tls_certificate: PEM file of the certificate and its chain.
        tls_key: PEM file of its private key, without passphrase.
        user_file: file with the user of Basic authentication, instead of the environment.
        password_file: file with its password, instead of the environment.
        api_key_file: file with the value of `x-api-key`, instead of the environment.
        no_authentication: accept events without credentials, from allowed networks.
        allow: networks that may post; empty for all. Applies in addition to authentication.
        trusted_proxy: networks of proxies whose `X-Forwarded-For` is trusted.
        metrics_allow: networks that may read `/metrics`; empty for none.
        keep_days: days after which captures are removed; None for never.
        max_seconds: stop after that many seconds; None for never.
    """

    directory: Path
    host: str = "127.0.0.1"
    port: int = 8700
    max_body: int = MIB
    body_timeout: float = 10
    max_bodies: int = 128
    max_queue: int = 64 * MIB
    third_party_id_hook: str | None = None
    hook_timeout: float = 5
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    user_file: Path | None = None
    password_file: Path | None = None
    api_key_file: Path | None = None
    no_authentication: bool = False
    allow: Sequence[Network] = ()
    trusted_proxy: Sequence[Network] = ()
    metrics_allow: Sequence[Network] = ()
    keep_days: int | None = None
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        """Validate the options.

        Raises:
            ValueError: with a message that names the option.
        """
        for name in ("max_body", "body_timeout", "max_bodies", "max_queue", "hook_timeout"):
            if not getattr(self, name) > 0:  # also true for NaN
                raise ValueError(f"{_option(name)}: must be more than 0.")
        is_open = self.no_authentication
        # A proxy on this machine connects from loopback, for clients from all over the world.
        faults = {
            "--port: must be from 0 to 65535.": not 0 <= self.port < _PORT_COUNT,
            "--max-queue: must not be less than --max-body.": self.max_queue < self.max_body,
            "--tls-certificate and --tls-key: give both or neither.": (
                bool(self.tls_certificate) != bool(self.tls_key)
            ),
            "--no-authentication: requires --allow.": is_open and not self.allow,
            "--allow: must not contain a loopback address with --no-authentication, because a local"
            " proxy would let every client in.": is_open and has_loopback(self.allow),
            "--trusted-proxy: requires --allow or --metrics-allow.": (
                self.trusted_proxy and not self.allow and not self.metrics_allow
            ),
            "--keep-days: must be from 1 to 36500.": (
                self.keep_days is not None and not 1 <= self.keep_days <= _MAX_DAYS
            ),
            "--max-seconds: must not be negative.": not (self.max_seconds or 0) >= 0,
        }
        for message, is_present in faults.items():
            if is_present:
                raise ValueError(message)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
