"""A throw-away Meltano project made of the checkout's meltano.yml, and the runs in it.

It has a directory of its own, so that a demo shares neither state, nor settings, nor logs with
the pipelines of the person who tries it. The tap is the one installed beside this module; loaders
stay installed from one demo to the next.
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
_OF_THE_USER = ("TAP_", "TARGET_", "MELTANO_")
_GRACE = 10  # seconds between asking a command to stop and killing it
_TICK = 0.01
_INSTALL_SECONDS = 600
_RUN_SECONDS = 600
_TAIL = 30  # lines


class MeltanoError(Exception):
    """A command of Meltano failed; the message holds the end of its log."""


class MeltanoProject:
    """A Meltano project in a directory.

    Attributes:
        root: where its meltano.yml and its plugins are.
        log: where the output of its commands goes.
    """

    def __init__(
        self, root: Path, plugins: Sequence[str] = ("tap-crowdtwist", "target-duckdb")
    ) -> None:
        self.root = root.resolve()
        self.plugins = plugins
        self.log = self.root / "meltano.log"

    def create(self) -> None:
        """Write meltano.yml, and forget state and logs of earlier runs.

        Raises:
            MeltanoError: the sources are not at hand.
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
            del plugin["pip_url"]
            plugin["executable"] = str(_BIN / plugin["executable"])
        self.root.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(definition, sort_keys=False)
        (self.root / "meltano.yml").write_text(text, encoding="utf-8")
        self.log.write_text("", encoding="utf-8")
        (self.root / ".meltano" / "meltano.db").unlink(missing_ok=True)

    def install(self) -> None:
        """Install the loaders; quick where they are installed already.

        One that an earlier run left half installed is begun again.
        """
        whole = self.root / ".meltano" / "installed"
        if not whole.is_file():
            shutil.rmtree(self.root / ".meltano" / "loaders", ignore_errors=True)
        whole.unlink(missing_ok=True)
        self._meltano(["install"], {}, _INSTALL_SECONDS)
        whole.touch()

    def run(self, loader: str, environment: Mapping[str, str], *flags: str) -> None:
        """Sync from the tap into a loader, with the given settings only.

        Raises:
            MeltanoError: the sync failed.
        """
        self._meltano(["run", *flags, "tap-crowdtwist", loader], environment, _RUN_SECONDS)

    @contextmanager
    def running(
        self, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Start a command of Meltano; whatever of it is left at the end is stopped."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(_OF_THE_USER)
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
            tail = self.log.read_text(encoding="utf-8").splitlines()[-_TAIL:]
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
    """Start a command as a process group of its own, of which nothing is left at the end."""
    process: subprocess.Popen[bytes] | None = None
    try:
        with _signals_held_back():
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
                process.wait(_GRACE)
            _signal(process.pid, signal.SIGKILL)
            process.wait()
            _await_end(process.pid)


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait, so that no process is started that nobody knows of."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals come to the main thread alone
        return
    came: list[int] = []
    before = {
        each: signal.signal(each, lambda number, _frame: came.append(number))
        for each in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    for number in came[:1]:
        signal.raise_signal(number)


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # the latter is macOS's for a dead group
        os.killpg(group, number)


def _await_end(group: int) -> None:
    """Wait until killed processes are gone; not for ever, since nobody may collect them."""
    deadline = time.monotonic() + _GRACE
    with suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(_TICK)
