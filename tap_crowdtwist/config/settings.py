"""Settings of a run as typed values, checked against each other."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from tap_crowdtwist.api.endpoints import Host
from tap_crowdtwist.config.file_settings import FEED_PATHS
from tap_crowdtwist.config.urls import text_of, url_of
from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.files.csv_format import CsvFormat
from tap_crowdtwist.files.remote_access import RemoteAccess
from tap_crowdtwist.members.missing_members import path_of_shard
from tap_crowdtwist.members.roster import Shard
from tap_crowdtwist.privacy.policy import Policy
from tap_crowdtwist.records import timestamps, values

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from tap_crowdtwist.state.sweep import SweepMembers

_HMAC_KEYS = ("hmac_public_key", "hmac_private_key")

_OF_API = ("user_ids", "user_ids_path", *_HMAC_KEYS)
_CHOICES_OF_API = {"auth_method": ("hmac",), "sweep_members": ("changed", "updated")}
"""Settings, and values of settings, that are of no use without the API."""

_SENDABLE = re.compile(r"[ -~]*")
"""A value that can be sent in a header: printable ASCII."""

_TABS = {"tab": "\t", r"\t": "\t"}
_DELIMITER = re.compile(r'_|[^\w"\r\n\0 ]')

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
    sample_members: int | None
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
    sweep_members: SweepMembers
    sweep_all_age: timedelta
    forgets: bool
    data_push_path: str | None = field(repr=False)
    live_push_path: str | None = field(repr=False)
    data_push_columns: str
    data_push_format: CsvFormat
    data_push_daily: tuple[str, ...]
    remote_access: RemoteAccess

    @property
    def only_changed(self) -> bool:
        """Whether only members that appear in new files are read."""
        return self.sweep_members == "changed"

    @property
    def only_updated(self) -> bool:
        """Whether only the profile is read of members whose profile has not been updated."""
        return self.sweep_members == "updated"

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
        api_key = _one_line(config, "api_key")
        has_files = any(config[name] for name in FEED_PATHS)
        if not api_key and not has_files:
            _raise_missing_key()
        _check_sweep(config)
        shard = Shard.parse(config["shard"])
        return cls(
            urls={host: url_of(config, host) for host in Host} if api_key else {},
            auth_method=config["auth_method"],
            api_key=api_key,
            hmac_keys=_hmac_keys(config),
            hmac_timestamp=config["hmac_timestamp"],
            hmac_digest=config["hmac_digest"],
            user_ids=tuple(config["user_ids"] or ()),
            user_ids_path=config["user_ids_path"],
            user_ids_column=config["user_ids_column"],
            id_type=config["id_type"],
            shard=shard,
            sample_members=config["sample_members"],
            start_date=_timestamp("start_date", config["start_date"]),
            lookback=timedelta(days=config["lookback_days"]),
            requests_per_minute=config["requests_per_minute"],
            max_concurrency=config["max_concurrency"],
            request_timeout=config["request_timeout"],
            max_retries=config["max_retries"],
            checkpoint_interval=config["checkpoint_interval"],
            max_missing_ratio=config["max_missing_ratio"],
            missing_members_path=_missing_members_path(config["missing_members_path"], shard),
            max_failed_members=config["max_failed_members"],
            policy=_policy(config),
            tombstones=config["deleted_members"] == "tombstone",
            sweep_members=config["sweep_members"],
            sweep_all_age=timedelta(days=config["sweep_all_days"]),
            forgets=config["vanished_rows"] == "forget",
            data_push_path=config["data_push_path"],
            live_push_path=config["live_push_path"],
            data_push_columns=config["data_push_columns"],
            data_push_format=_csv_format(config),
            data_push_daily=tuple(config["data_push_daily"] or ()),
            remote_access=RemoteAccess.of(config),
        )


def wants_only_files(config: Mapping[str, Any]) -> bool:
    """Return whether a configuration is for file streams only, so that the API streams are off.

    That is so if the path of some files is set, but no key, and nothing else that only the API
    needs.
    """
    # A roster, HMAC keys or part of the members without a key mean that the key was forgotten.
    # Such a run must fail instead of silently reading nothing from the API.
    has_key = bool((config.get("api_key") or "").strip())
    means_api = any(config.get(name) for name in _OF_API)
    chooses_api = any(config.get(name) in choices for name, choices in _CHOICES_OF_API.items())
    has_files = any(config.get(name) for name in FEED_PATHS)
    return has_files and not (has_key or means_api or chooses_api)


def _raise_missing_key() -> NoReturn:
    raise SettingError(
        "api_key",
        "is missing; set it in the file given as --config, or as TAP_CROWDTWIST_API_KEY with "
        "--config ENV; only file streams whose path is set need no key",
    )


def _check_sweep(config: Mapping[str, Any]) -> None:
    if config["sweep_members"] != "all" and config["sample_members"]:
        raise SettingError(
            "sample_members",
            "is possible only if `sweep_members` is all: members of a sample are read whole",
        )
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


def _hmac_keys(config: Mapping[str, Any]) -> tuple[str, str]:
    keys = {name: _one_line(config, name) for name in _HMAC_KEYS}
    missing = [name for name, key in keys.items() if not key]
    if missing and config["auth_method"] == "hmac":
        raise SettingError(missing[0], "is missing, although `auth_method` is hmac")
    public, private = keys.values()
    return public, private


def _missing_members_path(path: str | None, shard: Shard) -> Path | None:
    if not path:
        return None
    if "://" in path:
        raise SettingError(
            "missing_members_path", "must be a file on this machine, since it holds personal data"
        )
    return path_of_shard(path, shard)


def _csv_format(config: Mapping[str, Any]) -> CsvFormat:
    """Return the delimiter and encoding of the Data Push files.

    Raises:
        SettingError: one of them is not usable.
    """
    given: str = config["data_push_delimiter"]
    delimiter = _TABS.get(given, given)
    if not _DELIMITER.fullmatch(delimiter):
        raise SettingError(
            "data_push_delimiter", "must be one character such as ; or |, or the word tab"
        )
    encoding: str = config["data_push_encoding"].strip().lower()
    # Python also knows codecs that are not for text, such as base64; they cannot encode a text.
    try:
        "id".encode(encoding)
    except (LookupError, ValueError):
        raise SettingError(
            "data_push_encoding",
            "must be a text encoding that Python knows, such as utf-8, cp1252 or utf-16",
        ) from None
    return CsvFormat(delimiter, encoding)


def _one_line(config: Mapping[str, Any], name: str) -> str:
    stripped = text_of(config, name)
    if not _SENDABLE.fullmatch(stripped):
        raise SettingError(name, "contains characters that cannot be sent; copy it again")
    return stripped


def _policy(config: Mapping[str, Any]) -> Policy:
    policy = Policy.of(config)
    if policy.mode == "keep" or len(policy.key) >= MIN_HASH_KEY_CHARACTERS:
        return policy
    too_short = f"has fewer than {MIN_HASH_KEY_CHARACTERS} characters"
    raise SettingError(
        "hash_key",
        f"{too_short if policy.key else 'is missing'}; `sensitive_data` {policy.mode} needs one "
        "that cannot be guessed, such as the output of `openssl rand -hex 32`",
    )


def _timestamp(name: str, value: str | None) -> datetime | None:
    if not value:
        return None
    try:
        return timestamps.parse_timestamp(value.strip())
    except values.ConversionError:
        raise SettingError(
            name, "must be a date such as 2026-01-31 or 2026-01-31T00:00:00Z"
        ) from None
