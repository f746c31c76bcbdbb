"""Meltano projects for the tests of warehouses, and what their tables have to hold."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crowdtwist_sandbox.demo_project import MeltanoProject
from support.harness import KEYS, canonical, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from crowdtwist_sandbox import Sandbox

Row = dict[str, Any]

LOADERS = ("target-duckdb", "target-postgres", "target-csv", "target-jsonl")
MELTANO = str(Path(sys.executable).parent / "meltano")
_NOT_OURS = ("TAP_", "TARGET_", "MELTANO_", "PG", "COV", "PYTHON")
_SECONDS = 280


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    stdout: str
    stderr: str


class Project:
    """A Meltano project in a directory of its own, with its loaders installed elsewhere.

    Attributes:
        root: its directory.
        settings: environment variables that every command gets.
    """

    def __init__(self, root: Path, home: Path, installation: Path | None = None) -> None:
        self.root = root
        self.settings: dict[str, str] = {}
        self._home = home
        MeltanoProject(root, ("tap-crowdtwist", *LOADERS)).create()
        if installation:
            own = root / ".meltano"
            own.mkdir()
            (own / "loaders").symlink_to(installation / ".meltano" / "loaders")
            # No state in it yet, and no need to migrate it again.
            shutil.copy(installation / ".meltano" / "meltano.db", own)

    def read_from(self, sandbox: Sandbox, id_type: str = "id", members: int | None = None) -> None:
        """Read a sandbox from now on, all streams of the members of its present day."""
        roster = self.root / "members.txt"
        roster.write_text("\n".join(sandbox.roster(id_type)[:members]), encoding="utf-8")
        self.settings |= {
            "TAP_CROWDTWIST_API_KEY": sandbox.api_key,
            "TAP_CROWDTWIST_API_URL": sandbox.api_url,
            "TAP_CROWDTWIST_POS_URL": sandbox.pos_url,
            "TAP_CROWDTWIST_USER_IDS_PATH": str(roster),
            "TAP_CROWDTWIST_REQUESTS_PER_MINUTE": "1000000",
        }

    def environment(self, **settings: str) -> dict[str, str]:
        """The environment of a command: none of the user's own settings, all of the project's."""
        around = {
            name: value for name, value in os.environ.items() if not name.startswith(_NOT_OURS)
        }
        path = os.pathsep.join([str(Path(MELTANO).parent), os.environ["PATH"]])
        plain = {"HOME": str(self._home), "NO_COLOR": "1", "PATH": path}
        return {**around, **plain, **self.settings, **settings}

    def __call__(self, *arguments: str, **settings: str) -> Finished:
        """Run a command of Meltano to its end, with settings of its own."""
        return self.command([MELTANO, *arguments], **settings)

    def command(self, command: Sequence[str], **settings: str) -> Finished:
        """Run any command in the project's directory to its end."""
        with self.running(command, **settings) as process:
            stdout, stderr = process.communicate(timeout=_SECONDS)
        assert process.returncode == 0, stdout + stderr
        return Finished(stdout, stderr)

    @contextmanager
    def running(self, command: Sequence[str], **settings: str) -> Iterator[subprocess.Popen[str]]:
        """Start a command in a process group of its own, of which nothing is left at the end."""
        process = subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def sync(self, loader: str, **settings: str) -> Finished:
        """Sync every stream into a loader."""
        every = {"TAP_CROWDTWIST__SELECT": '["*.*"]'}
        return self("run", "tap-crowdtwist", loader, **{**every, **settings})

    def state(self, state_id: str) -> str:
        """What `meltano state get` prints."""
        return self("state", "get", state_id).stdout

    def stored_state(self, state_id: str) -> dict[str, Any]:
        """The same, read where Meltano keeps it if not told otherwise, which is quicker."""
        uri = f"{(self.root / '.meltano' / 'meltano.db').as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as database:
            (stored,) = database.execute(
                "SELECT completed_state FROM state WHERE state_id = ?", [state_id]
            ).fetchone()
        state: dict[str, Any] = json.loads(stored)
        return state


class Expected:
    """What a table has to hold: the rows of every day's truth, a later day's in place of earlier.

    A row that the API sends without an id gets one from the tap; which one, the truth cannot know.
    """

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._keyed: dict[tuple[Any, ...], str] = {}
        self._others: Counter[str] = Counter()

    def add(self, rows: Iterable[Row]) -> None:
        """Add the truth of a day."""
        others: Counter[str] = Counter()
        for row in rows:
            if None in key_of(self._stream, row):
                others.update(texts(self._stream, [row]))
            else:
                self._keyed[key_of(self._stream, row)] = texts(self._stream, [row])[0]
        self._others |= others

    @property
    def rows(self) -> list[str]:
        """The rows as comparable texts."""
        return sorted([*self._keyed.values(), *self._others.elements()])


def texts(stream: str, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Rows as texts that can be compared: 248 and 248.0 are one number, null is no value."""
    return sorted(
        json.dumps(json.loads(json.dumps(row), parse_int=float), sort_keys=True)
        for row in canonical(stream, rows)
    )


def truth_of(sandbox: Sandbox) -> dict[str, list[Row]]:
    """The truth of every stream on the present day."""
    return {stream: list(sandbox.expected_rows(stream)) for stream in KEYS}


def kill_tap(process: subprocess.Popen[str], sig: signal.Signals) -> None:
    """Send a signal to the tap that a running `meltano run` has started, and to nothing else."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="],
        check=True,
        capture_output=True,
        encoding="utf-8",
        timeout=10,
    )
    processes = [line.split(None, 2) for line in listed.stdout.splitlines()]
    taps = [
        int(pid)
        for pid, parent, command in processes
        if int(parent) == process.pid and "bin/tap-crowdtwist" in command
    ]
    assert len(taps) == 1, listed.stdout
    os.kill(taps[0], sig)


def wait_for(condition: Any, process: subprocess.Popen[str], seconds: float = 60) -> None:
    """Wait until a condition holds, as long as a process runs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
