"""A throw-away Meltano project, made from the checkout's meltano.yml.

It has its own directory, so that a demo shares no state, settings or logs with the user's own
pipelines. It runs the tap of the current environment; loaders stay installed between demos.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CHECKOUT = Path(__file__).resolve().parents[1]
_BIN = Path(sys.executable).parent
_USER_VARIABLE_PREFIXES = ("TAP_", "TARGET_", "MELTANO_")
_STOP_SECONDS = 10  # between asking a command to stop and killing it
_POLL_SECONDS = 0.01
_INSTALL_SECONDS = 600
_RUN_SECONDS = 600
_LOG_TAIL_LINES = 30


class MeltanoError(Exception):
    """A command of Meltano failed; the message holds the end of its log."""


class MeltanoProject:
    """A Meltano project in a directory.

    Attributes:
        root: directory of meltano.yml and the plugins.
        plugins: names of the plugins to keep.
        log: file that receives the output of all commands.
    """

    def __init__(
        self, root: Path, plugins: Sequence[str] = ("tap-crowdtwist", "target-duckdb")
    ) -> None:
        self.root = root.resolve()
        self.plugins = plugins
        self.log = self.root / "meltano.log"

    def create(self) -> None:
        """Write meltano.yml, and delete state and logs of earlier runs.

        Raises:
            MeltanoError: this does not run from a checkout of the project.
        """
        source = CHECKOUT / "meltano.yml"
        if not source.is_file():
            raise MeltanoError(
                f"There is no {source}: the demo runs from a checkout of the project"
            )
        definition = yaml.safe_load(source.read_text(encoding="utf-8"))
        for kind, plugins in definition["plugins"].items():
            definition["plugins"][kind] = [p for p in plugins if p["name"] in self.plugins]
        for plugin in definition["plugins"]["extractors"]:
            # Without pip_url Meltano installs nothing and runs the given executable.
            del plugin["pip_url"]
            plugin["executable"] = str(_BIN / plugin["executable"])
        self.root.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(definition, sort_keys=False)
        (self.root / "meltano.yml").write_text(text, encoding="utf-8")
        self.log.write_text("", encoding="utf-8")
        (self.root / ".meltano" / "meltano.db").unlink(missing_ok=True)

    def install(self) -> None:
        """Install the loaders that are not installed yet.

        If an earlier installation was interrupted, all of them are installed anew.
        """
        complete = self.root / ".meltano" / "installed"
        if not complete.is_file():
            shutil.rmtree(self.root / ".meltano" / "loaders", ignore_errors=True)
        complete.unlink(missing_ok=True)
        self._meltano(["install"], {}, _INSTALL_SECONDS)
        complete.touch()

    def run(self, loader: str, environment: Mapping[str, str], *flags: str) -> None:
        """Sync from the tap into a loader, with these settings and none of the user's.

        Raises:
            MeltanoError: the sync failed.
        """
        self._meltano(["run", *flags, "tap-crowdtwist", loader], environment, _RUN_SECONDS)

    @contextmanager
    def running(
        self, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Start a command of Meltano, and stop what is left of it at the end."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(_USER_VARIABLE_PREFIXES)
        }
        command = [str(_BIN / "meltano"), *arguments]
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ meltano {' '.join(arguments)}\n")
            log.flush()
            with process_group(
                command,
                cwd=self.root,
                env={**inherited, **environment, "NO_COLOR": "1"},
                output=log.fileno(),
            ) as process:
                yield process

    def _meltano(
        self, arguments: Sequence[str], environment: Mapping[str, str], timeout: float
    ) -> None:
        with self.running(arguments, environment) as process:
            try:
                code = process.wait(timeout)
            except subprocess.TimeoutExpired:
                code = None
        if code != 0:
            end = f"took more than {timeout:.0f} s" if code is None else f"ended with {code}"
            tail = self.log.read_text(encoding="utf-8").splitlines()[-_LOG_TAIL_LINES:]
            raise MeltanoError("\n".join([*tail, f"`meltano {' '.join(arguments)}` {end}"]))


@contextmanager
def process_group(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    output: int,
    errors: int = subprocess.STDOUT,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command in its own process group, and stop the whole group at the end."""
    process: subprocess.Popen[bytes] | None = None
    try:
        with _deferred_signals():
            process = subprocess.Popen(  # noqa: S603 - the arguments are ours
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
        yield process
    finally:
        if process is not None and process.poll() is None:
            _signal(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
            _signal(process.pid, signal.SIGKILL)
            process.wait()
            _await_end(process.pid)


@contextmanager
def _deferred_signals() -> Iterator[None]:
    """Defer SIGINT and SIGTERM to the end of the block.

    A handler that raises between the start of a process and the assignment of its Popen object
    would leave a process that nobody stops.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers run in the main thread only
        return
    received: list[int] = []
    previous_handlers = {
        each: signal.signal(each, lambda number, _frame: received.append(number))
        for each in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for each, handler in previous_handlers.items():
            signal.signal(each, handler)
    for number in received[:1]:
        signal.raise_signal(number)


def _signal(group: int, number: int) -> None:
    # macOS raises PermissionError where others raise ProcessLookupError, for a group that ended.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _await_end(group: int) -> None:
    """Wait until the killed processes of a group are gone, for ten seconds at most.

    Where no init process reaps orphans, they would stay zombies for ever.
    """
    deadline = time.monotonic() + _STOP_SECONDS
    with suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(_POLL_SECONDS)
