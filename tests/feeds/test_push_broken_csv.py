"""A CSV that is not what was sent ends the run with its line, and no bookmark goes past it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.push_files import (
    check_failure,
    ids,
    name_of,
    profiles,
    put,
    put_days,
    read,
    table,
    with_method,
)

from tap_crowdtwist.files.data_push import MAX_LINE_CHARACTERS

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import Result

AGAIN = "fetch the file again, or have it sent again"
CHECK = "check the file"
CUT = "has no line break, so the file may be incomplete; fetch it again, or add the line break"
LATIN = "id,city\n1,Bonn\n2,Köln\n".encode("latin-1")
EARLY, LATE = 30, 10_000
"""Rows before something is wrong: in the first block that is decoded, and far behind it."""


def after(rows: int, line: bytes) -> bytes:
    return b"id,city\n" + b"".join(b"%d,Bonn\n" % n for n in range(1, rows + 1)) + line


def broken(folder: Path, content: bytes, line: int | None, said: str, ending: str) -> Result:
    """Read a broken file that lies between two sound ones, then mend it."""
    put_days(folder, 1, 3, ending=ending)
    name = name_of("PROFILE", 2, ending)
    put(folder, name, content)
    result = read(folder, data_push_columns="any", code=1)
    where = f"line {line} of {name!r} " if line else f"{name!r} "
    check_failure(result, f"Setting `data_push_path`: {where}{said}")
    assert ids(result)[:2] == [1, 101]
    assert name_of("PROFILE", 3, ending) not in result.stdout
    bookmark = result.state["bookmarks"]["push_users"]
    assert bookmark["replication_key_value"] == name_of("PROFILE", 1, ending)
    put(folder, name, profiles(7, 8))
    assert ids(read(folder, state=result.state)) == [7, 8, 1, 103]
    return result


@pytest.mark.parametrize("ending", ["zip", "csv"])
@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        pytest.param(b"", 1, f"should be the header, but the file is empty; {AGAIN}", id="empty"),
        pytest.param(b"\n\n", 1, "should be the header, but the file is empty", id="blank"),
        pytest.param(b"id,,city\n", 1, "should be the header, with each column once", id="unnamed"),
        pytest.param(b"id,city,city\n", 1, f"should be the header, with each column once; {CHECK}", id="twice"),  # noqa: E501
        pytest.param(b"id,city,City\n", 1, "should be the header, with each column once", id="twice in case"),  # noqa: E501
        pytest.param(b"member,city\n1,Bonn\n", 1, "names no column `id`, so the header is missing or the feed has changed", id="key renamed"),  # noqa: E501
        pytest.param(b"1,Bonn\n2,Rome\n", 1, "names no column `id`", id="no header"),
        pytest.param(b"id;city\n1;Bonn\n", 1, "is separated by semicolons; set `data_push_delimiter` to ';', or have", id="semicolons"),  # noqa: E501
        pytest.param(b'\n"id"\t"city"\n"1"\t"Bonn"\n', 2, "is separated by tabs; set `data_push_delimiter` to 'tab', or have", id="tabs"),  # noqa: E501
        pytest.param(b"id|city\n1|Bonn\n", 1, "is separated by pipes", id="pipes"),
        pytest.param(after(EARLY, b"31\n"), 32, f"has 1 cells where the header has 2; {AGAIN}", id="too few cells"),  # noqa: E501
        pytest.param(b"\n\nid,,city\n", 3, "should be the header, with each", id="unnamed late"),
        pytest.param(b"\n\nname,city\n", 3, "names no column `id`", id="no key late"),
        pytest.param(after(EARLY, b"31,a,,b,\n"), 32, "has 5 cells where the header has 2", id="a cell behind blank ones"),  # noqa: E501
        pytest.param(after(EARLY, b"31,a,b\n"), 32, "has 3 cells where the header has 2", id="too many cells"),  # noqa: E501
        pytest.param(after(LATE, b"31,a,b\n"), LATE + 2, "has 3 cells", id="too many cells late"),
        pytest.param(after(2, b'3,"a\nb"\n4,x,y\n'), 6, "has 3 cells", id="after a line break"),
        pytest.param(after(2, b'3,"a"b\n'), 4, "is not CSV (", id="stray quote"),
        pytest.param(after(2, b'3,"a\n4,b\n'), 4, "is not CSV (unexpected end of data)", id="open quote"),  # noqa: E501
        pytest.param(after(2, b'3,"a\n' + b"4,b\n" * 300_000), 4, "is not CSV (field larger", id="open quote early"),  # noqa: E501
        pytest.param(LATIN, 3, f"is not UTF-8 text; it looks like cp1252: set `data_push_encoding` to that, or else {AGAIN}", id="latin-1"),  # noqa: E501
        pytest.param("id,Größe\n1,2\n".encode("latin-1"), 1, "is not UTF-8 text", id="latin-1 header"),  # noqa: E501
        pytest.param(after(LATE, b"9,K\xf6ln\n"), LATE + 2, "is not UTF-8 text", id="latin-1 late"),
        pytest.param(after(2, b"9,K\xc3"), 4, "is not UTF-8 text", id="half a letter"),
        pytest.param("id,city\n1,Bonn\n".encode("utf-16"), 1, "is not UTF-8 text; it looks like utf-16: set", id="UTF-16"),  # noqa: E501
        pytest.param("id,city\n1,Bonn\n".encode("utf-16-le"), 1, "contains zero bytes, which are not text; it looks like utf-16-le: set", id="UTF-16 without BOM"),  # noqa: E501
        pytest.param("id,city\n1,Bonn\n".encode("utf-16-be"), 1, "contains zero bytes, which are not text; it looks like utf-16-be: set", id="UTF-16 from the other end"),  # noqa: E501
        pytest.param(after(2, "8,Köln\n".encode() + b"9,K\xf6ln\n"), 5, f"is not UTF-8 text; {AGAIN}", id="damaged UTF-8"),  # noqa: E501
        pytest.param(after(EARLY, b"31,a" + bytes(512) + b"b\n"), 32, "contains zero bytes", id="a hole"),  # noqa: E501
        pytest.param(after(EARLY, b"\0\n"), 32, "contains zero bytes", id="a line of zero bytes"),
        pytest.param(after(LATE, bytes(4096) + b"\n"), LATE + 2, "contains zero bytes", id="zeros at the end"),  # noqa: E501
        pytest.param(after(2, b"," * (2 * MAX_LINE_CHARACTERS)), 4, f"is longer than {MAX_LINE_CHARACTERS:,} characters", id="endless line"),  # noqa: E501
        pytest.param(after(2, b"x,Bonn\n"), 4, "has no usable value for `id`; correct or remove the line", id="bad key"),  # noqa: E501
        pytest.param(after(2, b",Bonn\n"), 4, "has no usable value for `id`", id="no key"),
        pytest.param(after(EARLY, b' ,"a\nb"\n33,x\n'), 32, "has no usable value for `id`", id="blank key"),  # noqa: E501
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_by_its_line(
    tmp_path: Path, content: bytes, line: int | None, said: str, ending: str
) -> None:
    result = broken(tmp_path, content, line, said, ending)
    assert "rows left out" not in result.last_line


@pytest.mark.parametrize(
    "rest", [b"31", b"31,", b"31,Bo", b'31,"Bo', b'31,"Bonn"'], ids=lambda rest: rest.decode()
)
def test_a_bare_csv_that_ends_inside_a_line_is_cut_short(tmp_path: Path, rest: bytes) -> None:
    broken(tmp_path, after(EARLY, rest), 32, CUT, "csv")


def test_a_bare_csv_that_ends_at_a_line_end_cannot_be_told_from_a_whole_one(
    tmp_path: Path,
) -> None:
    """Nothing in the file says how long it is, unlike in a zip; a longer one is noticed later."""
    put(tmp_path, name_of("PROFILE", 2, "csv"), profiles(1, 2))
    cut = read(tmp_path)
    put(tmp_path, name_of("PROFILE", 2, "csv"), profiles(1, 2, 3))
    assert ids(read(tmp_path, state=cut.state)) == [1, 2, 3]


@pytest.mark.parametrize(
    ("stream", "feed", "row", "keys"),
    [
        (
            "push_user_activities",
            "USER_ACTIVITY",
            "user_activity_id,id\n,4\n",
            "`user_activity_id`",
        ),
        ("push_redemptions", "USER_REDEMPTION", "order_id,size\n,4\n", "`order_id`"),
    ],
)
def test_each_feed_insists_on_its_key(
    tmp_path: Path, stream: str, feed: str, row: str, keys: str
) -> None:
    put(tmp_path, name_of(feed, 2), row.encode())
    check_failure(read(tmp_path, stream, code=1), f"has no usable value for {keys}")


def test_a_column_that_is_gone_is_noticed(tmp_path: Path) -> None:
    put(tmp_path, name_of("PROFILE", 1), table({"id": 1, "city": "x", "a,b": "y", "Team": "z"}))
    put(tmp_path, name_of("PROFILE", 2), table({"id": 2, "CITY": "x", "Team": "z"}))
    result = read(tmp_path, code=1)
    check_failure(
        result,
        "line 1 of '2_512_PROFILE_20260302.zip' lacks columns that earlier files have: a,b; ",
        "set `data_push_columns` to any for one run",
    )
    assert ids(result) == [1]
    once = read(tmp_path, state=result.state, data_push_columns="any")
    assert ids(once) == [2]
    put(tmp_path, name_of("PROFILE", 3), table({"id": 3, "new": "n", "city": "x", "Team": "z"}))
    then = read(tmp_path, state=once.state)
    assert ids(then) == [3], "what is gone is forgotten, and what is new is welcome"


def test_a_points_expiration_file_without_the_member_s_column_is_refused(tmp_path: Path) -> None:
    put(tmp_path, name_of("POINTS_EXPIRATION", 2), b"email_address,message_date\na@b.test,4\n")
    result = read(tmp_path, "push_points_expiration", code=1)
    check_failure(result, "names no column `user_id`")


def test_a_late_file_may_lack_what_came_later(tmp_path: Path) -> None:
    put(tmp_path, name_of("PROFILE", 2), table({"id": 2, "city": "x", "new": "y"}))
    first = read(tmp_path)
    put(tmp_path, name_of("PROFILE", 1), table({"id": 1, "city": "x"}))
    assert ids(read(tmp_path, state=first.state)) == [1, 2]


def test_a_full_table_compares_columns_too(tmp_path: Path) -> None:
    put(tmp_path, name_of("PROFILE", 1), table({"id": 1, "city": "x"}))
    put(tmp_path, name_of("PROFILE", 2), table({"id": 2}))
    catalog = with_method("FULL_TABLE", "push_users")
    check_failure(read(tmp_path, catalog=catalog, code=1), "earlier files have: city; ")


def test_columns_too_many_to_remember_are_not_compared(tmp_path: Path) -> None:
    wide = {"id": 1, "city": "x", **{f"column_number_{n}": n for n in range(200)}}
    put(tmp_path, name_of("PROFILE", 1), table({"id": 1, "city": "x"}))
    put(tmp_path, name_of("PROFILE", 2), table(wide))
    put(tmp_path, name_of("PROFILE", 3), table({"id": 3}))
    result = read(tmp_path)
    assert ids(result) == [1, 1, 3]
    assert len(result.stdout.splitlines()[-1]) < 1000
