"""Parsing of one member id, of any type that CrowdTwist supports."""

from __future__ import annotations

import re
import unicodedata

Member = int | str
"""A member's id as in the roster: an int if `id_type` is id, else text."""

ID_TYPES = (
    "id",
    "email",
    "third_party_id",
    "mobile_phone_number",
    "username",
    "facebook_user_id",
    "twitter_user_id",
)
"""Types of the ids in a roster. Source: the `id_type` parameter of User Profile."""

LARGEST_ID = 2**63 - 1
SEPARATORS = frozenset(',;|\t"<>')
"""Characters that separate the fields of a row, or enclose an address."""

_CONTROLS = r"\x00-\x1f\x7f-\x9f"
_EMAIL = re.compile(rf"""[^\s@,;|"<>{_CONTROLS}]+@[^\s@,;|"<>{_CONTROLS}]+""")
_FREE_TEXT = re.compile(rf"[^;{_CONTROLS}]*(?:;[^;{_CONTROLS}]*)?")
_OTHER = re.compile(rf"""[^,;|"<>{_CONTROLS}]*""")
_PATTERNS = {"email": _EMAIL, "username": _FREE_TEXT, "third_party_id": _FREE_TEXT}
"""Patterns of ids by type.

A brand may name its members nearly anything, such as `auth0|ada` or `CN=Ada,O=X`. So user names and
third-party ids are rejected only for a control character such as a tab, or for two semicolons,
which make three fields.
"""


def parse_id(text: str, id_type: str) -> Member | None:
    """Return the id of the given type in a text, or None if the text is not one."""
    stripped = bare(text)
    if id_type != "id":
        looks_right = _PATTERNS.get(id_type, _OTHER).fullmatch(stripped)
        return stripped if stripped and looks_right else None
    if not (stripped.isascii() and stripped.isdigit()):
        return None
    # `int` is quadratic in the number of digits, so longer texts are not converted.
    number = int(stripped) if len(stripped) <= len(str(LARGEST_ID)) else LARGEST_ID + 1
    return number if 0 < number <= LARGEST_ID else None


def bare(text: str) -> str:
    """Return a text without invisible characters at its ends.

    These are blanks, but also byte-order marks (in the middle of concatenated files), zero-width
    spaces, direction marks that are copied along, and the Ctrl-Z of DOS.
    """
    begin, end = 0, len(text)
    while begin < end and _is_invisible(text[begin]):
        begin += 1
    while begin < end and _is_invisible(text[end - 1]):
        end -= 1
    return text[begin:end]


def _is_invisible(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter) in {"Cc", "Cf"}
