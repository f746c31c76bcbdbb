"""What a sweep owes: members whose rows it could not read, and from when on they are wanted.

A program of a million members may well have hundreds that fail every day, so a state holds them as
sorted differences, in 10 bits each where 2,000 of a million fail. Each is a number, CrowdTwist's
own or one made of the name (`Roster.token`); one that several names share stands for all of them.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from tap_crowdtwist.state.timestamps import format_timestamp, parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import datetime

MAX_FAILED_MEMBERS = 2000
"""Members that the state of one stream lists."""

MAX_STATE_BYTES = 64 * 1024
"""Bytes that the state of all streams may have."""

_UNMEASURED = 16
"""Members that are listed before the list is measured again."""

_UNDER_WAY = 6_000
"""Bytes by which the state of a stream may grow while its sweep is under way."""

_BEGUN = 2_000
"""Bytes that the state of a stream has that has none yet, once it has been swept."""


def room(bookmarks: Mapping[str, Any], stream: str, streams: Iterable[str]) -> int:
    """Return how many characters the list of one stream may take.

    Args:
        bookmarks: the state of all streams.
        stream: whose list it is.
        streams: all that are read in this run.
    """
    listed = bookmarks.get(stream, {}).get("sweep", {}).get("failed", {}).get("ids", "")
    size = len(msgspec.json.encode(bookmarks)) - len(listed)
    to_come = sum(not bookmarks.get(name) for name in streams)
    return MAX_STATE_BYTES - _UNDER_WAY - _BEGUN * to_come - size


@dataclass
class FailedMembers:
    """The members that a sweep owes their rows, as `Roster.token` has them.

    Attributes:
        earlier: those that earlier runs could not read.
        earlier_since: the bound that they are owed from; None for everything.
        new: those that this run could not read.
        new_since: the bound that they are owed from.
        overflowed: whether more failed than a state can list, so that the bookmark stays.
    """

    earlier: set[int] = field(default_factory=set)
    earlier_since: datetime | None = None
    new: set[int] = field(default_factory=set)
    new_since: datetime | None = None
    overflowed: bool = False

    def add(self, token: int, since: datetime | None, room: Callable[[], int]) -> None:
        """Note that a member is owed its rows from a bound on, or that there is no place for it.

        Args:
            token: what a state calls the member.
            since: the bound.
            room: returns how many characters the list of this stream may take.
        """
        listed = self.earlier | self.new
        if token not in listed:
            count = len(listed)
            # Measuring takes milliseconds, and a member some two bytes.
            measured = count > 0 and count % _UNMEASURED == 0
            if count >= MAX_FAILED_MEMBERS or (measured and len(_encode(listed)["ids"]) > room()):
                self.overflowed = True
                return
        self.new_since = lower_bound(self.new_since, since) if self.new else since
        self.new.add(token)

    def dump(self) -> dict[str, Any]:
        """Return what the state of a sweep says of its debts."""
        tokens = self.earlier | self.new
        if not tokens:
            return {}
        since = self.new_since if self.new else self.earlier_since
        if self.new and self.earlier:
            since = lower_bound(self.earlier_since, self.new_since)
        failed: dict[str, Any] = {"failed": _encode(tokens)}
        if since is not None:
            failed["failed_since"] = format_timestamp(since)
        return failed

    @classmethod
    def load(cls, stored: Mapping[str, Any], *, overflowed: bool = False) -> FailedMembers:
        """Read what `dump` returned.

        Raises:
            ValueError: it is none.
            TypeError: likewise.
        """
        tokens = _decode(stored["failed"]) if stored.get("failed") else set()
        since = parse_timestamp(stored.get("failed_since")) if tokens else None
        return cls(tokens, since, overflowed=overflowed)


def lower_bound(one: datetime | None, other: datetime | None) -> datetime | None:
    """Return the lower of two bounds; None is below any."""
    return None if one is None or other is None else min(one, other)


def _encode(tokens: Collection[int]) -> dict[str, Any]:
    """Write the differences of sorted numbers as a Golomb-Rice code, which suits random ones.

    Of each difference, the lowest `bits` bits follow the rest in unary: as many ones, and a zero.
    With `bits` next to the logarithm of the mean there are at most two ones a number on average.
    """
    ordered = sorted(tokens)
    bits = (ordered[-1] // len(ordered)).bit_length()
    code = "".join(
        "1" * (step >> bits) + "0" + format(step & ((1 << bits) - 1) | 1 << bits, "b")[1:]
        for step in (after - before for before, after in pairwise([0, *ordered]))
    )
    packed = int("1" + code, 2)  # a leading one keeps the zeros behind it
    text = base64.b64encode(packed.to_bytes(packed.bit_length() // 8 + 1, "big")).decode()
    return {"count": len(ordered), "bits": bits, "ids": text}


def _decode(stored: Mapping[str, Any]) -> set[int]:
    count, bits = int(stored["count"]), int(stored["bits"])
    code = format(int.from_bytes(base64.b64decode(stored["ids"], validate=True), "big"), "b")
    tokens: set[int] = set()
    token, place = 0, 1
    for _ in range(count):
        end = code.index("0", place)
        low = code[end + 1 : end + 1 + bits]
        token += (end - place << bits) + int(low or "0", 2)
        tokens.add(token)
        place = end + 1 + bits
    return tokens
