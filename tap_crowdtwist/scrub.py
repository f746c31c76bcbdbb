"""Takes credentials out of values whose shape no schema knows."""

from __future__ import annotations

from typing import Any

import msgspec

from tap_crowdtwist.schemas import is_credential_name


def scrub(value: Any) -> Any:
    """Copy a value of unknown shape without the members that are named like credentials.

    Texts that are JSON themselves, as push feeds have them, are searched too.
    """
    if isinstance(value, dict):
        return {
            name: scrub(member) for name, member in value.items() if not is_credential_name(name)
        }
    if isinstance(value, list):
        return [scrub(item) for item in value]
    inner = decoded(value) if isinstance(value, str) else value
    if inner is value:
        return value
    clean = scrub(inner)
    return value if clean == inner else msgspec.json.encode(clean).decode()


def decoded(text: str) -> Any:
    """Decode a text that is a JSON object or array; give any other text back as it is."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return text
