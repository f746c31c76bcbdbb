"""Logins on SFTP hosts: where to connect, as whom, and with which key or password.

Each comes from the URL, else from the settings, else from `~/.ssh/config`. Where none of them has a
key or a password, paramiko tries the SSH agent and the usual files in `~/.ssh`.
"""

from __future__ import annotations

import getpass
import os
import shlex
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tap_crowdtwist.errors import SettingError, TapError
from tap_crowdtwist.files.paths import describe_error, display_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_crowdtwist.files.remote_access import RemoteAccess

CONFIG = "~/.ssh/config"
DEFAULT_PORT = 22

_KEY_TYPES = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


class Login(NamedTuple):
    """A way to log in.

    Attributes:
        host: the name under which the host is reached, and its key is known.
        port: its port.
        options: arguments of `paramiko.SSHClient.connect`: the user, and keys or a password.
        proxy: a command that connects to the host, as words; None to connect directly.
        advice: what to check if the host does not accept it.
    """

    host: str
    port: int
    options: Mapping[str, Any]
    proxy: list[str] | None
    advice: str

    @property
    def name(self) -> str:
        """The host as files of known hosts call it."""
        return self.host if self.port == DEFAULT_PORT else f"[{self.host}]:{self.port}"


def find_login(host: str, url: Mapping[str, Any], access: RemoteAccess) -> Login:
    """Return how to log in on a host.

    Args:
        host: its name in the URL.
        url: what else the URL has of `port`, `username` and `password`.
        access: the settings.

    Raises:
        SettingError: the key file cannot be used.
        TapError: `~/.ssh/config` cannot be used.
    """
    user = url.get("username") or access.sftp_user
    config = _config_of(host, user, url.get("port"))
    password = url.get("password") or access.sftp_password
    options: dict[str, Any] = {"username": config.get("user") or _own_name()}
    if password or access.sftp_key_file:
        # Nothing else is offered then: a host gives up after a few attempts, which the keys of an
        # agent would use up.
        options |= {"password": password, "allow_agent": False, "look_for_keys": False}
        if access.sftp_key_file:
            options["pkey"] = read_key(access.sftp_key_file, access.sftp_key_passphrase)
    else:
        options |= _found_keys(config) | {"passphrase": access.sftp_key_passphrase}
    try:
        port, proxy = int(config.get("port", DEFAULT_PORT)), _proxy(config)
    except ValueError:
        raise TapError(
            f"cannot use {CONFIG}: Port is not a number, or ProxyCommand has unequal quotes"
        ) from None
    return Login(config["hostname"], port, options, proxy, _advice(url, access))


def read_key(path: str, passphrase: str | None) -> paramiko.PKey:
    """Return the private key in the file of the setting `sftp_key_file`.

    Raises:
        SettingError: the file cannot be read, holds no private key, or needs another passphrase.
    """
    full = os.path.expanduser(path)  # noqa: PTH111 - Path's fails if the user has no home
    try:
        # Without the passphrase it says whether it needs one.
        key = _load(full, passphrase) or (_load(full, None) if passphrase else None)
    except FileNotFoundError:
        raise SettingError("sftp_key_file", f"there is no file {display_name(path)}") from None
    except OSError as error:
        raise SettingError(
            "sftp_key_file", f"cannot read {display_name(path)}: {describe_error(error)}"
        ) from None
    except paramiko.PasswordRequiredException:
        raise SettingError(
            "sftp_key_passphrase",
            "is not the passphrase of the key in `sftp_key_file`"
            if passphrase
            else "is missing, although the key in `sftp_key_file` has a passphrase",
        ) from None
    if key is None:
        raise SettingError(
            "sftp_key_file",
            f"{display_name(path)} holds no private key that can be used: an RSA, ECDSA or Ed25519 "
            "key as `ssh-keygen` writes it (not the .pub file, and no .ppk file of PuTTY)",
        )
    if os.path.exists(certificate := f"{full}-cert.pub"):  # noqa: PTH110
        key.load_certificate(certificate)
    return key


def _load(path: str, passphrase: str | None) -> paramiko.PKey | None:
    """Return the key in a file, or None if it holds none or the passphrase is wrong.

    Raises:
        OSError: the file cannot be read.
        PasswordRequiredException: it needs a passphrase.
    """
    for kind in _KEY_TYPES:
        try:
            return kind.from_private_key_file(path, passphrase)
        except (OSError, paramiko.PasswordRequiredException):  # noqa: PERF203 - three rounds
            raise
        except Exception:  # noqa: BLE001, S112 - of another type, or anything for no key
            continue
    return _load_otherwise(path, passphrase)


def _load_otherwise(path: str, passphrase: str | None) -> paramiko.PKey | None:
    """Return a key that paramiko itself cannot read.

    It fails at many ECDSA and RSA keys without a comment, and at keys in the format PKCS #8.
    """
    content = Path(path).read_bytes()
    secret = passphrase.encode() if passphrase else None
    key = None
    for load in (serialization.load_ssh_private_key, serialization.load_pem_private_key):
        with suppress(Exception):  # of the other format, or anything for what is no key
            key = key or load(content, secret)
    if isinstance(key, rsa.RSAPrivateKey):
        return paramiko.RSAKey(key=key)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return paramiko.ECDSAKey(vals=(key, key.public_key()))
    return None


def _config_of(host: str, user: str | None, port: Any) -> Mapping[str, Any]:
    """Return the options of a host, by their lower-case keywords of ssh_config(5).

    Args:
        host: the host's name in the URL.
        user: the user, if another source than `~/.ssh/config` decides.
        port: likewise the port.
    """
    # The first value of a keyword counts, so what is known already stands at the top.
    known = {"User": user, "Port": port}
    lines = [f"{name} {value}" for name, value in known.items() if value]
    try:
        with open(os.path.expanduser(CONFIG), encoding="utf-8") as file:  # noqa: PTH111, PTH123
            text = file.read()
    except FileNotFoundError:
        return {"hostname": host} | {name.lower(): value for name, value in known.items() if value}
    except (OSError, UnicodeError) as error:
        raise TapError(f"cannot read {CONFIG}: {describe_error(error)}") from None
    try:
        config = paramiko.SSHConfig.from_text("\n".join([*lines, text]))
        found: Mapping[str, Any] = config.lookup(host)
    except Exception as error:  # noqa: BLE001 - paramiko raises many for what it does not expect
        raise TapError(f"cannot use {CONFIG}: {describe_error(error)}") from None
    return found


def _own_name() -> str:
    """Return the name of the user who runs the tap.

    Raises:
        SettingError: there is none, as in a container with any user id.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise SettingError(
            "sftp_user", "is missing, and the user who runs the tap has no name on this machine"
        ) from None


def _found_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options for the keys of `~/.ssh/config`, the agent and the usual files."""
    files = [path for path in config.get("identityfile", ()) if os.access(path, os.R_OK)]
    others = config.get("identitiesonly", "no").lower() != "yes"
    return {
        "key_filename": files,
        "allow_agent": others,
        "look_for_keys": others and not files,
    }


def _proxy(config: Mapping[str, Any]) -> list[str] | None:
    command = config.get("proxycommand")
    if command:
        return shlex.split(command)
    if config.get("proxyjump", "none").lower() != "none":
        raise TapError(
            f"ProxyJump in {CONFIG} is not supported; use ProxyCommand, as in `ProxyCommand ssh -W "
            "%h:%p jump-host`"
        )
    return None


def _advice(url: Mapping[str, Any], access: RemoteAccess) -> str:
    """Return which settings to check if the host does not accept the login."""
    if url.get("password"):
        return "check the user and the password in the URL"
    names = [
        name for name in ("sftp_key_file", "sftp_password") if getattr(access, name) is not None
    ]
    if names:
        return f"check `sftp_user` and {' and '.join(f'`{name}`' for name in names)}"
    return (
        "no key of the SSH agent or in ~/.ssh is accepted; check `sftp_user`, and set "
        "`sftp_key_file` (with `sftp_key_passphrase` if the key has one) or `sftp_password`"
    )
