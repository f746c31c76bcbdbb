"""The DAG's work besides Airflow: the roster, settings, runs of Meltano and their outcome."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from support.airflow_project import CHECKOUT, DAGS, shards, wait_for
from support.pages import DOCS

from tap_crowdtwist.members.roster_files import located_in_files
from tap_crowdtwist.sync.stats import StreamStats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crowdtwist_sandbox import Sandbox

CODE = shards()
PAGE = (DOCS / "airflow.md").read_text(encoding="utf-8")


# The roster


def test_a_roster_that_is_written_replaces_the_old_one_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "members.csv"

    assert CODE.write_roster(str(path), [3, 1], "id") == 2
    assert CODE.write_roster(f"file://{path}", ["7"], "id") == 1

    assert path.read_text(encoding="utf-8").split() == ["id", "7"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([], "`roster_sql` returned no rows"),
        ([5, None], "`roster_sql`: row 2 is empty"),
        (["Ann", " "], "`roster_sql`: row 2 is empty"),
    ],
)
def test_what_is_no_roster_never_replaces_a_good_one(
    tmp_path: Path, ids: list[Any], words: str
) -> None:
    path = tmp_path / "members.csv"
    path.write_text("id\n7\n")

    with pytest.raises(ValueError, match=f"{words}.*; the old file is kept"):
        CODE.write_roster(str(path), ids, "id")

    assert path.read_text(encoding="utf-8") == "id\n7\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_query_that_fails_in_the_middle_keeps_the_old_roster(tmp_path: Path) -> None:
    path = tmp_path / "members.csv"
    path.write_text("id\n7\n")

    def rows() -> Iterator[int]:
        yield 1
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        CODE.write_roster(str(path), rows(), "id")

    assert path.read_text(encoding="utf-8") == "id\n7\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
@pytest.mark.parametrize(
    ("id_type", "ids"), [("id", [3, "1"]), ("username", ["Ann, B.", 'C "D"', "005"])]
)
@pytest.mark.parametrize("column", [None, "member key"])
def test_the_tap_reads_every_member_of_a_roster_that_was_written(
    tmp_path: Path, ending: str, id_type: str, ids: list[Any], column: str | None
) -> None:
    """A first line that is taken for a header would lose a member."""
    path = str(tmp_path / f"members.{ending}")

    CODE.write_roster(path, ids, column or id_type)

    kept = int if id_type == "id" else str
    written = [member for _, member in located_in_files(path, id_type, column)]
    assert written == [kept(value) for value in ids]


@pytest.mark.parametrize(
    "path",
    ["", "*.csv", "members.txt", "members.csv.zip", "sftp://u:word@h/m.csv", "ssh://h/m.csv",
     "simplecache::sftp://u@h/m.csv"],
)  # fmt: skip
def test_a_roster_that_cannot_be_written_is_told_in_a_sentence(path: str) -> None:
    """Only the tap can check the host key of an SFTP server."""
    with pytest.raises(ValueError, match=r"`roster` has to end in \.csv or \.csv\.gz") as caught:
        CODE.write_roster(path, [1], "id")
    assert "word" not in str(caught.value)


# The settings


def test_the_page_has_every_setting_with_its_default() -> None:
    shown = re.findall(r"(?m)^`(\w+)`(?: = `(.+)`)?\n: ", PAGE)

    assert [(name, default or "None") for name, default in shown] == [
        (field.name, str(field.default)) for field in msgspec.structs.fields(CODE.Settings)
    ]


def test_the_variable_that_the_page_shows_is_valid() -> None:
    (variable,) = re.findall(r"airflow variables set crowdtwist[^']*'(\{.*\})'", PAGE)

    assert CODE.Settings.parse(variable, {}).roster == "s3://bucket/members.csv"


def test_the_page_names_the_airflow_that_the_tests_use() -> None:
    pins = (CHECKOUT / "orchestrate/airflow/constraints.txt").read_text(encoding="utf-8")
    (version,) = re.findall(r"(?m)^apache-airflow==(.+)$", pins)

    assert f"It is tested with Airflow {version} on" in PAGE
    assert f"FROM apache/airflow:{version}-" in PAGE


def test_what_the_variable_leaves_out_has_a_default() -> None:
    chosen = {"shards": 8, "requests_per_minute": None}
    settings = CODE.Settings.parse('{"shards": 2, "roster": "a"}', chosen)

    assert settings == CODE.Settings(shards=8, roster="a")
    assert CODE.Settings.parse("{}", {}) == CODE.Settings()
    assert CODE.Settings.parse('{"roster": null}', {"streams": ["users"]}).streams == ["users"]


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("", "truncated"),
        ("{", "truncated"),
        ("x", "malformed"),
        ("[]", "Expected `object`, got `array`"),
        ("null", "Expected `object`, got `null`"),
        ('{"shard": 4}', "unknown field `shard`"),
        ('{"shards": "4"}', r"Expected `int`, got `str` - at `\$.shards`"),
        ('{"shards": true}', r"\$.shards"),
        ('{"shards": 0}', r"`int` >= 1 - at `\$.shards`"),
        ('{"shards": null}', r"\$.shards"),
        ('{"requests_per_minute": 1000.5}', r"\$.requests_per_minute"),
        ('{"shards": 5, "requests_per_minute": 4}', "`requests_per_minute` .* at least `shards`"),
        ('{"streams": "users"}', r"\$.streams"),
        ('{"streams": []}', r"\$.streams"),
        ('{"streams": [1]}', r"\$.streams"),
        ('{"project": null}', r"\$.project"),
        ('{"project": "~no-such-user/x"}', "`project` or `meltano` begins with ~ and an unknown"),
        ('{"roster": ["a.csv", "b.csv"]}', r"\$.roster"),
        ('{"roster": ""}', r"\$.roster"),
        ('{"roster_sql": "SELECT 1"}', "`roster_sql` needs `roster_conn_id`"),
        ('{"members_sql": "SELECT 1"}', "`members_sql` needs `target_conn_id`"),
    ],
)
def test_a_wrong_variable_is_told_in_a_sentence(variable: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        CODE.Settings.parse(variable, {})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("count", "rate"), [(1, 5000), (3, 5000), (4, 4), (7, 10_000)])
def test_parts_never_exceed_the_rate_together(count: int, rate: int) -> None:
    parts = CODE.Settings(shards=count, requests_per_minute=rate).parts(at_once=4)

    assert [part["shard"] for part in parts] == [f"{n + 1}/{count}" for n in range(count)]
    at_once = [part["requests_per_minute"] for part in parts][:4]
    assert rate - 4 < sum(at_once) <= rate
    assert {part["requests_per_minute"] for part in parts} == {at_once[0]}


def test_settings_are_spelled_as_meltano_reads_them() -> None:
    settings = {"client_id": "512", "lookback_days": 3, "flattening_enabled": True}
    settings |= {"max_retries": 0, "x": None, "y": "", "z": []}

    assert CODE.variables("TAP_", settings | {"_select": ["users.*"]}) == {
        "TAP_CLIENT_ID": "512",
        "TAP_LOOKBACK_DAYS": "3",
        "TAP_FLATTENING_ENABLED": "true",
        "TAP_MAX_RETRIES": "0",
        "TAP__SELECT": '["users.*"]',
    }


# Runs


def entry(event: str, level: str = "info", **more: Any) -> str:
    return json.dumps({"event": event, "level": level, **more})


def summary(**streams: StreamStats) -> str:
    rows = {stream: vars(stats) for stream, stats in streams.items()}
    return f"Summary: {json.dumps({'members': 6, 'roster_ids': 24, 'streams': rows})}"


def heard(*lines: str, code: int = 0) -> Any:
    run = CODE.Run(code=code)
    for line in lines:
        run.read_line(line, lambda *_: None)
    return run


def test_lines_go_to_the_log_with_their_level_and_origin() -> None:
    said: list[tuple[int, str]] = []
    run = CODE.Run()

    for line in (
        entry("Beginning", name="tap-crowdtwist", pid=7),
        entry("METRIC", name="tap-crowdtwist"),
        entry("Slow", "warning", name="target-postgres", pid=8),
        entry("Extractor failed", "error"),
        "not JSON\n",
        "[1]",
    ):
        run.read_line(line, lambda *w: said.append(w))

    assert run.tap == 7
    assert said == [
        (logging.INFO, "tap-crowdtwist: Beginning"),
        (logging.WARNING, "target-postgres: Slow"),
        (logging.ERROR, "meltano: Extractor failed"),
        (logging.INFO, "not JSON"),
        (logging.INFO, "[1]"),
    ]


def test_a_run_is_over_when_only_members_failed() -> None:
    tap = {"name": "tap-crowdtwist"}
    told = entry(summary(users=StreamStats(asked=5, failed=1)), **tap)
    owed = entry("Incomplete: 1 member failed in `users`", "critical", **tap)

    assert heard(told).is_over
    assert heard(told, owed, entry("Extractor failed", "error"), code=1).is_over
    assert not heard(told, owed, entry("Extractor and loader failed", "error"), code=1).is_over
    assert not heard(told, entry("Loader failed", "error"), code=1).is_over
    assert not heard(owed, entry("Extractor failed", "error"), code=1).is_over
    assert not heard(code=0).is_over


def test_a_failed_run_says_why() -> None:
    words = entry("Setting `api_key`: is missing", "critical", name="tap-crowdtwist")

    assert (
        heard(words, code=1).failure_reason()
        == "`meltano run` ended with exit code 1: Setting `api_key`: is missing"
    )
    assert heard(entry("Loader failed", "error"), code=1).failure_reason().endswith("Loader failed")
    assert (
        heard(code=-9).failure_reason()
        == "`meltano run` ended with exit code -9: see the log above"
    )


@pytest.mark.parametrize(
    ("error", "is_final"),
    [
        ("Setting `api_key`: is missing", True),
        ("Setting `user_ids_path`: line 2 of 'members.csv' is not an id", True),
        ("Setting `user_ids_path`: there is no file members.csv", True),
        ("Setting `user_ids_path`: cannot read s3://b/members.csv: timed out", False),
        ("Setting `user_ids_path`: cannot open s3://b/members.csv: timed out", False),
        ("CrowdTwist rejected the key", False),
        ("", False),
    ],
)
def test_what_a_retry_cannot_mend_is_not_retried(error: str, *, is_final: bool) -> None:
    run = heard(entry(error, "critical", name="tap-crowdtwist"), code=1)

    assert run.needs_a_person is is_final


def run_tap(world: Sandbox, *, faults: str = "", **settings: Any) -> Any:
    """The tap's run as the DAG hears it."""
    settings = {
        "api_key": world.api_key,
        "api_url": world.api_url,
        "pos_url": world.pos_url,
        "requests_per_minute": 100_000,
        "max_retries": 0,
        **settings,
    }
    world.set_faults(faults)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "tap_crowdtwist", "--config=ENV"],
            env={**os.environ, **CODE.variables("TAP_CROWDTWIST_", settings), "NO_COLOR": "1"},
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        world.set_faults()
    run = heard(code=ended.returncode)
    for line in ended.stderr.splitlines():
        for level in ("info", "critical"):
            _, is_at_level, text = line.partition(f"| {level.upper():8} | tap-crowdtwist")
            if is_at_level:
                event = text.partition("| ")[2]
                run.read_line(entry(event, level, name="tap-crowdtwist"), lambda *_: None)
    if run.code:
        run.read_line(entry("Extractor failed", "error"), lambda *_: None)
    return run


def test_the_tap_says_what_a_run_listens_for(world: Sandbox) -> None:
    members = [*world.roster()[:5], "999"]
    run = run_tap(world, faults="access_denied=0.5", user_ids=members)

    assert run.is_over
    result = run.result("1/1")
    assert (result["members"], result["roster_ids"]) == (6, 6)
    assert 0 < result["profiles"] < 6
    assert "failed in `" in result["problem"]
    assert json.loads(json.dumps(result)) == result


def test_a_setting_that_the_tap_refuses_needs_a_person(world: Sandbox) -> None:
    run = run_tap(world, user_ids_path="gone.csv")

    assert run.needs_a_person, run.last_error


def test_shards_of_one_roster_add_up_to_it(world: Sandbox) -> None:
    members = [*world.roster(), *world.roster()[:3]]
    parts = CODE.Settings(shards=2, requests_per_minute=200_000).parts(at_once=4)
    runs = [run_tap(world, user_ids=members, **part) for part in parts]
    results = [run.result(part["shard"]) for run, part in zip(runs, parts, strict=True)]

    assert CODE.find_problems(parts, results) == []
    assert sum(result["members"] for result in results) == len(world.roster())
    assert {result["roster_ids"] for result in results} == {len(members)}


FAKE = """
import json, os, signal, subprocess, sys, time
def say(event, **more): print(json.dumps({"event": event, **more}), flush=True)
if sys.argv[1:] == ["tap"]:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    say("ready", name="tap-crowdtwist", pid=os.getpid())
    time.sleep(60)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
tap = subprocess.Popen([sys.executable, __file__, "tap"])
tap.wait()
if "stubborn" in sys.argv:
    time.sleep(60)
say("saved")
sys.exit(1)
"""
"""A Meltano with a tap, as far as signals are concerned."""

CALLER = """
import sys, pathlib
sys.path[:0] = [sys.argv[1]]
import crowdtwist_shards as runs
runs.STOP_GRACE_SECONDS = float(sys.argv[3])
command = [sys.executable, *sys.argv[2].split()]
run = runs.follow(command, pathlib.Path(), {}, lambda _, text: print(text, flush=True))
print(run.code, run.stopped, flush=True)
"""


@pytest.fixture
def fake(tmp_path: Path) -> str:
    path = tmp_path / "meltano.py"
    path.write_text(FAKE, encoding="utf-8")
    return str(path)


def call(command: str, grace: float = 30) -> subprocess.Popen[str]:
    """Follow a command in a process of its own, and wait until its tap is at work."""
    arguments = [sys.executable, "-c", CALLER, str(DAGS), command, str(grace)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "tap-crowdtwist: ready\n"
    return process


def processes() -> list[tuple[int, int, str]]:
    """All processes: id, parent, command line."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], check=True, capture_output=True, text=True
    )
    found = (line.split(None, 2) for line in listed.stdout.splitlines())
    return [(int(pid), int(parent), command) for pid, parent, command in found]


def alive(file: str) -> list[int]:
    """The processes that run a file."""
    return [pid for pid, _, command in processes() if file in command]


def test_sigterm_stops_the_tap_and_lets_meltano_save(fake: str) -> None:
    with call(fake) as process:
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=20)

    assert said.splitlines() == ["meltano: saved", "1 True"]
    assert alive(fake) == []


def test_what_does_not_stop_in_time_is_killed(fake: str) -> None:
    with call(f"{fake} stubborn", grace=0.5) as process:
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=20)

    assert said.splitlines()[-1] == "-9 True"
    assert alive(fake) == []


@pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv is a program of Linux")
def test_meltano_does_not_outlive_a_task_that_is_killed(fake: str) -> None:
    with call(fake) as process:
        (meltano,) = [pid for pid, parent, _ in processes() if parent == process.pid]
        process.kill()

    wait_for(lambda: meltano not in alive(fake), "Meltano's end", 10)
    for tap in alive(fake):  # a real Meltano stops its tap
        os.kill(tap, signal.SIGKILL)


MELTANO = f"""#!{sys.executable}
import json, os, pathlib, sys
own = pathlib.Path(os.environ["MELTANO_SYS_DIR_ROOT"])
(own / "run" / "tap-crowdtwist").mkdir(parents=True)
seen = {{"arguments": sys.argv[1:], "own": str(own), "database": os.environ["MELTANO_DATABASE_URI"],
        "linked": sorted(path.name for path in own.iterdir())}}
print(json.dumps({{"event": json.dumps(seen)}}))
"""


def test_each_run_has_a_system_directory_of_its_own(tmp_path: Path) -> None:
    system = tmp_path / ".meltano"
    for name in ("extractors", "loaders", "run", "logs"):
        (system / name).mkdir(parents=True)
    (system / "meltano.db").touch()
    executable = tmp_path / "meltano"
    executable.write_text(MELTANO, encoding="utf-8")
    executable.chmod(0o755)
    settings = CODE.Settings(project=str(tmp_path), meltano=str(executable))
    said: list[str] = []

    for force in (False, True):
        CODE.run_meltano(settings, "1/2", {}, lambda _, text: said.append(text), force=force)
    first, second = (json.loads(text.removeprefix("meltano: ")) for text in said)

    arguments = ["run", "--state-id-suffix", "1-of-2", "tap-crowdtwist", "target-postgres"]
    assert first["arguments"][-5:] == arguments
    assert second["arguments"][-6:] == [*arguments[:3], "--force", *arguments[3:]]
    assert second["own"] != first["own"]
    for seen in (first, second):
        assert seen["linked"] == ["extractors", "loaders", "run"]
        assert seen["database"] == f"sqlite:///{system / 'meltano.db'}"
        assert not Path(seen["own"]).exists()
    assert list((system / "run").iterdir()) == []

    CODE.run_blocks(settings, ["dbt-postgres:build"], {}, lambda _, text: said.append(text))
    third = json.loads(said[-1].removeprefix("meltano: "))
    assert third["arguments"][-2:] == ["run", "dbt-postgres:build"]


# The outcome of all shards

PARTS = CODE.Settings(shards=2).parts(at_once=4)


def done(part: dict[str, Any], problem: str = "", roster_ids: int = 5) -> dict[str, Any]:
    run = heard(entry(summary(), name="tap-crowdtwist"))
    run.last_error = problem
    return {**run.result(part["shard"]), "roster_ids": roster_ids}


def test_everything_is_there_when_all_shards_ended_without_a_problem() -> None:
    assert CODE.find_problems(PARTS, [done(part) for part in PARTS]) == []


def test_whatever_is_incomplete_is_told_with_numbers() -> None:
    failed = done(PARTS[0], "Incomplete: 2 members failed in `users`")

    assert CODE.find_problems(PARTS, [failed]) == [
        "1 of 2 shards did not finish: 2/2",
        "shard 1/2: 2 members failed in `users`",
    ]
    (different,) = CODE.find_problems(PARTS, [done(PARTS[0]), done(PARTS[1], roster_ids=6)])
    assert different.startswith("the shards read different rosters, of 5 and 6 ids: it changed")
    assert CODE.find_problems(PARTS, []) == ["2 of 2 shards did not finish: 1/2, 2/2"]


def test_profiles_are_the_members_that_were_read() -> None:
    users = StreamStats(asked=6, missing=1, deleted=1, failed=1)

    assert heard(entry(summary(users=users), name="tap-crowdtwist")).result("1/4") == {
        "shard": "1/4",
        "members": 6,
        "roster_ids": 24,
        "profiles": 3,
        "problem": "",
        "streams": ["users"],
    }
