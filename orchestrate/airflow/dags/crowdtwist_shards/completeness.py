"""Shards: how the work is divided, and whether all of it was done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crowdtwist_shards.errors import ShardError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crowdtwist_shards.runs import Run

PROGRAM_STREAMS = frozenset({"activities", "rewards", "badges"})
"""Streams of the program, which are read whole by each shard and ask about no member."""

COUNTS = ("missing", "deleted", "failed", "rejected_rows", "records")
"""What is kept of the tap's summary, beside the members asked; a tap may not count all of it."""


@dataclass(frozen=True)
class Part:
    """What one shard is given."""

    shard: str
    requests_per_minute: int

    @property
    def suffix(self) -> str:
        """What sets this shard's state id apart."""
        return self.shard.replace("/", "-of-")


def split(count: int, rate: int) -> list[Part]:
    """Divide the rate among shards, so that all together never exceed it.

    Raises:
        ShardError: there are more shards than requests.
    """
    if not 1 <= count <= rate:
        raise ShardError(
            f"`shards` must be from 1 to `requests_per_minute` ({rate}), since each needs a part"
        )
    return [Part(f"{number}/{count}", rate // count) for number in range(1, count + 1)]


def asked_before(bookmarks: Mapping[str, Any]) -> dict[str, int | None]:
    """Tell how many members earlier attempts have read, by stream; None is all of them.

    Members who are owed do not count: the tap asks them again.
    """
    before: dict[str, int | None] = {}
    for stream, entry in bookmarks.items():
        sweep = entry.get("sweep") or {}
        if entry.get("completed_at"):
            before[stream] = None
        elif "started_at" in sweep:
            before[stream] = int(sweep.get("asked", 0)) - (sweep.get("failed") or {}).get(
                "count", 0
            )
    return before


def account(part: Part, run: Run, before: Mapping[str, int | None]) -> dict[str, Any]:
    """Say what became of a shard, all its attempts together; small and without anything secret."""
    members = run.members or 0
    streams = {}
    for stream, row in (run.summary or {}).items():
        asked, note = row["asked"], row["skip_reason"]
        if stream in PROGRAM_STREAMS:
            continue
        if asked < members and stream in before:
            earlier = before[stream]
            note = "" if earlier is None else note
            asked = members if earlier is None else earlier + asked
        counts = {name: row.get(name, 0) for name in COUNTS}
        streams[stream] = {"asked": asked, **counts, "note": note}
    return {"shard": part.shard, "members": members, "streams": streams}


def find_problems(
    members: int, parts: Sequence[Part], done: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Compare what the shards did with what the roster holds.

    Returns:
        What is wrong, in sentences with numbers; nothing if all is there.
    """
    problems = []
    found = {account["shard"] for account in done}
    if lacking := [part.shard for part in parts if part.shard not in found]:
        problems.append(f"{len(lacking)} of {len(parts)} shards did not end: {', '.join(lacking)}")
    total = sum(account["members"] for account in done)
    swept = [account for account in done if account["streams"]]
    if swept and not lacking and total != members:
        problems.append(
            f"the shards share {total} members, but the roster had {members}: it changed, or not "
            "every worker reads the same file"
        )
    for stream in dict.fromkeys(name for account in swept for name in account["streams"]):
        for account in swept:
            row = account["streams"].get(stream) or {"asked": 0, "note": ""}
            if row["asked"] < account["members"] and not row["note"]:
                problems.append(
                    f"{stream}: shard {account['shard']} asked {row['asked']} of "
                    f"{account['members']} members"
                )
        for name, words in (
            ("failed", "members kept failing; they are asked again by the next run"),
            ("rejected_rows", "rows have no key and were left out"),
        ):
            if number := added(swept, stream, name):
                problems.append(f"{stream}: {number} {words}")
    return problems


def added(done: Iterable[Mapping[str, Any]], stream: str, name: str) -> int:
    """Add up a number of a stream over shards."""
    return sum(account["streams"].get(stream, {}).get(name, 0) for account in done)


def table(members: int, done: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lay out what the shards did together, a line per stream, for a log."""
    columns = ("asked", *COUNTS)
    streams = list(dict.fromkeys(name for account in done for name in account["streams"]))
    width = max(map(len, [*streams, "stream"]))
    lines = [f"{'stream':{width}}  {'members':>13}" + "".join(f"  {c:>13}" for c in columns)]
    for stream in streams:
        cells = "".join(f"  {added(done, stream, name):13,}" for name in columns)
        notes = {account["streams"].get(stream, {}).get("note", "") for account in done} - {""}
        lines.append(f"{stream:{width}}  {members:13,}{cells}  {'; '.join(sorted(notes))}".rstrip())
    return lines
