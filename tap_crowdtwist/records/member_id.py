"""Reads one id of a member, of any kind that CrowdTwist knows."""

from __future__ import annotations

import re
import unicodedata

Member = int | str
"""A member's id as the roster has it: an int under `id_type` id, else text."""

ID_TYPES = (
    "id",
    "email",
    "third_party_id",
    "mobile_phone_number",
    "username",
    "facebook_user_id",
    "twitter_user_id",
)
"""What a roster's ids may be. Source: the `id_type` parameter of User Profile."""

LARGEST_ID = 2**63 - 1
SEPARATORS = frozenset(',;|\t"<>')
"""Characters that stand between the fields of a row, or around an address."""

_CONTROLS = r"\x00-\x1f\x7f-\x9f"
_EMAIL = re.compile(rf"""[^\s@,;|"<>{_CONTROLS}]+@[^\s@,;|"<>{_CONTROLS}]+""")
_WORDS = re.compile(rf"[^;{_CONTROLS}]*(?:;[^;{_CONTROLS}]*)?")
_OTHER = re.compile(rf"""[^,;|"<>{_CONTROLS}]*""")
_FORMS = {"email": _EMAIL, "username": _WORDS, "third_party_id": _WORDS}
"""What ids look like. A brand may call its members nearly anything, such as `auth0|ada` or
`CN=Ada,O=X`, so user names and third-party ids are refused only for a control character such as a
tab, and for two semicolons, which make three fields."""


def parse_id(text: str, id_type: str) -> Member | None:
    """Read one id of the given type, or None where the text is not one."""
    stripped = bare(text)
    if id_type != "id":
        looks_right = _FORMS.get(id_type, _OTHER).fullmatch(stripped)
        return stripped if stripped and looks_right else None
    if not (stripped.isascii() and stripped.isdigit()):
        return None
    number = int(stripped) if len(stripped) <= len(str(LARGEST_ID)) else LARGEST_ID + 1
    return number if 0 < number <= LARGEST_ID else None


def bare(text: str) -> str:
    """Return a text without what nobody sees at its ends.

    These are blanks, but also byte-order marks (in the middle of files that were put together),
    zero-width spaces, marks of direction that are copied along, and the Ctrl-Z of DOS.
    """
    begin, end = 0, len(text)
    while begin < end and _is_unseen(text[begin]):
        begin += 1
    while begin < end and _is_unseen(text[end - 1]):
        end -= 1
    return text[begin:end]


def _is_unseen(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter) in {"Cc", "Cf"}
