"""The tree of the tap's errors, and those that end a run.

The user sees the message of an error alone, without a traceback, so a message says what is wrong,
where, and which setting to change. It never holds the value of a secret.

Every exception class of the tap, and what it means for the run:

    Exception
      TapError                  ends the run with this message; exit code 1
        SettingError            the same, and names the setting; where a stream of files raises it,
                                that stream is given up, the others go on, and the exit code is 1
          FileError             a file is broken: its stream is given up at that line
        IncompleteError         the run ends, but rows are missing; exit code 1
        CopyError               a remote file cannot be copied: becomes a FileError
        PackingError            a file cannot be unpacked: becomes a SettingError or a FileError
        StoppedError            a signal asked to stop: ends the run; exit code 128 + its number
      ApiError                  a request failed; the run goes on as the subclass says. In a stream
                                of members, "failed" members are in the state for the next run
        MemberMissingError      that member does not exist: counted as missing
        NotConfiguredError      the program lacks the resource: that member has no rows
        RejectedError           one request was rejected: that member or program stream failed
          UnavailableError      the same; if no member can be read, the stream is given up
        FatalApiError           no further request can succeed: ends the run; exit code 1
        ExhaustedError          the retries are used up: that member or program stream failed
      NoResponseError           an attempt got no complete response: retried, then an ApiError
      EndlessError              a listing never ends: becomes an ExhaustedError
      BudgetSpentError          the conformance check has used up its requests: it stops probing
      OSError
        ReplacedError           a file was written to while it was copied: it is copied again
      ValueError
        ConversionError         a value does not fit its column: null there, kept raw beside it
"""

from __future__ import annotations


class TapError(Exception):
    """An error that ends the run and that the user can act on."""


class SettingError(TapError):
    """A setting is missing, malformed, or in conflict with another one."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(f"Setting `{setting}`: {problem}")
        self.setting = setting


class IncompleteError(TapError):
    """The run reached its end, but rows are missing from its output."""


class FileError(SettingError):
    """A file cannot be read further; the rows before the error count, it and later files do not."""

    def __init__(self, setting: str, name: str, problem: str, line: int | None = None) -> None:
        where = f"line {line} of {name!r}" if line else f"{name!r}"
        super().__init__(setting, f"{where} {problem}")
        self.line = line
