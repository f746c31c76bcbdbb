"""Reader of the Live Push files that the receiver writes, possibly while it is still writing.

The receiver only appends to a file, one line `{"received_at": …, "event": {…}}` at a time. A last
line without its end is still being written, or was never acknowledged, and is left for a later run.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import msgspec

from tap_crowdtwist.errors import FileError
from tap_crowdtwist.files.naming import LIVE_PUSH
from tap_crowdtwist.files.paths import describe_error
from tap_crowdtwist.schemas import snake_case

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tap_crowdtwist.files.folder import File


class Capture(msgspec.Struct):
    """One line of a Live Push file."""

    received_at: str
    event: dict[str, Any]


class Event(NamedTuple):
    """A captured event, and the offset in bytes at which its line ends."""

    capture: Capture
    end: int


_decode = msgspec.json.Decoder(Capture).decode


def events(file: File, open_file: Callable[[File], IO[bytes]], start: int = 0) -> Iterator[Event]:
    """Yield the completely written events of a file.

    Args:
        file: the file.
        open_file: opens it for reading bytes.
        start: number of bytes that were read before.

    Raises:
        FileError: the file cannot be read, or a line is not one that the receiver writes.
    """
    end = start
    try:
        with open_file(file) as raw:
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
                        "is not a line that the receiver writes; find out how it got there, then "
                        "remove it",
                        _line_number(raw, end),
                    ) from None
                end += len(line)
                yield Event(capture, end)
    except FileError:
        raise
    except Exception as error:  # noqa: BLE001 - each file system has its own
        raise FileError(
            LIVE_PUSH.setting, file.name, f"cannot be read: {describe_error(error)}"
        ) from None


def _line_number(raw: IO[bytes], end: int) -> int:
    """Return the number of the line that begins at an offset in a file."""
    raw.seek(0)
    number = 1
    while raw.tell() < end:
        raw.readline()
        number += 1
    return number


class NameConverter:
    """Converter from the camelCase of Live Push to the property names of a schema.

    Names are compared without case and separators, so that `streetAddress1` is `street_address_1`.
    Names that the schema does not have are converted to snake case. The content of open objects,
    whose members are up to the program, stays as it is.

    Args:
        schema: a JSON Schema of an object.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        properties = schema.get("properties", {})
        objects = {name: node.get("items", node) for name, node in properties.items()}
        self._known: dict[str, str] = {_comparable(name): name for name in properties}
        self._inner = {
            name: NameConverter(node) for name, node in objects.items() if node.get("properties")
        }
        self._new_name = lru_cache(maxsize=4096)(self._find_name)

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return a copy of an object with its members renamed."""
        renamed: dict[str, Any] = {}
        for name, value in event.items():
            new_name = self._new_name(name)
            inner = self._inner.get(new_name)
            # Two names may become one: the first value that is not null wins.
            if renamed.get(new_name) is None:
                renamed[new_name] = inner.convert(value) if inner else value
        return renamed

    def convert(self, value: Any) -> Any:
        """Rename the members of an object, or of each object in a list."""
        if isinstance(value, list):
            return [self.convert(item) for item in value]
        return self(value) if isinstance(value, dict) else value

    def _find_name(self, name: str) -> str:
        return self._known.get(_comparable(name), _snake(name))


def _comparable(name: str) -> str:
    return snake_case(name).replace("_", "")


def _snake(name: str) -> str:
    return snake_case(name) or name


def fingerprint(event: Mapping[str, Any]) -> str:
    """Return 32 hexadecimal digits that are equal for equal events, whatever their key order."""
    return hashlib.blake2b(
        msgspec.json.encode(event, order="deterministic"), digest_size=16
    ).hexdigest()
