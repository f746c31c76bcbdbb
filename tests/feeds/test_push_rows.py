"""What becomes of a row of a Data Push file: types, columns, lines, and what never leaves."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from support.push_files import (
    FEEDS,
    PUSH,
    ROWS,
    check_valid,
    name_of,
    one,
    profiles,
    put,
    read,
    table,
)

from tap_crowdtwist.files.data_push import MAX_LINE_CHARACTERS

if TYPE_CHECKING:
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

BOM = b"\xef\xbb\xbf"

RECORDS: dict[str, dict[str, Any]] = {
    "push_users": {
        "id": 1200001,
        "first_name": "Zoë",
        "date_of_birth": "1990-02-03",
        "postal_code": "00501",
    },
    "push_user_activities": {
        "user_activity_id": 77,
        "id": 1200001,
        "activity_id": 5,
        "num_points": -250,
        "date_created": "2026-03-09T23:46:40Z",
    },
    "push_redemptions": {
        "order_id": "0088",
        "order_date": "2026-03-10T05:06:07Z",
        "quantity": 2,
        "shipping_city": "Łódź",
    },
    "push_points_expiration": {
        "user_id": 1200001,
        "message_date": "2026-03-09T23:46:40Z",
        "inactivity_exp_date": "2026-04-01T00:00:00Z",
    },
}


def told(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value not in (None, {})}


@pytest.mark.parametrize("stream", PUSH)
@pytest.mark.parametrize("ending", ["zip", "csv", "ZIP", "CSV"])
def test_known_columns_are_typed(tmp_path: Path, stream: str, ending: str) -> None:
    name = name_of(FEEDS[stream], 10, ending)
    put(tmp_path, name, table(ROWS[stream]))
    result = read(tmp_path, stream)
    check_valid(result)
    (record,) = result.records[stream]
    assert told(record) == RECORDS[stream] | {
        "file_name": name,
        "file_line": 2,
        "content_date": "2026-03-09",
    }


@pytest.mark.parametrize("bare", [False, True])
def test_a_day_of_the_sandbox_arrives_row_by_row(
    world: Sandbox, tmp_path: Path, *, bare: bool
) -> None:
    paths = world.write_data_push(tmp_path, 0, bare=bare)
    result = read(tmp_path, *PUSH)
    check_valid(result)
    for stream, path in zip(PUSH, paths, strict=True):
        content = path.read_bytes()
        if not bare:
            with zipfile.ZipFile(path) as archive:
                content = archive.read(archive.namelist()[0])
        rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
        assert len(rows) == len(result.records[stream])
        nodes = result.schemas[stream][0]["schema"]["properties"]
        for row, record in zip(rows, result.records[stream], strict=True):
            for column, cell in row.items():
                name = {"mobile_number": "mobile_phone_number"}.get(column, column)
                if cell == "" and column in {"password", "hashAlgorithmID", "Salt"}:
                    assert column not in str(record)
                    continue
                if column.startswith("redperiod_"):
                    continue  # folded; see test_push_months.py
                node = nodes.get(name)
                if node is None:
                    assert record["additional_properties"][name] == (cell or None)
                elif "string" in node["type"] and "format" not in node:
                    assert record[name] == (cell or None)
                else:
                    assert (record[name] is None) is (cell == "")
            assert record["file_name"] == path.name
    assert result.records["push_users"]
    assert result.records["push_user_activities"]


def test_a_mobile_number_of_the_file_is_called_as_in_other_streams(tmp_path: Path) -> None:
    content = table({"id": "1", "Mobile_Number": "+49 30 901820"})
    (record,) = one(tmp_path, content).records["push_users"]
    assert record["mobile_phone_number"] == "+49 30 901820"
    assert record["additional_properties"] is None


@pytest.mark.parametrize(
    ("named", "covered"),
    [
        ("20260301", "2026-02-28"),
        ("20270101", "2026-12-31"),
        ("00010102", "0001-01-01"),
        ("00010101", None),
    ],
)
def test_rows_are_of_the_day_before_the_one_in_the_name(
    tmp_path: Path, named: str, covered: str | None
) -> None:
    put(tmp_path, name_of("PROFILE", named), profiles(1))
    (record,) = read(tmp_path, present=datetime(2027, 1, 2, tzinfo=timezone.utc)).records[
        "push_users"
    ]
    assert record["content_date"] == covered


def test_every_occurrence_of_a_member_is_a_record(tmp_path: Path) -> None:
    content = table({"id": 1, "city": "Bonn"}, {"id": 2, "city": "Lyon"}, {"id": 1, "city": "Rome"})
    records = one(tmp_path, content).records["push_users"]
    assert [(record["id"], record["city"]) for record in records] == [
        (1, "Bonn"),
        (2, "Lyon"),
        (1, "Rome"),
    ]


def test_columns_that_no_schema_knows_are_kept_beside(tmp_path: Path) -> None:
    row = {"id": "1", "Shoe Size": "42", "loyalty": '{"a": 1}', "empty": ""}
    (record,) = one(tmp_path, table(row)).records["push_users"]
    assert record["additional_properties"] == {
        "Shoe Size": "42",
        "loyalty": '{"a": 1}',
        "empty": None,
    }


def test_a_cell_that_does_not_fit_is_kept_beside(tmp_path: Path) -> None:
    (record,) = one(tmp_path, table({"id": "1", "date_of_birth": "1.4.90"})).records["push_users"]
    assert record["date_of_birth"] is None
    assert record["additional_properties"] == {"date_of_birth": "1.4.90"}


def test_zero_bytes_in_cells_are_replaced_and_told_once(tmp_path: Path) -> None:
    content = b'id,first_name,new\n1,a\0b,"x\n\0\0"\n2,c,\n3,\0,d\n'
    for day in (1, 2):
        put(tmp_path, name_of("PROFILE", day, "csv"), content)
    result = read(tmp_path)
    check_valid(result)
    rows = [
        (row["first_name"], row["additional_properties"]["new"])
        for row in result.records["push_users"]
    ]
    assert rows == [("a\ufffdb", "x\n\ufffd\ufffd"), ("c", None), ("\ufffd", "d")] * 2
    told = [line for line in result.stderr.splitlines() if "zero bytes" in line]
    assert len(told) == 1
    assert "in 3 lines of '2_512_PROFILE_20260301.csv' (further ones not logged)" in told[0]


def test_an_empty_cell_is_null(tmp_path: Path) -> None:
    (record,) = one(tmp_path, b'id,city,state\n1,,""\n').records["push_users"]
    assert (record["city"], record["state"]) == (None, None)


def test_the_line_is_where_the_row_begins(tmp_path: Path) -> None:
    content = b'id,city\n1,"a\nb"\n\n2,"c\r\nd\n""e"""\n3,f\n'
    records = one(tmp_path, content).records["push_users"]
    assert [(r["id"], r["file_line"], r["city"]) for r in records] == [
        (1, 2, "a\nb"),
        (2, 5, 'c\r\nd\n"e"'),
        (3, 8, "f"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(BOM + b"id,city\n1,Bonn\n", id="BOM"),
        pytest.param(b"id,city\r\n1,Bonn\r\n", id="CRLF"),
        pytest.param(b"id,city\n1,Bonn", id="no last line end"),
        pytest.param(b"city,id\nBonn,1\n", id="another order"),
        pytest.param(b"ID,City\n1,Bonn\n", id="capitals"),
        pytest.param(b' id ,"city"\n1,Bonn\n', id="blanks outside quotes"),
        pytest.param(b'"id","city"\n"1","Bonn"\n', id="quoted"),
        pytest.param(b"id,city\n1,Bonn\n\n\n", id="blank lines"),
        pytest.param(b"\n \r\nid,city\n1,Bonn\n", id="blank lines before the header"),
        pytest.param(BOM + b"\nid,city\n1,Bonn\n", id="BOM and a blank line"),
        pytest.param(b",,\nid,city\n1,Bonn\n", id="blank cells before the header"),
        pytest.param(b"id,city,\n1,Bonn,\n", id="a delimiter at the end of each line"),
        pytest.param(b"id,city, ,\n1,Bonn\n", id="delimiters at the end of the header"),
        pytest.param(b'id,city\n1,Bonn,, ,""\n', id="blank cells at the end of a row"),
    ],
)
def test_the_form_of_the_file_makes_no_difference(tmp_path: Path, content: bytes) -> None:
    (record,) = one(tmp_path, content).records["push_users"]
    assert (record["id"], record["city"], record["additional_properties"]) == (1, "Bonn", None)


@pytest.mark.parametrize("told_date", ["", "soon"])
def test_an_expiration_without_a_message_date_keeps_its_row(tmp_path: Path, told_date: str) -> None:
    content = table({"user_id": "5", "message_date": told_date})
    (record,) = one(tmp_path, content, "push_points_expiration").records["push_points_expiration"]
    assert (record["user_id"], record["message_date"]) == (5, None)
    assert record["additional_properties"] == ({"message_date": told_date} if told_date else None)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16", "UTF-16-LE", "cp037"])
@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_another_delimiter_and_encoding_may_be_set(
    tmp_path: Path, delimiter: str, encoding: str
) -> None:
    content = delimiter.join(["id", "city\n1", '"Köln, Süd"\n']).encode(encoding)
    settings = {"data_push_delimiter": delimiter, "data_push_encoding": encoding}
    (record,) = one(tmp_path, content, **settings).records["push_users"]
    assert (record["id"], record["city"]) == (1, "Köln, Süd")


def test_a_cell_may_be_as_long_as_a_line(tmp_path: Path) -> None:
    """The csv module's own limit is 131,072 characters, and anybody may have set another one."""
    longest = "x" * (MAX_LINE_CHARACTERS - len('1,""\n'))
    before = csv.field_size_limit(10)
    content = f'id,city\n1,"{longest}"\n2,"a\n{longest[1:]}"\n'.encode()
    try:
        records = one(tmp_path, content).records["push_users"]
    finally:
        csv.field_size_limit(before)
    assert [len(record["city"]) for record in records] == [len(longest), len(longest) + 1]


@pytest.mark.parametrize("beside", ["__MACOSX/._2_512_FEED.csv", "__MACOSX/a.csv", "in/._a.CSV"])
def test_what_finder_keeps_beside_the_csv_is_ignored(tmp_path: Path, beside: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(beside, b"\0\5\x16\7\0\2\0\0Mac OS X")
        archive.writestr("in/2_512_FEED.csv", profiles(1))
    assert [record["id"] for record in one(tmp_path, packed.getvalue()).records["push_users"]] == [
        1
    ]


def test_a_file_with_nothing_but_a_header_has_no_rows(tmp_path: Path) -> None:
    put(tmp_path, name_of("PROFILE", 9), profiles())
    put(tmp_path, name_of("PROFILE", 10, "csv"), profiles())
    result = read(tmp_path)
    assert not result.records
    assert "reading 2 of 2 files" in result.stderr
    assert "0 of 2" in read(tmp_path, state=result.state).stderr


def test_the_profile_feed_goes_by_two_names_and_any_case(tmp_path: Path) -> None:
    put(tmp_path, name_of("PROFILE", 8), profiles(1))
    put(tmp_path, name_of("USER_PROFILE", 9, "csv"), profiles(2))
    put(tmp_path, "2_512_profile_20260310.zip", profiles(3))
    assert [record["id"] for record in read(tmp_path).records["push_users"]] == [1, 2, 3]
