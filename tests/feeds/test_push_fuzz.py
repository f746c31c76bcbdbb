"""Whatever bytes a file holds: rows that fit, or one sentence, never anything else."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import TYPE_CHECKING

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.push_files import profiles, rows_in, zipped

from tap_crowdtwist.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Sequence

BARE = "2_512_PROFILE_20260310.csv"
MANY = settings(max_examples=250, deadline=None)

PIECES = st.one_of(
    st.sampled_from([b",", b'"', b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"id", b"\xef\xbb\xbf"]),
    st.binary(max_size=3),
    st.text(max_size=3).map(lambda text: text.encode(errors="replace")),
)
SOUP = st.lists(PIECES, max_size=40).map(b"".join)
CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


def rows_or_sentence(content: bytes, name: str) -> None:
    try:
        columns, *rows = rows_in(content, name)
    except FileError as error:
        said = str(error)
        assert said.startswith("Setting `data_push_path`: ")
        assert repr(name) in said
        assert "\n" not in said
        return
    assert not [
        cell for row in (columns, *(cells for _, cells in rows)) for cell in row if "\0" in cell
    ]
    lines = [line for line, _ in rows]
    assert lines == sorted(set(lines))
    assert all(len(cells) == len(columns) for _, cells in rows)


@given(SOUP)
@MANY
def test_any_bytes_as_a_bare_csv(content: bytes) -> None:
    rows_or_sentence(content, BARE)


@given(SOUP.map(lambda content: b"id,city\n1,Bonn\n" + content))
@MANY
def test_any_bytes_after_a_sound_row(content: bytes) -> None:
    rows_or_sentence(content, BARE)


@given(SOUP)
@MANY
def test_any_bytes_in_a_zip(content: bytes) -> None:
    rows_or_sentence(zipped(content), BARE.replace("csv", "zip"))


@given(st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06"]), st.binary(max_size=120))
@MANY
def test_any_bytes_as_a_zip(begin: bytes, content: bytes) -> None:
    rows_or_sentence(begin + content, BARE.replace("csv", "zip"))


@given(
    st.lists(st.tuples(st.integers(0, 10**4), st.binary(max_size=6)), max_size=6),
    st.sampled_from(
        [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    ),
)
@MANY
def test_a_zip_with_bytes_written_over(changes: list[tuple[int, bytes]], method: int) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr(zipfile.ZipInfo("x.csv"), profiles(*range(40)), method)
    content = bytearray(packed.getvalue())
    for at, patch in changes:
        at %= len(content)  # noqa: PLW2901 - anywhere in it
        content[at : at + len(patch)] = patch
    rows_or_sentence(bytes(content), BARE.replace("csv", "zip"))


@given(
    st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=8),
    st.lists(st.sampled_from(["", " ", "\t"]), max_size=3),
    st.lists(st.lists(st.sampled_from(["", " "]), max_size=4), max_size=3),
)
@MANY
def test_blank_cells_at_line_ends_and_blank_lines_at_the_top_change_nothing(
    rows: Sequence[Sequence[str]], surplus: list[str], top: Sequence[Sequence[str]]
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerows([*top, ["id", "city", *surplus], *([*row, *surplus] for row in rows)])
    columns, *read = rows_in(text.getvalue().encode(), BARE)
    assert columns == ["id", "city"]
    assert [cells for _, cells in read] == [list(row) for row in rows]


@given(
    st.lists(st.text(" \t", max_size=3), max_size=3),
    st.lists(st.text(" \t", max_size=3), max_size=3),
)
@MANY
def test_blank_lines_between_and_after_rows_change_nothing(
    between: Sequence[str], after: Sequence[str]
) -> None:
    lines = ["id,city", *between, "1,a", *between, "2,b", *after]
    _, *read = rows_in("".join(f"{line}\n" for line in lines).encode(), BARE)
    assert [cells for _, cells in read] == [["1", "a"], ["2", "b"]]


@given(
    st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=8),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
@MANY
def test_what_was_written_is_what_is_read(
    rows: Sequence[Sequence[str]], ending: str, quoting: int
) -> None:
    returns = any("\r" in cell for row in rows for cell in row)
    assume(
        quoting == csv.QUOTE_ALL or not returns
    )  # some writers do not quote them, and then they end a line
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=ending, quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([["id", "city"], *rows])
    _, *read = rows_in(text.getvalue().encode(), BARE)
    assert [cells for _, cells in read] == [list(row) for row in rows]
    whole = text.getvalue().splitlines(keepends=True)
    assert all(0 < line <= len(whole) + 1 for line, _ in read)
