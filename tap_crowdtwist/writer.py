"""Writes Singer messages to standard output, through the SDK's msgspec encoding.

What no mainstream database stores, NUL and half a surrogate pair, is replaced here: whatever a
record was made of, and whatever stream maps made of it, passes this way, and one search of its
encoded bytes costs next to nothing.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from typing import TYPE_CHECKING

from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib import RecordMessage
from typing_extensions import override

from tap_crowdtwist import values
from tap_crowdtwist.errors import TapError

if TYPE_CHECKING:
    from singer_sdk.singerlib import Message

logger = logging.getLogger(__name__)

_NUL = b"\\u0000"


class Writer(MsgSpecWriter):
    """Flushes after every message but a record; those wait for a full buffer or the next STATE.

    Attributes:
        mended: for each stream, how many records held what no database stores.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mended: Counter[str] = Counter()

    @override
    def serialize_message(self, message: Message) -> bytearray:
        try:
            line = super().serialize_message(message)
        except UnicodeEncodeError:
            return self._mended(message)
        return self._mended(message) if _NUL in line else line

    def _mended(self, message: Message) -> bytearray:
        if isinstance(message, RecordMessage):
            record = values.storable(message.record)
            if record != message.record:  # else it holds the six letters of the escape
                message.record = record
                if not self.mended[message.stream]:
                    logger.warning(
                        "%s: replaced characters that no database stores (NUL, or half a "
                        "surrogate pair) by U+FFFD (said once)",
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
        try:
            sys.stdout.buffer.write(self.format_message(message))
            if not isinstance(message, RecordMessage):
                sys.stdout.buffer.flush()
        except BrokenPipeError:
            _discard_the_rest()
            raise TapError("The target stopped reading; its own messages say why") from None
        except OSError as error:
            _discard_the_rest()
            raise TapError(f"The output cannot be written: {error.strerror}") from None


def _discard_the_rest() -> None:
    """Let what is still buffered go nowhere, so that the interpreter can end in peace."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
