"""Writes Singer messages to standard output, through the SDK's msgspec encoding."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib import RecordMessage
from typing_extensions import override

from tap_crowdtwist.errors import TapError

if TYPE_CHECKING:
    from singer_sdk.singerlib import Message


class Writer(MsgSpecWriter):
    """Flushes after every message but a record; those wait for a full buffer or the next STATE."""

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
