"""Who was read by the last complete sweep, in 1.4 KB whatever their number.

A member whom that sweep did not read has to be read from `start_date`, not from the bookmark: one
who is new to the roster, who was missing or failed then, or who now has an address that was
somebody else's. So members are told apart by CrowdTwist's own number, never by their name in the
roster, and a state cannot list millions of numbers.

Each member falls into one bucket of each of `ROWS` rows, by a stable hash, and a bucket holds the
sum of its members' hashes, in 32 bits. A sweep adds up the members that it reads. When it is
through, a member may be new only if each of its buckets differs from the last complete sweep's.
Nobody new is ever taken for known, but for a chance of 2^-31. The price is paid by others: a member
who is known is read once more where members who came or went share both of its buckets. With 10 of
those that is 0.6 % of the members, with 50 a tenth, with 200 two thirds, with 500 nearly all.

Numbers above the largest one that was read are new for certain, since CrowdTwist counts upwards.
They are summed apart, so that growth does not touch the comparison.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROWS = 2
BUCKETS = 128
_WIDTH = 4
"""Bytes kept of each bucket's sum."""
_MASK = (1 << 8 * _WIDTH) - 1


class RosterDigest:
    """The members that a sweep has read, by CrowdTwist's number.

    Attributes:
        largest: the largest number among them, 0 where there is none.
    """

    def __init__(self, sums: list[int] | None = None, largest: int = 0) -> None:
        self._sums = sums or [0] * (ROWS * BUCKETS)
        self.largest = largest

    def __eq__(self, other: object) -> bool:
        """Compare contents."""
        return isinstance(other, RosterDigest) and self.dump() == other.dump()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def add(self, user_id: int) -> None:
        """Add a member."""
        places, value = _places(user_id)
        for place in places:
            self._sums[place] = (self._sums[place] + value) & _MASK
        self.largest = max(self.largest, user_id)

    def __or__(self, other: RosterDigest) -> RosterDigest:
        """Return the digest of two groups of members that have nobody in common."""
        sums = [(one + two) & _MASK for one, two in zip(self._sums, other._sums, strict=True)]
        return RosterDigest(sums, max(self.largest, other.largest))

    @classmethod
    def load(cls, stored: Mapping[str, Any] | None) -> RosterDigest | None:
        """Read a digest from a state; None where there is none that makes sense."""
        try:
            packed = base64.b64decode((stored or {})["sums"], validate=True)
            largest = int((stored or {}).get("largest", 0))
        except (KeyError, TypeError, ValueError):
            return None
        if len(packed) != ROWS * BUCKETS * _WIDTH:
            return None
        places = range(0, len(packed), _WIDTH)
        return cls([int.from_bytes(packed[at : at + _WIDTH], "big") for at in places], largest)

    def dump(self) -> dict[str, Any]:
        """Return what `load` reads."""
        packed = b"".join(total.to_bytes(_WIDTH, "big") for total in self._sums)
        return {"sums": base64.b64encode(packed).decode(), "largest": self.largest}

    def without_changed_buckets(self, one: RosterDigest, other: RosterDigest) -> RosterDigest:
        """Return a digest that knows nobody of the buckets in which two others differ."""
        pairs = zip(self._sums, one._sums, other._sums, strict=True)
        return RosterDigest([own ^ (a != b) for own, a, b in pairs], self.largest)

    def new_member_test(self, now: RosterDigest) -> Callable[[int], bool] | None:
        """Return a test for members of `now` who may be missing here; None where nobody is."""
        changed = [one != two for one, two in zip(self._sums, now._sums, strict=True)]
        if not any(changed):
            return None
        return lambda user_id: all(changed[place] for place in _places(user_id)[0])


def _places(user_id: int) -> tuple[list[int], int]:
    """Return the member's bucket in each row, and what it adds to them."""
    digest = hashlib.blake2b(b"%d" % user_id, digest_size=ROWS + _WIDTH, person=b"known").digest()
    places = [row * BUCKETS + digest[row] % BUCKETS for row in range(ROWS)]
    return places, int.from_bytes(digest[ROWS:], "big")
