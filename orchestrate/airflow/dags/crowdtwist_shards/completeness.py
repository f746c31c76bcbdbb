"""Division of the work into shards, and the check that all of it was done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crowdtwist_shards.errors import ShardError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crowdtwist_shards.runs import Run

PROGRAM_STREAMS = frozenset({"activities", "rewards", "badges"})
"""Streams without members, which each shard reads in full."""

COUNTS = ("missing", "deleted", "failed", "rejected_rows", "records")
"""Counts of the tap's summary that a shard reports besides `asked`; 0 where the tap omits one."""


@dataclass(frozen=True)
class Part:
    """One shard's part of the roster, such as 2/4, and of the rate."""

    shard: str
    requests_per_minute: int

    @property
    def suffix(self) -> str:
        """Suffix of the id of this shard's Meltano state, such as 2-of-4."""
        return self.shard.replace("/", "-of-")


def split(count: int, rate: int) -> list[Part]:
    """Divide the rate evenly among shards, rounded down: together they never exceed it.

    Raises:
        ShardError: there are more shards than requests per minute.
    """
    if not 1 <= count <= rate:
        raise ShardError(
            f"`shards` must be from 1 to `requests_per_minute` ({rate}): each shard needs at least "
            "one request a minute"
        )
    return [Part(f"{number}/{count}", rate // count) for number in range(1, count + 1)]


def asked_before(bookmarks: Mapping[str, Any]) -> dict[str, int | None]:
    """Return the number of members that earlier attempts have read, by stream; None means all.

    Members that failed do not count: the tap asks them again.

    Args:
        bookmarks: those of the tap's state, by stream.
    """
    before: dict[str, int | None] = {}
    for stream, entry in bookmarks.items():
        sweep = entry.get("sweep") or {}
        if entry.get("completed_at"):
            before[stream] = None
        elif "started_at" in sweep:
            failed = (sweep.get("failed") or {}).get("count", 0)
            before[stream] = int(sweep.get("asked", 0)) - failed
    return before


def shard_result(part: Part, run: Run, before: Mapping[str, int | None]) -> dict[str, Any]:
    """Return the counts of a shard over all its attempts, for an XCom: small and without secrets.

    Args:
        part: the shard.
        run: its last run.
        before: what earlier attempts have read, as `asked_before` returns it.
    """
    members = run.members or 0
    streams = {}
    for stream, row in (run.summary or {}).items():
        asked, note = row["asked"], row["skip_reason"]
        if stream in PROGRAM_STREAMS:
            continue
        # A resumed run reports only the members that it asked itself. One that asked all of them
        # did not resume: earlier attempts do not count then.
        if asked < members and stream in before:
            earlier = before[stream]
            note = "" if earlier is None else note
            asked = members if earlier is None else earlier + asked
        counts = {name: row.get(name, 0) for name in COUNTS}
        streams[stream] = {"asked": asked, **counts, "note": note}
    return {"shard": part.shard, "members": members, "streams": streams}


def find_problems(
    members: int, parts: Sequence[Part], results: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Compare the results of the shards with the roster.

    Args:
        members: the number of members in the roster.
        parts: all shards.
        results: those of the shards that finished, from `shard_result`.

    Returns:
        What is incomplete, as sentences with numbers; empty if nothing is.
    """
    problems = []
    finished = {result["shard"] for result in results}
    if unfinished := [part.shard for part in parts if part.shard not in finished]:
        shards = ", ".join(unfinished)
        problems.append(f"{len(unfinished)} of {len(parts)} shards did not finish: {shards}")
    # A run of program streams alone reads no roster, so its shards report no members.
    swept = [result for result in results if result["streams"]]
    total = sum(result["members"] for result in results)
    if swept and not unfinished and total != members:
        problems.append(
            f"the shards have {total} members in all, but the roster had {members}: it changed, or "
            "not every worker reads the same file"
        )
    for stream in dict.fromkeys(name for result in swept for name in result["streams"]):
        for result in swept:
            # A stream that another shard read and this one did not is incomplete too.
            row = result["streams"].get(stream) or {"asked": 0, "note": ""}
            if row["asked"] < result["members"] and not row["note"]:
                problems.append(
                    f"{stream}: shard {result['shard']} asked {row['asked']} of "
                    f"{result['members']} members"
                )
        for name, description in (
            ("failed", "members kept failing; the next run asks them again"),
            ("rejected_rows", "rows without a key were left out"),
        ):
            if number := total_of(swept, stream, name):
                problems.append(f"{stream}: {number} {description}")
    return problems


def total_of(results: Iterable[Mapping[str, Any]], stream: str, name: str) -> int:
    """Return the sum of one count of a stream over shards."""
    return sum(result["streams"].get(stream, {}).get(name, 0) for result in results)


def table(members: int, results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of a table for the log: the totals over all shards, a line per stream."""
    columns = ("asked", *COUNTS)
    streams = list(dict.fromkeys(name for result in results for name in result["streams"]))
    width = max(map(len, [*streams, "stream"]))
    lines = [f"{'stream':{width}}  {'members':>13}" + "".join(f"  {c:>13}" for c in columns)]
    for stream in streams:
        cells = "".join(f"  {total_of(results, stream, name):13,}" for name in columns)
        notes = {result["streams"].get(stream, {}).get("note", "") for result in results} - {""}
        lines.append(f"{stream:{width}}  {members:13,}{cells}  {'; '.join(sorted(notes))}".rstrip())
    return lines
