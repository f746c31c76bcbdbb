"""Runs of Meltano, one per shard: their log, their outcome, and an orderly stop."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from crowdtwist_shards.errors import ShardError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

TAP = "tap-crowdtwist"

STOP_GRACE_SECONDS = 3.5
"""Time for a run to stop before it is killed. Airflow kills the task itself after 5 seconds."""

_ONLY_MEMBERS_FAILED = "Incomplete: "
"""Start of the last line of a tap that has asked all members, some of which kept failing."""

_LEVELS = {
    "debug": logging.DEBUG,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}


def variables(prefix: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return settings as environment variables of a Singer plugin, without those that are None."""
    return {
        f"{prefix}{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in settings.items()
        if value is not None
    }


@dataclass
class Run:
    """The outcome of one `meltano run`.

    Attributes:
        code: the exit code of Meltano.
        stopped: whether it was asked to stop.
        tap: the process id of the tap; 0 until its first log line.
        members: the number of members in the tap's part of the roster; None if it read none.
        summary: the counts of each stream, from the tap's summary.
        last_error: the critical log line of the tap, with which it ends if it failed.
        errors: the errors of Meltano itself.
    """

    code: int = 0
    stopped: bool = False
    tap: int = 0
    members: int | None = None
    summary: dict[str, Any] | None = None
    last_error: str = ""
    errors: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether a retry is pointless: the run succeeded, or only single members kept failing.

        The state lists those members, and the next run asks them again. A retry would start a new
        sweep over all members.
        """
        # Meltano logs another error if the loader failed, alone or together with the tap.
        only_members_failed = (
            self.last_error.startswith(_ONLY_MEMBERS_FAILED) and "Extractor failed" in self.errors
        )
        has_succeeded = self.code == 0 or only_members_failed
        return self.summary is not None and not self.stopped and has_succeeded

    def failure_reason(self) -> str:
        """Return why the run failed, as text for an error."""
        if self.stopped:
            return "stopped by a signal"
        reason = self.last_error or "; ".join(self.errors) or "see the log above"
        return f"`meltano run` ended with exit code {self.code}: {reason}"

    def read_line(self, line: str, log: Callable[[int, str], None]) -> None:
        """Extract the outcome from a line of Meltano's log, and log the line.

        Args:
            line: a JSON object, or any text that a process printed.
            log: takes the level and the text of a line.
        """
        try:
            entry = json.loads(line)
            text = str(entry["event"]).rstrip()
        except (ValueError, TypeError, KeyError):
            log(logging.INFO, line.rstrip())
            return
        if text == "METRIC":  # the summary has these numbers
            return
        level = _LEVELS.get(str(entry.get("level")), logging.INFO)
        name = entry.get("name") or entry.get("string_id") or "meltano"
        if name == TAP:
            self._read_tap_line(text, level)
            self.tap = int(entry.get("pid") or self.tap)
        elif name == "meltano" and level >= logging.ERROR:
            self.errors.append(text)
        log(level, f"{name}: {text}")

    def _read_tap_line(self, text: str, level: int) -> None:
        # These lines are the tap's interface for whoever runs it; its tests pin their wording.
        words = text.split()
        if text.startswith("Summary: "):
            self.summary = json.loads(text.removeprefix("Summary: "))["streams"]
        elif text.startswith("The roster has ") and words[3].isdecimal():
            self.members = int(words[3])
        elif level >= logging.CRITICAL:
            self.last_error = text


@dataclass(frozen=True)
class Meltano:
    """A Meltano project and the command that runs it.

    Attributes:
        root: the directory of meltano.yml.
        environment: the Meltano environment; without one, Meltano keeps no state.
        target: the name of the loader.
        executable: the name or path of the `meltano` command.
        variables: the complete environment of the processes.
    """

    root: Path
    environment: str
    target: str
    executable: str
    variables: Mapping[str, str]

    def state(self, suffix: str) -> dict[str, Any]:
        """Return the current bookmarks of a shard, by stream.

        Raises:
            ShardError: Meltano cannot read the state.
        """
        state_id = f"{self.environment}:{TAP}-to-{self.target}:{suffix}"
        with self._own_system_directory() as environment:
            process = subprocess.run(  # noqa: S603 - the arguments are the operator's
                [*self._command("warning"), "state", "get", state_id],
                cwd=self.root,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        if process.returncode:
            message = process.stderr.strip()[-2000:]
            raise ShardError(f"`meltano state get {state_id}` failed: {message}")
        state = json.loads(process.stdout or "{}")
        bookmarks: dict[str, Any] = (state.get("singer_state") or {}).get("bookmarks") or {}
        return bookmarks

    def run(self, suffix: str, log: Callable[[int, str], None], *, force: bool) -> Run:
        """Sync a shard, and log each line of Meltano's log as it comes.

        Args:
            suffix: the suffix of the shard's state id.
            log: takes the level and the text of a line.
            force: run even if Meltano takes an earlier run, which was killed, for still running.
        """
        arguments = ["run", "--state-id-suffix", suffix, *(["--force"] if force else [])]
        command = [*self._command("info"), *arguments, TAP, self.target]
        with self._own_system_directory() as environment:
            return follow(command, self.root, environment, log)

    def _command(self, level: str) -> list[str]:
        flags = [f"--environment={self.environment}", "--log-format=json", f"--log-level={level}"]
        return [self.executable, *flags]

    @contextmanager
    def _own_system_directory(self) -> Iterator[dict[str, str]]:
        """Yield an environment in which Meltano writes to a temporary system directory.

        Meltano keeps the catalog, state and settings of a run in files named after the plugin, so
        shards that run at the same time in one project would read each other's. The temporary
        directory links to the installed plugins; the system database stays in the project.
        """
        environment = dict(self.variables)
        shared = Path(environment.get("MELTANO_SYS_DIR_ROOT") or self.root / ".meltano")
        environment.setdefault("MELTANO_DATABASE_URI", f"sqlite:///{shared / 'meltano.db'}")
        with TemporaryDirectory(prefix="crowdtwist-", ignore_cleanup_errors=True) as own:
            for entry in shared.iterdir() if shared.is_dir() else ():
                if entry.is_dir() and entry.name not in {"run", "logs"}:
                    (Path(own) / entry.name).symlink_to(entry)
            yield environment | {"MELTANO_SYS_DIR_ROOT": own}


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
        kill_timer = threading.Timer(STOP_GRACE_SECONDS, _signal, (process.pid, signal.SIGKILL))
        kill_timer.daemon = True

        def stop(_number: int, _frame: FrameType | None) -> None:
            if not run.stopped:
                run.stopped = True
                # Only the tap: Meltano and the loader have to load what it has read until now.
                _signal(process.pid, signal.SIGTERM, member=run.tap)
                kill_timer.start()

        try:
            with _on_sigterm(stop):
                for line in process.stdout or ():
                    run.read_line(line, log)
                run.code = process.wait()
        finally:
            kill_timer.cancel()
            # Also after an error here: nothing may go on writing to the warehouse.
            _signal(process.pid, signal.SIGKILL)
    return run


@contextmanager
def _on_sigterm(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    # Python allows signal handlers in the main thread only; elsewhere a run cannot be stopped.
    with ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            before = signal.signal(signal.SIGTERM, handler)
            stack.callback(signal.signal, signal.SIGTERM, before)
        yield


def _signal(group: int, number: signal.Signals, member: int = 0) -> None:
    """Signal one process of a group, or the whole group if there is no such process."""
    try:
        if member and os.getpgid(member) == group:
            os.kill(member, number)
        else:
            os.killpg(group, number)
    except ProcessLookupError:
        if member:
            _signal(group, number)
    except PermissionError:  # raised by macOS for a group that has ended
        pass
