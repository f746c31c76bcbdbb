"""What a receiver can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crowdtwist_receiver.addresses import has_loopback

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from crowdtwist_receiver.addresses import Network

MIB = 2**20
_PORTS = 65536


@dataclass(frozen=True)
class ReceiverOptions:
    """Settings of a receiver; secrets are not among them, only the files that hold some.

    Attributes:
        directory: where the events go; made, for its owner alone, if it is not there.
        host: the address to listen at.
        port: the port, 0 for any free one.
        max_body: bytes that a body may have; more is answered 413.
        body_timeout: seconds that a body may take; longer is answered 408.
        max_bodies: bodies that may be incomplete at a time; more are answered 503.
        max_queue: bytes that may wait for the disk; more are answered 503.
        third_party_id_hook: `package.module:function`, asked for the id of each new profile.
        hook_timeout: seconds that the hook may take; longer is answered 503.
        tls_certificate: PEM file of the certificate and its chain.
        tls_key: PEM file of its private key, without passphrase.
        user_file: file with the user of Basic authentication, instead of the environment.
        password_file: file with its password, instead of the environment.
        api_key_file: file with what `x-api-key` must be, instead of the environment.
        no_authentication: take events without a secret, from allowed networks.
        allow: networks whose clients may post; none for all. With authentication, both must hold.
        trusted_proxy: networks of proxies whose `X-Forwarded-For` is taken for true.
        max_seconds: stop by itself after that long; None for never.
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
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be served.

        Raises:
            ValueError: with a sentence that names the option.
        """
        for name in ("max_body", "body_timeout", "max_bodies", "max_queue", "hook_timeout"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{_option(name)}: must be more than 0.")
        if not 0 <= self.port < _PORTS:
            raise ValueError("--port: must be from 0 to 65535.")
        if self.max_queue < self.max_body:
            raise ValueError("--max-queue: must not be less than --max-body.")
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("--tls-certificate and --tls-key: give both or none.")
        if self.no_authentication and not self.allow:
            raise ValueError("--no-authentication: say with --allow which networks may post.")
        if self.no_authentication and has_loopback(self.allow):
            raise ValueError(
                "--allow: must hold no loopback address with --no-authentication, since behind a"
                " proxy that is the whole world."
            )
        if self.trusted_proxy and not self.allow:
            raise ValueError("--trusted-proxy: means nothing without --allow.")
        if self.max_seconds is not None and not self.max_seconds >= 0:
            raise ValueError("--max-seconds: must not be negative.")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
