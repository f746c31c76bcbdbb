"""Who may post: whoever knows the user and its password, or the key; or anybody, if told so.

CrowdTwist authenticates itself with Basic authentication or with the header `x-api-key`, and does
not sign what it sends ("Data Push Overview").
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
    """What a request must carry: the one or the other, where both are set.

    Only digests are kept: they all have one length, so that comparing takes one time.

    Attributes:
        basic: digest of `user:password`, or nothing.
        api_key: digest of the key, or nothing.
    """

    basic: bytes = field(repr=False)
    api_key: bytes = field(repr=False)

    @classmethod
    def of(cls, user: str, password: str, api_key: str) -> Credentials:
        """Take secrets; an empty one is none.

        Raises:
            ValueError: with a sentence, if they are no use.
        """
        if bool(user) != bool(password):
            raise ValueError(
                f"{USER} and {PASSWORD}: set both or none (or --user-file and --password-file)."
            )
        if ":" in user:
            raise ValueError(f"{USER}: Basic authentication allows no colon in it.")
        if not user and not api_key:
            raise ValueError(
                f"Nobody may post yet: set {USER} and {PASSWORD}, or {API_KEY}, in the environment"
                " or by --user-file and --password-file, or --api-key-file."
            )
        basic = _digest(f"{user}:{password}".encode()) if user else b""
        return cls(basic, _digest(api_key.encode()) if api_key else b"")

    @classmethod
    def gather(cls, options: ReceiverOptions, environment: Mapping[str, str]) -> Credentials | None:
        """Read secrets from the files that options name, else from the environment.

        Returns:
            None if the options say that none are asked for.

        Raises:
            ValueError: with a sentence, if they are no use.
        """
        secrets = (
            _secret("--user-file", options.user_file, environment.get(USER)),
            _secret("--password-file", options.password_file, environment.get(PASSWORD)),
            _secret("--api-key-file", options.api_key_file, environment.get(API_KEY)),
        )
        if not options.no_authentication:
            return cls.of(*secrets)
        if any(secrets):
            raise ValueError(
                f"--no-authentication: unset {USER}, {PASSWORD} and {API_KEY}, and their files;"
                " nobody would be asked for them."
            )
        return None

    @property
    def challenge(self) -> bytes:
        """What a 401 asks for."""
        return b'Basic realm="crowdtwist-receiver", charset="UTF-8"' if self.basic else b"ApiKey"

    def accept(self, headers: Mapping[bytes, bytes]) -> bool:
        """Tell whether a request may post; both are always compared, and wholly."""
        by_key = compare_digest(_digest(headers.get(b"x-api-key", b"")), self.api_key)
        by_user = compare_digest(_digest(_pair(headers.get(b"authorization", b""))), self.basic)
        return by_key | by_user


def _digest(secret: bytes) -> bytes:
    return sha256(secret).digest()


def _pair(header: bytes) -> bytes:
    """Take `user:password` out of an Authorization header; nothing, if it is not in there."""
    scheme, _, encoded = header.partition(b" ")
    if scheme.lower() != _BASIC:
        return b""
    try:
        return binascii.a2b_base64(encoded)
    except binascii.Error:
        return b""


def _secret(option: str, path: Path | None, otherwise: str | None) -> str:
    """Read a secret, without the line end of its file."""
    if path is None:
        return otherwise or ""
    try:
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"{option}: cannot be read ({error.strerror}).") from None
    except UnicodeError:
        raise ValueError(f"{option}: is not UTF-8 text.") from None
    if not text:
        raise ValueError(f"{option}: is empty.")
    return text
