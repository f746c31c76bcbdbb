"""`make demo`: a made-up loyalty program, synced into DuckDB by Meltano, on three days."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from crowdtwist_sandbox.demo_feeds import Deliveries, three_ways
from crowdtwist_sandbox.demo_project import CHECKOUT, MeltanoError, MeltanoProject
from crowdtwist_sandbox.demo_warehouse import QUERY, Truth, Warehouse, table
from crowdtwist_sandbox.options import SandboxOptions
from crowdtwist_sandbox.server import Sandbox
from tap_crowdtwist.streams import API_STREAMS, FILE_STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from tap_crowdtwist.streams.base import CrowdTwistStream

_STEPS = 8
_DATABASE = "warehouse.duckdb"
_CHANGED = ("users", "user_activity_history", "purchases", "redemptions")
"""Streams that change with their members; the others change with the calendar or the catalog."""


class DemoError(Exception):
    """The demo did not come out as it has to."""


class Stopped(BaseException):
    """A signal asked the demo to stop; the argument is its number."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo.

    Returns:
        0; 1 if something failed or the tables are not right; 128 + the signal that stopped it.
    """
    parser = argparse.ArgumentParser(prog="python -m crowdtwist_sandbox.demo", description=__doc__)
    parser.add_argument("--members", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", type=Path, default=CHECKOUT / "output" / "demo")
    given = parser.parse_args(argv)
    try:
        with _stoppable():
            Demo(given.directory, SandboxOptions(members=given.members, seed=given.seed)).run()
    except Stopped as stopped:
        _say(f"\nStopped by {signal.Signals(stopped.args[0]).name}; nothing is left running")
        return 128 + int(stopped.args[0])
    except (DemoError, MeltanoError, OSError) as error:
        log = MeltanoProject(given.directory).log
        sys.stderr.write(f"\n{error}\n\nThe demo failed. Meltano's log: {log}\n")
        return 1
    return 0


@contextmanager
def _stoppable() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into an exception, so that everything gets cleaned up."""

    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Demo:
    """Three syncs, each a day after the other, and what they brought."""

    def __init__(self, directory: Path, options: SandboxOptions) -> None:
        self.project = MeltanoProject(directory)
        self.options = options
        self.roster = self.project.root / "members.txt"
        self.deliveries = Deliveries(self.project.root)
        self.warehouse = Warehouse(self.project.root / _DATABASE)
        self.streams = [stream for stream in API_STREAMS if stream.selected_by_default]
        self.truth = {stream.name: Truth(tuple(stream.primary_keys)) for stream in self.streams}
        self._step = 0

    def run(self) -> None:
        """Run the demo from its beginning.

        Raises:
            DemoError: the tables differ from what the sandbox holds.
            MeltanoError: a command of Meltano failed.
        """
        sandbox = Sandbox(self.options)
        try:  # not `with`: a signal may come while it starts
            sandbox.start()
            self._announce(
                f"The sandbox, a fake CrowdTwist of {self.options.members} members, answers at "
                f"{sandbox.api_url}"
            )
            self._announce(f"Installing target-duckdb (Meltano's log: {_shown(self.project.log)})")
            self.project.create()
            for old in self.project.root.glob(f"{_DATABASE}*"):
                old.unlink()
            self.project.install()
            with self.deliveries.receiving():
                self._announce("crowdtwist-receiver is ready for what Live Push posts")
                self.deliveries.deliver(sandbox)
                self._sync(sandbox, "First run")
                first = self._counts()
                days = [self._pass_day(sandbox)]
                began = datetime.now(timezone.utc)
                self._sync(sandbox, "Second run")
                second = self._counts(began)
                days.append(self._pass_day(sandbox))
                feeds = [stream.name for stream in FILE_STREAMS]
                self._sync(
                    sandbox,
                    "Third run, which asks only about members that changed,",
                    [*_CHANGED, *feeds],
                    TAP_CROWDTWIST_SWEEP_MEMBERS="changed",
                )
        finally:
            sandbox.stop()
        self._conclude(first, second, began)
        self._conclude_feeds(days)

    def _counts(self, since: datetime | None = None) -> dict[str, int]:
        return {stream.name: self.warehouse.count(stream.name, since) for stream in self.streams}

    def _pass_day(self, sandbox: Sandbox) -> str:
        """Let a day pass, and have it delivered; returns its date."""
        sandbox.advance()
        self.deliveries.deliver(sandbox)
        today: str = sandbox.clock()["today"]
        self._announce(
            f"A day passes in the sandbox: it is {today} there, and the day's files and events "
            "are delivered"
        )
        return today

    def _sync(self, sandbox: Sandbox, title: str, streams: Sequence[str] = (), **more: str) -> int:
        """Sync some streams, or all that are on by default; returns the number of requests."""
        for stream in self.streams:
            if not streams and _is_read_whole(stream):  # what was, and is not there now, is no more
                self.truth[stream.name] = Truth(tuple(stream.primary_keys))
            if not streams or stream.name in streams:
                self.truth[stream.name].add(sandbox.expected_rows(stream.name))
        if streams:
            more["TAP_CROWDTWIST__SELECT"] = json.dumps([f"{name}.*" for name in streams])
        sandbox.reset()
        members = sandbox.roster()
        self.roster.write_text("".join(f"{member}\n" for member in members), encoding="utf-8")
        self._announce(
            f"{title} for {len(members)} members: meltano run tap-crowdtwist target-duckdb"
        )
        began = time.monotonic()
        self.project.run(
            "target-duckdb",
            {
                "TAP_CROWDTWIST_API_KEY": sandbox.api_key,
                "TAP_CROWDTWIST_API_URL": sandbox.api_url,
                "TAP_CROWDTWIST_POS_URL": sandbox.pos_url,
                "TAP_CROWDTWIST_USER_IDS_PATH": str(self.roster),
                "TAP_CROWDTWIST_REQUESTS_PER_MINUTE": "1000000",
                "TARGET_DUCKDB_PATH": str(self.warehouse.path),
                **self.deliveries.settings,
                **more,
            },
        )
        requests: int = sandbox.counts()["total"]
        _say(f"      done in {time.monotonic() - began:.1f} s, {requests:,} requests")
        return requests

    def _conclude(self, first: dict[str, int], second: dict[str, int], swept: datetime) -> None:
        """Compare what is current in the tables with what the sandbox holds.

        Args:
            first: rows that the first run brought.
            second: rows that the second run brought.
            swept: when the second run began, the last to sweep all members.
        """
        rows = []
        wrong = []
        for stream in self.streams:
            name, truth = stream.name, self.truth[stream.name]
            keys = set(self.warehouse.keys(name, truth.key))
            if name == "users":
                keys -= self.warehouse.deleted()
            elif "user_id" in truth.key and _is_read_whole(stream):
                keys = set(self.warehouse.current(name, truth.key, swept))
            differences = truth.differences(keys)
            wrong += [f"{name}: {sentence}" for sentence in differences]
            held = self.warehouse.count(name)
            rows.append((name, first[name], second[name], held, len(keys), len(truth)))
        head = ("stream", "first run", "second run", "in the table", "current", "in the sandbox")
        _say(f"\n{table(head, rows)}\n")
        if wrong:
            raise DemoError("\n".join(wrong))
        _say(
            "The current rows of each table are those that the sandbox had when it was last asked."
        )
        _say(
            "The other rows are of what is no more: members who were deleted, rewards out of stock,"
        )
        _say("activities that are over. The README's recipes tell the current ones from them.")
        _say(f"The database: {_shown(self.warehouse.path)}. For example, is a higher tier worth")
        _say("more? Members, points and purchases by tier:\n")
        _say("".join(f"  {line}\n" for line in QUERY.splitlines()))
        _say(table(*self.warehouse.query(QUERY)))

    def _conclude_feeds(self, days: Sequence[str]) -> None:
        """Show that what is asked, delivered as files and posted is the same."""
        _say("\nThe same two days as files (Data Push) and as events (Live Push) tell of them,")
        _say("which the runs have loaded beside what they asked for:")
        head = ("activities", "their points", "redemptions", "their points")
        for day in days:
            rows = three_ways(self.warehouse, day)
            _say(f"\n{table((day, *head), rows)}")
            if len({row[1:] for row in rows}) > 1:
                raise DemoError(f"{day}: the three ways do not agree")

    def _announce(self, text: str) -> None:
        self._step += 1
        _say(f"[{self._step}/{_STEPS}] {text}")


def _is_read_whole(stream: type[CrowdTwistStream]) -> bool:
    """Whether a stream is a full table, whose class leaves the SDK's property as it is."""
    return not isinstance(stream.replication_key, str)


def _shown(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
