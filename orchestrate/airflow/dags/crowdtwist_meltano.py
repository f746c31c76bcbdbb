"""Runs of Meltano for the DAG: how they are started and stopped, and what came of them.

Nothing here imports Airflow or the tap, so it can be tested without either.
"""
# ruff: noqa: INP001 - a DAGs folder is not a package

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import msgspec
from crowdtwist_shards import expand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from crowdtwist_shards import Settings

TAP = "tap-crowdtwist"

STOP_GRACE_SECONDS = 3.5
"""Time for a run to stop before it is killed. Airflow kills the task itself after 5 seconds."""

_NEEDS_A_PERSON = re.compile(r"Setting `(?!user_ids_path`: cannot (open|read) )")
"""Start of errors of the tap that a retry cannot fix; reading the roster may fail for a moment."""

_INCOMPLETE = "Incomplete: "
"""Start of the last line of a tap that reached its end, but without some members or files."""


class _Line(msgspec.Struct):
    """A line of Meltano's log."""

    event: str
    level: str = ""
    name: str = ""
    string_id: str = "meltano"
    pid: int = 0


@dataclass
class Run:
    """The outcome of one `meltano run`.

    Attributes:
        code: the exit code of Meltano.
        stopped: whether it was asked to stop.
        tap: the process id of the tap; 0 until its first log line.
        summary: the tap's summary; empty if it did not get there.
        last_error: the critical log line of the tap, with which it ends if it failed.
        errors: the errors of Meltano itself.
    """

    code: int = 0
    stopped: bool = False
    tap: int = 0
    summary: dict[str, Any] = field(default_factory=dict)
    last_error: str = ""
    errors: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether a retry is pointless: the tap reached its end, and all of it is loaded.

        If members failed, the state lists them, and the next run asks them again. A retry would
        start a new sweep over all members.
        """
        # Meltano logs another error if the loader failed, alone or together with the tap.
        is_loaded = self.code == 0 or "Extractor failed" in self.errors
        reached_end = self.code == 0 or self.last_error.startswith(_INCOMPLETE)
        return bool(self.summary) and is_loaded and reached_end and not self.stopped

    @property
    def needs_a_person(self) -> bool:
        """Whether a retry would fail in the same way."""
        return _NEEDS_A_PERSON.match(self.last_error) is not None

    def failure_reason(self) -> str:
        """Return why the run failed, as text for an error."""
        if self.stopped:
            return "stopped by a signal"
        reason = self.last_error or "; ".join(self.errors) or "see the log above"
        return f"`meltano run` ended with exit code {self.code}: {reason}"

    def read_line(self, text: str, log: Callable[[int, str], None]) -> None:
        """Extract the outcome from a line of Meltano's log, and log the line.

        Args:
            text: a JSON object, or any text that a process printed.
            log: takes the level and the text of a line.
        """
        try:
            line = msgspec.json.decode(text, type=_Line)
        except msgspec.DecodeError:
            log(logging.INFO, text.rstrip())
            return
        event, name = line.event.rstrip(), line.name or line.string_id
        if event == "METRIC":  # the summary has these numbers
            return
        level = getattr(logging, line.level.upper(), logging.INFO)
        if name == TAP:
            self.tap = line.pid or self.tap
            # The wording of these lines is the tap's interface for whoever runs it.
            if event.startswith("Summary: "):
                self.summary = json.loads(event.removeprefix("Summary: "))
            elif level >= logging.CRITICAL:
                self.last_error = event
        elif name == "meltano" and level >= logging.ERROR:
            self.errors.append(event)
        log(level, f"{name}: {event}")

    def result(self, shard: str) -> dict[str, Any]:
        """Return the outcome for an XCom: small, and without secrets."""
        streams = self.summary["streams"]
        users = streams.get("users", {})
        lacking = sum(users.get(name, 0) for name in ("missing", "deleted", "failed"))
        return {
            "shard": shard,
            "members": self.summary["members"],
            "roster_ids": self.summary["roster_ids"],
            "profiles": users.get("asked", 0) - lacking,
            "problem": self.last_error.removeprefix(_INCOMPLETE),
            "streams": list(streams),
        }


def run_meltano(
    settings: Settings,
    shard: str,
    environment: Mapping[str, str],
    log: Callable[[int, str], None],
    *,
    force: bool,
) -> Run:
    """Sync a shard, and log each line of Meltano's log as it comes.

    Args:
        settings: the settings of the DAG.
        shard: such as 2/4; its state's id ends in 2-of-4.
        environment: the complete environment of the processes.
        log: takes the level and the text of a line.
        force: run even if Meltano takes an earlier run, which was killed, for still running.
    """
    flags = ["--state-id-suffix", shard.replace("/", "-of-"), *(["--force"] if force else [])]
    return run_blocks(settings, [*flags, TAP, settings.target], environment, log)


def run_blocks(
    settings: Settings,
    blocks: Sequence[str],
    environment: Mapping[str, str],
    log: Callable[[int, str], None],
) -> Run:
    """Run `meltano run` with these arguments, and log each line of its log as it comes."""
    command = [
        str(expand(settings.meltano)),
        f"--environment={settings.environment}",
        "--log-format=json",
    ]
    command += ["--log-level=info", "run", *blocks]
    project = expand(settings.project)
    with _own_system_directory(project, environment) as own_environment:
        return follow(command, project, own_environment, log)


@contextmanager
def _own_system_directory(
    project: Path, environment: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    """Yield an environment in which Meltano writes to a temporary system directory.

    Meltano keeps the catalog, state and settings of a run in files named after the plugin, so
    shards that run at the same time in one project would read each other's. The temporary
    directory links to the installed plugins; the system database stays in the project.
    """
    shared = Path(environment.get("MELTANO_SYS_DIR_ROOT") or project / ".meltano")
    database = {"MELTANO_DATABASE_URI": f"sqlite:///{shared / 'meltano.db'}"}
    with TemporaryDirectory(prefix="crowdtwist-", ignore_cleanup_errors=True) as own:
        for entry in shared.glob("*"):
            if entry.is_dir() and entry.name not in {"run", "logs"}:
                (Path(own) / entry.name).symlink_to(entry)
        yield {**database, **environment, "MELTANO_SYS_DIR_ROOT": own}


def follow(
    command: Sequence[str],
    root: Path,
    environment: Mapping[str, str],
    log: Callable[[int, str], None],
) -> Run:
    """Run a command in its own process group, and leave no process of that group behind.

    On SIGTERM the tap is asked to stop: it does so between two members, and Meltano still loads
    the rows and saves the state up to there. What is alive after `STOP_GRACE_SECONDS` is killed.

    Returns:
        The outcome, read from the output of the command.
    """
    # This process cannot stop its children if it is killed itself. `setpriv`, a program of Linux,
    # has the kernel send SIGTERM to Meltano when its parent dies.
    if guard := shutil.which("setpriv"):
        command = [guard, "--pdeathsig", "TERM", *command]
    run = Run()
    with subprocess.Popen(  # noqa: S603 - the arguments are the operator's
        command,
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        kill_timer = threading.Timer(STOP_GRACE_SECONDS, _kill_group, [process.pid])
        kill_timer.daemon = True

        def stop(*_: Any) -> None:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            run.stopped = True
            kill_timer.start()
            with suppress(ProcessLookupError):
                # Only the tap: Meltano and the loader have to load what it has read until now.
                if run.tap and os.getpgid(run.tap) == process.pid:
                    os.kill(run.tap, signal.SIGTERM)
                else:
                    os.killpg(process.pid, signal.SIGTERM)

        previous = signal.signal(signal.SIGTERM, stop)
        try:
            for line in process.stdout or ():
                run.read_line(line, log)
            run.code = process.wait()
        finally:
            signal.signal(signal.SIGTERM, previous)
            kill_timer.cancel()
            # Also after an error here: nothing may go on writing to the warehouse.
            _kill_group(process.pid)
    return run


def _kill_group(group: int) -> None:
    # macOS raises a PermissionError for a group that has ended.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
