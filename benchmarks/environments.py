"""The virtual environments that contenders run in, as their users would install them.

The tap's own holds the tap and what it needs, nothing of what development needs: an extra of
jsonschema alone would add most of a second to the start of every process. dlt gets one to itself.
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
    """Where to find the programs.

    Attributes:
        tap: the console script.
        python: the interpreter of the environment that the tap is installed in.
        dlt: the interpreter of the environment that dlt is installed in; None where there is none.
    """

    tap: Path
    python: Path
    dlt: Path | None

    @property
    def versions(self) -> list[str]:
        """What is installed, one line per environment."""
        return [
            _run(str(python), "-c", _VERSIONS).strip()
            for python in (self.python, self.dlt)
            if python
        ]


def present() -> Environments:
    """Take the environment that this runs in, and dlt's if it was made before."""
    python = Path(sys.executable)
    dlt = HOME / "dlt" / "bin" / "python"
    return Environments(python.parent / "tap-crowdtwist", python, dlt if dlt.exists() else None)


def fresh(source: Path) -> Environments:
    """Install the tap out of a directory with its sources, and dlt where it is not there yet."""
    tap, dlt = HOME / "tap", HOME / "dlt"
    _install(tap, str(source))
    _run(_python(tap), "-m", "pip", *_QUIET, "--no-deps", "--force-reinstall", str(source))
    _install(dlt, DLT)
    return Environments(tap / "bin" / "tap-crowdtwist", Path(_python(tap)), Path(_python(dlt)))


_QUIET = ("--disable-pip-version-check", "install", "--quiet")


def _install(folder: Path, requirement: str) -> None:
    marker = folder / ".complete"
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
