"""How the DAG starts and stops Meltano: no process is left, and runs share no files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.airflow_project import DAGS, dag_module, wait_for

SHARDS = dag_module("crowdtwist_shards")
RUNS = dag_module("crowdtwist_meltano")

FAKE = """
import json, os, signal, subprocess, sys, time
def say(event, **more): print(json.dumps({"event": event, **more}), flush=True)
if sys.argv[1:] == ["tap"]:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    say("ready", name="tap-crowdtwist", pid=os.getpid())
    time.sleep(60)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
tap = subprocess.Popen([sys.executable, __file__, "tap"])
tap.wait()
if "stubborn" in sys.argv:
    time.sleep(60)
say("saved")
sys.exit(1)
"""
"""A Meltano with a tap, as far as signals are concerned."""

CALLER = """
import sys, pathlib
sys.path[:0] = [sys.argv[1]]
import crowdtwist_meltano as runs
runs.STOP_GRACE_SECONDS = float(sys.argv[3])
command = [sys.executable, *sys.argv[2].split()]
run = runs.follow(command, pathlib.Path(), {}, lambda _, text: print(text, flush=True))
print(run.code, run.stopped, flush=True)
"""


@pytest.fixture
def fake(tmp_path: Path) -> str:
    path = tmp_path / "meltano.py"
    path.write_text(FAKE, encoding="utf-8")
    return str(path)


def call(command: str, grace: float = 30) -> subprocess.Popen[str]:
    """Follow a command in a process of its own, and wait until its tap is at work."""
    arguments = [sys.executable, "-c", CALLER, str(DAGS), command, str(grace)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "tap-crowdtwist: ready\n"
    return process


def processes() -> list[tuple[int, int, str]]:
    """All processes: id, parent, command line."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], check=True, capture_output=True, text=True
    )
    found = (line.split(None, 2) for line in listed.stdout.splitlines())
    return [(int(pid), int(parent), command) for pid, parent, command in found]


def alive(file: str) -> list[int]:
    """The processes that run a file."""
    return [pid for pid, _, command in processes() if file in command]


def test_sigterm_stops_the_tap_and_lets_meltano_save(fake: str) -> None:
    with call(fake) as process:
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=20)

    assert said.splitlines() == ["meltano: saved", "1 True"]
    assert alive(fake) == []


def test_what_does_not_stop_in_time_is_killed(fake: str) -> None:
    with call(f"{fake} stubborn", grace=0.5) as process:
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=20)

    assert said.splitlines()[-1] == "-9 True"
    assert alive(fake) == []


@pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv is a program of Linux")
def test_meltano_does_not_outlive_a_task_that_is_killed(fake: str) -> None:
    with call(fake) as process:
        (meltano,) = [pid for pid, parent, _ in processes() if parent == process.pid]
        process.kill()

    wait_for(lambda: meltano not in alive(fake), "Meltano's end", 10)
    for tap in alive(fake):  # a real Meltano stops its tap
        os.kill(tap, signal.SIGKILL)


MELTANO = f"""#!{sys.executable}
import json, os, pathlib, sys
own = pathlib.Path(os.environ["MELTANO_SYS_DIR_ROOT"])
(own / "run" / "tap-crowdtwist").mkdir(parents=True)
seen = {{"arguments": sys.argv[1:], "own": str(own), "database": os.environ["MELTANO_DATABASE_URI"],
        "linked": sorted(path.name for path in own.iterdir())}}
print(json.dumps({{"event": json.dumps(seen)}}))
"""


def test_each_run_has_a_system_directory_of_its_own(tmp_path: Path) -> None:
    system = tmp_path / ".meltano"
    for name in ("extractors", "loaders", "run", "logs"):
        (system / name).mkdir(parents=True)
    (system / "meltano.db").touch()
    executable = tmp_path / "meltano"
    executable.write_text(MELTANO, encoding="utf-8")
    executable.chmod(0o755)
    settings = SHARDS.Settings(project=str(tmp_path), meltano=str(executable))
    said: list[str] = []

    for force in (False, True):
        RUNS.run_meltano(settings, "1/2", {}, lambda _, text: said.append(text), force=force)
    first, second = (json.loads(text.removeprefix("meltano: ")) for text in said)

    arguments = ["run", "--state-id-suffix", "1-of-2", "tap-crowdtwist", "target-postgres"]
    assert first["arguments"][-5:] == arguments
    assert second["arguments"][-6:] == [*arguments[:3], "--force", *arguments[3:]]
    assert second["own"] != first["own"]
    for seen in (first, second):
        assert seen["linked"] == ["extractors", "loaders", "run"]
        assert seen["database"] == f"sqlite:///{system / 'meltano.db'}"
        assert not Path(seen["own"]).exists()
    assert list((system / "run").iterdir()) == []

    RUNS.run_blocks(settings, ["dbt-postgres:build"], {}, lambda _, text: said.append(text))
    third = json.loads(said[-1].removeprefix("meltano: "))
    assert third["arguments"][-2:] == ["run", "dbt-postgres:build"]
