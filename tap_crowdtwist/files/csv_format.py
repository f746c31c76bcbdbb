"""Delimiter and encoding of the Data Push CSV files, and guesses at both from their content."""

from __future__ import annotations

import codecs
from contextlib import suppress
from typing import NamedTuple


class CsvFormat(NamedTuple):
    """The delimiter and encoding of CSV files.

    Attributes:
        delimiter: the character between two cells.
        encoding: the name of a Python text encoding.
    """

    delimiter: str = ","
    encoding: str = "utf-8"


DOCUMENTED_FORMAT = CsvFormat()


class OtherDelimiter(NamedTuple):
    """A delimiter that a header uses instead of the configured one.

    Attributes:
        plural: its name in a sentence, such as `tabs`.
        setting_value: the value of `data_push_delimiter` that selects it.
    """

    plural: str
    setting_value: str


_DELIMITERS = {
    ",": OtherDelimiter("commas", ","),
    ";": OtherDelimiter("semicolons", ";"),
    "\t": OtherDelimiter("tabs", "tab"),
    "|": OtherDelimiter("pipes", "|"),
}


def other_delimiter(header: str, delimiter: str) -> OtherDelimiter | None:
    """Return the delimiter that a header uses if it is not the given one, else None."""
    likely = max(_DELIMITERS, key=header.count)
    if delimiter in header or likely not in header:
        return None
    return _DELIMITERS[likely]


def guess_encoding(line: bytes, *, is_first: bool) -> str:
    """Guess the encoding of a line that the configured one cannot decode; "" if none fits."""
    if is_first and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # Nearly any bytes are valid cp1252, so it comes last: text that is not UTF-8 is most often
    # Western European.
    for encoding in ("utf-8", "cp1252"):
        # A line without its end is where the file was cut, perhaps within a character, and says
        # nothing about the encoding.
        with suppress(UnicodeDecodeError):
            line.decode(encoding)
            return encoding if line.endswith(b"\n") else ""
    return ""


def guess_utf16(header: str) -> str:
    """Return the UTF-16 variant in which every second byte of an ASCII header is zero, or ""."""
    text = header.rstrip("\r\n")
    if set(text[1::2]) == {"\0"}:
        return "utf-16-le"
    if set(text[::2]) == {"\0"}:
        return "utf-16-be"
    return ""
