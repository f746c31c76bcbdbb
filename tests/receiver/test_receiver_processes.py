"""Killed, stopped, short of disk, or two at a time: nothing that was acknowledged is lost."""

from __future__ import annotations

import random
import re
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from support.receiver import Client, Running, answer_on, head, receiving, stored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KILLS = 15
CLIENTS = 5


@contextmanager
def loading(*receivers: Running) -> Iterator[list[Client]]:
    """Several clients that post until the receivers end."""
    clients = [
        Client(running.url, f"{number}-{n}")
        for number, running in enumerate(receivers)
        for n in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    try:
        while not all(client.acknowledged for client in clients):
            time.sleep(0.001)
        yield clients
    finally:
        for running in receivers:
            running.process.kill()
        for client in clients:
            client.join(20)


def marks(directory: Path) -> Counter[str]:
    return Counter(line.event["mark"] for line in stored(directory) if line.event)


def acknowledged(clients: list[Client]) -> Counter[str]:
    return Counter(mark for client in clients for mark in client.acknowledged)


@pytest.mark.slow
def test_killed_under_load_it_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(20261120)  # noqa: S311 - not a secret
    for attempt in range(KILLS):
        directory = tmp_path / str(attempt)
        with receiving(directory) as running:
            with loading(running) as clients:
                time.sleep(chance.uniform(0, 0.15))
                running.process.kill()
            assert running.process.wait(10) == -signal.SIGKILL
        found, promised = marks(directory), acknowledged(clients)
        assert promised <= found
        assert len(promised) >= CLIENTS
        # What is there beyond that is what was under way.
        assert (found - promised).total() <= 3 * CLIENTS


@pytest.fixture
def hangup_not_ignored() -> Iterator[None]:
    """Whoever is started takes SIGHUP as from a terminal, even where the tests run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangup_not_ignored")
def test_stopped_under_load_it_ends_quietly_with_everything_on_disk(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        directory = tmp_path / number.name
        with receiving(directory) as running:
            with loading(running) as clients:
                time.sleep(0.1)
                running.process.send_signal(number)
                out, err = running.process.communicate(timeout=20)
            assert (running.process.returncode, out) == (0, "")
        # A stop cuts no request short: all that was stored has been acknowledged.
        assert marks(directory) == acknowledged(clients)
        (counts,) = err.splitlines()
        assert re.match(r"crowdtwist-receiver: last \d+ s: stored: ", counts)


def test_under_nohup_it_outlives_its_terminal(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup has it, for what is started
    try:
        with receiving(tmp_path) as running:
            running.process.send_signal(signal.SIGHUP)
            with pytest.raises(subprocess.TimeoutExpired):
                running.process.wait(1)
            assert running.post("/live", {"id": 1}).status_code == 200
            assert running.end()[0] == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_stop_gives_incomplete_bodies_a_second_and_idle_connections_none(
    tmp_path: Path,
) -> None:
    with (
        receiving(tmp_path) as running,
        running.connect() as idle,
        running.connect() as finishing,
        running.connect() as dawdling,
    ):
        for connection in (finishing, dawdling):
            connection.sendall(head(Content_Length="10") + b'{"id"')
        idle.sendall(head(Content_Length="8") + b'{"id":1}')
        assert answer_on(idle)[0] == 200
        running.process.terminate()
        assert idle.recv(1) == b""
        with pytest.raises(OSError, match="refused"):
            running.connect()
        finishing.sendall(b":17} ")
        assert answer_on(finishing)[0] == 200
        status, content, headers = answer_on(dawdling)
        assert (status, content) == (503, {"error": "shutting down"})
        assert headers["retry-after"] == "5"
        assert running.process.wait(10) == 0
        assert [line.event["id"] for line in stored(tmp_path)] == [1, 17]


@pytest.mark.skipif(sys.platform != "linux", reason="limits another process")
def test_a_full_disk_is_told_and_survived(tmp_path: Path) -> None:
    def limit(size: int) -> None:
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (size, hard))

    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with receiving(tmp_path) as running:
        assert running.post("/live", {"mark": 1}).status_code == 200
        (path,) = tmp_path.iterdir()
        limit(path.stat().st_size + 20)
        response = running.post("/live", {"mark": "torn"})
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
        assert response.json() == {"error": "events cannot be written to disk"}
        assert running.post("/live", {"mark": "refused"}).status_code == 503
        health = running.health()
        assert (health.status_code, health.json()["status"]) == (503, "failing")
        torn = path.read_bytes()
        assert len(torn.splitlines()[-1]) == 20
        assert not torn.endswith(b"\n")
        time.sleep(1.2)
        assert running.health().status_code == 503
        limit(hard)
        while running.health().status_code == 503:
            time.sleep(0.05)
        assert running.post("/live", {"mark": 2}).status_code == 200
        assert path.read_bytes() == torn
        assert marks(tmp_path) == {1: 1, 2: 1}
        assert len({line.instance for line in stored(tmp_path)}) == 2
        _, _, err = running.end()
    *sentences, counts = err.splitlines()
    assert sentences == [
        "crowdtwist-receiver: cannot store events: Short write",
        "crowdtwist-receiver: events can be written to disk again",
    ]
    assert "2 x 200, 2 x 503" in counts


def test_two_processes_share_a_directory_but_no_file(tmp_path: Path) -> None:
    with receiving(tmp_path) as one, receiving(tmp_path) as other:
        with loading(one, other) as clients:
            time.sleep(0.2)
            enders = [Thread(target=running.end) for running in (one, other)]
            for ender in enders:
                ender.start()
            for ender in enders:
                ender.join()
        found = stored(tmp_path)
        assert marks(tmp_path) == acknowledged(clients)
    instances = {
        number: {line.instance for line in found if line.event["mark"].startswith(f"{number}-")}
        for number in range(2)
    }
    assert len(instances[0]) == len(instances[1]) == 1
    assert instances[0] != instances[1]
