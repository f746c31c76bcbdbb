"""Reads the files of Batch Activity Credit that a brand sends to CrowdTwist.

Pipe-delimited UTF-8 without header and quoting, a credit a line: EMAIL, CT_USER_ID, THIRD_PARTY_ID,
USERNAME, ACTIVITY_ID, POINTS, ACTIVITY_DATE; the last two are optional, and at least one of the
first four is needed. The date is a UNIX timestamp; another form is a fault, and is read where that
is possible. Source: Batch Activity Credit.
"""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING, Any

from tap_crowdtwist.errors import FileError
from tap_crowdtwist.files.naming import BATCH_ACTIVITY
from tap_crowdtwist.files.paths import describe_error
from tap_crowdtwist.records import values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_crowdtwist.files.folder import File

FIELDS = (
    "email_address",
    "user_id",
    "third_party_id",
    "username",
    "activity_id",
    "num_points",
    "activity_date",
)
_IDENTITIES = FIELDS[:4]
_NEEDED = len(FIELDS) - 2
_LONGEST_LINE = 1 << 16
"""Bytes. What follows in a line that is longer is not read."""

_MISCOUNTED = "wrong number of fields"
_TIMESTAMP = re.compile(r"\d{9,10}", re.ASCII)
"""Seconds, from 1973 to 2286. Fewer or more digits are a date in digits, or milliseconds."""


def _timestamp(value: str) -> int:
    if not _TIMESTAMP.fullmatch(value):
        raise values.ConversionError
    return int(value)


_FORMS = (
    ("bad user id", "user_id", values.integer),
    ("bad activity id", "activity_id", values.integer),
    ("bad points", "num_points", values.integer),
    ("bad date", "activity_date", _timestamp),
)


def read_credits(
    file: File, opened: Callable[[File], IO[bytes]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each line's number and row; a line that would be refused has its `fault` named.

    Raises:
        FileError: the file cannot be read.
    """
    try:
        with opened(file) as raw:
            number = 0
            while line := raw.readline(_LONGEST_LINE):
                number += 1
                whole = len(line) < _LONGEST_LINE or line.endswith(b"\n") or _skip_line(raw)
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if line.strip():
                    row = parse_credit(line.rstrip(b"\r\n"))
                    yield number, row if whole else {**row, "fault": _MISCOUNTED}
    except Exception as error:  # noqa: BLE001 - each file system has its own
        problem = f"cannot be read: {describe_error(error)}; see that it is there and may be read"
        raise FileError(BATCH_ACTIVITY.setting, file.name, problem) from None


def _skip_line(raw: IO[bytes]) -> bool:
    """Skip the rest of a line that is longer than any credit; tell whether nothing was left."""
    skipped = 0
    while rest := raw.readline(_LONGEST_LINE):
        skipped += len(rest.rstrip())
        if rest.endswith(b"\n"):
            break
    return not skipped


def parse_credit(line: bytes) -> dict[str, Any]:
    """Read a line.

    Returns:
        The fields that the line has, as text, and `fault`: why CrowdTwist would refuse it, or None.
    """
    text = line.decode(errors="replace").replace("\0", "\ufffd")
    readable = text.encode() == line
    cells = [cell.strip() or None for cell in text.split("|")]
    row: dict[str, Any] = dict.fromkeys(FIELDS)
    row |= dict(zip(FIELDS, cells))  # noqa: B905 - a line may have fewer
    if not readable:
        fault: str | None = "not UTF-8"
    elif not _NEEDED <= len(cells) <= len(FIELDS):
        fault = _MISCOUNTED
    elif not any(row[name] for name in _IDENTITIES):
        fault = "no identity"
    elif not row["activity_id"]:
        fault = "no activity"
    else:
        fault = next((said for said, name, form in _FORMS if not _fits(row[name], form)), None)
    return {**row, "fault": fault}


def _fits(value: str | None, form: Callable[[Any], Any]) -> bool:
    try:
        return value is None or form(value) is not None
    except values.ConversionError:
        return False
