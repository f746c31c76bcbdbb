"""Finds the files of one kind in a folder, a glob or any URL that fsspec knows, and opens them."""

from __future__ import annotations

import hashlib
import logging
import zipfile
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

import fsspec
from fsspec.core import has_magic

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.feeds.names import DAY
from tap_crowdtwist.paths import base, named, plain, reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from tap_crowdtwist.feeds.names import Grammar

logger = logging.getLogger(__name__)

_CONTENT = ("md5Hash", "crc32c", "ETag", "etag", "content_md5", "checksum", "hash")
"""Under which names file systems tell of a file's content."""

_CHANGED = ("mtime", "LastModified", "last_modified", "updated", "created")
"""Under which names they tell when it was last written."""


@dataclass(frozen=True)
class File:
    """A file of a feed.

    Attributes:
        name: its name alone.
        path: where the file system finds it.
        feed: which feed it belongs to.
        moment: the day or hour that it is about, or when it was sent; aware, UTC.
        slot: the number of that day or hour.
        size: in bytes.
        identity: what changes when its content does.
    """

    name: str
    path: str = field(repr=False)
    feed: str
    moment: datetime
    slot: int
    size: int
    identity: str


class Folder:
    """Where the files of one kind are.

    Args:
        path: a folder (searched with what is below it), a glob, a file, or a URL of one.
        grammar: how its files are named.
        growing: whether files are appended to, so that their size alone tells a change.
    """

    def __init__(self, path: str, grammar: Grammar, *, growing: bool = False) -> None:
        self.grammar = grammar
        self._path = path
        self._growing = growing
        try:
            self._files, self._root = fsspec.core.url_to_fs(path)
        except (OSError, ValueError, ImportError) as error:
            raise self._refuse(f"cannot open {named(path)}: {reason(error)}") from None

    def files(self, now: datetime) -> list[File]:
        """List the files of this kind, in the order of their days and names.

        Raises:
            SettingError: there is no such place, it cannot be read, it holds other files only, or
                files of several programs, or of days to come.
        """
        try:
            self._files.invalidate_cache()
            found = self._find()
        except FileNotFoundError:
            raise self._refuse(f"there is no folder or file {named(self._path)}") from None
        except SettingError:
            raise
        except Exception as error:  # noqa: BLE001 - each file system has its own
            raise self._refuse(f"cannot read {named(self._path)}: {reason(error)}") from None
        files, others, programs = [], [], set()
        for path, info in found.items():
            name = base(path)
            said = self.grammar.parse(name)
            if said is None:
                if not name.startswith("."):  # which is how unfinished files are hidden
                    others.append(name)
                continue
            programs.add(said.program)
            slot = self.grammar.number(said.moment)
            identity = self._identity(path, info)
            size = int(info.get("size") or 0)
            files.append(File(name, path, said.feed, said.moment, slot, size, identity))
        self._check(files, others, programs, now)
        return sorted(files, key=lambda file: (file.slot, file.name, file.path))

    def open(self, file: File) -> IO[bytes]:
        """Open a file for reading bytes."""
        opened: IO[bytes] = self._files.open(file.path, "rb")
        return opened

    def _find(self) -> dict[str, Mapping[str, Any]]:
        root = self._root
        if has_magic(root):
            matches = self._files.glob(root, detail=True)
            found = {path: info for path, info in matches.items() if info.get("type") == "file"}
            if not found:
                raise self._refuse(f"no file matches {named(self._path)}")
            return found
        found = self._files.find(root, detail=True)
        if not found and not self._files.exists(root):
            raise FileNotFoundError
        return dict(found)

    def _check(
        self, files: Iterable[File], others: list[str], programs: set[str], now: datetime
    ) -> None:
        example = self.grammar.example
        if others and not files:
            raise self._refuse(
                f"no file in {named(self._path)} has a name such as {example}; "
                f"{min(others)!r} has not"
            )
        if others:
            logger.warning(
                "%s: %d files are left alone, since their names are not such as %s: %r is not",
                self.grammar.setting,
                len(others),
                example,
                min(others),
            )
        if len(programs) > 1:
            raise self._refuse(
                f"holds files of several programs ({', '.join(sorted(programs))}), whose members "
                f"must not be mixed; name one program's files, such as …/*_{min(programs)}_*"
            )
        ahead = [file.name for file in files if file.moment > now + 2 * DAY]
        if ahead:
            raise self._refuse(
                f"the name of {ahead[0]!r} has a date to come; rename or remove the file, or set "
                "the clock"
            )

    def _identity(self, path: str, info: Mapping[str, Any]) -> str:
        size = info.get("size")
        if self._growing:
            return f"{size}"
        for name in _CONTENT:
            if info.get(name):
                return f"{size} {info[name]}"
        if _is_zip(path) and "file" in _protocols(self._files):
            try:
                with zipfile.ZipFile(path) as archive:
                    parts = [(part.filename, part.CRC) for part in archive.infolist()]
            except (OSError, ValueError, zipfile.BadZipFile):
                pass  # told when it is read
            else:
                return f"{size} {parts}"
        return f"{size} {next((info[name] for name in _CHANGED if info.get(name)), '')}"

    def _refuse(self, problem: str) -> SettingError:
        return SettingError(self.grammar.setting, problem)


def digest(file: File, size: int | None = None) -> int:
    """Give a number of 24 bits for what a file is called and what it holds.

    Args:
        file: the file.
        size: how much of it was read, where that tells its content; all of it, if not given.
    """
    identity = file.identity if size is None else f"{size}"
    text = f"{file.name}\0{identity}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=3).digest(), "big") or 1


def _is_zip(path: str) -> bool:
    return plain(path).lower().endswith(".zip")


def _protocols(files: Any) -> tuple[str, ...]:
    protocol = files.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
