"""Events of a body: each as it was sent, on one line, without credentials."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec

from tap_crowdtwist.api.decoding import decode
from tap_crowdtwist.privacy.sanitize import cleaned, credential_remover
from tap_crowdtwist.schemas import is_credential_name

_JSON = msgspec.json.Decoder()
_JSON_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_WHITESPACE = b" \t\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MAX_DEPTH = 64
_TOO_DEEP = f"an event is nested more than {_MAX_DEPTH} levels deep"


class Event(NamedTuple):
    """One event.

    Attributes:
        text: its JSON, without line ends.
        properties: its content.
    """

    text: bytes
    properties: dict[str, Any]


class Events(NamedTuple):
    """Content of a body.

    Attributes:
        events: in the order of the body.
        is_repaired: whether the body was not valid JSON and had to be repaired.
    """

    events: list[Event]
    is_repaired: bool = False


def parse_events(body: bytes) -> Events:
    """Parse a body: one event or a list of them.

    Small defects (half a surrogate pair, bytes that are not UTF-8, a raw line end in a string, NaN)
    are repaired; a truncated body is not. Properties named like credentials are removed, and
    strings that hold one and cannot be parsed are masked.

    Raises:
        ValueError: with a message that holds nothing of the body.
    """
    text = body.removeprefix(_BYTE_ORDER_MARK).strip(_WHITESPACE)
    try:
        return _parse_or_repair(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except (msgspec.MsgspecError, UnicodeError):
        raise ValueError("the body is not JSON in UTF-8") from None


def _parse_or_repair(text: bytes) -> Events:
    try:
        return Events(_split(text))
    except (msgspec.MsgspecError, UnicodeError):
        # A rejected event would be lost: CrowdTwist sends the same bytes for eight hours, then
        # gives up.
        payload = decode(text).payload
        if payload is None:
            raise
    return Events(_split(msgspec.json.encode(payload)), is_repaired=True)


def _split(text: bytes) -> list[Event]:
    if text.startswith(b"["):
        return [_event(bytes(raw)) for raw in _JSON_LIST.decode(text)]
    return [_event(text)]


def _event(text: bytes) -> Event:
    properties = _JSON.decode(text)
    if not isinstance(properties, dict):
        raise ValueError("the body is neither an object nor a list of objects")  # noqa: TRY004 - input
    # Counting brackets is fast, and they bound the depth: most events need no recursion.
    if text.count(b"{") + text.count(b"[") > _MAX_DEPTH and _is_deeper(properties, _MAX_DEPTH):
        raise ValueError(_TOO_DEEP)
    if _has_credential(text):
        properties = _without_credentials(properties)
        return Event(msgspec.json.encode(properties), properties)
    # Between tokens line ends are whitespace, and valid JSON has none inside of strings.
    return Event(text.replace(b"\n", b" ").replace(b"\r", b" "), properties)


def _is_deeper(value: Any, levels: int) -> bool:
    """Return whether a value has more levels than that, which other JSON parsers may reject."""
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in inner)


def _has_credential(text: str | bytes) -> bool:
    """Return whether any object of a JSON text has a credential that is not null.

    `password`, `salt` and `hashAlgorithmId` are sent as null ("Live Push User Profile"), which may
    stay.
    """
    credentials: list[str] = []

    # Pairs, not dicts: a credential may precede a harmless value of the same name, and the text is
    # stored as it was sent.
    def check_pairs(pairs: list[tuple[str, Any]]) -> bool:
        credentials.extend(
            name
            for name, value in pairs
            if value is not None and (is_credential_name(name) or _hides_credential(value))
        )
        return True  # placeholder for the checked object

    json.loads(text, object_pairs_hook=check_pairs)
    return bool(credentials)


def _hides_credential(value: Any) -> bool:
    """Return whether a string that is JSON itself, like `activityExtraData`, has a credential."""
    if isinstance(value, list):
        return any(map(_hides_credential, value))
    return isinstance(value, str) and cleaned(value, is_credential_name) is not value


_without_credentials = credential_remover(is_credential_name)
