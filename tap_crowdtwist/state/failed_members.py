"""The members that a sweep could not read, and the date from which their rows are missing.

In a program of a million members, hundreds may fail every day. So a state lists them as sorted
differences, which takes 10 bits each if 2,000 of a million fail. A member is listed by a token
(`Roster.token`): CrowdTwist's numeric id, or a number derived from any other id. A token that
several members share stands for all of them.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from tap_crowdtwist.state.timestamps import dump_timestamp, load_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import datetime

MAX_FAILED_MEMBERS = 2000
"""Members that the state of one stream can list."""

MAX_STATE_BYTES = 64 * 1024
"""Maximum size of the state of all streams, in bytes."""

_MEASURE_EVERY = 16
"""Number of members added between two measurements of the list."""

_SWEEP_GROWTH_BYTES = 6_000
"""Bytes by which the state of a stream can grow during its sweep."""

_NEW_STREAM_BYTES = 2_200
"""Bytes to reserve for each stream that has no state yet."""


def characters_left(bookmarks: Mapping[str, Any], stream: str, streams: Iterable[str]) -> int:
    """Return how many characters the list of one stream may have.

    Args:
        bookmarks: the state of all streams.
        stream: the name of the stream.
        streams: the names of all streams of this run.
    """
    own_list = bookmarks.get(stream, {}).get("sweep", {}).get("failed", {}).get("ids", "")
    size_of_rest = len(msgspec.json.encode(bookmarks)) - len(own_list)
    new_streams = sum(not bookmarks.get(name) for name in streams)
    return MAX_STATE_BYTES - _SWEEP_GROWTH_BYTES - _NEW_STREAM_BYTES * new_streams - size_of_rest


@dataclass
class FailedMembers:
    """The members that a sweep could not read, by their tokens (`Roster.token`).

    Attributes:
        earlier: members that earlier runs could not read.
        earlier_since: lower bound of their missing rows; None for everything.
        new: members that this run could not read.
        new_since: lower bound of their missing rows; None for everything.
        overflowed: whether more members failed than a state can list, so that the bookmark stays.
    """

    earlier: set[int] = field(default_factory=set)
    earlier_since: datetime | None = None
    new: set[int] = field(default_factory=set)
    new_since: datetime | None = None
    overflowed: bool = False

    def add(self, token: int, since: datetime | None, characters_left: Callable[[], int]) -> None:
        """Add a member that failed, or set `overflowed` if there is no room for it.

        Args:
            token: the token of the member.
            since: lower bound of its missing rows; None for everything.
            characters_left: returns how many characters the list of this stream may have.
        """
        listed = self.earlier | self.new
        if token not in listed:
            count = len(listed)
            if count >= MAX_FAILED_MEMBERS:
                self.overflowed = True
                return
            # Measuring encodes the whole state, which takes milliseconds; a member adds about two
            # bytes. So the list exceeds its limit by a few dozen bytes at most.
            is_measured = count > 0 and count % _MEASURE_EVERY == 0
            if is_measured and len(_encode(listed)["ids"]) > characters_left():
                self.overflowed = True
                return
        # One bound for all new members: the lowest, since reading too much loses no row.
        self.new_since = lower_bound(self.new_since, since) if self.new else since
        self.new.add(token)

    def dump(self) -> dict[str, Any]:
        """Return the keys that the failed members have in the state of a sweep."""
        tokens = self.earlier | self.new
        if not tokens:
            return {}
        since = self.new_since if self.new else self.earlier_since
        if self.new and self.earlier:
            since = lower_bound(self.earlier_since, self.new_since)
        failed: dict[str, Any] = {"failed": _encode(tokens)}
        if since is not None:
            failed["failed_since"] = dump_timestamp(since)
        return failed

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> FailedMembers:
        """Read what `dump` returned; all members in it count as `earlier`.

        Raises:
            KeyError: a key is missing.
            TypeError: a value has the wrong type.
            ValueError: a value is malformed.
        """
        if not stored.get("failed"):
            return cls()
        return cls(_decode(stored["failed"]), load_timestamp(stored.get("failed_since")))


def lower_bound(one: datetime | None, other: datetime | None) -> datetime | None:
    """Return the lower of two bounds; None is below all others."""
    return None if one is None or other is None else min(one, other)


def _encode(tokens: Collection[int]) -> dict[str, Any]:
    """Encode the differences of the sorted tokens in a Golomb-Rice code.

    The code suits random numbers. Each difference is split: its high part in unary (as many ones,
    then a zero), then its lowest `bits` bits. With `bits` close to the logarithm of the mean
    difference, the unary part has at most two ones on average.
    """
    ordered = sorted(tokens)
    bits = (ordered[-1] // len(ordered)).bit_length()
    mask, one_above = (1 << bits) - 1, 1 << bits
    codes = []
    for before, after in pairwise([0, *ordered]):
        difference = after - before
        # The bit above the low ones keeps their leading zeros in the text; it is cut off again.
        low_bits = format(difference & mask | one_above, "b")[1:]
        codes.append("1" * (difference >> bits) + "0" + low_bits)
    # Likewise, a one in front keeps leading zeros of the whole code.
    packed = int("1" + "".join(codes), 2)
    text = base64.b64encode(packed.to_bytes(packed.bit_length() // 8 + 1, "big")).decode()
    return {"count": len(ordered), "bits": bits, "ids": text}


def _decode(stored: Mapping[str, Any]) -> set[int]:
    count, bits = int(stored["count"]), int(stored["bits"])
    code = format(int.from_bytes(base64.b64decode(stored["ids"], validate=True), "big"), "b")
    tokens: set[int] = set()
    token, start = 0, 1
    for _ in range(count):
        end_of_unary = code.index("0", start)
        end = end_of_unary + 1 + bits
        low_bits = code[end_of_unary + 1 : end]
        token += (end_of_unary - start << bits) + int(low_bits or "0", 2)
        tokens.add(token)
        start = end
    return tokens
