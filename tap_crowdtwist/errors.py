"""The errors that end a run, each with the one sentence a person needs.

Whatever is raised here reaches the user as its message alone, without a traceback, so a message
says what is wrong, for whom, and which setting to change. It never holds the value of a secret.
"""

from __future__ import annotations


class TapError(Exception):
    """Something that ends the run and that the user can act on."""


class SettingError(TapError):
    """A setting is missing, malformed, or at odds with another one."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(f"Setting `{setting}`: {problem}")
        self.setting = setting


class IncompleteError(TapError):
    """The run came to its end, but not everything that should be there is."""


class FileError(SettingError):
    """A file cannot be read on; what was read before it counts, it and what follows do not."""

    def __init__(self, setting: str, name: str, problem: str, line: int | None = None) -> None:
        where = f"line {line} of {name!r}" if line else f"{name!r}"
        super().__init__(setting, f"{where} {problem}")
        self.line = line
