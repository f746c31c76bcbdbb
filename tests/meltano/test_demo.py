"""The demo shows what it promises, and cleans up however it ends."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from support.pages import block

from crowdtwist_sandbox import demo
from crowdtwist_sandbox.demo_project import MeltanoError, MeltanoProject
from crowdtwist_sandbox.demo_transform import Transform
from crowdtwist_sandbox.demo_warehouse import CURRENT, ExpectedKeys, table
from scripts import recording

pytest_plugins = ["support.meltano_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


WAYS = ("asked of the API", "Data Push", "Live Push")


def test_demo_compares_its_runs_with_the_truth_and_ends_with_the_report(
    project: MeltanoProject, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    leave_the_rest_of_an_earlier_demo(project.root)

    assert demo.main(["--members", "60", "--directory", str(project.root)]) == 0

    said = capsys.readouterr().out.replace(str(project.root), "output/demo")
    assert "meltano run tap-crowdtwist target-duckdb dbt-duckdb:build" in said
    assert "The current rows of each table are those that the sandbox had" in said
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line.strip()}
    first, second, held, current, expected = numbers(rows["purchases"])
    assert 0 < second < first <= held == current == expected
    for stream in ("users", "user_rewards", "user_activities"):
        *_, held, current, expected = numbers(rows[stream])
        assert held > current == expected
    assert int(rows["Bronze"][0]) > 0
    assert said.count("\n  asked of the API") == said.count("\n  Live Push") == 2
    asked, pushed, posted = (re.findall(rf"^  {way} +(\d.*)$", said, re.MULTILINE) for way in WAYS)
    assert asked == pushed == posted
    requests = [int(n.replace(",", "")) for n in re.findall(r", ([\d,]+) requests", said)]
    assert requests[2] < requests[1] / 2
    assert re.search(r"dbt: \d+ models, 1 snapshot, \d+ tests passed", said)
    assert "The report, for any browser: output/demo/report.html" in said
    assert "<h1" in (project.root / "report.html").read_text(encoding="utf-8")
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert shape(recording.text()) - shape(said) <= {"$ make demo", "Platinum"}
    assert "spent" in query_as_the_page_does(tmp_path, project.root)


def leave_the_rest_of_an_earlier_demo(root: Path) -> None:
    """Leave files that would fail a demo that does not start afresh."""
    feeds = root / "data_push"
    feeds.mkdir(exist_ok=True)
    for file in (root / "warehouse.duckdb", root / ".meltano" / "meltano.db", feeds / "profiles"):
        file.write_text("left by an earlier demo", encoding="utf-8")


def test_dbt_that_cannot_be_installed_fails_with_one_sentence(tmp_path: Path) -> None:
    transform = Transform(MeltanoProject(tmp_path), venv="/dev/null/dbt")

    with (
        transform.installing(),
        pytest.raises(MeltanoError, match=r"^dbt could not be installed: run `make \S+` to.*why$"),
    ):
        transform.await_installation()


def shape(said: str) -> set[str]:
    """The lines of the demo's output without its numbers, whose width varies."""
    return {re.sub(r"[ \d.,-]+", " ", line).strip() for line in said.splitlines()}


def query_as_the_page_does(clone: Path, directory: Path) -> str:
    """Run the quick start's query in a clone whose demo has run in some directory."""
    (clone / ".venv").symlink_to(sys.prefix)
    (clone / "output").mkdir()
    (clone / "output" / "demo").symlink_to(directory)
    command = ["sh", "-eu", "-c", block("Query the demo's database", "console")]
    return subprocess.run(
        command, cwd=clone, check=True, stdout=subprocess.PIPE, text=True, timeout=60
    ).stdout


def numbers(cells: list[str]) -> list[int]:
    return [int(cell.replace(",", "")) for cell in cells]


def test_demo_asks_for_current_rows_as_the_recipe_does() -> None:
    assert block("What is current", "sql") == CURRENT


@pytest.mark.parametrize(
    ("number", "step", "code"), [(signal.SIGINT, "[4/11]", 130), (signal.SIGTERM, "[2/11]", 143)]
)
def test_stopped_demo_leaves_nothing_running(
    project: MeltanoProject, number: signal.Signals, step: str, code: int
) -> None:
    command = [sys.executable, "-m", "crowdtwist_sandbox.demo", "--directory", str(project.root)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith(step):
            assert process.poll() is None
        await_children(project.root)

        process.send_signal(number)

        assert process.wait(30) == code
        assert f"Stopped by {number.name}; nothing is left running" in process.stdout.read()
    assert running_in(project.root) == []


def await_children(root: Path) -> None:
    """Wait until Meltano runs; where processes cannot be listed, there is nothing to wait for."""
    deadline = time.monotonic() + 30
    while Path("/proc/self/cwd").exists() and not running_in(root):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def running_in(root: Path) -> list[str]:
    """List the processes that work in a directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == root:
                found.append((process / "cmdline").read_text(encoding="utf-8"))
    return found


def test_failure_is_told_with_the_place_of_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "not a directory"
    file.touch()

    assert demo.main(["--members", "2", "--directory", str(file)]) == 1
    assert f"The demo failed. Meltano's log: {file / 'meltano.log'}" in capsys.readouterr().err


def test_truth_counts_rows_without_an_id_once_for_both_days() -> None:
    truth = ExpectedKeys(("user_id", "id"))
    truth.add([{"user_id": 1, "id": "a"}, {"user_id": 1, "id": None}])
    truth.add([{"user_id": 1, "id": "b"}, {"user_id": 1, "id": None}])

    assert len(truth) == 3
    assert truth.differences([("1", "a"), ("1", "b"), ("1", "made up")]) == []
    assert truth.differences([("1", "a"), ("1", "made up"), ("2", "made up")]) == [
        "1 rows are missing, such as ('1', 'b')",
        "2 rows, not 1, are in the table alone",
    ]


def test_table_lays_numbers_to_the_right() -> None:
    assert table(("stream", "rows"), [("users", 1234), ("purchases", 5)]).splitlines() == [
        "  stream      rows",
        "  ---------  -----",
        "  users      1,234",
        "  purchases      5",
    ]
