"""Requests of a first sync and of the sync a day later: `python -m benchmarks.daily`.

Prints the tables of docs/scale.md. Every stream of the API is read from a sandbox: on day 0, on
day 1 with `sweep_members` all, and on day 1 from the same state with `changed`. Dates are fixed
and members are read one at a time, so the numbers are the same on every machine.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from typing_extensions import override

from crowdtwist_sandbox import Sandbox, SandboxOptions
from tap_crowdtwist.api import endpoints
from tap_crowdtwist.streams import API_STREAMS
from tap_crowdtwist.streams.member_stream import MemberStream
from tap_crowdtwist.sync.message_writer import MessageWriter
from tap_crowdtwist.tap import TapCrowdTwist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

OPTIONS = SandboxOptions(members=200, seed=1, today=date(2026, 3, 10))
NIGHT = timedelta(days=1, hours=2)
"""From the beginning of a day to the sync of that day."""

MEMBERS = (100_000, 1_000_000, 10_000_000)
RATES = (5_000, 10_000)
"""The default of `requests_per_minute`, and CrowdTwist's ceiling."""

DAY_MINUTES = 24 * 60
CHANGED_SHARE = 0.01
"""Share of the members that change in a day, for the hours of a sweep of changed members."""

DEFAULT = "**on by default**"
ALL = "**all of them**"
HISTORY = ("users", "user_activity_history", "purchases", "redemptions")
"""Streams whose largest roster the page gives."""


class Sync(NamedTuple):
    """Cost of one sync.

    Attributes:
        members: number of members that it read.
        per_member: requests per member, by stream.
    """

    members: int
    per_member: dict[str, float]


class _StateKeeper(MessageWriter):
    """Keeps the last STATE and discards all other messages."""

    state: dict[str, Any]

    @override
    def write_line(self, line: bytearray, *, flush: bool = False) -> None:
        if line.startswith(b'{"type":"STATE"'):
            self.state = msgspec.json.decode(line)["value"]


def member_streams(*, by_default: bool) -> list[str]:
    """Return the names of the member streams that are on by default, or of the others."""
    return [
        stream.name
        for stream in API_STREAMS
        if issubclass(stream, MemberStream) and stream.selected_by_default is by_default
    ]


def measure() -> list[Sync]:
    """Sync on day 0, then on day 1 with `sweep_members` all, and with changed."""
    with Sandbox(OPTIONS) as sandbox, tempfile.TemporaryDirectory() as folder:
        push = Path(folder)
        sandbox.write_data_push(push)
        first = _sync(sandbox, push, 0, {}, "all")
        sandbox.advance()
        sandbox.write_data_push(push)
        state = json.dumps(first.state)
        daily = [_sync(sandbox, push, 1, json.loads(state), mode) for mode in ("all", "changed")]
    return [_cost(tap) for tap in (first, *daily)]


def _sync(
    sandbox: Sandbox, push: Path, day: int, state: dict[str, Any], mode: str
) -> TapCrowdTwist:
    """Read every stream of the API in the night after a day, and return the tap."""
    present = datetime.combine(OPTIONS.today, time(), timezone.utc) + timedelta(days=day) + NIGHT

    class Tap(TapCrowdTwist):
        now: Callable[[], datetime] = staticmethod(lambda: present)

    config = {
        "api_key": sandbox.api_key,
        "api_url": sandbox.api_url,
        "pos_url": sandbox.pos_url,
        "user_ids": sandbox.roster(),
        "data_push_path": str(push),
        "sweep_members": mode,
        "max_concurrency": 1,  # which member is tried first would depend on the threads otherwise
        "requests_per_minute": 10**7,
    }
    writer = _StateKeeper()
    catalog = Tap(config=config).catalog
    for stream in API_STREAMS:
        catalog[stream.name].metadata.root.selected = True
    tap = Tap(config=config, state=state, catalog=catalog.to_dict(), message_writer=writer)
    tap.sync()
    tap.load_state(writer.state)
    return tap


def _cost(tap: TapCrowdTwist) -> Sync:
    requests = tap.run.client.stats.requests
    # `users` also asks whether a member that it does not find was deleted.
    requests["users"] += requests[endpoints.DELETION.name]
    members = len(tap.run.roster)
    names = (*member_streams(by_default=True), *member_streams(by_default=False))
    return Sync(members, {name: round(requests[name] / members, 3) for name in names})


def table_of_costs(syncs: Sequence[Sync]) -> str:
    """Return the table of requests per member, with sums."""
    default, further = (member_streams(by_default=on) for on in (True, False))
    rows = [
        *((f"`{name}`", [name]) for name in default),
        (DEFAULT, default),
        *((f"`{name}`", [name]) for name in further),
        (ALL, [*default, *further]),
    ]
    return _table(
        ("Stream", "First sync", "Next day, `all`", "Next day, `changed`"),
        [
            ["members read", *(str(sync.members) for sync in syncs)],
            *([label, *(f"{_sum(sync, names):.3f}" for sync in syncs)] for label, names in rows),
        ],
    )


def table_of_hours(syncs: Sequence[Sync]) -> str:
    """Return the table of the hours that a sync of the streams on by default takes."""
    first, daily, changed = (_sum(sync, member_streams(by_default=True)) for sync in syncs)
    per_member = (first, daily, changed * CHANGED_SHARE)
    return _table(
        ("Members", "First sync", "Next day, `all`", f"`changed`, {CHANGED_SHARE * 100:.0f} %"),
        ([f"{members:,}", *(_hours(members * cost) for cost in per_member)] for members in MEMBERS),
    )


def table_of_largest_rosters(syncs: Sequence[Sync]) -> str:
    """Return the table of the largest rosters that can be swept every day."""
    _, daily, _ = syncs
    selections = {
        "on by default": member_streams(by_default=True),
        ", ".join(f"`{name}`" for name in HISTORY): HISTORY,
        "`purchases` alone": ("purchases",),
    }
    rows = []
    for label, names in selections.items():
        cost = _sum(daily, names)
        members = (f"{DAY_MINUTES * rate / cost:,.0f}" for rate in RATES)
        rows.append([label, f"{cost:.3f}", *members])
    return _table(("Streams", "Per member and day", *(f"At {rate:,}" for rate in RATES)), rows)


def _sum(sync: Sync, streams: Iterable[str]) -> float:
    return sum(sync.per_member[name] for name in streams)


def _hours(requests: float) -> str:
    hours = [requests / rate / 60 for rate in RATES]
    digits = 1 if hours[-1] >= 1 else 2
    return " / ".join(f"{each:.{digits}f}" for each in hours)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Measure, and print the tables."""
    logging.disable(logging.WARNING)
    syncs = measure()
    tables = (table_of_costs(syncs), table_of_hours(syncs), table_of_largest_rosters(syncs))
    sys.stdout.write("\n".join(tables))


if __name__ == "__main__":
    main()
