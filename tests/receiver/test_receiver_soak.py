"""Minutes of load with kills and a full disk: what was acknowledged is there, and memory is flat.

`RECEIVER_SOAK_SECONDS` shortens it for developers.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections import Counter, defaultdict
from contextlib import closing
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from support.receiver import LINE, NAME
from support.receiver_load import MARK, Load
from support.receiver_supervisor import Supervisor, cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

SECONDS = float(os.environ.get("RECEIVER_SOAK_SECONDS", "300"))
HALF = SECONDS / 2
RATE = 500
CONNECTIONS = 16
KILL_INTERVAL = 10
SPELLS_OF_LAST_LIFE = (0.05, 0.4, 0.7)
"""When the disk is full, as shares of that half."""

MAX_GROWTH_BYTES = 4 * 1024 * 1024
_NUMBER = re.compile(rb'"%s": ?"(\d+)"' % MARK.encode())


class Step(NamedTuple):
    """What is done at a time, in seconds since the beginning of its half."""

    at: float
    action: Callable[[], object]


def kills(supervisor: Supervisor) -> Iterator[Step]:
    """Kill it every ten seconds: without warning, politely, and twice in a row, by turns.

    The second of two kills comes while the events that piled up are sent.
    """
    for number in range(1, int(HALF / KILL_INTERVAL)):
        at = number * KILL_INTERVAL
        if number % 3 == 2:
            yield Step(at, lambda: supervisor.signal(signal.SIGTERM))
        else:
            yield Step(at, lambda: supervisor.signal(signal.SIGKILL))
        if number % 3 == 0:
            yield Step(at + 2, lambda: supervisor.signal(signal.SIGKILL))


def full_disk(supervisor: Supervisor, *times: float) -> Iterator[Step]:
    """Fill the disk for four seconds, at first in the middle of a line."""
    for at in times:
        yield Step(at, supervisor.tear_files)
        yield Step(at + 1, supervisor.fill_disk)
        yield Step(at + 4, supervisor.free_disk)


def play(
    load: Load, supervisor: Supervisor, steps: Iterable[Step], is_over: Callable[[], bool]
) -> None:
    """Post, do the steps and keep the receiver running, until all steps are done and it is over."""
    plan = sorted(steps, key=attrgetter("at"))
    begun = time.monotonic()

    def tick() -> bool:
        while plan and plan[0].at <= time.monotonic() - begun:
            plan.pop(0).action()
        supervisor.keep_running()
        load.address = ("127.0.0.1", supervisor.port)
        return not plan and is_over()

    load.run(tick)


def metrics(port: int) -> dict[str, float]:
    """The sum of each metric over its labels, and the responses by status."""
    response = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=30)
    assert response.status_code == 200
    sums: dict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(response.text):
        for sample in family.samples:
            name = sample.name.removeprefix("crowdtwist_receiver_")
            sums[name] += sample.value
            if name == "responses_total":
                sums[sample.labels["status"]] += sample.value
    return sums


def numbers(paths: Iterable[Path], load: Load) -> Iterator[int]:
    """The numbers of the events in complete lines, each of which must be exactly as it was sent."""
    for path in paths:
        with path.open("rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    text, number = LINE.fullmatch(line), _NUMBER.search(line)
                    assert text, line
                    assert number, line
                    assert text[2] == load.event(int(number[1]))
                    yield int(number[1])


class Outcome(NamedTuple):
    """What a soak leaves beside the files.

    Attributes:
        seconds: how long it took.
        earlier: files of the lives before the last one.
        answers: responses of the last life by status.
        counted: metrics of the last life.
        resident: bytes of memory, early and at the end of the last life.
    """

    seconds: float
    earlier: set[Path]
    answers: Counter[int]
    counted: dict[str, float]
    resident: list[int]


def soak(directory: Path, load: Load, supervisor: Supervisor) -> Outcome:
    """Kill the receiver often for half of the time, then let it live."""
    begun = time.monotonic()
    kills_and_spells = [*kills(supervisor), *full_disk(supervisor, *range(8, int(HALF) - 4, 25))]
    play(load, supervisor, kills_and_spells, lambda: time.monotonic() - begun >= HALF)
    supervisor.signal(signal.SIGKILL)
    load.run(load.is_disconnected)
    earlier, before = set(directory.iterdir()), Counter(load.statuses)

    lives, resident = supervisor.lives, []
    measure = Step(HALF / 4, lambda: resident.append(supervisor.resident_bytes()))
    spells = [HALF * share for share in SPELLS_OF_LAST_LIFE]
    play(load, supervisor, [measure, *full_disk(supervisor, *spells)], load.is_done)
    resident.append(supervisor.resident_bytes())
    seconds = time.monotonic() - begun
    counted = metrics(supervisor.port)
    assert supervisor.lives == lives + 1
    assert supervisor.stop() == 0
    return Outcome(seconds, earlier, load.statuses - before, counted, resident)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(SECONDS * 3 + 120)
@pytest.mark.skipif(sys.platform != "linux", reason="limits another process")
def test_nothing_acknowledged_is_lost_and_memory_is_flat(tmp_path: Path) -> None:
    directory, log = tmp_path / "live", tmp_path / "log"
    load = Load(int(SECONDS * RATE), RATE, CONNECTIONS)
    options = ("--metrics-allow", "127.0.0.1/32")
    with Supervisor(directory, log, *options) as supervisor, closing(load):
        outcome = soak(directory, load, supervisor)
    files = set(directory.iterdir())
    assert all(NAME.fullmatch(path.name) for path in files)
    in_last_life = Counter(numbers(files - outcome.earlier, load))
    stored = Counter(numbers(outcome.earlier, load)) + in_last_life
    torn = [path for path in files if not path.read_bytes().endswith(b"\n")]
    for path in files:
        path.unlink()  # hundreds of megabytes
    report = {
        "events": len(stored),
        "stored more than once": stored.total() - len(stored),
        "responses": dict(load.statuses),
        "requests without response": load.lost,
        "bytes of events": load.sizes,
        "seconds": round(outcome.seconds),
        "lives": supervisor.lives,
        "failed starts": supervisor.failed_starts,
        "torn files": len(torn),
        "resident bytes": outcome.resident,
        "CPU seconds, ours and of receivers": cpu_seconds(),
    }
    sys.stdout.writelines(f"{name}: {value}\n" for name, value in report.items())

    assert [n for n, acked in enumerate(load.acknowledged) if acked and n not in stored] == []
    assert all(load.acknowledged)  # in the end, each event was stored
    assert set(load.statuses) == {200, 503}
    assert len(stored) / outcome.seconds > RATE / 2
    assert outcome.resident[-1] - outcome.resident[0] < MAX_GROWTH_BYTES
    assert "Traceback" not in log.read_text(encoding="utf-8")
    # What it withstood did happen.
    assert torn
    assert supervisor.failed_starts > 0
    assert load.lost > 0

    counted, answers = outcome.counted, outcome.answers
    assert counted["events_stored_total"] == counted["200"] == answers[200]
    assert counted["503"] == answers[503]
    assert answers[200] <= in_last_life.total() <= answers[200] + answers[503]
    assert counted["disk_errors_total"] >= len(SPELLS_OF_LAST_LIFE)
    assert counted["failing"] == counted["events_waiting"] == counted["bytes_waiting"] == 0
