"""Which members a complete sweep has read, in a few hundred bytes whatever their number.

A member that joined the roster since then has to be read from `start_date`, not from the bookmark,
and a state cannot list millions of ids. So the roster is split into buckets by a stable hash, and
for each bucket the sum of its members' hashes is kept, in 40 bits; with numeric ids the largest
one too, since CrowdTwist counts upwards and new members are usually above it.

A member is known if they are not above the largest id and their bucket's sum, taken over the ids
up to the largest, is unchanged. Nobody new is ever taken for known, but for a chance of 2^-40 per
changed bucket. The cost falls on the other side: each member who left, or who joined with a
smaller id, makes the 1/256 of the roster that shares their bucket count as new once.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_crowdtwist.roster import Member, Roster

BUCKETS = 256
_WIDTH = 5
"""Bytes kept of each bucket's sum."""


@dataclass(frozen=True)
class Sketch:
    """The members of a complete sweep, in short.

    Attributes:
        sums: the buckets' sums, `_WIDTH` bytes each.
        largest: the largest numeric id, or None for ids of another type.
    """

    sums: bytes
    largest: int | None

    @classmethod
    def of(cls, roster: Roster, largest: int | None = None) -> Sketch:
        """Sketch a roster, or its part up to a largest id."""
        numeric = roster.id_type == "id"
        if numeric and largest is None and len(roster):
            largest = int(roster[len(roster) - 1])
        sums = [0] * BUCKETS
        for member in roster.names():
            if largest is not None and int(member) > largest:
                break
            bucket, value = _hash(member)
            sums[bucket] += value
        mask = (1 << 8 * _WIDTH) - 1
        return cls(b"".join((s & mask).to_bytes(_WIDTH, "big") for s in sums), largest)

    @classmethod
    def load(cls, stored: Mapping[str, Any] | None) -> Sketch | None:
        """Read a sketch from a state; None where there is none that makes sense."""
        try:
            sums = base64.b64decode((stored or {})["sums"], validate=True)
        except (KeyError, TypeError, ValueError):
            return None
        largest = (stored or {}).get("largest")
        return cls(sums, largest) if len(sums) == BUCKETS * _WIDTH else None

    @classmethod
    def nobody(cls) -> Sketch:
        """Give a sketch in which everybody is new."""
        return cls(b"\xff" * BUCKETS * _WIDTH, None)

    def where_unchanged(self, roster: Roster) -> Sketch:
        """Spoil the buckets that a roster has changed: some of their members may go unread."""
        if not len(roster):
            return self
        now = Sketch.of(roster, self.largest).sums
        spoilt = bytearray(self.sums)
        for at in range(0, len(spoilt), _WIDTH):
            if spoilt[at : at + _WIDTH] != now[at : at + _WIDTH]:
                spoilt[at] ^= 0xFF
        return Sketch(bytes(spoilt), self.largest)

    def dump(self) -> dict[str, Any]:
        """Give what `load` reads."""
        stored: dict[str, Any] = {"sums": base64.b64encode(self.sums).decode()}
        return stored if self.largest is None else {**stored, "largest": self.largest}


def newcomers(known: Sketch | None, roster: Roster) -> Callable[[Member], bool]:
    """Give what tells whether a member of the roster may be new since a sketch was made."""
    if known is None:
        return lambda _: True
    present = Sketch.of(roster, known.largest) if len(roster) else known
    changed = [
        known.sums[n * _WIDTH : (n + 1) * _WIDTH] != present.sums[n * _WIDTH : (n + 1) * _WIDTH]
        for n in range(BUCKETS)
    ]
    largest = known.largest
    if not any(changed):
        return lambda member: largest is not None and int(member) > largest
    return lambda member: (
        (largest is not None and int(member) > largest) or changed[_hash(member)[0]]
    )


def _hash(member: Member) -> tuple[int, int]:
    digest = hashlib.blake2b(str(member).encode(), digest_size=_WIDTH + 1, person=b"known").digest()
    return digest[0], int.from_bytes(digest[1:], "big")
