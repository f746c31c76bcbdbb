"""The roster: the members of a run, sorted and unique, restricted to one shard.

Numeric CrowdTwist ids take 8 bytes each; any other id is kept as text. CrowdTwist has no endpoint
that lists members, so a roster always comes from the user (`roster_files`) or from files of
CrowdTwist.
"""

from __future__ import annotations

import hashlib
import heapq
import re
import zlib
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from tap_crowdtwist.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from tap_crowdtwist.records.member_id import Member


_SHARD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count`, counted from 1, of a roster that is split by a stable hash."""

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str | None) -> Shard:
        """Parse a text such as "2/8"; no text stands for the whole roster.

        Raises:
            SettingError: the text is not two positive integers, the first no larger than the
                second.
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
        """Return whether a member belongs to this shard."""
        if self.count == 1:
            return True
        return _stable_hash(member) % self.count == self.number - 1


class Roster:
    """The members of a run, in the order in which they are requested.

    The *name* of a member is what a state calls it: its id, or a pseudonym if the id must not be
    seen there.

    Args:
        members: ids, in any order, repeats allowed; all int or all text.
        id_type: the type of the ids.
        shard: the shard to keep.
        pseudonymize: returns the pseudonym of a text id. The members are then in the order of the
            pseudonyms, because a cursor in the state is one.
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
        self.ids_read = 0
        """Ids of all shards, repeats included: a number on which shards of one roster agree."""
        kept = filter(self.shard.holds, self._counted(members))
        self._members: Sequence[Member]
        if id_type == "id":
            # Arrays, not sets: a set of ids would take several times the memory.
            numbers = array("q", map(int, kept))
            self._members = array("q", map(itemgetter(0), groupby(sorted(numbers))))
            self._name_types: tuple[type, ...] = (int, float)
        else:
            self._members = sorted(set(kept), key=self._name)
            self._name_types = (str,)

    def _counted(self, members: Iterable[Member]) -> Iterator[Member]:
        for member in members:
            self.ids_read += 1
            yield member

    @cached_property
    def checksum(self) -> int:
        """Checksum of the members' names, to notice that a sweep is resumed with another roster."""
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
        """The kind of the names: the `id_type`, and, if hashed, a fingerprint of the `hash_key`."""
        return (
            f"{self.id_type}, hashed {self._pseudonymize('')[:8]}"
            if self._pseudonymize
            else self.id_type
        )

    @property
    def is_pseudonymized(self) -> bool:
        """Whether the names of members are pseudonyms, not the ids by which they are requested."""
        return self._pseudonymize is not None

    def sample(self, count: int) -> Roster:
        """Return a roster of some of the members; all if there are no more.

        They are those with the smallest hashes: the first ones would be the oldest members, who
        have the longest histories. So a smaller sample is always a part of a larger one.
        """
        chosen = heapq.nsmallest(count, self._members, key=sample_rank)
        sample = Roster(chosen, self.id_type, self.shard, self._pseudonymize)
        sample.ids_read = self.ids_read
        return sample

    def name(self, position: int) -> Member:
        """Return the name of a member."""
        return self._name(self._members[position])

    def names(self) -> Iterator[Member]:
        """Return the names of all members, in their order."""
        return map(self._name, self._members) if self._pseudonymize else iter(self._members)

    def _name(self, member: Member) -> Member:
        return self._pseudonymize(str(member)) if self._pseudonymize else member

    def after(self, cursor: Member | None) -> int:
        """Return the position of the first member after a cursor; 0 if there is no cursor.

        The cursor need not be in the roster: members come and go between runs. A cursor of another
        type than the names cannot be compared with them, so it counts as none.
        """
        if cursor is None or not isinstance(cursor, self._name_types):
            return 0
        return bisect_right(self._members, cursor, key=self._name)

    def position(self, name: Member | None) -> int | None:
        """Return the position of the member with a name, or None if there is none."""
        end = self.after(name)
        return end - 1 if end and self.name(end - 1) == name else None

    def token(self, position: int) -> int:
        """Return a short token by which a state lists a member that failed.

        It is the numeric id, or a 24-bit hash of any other name, which several members may share.
        """
        member = self._members[position]
        return member if isinstance(member, int) else _short_hash(self._name(member))

    def with_tokens(self, tokens: Collection[int]) -> list[int]:
        """Return the positions of all members with one of some tokens, in ascending order."""
        if not tokens:
            return []
        if self.id_type != "id":
            return [n for n, name in enumerate(self.names()) if _short_hash(name) in tokens]
        return [n for n in map(self.position, sorted(tokens)) if n is not None]

    def __getitem__(self, position: int) -> Member:
        return self._members[position]


def sample_rank(member: Member) -> int:
    """Return a number that decides which members a sample takes first; 64 bits."""
    # Other hashes than those of shards, whose members would otherwise be no random ones.
    return _stable_hash(member, b"sample")


def _stable_hash(member: Member, purpose: bytes = b"") -> int:
    # Not `hash`: it is salted per process, and shards run on several machines.
    digest = hashlib.blake2b(str(member).encode(), digest_size=8, person=purpose).digest()
    return int.from_bytes(digest, "big")


def _short_hash(name: Member) -> int:
    return int.from_bytes(hashlib.blake2b(str(name).encode(), digest_size=3).digest(), "big")
