"""Finding and opening the files of one kind in a folder, a glob or any URL that fsspec supports."""

from __future__ import annotations

import hashlib
import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from fsspec.core import has_magic
from fsspec.implementations.local import LocalFileSystem

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.files.filesystems import url_to_fs
from tap_crowdtwist.files.listing import content_identity, list_files
from tap_crowdtwist.files.paths import base_name, describe_error, redact_url
from tap_crowdtwist.files.read_ahead import ReadAhead
from tap_crowdtwist.files.remote_access import NO_SETTINGS, RemoteAccess

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from tap_crowdtwist.files.naming import FileNaming, ParsedName

logger = logging.getLogger(__name__)

_ALLOWED_PERIODS_AHEAD = 2
"""Days or hours by which a file name may be ahead of this machine's clock.

Clocks differ, and so do days between time zones.
"""

_FUTURE_OFFSET = -(1 << 40)
"""Added to the period of files with a future date, which sorts them before all others."""


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
        access: how remote systems are accessed.
    """

    def __init__(
        self,
        path: str,
        naming: FileNaming,
        *,
        growing: bool = False,
        access: RemoteAccess = NO_SETTINGS,
    ) -> None:
        self.naming = naming
        self._path = path
        self._growing = growing
        self._ahead: ReadAhead | None = None
        with self._naming_path("open"):
            self._files, self._root = url_to_fs(path, access)

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
        with self._naming_path("read"):
            # fsspec caches listings per process, so new files would not show.
            self._files.invalidate_cache()
            entries = self._list()
        known: dict[str, ParsedName] = {}
        others = []
        for path in entries:
            name = base_name(path)
            parsed = self.naming.parse(self.naming.correct(name) or name)
            if parsed is not None:
                known[path] = parsed
            elif not name.startswith("."):  # transfer tools hide unfinished files this way
                others.append(name)
        self._check(known.values(), others)
        files = [
            self._file(path, entries[path], parsed, now)
            for path, parsed in known.items()
            if feed in {None, parsed.feed}
        ]
        return sorted(files, key=lambda file: (file.period, file.name, file.path))

    @contextmanager
    def reading(self, files: Sequence[File] = ()) -> Iterator[None]:
        """Copy remote files before they are opened, and each one's successor ahead, in the context.

        Args:
            files: the files in the order in which they will be opened; others may be opened too.

        Raises:
            SettingError: there is no directory for the copies.
        """
        if isinstance(self._files, LocalFileSystem):
            yield
            return
        try:
            ahead = ReadAhead(self._files, files, growing=self._growing)
        except OSError as error:
            raise self._setting_error(
                "is not on this machine, and no directory for temporary files can be used for "
                f"copies ({describe_error(error)}); set the environment variable TMPDIR to one"
            ) from None
        with ahead:
            self._ahead = ahead
            try:
                yield
            finally:
                self._ahead = None

    def wait_for(self, file: File, on_wait: Callable[[], None]) -> None:
        """Wait until a file can be opened at once, within `reading`; do not raise if it cannot.

        Args:
            file: the file.
            on_wait: called some times a second; an error that it raises ends the waiting.
        """
        if self._ahead is not None:
            self._ahead.wait_for(file, on_wait)

    def open(self, file: File) -> IO[bytes]:
        """Open a file for reading bytes; within `reading`, a remote one's copy."""
        if self._ahead is not None:
            return self._ahead.open(file)
        opened: IO[bytes] = self._files.open(file.path, "rb")
        return opened

    def ahead_error(self, files: Collection[File]) -> SettingError:
        """Return an error about files that were not read because their date is in the future."""
        first = min(files, key=lambda file: file.name)
        return self._setting_error(
            f"the name of {first.name!r} has a date in the future, so the "
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

    def _file(self, path: str, info: Mapping[str, Any], parsed: ParsedName, now: datetime) -> File:
        name = base_name(path)
        period = self.naming.period_number(parsed.timestamp)
        is_ahead = parsed.timestamp - now > _ALLOWED_PERIODS_AHEAD * self.naming.period
        if is_ahead:
            # As the newest file it would make all really new files look old. Where the order of
            # the files matters, its rows would also override all others until that date.
            period += _FUTURE_OFFSET
        size = int(info.get("size") or 0)
        return File(
            name,
            path,
            parsed.feed,
            parsed.timestamp,
            period,
            size,
            f"{size}" if self._growing else content_identity(self._files, path, info),
            is_ahead,
            self.naming.correct(name),
        )

    def _list(self) -> dict[str, Mapping[str, Any]]:
        try:
            return list_files(self._files, self._root)
        except FileNotFoundError:
            lacking = "no file matches" if has_magic(self._root) else "there is no folder or file"
            raise self._setting_error(f"{lacking} {redact_url(self._path)}") from None

    def _check(self, known: Collection[ParsedName], others: Collection[str]) -> None:
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
        programs = {parsed.program for parsed in known}
        if len(programs) > 1:
            raise self._setting_error(
                f"contains files of several programs ({', '.join(sorted(programs))}), whose "
                f"members must not be mixed; select the files of one, such as …/*_{min(programs)}_*"
            )

    @contextmanager
    def _naming_path(self, verb: str) -> Iterator[None]:
        """Turn any error of a file system into one that names the path without credentials."""
        try:
            yield
        except SettingError:
            raise
        except Exception as error:  # noqa: BLE001 - each file system has its own
            raise self._setting_error(
                f"cannot {verb} {redact_url(self._path)}: {describe_error(error)}"
            ) from None

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
