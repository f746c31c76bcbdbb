"""Settings of a run as typed values, checked against each other."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from tap_crowdtwist.api.endpoints import Host, base_url
from tap_crowdtwist.api.transport import LOOPBACK
from tap_crowdtwist.config.file_settings import FEED_PATHS
from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.files.csv_format import CsvFormat
from tap_crowdtwist.members.missing_members import path_of_shard
from tap_crowdtwist.members.roster import Shard
from tap_crowdtwist.privacy.policy import Policy
from tap_crowdtwist.records import timestamps, values

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

_API_VERSION = re.compile(r"/v\d")
_NOT_IN_BASE_URL = re.compile(r"[^!-~]|[?#@\\]")
"""Blanks, characters beyond ASCII, a backslash, and the marks of a query, fragment or user."""

_CLIENT_ID = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")


MIN_HASH_KEY_CHARACTERS = 16
"""Names and addresses can be guessed, hashed and compared, so the key must not be guessable."""


@dataclass(frozen=True)
class Settings:
    """The settings of a run, checked against each other."""

    urls: Mapping[Host, str]
    auth_method: str
    api_key: str = field(repr=False)
    hmac_keys: tuple[str, str] = field(repr=False)
    hmac_timestamp: str
    hmac_digest: str
    user_ids: tuple[Any, ...] = field(repr=False)
    user_ids_path: str | None = field(repr=False)
    user_ids_column: str | None
    id_type: str
    shard: Shard
    start_date: datetime | None
    lookback: timedelta
    requests_per_minute: int
    max_concurrency: int
    request_timeout: float
    max_retries: int
    checkpoint_interval: float
    max_missing_ratio: float
    missing_members_path: Path | None = field(repr=False)
    max_failed_members: int
    policy: Policy
    tombstones: bool
    only_changed: bool
    forgets: bool
    data_push_path: str | None = field(repr=False)
    live_push_path: str | None = field(repr=False)
    data_push_columns: str
    data_push_format: CsvFormat
    data_push_daily: tuple[str, ...]
    sftp_known_hosts: str | None

    @property
    def has_api(self) -> bool:
        """Whether the API can be used; without a key only files are read."""
        return bool(self.api_key)

    def require_api(self) -> None:
        """Raise if the API cannot be used.

        Raises:
            SettingError: there is no key.
        """
        if not self.has_api:
            _raise_missing_key()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Settings:
        """Build the settings from a configuration that `validation.validate` has accepted.

        Raises:
            SettingError: settings are missing or contradict each other.
        """
        method = config["auth_method"]
        api_key = _one_line(config, "api_key")
        files_only = not api_key and any(config.get(name) for name in FEED_PATHS)
        if not api_key and not files_only:
            _raise_missing_key()
        keys = (_one_line(config, "hmac_public_key"), _one_line(config, "hmac_private_key"))
        if method == "hmac" and not all(keys):
            name = "hmac_public_key" if not keys[0] else "hmac_private_key"
            raise SettingError(name, "is missing, although `auth_method` is hmac")
        _check_sweep(config)
        return cls(
            urls={} if files_only else {host: _url(config, host) for host in Host},
            auth_method=method,
            api_key=api_key,
            hmac_keys=keys,
            hmac_timestamp=config["hmac_timestamp"],
            hmac_digest=config["hmac_digest"],
            user_ids=tuple(config.get("user_ids") or ()),
            user_ids_path=config.get("user_ids_path") or None,
            user_ids_column=config.get("user_ids_column") or None,
            id_type=config["id_type"],
            shard=Shard.parse(config.get("shard")),
            start_date=_timestamp("start_date", config.get("start_date")),
            lookback=timedelta(days=config["lookback_days"]),
            requests_per_minute=config["requests_per_minute"],
            max_concurrency=config["max_concurrency"],
            request_timeout=config["request_timeout"],
            max_retries=config["max_retries"],
            checkpoint_interval=config["checkpoint_interval"],
            max_missing_ratio=config["max_missing_ratio"],
            missing_members_path=_missing_members_path(config),
            max_failed_members=config["max_failed_members"],
            policy=_policy(config),
            tombstones=config["deleted_members"] == "tombstone",
            only_changed=config["sweep_members"] == "changed",
            forgets=config["vanished_rows"] == "forget",
            data_push_path=config.get("data_push_path") or None,
            live_push_path=config.get("live_push_path") or None,
            data_push_columns=config["data_push_columns"],
            data_push_format=_csv_format(config),
            data_push_daily=tuple(config.get("data_push_daily") or ()),
            sftp_known_hosts=config.get("sftp_known_hosts") or None,
        )


def wants_only_files(config: Mapping[str, Any]) -> bool:
    """Return whether a configuration is for file streams only, so that the API streams are off.

    That is so if the path of some files is set, but no key, and nothing else that only the API
    needs.
    """
    # A roster, HMAC keys or `sweep_members` changed without a key mean that the key was forgotten.
    # Such a run must fail instead of silently reading nothing from the API.
    of_api = ("user_ids", "user_ids_path", "hmac_public_key", "hmac_private_key")
    means_api = any(config.get(name) for name in of_api) or config.get("auth_method") == "hmac"
    means_api = means_api or config.get("sweep_members") == "changed"
    has_key = bool((config.get("api_key") or "").strip())
    return not has_key and not means_api and any(config.get(name) for name in FEED_PATHS)


def _raise_missing_key() -> NoReturn:
    raise SettingError(
        "api_key",
        "is missing; set it in the file given as --config, or as TAP_CROWDTWIST_API_KEY with "
        "--config ENV; only file streams whose path is set need no key",
    )


def _check_sweep(config: Mapping[str, Any]) -> None:
    if config["sweep_members"] != "changed":
        return
    if not config.get("data_push_path"):
        raise SettingError(
            "data_push_path",
            "is missing, although `sweep_members` is changed, which reads the members who changed "
            "from those files",
        )
    if config["id_type"] != "id":
        raise SettingError(
            "id_type",
            "must be id if `sweep_members` is changed, since the files identify members by their "
            "CrowdTwist id",
        )


def _missing_members_path(config: Mapping[str, Any]) -> Path | None:
    path: str = config.get("missing_members_path") or ""
    if "://" in path:
        raise SettingError(
            "missing_members_path", "must be a file on this machine, since it holds personal data"
        )
    return path_of_shard(path, Shard.parse(config.get("shard"))) if path else None


def _csv_format(config: Mapping[str, Any]) -> CsvFormat:
    """Return the delimiter and encoding of the Data Push files.

    Raises:
        SettingError: one of them is not usable.
    """
    given: str = config["data_push_delimiter"]
    delimiter = "\t" if given in {"tab", r"\t"} else given
    if len(delimiter) != 1 or delimiter.isalnum() or delimiter in '"\r\n\0 ':
        raise SettingError(
            "data_push_delimiter", "must be one character such as ; or |, or the word tab"
        )
    encoding: str = config["data_push_encoding"].strip().lower()
    # Python also knows codecs that are not for text, such as base64, so a sample is encoded and
    # read back as a file would be.
    try:
        sample = io.BytesIO("id\n".encode(encoding))
        is_known = io.TextIOWrapper(sample, encoding, newline="").read().endswith("id\n")
    except (LookupError, ValueError):
        is_known = False
    if not is_known:
        raise SettingError(
            "data_push_encoding",
            "must be a text encoding that Python knows, such as utf-8, cp1252 or utf-16",
        )
    return CsvFormat(delimiter, encoding)


def _one_line(config: Mapping[str, Any], name: str) -> str:
    stripped: str = (config.get(name) or "").strip()
    if not (stripped.isascii() and stripped.isprintable()):
        raise SettingError(name, "contains characters that cannot be sent; copy it again")
    return stripped


def _policy(config: Mapping[str, Any]) -> Policy:
    policy = Policy.of(config)
    if policy.mode != "keep" and len(policy.key) < MIN_HASH_KEY_CHARACTERS:
        problem = (
            f"has fewer than {MIN_HASH_KEY_CHARACTERS} characters" if policy.key else "is missing"
        )
        raise SettingError(
            "hash_key",
            f"{problem}; `sensitive_data` {policy.mode} needs one that cannot be guessed, such as "
            "the output of `openssl rand -hex 32`",
        )
    return policy


def _url(config: Mapping[str, Any], host: Host) -> str:
    name = "api_url" if host is Host.MAIN else "pos_url"
    override = (config.get(name) or "").strip()
    if not override:
        client_id = str(config.get("client_id") or "").strip()
        if not client_id:
            raise SettingError(
                "client_id", f"is missing; set it, or both `api_url` and `pos_url` (no `{name}`)"
            )
        if not _CLIENT_ID.fullmatch(client_id):
            raise SettingError("client_id", "must be the client number alone, such as 512")
        return base_url(host, config["environment"], client_id)
    try:
        parts = urlsplit(override)
        is_invalid = (
            not parts.hostname or parts.port == 0 or bool(_NOT_IN_BASE_URL.search(override))
        )
    except ValueError:
        is_invalid = True
    if is_invalid or parts.scheme not in {"http", "https"}:
        raise SettingError(name, "must be a plain URL such as https://api512.crowdtwist.com")
    if _API_VERSION.search(parts.path):
        raise SettingError(name, "must end before the version, such as the `/v2`, of a resource")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise SettingError(
            name, "must begin with https://, since the key would be sent unencrypted"
        )
    return override.rstrip("/")


def _timestamp(name: str, value: str | None) -> datetime | None:
    if not value:
        return None
    try:
        return timestamps.parse_timestamp(value.strip())
    except values.ConversionError:
        raise SettingError(
            name, "must be a date such as 2026-01-31 or 2026-01-31T00:00:00Z"
        ) from None
