"""Batch Activity Credit: what the brand sent, most of which the history shows as credited."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from support.sandbox_client import sandbox
from support.sandbox_feeds import of_day

if TYPE_CHECKING:
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

    People = dict[tuple[int, str | None], int]

DAY = 2
WIDTH = 7


@pytest.fixture(scope="module")
def running() -> Sandbox:
    return sandbox(members=400, drift=False)


@pytest.fixture(scope="module")
def lines(running: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    path = running.write_batch_activity(tmp_path_factory.mktemp("batch"), DAY)
    return [line.split("|") for line in path.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def people(running: Sandbox) -> People:
    """Members by each kind of identity."""
    return {
        (kind, own): row["id"]
        for row in running.expected_rows("users", DAY)
        for kind, own in enumerate(
            (row["email_address"], str(row["id"]), row["third_party_id"], row["username"])
        )
    }


def member_of(people: People, fields: list[str]) -> int:
    """Whom the line's identities name, all of them the same."""
    (member,) = {people[kind, own] for kind, own in enumerate(fields[:4]) if own}
    return member


def moment(text: str) -> str:
    return datetime.fromtimestamp(int(text), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def sound(line: list[str]) -> bool:
    """Whether CrowdTwist would take the line."""
    if len(line) < 5 or not any(line[:4]) or not line[4]:
        return False
    fields = line + [""] * (WIDTH - len(line))
    try:
        int(fields[5] or 0)
        moment(fields[6] or "0")
    except ValueError:
        return False
    return True


def test_the_name_tells_the_client_and_the_first_second_of_the_day(
    running: Sandbox, tmp_path: Path
) -> None:
    names = [
        running.write_batch_activity(tmp_path, DAY, client="77").name,
        running.write_batch_activity(tmp_path).name,
    ]
    assert names == ["activities_77_20260312000000.txt", "activities_512_20260310000000.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_the_same_options_give_the_same_bytes(tmp_path: Path) -> None:
    one, two = (
        sandbox(members=90).write_batch_activity(tmp_path / name, 1).read_bytes() for name in "ab"
    )
    assert one == two
    assert one.endswith(b"\n")
    assert b'"' not in one


def test_all_but_one_of_the_sound_lines_were_credited(
    running: Sandbox, people: People, lines: list[list[str]]
) -> None:
    credited: dict[tuple[int, str], list[dict[str, object]]] = {}
    for row in of_day(running, "user_activity_history", DAY, "date_created"):
        credited.setdefault((row["user_id"], str(row["activity_id"])), []).append(row)
    never = 0
    for line in filter(sound, lines):
        matches = credited.get((member_of(people, line), line[4]), [])
        if not matches:
            never += 1
            continue
        if len(line) > 5 and line[5]:
            assert int(line[5]) in {row["num_points"] for row in matches}
        if len(line) == WIDTH:
            assert moment(line[6]) in {row["date_awarded"] for row in matches}
        else:
            assert any(row["date_awarded"] == row["date_created"] for row in matches)
    assert never == 1
    assert sum(map(sound, lines)) > 30


def test_the_line_without_credit_names_a_member_and_an_activity_that_exist(
    running: Sandbox, people: People, lines: list[list[str]]
) -> None:
    done = {
        (row["user_id"], str(row["activity_id"]))
        for row in running.expected_rows("user_activity_history", DAY)
    }
    (line,) = (
        line for line in lines if sound(line) and (member_of(people, line), line[4]) not in done
    )
    assert line[4] in {str(row["id"]) for row in running.expected_rows("activities", DAY)}
    assert line[5:] == ["25", "1773230400"]


def test_every_back_dated_completion_is_among_them(
    running: Sandbox, lines: list[list[str]]
) -> None:
    dated = {(line[4], moment(line[6])) for line in lines if sound(line) and len(line) == WIDTH}
    back_dated = [
        row
        for row in of_day(running, "user_activity_history", DAY, "date_created")
        if row["date_awarded"] != row["date_created"]
    ]
    assert len(back_dated) > 5
    for row in back_dated:
        assert (str(row["activity_id"]), row["date_awarded"]) in dated
    before = datetime(2026, 3, 12, tzinfo=timezone.utc) - timedelta(seconds=1)
    assert all(at <= before.strftime("%Y-%m-%dT%H:%M:%SZ") for _, at in dated)


def test_members_are_named_in_every_way(lines: list[list[str]]) -> None:
    kinds = {tuple(bool(each) for each in line[:4]) for line in lines if sound(line)}
    single = {tuple(number == kind for number in range(4)) for kind in range(4)}
    assert kinds >= single | {(True, True, True, True)}


def test_optional_fields_are_left_out_or_empty(lines: list[list[str]]) -> None:
    sounds = [line for line in lines if sound(line)]
    assert {len(line) for line in sounds} == {5, 6, WIDTH}
    assert any(len(line) == WIDTH and not line[5] for line in sounds)


def test_each_fault_has_a_line(lines: list[list[str]]) -> None:
    faulty = [line for line in lines if not sound(line)]
    assert len(faulty) == 5
    assert sum(len(line) < 5 for line in faulty) == 1
    full = [line for line in faulty if len(line) == WIDTH]
    assert sum(not any(line[:4]) for line in full) == 1
    assert sum(not line[4] for line in full) == 1
    assert sum(not line[5].isdigit() for line in full) == 1
    dates = [line[6] for line in full]
    assert dates.count("2026-03-11T12:00:00") == 1
    assert dates.count("1773230400") == 3


def test_where_nobody_is_left_nothing_is_sent(tmp_path: Path) -> None:
    alone = next(
        each
        for each in (sandbox(members=1, seed=seed) for seed in range(1000))
        if not list(each.expected_rows("users", 99))
    )
    assert alone.write_batch_activity(tmp_path, 99).read_bytes() == b""


def test_lines_that_bring_nothing_stand_between_the_others(lines: list[list[str]]) -> None:
    places = [number for number, line in enumerate(lines) if not sound(line)]
    assert places[0] > 0
    assert places[-1] < len(lines) - 1
    assert places[-1] - places[0] > len(places) - 1
