"""What the DAG does besides Airflow: the roster, runs of Meltano, completeness."""

from __future__ import annotations

import gzip
import json
import logging
import lzma
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st
from support.airflow_project import DAGS, shards, wait_for
from support.harness import PROGRAM_STREAMS

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.members.roster import Roster
from tap_crowdtwist.members.roster_files import located_in_files
from tap_crowdtwist.records.member_id import ID_TYPES
from tap_crowdtwist.sync.stats import StreamStats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crowdtwist_sandbox import Sandbox

CODE = shards()
FILES = {
    "members.txt": "3\n1\n\n 2 \n1\n",
    "members.csv": "name,user_id\nAnn,3\nBob,1\nBob,1\n",
    "one.csv": "anything\n3\n1\n",
    "members.jsonl": '{"id": 3}\n{"id": "1"}\n\n{"id": 1}\n',
    "plain.jsonl": "3\n1\n",
    "bom.txt": "\ufeff3\n1\n",
}


# The roster


def roster_size(path: str, id_type: str = "id", column: str | None = None) -> int:
    members = (member for _, member in located_in_files(path, id_type, column))
    return len(Roster(members, id_type))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("packed", [False, True])
def test_members_are_counted_as_the_tap_counts_them(
    tmp_path: Path, name: str, *, packed: bool
) -> None:
    path = tmp_path / name
    path.write_text(FILES[name], encoding="utf-8")
    if packed:
        packed_path = tmp_path / f"{name}.gz"
        packed_path.write_bytes(gzip.compress(path.read_bytes()))
        path = packed_path

    expected = roster_size(str(path))

    assert CODE.count_members(str(path)) == expected > 0


@pytest.mark.parametrize("id_type", [kind for kind in ID_TYPES if kind != "id"])
def test_members_are_counted_by_any_id(tmp_path: Path, id_type: str) -> None:
    path = tmp_path / "members.csv"
    path.write_text(f"a,{id_type}\n1,x@example.test\n2,y@example.test\n3,x@example.test \n")
    expected = roster_size(str(path), id_type)

    assert CODE.count_members(str(path), id_type) == expected == 2
    assert CODE.count_members(str(path), "username", "a") == 3


def test_members_of_several_files_are_counted_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1\n2\n")
    (tmp_path / "b.txt").write_text("2\n3\n")

    assert CODE.count_members(str(tmp_path / "*.txt")) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\n", "the roster is empty"),
        ("1\nx@example.test\n", "line 2 is not a numeric CrowdTwist id"),
    ],
)
def test_a_roster_without_members_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "members.txt").write_text(text)

    with pytest.raises(CODE.ShardError, match=words) as caught:
        CODE.count_members(str(tmp_path / "members.txt"))
    assert "x@example" not in str(caught.value)


def test_a_column_has_to_be_named_where_it_is_not_obvious(tmp_path: Path) -> None:
    (tmp_path / "members.csv").write_text("a,b\n1,2\n")

    with pytest.raises(CODE.ShardError, match="user_ids_column"):
        CODE.count_members(str(tmp_path / "members.csv"))


def test_a_roster_that_is_written_replaces_the_old_one_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "members.txt"
    CODE.write_roster(str(path), [3, 1])
    CODE.write_roster(f"file://{path}", ["7"])
    with pytest.raises(CODE.ShardError, match="no row"):
        CODE.write_roster(str(path), [])

    assert path.read_text(encoding="utf-8") == "7\n"
    assert list(tmp_path.iterdir()) == [path]


def outcome(read: Any, path: Path, id_type: str, column: str | None) -> int | None:
    """How many members a reader finds; None where it refuses the file."""
    try:
        return int(read(str(path), id_type, column))
    except (CODE.ShardError, SettingError):
        return None


CELLS = st.sampled_from(
    ["1", "22", " 3 ", "0", "-1", "1.5", "\u0663", str(2**63), "", "a@b.test", "id", "User ID",
     "a b@c", "a@b@c", "<a@b>", "a;b", "a;b;c", "a\tb", "CN=a,O=b", "a|b|c", "\x85", "+49 1",
     "'22", '="22"', "\u200b22\ufeff", "\x1a", "'a"]
)  # fmt: skip
ROWS = st.lists(st.lists(CELLS, min_size=1, max_size=3).map(tuple), max_size=5)
HEADERS = st.sampled_from(
    [(), ("id",), ("n", "CTUserID"), ("Email", "id"), ("id", "user_id"), ("sep=;",)]
)


@settings(max_examples=300)
@given(
    header=HEADERS,
    rows=ROWS,
    delimiter=st.sampled_from(",;\t|"),
    ending=st.sampled_from(["txt", "csv", "tsv", "jsonl", "json", "csv.gz", "txt.xz", "xlsx"]),
    id_type=st.sampled_from(["id", "email", "username", "mobile_phone_number"]),
    column=st.sampled_from([None, None, "id", "USERID"]),
)
def test_a_roster_is_refused_where_the_tap_refuses_it(
    tmp_path_factory: pytest.TempPathFactory,
    header: tuple[str, ...],
    rows: list[tuple[str, ...]],
    delimiter: str,
    ending: str,
    id_type: str,
    column: str | None,
) -> None:
    lines = [delimiter.join(row) for row in ([header] if header else []) + rows]
    if "json" in ending:
        lines = [json.dumps(dict(zip(header, row, strict=False)) or row[0]) for row in rows]
    text = "".join(f"{line}\n" for line in lines).encode()
    packings: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "xz": lzma.compress}
    packed = packings.get(ending.rpartition(".")[2], bytes)(text)
    path = tmp_path_factory.getbasetemp() / f"roster.{ending}"
    path.write_bytes(packed)

    expected = outcome(roster_size, path, id_type, column)

    assert outcome(CODE.count_members, path, id_type, column) == expected


@pytest.mark.parametrize(
    "packed", [b"1\n2\n", gzip.compress(b"1\n" * 99, mtime=0)[:-9]], ids=["plain", "cut"]
)
def test_a_roster_that_cannot_be_unpacked_is_refused(tmp_path: Path, packed: bytes) -> None:
    path = tmp_path / "members.txt.gz"
    path.write_bytes(packed)

    with pytest.raises(CODE.ShardError, match=r"`roster`: cannot read .*members\.txt\.gz"):
        CODE.count_members(str(path))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("{}/gone.txt", "`roster`: there is no file .*/gone.txt"),
        ("{}/*.none", "`roster`: no file matches .*/[*].none"),
        ("{}", "`roster`: cannot read .*: Is a directory"),
        ("{}/latin.txt", "`roster`: .*/latin.txt is not UTF-8 text"),
        ("{}/text/below.txt", "`roster`: "),
        ("nowhere://{}/x", "`roster`: cannot open nowhere:"),
    ],
)
def test_a_roster_that_cannot_be_read_is_told_in_a_sentence(
    tmp_path: Path, path: str, words: str
) -> None:
    (tmp_path / "latin.txt").write_bytes(b"1\n\xe9\n")
    (tmp_path / "text").touch()

    with pytest.raises(CODE.ShardError, match=words) as caught:
        CODE.count_members(path.format(tmp_path))
    assert "\n" not in str(caught.value)


def test_an_error_that_may_pass_is_left_to_a_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(MemoryFileSystem, "_open", refuse)

    with pytest.raises(ConnectionResetError):
        CODE.count_members("memory://members.txt")


@pytest.mark.parametrize(
    ("ids", "id_type", "words"),
    [
        ([], "id", "`roster_sql` returned no rows"),
        ([5, None], "id", "`roster_sql`: row 2 is not a numeric CrowdTwist id, but NULL"),
        (["a@b.test", None], "email", "`roster_sql`: row 2 is not an e-mail address, but NULL"),
        ([5, " "], "username", "`roster_sql`: row 2 is not an id of type username;"),
        (["a\nb"], "username", "`roster_sql`: row 1 is not an id of type username;"),
        ([5, "secret"], "id", "`roster_sql`: row 2 is not a numeric CrowdTwist id;"),
        ([5, 0], "id", "row 2"),
        ([5, 2**63], "id", "row 2"),
        ([5, 1.5], "id", "row 2"),
    ],
)
def test_what_is_no_roster_never_replaces_a_good_one(
    tmp_path: Path, ids: list[Any], id_type: str, words: str
) -> None:
    path = tmp_path / "members.txt"
    path.write_text("7\n")

    with pytest.raises(CODE.ShardError, match=words) as caught:
        CODE.write_roster(str(path), ids, id_type)

    assert str(caught.value).endswith("; the old file is kept")
    assert "secret" not in str(caught.value)
    assert path.read_text(encoding="utf-8") == "7\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_query_that_fails_in_the_middle_keeps_the_old_roster(tmp_path: Path) -> None:
    path = tmp_path / "members.txt"
    path.write_text("7\n")

    def rows() -> Iterator[int]:
        yield 1
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        CODE.write_roster(str(path), rows())

    assert path.read_text(encoding="utf-8") == "7\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", ["txt", "csv", "tsv", "jsonl", "csv.gz", "json.bz2", "data"])
@pytest.mark.parametrize(
    ("id_type", "ids"), [("id", [3, "1"]), ("username", ["Ann, B.", 'C "D"', "005"])]
)
@pytest.mark.parametrize("column", [None, "member key"])
def test_the_tap_reads_every_member_of_a_roster_that_was_written(
    tmp_path: Path, ending: str, id_type: str, ids: list[Any], column: str | None
) -> None:
    """A first line that is taken for a header would lose a member."""
    path = str(tmp_path / f"members.{ending}")

    CODE.write_roster(path, ids, id_type, column)

    kept = int if id_type == "id" else str
    written = [member for _, member in located_in_files(path, id_type, column)]
    assert written == [kept(value) for value in ids]


@pytest.mark.parametrize("name", ["", "*.txt", "none/members.txt", "a.xlsx", "a.csv.zip"])
def test_a_roster_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(CODE.ShardError, match="`roster`"):
        CODE.write_roster(f"{tmp_path}/{name}".rstrip("/"), [1])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["sftp://u:word@h/m.csv", "ssh://h/m", "simplecache::sftp://u@h/m"])
def test_a_roster_on_sftp_is_refused_since_no_host_key_would_be_checked(url: str) -> None:
    for use in (CODE.count_members, lambda path: CODE.write_roster(path, [1])):
        with pytest.raises(CODE.ShardError, match="cannot check the host key") as caught:
            use(url)
        assert "word" not in str(caught.value)


def test_a_place_is_named_without_its_secrets() -> None:
    assert CODE.redact_url("/data/members.csv") == "/data/members.csv"
    assert CODE.redact_url("s3://bucket/members.csv") == "s3://bucket/members.csv"
    assert CODE.redact_url("https://u:p@host/m.csv?signature=s") == "https://host/m.csv"


# The settings


def test_what_the_variable_leaves_out_has_a_default() -> None:
    merged = CODE.read_settings('{"shards": 2, "roster": "a"}', {"shards": 8, "streams": None})

    assert merged == CODE.DEFAULTS | {"shards": 8, "roster": "a"}
    assert CODE.read_settings(None, {}) == CODE.DEFAULTS
    assert CODE.read_settings('{"streams": ["users"], "roster": null}', {})["roster"] is None


@pytest.mark.parametrize("text", ["", "x", "{", "[]", "4", "null", '"a"', "true", "[" * 100_000])
def test_a_variable_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(CODE.ShardError, match="it has to be a JSON object"):
        CODE.read_settings(text, {})


OTHERS: dict[str, list[Any]] = {
    "shards": ["4", True, None, 0, -1, 1.5, [4], {}],
    "requests_per_minute": ["5000", False, None, 0, 1e3],
    "streams": ["users", [], [1], [""], {"users": 1}, True],
    "project": [None, 1, "", " ", ["/opt"]],
    "meltano": [None],
    "environment": [None, True],
    "target": [None, ["target-postgres"]],
    "target_conn_id": [1, ""],
    "roster": [["a.csv", "b.csv"], True, 7, ""],
    "roster_sql": [1, ["SELECT 1"]],
    "roster_conn_id": [1],
    "members_sql": [True],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in OTHERS.items() for value in values]
)
def test_a_setting_of_another_kind_is_named(name: str, value: Any) -> None:
    assert OTHERS.keys() == CODE.DEFAULTS.keys()

    with pytest.raises(CODE.ShardError, match=f"^`{name}` has to be ") as caught:
        CODE.read_settings(json.dumps({name: value}), {})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("query", "connection"),
    [("roster_sql", "roster_conn_id"), ("members_sql", "target_conn_id")],
)
def test_a_query_needs_its_connection(query: str, connection: str) -> None:
    with pytest.raises(CODE.ShardError, match=f"`{query}` needs `{connection}`"):
        CODE.read_settings(json.dumps({query: "SELECT 1"}), {})


def test_a_setting_that_there_is_not_is_named() -> None:
    with pytest.raises(CODE.ShardError, match="unknown setting: shard; the settings are project, "):
        CODE.read_settings('{"shard": 4}', {})


# The division


@pytest.mark.parametrize(("count", "rate"), [(1, 5000), (3, 5000), (4, 4), (7, 10_000)])
def test_parts_never_exceed_the_rate_together(count: int, rate: int) -> None:
    parts = CODE.split(count, rate)

    assert [part.shard for part in parts] == [f"{n + 1}/{count}" for n in range(count)]
    assert rate - count < sum(part.requests_per_minute for part in parts) <= rate
    assert parts[0].suffix == f"1-of-{count}"


@pytest.mark.parametrize(("count", "rate"), [(0, 100), (5, 4)])
def test_more_shards_than_requests_are_refused(count: int, rate: int) -> None:
    with pytest.raises(CODE.ShardError, match="shards"):
        CODE.split(count, rate)


def test_settings_are_spelled_as_meltano_reads_them() -> None:
    settings = {"client_id": "512", "lookback_days": 3, "flattening_enabled": True, "x": None}

    assert CODE.variables("TAP_", settings | {"_select": ["users.*"]}) == {
        "TAP_CLIENT_ID": "512",
        "TAP_LOOKBACK_DAYS": "3",
        "TAP_FLATTENING_ENABLED": "true",
        "TAP__SELECT": '["users.*"]',
    }


# Runs


def entry(event: str, level: str = "info", **more: Any) -> str:
    return json.dumps({"event": event, "level": level, **more})


def summary(**streams: StreamStats) -> str:
    rows = {stream: {**vars(stats), "requests": stats.asked} for stream, stats in streams.items()}
    return f"Summary: {json.dumps({'requests': 1, 'streams': rows})}"


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


def test_the_tap_says_what_a_run_listens_for(world: Sandbox) -> None:
    members = [*world.roster()[:5], "999"]
    settings = {
        "api_key": world.api_key,
        "api_url": world.api_url,
        "pos_url": world.pos_url,
        "user_ids": members,
        "requests_per_minute": 100_000,
        "max_retries": 0,
    }
    world.set_faults("access_denied=0.5")
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
        for words in ("The roster has ", "Summary: ", "Incomplete: "):
            if words in line:
                level = "critical" if words.startswith("Incomplete") else "info"
                text = words + line.partition(words)[2]
                run.read_line(entry(text, level, name="tap-crowdtwist"), lambda *_: None)
    run.read_line(entry("Extractor failed", "error"), lambda *_: None)

    assert run.members == 6, ended.stderr
    assert set(run.summary["users"]) >= {*CODE.completeness.COUNTS, "asked", "skip_reason"}
    assert run.code == 1
    assert run.is_over, ended.stderr


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
import crowdtwist_shards.runs as runs
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


def test_a_thread_can_follow_a_run_too(tmp_path: Path) -> None:
    ended: list[Any] = []
    command = [sys.executable, "-c", "print('hello')"]
    thread = threading.Thread(
        target=lambda: ended.append(
            CODE.runs.follow(command, tmp_path, dict(os.environ), lambda *w: ended.append(w))
        )
    )
    thread.start()
    thread.join(20)

    assert ended[0] == (logging.INFO, "hello")
    assert (ended[1].code, ended[1].stopped) == (0, False)


MELTANO = f"""#!{sys.executable}
import json, os, pathlib, sys
own = pathlib.Path(os.environ["MELTANO_SYS_DIR_ROOT"])
(own / "run" / "tap-crowdtwist").mkdir(parents=True)
seen = {{"arguments": sys.argv[1:], "own": str(own), "database": os.environ["MELTANO_DATABASE_URI"],
        "linked": sorted(path.name for path in own.iterdir())}}
if "state" in sys.argv:
    print(json.dumps({{"singer_state": {{"bookmarks": {{"seen": seen}}}}}}))
else:
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
    meltano = CODE.Meltano(tmp_path, "prod", "target-postgres", str(executable), {})
    said: list[str] = []

    state = meltano.state("1-of-2")["seen"]
    meltano.run("1-of-2", lambda _, text: said.append(text), force=True)
    run = json.loads(said[0].removeprefix("meltano: "))

    assert state["arguments"][-3:] == [
        "state",
        "get",
        "prod:tap-crowdtwist-to-target-postgres:1-of-2",
    ]
    assert run["arguments"][-6:] == [
        "run", "--state-id-suffix", "1-of-2", "--force", "tap-crowdtwist", "target-postgres",
    ]  # fmt: skip
    assert run["own"] != state["own"]
    for seen in (state, run):
        assert seen["linked"] == ["extractors", "loaders", "run"]
        assert seen["database"] == f"sqlite:///{system / 'meltano.db'}"
        assert not Path(seen["own"]).exists()
    assert list((system / "run").iterdir()) == []


def test_a_state_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    meltano = CODE.Meltano(tmp_path, "prod", "target-postgres", "false", dict(os.environ))

    with pytest.raises(CODE.ShardError, match=r"meltano state get prod:.*:1-of-2` failed"):
        meltano.state("1-of-2")


# Completeness

PARTS = CODE.split(2, 100)


def done(
    part: Any, members: int, bookmarks: dict[str, Any] | None = None, **streams: StreamStats
) -> Any:
    run = heard(entry(summary(**streams), name="tap-crowdtwist"))
    run.members = members
    return CODE.shard_result(part, run, CODE.asked_before(bookmarks or {}))


def test_catalogs_are_those_of_the_tap() -> None:
    assert set(PROGRAM_STREAMS) == CODE.completeness.PROGRAM_STREAMS


def test_everything_is_there_when_all_members_were_asked() -> None:
    accounts = [
        done(PARTS[0], 3, users=StreamStats(asked=3, records=3), rewards=StreamStats(records=9)),
        done(
            PARTS[1],
            2,
            users=StreamStats(asked=2, missing=1, records=1),
            rewards=StreamStats(records=9),
        ),
    ]

    assert CODE.find_problems(5, PARTS, accounts) == []
    head, line = CODE.table(5, accounts)
    assert head.split() == ["stream", "members", "asked", *CODE.completeness.COUNTS]
    assert line.split() == ["users", "5", "5", "1", "0", "0", "0", "4"]


def test_members_asked_by_earlier_attempts_count() -> None:
    bookmarks = {
        "users": {"completed_at": "2026-11-20T02:00:00Z"},
        "purchases": {
            "sweep": {"started_at": "2026-11-20T02:00:00Z", "asked": 4, "failed": {"count": 1}}
        },
        "redemptions": {"replication_key_value": "2026-11-19T02:00:00Z"},
    }
    account = done(
        PARTS[0],
        6,
        bookmarks,
        users=StreamStats(skip_reason="complete since the interrupted run"),
        purchases=StreamStats(asked=3),
        redemptions=StreamStats(asked=6),
    )

    assert {name: row["asked"] for name, row in account["streams"].items()} == {
        "users": 6,
        "purchases": 6,
        "redemptions": 6,
    }
    assert CODE.find_problems(6, PARTS[:1], [account]) == []


def test_a_sweep_that_began_anew_does_not_count_twice() -> None:
    bookmarks = {"users": {"sweep": {"started_at": "2026-11-20T02:00:00Z", "asked": 4}}}

    assert (
        done(PARTS[0], 6, bookmarks, users=StreamStats(asked=6))["streams"]["users"]["asked"] == 6
    )


def test_whatever_is_incomplete_is_told_with_numbers() -> None:
    whole = done(
        PARTS[0],
        3,
        users=StreamStats(asked=3, failed=2, rejected_rows=1),
        coupons=StreamStats(asked=3),
    )
    part = done(PARTS[1], 2, users=StreamStats(asked=1))

    assert CODE.find_problems(5, PARTS, [whole]) == [
        "1 of 2 shards did not finish: 2/2",
        "users: 2 members kept failing; the next run asks them again",
        "users: 1 rows without a key were left out",
    ]
    (changed, *others) = CODE.find_problems(6, PARTS, [whole, part])
    assert changed.startswith("the shards have 5 members in all, but the roster had 6")
    assert others == [
        "users: shard 2/2 asked 1 of 2 members",
        "users: 2 members kept failing; the next run asks them again",
        "users: 1 rows without a key were left out",
        "coupons: shard 2/2 asked 0 of 2 members",
    ]
    assert CODE.find_problems(5, PARTS, [])[0] == "2 of 2 shards did not finish: 1/2, 2/2"


def test_a_resource_that_the_program_lacks_is_not_incomplete() -> None:
    account = done(PARTS[0], 30, receipts=StreamStats(asked=25, skip_reason="not configured"))

    assert CODE.find_problems(30, PARTS[:1], [account]) == []
    assert CODE.table(30, [account])[1].endswith("not configured")


def test_catalogs_alone_need_no_member() -> None:
    accounts = [done(part, 0, rewards=StreamStats(records=9)) for part in PARTS]

    assert CODE.find_problems(5, PARTS, accounts) == []


def test_accounts_are_plain_json() -> None:
    account = done(PARTS[0], 3, users=StreamStats(asked=3, last_error="a member's id, perhaps"))

    assert json.loads(json.dumps(account)) == account
    assert "perhaps" not in json.dumps(account)
