"""Streams of Data Push: the daily CSV files that CrowdTwist delivers on SFTP."""

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

REMEMBERED = 1000
"""Characters that the names of a file's columns may take in the state."""


class DataPushStream(FileStream):
    """Rows of one feed of Data Push, file after file in the order of their dates."""

    naming = DATA_PUSH
    kept = HistorySize(200, 200)
    in_order = True
    lasting = True
    replication_key = "file_name"
    needed: ClassVar[tuple[str, ...]] = ()
    """Columns without which a header is none; the key, if not said otherwise."""
    optional: ClassVar[re.Pattern[str] | None] = None
    """Matches the beginning of columns that are there only on days with data for them."""
    _mended = 0

    @cached_property
    def _known_names(self) -> frozenset[str]:
        return frozenset((*self.schema["properties"], *self.aliases))

    @cached_property
    def _credentials(self) -> dict[str, str]:
        """Columns that are withheld whatever the settings say, by their names without separators.

        The files spell them in a way of their own (`hashAlgorithmID`). A column that goes by its
        name in the schema is withheld without a warning, unlike one with an unknown name.
        """
        nodes = schemas.tagged(self.name)["properties"]
        return {
            _bare(name): name for name, node in nodes.items() if node[policy.TAG] == "credential"
        }

    @override
    def read(self, file: File) -> Iterator[Row]:
        stats = self.run.stream_stats(self.name)
        with CsvTable(file, self.source.open, self.run.settings.data_push_format) as table:
            names = [self._known(name) for name in table.columns]
            self._check(table, names)
            rejected = stats.rejected_rows
            covered = str(content_day(file.timestamp) or "")
            for line, cells in table:
                raw = make_row(names, cells)
                raw["file_name"] = file.name
                raw["file_line"] = line
                raw["content_date"] = covered
                yield self.shaped(raw)
                if stats.rejected_rows > rejected:
                    stats.rejected_rows = rejected
                    keys = " and ".join(f"`{key}`" for key in self.primary_keys)
                    raise table.error(
                        line, f"has no usable value for {keys}; mend the line, or remove it"
                    )
            self._columns = self._expected(names)
            self._count_mended(table)

    @override
    def finished(self, file: File) -> int:
        if sum(map(len, self._columns)) <= REMEMBERED:
            self.stream_state["columns"] = self._columns
        else:
            self.stream_state.pop("columns", None)
        return super().finished(file)

    def _count_mended(self, table: CsvTable) -> None:
        if table.repaired_lines and not self._mended:
            self.logger.warning(
                "%s: replaced zero bytes, which no database stores, by U+FFFD in %d lines of %r "
                "(further ones not logged)",
                self.name,
                table.repaired_lines,
                table.file.name,
            )
        self._mended += table.repaired_lines

    def shaped(self, raw: Row) -> Row:
        """Return a raw row in the shape of the schema."""
        return raw

    def _known(self, column: str) -> str:
        """Spell a column as the schema does, where it knows it."""
        lower = column.lower()
        if lower in self._known_names:
            return lower
        return self._credentials.get(_bare(column), column)

    def _expected(self, names: Iterable[str]) -> list[str]:
        """Return the columns whose absence from a later file would be a fault."""
        return [
            name
            for name in names
            if _bare(name) not in self._credentials
            and not (self.optional and self.optional.match(name))
        ]

    def _check(self, table: CsvTable, names: list[str]) -> None:
        """Stop at a header that lacks what the stream, or the last file, cannot do without.

        Raises:
            FileError: it does.
        """
        lacking = [name for name in self.needed or self.primary_keys if name not in names]
        if lacking:
            raise table.error(
                table.header_line,
                f"names no column `{lacking[0]}`, so the header is missing or the feed has "
                "changed; check the file",
            )
        gone = [name for name in self._columns_before(table.file) if name not in names]
        if gone and self.run.settings.data_push_columns == "same":
            raise table.error(
                table.header_line,
                f"lacks columns that earlier files have: {', '.join(gone)}; if CrowdTwist has "
                "changed the feed, set `data_push_columns` to any for one run",
            )

    def _columns_before(self, file: File) -> list[str]:
        """Give the columns of the last file that was read, if it is not a later one."""
        state = self.stream_state
        last = self.naming.parse(str(state.get("replication_key_value")))
        columns = state.get("columns")
        if last is None or last.timestamp > file.timestamp or not isinstance(columns, list):
            return []
        return self._expected(map(str, columns))


class PushUsers(DataPushStream):
    """Profiles that changed, the whole profile each time.

    A member may stand in a file several times. Each row is the whole profile, so by key the last
    one is left, which is the current one.
    """

    name = "push_users"
    feed = "PROFILE"
    primary_keys = ("id",)
    aliases: ClassVar[Mapping[str, str]] = {"mobile_number": "mobile_phone_number"}


class PushUserActivities(DataPushStream):
    """What members did, and the points for it; negative points are redemptions or deductions."""

    name = "push_user_activities"
    feed = "USER_ACTIVITY"
    primary_keys = ("user_activity_id",)


class PushRedemptions(DataPushStream):
    """Rewards that members redeemed points for, without the member's number.

    `order_id` is CrowdTwist's number of one redemption. A row that is repeated has the same.
    """

    name = "push_redemptions"
    feed = "USER_REDEMPTION"
    primary_keys = ("order_id",)


class PushPointsExpiration(DataPushStream):
    """Members whose points are about to expire, a row at each change.

    Nothing that a row says of its member makes it unique: a member stands in a file at each change,
    and `message_date` may be empty. So the key is where the row stands.
    """

    name = "push_points_expiration"
    feed = "POINTS_EXPIRATION"
    primary_keys = ("file_name", "file_line")
    needed = ("user_id",)
    # `message_date` is described for the inactivity rule only, so it may go with that group.
    optional = re.compile(r"message_date$|inactivity_|redperiod_", re.ASCII | re.IGNORECASE)
    notes: ClassVar[str] = (
        "The last row of a member stands in the newest file, on the highest line."
    )

    @override
    def shaped(self, raw: Row) -> Row:
        return fold(raw)


def _bare(name: str) -> str:
    return name.lower().replace("_", "")
