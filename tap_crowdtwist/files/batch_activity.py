"""Reader of the Batch Activity Credit files that a brand sends to CrowdTwist.

The files are pipe-delimited UTF-8 without header and quoting, with one credit per line: EMAIL,
CT_USER_ID, THIRD_PARTY_ID, USERNAME, ACTIVITY_ID, POINTS, ACTIVITY_DATE. The last two are optional,
and at least one of the first four is required. The date is a UNIX timestamp; another form counts as
a fault, and is read where that is possible. Source: Batch Activity Credit.
"""

from __future__ import annotations

import codecs
import re
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from tap_crowdtwist.errors import FileError
from tap_crowdtwist.files.naming import BATCH_ACTIVITY
from tap_crowdtwist.files.paths import access_problem
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
_MEMBER_FIELDS = FIELDS[:4]
_REQUIRED_FIELDS = len(FIELDS) - 2
_BOM = codecs.BOM_UTF8
_MAX_LINE_BYTES = 1 << 16
"""A longer line, which no such file has, is read as several."""

_WRONG_FIELD_COUNT = "wrong number of fields"
_TIMESTAMP = re.compile(r"\d{9,10}", re.ASCII)
"""Epoch seconds from 1973 to 2286. Fewer or more digits are a date in digits, or milliseconds."""


def _timestamp(value: str) -> int:
    if not _TIMESTAMP.fullmatch(value):
        raise values.ConversionError
    return int(value)


_FIELD_CHECKS = (
    ("bad user id", "user_id", values.integer),
    ("bad activity id", "activity_id", values.integer),
    ("bad points", "num_points", values.integer),
    ("bad date", "activity_date", _timestamp),
)


def read_credits(
    file: File, open_file: Callable[[File], IO[bytes]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number and the row of each line that is not blank.

    The `fault` of a row says why CrowdTwist would reject its line, and is None for a valid one.

    Raises:
        FileError: the file cannot be read.
    """
    try:
        with open_file(file) as raw:
            for number, line in enumerate(iter(partial(raw.readline, _MAX_LINE_BYTES), b""), 1):
                text = line.removeprefix(_BOM).strip()
                if text:
                    yield number, parse_credit(text)
    except Exception as error:  # noqa: BLE001 - each file system has its own
        raise FileError(BATCH_ACTIVITY.setting, file.name, access_problem("read", error)) from None


def parse_credit(line: bytes) -> dict[str, Any]:
    """Parse one line.

    Returns:
        All fields, as text, with None for those that are absent or blank, and `fault`: why
        CrowdTwist would reject the line, or None.
    """
    text = line.decode(errors="replace").replace("\0", "\ufffd")
    is_utf8 = text.encode() == line
    cells = [cell.strip() or None for cell in text.split("|")]
    row: dict[str, Any] = dict.fromkeys(FIELDS)
    row |= dict(zip(FIELDS, cells))  # noqa: B905 - a line may have fewer
    if not is_utf8:
        fault: str | None = "not UTF-8"
    elif not _REQUIRED_FIELDS <= len(cells) <= len(FIELDS):
        fault = _WRONG_FIELD_COUNT
    elif not any(row[name] for name in _MEMBER_FIELDS):
        fault = "no identity"
    elif not row["activity_id"]:
        fault = "no activity"
    else:
        fault = next(
            (reason for reason, name, convert in _FIELD_CHECKS if not _fits(row[name], convert)),
            None,
        )
    return {**row, "fault": fault}


def _fits(value: str | None, convert: Callable[[Any], Any]) -> bool:
    try:
        return value is None or convert(value) is not None
    except values.ConversionError:
        return False
