"""Writing of Singer messages to standard output, encoded by the SDK with msgspec.

Characters that no mainstream database stores (NUL, and half a surrogate pair) are replaced here:
all records pass here, also those that stream maps have changed, and a search of the encoded bytes
is cheap.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING

from singer_sdk.contrib.msgspec import MsgSpecWriter, encoder
from singer_sdk.singerlib import RecordMessage
from typing_extensions import override

from tap_crowdtwist import json_text
from tap_crowdtwist.errors import TapError
from tap_crowdtwist.sync.shutdown import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from singer_sdk.helpers.types import Record
    from singer_sdk.singerlib import Message

logger = logging.getLogger(__name__)

WRITE_GRACE_SECONDS = 8.0
"""Time that a write may take after a signal, in seconds; containers are often killed after ten."""

_NUL = b"\\u0000"
_BACKSLASH = _NUL[0]
_RECORD = b',"record":'
_EMPTY = _RECORD + b"{}"


class MessageWriter(MsgSpecWriter):
    """A writer that flushes after every message except records.

    Records wait for a full buffer or the next STATE (group commit), which saves a system call per
    record. A STATE still never overtakes a record: both go through the same buffer.

    Attributes:
        mended: by stream, the records in which characters were replaced.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mended: Counter[str] = Counter()
        self._writing = False

    @override
    def serialize_message(self, message: Message) -> bytearray:
        if not isinstance(message, RecordMessage):
            return super().serialize_message(message)
        encode = self._encoder(message.stream, message.version, message.time_extracted)
        return encode(message.record)

    @override
    def write_message(self, message: Message) -> None:
        """Write a message; the errors are those of `write_line`."""
        self.write_line(self.format_message(message), flush=not isinstance(message, RecordMessage))

    def record_writer(
        self, stream: str, version: int | None, extracted: datetime
    ) -> Callable[[Record], None]:
        """Return a function that writes a record as a RECORD message, as `write_message` does.

        What the messages of one read have in common is encoded once, and no message object is
        built per record.

        Args:
            stream: the name of the stream.
            version: the table version, in streams that send ACTIVATE_VERSION.
            extracted: when the rows were received.
        """
        encode = self._encoder(stream, version, extracted)

        def write(record: Record) -> None:
            self.write_line(encode(record))

        return write

    def write_line(self, line: bytearray, *, flush: bool = False) -> None:
        """Write an encoded message; every message passes here.

        Args:
            line: the message, only valid until the next one is encoded.
            flush: whether to empty the buffer too.

        Raises:
            TapError: the target stopped reading, or the output cannot be written.
            StoppedError: `limit_writes` interrupted the write.
        """
        self._writing = True
        try:
            _write_whole(line)
            if flush:
                sys.stdout.buffer.flush()
        except StoppedError:
            # The rest of the buffer would block the exit of the interpreter, which flushes it.
            discard_output()
            raise
        except BrokenPipeError:
            discard_output()
            raise TapError("The target stopped reading; its own messages say why") from None
        except OSError as error:
            discard_output()
            raise TapError(f"The output cannot be written: {error.strerror}") from None
        finally:
            self._writing = False

    def _encoder(
        self, stream: str, version: int | None, extracted: datetime | None
    ) -> Callable[[Record], bytearray]:
        """Return a function that encodes a record as a RECORD message, in the SDK's form."""
        # The SDK itself encodes what goes before and after the record.
        rest = super().serialize_message(RecordMessage(stream, {}, version, extracted))
        head, _, tail = rest.partition(_EMPTY)
        line = head + _RECORD
        start = len(line)

        def encode(record: Record) -> bytearray:
            try:
                encoder.encode_into(record, line, start)
                # Most lines have no backslash, and one byte is found ten times as fast as six.
                is_storable = _BACKSLASH not in line or _NUL not in line
            except UnicodeEncodeError:
                # msgspec refuses half a surrogate pair, but writes NUL as an escape.
                is_storable = False
            if not is_storable:
                encoder.encode_into(self._make_storable(stream, record), line, start)
            line.extend(tail)
            return line

        return encode

    def _make_storable(self, stream: str, record: Record) -> Record:
        """Return a record without unstorable characters; count it if there were any."""
        storable: Record = json_text.make_storable(record)
        # Equal if a text holds the escape itself: a backslash and u0000, and no NUL.
        if storable != record:
            if not self.mended[stream]:
                logger.warning(
                    "%s: replaced characters that no database stores (NUL, or half a "
                    "surrogate pair) by U+FFFD (further ones not logged)",
                    stream,
                )
            self.mended[stream] += 1
        return storable

    def limit_writes(self, signum: int) -> None:
        """Interrupt a write that still waits for the target `WRITE_GRACE_SECONDS` after a signal.

        A run notices a stop request between two writes only, so never while the pipe is full and
        the target hangs. Only an exception from a signal handler ends such a write.

        Args:
            signum: the signal that requested the stop.
        """

        def give_up(*_: object) -> None:
            # Between two writes the run stops by itself, with a last STATE.
            if self._writing:
                lift_write_limit()
                raise StoppedError(signum, " while the target read nothing")

        if hasattr(signal, "setitimer"):  # not on Windows
            signal.signal(signal.SIGALRM, give_up)
            # Repeated every second: the first alarm may fall between two writes.
            signal.setitimer(signal.ITIMER_REAL, WRITE_GRACE_SECONDS, 1)


def _write_whole(line: bytearray) -> None:
    """Write a line completely.

    Under PYTHONUNBUFFERED the output has no buffer, so a signal may cut a write short.
    """
    out = sys.stdout.buffer
    written = out.write(line)
    while written < len(line):
        written += out.write(memoryview(line)[written:]) or 0


def lift_write_limit() -> None:
    """Cancel the alarm of `limit_writes`; while Python exits, it would change the exit code."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


def discard_output() -> None:
    """Redirect standard output to the null device.

    Otherwise the interpreter would flush its buffer to the broken or blocked pipe when it exits.
    """
    null_device = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null_device, sys.stdout.fileno())
    os.close(null_device)
