"""A run that dies in the middle, in this process."""

from __future__ import annotations

import json
from typing import Any

from typing_extensions import override

from tap_crowdtwist.sync.message_writer import MessageWriter

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
    def write_line(self, line: bytearray, *, flush: bool = False) -> None:
        if self._life is not None and len(self.messages) >= self._life:
            raise CrashError
        message = json.loads(line)
        self.messages.append(message)
        if message["type"] == "STATE":
            assert len(json.dumps(message)) <= LARGEST_STATE
