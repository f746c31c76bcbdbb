"""Reader of Data Push CSV files, zipped or plain, that verifies that each file is complete.

A zip contains one CSV with a header row and commas (Data Push Overview); settings select another
delimiter or encoding. Columns are found by name, because the published lists of columns are
incomplete and do not promise an order.
"""

from __future__ import annotations

import codecs
import csv
import io
from contextlib import ExitStack, suppress
from itertools import filterfalse
from typing import IO, TYPE_CHECKING, Any

from typing_extensions import Self

from tap_crowdtwist import json_text
from tap_crowdtwist.errors import FileError
from tap_crowdtwist.files.csv_format import (
    DOCUMENTED_FORMAT,
    CsvFormat,
    guess_encoding,
    guess_utf16,
    other_delimiter,
)
from tap_crowdtwist.files.naming import DATA_PUSH
from tap_crowdtwist.files.packing import PackingError, open_zipped_csv
from tap_crowdtwist.files.paths import SEND_AGAIN, access_problem, is_system_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from tap_crowdtwist.files.folder import File

MAX_LINE_CHARACTERS = 1 << 20
"""No real line is that long; the limit keeps a file without line ends from filling the memory."""

ZERO_BLOCK_BYTES = 512
"""The smallest disk block. As many zero bytes in a row are a gap that a failed transfer left."""

_BOM = "\ufeff"


class CsvTable:
    """One CSV file: a context manager that yields each row with the line on which it begins.

    Args:
        file: the file.
        open_file: opens the file for reading bytes.
        csv_format: its delimiter and encoding.
    """

    def __init__(
        self,
        file: File,
        open_file: Callable[[File], IO[bytes]],
        csv_format: CsvFormat = DOCUMENTED_FORMAT,
    ) -> None:
        self.file = file
        self.csv_format = csv_format
        self.columns: list[str] = []
        """The column names of the header."""
        self.header_line = 1
        """The line of the header; blank lines may precede it."""
        self.repaired_lines = 0
        """Number of lines in which zero bytes were replaced."""
        self._open_file = open_file
        self._stack = ExitStack()
        self._line_number = 0

    def __enter__(self) -> Self:
        try:
            csv_format = self.csv_format
            lines = io.TextIOWrapper(self._open_content(), encoding=csv_format.encoding, newline="")
            self._stack.enter_context(lines)
            # The csv module refuses cells of more than 131,072 characters. Its limit holds for the
            # whole process and for existing readers, and other code may have lowered it, so it is
            # set before each reading. Memory is bounded by MAX_LINE_CHARACTERS, which also limits a
            # cell that spans many lines because its closing quote is missing.
            csv.field_size_limit(MAX_LINE_CHARACTERS)
            self._rows = csv.reader(
                self._checked_lines(lines), delimiter=csv_format.delimiter, strict=True
            )
            self.columns = self._read_header()
        except BaseException:
            # Python does not call __exit__ when __enter__ raises.
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        width, rows = len(self.columns), self._rows
        while True:
            first_line = rows.line_num + 1
            row = self._next_row()
            if row is None:
                return
            if len(row) == width:
                yield first_line, row
            elif len(row) > width and _is_blank(row[width:]):
                # Delimiters at the end of the line, as some exports write them.
                yield first_line, row[:width]
            elif len(row) > 1 or not _is_blank(row):  # else it is a blank line
                raise self.error(
                    first_line,
                    f"has {len(row)} cells where the header has {width}; {SEND_AGAIN}",
                )

    def error(self, line: int | None, problem: str) -> FileError:
        """Return an error that names the file, the line if there is one, and the problem."""
        return FileError(DATA_PUSH.setting, self.file.name, problem, line)

    def _read_header(self) -> list[str]:
        row = next(filterfalse(_is_blank, iter(self._next_row, None)), None)
        if row is None:
            raise self.error(1, f"should be the header, but the file is empty; {SEND_AGAIN}")
        self.header_line = self._rows.line_num
        columns = [cell.strip() for cell in row]
        while not columns[-1]:  # a delimiter at the end of the line
            columns.pop()
        names = {name.lower() for name in columns} - {""}
        if len(names) < len(columns):
            raise self.error(
                self.header_line, "should be the header, with each column once; check the file"
            )
        return columns

    def _next_row(self) -> list[str] | None:
        """Return the next row, or None at the end of the file.

        Raises:
            FileError: the file cannot be read on, or is not CSV in the configured encoding.
        """
        line = self._rows.line_num + 1
        try:
            return next(self._rows, None)
        except UnicodeDecodeError:
            raise self._decoding_error() from None
        except csv.Error as error:
            raise self.error(line, f"is not CSV ({error}); {SEND_AGAIN}") from None
        except FileError:
            raise
        except Exception as error:  # noqa: BLE001 - each file system and each codec has its own
            # In a zip, an error that is not the system's comes from the decompressor.
            if self.is_plain or is_system_error(error):
                raise self.error(line, access_problem("read", error)) from None
            raise self.error(
                line, f"is where the file is damaged or incomplete; {SEND_AGAIN}"
            ) from None

    def _open_content(self) -> IO[bytes]:
        """Open the CSV itself, inside its zip if it has one."""
        try:
            raw = self._stack.enter_context(self._open_file(self.file))
        except Exception as error:  # noqa: BLE001 - each file system has its own
            raise self.error(None, access_problem("opened", error)) from None
        if self.is_plain:
            return raw
        try:
            return open_zipped_csv(raw, self._stack)
        except PackingError as error:
            raise self.error(None, str(error)) from None

    def _checked_lines(self, lines: IO[str]) -> Iterator[str]:
        """Yield the lines; raise `FileError` at anything that no complete file contains."""
        read = lines.readline
        while line := read(MAX_LINE_CHARACTERS):
            self._line_number += 1
            if line[-1] not in "\r\n":
                self._check_unended(line)
            if "\0" in line:
                line = self._replace_zeros(line)
            if not self.columns:
                line = line.removeprefix(_BOM)
                self._check_delimiter(line)
            yield line

    def _check_unended(self, line: str) -> None:
        """Raise if a line without its end means that the file is not complete."""
        if len(line) >= MAX_LINE_CHARACTERS:
            raise self.error(
                self._line_number,
                f"is longer than {MAX_LINE_CHARACTERS:,} characters; {SEND_AGAIN}",
            )
        # A zip has a checksum. In a plain file, a last line without its end is the only sign that a
        # transfer stopped in the middle.
        if self.is_plain:
            raise self.error(
                self._line_number,
                "has no line break, so the file may be incomplete; fetch it again, or add the "
                "line break if nothing is missing",
            )

    def _check_delimiter(self, line: str) -> None:
        """Raise if the header uses another delimiter than the configured one.

        No stream has a single column, so a header without the delimiter is never right.
        """
        other = other_delimiter(line, self.csv_format.delimiter)
        if other is not None:
            raise self.error(
                self._line_number,
                f"is separated by {other.plural}; set `data_push_delimiter` to "
                f"{other.setting_value!r}, or have the file sent with the configured delimiter",
            )

    def _replace_zeros(self, line: str) -> str:
        """Replace zero bytes in cells by U+FFFD: neither databases nor the csv module take them.

        In the header they mean that the file is not UTF-8. A line of nothing else, or a block of
        them, is a gap where data is missing.

        Raises:
            FileError: the zero bytes are in the header or are a gap.
        """
        is_header = not self.columns
        if is_header or not line.strip("\0\r\n") or "\0" * ZERO_BLOCK_BYTES in line:
            likely = guess_utf16(line) if is_header else ""
            raise self.error(
                self._line_number, f"contains zero bytes, which are not text; {_advice(likely)}"
            )
        self.repaired_lines += 1
        return line.replace("\0", json_text.REPLACEMENT)

    @property
    def is_plain(self) -> bool:
        """Whether the file is a CSV without a zip around it."""
        return self.file.name.lower().endswith(".csv")

    def _decoding_error(self) -> FileError:
        """Return an error that names the first line that is not text in the encoding."""
        # The text wrapper decodes ahead in large chunks, so its position does not tell the line.
        # The file is opened again and decoded line by line.
        self._stack.close()
        encoding = self.csv_format.encoding
        number, likely, has_other_letters = 0, "", False
        with self._stack, suppress(Exception):  # a damaged zip may raise anything
            decode = codecs.getincrementaldecoder(encoding)().decode
            content = self._open_content()
            while line := content.readline(MAX_LINE_CHARACTERS):
                number += 1
                try:
                    decode(line)
                except UnicodeDecodeError:
                    likely = guess_encoding(line, is_first=number == 1)
                    break
                has_other_letters = has_other_letters or not line.isascii()
        # Letters beyond ASCII that were decoded before show that the encoding is right and the
        # file damaged.
        if has_other_letters or likely == encoding:
            likely = ""
        name = encoding.upper() if encoding == DOCUMENTED_FORMAT.encoding else encoding
        return self.error(max(number, 1), f"is not {name} text; {_advice(likely)}")


def _advice(likely: str) -> str:
    if not likely:
        return SEND_AGAIN
    return f"it looks like {likely}: set `data_push_encoding` to that, or else {SEND_AGAIN}"


def _is_blank(cells: list[str]) -> bool:
    return not any(cell.strip() for cell in cells)


def make_row(columns: list[str], cells: list[str]) -> dict[str, Any]:
    """Return a raw row, with None for each empty cell."""
    return {name: cell or None for name, cell in zip(columns, cells)}  # noqa: B905 - counted before
