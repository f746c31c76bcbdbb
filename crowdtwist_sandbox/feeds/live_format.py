"""Names and values in the format of Live Push."""

from __future__ import annotations

from typing import Any

import msgspec


def camel_name(name: str) -> str:
    """Return a name of the API in camelCase."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def camel_case(value: Any) -> Any:
    """Return a value of the API with names in camelCase and flags as integers, at any depth."""
    if isinstance(value, dict):
        return {camel_name(name): camel_case(each) for name, each in value.items()}
    if isinstance(value, list):
        return [camel_case(each) for each in value]
    return int(value) if isinstance(value, bool) else value


def json_text(value: Any) -> str | None:
    """Encode a value as JSON text, None as None."""
    return None if value is None else msgspec.json.encode(value).decode()
