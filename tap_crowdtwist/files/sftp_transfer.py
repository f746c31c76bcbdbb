"""Listing and copying over SFTP in few round trips: many requests wait for their answers at once.

fsspec copies with paramiko's `prefetch`, which is not used: its thread writes a traceback to stderr
when the connection breaks, waits for ever when a read fails, and asks for all of the file at once.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from itertools import chain
from pathlib import Path
from stat import S_ISDIR
from typing import IO, TYPE_CHECKING, Any

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.implementations.sftp import SFTPFileSystem
from paramiko.sftp import CMD_ATTRS, CMD_DATA, CMD_FSTAT, CMD_READ, int64
from paramiko.sftp_attr import SFTPAttributes
from typing_extensions import override

from tap_crowdtwist.files.read_ahead import ReplacedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import paramiko

REQUEST_BYTES = 1 << 15
"""Bytes that one request reads. Every server answers that many in one packet."""

MAX_REQUESTS = 64
"""Requests that wait for their answers at once, as many as OpenSSH's own client has.

They are for 2 MiB, which is also the window of paramiko's channels: at a latency of 50 ms that is
40 MB a second.
"""

_FIRST_REQUESTS = 4
"""Pieces that are asked for together with the size, so that a small file needs one round."""


class SftpTransfer(SFTPFileSystem):  # type: ignore[misc]  # fsspec is untyped
    """fsspec's SFTP file system, with pipelined copies, links that are followed, and a lock.

    One connection is shared by all that read from a host, and paramiko gives an answer to whichever
    thread reads it, so only one thread at a time may ask.
    """

    def __init__(self, host: str, **options: Any) -> None:
        # A convention of fsspec: an instance that is shared through its cache is set up once.
        if self._cached:
            return
        self._asking = threading.RLock()
        super().__init__(host, **options)
        self.send_at_once()

    def send_at_once(self) -> None:
        """Keep the kernel from holding small packets back until earlier ones are acknowledged.

        Requests are small, so that would cost a round trip for each file.
        """
        with suppress(OSError):  # the pipe of a ProxyCommand
            connection = self.client.get_transport().sock
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @override
    def info(self, path: str, **options: Any) -> dict[str, Any]:
        with self._asking:
            found: dict[str, Any] = super().info(path)
            return found

    @override
    def ls(self, path: str, detail: bool = False, **options: Any) -> list[Any]:
        path = self._strip_protocol(path)
        with self._asking:
            try:
                # All of it before the first link is looked up: paramiko takes the next answers,
                # whatever they are, for those of the listing.
                listed = list(self.ftp.listdir_iter(path, read_aheads=MAX_REQUESTS))
            except FileNotFoundError:
                entries = [self._file_itself(path)]
            else:
                entries = [self._followed(self._decode_stat(entry, path)) for entry in listed]
        return entries if detail else sorted(entry["name"] for entry in entries)

    @override
    def get_file(
        self, rpath: str, lpath: str, callback: Any = DEFAULT_CALLBACK, **options: Any
    ) -> None:
        """Copy a file.

        Args:
            rpath: its path on the host.
            lpath: where to copy it.
            callback: an fsspec callback, told of the bytes; an error that it raises ends the copy.
            options: ignored.

        Raises:
            ReplacedError: somebody wrote to the file meanwhile, so the copy may be a mixture.
        """
        with self._asking, Path(lpath).open("wb") as target:
            source = self.ftp.open(self._strip_protocol(rpath), "rb")
            try:
                _Download(self.ftp, source.handle, target, callback).run()
            finally:
                # Nobody waits for this answer: the next request reads it along with its own.
                source._close(async_=True)  # noqa: SLF001 - `close` would wait

    def _file_itself(self, path: str) -> dict[str, Any]:
        """Return the entry of a path that cannot be listed because it is a file.

        Raises:
            FileNotFoundError: there is no such file.
        """
        entry = self.info(path)
        if entry["type"] == "directory":
            raise FileNotFoundError(path)
        return entry

    def _followed(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Return an entry of a listing, with the size and time of the file that a link leads to.

        OpenSSH lists a link as such. Links to folders stay links, as in a local folder: they may
        lead in circles.
        """
        if entry["type"] == "link":
            with suppress(OSError):  # it leads nowhere
                found = self.ftp.stat(entry["name"])
                if not S_ISDIR(found.st_mode):
                    return {**self._decode_stat(found), "name": entry["name"]}
        return entry


class _Download:
    """One file on its way, in pieces that may arrive in any order.

    Its attributes are asked for before its first byte and after its last.

    Args:
        client: sends the requests.
        handle: the host's handle of the open file.
        target: where the bytes are written.
        callback: an fsspec callback.
    """

    def __init__(
        self, client: paramiko.SFTPClient, handle: bytes, target: IO[bytes], callback: Any
    ) -> None:
        self._client = client
        self._handle = handle
        self._target = target
        self._callback = callback
        self._end = _FIRST_REQUESTS * REQUEST_BYTES
        """Where the file ends, as far as is known."""
        self._versions: list[tuple[int, int]] = []
        """Size and time of writing, in seconds, before and after."""
        self._next = 0
        self._in_part: list[tuple[int, int]] = []
        """Offset and length of what is missing of pieces that came in part."""
        self._waiting: dict[int, tuple[int, int]] = {}
        """Offset and length of each piece that was asked for, by the number of the request."""

    def run(self) -> None:
        """Copy the file, as long as it is when it is opened.

        Raises:
            ReplacedError: its size or time is another one afterwards.
            Exception: what paramiko raises if the connection breaks or the host refuses.
        """
        try:
            self._ask(CMD_FSTAT)
            # A small file is complete after the first round, others after the second. Further ones
            # are for pieces that came in part.
            while self._ask_for_pieces():
                self._ask(CMD_FSTAT)
                self._wait(0)
        finally:
            self._waiting.clear()  # what still arrives after an error is ignored
        if self._versions[0] != self._versions[-1]:
            raise ReplacedError

    def _ask_for_pieces(self) -> bool:
        """Ask for all pieces that are missing; return whether there were any."""
        in_part, self._in_part = self._in_part, []
        has_asked = False
        for offset, length in chain(in_part, self._rest()):
            self._wait(MAX_REQUESTS - 1)
            self._ask(CMD_READ, offset, length)
            has_asked = True
        return has_asked

    def _rest(self) -> Iterator[tuple[int, int]]:
        """Yield offset and length of the pieces that were never asked for."""
        for offset in range(self._next, self._end, REQUEST_BYTES):
            yield offset, min(REQUEST_BYTES, self._end - offset)
        self._next = max(self._next, self._end)

    def _ask(self, command: int, offset: int = 0, length: int = 0) -> None:
        piece = (int64(offset), length) if command == CMD_READ else ()
        number = self._client._async_request(self, command, self._handle, *piece)  # noqa: SLF001
        self._waiting[number] = (offset, length)

    def _wait(self, most: int) -> None:
        """Take answers until no more than some requests wait for theirs."""
        while len(self._waiting) > most:
            self._client._read_response()  # noqa: SLF001 - calls `_async_response`

    def _async_response(self, kind: int, message: Any, number: int) -> None:
        """Take an answer; paramiko calls this."""
        if number not in self._waiting:
            return
        offset, length = self._waiting.pop(number)
        if kind == CMD_ATTRS:
            attributes = SFTPAttributes._from_msg(message)  # noqa: SLF001
            self._versions.append((attributes.st_size, attributes.st_mtime))
            self._end = self._versions[0][0]
        elif kind == CMD_DATA:
            self._write(offset, length, message.get_string())
        else:
            with suppress(EOFError):  # past the end of the file
                self._client._convert_status(message)  # noqa: SLF001 - raises the error

    def _write(self, offset: int, length: int, piece: bytes) -> None:
        self._target.seek(offset)
        self._target.write(piece)
        self._callback.relative_update(len(piece))
        rest = offset + len(piece)
        if rest < min(offset + length, self._end):
            self._in_part.append((rest, offset + length - rest))
