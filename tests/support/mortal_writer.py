"""A run that dies in the middle, in this process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from singer_sdk.singerlib import StateMessage
from typing_extensions import override

from tap_crowdtwist.sync.message_writer import MessageWriter

if TYPE_CHECKING:
    from singer_sdk.singerlib import Message

LARGEST_STATE = 64 * 1024


class CrashError(Exception):
    """The process died here: nothing that follows reaches the target."""


class MortalWriter(MessageWriter):
    """Collects messages, and dies after a number of them."""

    def __init__(self, life: int | None) -> None:
        super().__init__()
        self._life = life
        self.messages: list[dict[str, Any]] = []

    @override
    def write_message(self, message: Message) -> None:
        if self._life is not None and len(self.messages) >= self._life:
            raise CrashError
        self.messages.append(json.loads(self.format_message(message)))
        if isinstance(message, StateMessage):
            assert len(json.dumps(self.messages[-1])) <= LARGEST_STATE
