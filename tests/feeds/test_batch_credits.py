"""Batch Activity Credit: what a line says, and why CrowdTwist would reject it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.push_files import BATCH, check_valid, put, read

from tap_crowdtwist.files.batch_activity import parse_credit, read_credits
from tap_crowdtwist.files.folder import File

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.harness import Result

    from crowdtwist_sandbox import Sandbox

NAME = "activities_512_20260310010203.txt"
IDENTITIES = ("email_address", "user_id", "third_party_id", "username")
FAULTS = {
    "no identity",
    "no activity",
    "bad user id",
    "bad activity id",
    "bad points",
    "bad date",
    "wrong number of fields",
    "not UTF-8",
}
GOOD = b"a@b.test|12|tp-1|ann|5|-25|1773057600\n"


def sent(folder: Path, content: bytes, name: str = NAME, **settings: Any) -> Result:
    put(folder, name, content)
    return again(folder, **settings)


def again(folder: Path, state: Mapping[str, Any] | None = None, **settings: Any) -> Result:
    result = read(folder, BATCH, setting="batch_activity_path", state=state, **settings)
    check_valid(result)
    return result


def lines_and_faults(result: Result) -> list[tuple[int, str | None]]:
    return [(record["file_line"], record["fault"]) for record in result.records[BATCH]]


def test_a_line_says_who_what_how_much_and_when(tmp_path: Path) -> None:
    result = sent(tmp_path, GOOD)
    assert result.schemas[BATCH][0]["key_properties"] == ["file_name", "file_line"]
    assert result.records[BATCH] == [
        {
            "file_name": NAME,
            "file_line": 1,
            "sent_at": "2026-03-10T01:02:03Z",
            "email_address": "a@b.test",
            "user_id": 12,
            "third_party_id": "tp-1",
            "username": "ann",
            "activity_id": 5,
            "num_points": -25,
            "activity_date": "2026-03-09T12:00:00Z",
            "fault": None,
            "additional_properties": None,
        }
    ]


@pytest.mark.parametrize(
    "line", [b"a@b.test||||5", b"a@b.test||||5|", b"a@b.test||||5||", b"|||ann|5|1"]
)
def test_points_and_date_may_be_left_out(line: bytes) -> None:
    row = parse_credit(line)
    assert row["fault"] is None
    assert row["activity_id"] == "5"
    assert row["activity_date"] is None


@pytest.mark.parametrize("place", range(4))
def test_any_identity_will_do(place: int) -> None:
    cells = [b""] * 4
    cells[place] = b"7"
    row = parse_credit(b"|".join([*cells, b"5"]))
    assert row["fault"] is None
    assert [name for name in IDENTITIES if row[name]] == [IDENTITIES[place]]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"||||5", "no identity"),
        (b" | | | |5", "no identity"),
        (b"a@b.test|||||25", "no activity"),
        (b"|x12|||5", "bad user id"),
        (b"|12|||five", "bad activity id"),
        (b"|12|||5|25,5x", "bad points"),
        (b"|12|||5|25.5", "bad points"),
        (b"|12|||5||31.12.2026", "bad date"),
        (b"|12||", "wrong number of fields"),
        (b"12", "wrong number of fields"),
        (b"|12|||5|1||", "wrong number of fields"),
        (b"|12||K\xf6ln|5", "not UTF-8"),
        (b"|12||a\0b|5", "not UTF-8"),
    ],
)
def test_a_line_that_would_be_refused_says_why(line: bytes, fault: str) -> None:
    assert parse_credit(line)["fault"] == fault


@pytest.mark.parametrize(
    "date",
    [
        "2026-03-09 12:00:00",
        "2026-03-09T12:00:00Z",
        "20260309120000",
        "202603091200",
        "1773057600000",
        "1773057600.0",
        "+1773057600",
    ],
)
def test_a_date_that_is_no_unix_timestamp_is_a_fault_and_is_read(tmp_path: Path, date: str) -> None:
    (record,) = sent(tmp_path, f"|12|||5||{date}\n".encode()).records[BATCH]
    assert (record["fault"], record["activity_date"]) == ("bad date", "2026-03-09T12:00:00Z")


@pytest.mark.parametrize("date", ["20260309", "2026", "0", "-1", "\u0661" * 10])
def test_few_or_other_digits_are_no_unix_timestamp(date: str) -> None:
    assert parse_credit(f"|12|||5||{date}".encode())["fault"] == "bad date"


def test_a_faulty_line_is_a_row_with_what_it_says_beside(tmp_path: Path) -> None:
    result = sent(tmp_path, b"|12|||five|25,5x|soon\n" + GOOD)
    bad, good = result.records[BATCH]
    assert (bad["fault"], good["fault"]) == ("bad activity id", None)
    assert (bad["user_id"], bad["activity_id"]) == (12, None)
    assert bad["additional_properties"] == {
        "activity_id": "five",
        "num_points": "25,5x",
        "activity_date": "soon",
    }


def test_lines_keep_their_numbers(tmp_path: Path) -> None:
    content = (
        b"\xef\xbb\xbf" + GOOD + b"\r\n  \n" + GOOD.replace(b"\n", b"\r\n") + b"|\n" + GOOD[:-1]
    )
    result = sent(tmp_path, content)
    assert lines_and_faults(result) == [
        (1, None),
        (4, None),
        (5, "wrong number of fields"),
        (6, None),
    ]
    assert result.records[BATCH][0]["email_address"] == "a@b.test"


def test_a_line_of_any_length_takes_little_memory(tmp_path: Path) -> None:
    """No such file has a line of 65,536 bytes, so it is read as several."""
    result = sent(tmp_path, GOOD + b"9" * 150_000 + b"\n" + GOOD)
    faults = [fault for _, fault in lines_and_faults(result)]
    assert faults == [None, *["wrong number of fields"] * 3, None]


def test_files_are_read_once_and_with_others_of_their_day(tmp_path: Path) -> None:
    first = sent(tmp_path, GOOD)
    assert not again(tmp_path, first.state).records
    second = sent(tmp_path, GOOD, "activities_512_20260309000000.txt", state=first.state)
    names = [record["file_name"] for record in second.records[BATCH]]
    assert names == ["activities_512_20260309000000.txt"], "a late one does not affect later ones"
    changed = sent(tmp_path, GOOD + GOOD, state=second.state)
    assert lines_and_faults(changed) == [(1, None), (2, None)]
    assert not again(tmp_path, changed.state).records


def test_a_file_without_lines_is_read(tmp_path: Path) -> None:
    result = sent(tmp_path, b"")
    assert not result.records
    assert "0 of 1 files" in again(tmp_path, result.state).stderr


@pytest.mark.parametrize("mode", ["hash", "drop"])
def test_personal_fields_are_hashed_or_dropped(tmp_path: Path, mode: str) -> None:
    content = GOOD + b"canary@b.test||||five\n"
    result = sent(tmp_path, content, sensitive_data=mode, hash_key="0123456789abcdef")
    for value in ("a@b.test", "tp-1", '"ann"', "canary", "five"):
        assert value not in result.stdout + result.stderr
    record = result.records[BATCH][0]
    assert ("email_address" in record) is (mode == "hash")
    assert (record["file_line"], record["activity_id"], record["fault"]) == (1, 5, None)


def test_what_the_sandbox_sends_comes_with_its_faults(world: Sandbox, tmp_path: Path) -> None:
    path = world.write_batch_activity(tmp_path, 0)
    result = again(tmp_path)
    lines = path.read_bytes().splitlines()
    assert [record["file_line"] for record in result.records[BATCH]] == [*range(1, len(lines) + 1)]
    faults = {record["fault"] for record in result.records[BATCH]}
    assert faults == {
        None,
        "no identity",
        "no activity",
        "bad points",
        "bad date",
        "wrong number of fields",
    }


PIECES = st.one_of(
    st.sampled_from([b"|", b"\n", b"\r\n", b"\r", b"\0", b"\xef\xbb\xbf", b"\xff", b"5", b" "]),
    st.binary(max_size=4),
    st.text(max_size=4).map(str.encode),
)


@given(st.lists(PIECES, max_size=60).map(b"".join))
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_rows_with_or_without_a_fault(content: bytes) -> None:

    file = File(NAME, NAME, "activities", None, 0, 0, "")  # type: ignore[arg-type]
    rows = list(read_credits(file, lambda _: io.BytesIO(content)))
    numbers = [number for number, _ in rows]
    lines = [line.removeprefix(b"\xef\xbb\xbf") for line in content.split(b"\n")]
    assert numbers == [n for n, line in enumerate(lines, start=1) if line.strip()]
    for _, row in rows:
        assert row["fault"] is None or row["fault"] in FAULTS
        if row["fault"] is None:
            assert any(row[name] for name in IDENTITIES)
            assert row["activity_id"]
