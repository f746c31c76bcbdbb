"""Streams of Data Push: the daily CSV files that CrowdTwist delivers on SFTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from tap_crowdtwist import values
from tap_crowdtwist.feeds.ledger import Extent
from tap_crowdtwist.feeds.names import DATA_PUSH
from tap_crowdtwist.feeds.tables import Table, row
from tap_crowdtwist.state.instants import spell
from tap_crowdtwist.streams.feeds import FeedStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_crowdtwist.feeds.folder import File
    from tap_crowdtwist.records import Row

REMEMBERED = 1000
"""Characters that the names of a file's columns may take in the state."""


class DataPushStream(FeedStream):
    """Rows of one feed of Data Push, file after file in the order of their dates."""

    grammar = DATA_PUSH
    kept = Extent(200, 200)
    in_order = True
    lasting = True
    replication_key = "file_name"
    _mended = 0

    @override
    def read(self, file: File) -> Iterator[Row]:
        tally = self.run.tally(self.name)
        with Table(file, self.folder.open, self.run.settings.data_push_form) as table:
            names = [self._known(name) for name in table.columns]
            self._check(table, names)
            refused = tally.refused
            for line, cells in table:
                raw = row(names, cells)
                raw["file_name"] = file.name
                raw["file_line"] = line
                yield self.completed(raw, file)
                if tally.refused > refused:
                    tally.refused = refused
                    keys = " and ".join(f"`{key}`" for key in self.primary_keys)
                    raise table.wrong(
                        line, f"has no usable value for {keys}; mend the line, or remove it"
                    )
            self._columns = names
            self._count_mended(table)

    @override
    def finished(self, file: File) -> int:
        if sum(map(len, self._columns)) <= REMEMBERED:
            self.stream_state["columns"] = self._columns
        else:
            self.stream_state.pop("columns", None)
        return super().finished(file)

    def _count_mended(self, table: Table) -> None:
        if table.mended and not self._mended:
            self.logger.warning(
                "%s: replaced zero bytes, which no database stores, by U+FFFD in %d lines of %r "
                "(said once)",
                self.name,
                table.mended,
                table.file.name,
            )
        self._mended += table.mended

    def completed(self, raw: Row, file: File) -> Row:  # noqa: ARG002 - for feeds that need it
        """Give a raw row with what it lacks for its key."""
        return raw

    def _known(self, column: str) -> str:
        """Spell a column as the schema does, where it knows it."""
        lower = column.lower()
        return lower if lower in self.schema["properties"] else column

    def _check(self, table: Table, names: list[str]) -> None:
        """Stop at a header that lacks what the stream, or the last file, cannot do without.

        Raises:
            FeedError: it does.
        """
        lacking = [key for key in self.primary_keys if key not in names]
        if lacking:
            raise table.wrong(
                table.header_line,
                f"names no column `{lacking[0]}`, so the header is missing or the feed has "
                "changed; check the file",
            )
        gone = [name for name in self._columns_before(table.file) if name not in names]
        if gone and self.run.settings.data_push_columns == "same":
            raise table.wrong(
                table.header_line,
                f"lacks columns that earlier files have: {', '.join(gone)}; if CrowdTwist has "
                "changed the feed, set `data_push_columns` to any for one run",
            )

    def _columns_before(self, file: File) -> list[str]:
        """Give the columns of the last file that was read, if it is not a later one."""
        state = self.stream_state
        last = self.grammar.parse(str(state.get("replication_key_value")))
        columns = state.get("columns")
        if last is None or last.moment > file.moment or not isinstance(columns, list):
            return []
        return [str(name) for name in columns]


class PushUsers(DataPushStream):
    """Profiles that changed, the whole profile each time."""

    name = "push_users"
    feed = "PROFILE"
    primary_keys = ("id",)


class PushUserActivities(DataPushStream):
    """What members did, and the points for it."""

    name = "push_user_activities"
    notes = "Negative points are not only redemptions, as in `user_activity_history`."
    feed = "USER_ACTIVITY"
    primary_keys = ("user_activity_id",)


class PushRedemptions(DataPushStream):
    """Rewards that members redeemed points for, without the member's number."""

    name = "push_redemptions"
    feed = "USER_REDEMPTION"
    primary_keys = ("order_id",)


class PushPointsExpiration(DataPushStream):
    """Members whose points are about to expire."""

    name = "push_points_expiration"
    feed = "POINTS_EXPIRATION"
    primary_keys = ("user_id", "message_date")
    notes: ClassVar[str] = "A row without `message_date` gets the date of its file."

    @override
    def completed(self, raw: Row, file: File) -> Row:
        told = raw.get("message_date")
        if not _is_instant(told):
            raw["message_date"] = spell(file.moment)
            if told and told.strip():
                raw["message_date_in_file"] = told  # unknown to the schema, so kept beside
        return raw


def _is_instant(value: str | None) -> bool:
    try:
        return value is not None and values.instant(value) is not None
    except values.MisfitError:
        return False
