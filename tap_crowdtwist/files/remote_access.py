"""How remote systems are accessed, as the settings say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class RemoteAccess:
    """How remote systems are accessed, as the settings say; None is for what they do not say.

    Attributes:
        known_hosts: a file with keys of SFTP hosts, in addition to the user's own.
        sftp_user: the user of SFTP URLs without one.
        sftp_password: the password of SFTP URLs without one.
        sftp_key_file: a file with a private key.
        sftp_key_passphrase: the passphrase of private keys.
    """

    known_hosts: str | None = None
    sftp_user: str | None = None
    sftp_password: str | None = field(default=None, repr=False)
    sftp_key_file: str | None = None
    sftp_key_passphrase: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> RemoteAccess:
        """Return the access that a configuration describes."""
        return cls(
            known_hosts=config["sftp_known_hosts"],
            sftp_user=config["sftp_user"] or None,
            sftp_password=config["sftp_password"] or None,
            sftp_key_file=config["sftp_key_file"] or None,
            sftp_key_passphrase=config["sftp_key_passphrase"] or None,
        )


NO_SETTINGS = RemoteAccess()
