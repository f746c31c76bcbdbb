"""`make demo`: a made-up loyalty program, synced into DuckDB by Meltano, today and a day later."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from crowdtwist_sandbox.demo_project import CHECKOUT, MeltanoError, MeltanoProject
from crowdtwist_sandbox.demo_warehouse import QUERY, Truth, Warehouse, table
from crowdtwist_sandbox.options import SandboxOptions
from crowdtwist_sandbox.server import Sandbox
from tap_crowdtwist.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

_STEPS = 6
_DATABASE = "warehouse.duckdb"


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
    """Two syncs a day apart, and what they brought."""

    def __init__(self, directory: Path, options: SandboxOptions) -> None:
        self.project = MeltanoProject(directory)
        self.options = options
        self.roster = self.project.root / "members.txt"
        self.warehouse = Warehouse(self.project.root / _DATABASE)
        self.streams = [stream for stream in STREAMS if stream.selected_by_default]
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
            self._sync(sandbox, "First run")
            first = {stream.name: self.warehouse.count(stream.name) for stream in self.streams}
            sandbox.advance()
            self._announce(f"A day passes in the sandbox: it is {sandbox.clock()['today']} there")
            began = datetime.now(timezone.utc)
            self._sync(sandbox, "Second run")
            self._announce("Comparing the tables with what the sandbox holds")
        finally:
            sandbox.stop()
        self._conclude(first, began)

    def _sync(self, sandbox: Sandbox, title: str) -> None:
        for stream in self.streams:
            self.truth[stream.name].add(sandbox.truth(stream.name))
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
            },
        )
        _say(f"      done in {time.monotonic() - began:.1f} s")

    def _conclude(self, first: dict[str, int], began: datetime) -> None:
        rows = []
        wrong = []
        before: set[tuple[str, ...]] = set()
        for stream in self.streams:
            name, truth = stream.name, self.truth[stream.name]
            keys = set(self.warehouse.keys(name, truth.key))
            if name == "users":
                deleted = self.warehouse.deleted()
                before = deleted - truth.known
                keys -= before
            differences = truth.differences(keys)
            wrong += [f"{name}: {sentence}" for sentence in differences]
            second = self.warehouse.count(name, since=began)
            rows.append((name, first[name], second, self.warehouse.count(name), len(truth)))
        head = ("stream", "first run", "second run", "in the table", "in the sandbox")
        _say(f"\n{table(head, rows)}\n")
        if wrong:
            raise DemoError("\n".join(wrong))
        _say("Every row of the sandbox is in its table, and none besides; of `users`,")
        _say(f"{len(before)} rows say that a member had been deleted before the first run.")
        _say(f"The database: {_shown(self.warehouse.path)}. For example, is a higher tier worth")
        _say("more? Members, points and purchases by tier:\n")
        _say("".join(f"  {line}\n" for line in QUERY.splitlines()))
        _say(table(*self.warehouse.query(QUERY)))

    def _announce(self, text: str) -> None:
        self._step += 1
        _say(f"[{self._step}/{_STEPS}] {text}")


def _shown(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
