"""The events of a body: each as it was sent, on one line, without credentials."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec

from tap_crowdtwist.api.decoding import decode
from tap_crowdtwist.privacy.sanitize import cleaned, remove_credentials
from tap_crowdtwist.schemas import is_credential_name

_ANY = msgspec.json.Decoder()
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_BLANK = b" \t\r\n"
_MARK = b"\xef\xbb\xbf"
_DEEP = 64
_TOO_DEEP = f"an event is nested more than {_DEEP} deep"


class Event(NamedTuple):
    """One event.

    Attributes:
        text: its JSON, without line ends.
        members: what it says.
    """

    text: bytes
    members: dict[str, Any]


class Events(NamedTuple):
    """What a body holds.

    Attributes:
        events: in their order.
        mended: whether the body was not quite JSON.
    """

    events: list[Event]
    mended: bool = False


def events_of(body: bytes) -> Events:
    """Read a body: one event, or a list of them.

    What is not quite JSON (half a character, bytes that are not UTF-8, a raw line end in a text,
    NaN) is mended rather than refused, since CrowdTwist would send the same again for eight hours,
    and then never. A body that was cut is refused. Members named like credentials are taken out,
    and texts that hold one and cannot be taken apart are masked.

    Raises:
        ValueError: with a few words that repeat nothing of the body.
    """
    text = body.removeprefix(_MARK).strip(_BLANK)
    try:
        try:
            return Events(_read(text))
        except (msgspec.MsgspecError, UnicodeError):
            payload = decode(text).payload
            if payload is None:
                raise
            return Events(_read(msgspec.json.encode(payload)), mended=True)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except (msgspec.MsgspecError, UnicodeError):
        raise ValueError("the body is not JSON in UTF-8") from None


def _read(text: bytes) -> list[Event]:
    if text.startswith(b"["):
        return [_event(bytes(raw)) for raw in _LIST.decode(text)]
    return [_event(text)]


def _event(text: bytes) -> Event:
    members = _ANY.decode(text)
    if not isinstance(members, dict):
        raise ValueError("the body is neither an object nor a list of objects")  # noqa: TRY004 - input
    if text.count(b"{") + text.count(b"[") > _DEEP and _is_deeper(members, _DEEP):
        raise ValueError(_TOO_DEEP)
    if _has_credential(text):
        members = _without_credentials(members)
        return Event(msgspec.json.encode(members), members)
    return Event(text.replace(b"\n", b" ").replace(b"\r", b" "), members)


def _is_deeper(value: Any, levels: int) -> bool:
    """Tell whether a value has more levels than that; readers have limits of their own."""
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(member, levels - 1) for member in inner)


def _has_credential(text: str | bytes) -> bool:
    """Tell whether any object of a JSON text has a member named like a credential, not null.

    `password`, `salt` and `hashAlgorithmId` come null ("Live Push User Profile"), which may stay.
    Every member is looked at, also those that are overruled by a later one of the same name.
    """
    found = False

    def look(members: list[tuple[str, Any]]) -> bool:
        nonlocal found
        found = found or any(
            value is not None and (is_credential_name(name) or _hides_credential(value))
            for name, value in members
        )
        return True  # stands for the object, which has been looked at

    json.loads(text, object_pairs_hook=look)
    return found


def _hides_credential(value: Any) -> bool:
    """Tell the same of texts that are objects themselves, like `activityExtraData`."""
    if isinstance(value, list):
        return any(map(_hides_credential, value))
    return isinstance(value, str) and cleaned(value, is_credential_name) is not value


def _without_credentials(members: dict[str, Any]) -> dict[str, Any]:
    clean: dict[str, Any] = remove_credentials(members, is_credential_name)
    return clean
