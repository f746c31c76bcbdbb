"""Member ids of every id_type, computed from the member's index, and the way back.

The hosts decide which id_types they accept. Text that is no possible id of its type resolves to
None (CrowdTwist says "not found").
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_ID = 1_000_003
ID_STEP = 7
_MOBILE_LIMIT = 10_000_000
_FACEBOOK_BASE = 100_000_000_000_000
_TWITTER_BASE = 90_000_000

_NUMBER = "(0|[1-9][0-9]*)"
_EMAIL = re.compile(rf"ada\.sample\+{_NUMBER}@example\.test", re.ASCII)
_USERNAME = re.compile(rf"user_{_NUMBER}", re.ASCII)
_THIRD_PARTY = re.compile(r"crm/([0-9]{8,})", re.ASCII)
_MOBILE = re.compile(r"\+1555([0-9]{7})", re.ASCII)
_DIGITS = re.compile(_NUMBER, re.ASCII)


def member_id(index: int) -> int:
    """Return CrowdTwist's own id: numeric, with gaps."""
    return FIRST_ID + ID_STEP * index


def email(index: int) -> str:
    """Return an address with a plus sign, which must be encoded in a URL."""
    return f"ada.sample+{index}@example.test"


def username(index: int) -> str:
    """Return the member's login name."""
    return f"user_{index}"


def third_party_id(index: int) -> str | None:
    """Return the brand's own id, which contains a slash; a few members have none."""
    return None if index % 41 == 5 else f"crm/{index:08d}"  # noqa: PLR2004 - a residue class


def mobile_phone_number(index: int) -> str | None:
    """Return a number with a plus sign; some members have none."""
    if index % 29 == 3 or index >= _MOBILE_LIMIT:  # noqa: PLR2004 - a residue class
        return None
    return f"+1555{index:07d}"


def facebook_user_id(index: int) -> str | None:
    """Return a Facebook id for every fifth member."""
    return None if index % 5 else str(_FACEBOOK_BASE + index)


def twitter_user_id(index: int) -> str | None:
    """Return a Twitter id for every sixth member."""
    return None if index % 6 else str(_TWITTER_BASE + index)


ID_TYPES: dict[str, Callable[[int], str | None]] = {
    "id": lambda index: str(member_id(index)),
    "email": email,
    "third_party_id": third_party_id,
    "mobile_phone_number": mobile_phone_number,
    "username": username,
    "facebook_user_id": facebook_user_id,
    "twitter_user_id": twitter_user_id,
}


def _affine(pattern: re.Pattern[str], base: int = 0, step: int = 1) -> Callable[[str], int | None]:
    """Return the inverse of `base + step * index`, for ids of a pattern."""

    def invert(text: str) -> int | None:
        match = pattern.fullmatch(text)
        if match is None:
            return None
        index, rest = divmod(int(match[match.lastindex or 0]) - base, step)
        return None if rest or index < 0 else index

    return invert


_INVERSE: dict[str, Callable[[str], int | None]] = {
    "id": _affine(_DIGITS, FIRST_ID, ID_STEP),
    "email": _affine(_EMAIL),
    "third_party_id": _affine(_THIRD_PARTY),
    "mobile_phone_number": _affine(_MOBILE),
    "username": _affine(_USERNAME),
    "facebook_user_id": _affine(_DIGITS, _FACEBOOK_BASE),
    "twitter_user_id": _affine(_DIGITS, _TWITTER_BASE),
}


def index_of(id_type: str, text: str) -> int | None:
    """Return the index behind an id, None if no member can have it."""
    if len(text) > 80:  # noqa: PLR2004 - no id is that long
        return None
    index = _INVERSE[id_type](text)
    # Some indexes have no id of this type, so compute the id of the index and compare.
    if index is None or ID_TYPES[id_type](index) != text:
        return None
    return index
