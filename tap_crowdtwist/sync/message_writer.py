"""Writing of Singer messages to standard output, encoded by the SDK with msgspec.

Characters that no mainstream database stores (NUL, and half a surrogate pair) are replaced here:
all records pass here, also those that stream maps have changed, and one search of the encoded bytes
is cheap.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING

from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib import RecordMessage
from typing_extensions import override

from tap_crowdtwist import json_text
from tap_crowdtwist.errors import TapError
from tap_crowdtwist.sync.shutdown import StoppedError

if TYPE_CHECKING:
    from singer_sdk.singerlib import Message

logger = logging.getLogger(__name__)

WRITE_GRACE_SECONDS = 8.0
"""Time that a write may take after a signal, in seconds; containers are often killed after ten."""

_NUL = b"\\u0000"


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
        try:
            line = super().serialize_message(message)
        except UnicodeEncodeError:
            # msgspec refuses half a surrogate pair, but writes NUL as an escape.
            return self._serialize_storable(message)
        return self._serialize_storable(message) if _NUL in line else line

    def _serialize_storable(self, message: Message) -> bytearray:
        if isinstance(message, RecordMessage):
            record = json_text.make_storable(message.record)
            # Equal if a text holds the escape itself: a backslash and u0000, and no NUL.
            if record != message.record:
                message.record = record
                if not self.mended[message.stream]:
                    logger.warning(
                        "%s: replaced characters that no database stores (NUL, or half a "
                        "surrogate pair) by U+FFFD (further ones not logged)",
                        message.stream,
                    )
                self.mended[message.stream] += 1
        return super().serialize_message(message)

    @override
    def write_message(self, message: Message) -> None:
        """Write a message.

        Raises:
            TapError: the target stopped reading, or the output cannot be written.
            StoppedError: `limit_writes` interrupted the write.
        """
        self._writing = True
        try:
            _write_whole(self.format_message(message))
            if not isinstance(message, RecordMessage):
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
