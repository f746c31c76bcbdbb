"""The virtual environments of the contenders, made as their users would make them.

The tap's has the tap and its dependencies, without development tools: one extra of jsonschema alone
would add most of a second to the start of every process. dlt has its own.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOME = ROOT / ".venv-bench"
DLT = "dlt==1.31.0"

_VERSIONS = """
import platform
from importlib.metadata import PackageNotFoundError, version
found = [f"Python {platform.python_version()}"]
for name in ("tap-crowdtwist", "singer-sdk", "requests", "urllib3", "msgspec", "dlt"):
    try:
        found.append(f"{name} {version(name)}")
    except PackageNotFoundError:
        pass
print(", ".join(found))
"""


@dataclass(frozen=True)
class Environments:
    """Paths of the programs.

    Attributes:
        tap: the tap's console script.
        python: interpreter of the tap's environment.
        dlt: interpreter of dlt's environment; None if there is none.
    """

    tap: Path
    python: Path
    dlt: Path | None

    @property
    def versions(self) -> list[str]:
        """The installed versions, one line per environment."""
        return [
            _run(str(python), "-c", _VERSIONS).strip()
            for python in (self.python, self.dlt)
            if python
        ]


def present() -> Environments:
    """Return the current environment, and dlt's if it exists."""
    python = Path(sys.executable)
    dlt = HOME / "dlt" / "bin" / "python"
    return Environments(python.parent / "tap-crowdtwist", python, dlt if dlt.exists() else None)


def fresh() -> Environments:
    """Install the tap from its sources, and dlt if it is not installed yet."""
    tap, dlt = HOME / "tap", HOME / "dlt"
    _install(tap, str(ROOT))
    # Again and without dependencies: the sources may have changed since the environment was made.
    _run(_python(tap), "-m", "pip", *_QUIET, "--no-deps", "--force-reinstall", str(ROOT))
    _install(dlt, DLT)
    return Environments(tap / "bin" / "tap-crowdtwist", Path(_python(tap)), Path(_python(dlt)))


_QUIET = ("--disable-pip-version-check", "install", "--quiet")


def _install(folder: Path, requirement: str) -> None:
    marker = folder / ".complete"  # tells a complete environment from an interrupted installation
    if marker.exists():
        return
    venv.create(folder, with_pip=True, clear=True)
    _run(_python(folder), "-m", "pip", *_QUIET, requirement)
    marker.touch()


def _python(folder: Path) -> str:
    return str(folder / "bin" / "python")


def _run(*command: str) -> str:
    done = subprocess.run(command, check=True, capture_output=True, encoding="utf-8", timeout=600)  # noqa: S603 - our own
    return done.stdout
