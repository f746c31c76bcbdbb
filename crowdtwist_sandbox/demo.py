"""`make demo`: Meltano syncs a made-up loyalty program into DuckDB on three days; dbt reports."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from crowdtwist_sandbox.demo_feeds import Deliveries, count_by_channel
from crowdtwist_sandbox.demo_processes import Stopped, stoppable
from crowdtwist_sandbox.demo_project import CHECKOUT, MeltanoError, MeltanoProject
from crowdtwist_sandbox.demo_transform import BUILD, CURRENCY, POINT_VALUE, SNAPSHOT, Transform
from crowdtwist_sandbox.demo_warehouse import QUERY, ExpectedKeys, Warehouse, table
from crowdtwist_sandbox.options import SandboxOptions
from crowdtwist_sandbox.server import Sandbox
from tap_crowdtwist.streams import API_STREAMS, FILE_STREAMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_crowdtwist.streams.base import CrowdTwistStream

_STEPS = 11
_DATABASE = "warehouse.duckdb"
_CHANGED = ("users", "user_activity_history", "purchases", "redemptions")
"""Streams whose rows change only with their member; others change with the date or the program."""
_RUNS = "sync_runs"
"""The stream of run history, which is off by default. The report says from it what was complete."""


class DemoError(Exception):
    """The demo's tables are not as expected."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo.

    Returns:
        0; 1 if something failed or the tables differ; 128 + the number of the signal that stopped
        it.
    """
    parser = argparse.ArgumentParser(prog="python -m crowdtwist_sandbox.demo", description=__doc__)
    parser.add_argument("--members", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", type=Path, default=CHECKOUT / "output" / "demo")
    given = parser.parse_args(argv)
    try:
        with stoppable():
            Demo(given.directory, SandboxOptions(members=given.members, seed=given.seed)).run()
    except Stopped as stopped:
        _say(f"\nStopped by {signal.Signals(stopped.args[0]).name}; nothing is left running")
        return 128 + int(stopped.args[0])
    except (DemoError, MeltanoError, OSError) as error:
        log = MeltanoProject(given.directory).log
        sys.stderr.write(f"\n{error}\n\nThe demo failed. Meltano's log: {log}\n")
        return 1
    return 0


class Demo:
    """Three syncs, a day apart, and the comparison of their tables with the sandbox."""

    def __init__(self, directory: Path, options: SandboxOptions) -> None:
        self.project = MeltanoProject(directory)
        self.options = options
        self.roster = self.project.root / "members.txt"
        self.deliveries = Deliveries(self.project.root)
        self.warehouse = Warehouse(self.project.root / _DATABASE)
        self.transform = Transform(self.project)
        self.streams = [stream for stream in API_STREAMS if stream.selected_by_default]
        self.expected = {
            stream.name: ExpectedKeys(tuple(stream.primary_keys)) for stream in self.streams
        }
        self._step = 0

    def run(self) -> None:
        """Run the demo.

        Raises:
            DemoError: the tables differ from what the sandbox holds.
            MeltanoError: a command of Meltano failed.
        """
        sandbox = Sandbox(self.options)
        try:  # not `with`: a signal may arrive while it starts
            sandbox.start()
            self._announce(
                f"The sandbox, a fake CrowdTwist of {self.options.members} members, answers at "
                f"{sandbox.api_url}"
            )
            self._announce(
                f"Installing target-duckdb, and dbt in the background (Meltano's log: "
                f"{_relative(self.project.log)})"
            )
            self.project.create()
            # The pattern also covers the write-ahead log of DuckDB.
            for old in self.project.root.glob(f"{_DATABASE}*"):
                old.unlink()
            with self.transform.installing():
                self.project.install()
                with self.deliveries.receiving():
                    first, second, second_start, days = self._run_days(sandbox)
                self.transform.write_report(self.warehouse.path)
        finally:
            sandbox.stop()
        self._conclude(first, second, second_start)
        self._conclude_feeds(days)
        self._conclude_report()

    def _run_days(
        self, sandbox: Sandbox
    ) -> tuple[dict[str, int], dict[str, int], datetime, list[str]]:
        """Sync and build on three days.

        Returns:
            Rows that the first run loaded, by stream; those of the second run; the start of the
            second run; the dates of the second and third day.
        """
        self._announce("crowdtwist-receiver is ready for Live Push")
        self.deliveries.deliver(sandbox)
        self._sync(sandbox, "First run for {} members")
        # Count now: the next run adds and overwrites rows.
        first = self._counts()
        self.transform.await_installation()
        self._keep_the_day()
        days = [self._pass_day(sandbox)]
        second_start = datetime.now(timezone.utc)
        self._sync(sandbox, "Second run for {} members")
        second = self._counts(second_start)
        self._keep_the_day()
        days.append(self._pass_day(sandbox))
        feeds = [stream.name for stream in FILE_STREAMS]
        self._sync(
            sandbox,
            "Third run, for changed members",
            [*_CHANGED, *feeds],
            [BUILD],
            TAP_CROWDTWIST_SWEEP_MEMBERS="changed",
        )
        _say(f"      dbt: {self.transform.outcome()}")
        return first, second, second_start, days

    def _counts(self, since: datetime | None = None) -> dict[str, int]:
        return {stream.name: self.warehouse.count(stream.name, since) for stream in self.streams}

    def _pass_day(self, sandbox: Sandbox) -> str:
        """Advance the sandbox by a day, deliver that day's feeds, and return its date."""
        sandbox.advance()
        self.deliveries.deliver(sandbox)
        today: str = sandbox.clock()["today"]
        self._announce(
            f"A day passes: it is {today} in the sandbox, which delivers the day's files and events"
        )
        return today

    def _sync(
        self,
        sandbox: Sandbox,
        title: str,
        streams: Sequence[str] = (),
        then: Sequence[str] = (),
        **more: str,
    ) -> None:
        """Sync some streams (default: those on by default), and run commands after it."""
        for stream in self.streams:
            # A full table holds only what the program has today; of the other streams, rows of
            # earlier days stay valid.
            if not streams and _is_full_table(stream):
                self.expected[stream.name] = ExpectedKeys(tuple(stream.primary_keys))
            if not streams or stream.name in streams:
                self.expected[stream.name].add(sandbox.expected_rows(stream.name))
        selected = streams or [stream.name for stream in (*self.streams, *FILE_STREAMS)]
        more["TAP_CROWDTWIST__SELECT"] = json.dumps([f"{name}.*" for name in (*selected, _RUNS)])
        sandbox.reset()  # so that the counts are those of this run
        members = sandbox.roster()
        self.roster.write_text("".join(f"{member}\n" for member in members), encoding="utf-8")
        blocks = ["tap-crowdtwist", "target-duckdb", *then]
        self._announce(f"{title.format(len(members))}: meltano run {' '.join(blocks)}")
        start = time.monotonic()
        self.project.run(
            blocks,
            {
                "TAP_CROWDTWIST_API_KEY": sandbox.api_key,
                "TAP_CROWDTWIST_API_URL": sandbox.api_url,
                "TAP_CROWDTWIST_POS_URL": sandbox.pos_url,
                "TAP_CROWDTWIST_USER_IDS_PATH": str(self.roster),
                "TAP_CROWDTWIST_REQUESTS_PER_MINUTE": "1000000",
                "TARGET_DUCKDB_PATH": str(self.warehouse.path),
                **self.deliveries.settings,
                **self.transform.settings,
                **more,
            },
        )
        requests: int = sandbox.counts()["total"]
        _say(f"      done in {time.monotonic() - start:.1f} s, {requests:,} requests")

    def _keep_the_day(self) -> None:
        self._announce(f"dbt keeps the tiers and balances of the day: meltano run {SNAPSHOT}")
        start = time.monotonic()
        self.project.run([SNAPSHOT], {"TARGET_DUCKDB_PATH": str(self.warehouse.path)})
        _say(f"      done in {time.monotonic() - start:.1f} s")

    def _conclude(self, first: dict[str, int], second: dict[str, int], swept: datetime) -> None:
        """Compare the current rows of the tables with those of the sandbox.

        Args:
            first: rows loaded by the first run, by stream.
            second: rows loaded by the second run, by stream.
            swept: start of the second run, the last one that swept all members.
        """
        rows = []
        wrong = []
        for stream in self.streams:
            name, expected = stream.name, self.expected[stream.name]
            keys = set(self.warehouse.keys(name, expected.key))
            if name == "users":
                keys -= self.warehouse.deleted()
            elif "user_id" in expected.key and _is_full_table(stream):
                keys = set(self.warehouse.current(name, expected.key, swept))
            differences = expected.differences(keys)
            wrong += [f"{name}: {sentence}" for sentence in differences]
            held = self.warehouse.count(name)
            rows.append((name, first[name], second[name], held, len(keys), len(expected)))
        head = ("stream", "first run", "second run", "in the table", "current", "in the sandbox")
        _say(f"\n{table(head, rows)}\n")
        if wrong:
            raise DemoError("\n".join(wrong))
        _say(
            "The current rows of each table are those that the sandbox had at the last sync of its"
        )
        _say(
            "stream. The others are out of date: deleted members, rewards out of stock, activities"
        )
        _say("that have ended. The recipe `What is current` leaves them out.")
        _say(f"The database: {_relative(self.warehouse.path)}. For example, is a higher tier worth")
        _say("more? Members, points and purchases by tier:\n")
        _say("".join(f"  {line}\n" for line in QUERY.splitlines()))
        _say(table(*self.warehouse.query(QUERY)))

    def _conclude_feeds(self, days: Sequence[str]) -> None:
        """Show that API, Data Push and Live Push agree.

        Raises:
            DemoError: they do not agree on a day.
        """
        _say("\nThe same two days by API, in files (Data Push) and in events (Live Push):")
        head = ("activities", "their points", "redemptions", "their points")
        for day in days:
            rows = count_by_channel(self.warehouse, day)
            _say(f"\n{table((day, *head), rows)}")
            if len({row[1:] for row in rows}) > 1:
                raise DemoError(f"{day}: API, Data Push and Live Push do not agree")

    def _conclude_report(self) -> None:
        _say(f"\nThe report, for any browser: {_relative(self.transform.report)}")
        _say(f"Its amounts are estimates: a point is assumed to be worth {POINT_VALUE} {CURRENCY}.")

    def _announce(self, text: str) -> None:
        self._step += 1
        _say(f"[{self._step}/{_STEPS}] {text}")


def _is_full_table(stream: type[CrowdTwistStream]) -> bool:
    # Without a key of its own, the class still has the SDK's property object.
    return not isinstance(stream.replication_key, str)


def _relative(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
