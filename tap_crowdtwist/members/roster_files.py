"""Reading of the ids of a roster from settings and from files: text, CSV or JSON lines.

A file may be a path, a glob or any URL that fsspec supports. The ending of its name decides on the
format: .csv or .tsv, .jsonl, .ndjson or .json; anything else is text. Each may be compressed
(`files.packing`), as in members.csv.gz. Files are streamed.
"""

from __future__ import annotations

import io
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.files.filesystems import open_files
from tap_crowdtwist.files.packing import PackingError, check_regular, open_unpacked
from tap_crowdtwist.files.paths import describe_error, display_name
from tap_crowdtwist.members.roster_columns import FILES_WITH_FIELDS, values_with_lines
from tap_crowdtwist.records.member_id import SEPARATORS, bare, parse_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_crowdtwist.records.member_id import Member

_SETTING = "user_ids_path"
_EXPECTED = {
    "id": ("a numeric CrowdTwist id", "numeric CrowdTwist ids"),
    "email": ("an e-mail address", "e-mail addresses"),
}

_MAX_SHOWN = 5
"""Places that an error names."""


def ids_from_setting(user_ids: Iterable[Any], id_type: str) -> Iterator[Member]:
    """Yield the ids of the setting `user_ids`.

    Raises:
        SettingError: an entry is not an id of this type.
    """
    return (member for _, member in located_in_setting(user_ids, id_type))


def located_in_setting(user_ids: Iterable[Any], id_type: str) -> Iterator[tuple[str, Member]]:
    """Yield the ids of `ids_from_setting`, each with its place as text, such as "entry 3 of …"."""
    bad = _BadIds(id_type)
    for place, value in enumerate(user_ids, start=1):
        member = parse_id(str(value), id_type)
        if member is None:
            bad.add(place, str(value))
        elif not bad:
            yield f"entry {place} of `user_ids`", member
    if bad:
        raise SettingError("user_ids", bad.describe("entry", "entries"))


def ids_from_files(
    path: str, id_type: str, column: str | None = None, known_hosts: str | None = None
) -> Iterator[Member]:
    """Yield the ids of all files that a path, glob or URL names, in the order of their names.

    Args:
        path: a path, a glob or an fsspec URL.
        id_type: the type of the ids.
        column: the CSV column or JSON property that holds them.
        known_hosts: a file with keys of SFTP hosts, in addition to the user's own.

    Raises:
        SettingError: there is no such file, it cannot be read, it holds no id, or a line of it
            is not an id.
    """
    return (member for _, member in located_in_files(path, id_type, column, known_hosts))


def located_in_files(
    path: str, id_type: str, column: str | None = None, known_hosts: str | None = None
) -> Iterator[tuple[str, Member]]:
    """Yield the ids of `ids_from_files`, each with its place as text: line and file."""
    try:
        files = open_files(path, known_hosts, mode="rb")
    except SettingError:
        raise
    except Exception as error:  # noqa: BLE001 - each filesystem has its own
        raise SettingError(
            _SETTING, f"cannot open {display_name(path)}: {describe_error(error)}"
        ) from None
    if not files:
        raise SettingError(_SETTING, f"no file matches {display_name(path)}")
    for file in files:
        yield from _from_file(file, id_type, column)


def _from_file(file: Any, id_type: str, column: str | None) -> Iterator[tuple[str, Member]]:
    name = display_name(file.path)
    try:
        check_regular(file.fs, file.path)
        with file as raw, ExitStack() as inner:
            unpacked_name, content = open_unpacked(file.path, raw, inner)
            # "-sig": Excel puts a byte order mark first. newline "": line ends are left to csv.
            lines = io.TextIOWrapper(content, encoding="utf-8-sig", newline="")
            values = values_with_lines(unpacked_name, name, lines, id_type, column)
            has_fields = unpacked_name.endswith(FILES_WITH_FIELDS)
            yield from _checked(values, name, id_type, has_fields=has_fields)
    except SettingError:
        raise
    except PackingError as error:
        raise SettingError(_SETTING, f"{name} {error}") from None
    except FileNotFoundError:
        raise SettingError(_SETTING, f"there is no file {name}") from None
    except UnicodeError:
        raise SettingError(_SETTING, f"{name} is not UTF-8 text") from None
    except Exception as error:  # noqa: BLE001 - each filesystem and compression has its own
        raise SettingError(_SETTING, f"cannot read {name}: {describe_error(error)}") from None


def _checked(
    values: Iterable[tuple[int, str]], name: str, id_type: str, *, has_fields: bool
) -> Iterator[tuple[str, Member]]:
    """Yield the members in some lines, up to the first line without a valid id.

    Raises:
        SettingError: lines have no valid id, or there is no line. It is raised after the last line,
            so that it can count them all.
    """
    is_empty, bad = True, _BadIds(id_type)
    for number, value in values:
        is_empty = False
        member = parse_id(value, id_type)
        if member is None:
            bad.add(number, value)
        elif not bad:
            yield f"line {number} of {name}", member
    if is_empty:
        raise SettingError(_SETTING, f"{name} holds no ids")
    if bad:
        problem = bad.describe(f"line of {name}", f"lines of {name}")
        raise SettingError(_SETTING, f"{problem}{bad.advice(has_fields=has_fields)}")


class _BadIds:
    """Entries of a roster that are not valid ids: their number, and where the first ones are."""

    def __init__(self, id_type: str) -> None:
        self._one, self._many = _EXPECTED.get(
            id_type, (f"an id of type {id_type}", f"ids of type {id_type}")
        )
        self._empty: list[int] = []
        self._wrong: list[int] = []
        self._empty_count = 0
        self._wrong_count = 0
        self._has_separators = False

    def __bool__(self) -> bool:
        return bool(self._empty_count or self._wrong_count)

    def add(self, place: int, value: str) -> None:
        """Add an entry, by the number of its line or place."""
        text = bare(value)
        if text:
            self._wrong_count += 1
            places = self._wrong
            self._has_separators |= not SEPARATORS.isdisjoint(text)
        else:
            self._empty_count += 1
            places = self._empty
        if len(places) < _MAX_SHOWN:
            places.append(place)

    def describe(self, one: str, many: str) -> str:
        """Return what is wrong, without the values, which may be personal.

        Args:
            one: the word for a place, such as "entry".
            many: its plural.
        """
        kinds = (
            (self._empty, self._empty_count, "has no id", "have no id"),
            (self._wrong, self._wrong_count, f"is not {self._one}", f"are not {self._many}"),
        )
        return ", and ".join(
            _with_places(places, count, f"{one} {is_bad}", f"{many} {are_bad}")
            for places, count, is_bad, are_bad in kinds
            if count
        )

    def advice(self, *, has_fields: bool) -> str:
        """Return advice on the lines of a file, to be added to the error message; may be "".

        Args:
            has_fields: whether the file is of a kind that has columns already.
        """
        if self._has_separators and not has_fields:
            return (
                "; put one id on each line, or give a file that ends in .csv and whose first line "
                "names the columns"
            )
        return "; check `id_type` too" if self._wrong else ""


def _with_places(places: Sequence[int], count: int, one: str, many: str) -> str:
    if count == 1:
        return re.sub(r"^(line|entry)", rf"\1 {places[0]}", one)
    further = ", …" if count > len(places) else ""
    return f"{count:,} {many} ({', '.join(map(str, places))}{further})"
