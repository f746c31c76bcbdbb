"""Writes Singer messages to standard output, through the SDK's msgspec encoding.

What no mainstream database stores, NUL and half a surrogate pair, is replaced here: whatever a
record was made of, and whatever stream maps made of it, passes this way, and one search of its
encoded bytes costs next to nothing.
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
"""Seconds that a write may take after a signal; containers are often killed after ten."""

_NUL = b"\\u0000"


class MessageWriter(MsgSpecWriter):
    """Flushes after every message but a record; those wait for a full buffer or the next STATE.

    Attributes:
        mended: for each stream, how many records held what no database stores.
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
            return self._mended(message)
        return self._mended(message) if _NUL in line else line

    def _mended(self, message: Message) -> bytearray:
        if isinstance(message, RecordMessage):
            record = json_text.make_storable(message.record)
            if record != message.record:  # else it holds the six letters of the escape
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
            TapError: nobody reads what the tap writes (any more).
        """
        self._writing = True
        try:
            _write_whole(self.format_message(message))
            if not isinstance(message, RecordMessage):
                sys.stdout.buffer.flush()
        except StoppedError:
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
        """Give up a write that still waits for the target `WRITE_GRACE_SECONDS` after a signal.

        A run that was asked to stop notices it between two writes, so never while the pipe is full
        and the target hangs. Only an exception out of a signal handler ends such a write.
        """

        def give_up(*_: object) -> None:
            if self._writing:
                lift_write_limit()
                raise StoppedError(signum, " while the target read nothing")

        if hasattr(signal, "setitimer"):  # not on Windows
            signal.signal(signal.SIGALRM, give_up)
            signal.setitimer(signal.ITIMER_REAL, WRITE_GRACE_SECONDS, 1)


def _write_whole(line: bytearray) -> None:
    """Write a line, even where a signal cuts a write short: under PYTHONUNBUFFERED, one may."""
    out = sys.stdout.buffer
    written = out.write(line)
    while written < len(line):
        written += out.write(memoryview(line)[written:]) or 0


def lift_write_limit() -> None:
    """Let no alarm ring any more; one that rang while Python ends would change the exit code."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


def discard_output() -> None:
    """Let what is still buffered go nowhere, so that the interpreter can end in peace."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
