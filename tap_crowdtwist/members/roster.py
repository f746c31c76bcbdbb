"""Who to ask about: the members of a run, sorted, unique, and this shard's only.

Numeric CrowdTwist ids are kept as 8 bytes each, any other id as text. CrowdTwist has no endpoint
that lists members, so a roster always comes from the user (`sources`).
"""

from __future__ import annotations

import hashlib
import re
import zlib
from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from tap_crowdtwist.records.member_id import Member


_SHARD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


@dataclass(frozen=True)
class Shard:
    """One part of a roster split by a stable hash: part `number` of `count`, counted from 1."""

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str | None) -> Shard:
        """Read "2/8".

        Raises:
            SettingError: the text is not two positive integers, the first no larger.
        """
        if not text:
            return cls()
        match = _SHARD.fullmatch(text.strip())
        if match is not None:
            shard = cls(int(match[1]), int(match[2]))
            if 1 <= shard.number <= shard.count:
                return shard
        raise SettingError("shard", 'must look like "2/8", part 2 of 8, counted from 1')

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def holds(self, member: Member) -> bool:
        """Tell whether a member belongs to this shard, the same on every machine."""
        if self.count == 1:
            return True
        digest = hashlib.blake2b(str(member).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.number - 1


class Roster:
    """The members of a run in the order in which they are asked about.

    Args:
        members: ids, in any order, repeats allowed; all int or all text.
        id_type: what the ids are.
        shard: the part to keep.
        pseudonymize: names text ids where they must not be seen, such as in the state. The members
            are then in the order of these names.
    """

    def __init__(
        self,
        members: Iterable[Member],
        id_type: str = "id",
        shard: Shard | None = None,
        pseudonymize: Callable[[str], str] | None = None,
    ) -> None:
        self.id_type = id_type
        self.shard = shard or Shard()
        self._pseudonymize = pseudonymize if id_type != "id" else None
        kept = filter(self.shard.holds, members)
        self._members: Sequence[Member]
        if id_type == "id":
            numbers = array("q", map(int, kept))
            self._members = array("q", _unique(sorted(numbers)))
        else:
            self._members = sorted(set(kept), key=self._name)

    @cached_property
    def checksum(self) -> int:
        """Checksum of the members, to notice that a sweep goes on with another roster."""
        if isinstance(self._members, array):
            return zlib.crc32(self._members.tobytes())
        names = (f"{name}\n".encode() for name in self.names())
        return reduce(lambda checksum, name: zlib.crc32(name, checksum), names, 0)

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members)

    @property
    def kind(self) -> str:
        """What the names of the members are: their `id_type`, and whether it is disguised."""
        return (
            f"{self.id_type}, hashed {self._pseudonymize('')[:8]}"
            if self._pseudonymize
            else self.id_type
        )

    @property
    def is_pseudonymized(self) -> bool:
        """Whether members are called something else than what they are asked for by."""
        return self._pseudonymize is not None

    def name(self, position: int) -> Member:
        """Give what a member is called in a state."""
        return self._name(self._members[position])

    def names(self) -> Iterator[Member]:
        """Give what the members are called in a state, in their order."""
        return map(self._name, self._members) if self._pseudonymize else iter(self._members)

    def _name(self, member: Member) -> Member:
        return self._pseudonymize(str(member)) if self._pseudonymize else member

    def after(self, cursor: Member | None) -> int:
        """Give the position of the first member after a cursor; 0 where there is none.

        The cursor need not be in the roster: members come and go between runs. One of another
        kind than the ids here says nothing about them, so it counts as none.
        """
        if cursor is None or not self._comparable(cursor):
            return 0
        return bisect_right(self._members, cursor, key=self._name)

    def position(self, name: Member | None) -> int | None:
        """Return the position of the member that a state calls so, or None where there is none."""
        end = self.after(name)
        return end - 1 if end and self.name(end - 1) == name else None

    def token(self, position: int) -> int:
        """Return what a state calls a member that failed, in few bytes.

        It is the member's number, or 24 bits made of any other name; several names may share one.
        """
        member = self._members[position]
        return member if isinstance(member, int) else _short_hash(self._name(member))

    def with_tokens(self, tokens: Collection[int]) -> list[int]:
        """Return the positions of all members that a state calls so, in ascending order."""
        if not tokens:
            return []
        if self.id_type != "id":
            return [n for n, name in enumerate(self.names()) if _short_hash(name) in tokens]
        places = ((bisect_left(self._members, token), token) for token in sorted(tokens))
        return [n for n, token in places if n < len(self) and self._members[n] == token]

    def _comparable(self, member: Any) -> bool:
        """Tell whether a value that a state may hold is of the kind that the ids here are."""
        return isinstance(member, (int, float) if self.id_type == "id" else str)

    def __getitem__(self, position: int) -> Member:
        return self._members[position]


def _short_hash(name: Member) -> int:
    return int.from_bytes(hashlib.blake2b(str(name).encode(), digest_size=3).digest(), "big")


def _unique(members: Iterable[int]) -> Iterator[int]:
    last: int | None = None
    for member in members:
        if member != last:
            yield member
        last = member
