"""How much of the rate shards use, by their number: `python -m benchmarks.shards`.

Real taps read a sandbox in lanes, as the DAG runs them: each lane takes the next shard when it is
free, and each shard has the rate of its lane. The shards are of unequal size, from half to one and
a half times the mean, and the largest come last, which is the worst order.

Prints a table in Markdown. It takes about five minutes for each number of shards.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.report import table
from crowdtwist_sandbox import Sandbox, SandboxOptions
from tap_crowdtwist.members.roster import Shard

if TYPE_CHECKING:
    from collections.abc import Sequence

_DAGS = Path(__file__).parents[1] / "orchestrate" / "airflow" / "dags"
_SMALLEST, _LARGEST = 0.5, 1.5
"""Sizes of the first and the last shard, in shares of the mean."""


class Usage(NamedTuple):
    """Requests and time that the shards of a roster took.

    Attributes:
        shards: their number.
        requests: that the sandbox received.
        seconds: from the first start to the last end.
        idle: share of the lanes' time in which no shard was left for them.
    """

    shards: int
    requests: int
    seconds: float
    idle: float

    def share(self, rate: int) -> float:
        """Return the share of the rate that was used."""
        return self.requests / (rate / 60 * self.seconds)


def sizes(members: int, shards: int) -> list[int]:
    """Return the number of members in each shard, from the smallest to the largest."""
    step = (_LARGEST - _SMALLEST) / max(shards - 1, 1)
    return [round(members / shards * (_SMALLEST + number * step)) for number in range(shards)]


def choose(known: Sequence[str], members: int, shards: int) -> list[str]:
    """Return a roster whose shards have these sizes, from a longer one.

    Raises:
        ValueError: there are too few members.
    """
    chosen: list[str] = []
    for number, size in enumerate(sizes(members, shards), start=1):
        shard = Shard(number, shards)
        held = [member for member in known if shard.holds(int(member))][:size]
        if len(held) < size:
            raise ValueError(f"shard {number}/{shards} has {len(held)} members, not {size}")
        chosen += held
    return chosen


def run_in_lanes(commands: Sequence[Sequence[str]], lanes: int) -> list[float]:
    """Run commands, each as soon as a lane is free, in order; return when each lane was done.

    Returns:
        Seconds from the start, one for each lane.

    Raises:
        subprocess.CalledProcessError: one of them failed.
    """
    waiting = deque(commands)
    begin = time.monotonic()

    def lane() -> float:
        with suppress(IndexError):  # nothing is left
            while True:
                subprocess.run(  # noqa: S603 - our own
                    waiting.popleft(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    check=True,
                )
        return time.monotonic() - begin

    with ThreadPoolExecutor(lanes) as pool:
        return [future.result() for future in [pool.submit(lane) for _ in range(lanes)]]


def measure(
    sandbox: Sandbox,
    folder: Path,
    roster: Sequence[str],
    parts: Sequence[dict[str, Any]],
    lanes: int,
) -> Usage:
    """Read a roster in shards.

    Args:
        sandbox: the program.
        folder: for the settings and the roster.
        roster: the members.
        parts: the settings of each shard.
        lanes: how many run at the same time.
    """
    (folder / "members.csv").write_text("id\n" + "\n".join(roster) + "\n", encoding="utf-8")
    common = {
        "api_key": sandbox.api_key,
        "api_url": sandbox.api_url,
        "pos_url": sandbox.pos_url,
        "user_ids_path": str(folder / "members.csv"),
    }
    commands = []
    for number, part in enumerate(parts):
        config = folder / f"config-{number}.json"
        config.write_text(json.dumps(common | part), encoding="utf-8")
        commands.append([sys.executable, "-m", "tap_crowdtwist", "--config", str(config)])
    sandbox.reset()
    ends = run_in_lanes(commands, lanes)
    seconds = max(ends)
    return Usage(
        shards=len(parts),
        requests=sandbox.counts()["total"],
        seconds=seconds,
        idle=sum(seconds - end for end in ends) / (lanes * seconds),
    )


def main() -> None:
    """Measure each number of shards, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--members", type=int, default=5000)
    parser.add_argument("--rate", type=int, default=10_000, help="requests a minute of all lanes")
    parser.add_argument("--lanes", type=int, default=4)
    parser.add_argument("--shards", type=int, nargs="+", default=[4, 16, 32])
    options = parser.parse_args()
    sys.path.append(str(_DAGS))
    from crowdtwist_shards import Settings  # noqa: PLC0415 - it belongs to the DAG

    rows = []
    population = SandboxOptions(members=3 * options.members, seed=1, drift=False)
    with tempfile.TemporaryDirectory() as folder, Sandbox(population) as sandbox:
        for shards in options.shards:
            settings = Settings(shards=shards, requests_per_minute=options.rate)
            roster = choose(sandbox.roster(), options.members, shards)
            usage = measure(
                sandbox, Path(folder), roster, settings.parts(options.lanes), options.lanes
            )
            rows.append(
                [
                    shards,
                    f"{usage.requests:,}",
                    f"{usage.seconds:.0f}",
                    f"{usage.share(options.rate):.1%}",
                    f"{usage.idle:.1%}",
                ]
            )
    headings = ["shards", "requests", "seconds", "of the rate", "lanes idle"]
    sys.stdout.write(table(headings, rows) + "\n")


if __name__ == "__main__":
    main()
