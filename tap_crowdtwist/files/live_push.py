"""Reads what the receiver has captured of Live Push, while it may still be writing.

A file of captures is only appended to, a line `{"received_at": …, "event": {…}}` at a time. One
without its end is still being written, or was never acknowledged, and is left for later.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import msgspec

from tap_crowdtwist.errors import FileError, SettingError
from tap_crowdtwist.files.naming import LIVE_PUSH
from tap_crowdtwist.files.paths import describe_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tap_crowdtwist.files.folder import File

_SQUASHED = re.compile(r"[\W_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Capture(msgspec.Struct):
    """One line."""

    received_at: str
    event: dict[str, Any]


class Event(NamedTuple):
    """A captured event, and how far into the file it ends."""

    capture: Capture
    end: int


_decode = msgspec.json.Decoder(Capture).decode


def events(file: File, opened: Callable[[File], IO[bytes]], start: int = 0) -> Iterator[Event]:
    """Yield the whole events of a file.

    Args:
        file: the file.
        opened: opens it for reading bytes.
        start: how many bytes of it were read before.

    Raises:
        FileError: a line is not what the receiver writes.
    """
    end = start
    try:
        with opened(file) as raw:
            raw.seek(start)
            for line in raw:
                if not line.endswith(b"\n"):
                    return
                try:
                    capture = _decode(line)
                except (msgspec.MsgspecError, UnicodeError, RecursionError):
                    raise FileError(
                        LIVE_PUSH.setting,
                        file.name,
                        "is not what the receiver writes; take that line out of the file, having "
                        "seen why it is there",
                        _number(raw, end),
                    ) from None
                end += len(line)
                yield Event(capture, end)
    except (SettingError, GeneratorExit):
        raise
    except Exception as error:  # noqa: BLE001 - each file system has its own
        raise FileError(
            LIVE_PUSH.setting, file.name, f"cannot be read: {describe_error(error)}"
        ) from None


def _number(raw: IO[bytes], end: int) -> int:
    """Count the lines up to a place in a file."""
    raw.seek(0)
    count, left = 1, end
    while left > 0 and (chunk := raw.read(min(left, 1 << 20))):
        count += chunk.count(b"\n")
        left -= len(chunk)
    return count


class NameConverter:
    """Turns the camelCase of Live Push into the names that a schema has.

    `streetAddress1` is `street_address_1`: names are compared without their separators. Names that
    the schema does not know are spelled in snake case. What stands in objects whose members only
    the program knows is left as it is.

    Args:
        schema: a JSON Schema of an object.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._known = {_squash(name): name for name in schema.get("properties", {})}
        self._inner = {
            name: NameConverter(node.get("items") or node)
            for name, node in schema.get("properties", {}).items()
            if node.get("properties") or (node.get("items") or {}).get("properties")
        }

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Give an object with its members renamed."""
        renamed: dict[str, Any] = {}
        for name, value in event.items():
            known = self._known.get(_squash(name)) or _snake(name)
            inner = self._inner.get(known)
            if inner is not None and isinstance(value, dict):
                value = inner(value)  # noqa: PLW2901 - the same value, renamed
            elif inner is not None and isinstance(value, list):
                value = [inner(item) if isinstance(item, dict) else item for item in value]  # noqa: PLW2901
            if renamed.get(known) is None:
                renamed[known] = value
        return renamed


@lru_cache(maxsize=4096)
def _squash(name: str) -> str:
    return _SQUASHED.sub("", name).lower()


@lru_cache(maxsize=4096)
def _snake(name: str) -> str:
    return _SQUASHED.sub("_", _HUMP.sub("_", name)).strip("_").lower() or name


def fingerprint(event: Mapping[str, Any]) -> str:
    """Give 32 hexadecimal digits that are the same for the same event."""
    return hashlib.blake2b(
        msgspec.json.encode(event, order="deterministic"), digest_size=16
    ).hexdigest()
