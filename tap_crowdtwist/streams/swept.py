"""Member streams: one resource of every member of the roster, swept in order, resumable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_crowdtwist import state
from tap_crowdtwist.api.errors import (
    ApiError,
    ExhaustedError,
    FatalApiError,
    MemberMissingError,
    NotConfiguredError,
)
from tap_crowdtwist.errors import IncompleteError, SettingError, TapError
from tap_crowdtwist.streams.base import CrowdTwistStream
from tap_crowdtwist.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from datetime import datetime

    from singer_sdk.helpers.types import Context

    from tap_crowdtwist.records import Row

_CERTAIN = 200
"""Members asked without finding a single one before the roster is taken for a wrong one."""

_UNCONFIGURED = 25
"""Members in a row, from the first on, that lack a resource before the program is said to."""


class Errand(NamedTuple):
    """One member to ask about, and from when on."""

    position: int
    since: datetime | None
    owed: bool


class Haul(NamedTuple):
    """What came of an errand: raw rows and when they came, or why there are none."""

    rows: list[Row]
    extracted: datetime
    error: ApiError | None


class MemberStream(CrowdTwistStream):
    """One resource of every member.

    A top-level stream of the SDK, not a child of users: child streams write a SCHEMA and a STATE
    message per member and search a list of partitions for each.
    """

    replicable_by: ClassVar[tuple[str, ...]] = ()
    """Properties by which the stream can be replicated incrementally."""

    def fetch(self, position: int, since: datetime | None, until: datetime) -> list[Row]:
        """Read the rows of one member, in a worker thread.

        Args:
            position: the member's place in the roster.
            since: rows dated earlier may be left out.
            until: rows dated later may be left out.
        """
        user_id = self.run.identities.user_id(position)
        rows = self.run.client.rows(self.endpoint, user_id, since=since, until=until)
        for row in rows:
            row["user_id"] = user_id
        return rows

    def wanted(self, row: Row, since: datetime | None) -> bool:  # noqa: ARG002 - for streams that filter on our side
        """Tell whether a row belongs into the output of a sweep with this bound."""
        return True

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Give none: the bookmark is the start of the sweep."""

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[Row, Any, Any]:
        run, tally = self.run, self.run.tally(self.name)
        plan = self._plan()
        walk = state.begin(self.stream_state, plan, run.roster)
        due = run.clock() + run.settings.checkpoint_interval
        with self.get_record_counter() as counter, self.get_sync_timer():
            try:
                for errand, haul in sweep(
                    self._errands(walk), self._asker(walk), run.settings.max_concurrency
                ):
                    self._judge(errand, haul, walk)
                    if tally.skipped:
                        break
                    rows = [row for row in haul.rows if self.wanted(row, errand.since)]
                    for record in self._write(rows, haul.extracted, write=write_messages):
                        counter.increment()
                        yield record
                    self._moved(errand, haul, walk)
                    if run.clock() >= due:
                        self._checkpoint(walk)
                        due = run.clock() + run.settings.checkpoint_interval
                self._conclude(walk, plan)
            except Exception:
                if not tally.wrong_roster:
                    self._checkpoint(walk)
                raise

    def _plan(self) -> state.Plan:
        settings = self.run.settings
        key = self.replication_key if self.replication_method == REPLICATION_INCREMENTAL else None
        if self.replication_method == REPLICATION_INCREMENTAL and key not in self.replicable_by:
            possible = " or ".join(self.replicable_by) or "nothing"
            raise TapError(
                f"Catalog: `{self.name}` cannot be replicated incrementally by {key!r}, only by "
                f"{possible}; set its replication-method to FULL_TABLE"
            )
        return state.Plan(self.run.now(), key, settings.start_date, settings.lookback)

    def _errands(self, walk: state.Sweep) -> Iterator[Errand]:
        roster = self.run.roster
        owed = [place for member in walk.retry if (place := roster.find(member)) is not None]
        walk.retry[:] = [roster[place] for place in owed]
        yield from (Errand(place, walk.retry_since, owed=True) for place in owed)
        done = frozenset(owed)
        for place in range(roster.after(walk.after), len(roster)):
            if place not in done:
                yield Errand(place, walk.since, owed=False)

    def _asker(self, walk: state.Sweep) -> Callable[[Errand], Haul]:
        def ask(errand: Errand) -> Haul:
            try:
                rows = self.fetch(errand.position, errand.since, walk.started_at)
            except FatalApiError:
                raise
            except ApiError as error:
                return Haul([], self.run.now(), error)
            return Haul(rows, self.run.now(), None)

        return ask

    def _judge(self, errand: Errand, haul: Haul, walk: state.Sweep) -> None:
        """Count what came of an errand, and stop where going on makes no sense."""
        tally, settings = self.run.tally(self.name), self.run.settings
        tally.asked += 1
        error = haul.error
        if isinstance(error, MemberMissingError):
            tally.missing += 1
            if tally.missing == tally.asked >= _CERTAIN and settings.max_missing_ratio < 1:
                self._wrong_roster()
        elif isinstance(error, NotConfiguredError):
            tally.unconfigured += 1
            if tally.unconfigured == 1:
                self.logger.warning("%s: %s (said once)", self.name, error)
            if tally.unconfigured == tally.asked >= _UNCONFIGURED:
                tally.skipped = error.sentence
        elif error is not None:
            tally.failed += 1
            state.failed(walk, self.run.roster[errand.position], errand.since)
            if tally.failed > settings.max_failed_members:
                raise IncompleteError(
                    f"{self.name}: {tally.failed} members failed, more than `max_failed_members` "
                    f"allows; the last one because: {error}"
                )

    def _moved(self, errand: Errand, haul: Haul, walk: state.Sweep) -> None:
        member = self.run.roster[errand.position]
        if not errand.owed:
            walk.after = member
        elif not isinstance(haul.error, ExhaustedError):
            walk.retry.remove(member)

    def _checkpoint(self, walk: state.Sweep) -> None:
        state.save(self.stream_state, walk, self.run.roster)
        self._tap.state_writer.write_state(self.tap_state)

    def _conclude(self, walk: state.Sweep, plan: state.Plan) -> None:
        tally = self.run.tally(self.name)
        if tally.asked and tally.missing / tally.asked > self.run.settings.max_missing_ratio:
            self._wrong_roster()
        if tally.asked and tally.unconfigured == tally.asked:
            tally.skipped = tally.skipped or "No member has this resource"
            self.stream_state.pop("sweep", None)
            self.logger.warning("%s: %s, so the stream has no rows", self.name, tally.skipped)
            return
        state.finish(self.stream_state, walk, plan, self.run.roster)

    def _wrong_roster(self) -> None:
        """Fail, and forget the sweep: its members have to be asked again when that is mended."""
        tally = self.run.tally(self.name)
        tally.wrong_roster = True
        self.stream_state.pop("sweep", None)
        raise SettingError(
            "id_type",
            f"CrowdTwist does not know {tally.missing} of {tally.asked} members asked for "
            f"{self.name} as {self.run.roster.id_type!r}; check it and the roster, or raise "
            "`max_missing_ratio` if so many are gone",
        )
