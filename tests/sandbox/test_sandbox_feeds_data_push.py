"""Data Push files: names, form, and rows that say what the API says."""

from __future__ import annotations

import zipfile
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from support.sandbox_client import FIRST_ID, instant, sandbox
from support.sandbox_feeds import COUNTRIES, FEEDS, of_day, pushed, rows_of, text

from crowdtwist_sandbox.feeds.files import atomic_file
from crowdtwist_sandbox.world.words import FIRST_NAMES

if TYPE_CHECKING:
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

DAY = 3
DATES = ("date_of_birth", "date_last_login", "date_last_updated")
FLAGS = ("email_is_verified", "receive_email_updates")
INACTIVITY = ["inactivity_last_qualified_date", "inactivity_exp_date", "inactivity_points_exp"]
MONTHS = ("pre1", "cur", "1", "2", "3", "4", "5")
OF_A_MONTH = ("expiration_date", "points_expired", "points_expiring", "points_redeemed")
PERIODS = [f"redperiod_{name}_{month}" for month in MONTHS for name in OF_A_MONTH]


@pytest.fixture(scope="module")
def running() -> Sandbox:
    return sandbox(members=300, drift=False)


@pytest.fixture(scope="module")
def rows(running: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, str]]]:
    return pushed(running, tmp_path_factory.mktemp("push"), DAY)


def test_four_zips_hold_a_csv_each(running: Sandbox, tmp_path: Path) -> None:
    paths = running.write_data_push(tmp_path / "new" / "folder", DAY, client="77")
    assert [path.name for path in paths] == [f"2_77_{feed}_20260314.zip" for feed in FEEDS]
    inside = []
    for path in paths:
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)  # no clock in the bytes
            inside += archive.namelist()
    assert inside == [
        "2_77_USER_PROFILE_20260314.csv",
        "2_77_USER_ACTIVITY_20260314.csv",
        "2_77_USER_REDEMPTION_20260314.csv",
        "2_77_POINTS_EXPIRATION_20260314.csv",
    ]
    assert sorted(path.name for path in paths[0].parent.iterdir()) == sorted(
        path.name for path in paths
    )


def test_bare_files_are_what_the_zips_hold(running: Sandbox, tmp_path: Path) -> None:
    zips = running.write_data_push(tmp_path, DAY)
    for path, bare in zip(zips, running.write_data_push(tmp_path, DAY, bare=True), strict=True):
        with zipfile.ZipFile(path) as archive:
            assert archive.namelist() == [bare.name]
            assert archive.read(bare.name) == bare.read_bytes()


def test_without_a_day_it_is_todays(tmp_path: Path) -> None:
    moved_on = sandbox(members=20)
    moved_on.advance(2)
    assert moved_on.write_data_push(tmp_path)[0].name == "2_512_PROFILE_20260313.zip"


@pytest.mark.parametrize("bare", [False, True])
def test_the_same_options_give_the_same_bytes(tmp_path: Path, *, bare: bool) -> None:
    first, second = (
        [
            path.read_bytes()
            for path in sandbox(members=90).write_data_push(tmp_path / name, 1, bare=bare)
        ]
        for name in ("one", "two")
    )
    assert first == second
    other = sandbox(members=90, seed=4).write_data_push(tmp_path / "three", 1, bare=bare)
    assert [path.read_bytes() for path in other] != first


def test_files_are_plain_utf8_csv_with_awkward_values_in_quotes(
    running: Sandbox, tmp_path: Path
) -> None:
    path = running.write_data_push(tmp_path, DAY, bare=True)[0]
    content = path.read_bytes().decode()
    assert content.startswith("id,first_name,middle_name,last_name,date_of_birth,email_address,")
    assert content.endswith("\n")
    assert "\r" not in content
    assert '"Sudeste\nGrande São Paulo"' in content
    assert '"Auvergne-Rhône-Alpes, ""AuRA"""' in content


def test_a_day_without_anything_has_files_with_a_header_alone(tmp_path: Path) -> None:
    quiet = sandbox(members=1, expiration_rule=False, daily_changes=0.0001)
    paths = quiet.write_data_push(tmp_path, 5, bare=True)
    assert [len(path.read_bytes().splitlines()) for path in paths] == [1, 1, 1, 1]


def test_profiles_are_those_of_the_api(running: Sandbox, rows: list[list[dict[str, str]]]) -> None:
    true = {row["id"]: row for row in running.expected_rows("users", DAY)}
    same = set(rows[0][0]) & set(next(iter(true.values())))
    same -= {*DATES, *FLAGS, "password"}
    assert len(same) == 15
    for row in rows[0]:
        profile = true[int(row["id"])]
        assert {name: row[name] for name in same} == {name: text(profile[name]) for name in same}
        assert {name: row[name] for name in FLAGS} == {
            name: str(int(profile[name])) for name in FLAGS
        }
        assert row["mobile_number"] == text(profile["mobile_phone_number"])
        assert row["fan_rank"] == text(profile["rank"])
        assert row["receive_sms_messages"] in {"0", "1"}
        assert row["mobile_number"] or not row["date_mobile_verified"]
        assert (row["password"], row["hashAlgorithmID"], row["Salt"]) == ("", "", "")
        assert row["country_code"] == COUNTRIES[profile["country"]]
        assert instant(row["date_last_updated"]) == profile["date_last_updated"]
        login = row["date_last_login"]
        assert (instant(login) if login else None) == profile["date_last_login"]
        born = row["date_of_birth"]
        assert (instant(born)[:10] if born else None) == profile["date_of_birth"]
    assert {row["first_name"] for row in rows[0]} == set(FIRST_NAMES)


def test_some_profiles_come_again_unchanged(rows: list[list[dict[str, str]]]) -> None:
    different = {tuple(row.items()) for row in rows[0]}
    assert len(different) == len({row["id"] for row in rows[0]})
    assert 0 < len(rows[0]) - len(different) < len(rows[0]) / 8
    again = [later["id"] == row["id"] for row, later in pairwise(rows[0])]
    assert again.count(True) < len(rows[0]) - len(different)  # others come in between


def test_profiles_come_in_order_of_the_last_change(tmp_path: Path) -> None:
    running = sandbox(members=300, receipt_scanning=False)
    seen: set[str] = set()
    dates = []
    for row in pushed(running, tmp_path, DAY)[0]:
        if row["id"] not in seen:
            dates.append(int(row["date_last_updated"]))
        seen.add(row["id"])
    assert len(dates) > 40
    assert dates == sorted(dates)


def test_activities_are_the_lines_of_the_history_of_that_day(
    running: Sandbox, rows: list[list[dict[str, str]]]
) -> None:
    people = {row["id"]: row for row in running.expected_rows("users", DAY)}
    true = []
    for row in of_day(running, "user_activity_history", DAY, "date_created"):
        person = people[row["user_id"]]
        true.append(
            {
                "id": str(row["user_id"]),
                "activity_id": str(row["activity_id"]),
                "user_activity_id": row["id"],
                "activity_name": row["name"],
                "num_points": str(row["num_points"]),
                "notes": text(row["notes"]),
                "third_party_id": text(person["third_party_id"]),
                "email_address": person["email_address"],
                "mobile_phone_number": text(person["mobile_phone_number"]),
                "date_created": row["date_created"],
            }
        )
    read = [row | {"date_created": instant(row["date_created"])} for row in rows[1]]
    dates = [row["date_created"] for row in read]
    assert dates == sorted(dates)
    assert sorted(read, key=lambda row: row["user_activity_id"]) == sorted(
        true, key=lambda row: row["user_activity_id"]
    )
    assert list(read[0]) == list(true[0])
    assert any(int(row["num_points"]) < 0 for row in read)


def test_an_id_that_the_api_leaves_out_is_in_the_file(tmp_path: Path) -> None:
    drifting = sandbox(members=300)
    without = [
        row["user_id"]
        for row in of_day(drifting, "user_activity_history", DAY, "date_created")
        if row["user_activity_id"] is None
    ]
    rows = pushed(drifting, tmp_path, DAY)[1]
    assert set(map(str, without)) < {row["id"] for row in rows}
    assert all(row["user_activity_id"] for row in rows)


def test_redemptions_are_those_of_that_day(
    running: Sandbox, rows: list[list[dict[str, str]]]
) -> None:
    people = {row["id"]: row for row in running.expected_rows("users", DAY)}
    true = {}
    for row in of_day(running, "redemptions", DAY, "order_date"):
        person = people[row["user_id"]]
        names = ("first_name", "last_name", "email_address", "username", "third_party_id")
        told = {**row, "reward_title": row["title"], **{name: person[name] for name in names}}
        true[row["id"]] = {name: text(told[name]) for name in rows[2][0]}
    read = [row | {"order_date": instant(row["order_date"])} for row in rows[2]]
    assert {row["order_id"]: row for row in read} == true
    assert len(read) == len(true) > 0
    assert [row["order_date"] for row in read] == sorted(row["order_date"] for row in read)
    assert "CODE-" not in str(read)


def test_a_points_expiration_message_says_what_the_api_does(tmp_path: Path) -> None:
    running = sandbox(members=1500)
    true = {
        row["user_id"]: row
        for row in running.expected_rows("points_expiration", 1)
        if row["rule_type"] == "inactivity"
    }
    profiles, _, _, rows = pushed(running, tmp_path, 1)
    rows = [row for row in rows if row["message_date"]]
    assert 5 < len(rows) < 45
    for row in rows:
        entry = true[int(row["user_id"])]
        assert instant(row["inactivity_last_qualified_date"]) == entry["last_qualified_date"]
        assert instant(row["inactivity_exp_date"]) == entry["expiration_date"]
        assert int(row["inactivity_points_exp"]) == entry["points_expiring"]
        assert instant(row["message_date"])[:10] == "2026-03-11"
        index = (int(row["user_id"]) - FIRST_ID) // 7
        assert row["email_address"] == f"ada.sample+{index}@example.test"
    dates = [int(row["message_date"]) for row in rows]
    assert dates == sorted(dates)
    assert not {row["user_id"] for row in rows} & {row["id"] for row in profiles}


def test_the_last_months_of_a_member_are_those_of_the_api(tmp_path: Path) -> None:
    running = sandbox(members=1500, drift=False)
    rows = [row for row in pushed(running, tmp_path, 1)[3] if not row["message_date"]]
    assert len({row["user_id"] for row in rows}) < len(rows), "some stand there more than once"
    assert len({tuple(row.values()) for row in rows}) > len({row["user_id"] for row in rows})
    true: dict[str, list[Any]] = {}
    for entry in running.expected_rows("points_expiration", 1):
        if entry["rule_type"] == "redemption_period":
            true.setdefault(str(entry["user_id"]), []).append(entry)
    for row in {row["user_id"]: row for row in rows}.values():
        for month, entry in zip(MONTHS, true[row["user_id"]][2:], strict=False):
            points = {name: row[f"redperiod_{name}_{month}"] or "0" for name in OF_A_MONTH[1:]}
            assert points == {name: str(entry[name]) for name in points}
            ends = row[f"redperiod_expiration_date_{month}"]
            assert (instant(ends) if ends else None) in {None, entry["expiration_date"]}
    assert all(not any(row[name] for name in INACTIVITY) for row in rows)


def test_the_header_of_points_expirations_varies_with_the_day(tmp_path: Path) -> None:
    running = sandbox(members=1500)
    member = ["user_id", "email_address", "third_party_id", "message_date"]
    headers = [list(pushed(running, tmp_path, day)[3][0]) for day in range(3)]
    assert headers == [member + INACTIVITY, member + INACTIVITY + PERIODS, member + PERIODS]


def test_without_an_expiration_rule_nobody_is_told_of_one(tmp_path: Path) -> None:
    assert pushed(sandbox(members=1500, expiration_rule=False), tmp_path, 1)[3] == []


def test_an_unfinished_file_has_no_name_that_a_reader_looks_for(tmp_path: Path) -> None:
    path = tmp_path / "2_512_PROFILE_20260314.zip"
    with atomic_file(path) as file:
        file.write(b"half")
        (draft,) = tmp_path.iterdir()
        assert draft.name.startswith(".")
        assert "2_512" not in draft.name
        assert draft.suffix not in {".zip", ".csv", ".txt"}
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"half"


def test_a_file_that_fails_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "2_512_PROFILE_20260314.zip"
    path.write_bytes(b"old")

    def fail() -> None:
        with atomic_file(path) as file:
            file.write(b"new")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_writing_again_replaces_a_file(running: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "2_512_USER_PROFILE_20260314.csv"
    path.write_bytes(b"old")
    assert running.write_data_push(tmp_path, DAY, bare=True)[0] == path
    assert rows_of(path)


@pytest.mark.parametrize("day", [-1, 3651])
def test_a_day_that_cannot_be_is_refused(running: Sandbox, tmp_path: Path, day: int) -> None:
    with pytest.raises(ValueError, match="day: must be 0 or more, and 3650 at most"):
        running.write_data_push(tmp_path, day)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("client", ["", "../1", "5 12"])
def test_a_client_that_is_no_name_is_refused(running: Sandbox, tmp_path: Path, client: str) -> None:
    with pytest.raises(ValueError, match="client: must be letters and digits"):
        running.write_data_push(tmp_path, 0, client=client)
    with pytest.raises(ValueError, match="client: must be letters and digits"):
        running.write_batch_activity(tmp_path, 0, client=client)
