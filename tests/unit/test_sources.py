"""Ids are read from settings and files; what is wrong with them is told, but not repeated."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import sys
import zipfile
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.files import packing, paths
from tap_crowdtwist.members import roster_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from tap_crowdtwist.records.member_id import Member

PERSONAL = "ada@example.test"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def put(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def members_of(located: Iterable[tuple[str, Member]]) -> Iterator[Member]:
    return (member for _, member in located)


def read(path: str, id_type: str = "id", column: str | None = None) -> list[Any]:
    return list(members_of(roster_files.located_in_files(path, id_type, column)))


def refusal(path: str, id_type: str = "id", column: str | None = None) -> str:
    with pytest.raises(SettingError) as caught:
        read(path, id_type, column)
    return str(caught.value)


# The setting


def test_the_setting_holds_ids_as_numbers_or_text() -> None:
    numbers = roster_files.located_in_setting([3, "1", " 2 "], "id")
    assert list(members_of(numbers)) == [3, 1, 2]
    names = roster_files.located_in_setting(["a-b", 5], "username")
    assert list(members_of(names)) == ["a-b", "5"]


@pytest.mark.parametrize(
    ("entry", "id_type", "wanted"),
    [
        (PERSONAL, "id", "is not a numeric CrowdTwist id"),
        (0, "id", "is not a numeric CrowdTwist id"),
        (1.0, "id", "is not a numeric CrowdTwist id"),
        (1, "email", "is not an e-mail address"),
        ("a\tb", "username", "is not an id of type username"),
        (" ", "username", "has no id"),
    ],
)
def test_an_entry_that_is_no_id_is_told_by_its_place(entry: Any, id_type: str, wanted: str) -> None:
    with pytest.raises(SettingError) as caught:
        list(
            roster_files.located_in_setting(
                ["a@b.test" if id_type == "email" else 1, entry], id_type
            )
        )
    assert str(caught.value) == f"Setting `user_ids`: entry 2 {wanted}"


# Text


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("last", ["", "end"])
def test_text_has_one_id_a_line(folder: Path, end: str, bom: str, last: str) -> None:
    lines = ["3", " 1 ", "", "  ", "2"]
    text = bom + end.join(lines) + (end if last else "")
    assert read(put(folder, "members.txt", text)) == [3, 1, 2]


@pytest.mark.parametrize("name", ["members", "members.txt", "members.dat"])
def test_any_other_ending_means_text(folder: Path, name: str) -> None:
    assert read(put(folder, name, "1\n2\n")) == [1, 2]


def test_a_line_that_is_no_id_is_told_by_its_number(folder: Path) -> None:
    path = put(folder, "members.txt", f"1\n\n{PERSONAL}\n")
    assert refusal(path) == (
        "Setting `user_ids_path`: line 3 of 'members.txt' is not a numeric CrowdTwist id; "
        "check `id_type` too"
    )


def test_text_holds_any_type_of_id(folder: Path) -> None:
    assert read(put(folder, "members.txt", "Ä, ö\n+49 1\n"), "username") == ["Ä, ö", "+49 1"]


# CSV


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_csv_has_a_header_quotes_and_any_line_end(folder: Path, end: str, bom: str) -> None:
    lines = [' user_id ,"name, first"', '1,"Ada ""A"" Sample"', "", '"2","a', 'b"', ",", "3,x"]
    assert read(put(folder, "members.csv", bom + end.join(lines) + end)) == [1, 2, 3]


@pytest.mark.parametrize(
    ("header", "id_type"),
    [
        ("name,user_id", "id"),
        ("name,member_id", "id"),
        ("name,id", "id"),
        ("name,email", "email"),
        ("id,third_party_id", "third_party_id"),
    ],
)
def test_the_usual_column_is_found(folder: Path, header: str, id_type: str) -> None:
    cell = "7@x.test" if id_type == "email" else "7"
    member = read(put(folder, "members.csv", f"{header}\nx,{cell}\n"), id_type)
    assert member == [7 if id_type == "id" else cell]


def test_the_only_column_is_taken_whatever_its_name(folder: Path) -> None:
    assert read(put(folder, "members.csv", "loyalty number\n7\n")) == [7]


def test_a_column_that_is_named_is_taken(folder: Path) -> None:
    assert read(put(folder, "members.csv", "id,other\n1,2\n"), column="other") == [2]


def test_a_named_column_that_is_missing_lists_those_there_are(folder: Path) -> None:
    path = put(folder, "members.csv", "id,name\n1,x\n")
    assert refusal(path, column="number") == (
        "Setting `user_ids_column`: line 1 of 'members.csv' has no such column; it has 'id', 'name'"
    )


@pytest.mark.parametrize("header", ["number,name", "id,user_id"])
def test_columns_that_leave_a_choice_ask_for_it(folder: Path, header: str) -> None:
    names = ", ".join(map(repr, header.split(",")))
    assert refusal(put(folder, "members.csv", f"{header}\n1,2\n")) == (
        "Setting `user_ids_column`: say which column of line 1 of 'members.csv' holds the ids; "
        f"it has {names}"
    )


@pytest.mark.parametrize("id_type", ["username", "third_party_id"])
def test_a_header_that_may_be_a_member_is_not_repeated(folder: Path, id_type: str) -> None:
    said = refusal(put(folder, "members.csv", "ada,Ada\ngrace,Grace\n"), id_type)
    assert said == (
        "Setting `user_ids_column`: say which column of line 1 of 'members.csv' holds the ids; "
        "it has 2 columns"
    )


@pytest.mark.parametrize(
    ("content", "id_type"),
    [
        ("101\n102\n", "id"),
        ("101,Ada\n102,Grace\n", "id"),
        (f"{PERSONAL}\ngrace@example.test\n", "email"),
        (f"Ada,{PERSONAL}\n", "email"),
        ("+49 30 1234\n", "mobile_phone_number"),
        ("१२३\n", "id"),
    ],
)
def test_a_file_without_a_header_loses_no_member_silently(
    folder: Path, content: str, id_type: str
) -> None:
    assert refusal(put(folder, "members.csv", content), id_type) == (
        "Setting `user_ids_path`: line 1 of 'members.csv' must name the columns"
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("x", "has no id"),
        ('"",x', "has no id"),
        (f"{PERSONAL},x", "is not a numeric CrowdTwist id; check `id_type` too"),
        ("0,x", "is not a numeric CrowdTwist id; check `id_type` too"),
    ],
)
def test_a_row_without_an_id_is_told_by_its_line(folder: Path, row: str, said: str) -> None:
    path = put(folder, "members.csv", f'name,id\n"a\nb",1\n{",".join(row.split(",")[::-1])}\n')
    assert refusal(path) == f"Setting `user_ids_path`: line 4 of 'members.csv' {said}"


def test_a_quote_that_is_never_closed_is_no_id(folder: Path) -> None:
    path = put(folder, "members.csv", f'email\n"{PERSONAL}\ngrace@example.test\n')
    assert refusal(path, "email") == (
        "Setting `user_ids_path`: cannot read 'members.csv': unexpected end of data"
    )


@pytest.mark.parametrize("id_type", ["username", "third_party_id"])
@pytest.mark.parametrize("first", ["ada", "grace hopper", "A-17", "ids"])
def test_the_first_member_is_not_taken_for_the_name_of_the_only_column(
    folder: Path, id_type: str, first: str
) -> None:
    path = put(folder, "members.csv", f"{first}\nben\n")
    assert refusal(path, id_type) == (
        "Setting `user_ids_column`: line 1 of 'members.csv' may be a member or the name of the "
        "column; set the column here, or rename the file to .txt if it has no header"
    )
    assert read(path, id_type, column=first) == ["ben"]
    assert read(put(folder, "members.txt", f"{first}\nben\n"), id_type) == [first, "ben"]


@pytest.mark.parametrize("id_type", ["username", "third_party_id"])
@pytest.mark.parametrize("name", ["user_id", "Member ID", "id", "CTUserID"])
def test_the_only_column_may_have_a_known_name(folder: Path, id_type: str, name: str) -> None:
    for header in (name, id_type, id_type.replace("_", " ").title()):
        assert read(put(folder, "members.csv", f"{header}\nben\n"), id_type) == ["ben"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_told_by_the_header(folder: Path, delimiter: str) -> None:
    rows = [['"Last, first; or; so"', "user_id"], ['"Sample, Ada; M."', "1"], ["x", "2"]]
    text = "\n\n" + "\n".join(map(delimiter.join, rows))
    assert read(put(folder, "members.csv", text)) == [1, 2]
    assert read(put(folder, "members.tsv", text)) == [1, 2]


@pytest.mark.parametrize(
    ("header", "id_type"),
    [
        ("CTUserID", "id"),
        ("Member ID", "id"),
        ("USER-ID", "id"),
        ("Email Address", "email"),
        ("E-Mail", "email"),
        ("Third Party ID", "third_party_id"),
        ("thirdPartyId", "third_party_id"),
        ("Mobile phone number", "mobile_phone_number"),
        ("userName", "username"),
    ],
)
@pytest.mark.parametrize("name", ["members.csv", "members.jsonl"])
def test_case_blanks_and_separators_do_not_count_in_the_name_of_a_column(
    folder: Path, name: str, header: str, id_type: str
) -> None:
    cell = "7@x.test" if id_type == "email" else "7"
    rows = {
        "csv": f"name,{header}\nx,{cell}\n",
        "jsonl": f'{{"name": "x", "{header}": "{cell}"}}\n',
    }
    path = put(folder, name, rows[name.partition(".")[2]])
    member = [7 if id_type == "id" else cell]
    assert read(path, id_type) == member
    assert read(path, id_type, column=header.upper().replace(" ", "_")) == member


def test_columns_whose_names_differ_only_in_case_leave_a_choice(folder: Path) -> None:
    path = put(folder, "members.csv", "Email,EMAIL\na@b.test,c@d.test\n")
    assert "say which column" in refusal(path, "email")
    assert "has no such column" in refusal(path, "email", column="e mail")
    assert read(path, "email", column="EMAIL") == ["c@d.test"]


@given(
    width=st.integers(1, 3),
    place=st.integers(0, 2),
    surplus=st.lists(st.sampled_from(["2", "", " ", "b@c.test"]), min_size=1, max_size=4),
    delimiter=st.sampled_from(",;\t|"),
)
def test_a_row_with_more_cells_than_the_header_loses_none_of_them(
    tmp_path_factory: pytest.TempPathFactory,
    width: int,
    place: int,
    surplus: list[str],
    delimiter: str,
) -> None:
    place = min(place, width - 1)
    header = [f"c{number}" for number in range(width)]
    row = ["x"] * width + surplus
    header[place], row[place] = "user_id", "1"
    if width == 1:  # nothing but a comma is assumed where the header has no delimiter
        delimiter = ","
    text = "\n".join(map(delimiter.join, (header, row))) + "\n"
    path = put(tmp_path_factory.mktemp("roster"), "m.csv", text)
    if any(map(str.strip, surplus)):
        assert "line 2 of 'm.csv' has" in refusal(path)
    else:
        assert read(path) == [1]


@pytest.mark.parametrize("unseen", ["\x1a", "\ufeff", "\u200b", "\u200e\u00a0"])
@pytest.mark.parametrize("header", ["", "email\n", "email,name\n"])
def test_a_line_of_what_nobody_sees_is_no_member(folder: Path, unseen: str, header: str) -> None:
    # Rdatatable/data.table#1612, for Ctrl-Z
    name = "members.csv" if header else "members.txt"
    text = f"{unseen}{header}a@b.test\n{unseen}\n{unseen}c@d.test{unseen}\n{unseen}"
    assert read(put(folder, name, text), "email") == ["a@b.test", "c@d.test"]


@pytest.mark.parametrize("hint", ["sep=;", "SEP=,", '"sep=,"', "sep=\t", "sep="])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_hint_for_excel_is_no_header(folder: Path, hint: str, delimiter: str) -> None:
    # PowerShell/PowerShell#7776
    text = f"{hint}\r\nname{delimiter}user_id\r\nx{delimiter}7\r\n"
    assert read(put(folder, "members.csv", text)) == [7]
    assert "line 4 of" in refusal(put(folder, "members.csv", f"{text}x{delimiter}y\r\n"))


@pytest.mark.parametrize("id_type", ["id", "third_party_id", "mobile_phone_number"])
@pytest.mark.parametrize("form", ["'{}", '="{}"', '"=""{}"""', "'{} "])
def test_a_cell_that_is_guarded_from_spreadsheets_is_what_it_guards(
    folder: Path, id_type: str, form: str
) -> None:
    # DFE-Digital/register-trainee-teachers#3229
    text = f"{id_type},name\n{form.format('0049151')},x\n"
    wanted = 49151 if id_type == "id" else "0049151"
    assert read(put(folder, "members.csv", text), id_type) == [wanted]


def test_an_apostrophe_of_a_name_stays(folder: Path) -> None:
    assert read(put(folder, "members.csv", "username\n'ohana\n"), "username") == ["'ohana"]


# JSON lines


@pytest.mark.parametrize("name", ["members.jsonl", "members.ndjson", "MEMBERS.JSONL"])
def test_json_lines_hold_values_or_objects(folder: Path, name: str) -> None:
    lines = ['{"user_id": 3, "name": "x"}', "", '{"user_id": "1"}', "2", '"4"', '{"n": 5}']
    assert read(put(folder, name, "\r\n".join(lines))) == [3, 1, 2, 4, 5]


def test_a_property_that_is_named_is_taken(folder: Path) -> None:
    path = put(folder, "members.jsonl", '{"id": 1, "other": 2}\n')
    assert read(path, column="other") == [2]
    assert refusal(path, column="number") == (
        "Setting `user_ids_column`: line 1 of 'members.jsonl' has no such column; "
        "it has 'id', 'other'"
    )


def test_properties_that_may_be_members_are_not_repeated(folder: Path) -> None:
    path = put(folder, "members.jsonl", f'{{"{PERSONAL}": 1, "x": 2}}\n')
    assert refusal(path).endswith("holds the ids; it has 'x'")


@pytest.mark.parametrize("line", ["{", PERSONAL, "{'id': 1}", '{"id": 1} x', "[" * 9999])
def test_a_line_that_is_not_json_is_told_by_its_number(folder: Path, line: str) -> None:
    path = put(folder, "members.jsonl", f"1\n{line}\n")
    assert refusal(path) == "Setting `user_ids_path`: line 2 of 'members.jsonl' is not JSON"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        *((line, "has no id") for line in ("null", "true", "1.5", "[1]", "{}")),
        *((line, "has no id") for line in ('{"id": null}', '{"id": {"a": 1}}', '" "')),
        ('"x"', "is not a numeric CrowdTwist id; check `id_type` too"),
        ("-1", "is not a numeric CrowdTwist id; check `id_type` too"),
    ],
)
def test_json_that_is_no_id_is_told_by_its_line(folder: Path, line: str, said: str) -> None:
    path = put(folder, "members.jsonl", f"1\n{line}\n")
    assert refusal(path) == f"Setting `user_ids_path`: line 2 of 'members.jsonl' {said}"


# Several that are wrong


def test_several_bad_lines_are_counted_and_the_first_five_named(folder: Path) -> None:
    lines = ["email,name", "a@b.test,x", *["x,x"] * 3, ",x", *[f"{PERSONAL} ,x"], *["@,x"] * 997]
    assert refusal(put(folder, "members.csv", "\n".join(lines)), "email") == (
        "Setting `user_ids_path`: line 6 of 'members.csv' has no id, and "
        "1,000 lines of 'members.csv' are not e-mail addresses (3, 4, 5, 8, 9, …); "
        "check `id_type` too"
    )
    assert refusal(put(folder, "members.csv", "id,n\n,x\n1,x\n,y\n")) == (
        "Setting `user_ids_path`: 2 lines of 'members.csv' have no id (2, 4)"
    )


def test_several_bad_entries_are_counted() -> None:
    with pytest.raises(
        SettingError, match=r"`user_ids`: 2 entries are not e-mail addr.* \(1, 3\)$"
    ):
        list(roster_files.located_in_setting(["x", "a@b.test", "y"], "email"))


@given(
    rows=st.lists(
        st.lists(st.sampled_from(["4711", "Ada", "Lovelace", ""]), min_size=1, max_size=4),
        min_size=1,
        max_size=8,
    ),
    separator=st.sampled_from([";", ",", "\t", "|", " "]),
    name=st.sampled_from(["crm.txt", "crm", "crm.csv", "crm.jsonl"]),
)
def test_rows_of_a_table_are_never_taken_for_addresses(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], separator: str, name: str
) -> None:
    lines = [separator.join([*row, PERSONAL, "Ada"]) for row in rows]
    if name.endswith("jsonl"):
        lines = [json.dumps(line) for line in lines]
    if name.endswith("csv"):  # one column, whatever else stands in its cells
        lines = ["email", *('"' + line.replace('"', '""') + '"' for line in lines)]
    text = "\n".join(lines) + "\n"
    said = refusal(put(tmp_path_factory.mktemp("crm"), name, text), "email")
    assert "e-mail address" in said
    assert not any(value in said for value in ("4711", "Ada", "Lovelace", PERSONAL))


def test_a_table_in_place_of_a_list_is_told_how_it_can_be_read(folder: Path) -> None:
    text = f"4711;Ada;{PERSONAL}\n"
    assert refusal(put(folder, "crm.txt", text), "email") == (
        "Setting `user_ids_path`: line 1 of 'crm.txt' is not an e-mail address; put one id on "
        "each line, or give a file that ends in .csv and whose first line names the columns"
    )
    assert read(put(folder, "crm.csv", f"Nr;Name;E-Mail\n{text}"), "email") == [PERSONAL]


@pytest.mark.parametrize(
    ("name", "text"), [("crm.csv", 'email\n"a|b@x.test"\n'), ("crm.jsonl", '\n"a|b@x.test"\n')]
)
def test_a_file_that_has_columns_is_not_told_to_have_columns(
    folder: Path, name: str, text: str
) -> None:
    assert refusal(put(folder, name, text), "email") == (
        f"Setting `user_ids_path`: line 2 of '{name}' is not an e-mail address; check `id_type` too"
    )


# Where files are


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}
CONTENTS = {"csv": "id;n\n1;x\n2;x\n", "jsonl": '{"id": 1}\n2\n', "txt": "1\n2\n", "": "1\n2"}


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("ending", [*PACKINGS, "zip"])
def test_a_packed_file_is_read_as_what_it_holds(
    folder: Path, ending: str, kind: str, *, upper: bool
) -> None:
    name = f"members.{kind}".rstrip(".")
    packed: bytes
    if ending == "zip":
        packed = zipped({name: CONTENTS[kind], f"__MACOSX/._{name}": b"\xff"})
    else:
        packed = PACKINGS[ending](CONTENTS[kind].encode())
    path = f"{name}.{ending}"
    assert read(put(folder, path.upper() if upper else path, packed)) == [1, 2]


def test_the_file_in_an_archive_tells_what_it_is_by_its_own_name(folder: Path) -> None:
    assert read(put(folder, "export.zip", zipped({"in/Members.CSV": "id,n\n7,x\n"}))) == [7]


@pytest.mark.parametrize("files", [{}, {"a.csv": "id\n1\n", "b.csv": "id\n2\n"}])
def test_an_archive_of_several_files_or_none_is_refused(
    folder: Path, files: dict[str, str]
) -> None:
    assert refusal(put(folder, "members.zip", zipped(files))) == (
        f"Setting `user_ids_path`: 'members.zip' contains {len(files)} files; pack one file in "
        "each archive"
    )


def test_an_archive_with_a_password_is_refused(folder: Path) -> None:
    locked = bytearray(zipped({"members.csv": "id\n1\n"}))
    locked[locked.rindex(b"PK\x01\x02") + 8] |= 1
    assert refusal(put(folder, "members.zip", bytes(locked))) == (
        "Setting `user_ids_path`: 'members.zip' is encrypted; pack it without a password"
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("members.csv.zst", "is packed in an unsupported format (.zst); pack it as .gz, or"),
        ("members.tar.gz", "is packed in an unsupported format (.gz); pack it as .gz, or"),
        ("members.TGZ", "is packed in an unsupported format (.tgz); pack it as .gz, or"),
        ("members.7z", "is packed in an unsupported format (.7z); pack it as .gz, or"),
        ("members.xlsx", "is a spreadsheet; save it as CSV in UTF-8"),
    ],
)
@pytest.mark.parametrize("id_type", ["id", "username"])
def test_other_packings_are_refused_with_what_helps(
    folder: Path, name: str, said: str, id_type: str
) -> None:
    path = put(folder, name, "readable, as it happens\n")
    assert refusal(path, id_type).startswith(f"Setting `user_ids_path`: '{name}' {said}")


def test_a_pipe_is_refused_and_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "members.txt")
    (folder / "link.csv").symlink_to(folder / "members.txt")
    for name in ("members.txt", "link.csv"):
        assert refusal(f"{folder}/{name}") == (
            f"Setting `user_ids_path`: '{name}' is a pipe or a device; "
            "save its content to a regular file"
        )


def test_a_glob_is_read_in_the_order_of_names(folder: Path) -> None:
    put(folder, "b.csv", "id\n2\n")
    put(folder, "a.csv", "id\n3\n")
    put(folder, "c.txt", "not read")
    assert read(f"{folder}/*.csv") == [3, 2]


def test_a_url_of_any_filesystem_is_read() -> None:
    with fsspec.open("memory://rosters/members.csv", "w") as file:
        file.write("id\n5\n")
    assert read("memory://rosters/members.csv") == [5]
    assert read("memory://rosters/*.csv") == [5]
    assert refusal("memory://rosters/none.csv") == (
        "Setting `user_ids_path`: there is no file 'none.csv'"
    )


def test_a_query_is_no_part_of_a_name() -> None:
    with ExitStack() as inner:
        name, _ = packing.open_unpacked("https://host.test/M.csv?sig=a.gz", io.BytesIO(), inner)
        assert name.endswith("/m.csv")
        name, _ = packing.open_unpacked("https://host.test/m.csv.gz?sig=a", io.BytesIO(), inner)
        assert name.endswith("/m.csv")
    assert paths.display_name("sftp://user:word@host.test/in/m.csv?sig=abc") == "'m.csv'"


def test_lines_are_read_as_they_are_needed(folder: Path) -> None:
    path = put(folder, "members.txt", "1\n2\nx\n")
    ids = members_of(roster_files.located_in_files(path, "id"))
    assert [next(ids), next(ids)] == [1, 2]


# What can be wrong with a file


def test_a_file_that_is_missing(folder: Path) -> None:
    assert refusal(f"{folder}/none.csv") == "Setting `user_ids_path`: there is no file 'none.csv'"


def test_a_glob_that_matches_nothing(folder: Path) -> None:
    assert refusal(f"{folder}/*.csv") == "Setting `user_ids_path`: no file matches '*.csv'"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("members.txt", ""),
        ("members.txt", " \n\n"),
        ("members.csv", ""),
        ("members.csv", "\n\n"),
        ("members.csv", "user_id,name\n"),
        ("members.csv", "user_id,name\n,\n\n"),
        ("members.jsonl", ""),
    ],
)
@pytest.mark.parametrize("column", [None, "user_id"])
def test_a_file_without_ids(folder: Path, name: str, content: str, column: str | None) -> None:
    path = put(folder, name, content)
    assert refusal(path, column=column) == f"Setting `user_ids_path`: '{name}' holds no ids"


@pytest.mark.parametrize("name", ["members.txt", "members.csv", "members.jsonl"])
@pytest.mark.parametrize("content", [b"\xff\xfe1\x00\n\x00", b"id\n\xe9\n", b"id\n1\n\xc3"])
def test_a_file_that_is_not_utf_8(folder: Path, name: str, content: bytes) -> None:
    path = put(folder, name, content.replace(b"id\n", b"id\n" if name.endswith("csv") else b""))
    assert refusal(path) == f"Setting `user_ids_path`: '{name}' is not UTF-8 text"


def test_a_folder_in_place_of_a_file(folder: Path) -> None:
    (folder / "members.txt").mkdir()
    assert refusal(f"{folder}/members.txt") == (
        "Setting `user_ids_path`: cannot read 'members.txt': Is a directory"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (gzip.compress(b"1\n" * 5000, mtime=0)[:30], "EOFError"),
        (b"1\n2\n", "BadGzipFile"),
        (gzip.compress(b"1\n" * 5000, mtime=0)[:12] + b"\xff" * 40, "error"),
    ],
    ids=["cut short", "not compressed", "garbled"],
)
def test_a_compressed_file_that_is_broken(folder: Path, content: bytes, reason: str) -> None:
    assert refusal(put(folder, "members.gz", content)) == (
        f"Setting `user_ids_path`: cannot read 'members.gz': {reason}"
    )


def test_a_filesystem_that_nobody_knows() -> None:
    assert refusal("nofs://user:word@host.test/members.csv") == (
        "Setting `user_ids_path`: cannot open 'members.csv': fsspec does not support its protocol"
    )


def test_a_filesystem_whose_library_is_not_installed() -> None:
    fsspec.register_implementation(
        "absent", "no_such_library.Files", clobber=True, errtxt="Install no_such_library"
    )
    assert refusal("absent://bucket/members.csv") == (
        "Setting `user_ids_path`: cannot open 'members.csv': Install no_such_library"
    )


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_web_address_without_its_library_names_it(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    # Another test of this process may have loaded what needs it.
    monkeypatch.delitem(sys.modules, "fsspec.implementations.http", raising=False)
    loaded = sys.modules["fsspec.registry"]._registry  # noqa: SLF001
    monkeypatch.delitem(loaded, scheme, raising=False)
    assert refusal(f"{scheme}://user:word@host.test/members.csv?sig=abc") == (
        "Setting `user_ids_path`: cannot open 'members.csv': http and https URLs need aiohttp: "
        "pip install aiohttp; or use a copy of the file"
    )


@settings(max_examples=60, deadline=None)
@given(ids=st.lists(st.integers(1, 2**63 - 1), min_size=1, max_size=8), data=st.data())
def test_ids_are_the_same_from_any_kind_of_file(ids: list[int], data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["txt", "csv", "jsonl"]))
    lines = {
        "txt": [*map(str, ids)],
        "csv": ["name,id", *(f'"x, ""y""",{number}' for number in ids)],
        "jsonl": [f'{{"id": {number}, "name": "x"}}' for number in ids],
    }[kind]
    with fsspec.open(f"memory://any/members.{kind}", "w", newline="") as file:
        file.write(data.draw(st.sampled_from(["\n", "\r\n"])).join(lines))
    assert read(f"memory://any/members.{kind}") == ids
