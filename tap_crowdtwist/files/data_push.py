"""Reads the CSV files of Data Push, zipped or bare, row by row, and proves that they are whole.

A zip holds one CSV, with a header row and commas (Data Push Overview); settings name another
delimiter or encoding. Columns are found by name:
the published lists are incomplete and their order is not promised.
"""

from __future__ import annotations

import codecs
import csv
import io
import zipfile
from contextlib import ExitStack, suppress
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from typing_extensions import Self

from tap_crowdtwist import json_text
from tap_crowdtwist.errors import FileError
from tap_crowdtwist.files.naming import DATA_PUSH
from tap_crowdtwist.files.paths import describe_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from tap_crowdtwist.files.folder import File

MAX_LINE_CHARACTERS = 1 << 20
"""Characters. No line of a feed is that long; a file without line ends must not fill the memory."""

ZEROS = 512
"""Zero bytes in a row, the smallest block of a disk. So many are a hole where a transfer failed."""

_AGAIN = "fetch the file again, or have it sent again"
_SEE = "see that it is there and may be read"
_ENCRYPTED = 1
"""A flag of a file in a zip."""


_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}
_BOM = "\ufeff"
_DOS_END = "\x1a"
"""With this letter alone behind the last line end, old programs say that a file is whole."""


class CsvFormat(NamedTuple):
    """How the CSV files are written.

    Attributes:
        delimiter: the character between two cells.
        encoding: the name of a text encoding of Python.
    """

    delimiter: str = ","
    encoding: str = "utf-8"


DOCUMENTED_FORMAT = CsvFormat()


class CsvTable:
    """One CSV file; a context manager that iterates over its rows with the lines they begin on.

    Args:
        file: the file.
        opened: opens it for reading bytes.
        form: how it is written.
    """

    def __init__(
        self, file: File, opened: Callable[[File], IO[bytes]], form: CsvFormat = DOCUMENTED_FORMAT
    ) -> None:
        self.file = file
        self.form = form
        self.columns: list[str] = []
        """What the header names."""
        self.header_line = 1
        """Where it stands: blank lines may come before it."""
        self.mended = 0
        """Lines in which zero bytes were replaced."""
        self._open = opened
        self._stack = ExitStack()
        self._line = 0

    def __enter__(self) -> Self:
        try:
            lines = io.TextIOWrapper(self._content(), encoding=self.form.encoding, newline="")
            self._stack.enter_context(lines)
            # The csv module refuses cells of more than 131,072 characters. Its limit holds for the
            # whole process and for readers already made, so it is set here, before each reading:
            # other code may have lowered it since. What keeps memory bounded is LONGEST_LINE,
            # which also bounds a cell of many lines whose closing quote is missing.
            csv.field_size_limit(MAX_LINE_CHARACTERS)
            self._rows = csv.reader(self._whole(lines), delimiter=self.form.delimiter, strict=True)
            self.columns = self._header()
        except BaseException:
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
            begins = rows.line_num + 1
            row = self._next()
            if row is None:
                return
            if len(row) == width:
                yield begins, row
            elif len(row) > width and _is_blank(row[width:]):
                yield begins, row[:width]
            elif len(row) > 1 or not _is_blank(row):  # else it is a blank line
                raise self.wrong(
                    begins, f"has {len(row)} cells where the header has {width}; {_AGAIN}"
                )

    def wrong(self, line: int | None, problem: str) -> FileError:
        """Give an error about the file."""
        return FileError(DATA_PUSH.setting, self.file.name, problem, line)

    def _header(self) -> list[str]:
        row: list[str] | None = []
        while row is not None and _is_blank(row):
            self.header_line = self._rows.line_num + 1
            row = self._next()
        if row is None:
            raise self.wrong(1, f"should name the columns, and is empty; {_AGAIN}")
        columns = [cell.strip() for cell in row]
        while not columns[-1]:  # a delimiter at the end of the line
            columns.pop()
        if not all(columns) or len({name.lower() for name in columns}) < len(columns):
            raise self.wrong(
                self.header_line, "should name the columns, each once, and does not; check the file"
            )
        return columns

    def _next(self) -> list[str] | None:
        """Give the next row, None at the end of the file."""
        line = self._rows.line_num + 1
        try:
            return next(self._rows, None)
        except UnicodeDecodeError:
            raise self._undecodable() from None
        except csv.Error as error:
            raise self.wrong(line, f"is not CSV ({error}); {_AGAIN}") from None
        except FileError:
            raise
        except Exception as error:  # noqa: BLE001 - each file system and each codec has its own
            if self.is_bare or _is_of_system(error):
                raise self.wrong(line, f"cannot be read: {describe_error(error)}; {_SEE}") from None
            raise self.wrong(line, f"is where the file is broken or cut short; {_AGAIN}") from None

    def _content(self) -> IO[bytes]:
        """Open the CSV itself."""
        try:
            raw = self._stack.enter_context(self._open(self.file))
        except Exception as error:  # noqa: BLE001 - each file system has its own
            raise self.wrong(None, f"cannot be opened: {describe_error(error)}; {_SEE}") from None
        return raw if self.is_bare else self._unzipped(raw)

    def _unzipped(self, raw: IO[bytes]) -> IO[bytes]:
        try:
            archive = self._stack.enter_context(zipfile.ZipFile(raw))
            return self._stack.enter_context(archive.open(self._part(archive)))
        except FileError:
            raise
        except NotImplementedError:
            raise self.wrong(
                None, "is compressed in a way that is not known; have it sent as an ordinary zip"
            ) from None
        except Exception as error:  # noqa: BLE001 - what a broken zip leads to is not told
            if _is_of_system(error):
                raise self.wrong(None, f"cannot be read: {describe_error(error)}; {_SEE}") from None
            raise self.wrong(None, f"is no zip file, or not a whole one; {_AGAIN}") from None

    def _part(self, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
        parts = [part for part in archive.infolist() if _is_table(part.filename)]
        if len(parts) != 1:
            raise self.wrong(None, f"should hold one CSV file and holds {len(parts)}; {_AGAIN}")
        if parts[0].flag_bits & _ENCRYPTED:
            raise self.wrong(None, "is encrypted; have it sent without a password")
        return parts[0]

    def _whole(self, lines: IO[str]) -> Iterator[str]:
        """Yield lines, and raise at what no whole file has."""
        line, read = "\n", lines.readline
        while line := read(MAX_LINE_CHARACTERS):
            self._line += 1
            if line == _DOS_END:
                return
            has_end = line[-1] in "\r\n"
            if not has_end and len(line) >= MAX_LINE_CHARACTERS:
                raise self.wrong(
                    self._line,
                    f"is longer than {MAX_LINE_CHARACTERS:,} characters, as no line is; {_AGAIN}",
                )
            if not has_end and self.is_bare:
                raise self.wrong(
                    self._line,
                    "has no end, so the file seems to be cut short; fetch it again, or end its "
                    "last line with a line break if that is all of it",
                )
            if "\0" in line:
                line = self._without_zeros(line)
            if self._line == 1:
                line = line.removeprefix(_BOM)
            if not self.columns:
                self._check_delimiter(line)
            yield line

    def _check_delimiter(self, line: str) -> None:
        """Refuse a header that has another delimiter instead; no stream has one column alone."""
        if self.form.delimiter in line:
            return
        other = max(_DELIMITERS, key=line.count)
        if other in line:
            name = "tab" if other == "\t" else other
            raise self.wrong(
                self._line,
                f"is separated by {_DELIMITERS[other]}; set `data_push_delimiter` to {name!r}, or "
                "have the file sent with the delimiter that is set",
            )

    def _without_zeros(self, line: str) -> str:
        """Replace zero bytes in cells, which no database stores; the csv module takes none either.

        In the header they mean that the file is not UTF-8. A line of nothing else, or a block of
        them, is where data is missing.
        """
        if not self.columns or not line.strip("\0\r\n") or "\0" * ZEROS in line:
            likely = "" if self.columns else _wide(line)
            raise self.wrong(self._line, f"holds zero bytes, which no text has; {_advice(likely)}")
        self.mended += 1
        return line.replace("\0", json_text.REPLACEMENT)

    @property
    def is_bare(self) -> bool:
        """Whether nothing but its last line end proves that the file is whole, unlike a zip."""
        return self.file.name.lower().endswith(".csv")

    def _undecodable(self) -> FileError:
        """Return what is wrong, with the first line that is not text in the encoding."""
        self._stack.close()
        encoding = self.form.encoding
        number, likely, has_letters = 0, "", False
        with self._stack, suppress(Exception):  # a broken zip holds anything
            decode = codecs.getincrementaldecoder(encoding)().decode
            content = self._content()
            while line := content.readline(MAX_LINE_CHARACTERS):
                number += 1
                try:
                    decode(line)
                except UnicodeDecodeError:
                    likely = _likely(line, first=number == 1)
                    break
                has_letters = has_letters or not line.isascii()
        # Where other letters were decoded before, the encoding is right and the file is damaged.
        if has_letters or likely == encoding:
            likely = ""
        name = encoding.upper() if encoding == DOCUMENTED_FORMAT.encoding else encoding
        return self.wrong(max(number, 1), f"is not {name} text; {_advice(likely)}")


def _advice(likely: str) -> str:
    if not likely:
        return _AGAIN
    return f"it looks like {likely}: set `data_push_encoding` to that, or else {_AGAIN}"


def _likely(line: bytes, *, first: bool) -> str:
    """Guess the encoding of a line that is not text in the one that is set; "" if there is none."""
    if first and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for encoding in ("utf-8", "cp1252"):  # what is left is Western more often than not
        # Half a letter at the end of a line is where a file was cut, not another encoding.
        with suppress(UnicodeDecodeError):
            line.decode(encoding)
            return encoding if line.endswith(b"\n") else ""
    return ""


def _wide(header: str) -> str:
    """Return under which name of UTF-16 a header of ASCII letters has every second byte zero."""
    text = header.rstrip("\r\n")
    if text and not text[1::2].strip("\0"):
        return "utf-16-le"
    return "utf-16-be" if text and not text[::2].strip("\0") else ""


def _is_table(name: str) -> bool:
    """Return whether a part of a zip is a CSV, and not what Finder keeps beside one."""
    *folders, own = name.split("/")
    return own.lower().endswith(".csv") and not own.startswith("._") and "__MACOSX" not in folders


def _is_blank(cells: list[str]) -> bool:
    return not any(cell.strip() for cell in cells)


def _is_of_system(error: Exception) -> bool:
    """Tell whether an error comes from where a file is, rather than from what it holds."""
    return isinstance(error, OSError) and (bool(error.strerror) or isinstance(error, TimeoutError))


def row(columns: list[str], cells: list[str]) -> dict[str, Any]:
    """Make a raw row: an empty cell is no value."""
    return {name: cell or None for name, cell in zip(columns, cells)}  # noqa: B905 - counted before
