"""Members whom CrowdTwist does not know are named: some by lines of the roster, all in a file."""

from __future__ import annotations

import signal
import stat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.crashes import run_and_kill
from support.harness import config_of, run_tap, sandbox, select
from support.persons import NAMES, Program, day
from support.scripted_host import DAY, NOW, Host, Outcome, purchases, run
from typing_extensions import override

from tap_crowdtwist.errors import IncompleteError
from tap_crowdtwist.members.missing_members import MissingMembers
from tap_crowdtwist.members.roster import Roster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from requests.auth import AuthBase

    from crowdtwist_sandbox import Sandbox
    from tap_crowdtwist.api.transport import Response

UNKNOWN_MEMBERS = [9_000_000 + number for number in range(12)]


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    with sandbox(members=20) as running:
        yield running


def listed(path: Path) -> list[str]:
    header, *names = path.read_text(encoding="utf-8").splitlines()
    assert header in {"id", "email", "email_hashed"}
    return names


def told(text: str) -> str:
    (line,) = [line for line in text.splitlines() if "not known to CrowdTwist" in line]
    return line.rpartition(" | ")[2]


def swept(
    known: set[int], roster: set[int], path: Path, state: Any = None, **more: Any
) -> tuple[Outcome, Any]:
    """Run, and return what came of it with the state for the next run."""
    outcome = run(
        Host(purchases(*known), set()),
        sorted(roster),
        state,
        missing_members_path=str(path),
        max_missing_ratio=1,
        **more,
    )
    states = [message for message in outcome.messages if message["type"] == "STATE"]
    return outcome, outcome.state if states else state


# The summary


def test_the_first_ten_are_named_by_their_lines_and_nobody_by_an_id(
    world: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "members.txt"
    path.write_text("\n".join(map(str, [*world.roster()[:15], *UNKNOWN_MEMBERS])), encoding="utf-8")
    result = run_tap(world, "users", user_ids=None, user_ids_path=str(path))
    said = told(result.stderr)
    assert said.startswith("12 members are not known to CrowdTwist, among them line 16 of ")
    assert said.count("line ") == 10
    assert said.endswith("; `missing_members_path` can name a file for all of them")
    assert "90000" not in result.stderr


def test_few_are_all_named_by_their_lines(world: Sandbox) -> None:
    result = run_tap(world, "users", user_ids=[*world.roster()[:5], *UNKNOWN_MEMBERS[:2]])
    assert told(result.stderr) == (
        "2 members are not known to CrowdTwist: entry 6 of `user_ids`, entry 7 of `user_ids`"
    )


def test_nothing_is_said_where_nobody_is_missing(world: Sandbox) -> None:
    assert "not known to" not in run_tap(world, "users", user_ids=world.roster()[:5]).stderr


# The file


def test_the_file_names_all_and_only_its_owner_can_read_it(world: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "missing.csv"
    path.write_text("id\n1\n", encoding="utf-8")
    path.chmod(0o644)
    settings: dict[str, Any] = {"missing_members_path": str(path), "id_type": "id"}
    result = run_tap(world, "users", user_ids=[*world.roster()[:13], *UNKNOWN_MEMBERS], **settings)
    assert listed(path) == [str(member) for member in UNKNOWN_MEMBERS]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert told(result.stderr).endswith("; 'missing.csv' names them all")
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_without_missing_members_leaves_a_file_that_names_nobody(
    world: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "missing.csv"
    path.write_text(f"id\n{UNKNOWN_MEMBERS[0]}\n", encoding="utf-8")
    run_tap(world, "users", user_ids=world.roster()[:5], missing_members_path=str(path))
    assert listed(path) == []


def test_the_file_is_itself_a_roster(world: Sandbox, tmp_path: Path) -> None:
    path, other = tmp_path / "missing.csv", tmp_path / "other.csv"
    run_tap(
        world, "users", user_ids=[*world.roster(), *UNKNOWN_MEMBERS], missing_members_path=str(path)
    )
    run_tap(
        world,
        "users",
        user_ids=None,
        user_ids_path=str(path),
        missing_members_path=str(other),
        max_missing_ratio=1,
    )
    assert listed(other) == listed(path)


def test_a_run_that_finds_too_many_missing_writes_the_file_too(
    world: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "missing.csv"
    run_tap(world, "users", user_ids=UNKNOWN_MEMBERS, missing_members_path=str(path), code=1)
    assert len(listed(path)) == len(UNKNOWN_MEMBERS)


@pytest.mark.parametrize("mode", ["hash", "drop"])
def test_what_is_withheld_is_hashed_in_the_file(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "missing.csv"
    key = {"hash_key": "a long enough hash key", "sensitive_data": mode}
    for _ in range(2):  # the second run reads the file of the first
        day(Program(), None, 0, missing_members_path=str(path), **key)
        names = listed(path)
        assert len(set(names)) == len(names) == len(NAMES)
        assert not any("@" in name for name in names)
        assert path.read_text(encoding="utf-8").startswith("email_hashed\n")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_file_names_everybody_however_often_the_sweep_was_cut_short(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("missing") / "missing.csv"
    members = st.sets(st.integers(1, 25), min_size=1)
    state: Any = None
    for number in range(data.draw(st.integers(1, 3))):
        roster, known = data.draw(members), data.draw(members)
        for life in [*data.draw(st.lists(st.integers(1, 30), max_size=4)), None]:
            outcome, state = swept(known, roster, path, state, life=life, now=NOW + number * DAY)
            if outcome.error is None:
                break
        assert outcome.error is None
        assert listed(path) == [str(member) for member in sorted(roster - known)]


def test_a_run_of_those_who_changed_keeps_who_was_not_asked(tmp_path: Path) -> None:
    path = tmp_path / "missing.csv"
    path.write_text("id\n1\n5\n7\n", encoding="utf-8")
    missing = MissingMembers()
    for position, unknown in enumerate([True, False]):
        missing.record(position, missing=unknown)
    assert missing.write(path, Roster([3, 5]), is_part=True) == 3
    assert sorted(listed(path)) == ["1", "3", "7"]


def test_a_killed_run_leaves_no_gap_that_is_not_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "missing.csv"
    known, roster = {1, 5}, {1, 2, 3, 4, 5, 6}
    cut, state = swept(known, roster, path, life=4)
    assert cut.error is not None
    path.unlink()  # as if the process had been killed
    swept(known, roster, path, state)
    assert listed(path) == ["3", "4", "6"]
    assert "which was killed, found at least 1 more; the next" in capsys.readouterr().err


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_stopped_writes_the_file(tmp_path: Path, sig: signal.Signals) -> None:
    path = tmp_path / "missing.csv"
    with sandbox(members=400, latency_ms=20) as slow:
        config = config_of(slow, requests_per_minute=10**6, missing_members_path=str(path))
        config["user_ids"] = [*range(1, 21), *config["user_ids"]]
        attempt = run_and_kill(
            tmp_path, config, None, kill_after=60_000, sig=sig, catalog=select("users")
        )
    assert attempt.exit_code == 128 + sig
    assert listed(path) == [str(number) for number in range(1, 21)]


def test_shards_have_a_file_each(world: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "missing.csv"
    everybody = [*world.roster(), *UNKNOWN_MEMBERS]
    for number in (1, 2):
        run_tap(
            world,
            "users",
            user_ids=everybody,
            shard=f"{number}/2",
            missing_members_path=str(path),
            max_missing_ratio=1,
        )
    parts = [tmp_path / f"missing-{number}-of-2.csv" for number in (1, 2)]
    assert sorted(name for part in parts for name in listed(part)) == sorted(
        map(str, UNKNOWN_MEMBERS)
    )
    assert not path.exists()


# What it must not replace


@pytest.mark.parametrize("content", ["1000003\n", "name,id\nx,1\n", "", "{}", "id\n\0\udcff"])
def test_no_other_file_is_replaced(world: Sandbox, tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes.csv"
    path.write_text(content, encoding="utf-8", errors="surrogateescape")
    before = path.read_bytes()
    world.reset()
    result = run_tap(world, "users", missing_members_path=str(path), code=1)
    assert "is not a file of missing members; set another path" in result.last_line
    assert path.read_bytes() == before
    assert world.requests() == []


@pytest.mark.parametrize(
    "roster",
    [
        "members.csv",
        "*.csv",
        "**/*.csv",
        "file://{}/members.csv",
        "file://{}/**",
        "local://{}/members.csv",
        "link.csv",
    ],
)
def test_the_roster_is_not_replaced(world: Sandbox, tmp_path: Path, roster: str) -> None:
    path = tmp_path / "members.csv"
    path.write_text("id\n1000003\n", encoding="utf-8")
    (tmp_path / "link.csv").symlink_to(path)
    given = roster.format(tmp_path) if ":" in roster else str(tmp_path / roster)
    result = run_tap(
        world, "users", user_ids=None, user_ids_path=given, missing_members_path=str(path), code=1
    )
    assert "must not be one of the files of `user_ids_path`" in result.last_line
    assert path.read_text(encoding="utf-8") == "id\n1000003\n"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("s3://bucket/missing.csv", "must be a file on this machine"),
        ("{}/none/missing.csv", "is in a folder that does not exist"),
        ("{}", "is not a file of missing members"),
    ],
)
def test_a_place_that_will_not_do_is_told_before_anything_is_asked(
    world: Sandbox, tmp_path: Path, path: str, words: str
) -> None:
    world.reset()
    result = run_tap(world, "users", missing_members_path=path.format(tmp_path), code=1)
    assert "Setting `missing_members_path`: " in result.last_line
    assert words in result.last_line
    assert world.requests() == []


def test_a_file_that_can_no_longer_be_written_fails_the_run_after_it_was_read(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()

    class Vanishing(Host):
        @override
        def get(self, url: str, auth: AuthBase) -> Response:
            if folder.exists():
                folder.rmdir()
            return super().get(url, auth)

    outcome = run(
        Vanishing(purchases(1), set()), [1, 2], missing_members_path=str(folder / "missing.csv")
    )
    assert isinstance(outcome.error, IncompleteError)
    assert "cannot write 'missing.csv': No such file or directory" in str(outcome.error)
    assert outcome.bought == ["p1"]
