"""A throw-away Meltano project, made from the checkout's meltano.yml.

It has its own directory, so that a demo shares no state, settings or logs with the user's own
pipelines. It runs the tap of the current environment and the dbt that `make` installs; loaders stay
installed between demos.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from crowdtwist_sandbox.demo_processes import process_group

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CHECKOUT = Path(__file__).resolve().parents[1]
DBT_VENV = os.environ.get("DBT_VENV", ".venv-dbt")
"""The environment of dbt, relative to the checkout."""

_BIN = Path(sys.executable).parent
_USER_VARIABLE_PREFIXES = ("TAP_", "TARGET_", "MELTANO_", "DBT_")
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
        self,
        root: Path,
        plugins: Sequence[str] = ("tap-crowdtwist", "target-duckdb", "dbt-duckdb"),
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
        # Without pip_url Meltano installs nothing and runs the given executable.
        for plugin in definition["plugins"]["extractors"]:
            del plugin["pip_url"]
            plugin["executable"] = str(_BIN / plugin["executable"])
        for plugin in definition["plugins"]["utilities"]:
            del plugin["pip_url"]
            plugin["executable"] = str(CHECKOUT / DBT_VENV / "bin" / plugin["executable"])
            transform = str(CHECKOUT / "transform")
            plugin["config"] |= {"project_dir": transform, "profiles_dir": transform}
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

    def run(self, blocks: Sequence[str], environment: Mapping[str, str]) -> None:
        """Run plugins one after the other, with these settings and none of the user's.

        Args:
            blocks: arguments of `meltano run`, such as the tap and a loader.
            environment: settings of the plugins, as environment variables.

        Raises:
            MeltanoError: one of them failed.
        """
        self._meltano(["run", *blocks], environment, _RUN_SECONDS)

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
