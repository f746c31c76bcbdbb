"""Which members of the roster CrowdTwist does not know, and the file that names all of them.

The file is CSV with one column, so that it can be joined with what the roster was made of, or be a
roster itself. Members are called in it what a state calls them: by their ids, or by their hashes
where `sensitive_data` withholds those.
"""

from __future__ import annotations

import csv
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import fsspec

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.files.paths import describe_error, display_name
from tap_crowdtwist.records.member_id import ID_TYPES, parse_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_crowdtwist.members.roster import Roster, Shard

_SETTING = "missing_members_path"
_FOUND, _MISSING = 1, 2
_HASHED = "_hashed"
_LOCAL = ("file://", "local://")
_HEADERS = frozenset(ID_TYPES) | {f"{id_type}{_HASHED}" for id_type in ID_TYPES}


class MissingMembers:
    """The members whom CrowdTwist does not know in some stream, in a byte per member.

    Attributes:
        expected: how many a sweep has counted at the most, with those that earlier runs found.
    """

    def __init__(self) -> None:
        self._answers = bytearray()
        self.expected = 0

    def note(self, position: int, *, missing: bool) -> None:
        """Note whether a member, by its place in the roster, is missing."""
        answers = self._answers
        answers.extend(bytes(max(0, position + 1 - len(answers))))
        answers[position] = max(answers[position], _MISSING if missing else _FOUND)

    @property
    def asked(self) -> bool:
        """Whether CrowdTwist has answered about anybody."""
        return bool(self._answers)

    def __len__(self) -> int:
        return self._answers.count(_MISSING)

    def __iter__(self) -> Iterator[int]:
        return (place for place, answer in enumerate(self._answers) if answer == _MISSING)

    def write(self, path: Path, roster: Roster, *, changed: bool) -> int:
        """Write the file, and return how many members it names.

        A run that goes on with a sweep, or is stopped itself, asks about a part of the roster. So
        whoever is in the file and was not asked about stays in it.

        Args:
            path: where the file is, or is to be.
            roster: who was asked about.
            changed: whether these are only the members who changed; the others stay in the file.

        Raises:
            SettingError: it cannot be written, or what is there is another file.
        """
        try:
            return self._write(path, roster, changed=changed)
        except OSError as error:
            raise SettingError(
                _SETTING, f"cannot write {display_name(str(path))}: {describe_error(error)}"
            ) from None

    def _write(self, path: Path, roster: Roster, *, changed: bool) -> int:
        header = roster.id_type + (_HASHED if roster.is_pseudonymized else "")
        known, strangers = bytearray(self._answers.ljust(len(roster), b"\0")), []
        for name in _names(path, header):
            # A numeric id may be unreadable by now only if somebody edited the file.
            position = roster.position(parse_id(name, "id") if header == "id" else name)
            if position is None:
                strangers += [name] if changed else []
            elif not known[position]:
                known[position] = _MISSING
        listed = (roster.name(place) for place, answer in enumerate(known) if answer == _MISSING)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                rows = csv.writer(file, lineterminator="\n")
                rows.writerows([each] for each in (header, *strangers))
                rows.writerows([each] for each in listed)
            Path(draft).replace(path)
        finally:
            with suppress(FileNotFoundError):
                Path(draft).unlink()
        return known.count(_MISSING) + len(strangers)


def path_of_shard(path: str, shard: Shard) -> Path:
    """Return where the file of a shard is; those of several must not overwrite each other."""
    whole = Path(path)
    if shard.count == 1:
        return whole
    return whole.with_name(f"{whole.stem}-{shard.number}-of-{shard.count}{whole.suffix}")


def check_path(path: Path | None, user_ids_path: str | None) -> None:
    """Make sure, before hours of reading, that the file can be written and replaces nothing else.

    Args:
        path: where the file is to be, or None.
        user_ids_path: where the roster is, if in files.

    Raises:
        SettingError: it cannot, or it would.
    """
    if path is None:
        return
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise SettingError(_SETTING, "is in a folder that does not exist or cannot be written to")
    if user_ids_path and _is_among(path, user_ids_path):
        raise SettingError(_SETTING, "must not be one of the files of `user_ids_path`")
    try:
        next(_names(path, ""), None)
    except OSError as error:
        raise SettingError(
            _SETTING, f"cannot read {display_name(str(path))}: {describe_error(error)}"
        ) from None


def _is_among(path: Path, roster: str) -> bool:
    """Return whether a file is one that a path, glob or URL names, or would be if it were there."""
    if path.absolute().match(str(Path(roster.removeprefix("file://")).absolute())):
        return True
    if "://" in roster and not roster.startswith(_LOCAL):
        return False
    found: list[str] = []
    with suppress(OSError, ValueError):  # said when the roster is read
        found = fsspec.filesystem("file").glob(roster)
    return path.resolve() in {Path(name).resolve() for name in found}


def _names(path: Path, header: str) -> Iterator[str]:
    """Yield the names in a file, unless they are of another kind than the given one.

    Raises:
        SettingError: it is not a file of missing members.
        OSError: it cannot be read.
    """
    if not path.exists():
        return
    other = SettingError(
        _SETTING,
        f"{display_name(str(path))} is there, and is not a file of missing members; "
        "name another one",
    )
    if not path.is_file():
        raise other
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            found = next(rows, [])
            if len(found) != 1 or found[0] not in _HEADERS:
                raise other
            if found[0] == header:
                yield from (row[0] for row in rows if row)
    except (UnicodeError, csv.Error):
        raise other from None
