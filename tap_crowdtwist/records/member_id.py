"""Parsing of one member id, of any type that CrowdTwist supports."""

from __future__ import annotations

import re
from itertools import chain

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
_NUMBER = re.compile(r"\d{1,19}", re.ASCII)
_EMAIL = re.compile(rf"""[^\s@,;|"<>{_CONTROLS}]+@[^\s@,;|"<>{_CONTROLS}]+""")
_FREE_TEXT = re.compile(rf"(?=.)[^;{_CONTROLS}]*(?:;[^;{_CONTROLS}]*)?")
_OTHER = re.compile(rf"""[^,;|"<>{_CONTROLS}]+""")
_PATTERNS = {
    "id": _NUMBER,
    "email": _EMAIL,
    "username": _FREE_TEXT,
    "third_party_id": _FREE_TEXT,
}
"""Patterns of ids by type.

A brand may name its members nearly anything, such as `auth0|ada` or `CN=Ada,O=X`. So user names and
third-party ids are rejected only for a control character such as a tab, or for two semicolons,
which make three fields.
"""

_INVISIBLE = "".join(
    map(
        chr,
        chain(
            range(0x21),  # controls and the blank
            range(0x7F, 0xA1),  # more controls and the non-breaking space
            (0xAD, 0x61C, 0x1680, 0x180E),
            range(0x2000, 0x2010),  # blanks, zero-width spaces, direction marks
            range(0x2028, 0x2030),
            range(0x205F, 0x2070),
            (0x3000, 0xFEFF),
        ),
    )
)
"""Characters of no width, of control, or blank."""


def parse_id(text: str, id_type: str) -> Member | None:
    """Return the id of the given type in a text, or None if the text is not one."""
    stripped = bare(text)
    if not _PATTERNS.get(id_type, _OTHER).fullmatch(stripped):
        return None
    if id_type != "id":
        return stripped
    number = int(stripped)
    return number if 0 < number <= LARGEST_ID else None


def bare(text: str) -> str:
    """Return a text without invisible characters at its ends.

    These are blanks, but also byte-order marks (in the middle of concatenated files), zero-width
    spaces, direction marks that are copied along, and the Ctrl-Z of DOS.
    """
    return text.strip(_INVISIBLE)
