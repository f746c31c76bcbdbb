"""The members of the roster that CrowdTwist does not know, and the file that lists all of them.

The file is CSV with one column, so that it can be joined with the source of the roster, or be a
roster itself. Members stand in it as in the state: by their ids, or by hashes if `sensitive_data`
withholds the ids.
"""

from __future__ import annotations

import csv
import os
import re
import tempfile
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from fsspec.utils import glob_translate

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.files.paths import describe_error, display_name
from tap_crowdtwist.records.member_id import ID_TYPES, parse_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_crowdtwist.members.roster import Roster, Shard

_SETTING = "missing_members_path"
_FOUND, _MISSING = 1, 2
_HASHED = "_hashed"
_LOCAL = re.compile("^(?:file|local)://")
_HEADERS = frozenset(ID_TYPES) | {f"{id_type}{_HASHED}" for id_type in ID_TYPES}


class MissingMembers:
    """The members that CrowdTwist does not know, in one byte per member; for all streams together.

    Attributes:
        expected: the largest number that a sweep has counted, including its earlier runs.
    """

    def __init__(self) -> None:
        self._answers = bytearray()
        self.expected = 0

    def record(self, position: int, *, missing: bool) -> None:
        """Record whether a member, by its position in the roster, is missing."""
        answers = self._answers
        # `max`: a member that is missing in one stream stays missing, whatever other streams say.
        answers.extend(bytes(max(0, position + 1 - len(answers))))
        answers[position] = max(answers[position], _MISSING if missing else _FOUND)

    @property
    def asked(self) -> bool:
        """Whether CrowdTwist has answered for any member."""
        return bool(self._answers)

    def has(self, position: int) -> bool:
        """Return whether CrowdTwist does not know a member."""
        return self._answers[position : position + 1] == bytes([_MISSING])

    def __len__(self) -> int:
        return self._answers.count(_MISSING)

    def __iter__(self) -> Iterator[int]:
        return _positions(self._answers)

    def write(self, path: Path, roster: Roster, *, is_part: bool) -> int:
        """Write the file, and return how many members it lists.

        A run that resumes a sweep, or is stopped, requests only a part of the roster. So a member
        that is in the file and was not requested stays in it.

        Args:
            path: the file; replaced if it exists.
            roster: the roster of the run.
            is_part: whether the roster has only some of the members, such as those that changed;
                if so, members of the file that are not in the roster stay too.

        Raises:
            SettingError: the file cannot be written, or exists and is not such a file.
        """
        try:
            return self._write(path, roster, is_part=is_part)
        except OSError as error:
            raise SettingError(
                _SETTING, f"cannot write {display_name(str(path))}: {describe_error(error)}"
            ) from None

    def _write(self, path: Path, roster: Roster, *, is_part: bool) -> int:
        header = roster.id_type + (_HASHED if roster.is_pseudonymized else "")
        answers = bytearray(self._answers.ljust(len(roster), b"\0"))
        others = []
        for name in _names(path, header):
            # An id is invalid only if somebody edited the file.
            position = roster.position(parse_id(name, header))
            if position is None:
                others.append(name)
            elif answers[position] != _FOUND:
                answers[position] = _MISSING
        kept = others if is_part else []
        listed = map(roster.name, _positions(answers))
        # A draft beside the file, renamed at the end: a crash never leaves half a file.
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                rows = csv.writer(file, lineterminator="\n")
                rows.writerows(zip(chain([header], kept, listed)))
            Path(draft).replace(path)
        finally:
            with suppress(FileNotFoundError):
                Path(draft).unlink()
        return answers.count(_MISSING) + len(kept)


def _positions(answers: bytearray) -> Iterator[int]:
    """Yield the positions of the members that are missing."""
    return (position for position, answer in enumerate(answers) if answer == _MISSING)


def path_of_shard(path: str, shard: Shard) -> Path:
    """Return the path of a shard's file, so that shards do not overwrite each other's."""
    whole = Path(path)
    if shard.count == 1:
        return whole
    return whole.with_name(f"{whole.stem}-{shard.number}-of-{shard.count}{whole.suffix}")


def check_path(path: Path | None, user_ids_path: str | None) -> None:
    """Check, before hours of reading, that the file can be written and replaces no other file.

    Args:
        path: the path of the file, or None.
        user_ids_path: the path, glob or URL of the roster, or None.

    Raises:
        SettingError: the file cannot be written, or would replace another one.
    """
    if path is None:
        return
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise SettingError(_SETTING, "is in a folder that does not exist or is not writable")
    if user_ids_path and _is_among(path, user_ids_path):
        raise SettingError(_SETTING, "must not be one of the files of `user_ids_path`")
    try:
        # No header equals "", so this reads the first line alone.
        next(_names(path, ""), None)
    except OSError as error:
        raise SettingError(
            _SETTING, f"cannot read {display_name(str(path))}: {describe_error(error)}"
        ) from None


def _is_among(path: Path, roster: str) -> bool:
    """Return whether a file is one that a path, glob or URL names, or would be if it were there."""
    pattern = Path(_LOCAL.sub("", roster)).resolve()
    return re.match(glob_translate(str(pattern)), str(path.resolve())) is not None


def _names(path: Path, header: str) -> Iterator[str]:
    """Yield the members in a file, unless it has another header than the given one.

    Raises:
        SettingError: it is not a file of missing members.
        OSError: it cannot be read.
    """
    if not path.exists():
        return
    other_file = SettingError(
        _SETTING,
        f"{display_name(str(path))} exists and is not a file of missing members; set another path",
    )
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            first_row = ",".join(next(rows, []))
            if first_row not in _HEADERS:
                raise other_file
            if first_row == header:
                yield from chain.from_iterable(rows)
    except (UnicodeError, csv.Error, IsADirectoryError):
        raise other_file from None
