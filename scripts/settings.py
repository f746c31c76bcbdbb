"""The settings of the tap in groups, as the page on configuration shows them."""

from __future__ import annotations

from typing import Any

from scripts.markdown import fill
from scripts.parts import own_settings
from tap_crowdtwist.schemas import types_of

GROUPS: dict[str, tuple[str, ...]] = {
    "Connection and key": (
        "api_key",
        "client_id",
        "environment",
        "api_url",
        "pos_url",
        "auth_method",
        "hmac_public_key",
        "hmac_private_key",
        "hmac_timestamp",
        "hmac_digest",
    ),
    "Members to read": (
        "user_ids",
        "user_ids_path",
        "user_ids_column",
        "id_type",
        "sweep_members",
        "sweep_all_days",
        "shard",
        "sample_members",
        "max_missing_ratio",
        "missing_members_path",
    ),
    "Dates and state": ("start_date", "lookback_days", "checkpoint_interval"),
    "Rate and retries": (
        "requests_per_minute",
        "max_concurrency",
        "request_timeout",
        "max_retries",
        "max_failed_members",
    ),
    "Files and events": (
        "data_push_path",
        "data_push_columns",
        "data_push_delimiter",
        "data_push_encoding",
        "data_push_daily",
        "live_push_path",
        "batch_activity_path",
        "sftp_known_hosts",
        "sftp_user",
        "sftp_password",
        "sftp_key_file",
        "sftp_key_passphrase",
    ),
    "Personal data": ("sensitive_data", "hash_key", "open_objects", "spendable_values"),
    "Deleted members and old rows": ("deleted_members", "vanished_rows"),
}
"""The tap's own settings by the heading under which they stand on the page."""

_REQUIRED = {
    "api_key": "unless only files are read",
    "client_id": "unless `api_url` and `pos_url` are both set, or only files are read",
    "user_ids": "to read members, unless `user_ids_path` is set or `sweep_members` is `changed`",
    "user_ids_path": "to read members, unless `user_ids` is set or `sweep_members` is `changed`",
    "data_push_path": "if `sweep_members` is `changed`",
    "hmac_private_key": "if `auth_method` is `hmac`",
}
"""When a setting is required, unless its description says it already."""

_TYPES = {
    "string": "Text",
    "integer": "Whole number",
    "number": "Number",
    "array": "List",
}

Schema = dict[str, Any]


def group(title: str) -> str:
    """Render the settings of one group."""
    settings = own_settings()
    return "".join(_section(name, settings[name]) for name in GROUPS[title])


def _section(name: str, schema: Schema) -> str:
    facts = [_kind(schema)]
    if schema.get("default") is not None:
        facts.append(f"Default: `{schema['default']}`.")
    if name in _REQUIRED:
        facts.append(f"Required {_REQUIRED[name]}.")
    if schema.get("secret"):
        facts.append("Secret.")
    return f"### `{name}`\n\n{fill(' '.join(facts))}\n\n{fill(schema['description'])}\n\n"


def _kind(schema: Schema) -> str:
    """Return the type of a setting and the values that it allows, as a sentence."""
    if "enum" in schema:
        return f"One of {_values(schema)}."
    if schema.get("format") == "date-time":
        return "Date, such as `2026-01-31`, or timestamp, such as `2026-01-31T00:00:00Z`."
    name = _TYPES[types_of(schema)[0]]
    if "enum" in schema.get("items", {}):
        return f"{name} of {_values(schema['items'])}."
    smallest, largest = schema.get("minimum"), schema.get("maximum")
    if smallest is None:
        return f"{name}."
    if largest is None:
        return f"{name}, at least {smallest:,}."
    return f"{name} from {smallest:,} to {largest:,}."


def _values(schema: Schema) -> str:
    return ", ".join(f"`{value}`" for value in schema["enum"] if value is not None)
