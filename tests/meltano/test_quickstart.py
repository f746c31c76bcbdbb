"""The quick start works as it stands: its commands run in a clone, against the sandbox."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
from support.packages import meltano_with_uv
from support.pages import DOCS, block, blocks

from scripts import recording

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["support.meltano_fixtures"]

CHECKOUT = DOCS.parent
# What the commands of the page need of a clone.
_FILES = ("Makefile", "README.md", "LICENSE", "pyproject.toml", "meltano.yml", ".env.example")
_PACKAGES = ("tap_crowdtwist", "crowdtwist_receiver", "crowdtwist_report", "crowdtwist_sandbox")
WITHOUT_KEY = "Without an API key"
# Variables of an outer make would let `make clean` delete another environment than the clone's.
_NOT_OURS = ("TAP_", "TARGET_", "MELTANO_", "COV", "PYTHON", "MAKE", "MFLAGS", "VENV", "AIRFLOW_")


class Clone:
    """A clone of the repository in which `make demo` has run."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root = root
        around = {
            name: value for name, value in os.environ.items() if not name.startswith(_NOT_OURS)
        }
        own = {"HOME": str(home), "NO_COLOR": "1"}
        self._environment = {**around, **own, **meltano_with_uv(root.with_name("uv"))}
        root.mkdir()
        for name in _FILES:
            shutil.copy(CHECKOUT / name, root)
        for name in _PACKAGES:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(CHECKOUT / name, root / name, ignore=ignored)
        (root / ".venv").symlink_to(sys.prefix)

    def shell(self, *commands: str) -> str:
        """Run commands in one shell, and return their standard output."""
        done = subprocess.run(
            ["sh", "-eu", "-c", "\n".join(commands)],
            cwd=self.root,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fill_in(self, lines: str) -> None:
        """Set lines of .env that are there, with a value or as a comment."""
        path = self.root / ".env"
        text = path.read_text(encoding="utf-8")
        for line in lines.splitlines():
            name = line.partition("=")[0]
            text, times = re.subn(rf"(?m)^#?{name}=.*$", line, text)
            assert times == 1, name
        path.write_text(text, encoding="utf-8")

    def files(self) -> set[Path]:
        """List the files of the clone, and the environment as one of them."""
        found = (path for path in self.root.rglob("*") if path.is_symlink() or not path.is_dir())
        return {path.relative_to(self.root) for path in found}

    def count(self, stream: str) -> int:
        """Count the rows of a table."""
        path = self.root / "output" / "warehouse.duckdb"
        with closing(duckdb.connect(str(path), read_only=True)) as warehouse:
            (row,) = warehouse.execute(f"SELECT count(*) FROM crowdtwist.{stream}").fetchall()  # noqa: S608 - our own names
        return int(row[0])


@pytest.fixture
def clone(tmp_path: Path, meltano_home: Path) -> Clone:
    return Clone(tmp_path / "clone", meltano_home)


@pytest.fixture
def ports(clone: Clone) -> Iterator[dict[str, str]]:
    """Start the page's sandbox on free ports, which stand in for those that the page names."""
    serve, _advance = blocks(WITHOUT_KEY, "console")
    command = f"exec {serve.strip()} --port 0 --pos-port 0 --max-seconds 380"
    with subprocess.Popen(
        ["sh", "-c", command], cwd=clone.root, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            urls = json.loads(server.stdout.readline())
            yield {
                "http://127.0.0.1:8600": urls["api_url"],
                "http://127.0.0.1:8601": urls["pos_url"],
            }
        finally:
            server.terminate()


def without_numbers(text: str) -> set[str]:
    """The lines of a text; some of their numbers vary with the day."""
    return set(re.sub(r"\d+", "#", text).splitlines())


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_steps_lead_to_rows_and_the_next_day_to_more(
    clone: Clone, ports: dict[str, str]
) -> None:
    def on_ports(text: str) -> str:
        for shown, real in ports.items():
            text = text.replace(shown, real)
        return text

    at_first = clone.files()
    install = block("Step 1", "console")
    activate = install.splitlines()[0]
    roster = block("Step 2", "text")
    members = roster.split()[1:]
    load, look = blocks("Step 5", "console")
    _serve, advance = blocks(WITHOUT_KEY, "console")

    clone.shell(install)
    (clone.root / "members.csv").write_text(roster, encoding="utf-8")
    clone.shell(block("Step 3", "console"))
    clone.fill_in(block("Step 3", "dotenv"))
    clone.shell(block("Step 3", "console"))  # once more, for a reader without a key
    clone.fill_in(on_ports(block(WITHOUT_KEY, "dotenv")))

    checks = clone.shell(activate, block("Step 4", "console"))
    assert without_numbers(block("Step 4", "text")) <= without_numbers(checks)

    clone.shell(activate, load)
    assert all(member in clone.shell(look) for member in members)
    before = clone.count("user_activity_history")
    assert before > 0

    clone.shell(on_ports(advance))
    clone.shell(activate, block("Step 6", "console"))
    assert clone.count("user_activity_history") > before
    assert clone.count("users") == len(members)

    clone.shell(activate, block("Remove what is in the clone", "console"))
    assert clone.files() == at_first - {Path(".venv")}


def test_the_recording_fits_the_page_and_tells_nothing_of_its_machine() -> None:
    content = recording.RECORDING.read_text(encoding="utf-8")
    header = json.loads(content.splitlines()[0])
    lines = recording.text().splitlines()

    assert len(content) < 200_000
    assert (header["width"], header["height"]) == (100, 30)
    assert set(header["env"]) <= {"TERM"}
    assert max(map(len, lines)) <= header["width"]
    assert all(line.isprintable() for line in lines)
    assert not re.search(r"(?<![\w:/.])/\w", recording.text())
    assert str(Path.home()) not in content


def test_the_recording_shows_the_demo_alone_to_its_end() -> None:
    lines = recording.text().splitlines()

    assert lines[0] == "$ make demo"
    assert lines[1].startswith("[1/11] ")
    assert lines[-1].startswith("Its amounts are estimates")
