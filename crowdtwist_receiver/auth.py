"""Authentication of requests, by user and password or by key.

CrowdTwist authenticates with Basic authentication or the header `x-api-key`, and signs nothing
("Data Push Overview").
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from crowdtwist_receiver.options import ReceiverOptions

USER = "CROWDTWIST_RECEIVER_USER"
PASSWORD = "CROWDTWIST_RECEIVER_PASSWORD"  # noqa: S105 - a name
API_KEY = "CROWDTWIST_RECEIVER_API_KEY"
_BASIC = b"basic"


@dataclass(frozen=True)
class Credentials:
    """Credentials that requests are checked against; if both kinds are set, either is accepted.

    Attributes:
        basic: digest of `user:password`, or empty.
        api_key: digest of the key, or empty.
    """

    basic: bytes = field(repr=False)
    api_key: bytes = field(repr=False)

    @classmethod
    def from_secrets(cls, user: str, password: str, api_key: str) -> Credentials:
        """Build credentials from secrets; an empty secret is not set.

        Raises:
            ValueError: with a message that names the variable to set.
        """
        if bool(user) != bool(password):
            raise ValueError(
                f"{USER} and {PASSWORD}: set both or neither"
                " (or give --user-file and --password-file)."
            )
        if ":" in user:
            raise ValueError(f"{USER}: must not contain a colon (Basic authentication).")
        if not user and not api_key:
            raise ValueError(
                f"No credentials: set {USER} and {PASSWORD}, or {API_KEY}, in the environment,"
                " or give --user-file and --password-file, or --api-key-file."
            )
        basic = _digest(f"{user}:{password}".encode()) if user else b""
        return cls(basic, _digest(api_key.encode()) if api_key else b"")

    @classmethod
    def load(cls, options: ReceiverOptions, environment: Mapping[str, str]) -> Credentials | None:
        """Read secrets from the files of the options, else from the environment.

        Returns:
            None with `--no-authentication`.

        Raises:
            ValueError: with a message that names the option or variable.
        """
        secrets = (
            _secret("--user-file", options.user_file, environment.get(USER)),
            _secret("--password-file", options.password_file, environment.get(PASSWORD)),
            _secret("--api-key-file", options.api_key_file, environment.get(API_KEY)),
        )
        if not options.no_authentication:
            return cls.from_secrets(*secrets)
        # Whoever sets a secret expects it to be checked.
        if any(secrets):
            raise ValueError(
                f"--no-authentication: unset {USER}, {PASSWORD} and {API_KEY}, and give no"
                " secret files; they would not be checked."
            )
        return None

    @property
    def challenge(self) -> bytes:
        """Value of the header `WWW-Authenticate` of a 401."""
        return b'Basic realm="crowdtwist-receiver", charset="UTF-8"' if self.basic else b"ApiKey"

    def accept(self, headers: Mapping[bytes, bytes]) -> bool:
        """Return whether a request carries valid credentials."""
        # Constant time, so that timing reveals nothing: digests have one length, and both are
        # always compared. A digest never equals the empty one of a kind that is not set.
        by_key = compare_digest(_digest(headers.get(b"x-api-key", b"")), self.api_key)
        by_user = compare_digest(
            _digest(_basic_pair(headers.get(b"authorization", b""))), self.basic
        )
        return by_key | by_user


def _digest(secret: bytes) -> bytes:
    return sha256(secret).digest()


def _basic_pair(header: bytes) -> bytes:
    """Return `user:password` from an Authorization header, or nothing if it has another scheme."""
    scheme, _, encoded = header.partition(b" ")
    if scheme.lower() != _BASIC:
        return b""
    try:
        return binascii.a2b_base64(encoded)
    except binascii.Error:
        return b""


def _secret(option: str, path: Path | None, default: str | None) -> str:
    """Return the secret in a file, without its line end, or the default if no file is given."""
    if path is None:
        return default or ""
    try:
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"{option}: cannot be read ({error.strerror}).") from None
    except UnicodeError:
        raise ValueError(f"{option}: is not UTF-8 text.") from None
    if not text:
        raise ValueError(f"{option}: is empty.")
    return text
