"""What is wrong with a file of a feed, in one sentence."""

from __future__ import annotations

from tap_crowdtwist.errors import SettingError


class FeedError(SettingError):
    """A file cannot be read on; what was read before it counts, it and what follows do not."""

    def __init__(self, setting: str, name: str, problem: str, line: int | None = None) -> None:
        where = f"line {line} of {name!r}" if line else f"{name!r}"
        super().__init__(setting, f"{where} {problem}")
        self.line = line
