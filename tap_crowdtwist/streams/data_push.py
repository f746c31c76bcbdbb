"""Streams of Data Push: daily CSV files that CrowdTwist delivers by SFTP."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from tap_crowdtwist import schemas
from tap_crowdtwist.files.data_push import CsvTable, make_row
from tap_crowdtwist.files.history import HistorySize
from tap_crowdtwist.files.month_columns import fold
from tap_crowdtwist.files.naming import DATA_PUSH, content_day
from tap_crowdtwist.privacy import policy
from tap_crowdtwist.streams.file_stream import FileStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tap_crowdtwist.files.folder import File
    from tap_crowdtwist.records.normalizer import Row

MAX_COLUMNS_CHARACTERS = 1000
"""Characters that the column names of a file may take in the state; longer lists are not kept."""


def _fold_name(name: str) -> str:
    return name.lower().replace("_", "")


class DataPushStream(FileStream):
    """Rows of one Data Push feed, file by file in the order of their dates."""

    naming = DATA_PUSH
    history_size = HistorySize(200, 200)
    is_order_sensitive = True
    has_lasting_files = True
    replication_key = "file_name"
    required_columns: ClassVar[tuple[str, ...]] = ()
    """Columns that a header must have; the primary key if empty."""
    optional_columns: ClassVar[re.Pattern[str] | None] = None
    """Matches the beginning of columns that a file has only on days with data for them."""
    _mended = 0

    @cached_property
    def _known_names(self) -> frozenset[str]:
        return frozenset((*self.schema["properties"], *self.aliases))

    @cached_property
    def _credentials(self) -> dict[str, str]:
        """Columns that are withheld under any setting: folded name -> name in the schema.

        The files write them differently (`hashAlgorithmID`). Under its name in the schema a column
        is withheld without a warning; an unknown one would be warned of.
        """
        nodes = schemas.tagged(self.name)["properties"]
        return {
            _fold_name(name): name
            for name, node in nodes.items()
            if node[policy.TAG] == "credential"
        }

    @override
    def read(self, file: File) -> Iterator[Row]:
        stats = self.stats
        with CsvTable(file, self.source.open, self.run.settings.data_push_format) as table:
            names = [self._column_name(name) for name in table.columns]
            self._check_columns(table, names)
            rejected = stats.rejected_rows
            content_date = str(content_day(file.timestamp) or "")
            for line, cells in table:
                raw = make_row(names, cells)
                raw["file_name"] = file.name
                raw["file_line"] = line
                raw["content_date"] = content_date
                yield self._reshape(raw)
                # The consumer counts a row that it rejects before it asks for the next one. In a
                # file that is an error: a damaged line must not be lost in silence.
                if stats.rejected_rows > rejected:
                    stats.rejected_rows = rejected
                    keys = " and ".join(f"`{key}`" for key in self.primary_keys)
                    raise table.error(
                        line, f"has no usable value for {keys}; correct or remove the line"
                    )
            self._columns = self._expected_columns(names)
            self._warn_of_repairs(table)

    @override
    def finished(self, file: File) -> int:
        if sum(map(len, self._columns)) <= MAX_COLUMNS_CHARACTERS:
            self.stream_state["columns"] = self._columns
        else:
            self.stream_state.pop("columns", None)
        return super().finished(file)

    def _warn_of_repairs(self, table: CsvTable) -> None:
        if table.repaired_lines and not self._mended:
            self.logger.warning(
                "%s: replaced zero bytes, which no database stores, by U+FFFD in %d lines of %r "
                "(further ones not logged)",
                self.name,
                table.repaired_lines,
                table.file.name,
            )
        self._mended += table.repaired_lines

    def _reshape(self, raw: Row) -> Row:
        """Return a raw row in the form of the schema."""
        return raw

    def _column_name(self, column: str) -> str:
        """Return the name that a column has in the schema, or its own if it is unknown."""
        lower = column.lower()
        if lower in self._known_names:
            return lower
        return self._credentials.get(_fold_name(column), column)

    def _expected_columns(self, names: Iterable[str]) -> list[str]:
        """Return the columns that later files must have too."""
        return [
            name
            for name in names
            if _fold_name(name) not in self._credentials
            and not (self.optional_columns and self.optional_columns.match(name))
        ]

    def _check_columns(self, table: CsvTable, names: list[str]) -> None:
        """Check that a header has all required columns, and those of the last file.

        Raises:
            FileError: one is missing.
        """
        absent = [name for name in self.required_columns or self.primary_keys if name not in names]
        if absent:
            raise table.error(
                table.header_line,
                f"names no column `{absent[0]}`, so the header is missing or the feed has "
                "changed; check the file",
            )
        missing = [name for name in self._columns_before(table.file) if name not in names]
        if missing and self.run.settings.data_push_columns == "same":
            raise table.error(
                table.header_line,
                f"lacks columns that earlier files have: {', '.join(missing)}; if CrowdTwist has "
                "changed the feed, set `data_push_columns` to any for one run",
            )

    def _columns_before(self, file: File) -> list[str]:
        """Return the columns of the last file that was read, or [] if that is a later one."""
        state = self.stream_state
        last = self.naming.parse(str(state.get("replication_key_value")))
        columns = state.get("columns")
        if last is None or last.timestamp > file.timestamp or not isinstance(columns, list):
            return []
        return self._expected_columns(map(str, columns))


class PushUsers(DataPushStream):
    """Profiles that changed, the whole profile each time.

    A member may appear in a file several times. Each row is the whole profile, so a target that
    merges by key ends with the last row, which is the current one.
    """

    name = "push_users"
    feed = "PROFILE"
    primary_keys = ("id",)
    aliases: ClassVar[Mapping[str, str]] = {"mobile_number": "mobile_phone_number"}


class PushUserActivities(DataPushStream):
    """Activities of members and their points; negative points are redemptions or deductions."""

    name = "push_user_activities"
    feed = "USER_ACTIVITY"
    primary_keys = ("user_activity_id",)


class PushRedemptions(DataPushStream):
    """Rewards that members redeemed points for, without the member's number.

    `order_id` is CrowdTwist's number of one redemption. A repeated row has the same.
    """

    name = "push_redemptions"
    feed = "USER_REDEMPTION"
    primary_keys = ("order_id",)


class PushPointsExpiration(DataPushStream):
    """Members whose points are about to expire, a row at each change.

    No property makes a row unique: a file has a row of a member for each change, and `message_date`
    may be empty. So the key is the row's position, by file and line.
    """

    name = "push_points_expiration"
    feed = "POINTS_EXPIRATION"
    primary_keys = ("file_name", "file_line")
    required_columns = ("user_id",)
    # `message_date` is described for the inactivity rule only, so it may go with that group.
    optional_columns = re.compile(r"message_date$|inactivity_|redperiod_", re.ASCII | re.IGNORECASE)
    page_note: ClassVar[str] = (
        "The last row of a member is in the newest file, on the highest line."
    )

    @override
    def _reshape(self, raw: Row) -> Row:
        return fold(raw)


STREAMS = (PushUsers, PushUserActivities, PushRedemptions, PushPointsExpiration)
