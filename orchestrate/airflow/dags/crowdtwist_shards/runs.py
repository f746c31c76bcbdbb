"""Runs of Meltano: one shard each, followed line by line, stopped with care."""

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

GRACE = 3.5
"""Seconds between asking a run to stop and killing it; Airflow kills the task after 5."""

_OWED = "Incomplete: "
_LEVELS = {
    "debug": logging.DEBUG,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}


def variables(prefix: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """Spell settings as the environment variables of a Singer plugin; None is left out."""
    return {
        f"{prefix}{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in settings.items()
        if value is not None
    }


@dataclass
class Run:
    """What became of one `meltano run`.

    Attributes:
        code: its exit code.
        stopped: whether it was asked to stop.
        tap: the id of the tap's process, once it is heard of.
        members: how many the tap found in its part of the roster.
        summary: what the tap says of each stream.
        last_words: of the tap, if it failed.
        errors: of Meltano itself.
    """

    code: int = 0
    stopped: bool = False
    tap: int = 0
    members: int | None = None
    summary: dict[str, Any] | None = None
    last_words: str = ""
    errors: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether doing it again would be in vain: all were asked, some members kept failing.

        The state remembers those, and the next run asks them again; a retry would ask everybody.
        """
        owed = self.last_words.startswith(_OWED) and "Extractor failed" in self.errors
        return self.summary is not None and not self.stopped and (self.code == 0 or owed)

    def why(self) -> str:
        """Say why it failed, in a sentence."""
        if self.stopped:
            return "stopped from outside"
        said = self.last_words or "; ".join(self.errors) or "see the log above"
        return f"`meltano run` ended with {self.code}: {said}"

    def read_line(self, line: str, say: Callable[[int, str], None]) -> None:
        """Take note of a line of Meltano's log, and pass it on."""
        try:
            entry = json.loads(line)
            text = str(entry["event"]).rstrip()
        except (ValueError, TypeError, KeyError):
            say(logging.INFO, line.rstrip())
            return
        if text == "METRIC":  # its numbers stand elsewhere in the entry, and in the summary
            return
        level = _LEVELS.get(str(entry.get("level")), logging.INFO)
        name = entry.get("name") or entry.get("string_id") or "meltano"
        if name == TAP:
            self._read_tap_line(text, level)
            self.tap = int(entry.get("pid") or self.tap)
        elif name == "meltano" and level >= logging.ERROR:
            self.errors.append(text)
        say(level, f"{name}: {text}")

    def _read_tap_line(self, text: str, level: int) -> None:
        words = text.split()
        if text.startswith("Summary: "):
            self.summary = json.loads(text.removeprefix("Summary: "))["streams"]
        elif text.startswith("The roster has ") and words[3].isdecimal():
            self.members = int(words[3])
        elif level >= logging.CRITICAL:
            self.last_words = text


@dataclass(frozen=True)
class Meltano:
    """A Meltano project, and how to run it.

    Attributes:
        root: the directory of its meltano.yml.
        environment: the Meltano environment; without one, Meltano keeps no state.
        target: the loader.
        executable: the command itself.
        variables: the whole environment of the processes.
    """

    root: Path
    environment: str
    target: str
    executable: str
    variables: Mapping[str, str]

    def state(self, suffix: str) -> dict[str, Any]:
        """Read the bookmarks that a shard has at present.

        Raises:
            ShardError: Meltano cannot tell.
        """
        state_id = f"{self.environment}:{TAP}-to-{self.target}:{suffix}"
        with self._own_system_directory() as environment:
            done = subprocess.run(  # noqa: S603 - the arguments are the operator's
                [*self._command("warning"), "state", "get", state_id],
                cwd=self.root,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode:
            said = done.stderr.strip()[-2000:]
            raise ShardError(f"`meltano state get {state_id}` failed: {said}")
        state = json.loads(done.stdout or "{}")
        bookmarks: dict[str, Any] = (state.get("singer_state") or {}).get("bookmarks") or {}
        return bookmarks

    def run(self, suffix: str, say: Callable[[int, str], None], *, force: bool) -> Run:
        """Sync a shard, and pass on every line of the log while it does.

        Args:
            suffix: of the shard's state id.
            say: takes the level and the text of a line.
            force: run although Meltano believes that an earlier run, killed without a word,
                is still alive.
        """
        arguments = ["run", "--state-id-suffix", suffix, *(["--force"] if force else [])]
        command = [*self._command("info"), *arguments, TAP, self.target]
        with self._own_system_directory() as environment:
            return follow(command, self.root, environment, say)

    def _command(self, level: str) -> list[str]:
        flags = [f"--environment={self.environment}", "--log-format=json", f"--log-level={level}"]
        return [self.executable, *flags]

    @contextmanager
    def _own_system_directory(self) -> Iterator[dict[str, str]]:
        """Give Meltano a directory of its own for what it writes.

        It keeps catalog, state and settings of a run in files named after the plugin, so that
        shards which run side by side in one project would read each other's. The plugins are
        linked, and the system database stays where it was.
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
    say: Callable[[int, str], None],
) -> Run:
    """Run a command as a process group of its own, of which nothing is left at the end.

    On SIGTERM the tap is asked to stop: it does so between two members, and Meltano still loads
    and notes what came until then. What is alive after `GRACE` is killed. A process that is killed
    without notice cannot do that, so where the system offers it (`setpriv` of Linux), Meltano is
    told when the process above it dies.
    """
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
        last_resort = threading.Timer(GRACE, _signal, (process.pid, signal.SIGKILL))
        last_resort.daemon = True

        def stop(_number: int, _frame: FrameType | None) -> None:
            if not run.stopped:
                run.stopped = True
                _signal(process.pid, signal.SIGTERM, member=run.tap)
                last_resort.start()

        try:
            with _on_sigterm(stop):
                for line in process.stdout or ():
                    run.read_line(line, say)
                run.code = process.wait()
        finally:
            last_resort.cancel()
            _signal(process.pid, signal.SIGKILL)
    return run


@contextmanager
def _on_sigterm(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    with ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            before = signal.signal(signal.SIGTERM, handler)
            stack.callback(signal.signal, signal.SIGTERM, before)
        yield


def _signal(group: int, number: signal.Signals, member: int = 0) -> None:
    """Signal a process group, or one member of it if that is alive."""
    try:
        if member and os.getpgid(member) == group:
            os.kill(member, number)
        else:
            os.killpg(group, number)
    except ProcessLookupError:
        if member:
            _signal(group, number)
    except PermissionError:  # macOS's word for a group that is gone
        pass
