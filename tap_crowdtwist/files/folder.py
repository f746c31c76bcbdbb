"""Finding and opening the files of one kind in a folder, a glob or any URL that fsspec supports."""

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
"""Names under which file systems report a checksum of a file's content."""

_ALLOWED_PERIODS_AHEAD = 2
"""Days or hours by which a file name may be ahead of this machine's clock.

Clocks differ, and so do days between time zones.
"""

_FUTURE_OFFSET = -(1 << 40)
"""Added to the period of files with a future date, which sorts them before all others."""

_MODIFIED_KEYS = ("mtime", "LastModified", "last_modified", "updated", "created")
"""Names under which file systems report when a file was last written."""


@dataclass(frozen=True)
class File:
    """A file of a feed.

    Attributes:
        name: the last part of its path.
        path: its path in the file system.
        feed: the feed that it belongs to.
        timestamp: the day or hour in its name, or when it was sent; aware, UTC.
        period: the number of that day or hour; lower than all others if it is in the future.
        size: in bytes.
        identity: text that changes when the content changes.
    """

    name: str
    path: str = field(repr=False)
    feed: str
    timestamp: datetime
    period: int
    size: int
    identity: str
    is_ahead: bool = False
    """Whether its name has a date in the future, so that some clock is or was wrong."""
    correct_name: str | None = None
    """The name it should have, if its name is only nearly right; such a file must not be read."""


class FileSource:
    """The place where the files of one kind are.

    Args:
        path: a folder (searched with its subfolders), a glob, a file, or a URL of one.
        naming: how its files are named.
        growing: whether files are appended to, so that a change shows in their size alone.
        known_hosts: a file with keys of SFTP hosts, in addition to the user's own.
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
            raise self._setting_error(
                f"cannot open {redact_url(path)}: {describe_error(error)}"
            ) from None

    def files(self, now: datetime, feed: str | None = None) -> list[File]:
        """Return the files of this kind, in the order of their periods and names.

        They include files whose names are only nearly right, see `misnamed_error`.

        Args:
            now: the current time.
            feed: the feed whose files are wanted; all feeds if not given.

        Raises:
            SettingError: the place does not exist, cannot be read, or contains only other files or
                files of several programs.
        """
        try:
            # fsspec caches listings per process, so new files would not show.
            self._files.invalidate_cache()
            entries = self._find()
        except FileNotFoundError:
            raise self._setting_error(
                f"there is no folder or file {redact_url(self._path)}"
            ) from None
        except SettingError:
            raise
        except Exception as error:  # noqa: BLE001 - each file system has its own
            raise self._setting_error(
                f"cannot read {redact_url(self._path)}: {describe_error(error)}"
            ) from None
        matches, others = [], []
        for path, info in entries.items():
            name = base_name(path)
            parsed = self.naming.parse(self.naming.correct(name) or name)
            if parsed is not None:
                self._check_regular(name, path, info)
                matches.append((name, parsed, path, info))
            elif not name.startswith("."):  # transfer tools hide unfinished files this way
                others.append(name)
        self._check({name: parsed for name, parsed, _, _ in matches}, others)
        files = [
            self._file(name, parsed, path, info, now)
            for name, parsed, path, info in matches
            if feed in {None, parsed.feed}
        ]
        return sorted(files, key=lambda file: (file.period, file.name, file.path))

    def open(self, file: File) -> IO[bytes]:
        """Open a file for reading bytes."""
        opened: IO[bytes] = self._files.open(file.path, "rb")
        return opened

    def ahead_error(self, files: Collection[File]) -> SettingError:
        """Return an error about files that were not read because their date is in the future."""
        return self._setting_error(
            f"the name of {min(file.name for file in files)!r} has a date in the future, so the "
            f"file was not read ({len(files)} in all); rename or remove it, or correct the clock"
        )

    def misnamed_error(self, files: Collection[File]) -> SettingError:
        """Return an error about files that were not read because their names are nearly right."""
        first = min(files, key=lambda file: file.name)
        return self._setting_error(
            f"the name of {first.name!r} is close to that of a {first.feed} file, so the file was "
            f"not read ({len(files)} in all); rename it to {first.correct_name!r}, or remove it if "
            "that file already exists"
        )

    def _file(
        self, name: str, parsed: ParsedName, path: str, info: Mapping[str, Any], now: datetime
    ) -> File:
        period = self.naming.period_number(parsed.timestamp)
        is_ahead = parsed.timestamp - now > _ALLOWED_PERIODS_AHEAD * self.naming.period
        if is_ahead:
            # As the newest file it would make all really new files look old. Where the order of
            # the files matters, its rows would also override all others until that date.
            period += _FUTURE_OFFSET
        return File(
            name,
            path,
            parsed.feed,
            parsed.timestamp,
            period,
            int(info.get("size") or 0),
            self._identity(path, info),
            is_ahead,
            self.naming.correct(name),
        )

    def _find(self) -> dict[str, Mapping[str, Any]]:
        root = self._root
        if has_magic(root):
            matches = self._files.glob(root, detail=True)
            files = {path: at for path, at in matches.items() if at.get("type") != "directory"}
            if files:
                return files
            # Brackets and question marks may be part of a folder's name (filesystem_spec#838).
            if not self._files.exists(root):
                raise self._setting_error(f"no file matches {redact_url(self._path)}")
        # The generic `find` walks folder by folder and ignores folders that it cannot list, so
        # missing permissions would look like missing files. Object stores have a `find` of their
        # own that lists all in one request and raises.
        if type(self._files).find is AbstractFileSystem.find:
            return dict(self._walk(root))
        files = self._files.find(root, detail=True)
        if not files and not self._files.exists(root):
            raise FileNotFoundError
        return {path: at for path, at in files.items() if not _is_hidden(path.removeprefix(root))}

    def _walk(self, folder: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the path and the listing entry of each file; raise if a folder cannot be listed.

        Hidden folders are skipped: they hold unfinished transfers and snapshots.
        """
        for info in self._files.ls(folder, detail=True):
            path = info["name"].rstrip("/")
            if path != folder and base_name(path).startswith("."):
                continue
            if info["type"] == "directory" and path != folder:
                yield from self._walk(path)
            else:
                yield path, info

    def _check(self, known: Mapping[str, ParsedName], others: list[str]) -> None:
        example = self.naming.example
        if others and not known:
            raise self._setting_error(
                f"no file in {redact_url(self._path)} has a name such as {example}; it "
                f"contains, for example, {min(others)!r}"
            )
        if others:
            logger.warning(
                "%s: ignored %d files whose names are not like %s (first: %r)",
                self.naming.setting,
                len(others),
                example,
                min(others),
            )
        programs = {parsed.program for parsed in known.values()}
        if len(programs) > 1:
            raise self._setting_error(
                f"contains files of several programs ({', '.join(sorted(programs))}), whose "
                f"members must not be mixed; select the files of one, such as …/*_{min(programs)}_*"
            )

    def _identity(self, path: str, info: Mapping[str, Any]) -> str:
        # From the surest sign of a change to the weakest: a checksum that the file system reports,
        # the checksums inside a local zip, and last the time of writing, which a copy may change.
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
            except Exception:  # noqa: BLE001, S110 - reading it raises the error
                pass
            else:
                return f"{size} {parts}"
        return f"{size} {next((info[name] for name in _MODIFIED_KEYS if info.get(name)), '')}"

    def _check_regular(self, name: str, path: str, info: Mapping[str, Any]) -> None:
        """Raise if a file is a pipe or a device."""
        # A listing calls links "other" too, so the type alone does not decide.
        if info.get("type") == "other":
            try:
                check_regular(self._files, path)
            except PackingError as error:
                raise self._setting_error(f"{name!r} {error}") from None

    def _setting_error(self, problem: str) -> SettingError:
        return SettingError(self.naming.setting, problem)


def digest_of(file: File, size: int | None = None) -> int:
    """Return a 24-bit digest of a file's name and content, never 0.

    Args:
        file: the file.
        size: bytes that were read of a growing file, in place of its identity.
    """
    identity = file.identity if size is None else f"{size}"
    text = f"{file.name}\0{identity}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=3).digest(), "big") or 1


def _is_hidden(inner: str) -> bool:
    """Return whether a path is in a hidden subfolder, or stands for a folder itself.

    For a new folder, the consoles of object stores create an empty object whose name ends in a
    slash.
    """
    folders = inner.split("/")[:-1]
    return inner.endswith("/") or any(folder.startswith(".") for folder in folders)


def _is_zip(path: str) -> bool:
    return without_query(path).lower().endswith(".zip")


def _protocols(files: Any) -> tuple[str, ...]:
    protocol = files.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
