"""Takes credentials out of values whose shape no schema knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tap_crowdtwist.privacy import may_not_leave
from tap_crowdtwist.redact import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Callable


def scrub(value: Any, forbidden: Callable[[str], bool] = may_not_leave) -> Any:
    """Copy a value of unknown shape without the members that may not leave for their names.

    Texts that are JSON themselves, as push feeds have them, are searched too; the tap's own
    secrets are masked wherever they stand.
    """
    if isinstance(value, dict):
        return {
            name: scrub(member, forbidden) for name, member in value.items() if not forbidden(name)
        }
    if isinstance(value, list):
        return [scrub(item, forbidden) for item in value]
    if not isinstance(value, str):
        return value
    inner = decoded(value)
    if inner is value:
        return REDACTOR(value)
    clean = scrub(inner, forbidden)
    return value if clean == inner else msgspec.json.encode(clean).decode()


def decoded(text: str) -> Any:
    """Decode a text that is a JSON object or array; give any other text back as it is."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return text
