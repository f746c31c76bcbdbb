"""Finds the files of one kind in a folder, a glob or any URL that fsspec knows, and opens them."""

from __future__ import annotations

import hashlib
import logging
import zipfile
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from fsspec import AbstractFileSystem
from fsspec.core import has_magic

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.files.filesystems import url_to_fs
from tap_crowdtwist.files.packing import PackingError, check_regular
from tap_crowdtwist.files.paths import base_name, describe_error, redact_url, without_query

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import datetime

    from tap_crowdtwist.files.naming import FileNaming, ParsedName

logger = logging.getLogger(__name__)

_CONTENT_KEYS = ("md5Hash", "crc32c", "ETag", "etag", "content_md5", "checksum", "hash")
"""Under which names file systems tell of a file's content."""

_PERIODS_AHEAD = 2
"""Slots by which a file may be ahead of this machine: clocks differ, and days by time zone."""

_OLDEST_PERIOD = -(1 << 40)
"""Slots by which files of days to come are put before all others."""

_MODIFIED_KEYS = ("mtime", "LastModified", "last_modified", "updated", "created")
"""Under which names they tell when it was last written."""


@dataclass(frozen=True)
class File:
    """A file of a feed.

    Attributes:
        name: its name alone.
        path: where the file system finds it.
        feed: which feed it belongs to.
        timestamp: the day or hour that it is about, or when it was sent; aware, UTC.
        period: the number of that day or hour; one before all others if it is still to come.
        size: in bytes.
        identity: what changes when its content does.
    """

    name: str
    path: str = field(repr=False)
    feed: str
    timestamp: datetime
    period: int
    size: int
    identity: str
    ahead: bool = False
    """Whether its name has a date to come, so that a clock is or was wrong."""
    correct_name: str | None = None
    """What it should be called, if its name is only nearly right; it must not be read then."""


class FileSource:
    """Where the files of one kind are.

    Args:
        path: a folder (searched with what is below it), a glob, a file, or a URL of one.
        naming: how its files are named.
        growing: whether files are appended to, so that their size alone tells a change.
        known_hosts: a file with keys of SFTP hosts, beside the user's own.
    """

    def __init__(
        self,
        path: str,
        naming: FileNaming,
        *,
        growing: bool = False,
        known_hosts: str | None = None,
    ) -> None:
        self.naming = naming
        self._path = path
        self._growing = growing
        try:
            self._files, self._root = url_to_fs(path, known_hosts)
        except SettingError:
            raise
        except Exception as error:  # noqa: BLE001 - each file system has its own
            raise self._refuse(f"cannot open {redact_url(path)}: {describe_error(error)}") from None

    def files(self, now: datetime, feed: str | None = None) -> list[File]:
        """List the files of this kind, in the order of their days and names.

        Those whose names are nearly right are among them, see `misnamed`.

        Args:
            now: the present.
            feed: of which feed; of all, if not given.

        Raises:
            SettingError: there is no such place, it cannot be read, it holds other files only, or
                files of several programs.
        """
        try:
            self._files.invalidate_cache()
            found = self._find()
        except FileNotFoundError:
            raise self._refuse(f"there is no folder or file {redact_url(self._path)}") from None
        except SettingError:
            raise
        except Exception as error:  # noqa: BLE001 - each file system has its own
            raise self._refuse(
                f"cannot read {redact_url(self._path)}: {describe_error(error)}"
            ) from None
        known, others = [], []
        for path, info in found.items():
            name = base_name(path)
            said = self.naming.parse(self.naming.correct(name) or name)
            if said is not None:
                self._check_regular(name, path, info)
                known.append((name, said, path, info))
            elif not name.startswith("."):  # which is how unfinished files are hidden
                others.append(name)
        self._check({name: said for name, said, _, _ in known}, others)
        files = [
            self._file(name, said, path, info, now)
            for name, said, path, info in known
            if feed in {None, said.feed}
        ]
        return sorted(files, key=lambda file: (file.period, file.name, file.path))

    def open(self, file: File) -> IO[bytes]:
        """Open a file for reading bytes."""
        opened: IO[bytes] = self._files.open(file.path, "rb")
        return opened

    def ahead(self, files: Collection[File]) -> SettingError:
        """Return what is wrong with files that were not read since they have a date to come."""
        return self._refuse(
            f"the name of {min(file.name for file in files)!r} has a date to come, so the file was "
            f"not read ({len(files)} in all); rename or remove it, or set the clock"
        )

    def misnamed(self, files: Collection[File]) -> SettingError:
        """Return what is wrong with files whose names are only nearly right."""
        first = min(files, key=lambda file: file.name)
        return self._refuse(
            f"the name of {first.name!r} is nearly that of a file of {first.feed}, so the file was "
            f"not read ({len(files)} in all); rename it to {first.correct_name!r}, or remove it if "
            "that file is there already"
        )

    def _file(
        self, name: str, said: ParsedName, path: str, info: Mapping[str, Any], now: datetime
    ) -> File:
        period, size = self.naming.number(said.timestamp), int(info.get("size") or 0)
        ahead = said.timestamp - now > _PERIODS_AHEAD * self.naming.period
        if ahead:
            # Among the newest it would make all that is really new look old; and where the order
            # of the files matters, its rows would have the last word until that day.
            period += _OLDEST_PERIOD
        identity = self._identity(path, info)
        correct_name = self.naming.correct(name)
        return File(
            name, path, said.feed, said.timestamp, period, size, identity, ahead, correct_name
        )

    def _find(self) -> dict[str, Mapping[str, Any]]:
        root = self._root
        if has_magic(root):
            matches = self._files.glob(root, detail=True)
            found = {path: at for path, at in matches.items() if at.get("type") != "directory"}
            if found:
                return found
            # Brackets and question marks may be part of the name of a folder (filesystem_spec#838).
            if not self._files.exists(root):
                raise self._refuse(f"no file matches {redact_url(self._path)}")
        if type(self._files).find is AbstractFileSystem.find:
            return dict(self._below(root))
        found = self._files.find(root, detail=True)
        if not found and not self._files.exists(root):
            raise FileNotFoundError
        return {path: at for path, at in found.items() if not _is_aside(path.removeprefix(root))}

    def _below(self, folder: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield files with what is known of them; unlike `find`, fail where one cannot look.

        Hidden folders are passed over: there are unfinished transfers in them, and snapshots.
        """
        for info in self._files.ls(folder, detail=True):
            path = info["name"].rstrip("/")
            if path != folder and base_name(path).startswith("."):
                continue
            if info["type"] == "directory" and path != folder:
                yield from self._below(path)
            else:
                yield path, info

    def _check(self, known: Mapping[str, ParsedName], others: list[str]) -> None:
        example = self.naming.example
        if others and not known:
            raise self._refuse(
                f"no file in {redact_url(self._path)} has a name such as {example}; there is, for "
                f"example, {min(others)!r}"
            )
        if others:
            logger.warning(
                "%s: left alone for their names, which are not such as %s: %d, for example %r",
                self.naming.setting,
                example,
                len(others),
                min(others),
            )
        programs = {said.program for said in known.values()}
        if len(programs) > 1:
            raise self._refuse(
                f"holds files of several programs ({', '.join(sorted(programs))}), whose members "
                f"must not be mixed; name one program's files, such as …/*_{min(programs)}_*"
            )

    def _identity(self, path: str, info: Mapping[str, Any]) -> str:
        size = info.get("size")
        if self._growing:
            return f"{size}"
        for name in _CONTENT_KEYS:
            if info.get(name):
                return f"{size} {info[name]}"
        if _is_zip(path) and "file" in _protocols(self._files):
            try:
                with zipfile.ZipFile(path) as archive:
                    parts = [(part.filename, part.CRC) for part in archive.infolist()]
            except Exception:  # noqa: BLE001, S110 - told when it is read
                pass
            else:
                return f"{size} {parts}"
        return f"{size} {next((info[name] for name in _MODIFIED_KEYS if info.get(name)), '')}"

    def _check_regular(self, name: str, path: str, info: Mapping[str, Any]) -> None:
        """Refuse pipes and devices; a folder's listing calls links the same as these."""
        if info.get("type") == "other":
            try:
                check_regular(self._files, path)
            except PackingError as error:
                raise self._refuse(f"{name!r} {error}") from None

    def _refuse(self, problem: str) -> SettingError:
        return SettingError(self.naming.setting, problem)


def digest_of(file: File, size: int | None = None) -> int:
    """Give a number of 24 bits for what a file is called and what it holds.

    Args:
        file: the file.
        size: how much of it was read, where that tells its content; all of it, if not given.
    """
    identity = file.identity if size is None else f"{size}"
    text = f"{file.name}\0{identity}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=3).digest(), "big") or 1


def _is_aside(inner: str) -> bool:
    """Return whether a path below the folder is in a hidden one, or marks a folder itself.

    Consoles of object stores make an empty object whose name ends in a slash for a new folder.
    """
    folders = inner.split("/")[:-1]
    return inner.endswith("/") or any(folder.startswith(".") for folder in folders)


def _is_zip(path: str) -> bool:
    return without_query(path).lower().endswith(".zip")


def _protocols(files: Any) -> tuple[str, ...]:
    protocol = files.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
