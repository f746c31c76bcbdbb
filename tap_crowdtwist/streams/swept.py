"""Member streams: one resource of every member of the roster, swept in order, resumable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_crowdtwist import state
from tap_crowdtwist.api.errors import ApiError, FatalApiError, NotConfiguredError
from tap_crowdtwist.errors import IncompleteError, SettingError, TapError
from tap_crowdtwist.state import notes
from tap_crowdtwist.state.continuation import MARK
from tap_crowdtwist.streams.base import CrowdTwistStream
from tap_crowdtwist.streams.errand import Errand, Haul
from tap_crowdtwist.streams.verdicts import UNCONFIGURED, judge, judge_all

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from datetime import datetime

    from singer_sdk.helpers.types import Context

    from tap_crowdtwist.records import Row
    from tap_crowdtwist.roster import Member
    from tap_crowdtwist.sweep import Sweep


class Walk(NamedTuple):
    """A sweep that has begun: its state, what decided its bounds, and its results to come."""

    state: state.Sweep
    plan: state.Plan
    under_way: Sweep[Errand, Haul] | None


def _nobody(_member: Member) -> bool:
    return False


class MemberStream(CrowdTwistStream):
    """One resource of every member.

    A top-level stream of the SDK, not a child of users: child streams write a SCHEMA and a STATE
    message per member and search a list of partitions for each.
    """

    replicable_by: ClassVar[tuple[str, ...]] = ()
    """Properties by which the stream can be replicated incrementally."""

    _walk: Walk | None = None

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

    @property
    def is_complete(self) -> bool:
        """Whether the run that this one continues has completed the stream."""
        own, changed = self.stream_state, self.run.settings.only_changed
        if not self._crowdtwist.continues or MARK not in own or notes.of_changed(own) > changed:
            return False
        if changed and self.run.feeds is not None and self.run.feeds.has_news(own.get("files")):
            return False
        state.check_roster(own, self.run.roster)
        return True

    def begin(self) -> Walk:
        """Begin the sweep, or resume it, and let the workers start on it."""
        if self._walk is None:
            plan = self._plan()
            begun = state.begin(self.stream_state, plan, self.run.roster)
            under_way = None
            if self.ABORT_AT_RECORD_COUNT is None:
                under_way = self.run.crew.add(self._errands(begun), self._asker(begun))
            self._walk = Walk(begun, plan, under_way)
        return self._walk

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Give none: the bookmark is the start of the sweep."""

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[Row, Any, Any]:
        run, tally = self.run, self.run.tally(self.name)
        if run.unswept:
            tally.skipped = run.unswept
            return
        if self.is_complete:
            tally.skipped = "complete since the run that was cut short"
            return
        walk = self.begin()
        due = run.clock() + run.settings.checkpoint_interval
        with self.measured() as count, run.progress(self):
            try:
                for errand, haul in self._results(walk):
                    done = judge(self, errand, haul, walk.state)
                    self._learn(haul, walk.state)
                    if tally.skipped:
                        break
                    rows = [row for row in haul.rows if self.wanted(row, errand.since)]
                    before = tally.records
                    yield from self._write(rows, haul.extracted, write=write_messages)
                    count(tally.records - before)
                    self._moved(errand, walk.state, done=done)
                    if run.clock() >= due:
                        self._checkpoint(walk.state)
                        due = run.clock() + run.settings.checkpoint_interval
                self._finish(walk)
            except IncompleteError as error:
                self._checkpoint(walk.state)
                if not run.client.traffic.answered:
                    raise
                run.failures.append(str(error))
            except Exception:
                self._checkpoint(walk.state, forget=tally.wrong_roster)
                raise
            finally:
                self._walk = None

    def _learn(self, haul: Haul, walk: state.Sweep) -> None:
        """Learn from an answer whether the program has the resource.

        Where it did not when all members were asked, those who are asked now are too few.
        """
        if isinstance(haul.error, NotConfiguredError):
            walk.lacking = walk.lacking is not False
        elif haul.error is None:
            walk.lacking = False
            if walk.changed and notes.lacking(self.stream_state):
                del self.stream_state["files"]
                walk.files = None
                self.run.fail(
                    SettingError(
                        "sweep_members",
                        f"the program has `{self.name}` now, and lacked it when all members were "
                        "swept; run once with `sweep_members` all",
                    )
                )

    def _finish(self, walk: Walk) -> None:
        """Write into the state that every member was asked, or why that counts for nothing.

        Members who changed may be too few to tell that the program lacks the resource by now. They
        stay due then, together with those who change next.
        """
        run, own, sweep = self.run, self.stream_state, walk.state
        has_rows = judge_all(self, sweep)
        doubted = sweep.changed and sweep.lacking and not notes.lacking(own)
        if doubted and sweep.asked < UNCONFIGURED:
            state.forget(own, sweep)
        elif has_rows:
            state.finish(own, sweep, walk.plan, run.roster, run.now())
        else:
            state.note_files(own, sweep)

    def _results(self, walk: Walk) -> Iterator[tuple[Errand, Haul]]:
        if walk.under_way is None:  # a dry run, which needs few members
            ask = self._asker(walk.state)
            yield from ((errand, ask(errand)) for errand in self._errands(walk.state))
            return
        followed = False
        for result in self.run.crew.results(walk.under_way):
            if walk.under_way.exhausted and not followed:
                self._crowdtwist.begin_next(self)
                followed = True
            yield result
            self.run.listen()

    def _plan(self) -> state.Plan:
        settings = self.run.settings
        key = self.replication_key if self.replication_method == REPLICATION_INCREMENTAL else None
        if self.replication_method == REPLICATION_INCREMENTAL and key not in self.replicable_by:
            possible = " or ".join(self.replicable_by)
            only = f", only by {possible}" if possible else ""
            raise TapError(
                f"Catalog: `{self.name}` cannot be replicated incrementally by {key!r}{only}; set "
                "its replication-method to FULL_TABLE"
            )
        now = self.run.now()
        if settings.start_date is not None and settings.start_date > now:
            raise SettingError("start_date", "lies in the future, so there is nothing to read yet")
        feeds = self.run.feeds
        return state.Plan(
            now,
            key,
            settings.start_date,
            settings.lookback,
            files=feeds.marks if feeds is not None else None,
            changed=settings.only_changed,
        )

    def _errands(self, walk: state.Sweep) -> Iterator[Errand]:
        """Give whom to ask, and from when: first who is owed, then the rest of the roster."""
        roster, start = self.run.roster, self.run.settings.start_date
        places = map(roster.find, walk.retry)
        owed = sorted(place for place in places if place is not None)
        walk.retry[:] = [roster.name(place) for place in owed]
        bound = state.earlier(walk.retry_since, walk.since)
        yield from [Errand(place, bound, owed=True) for place in owed]
        done = frozenset(owed)
        is_new = state.newcomer(self.stream_state, roster) if not walk.changed else _nobody
        for place in range(roster.after(walk.after), len(roster)):
            if place not in done:
                since = start if is_new(roster.name(place)) else walk.since
                yield Errand(place, since, owed=False)

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

    def _moved(self, errand: Errand, walk: state.Sweep, *, done: bool) -> None:
        member = self.run.roster.name(errand.position)
        if not errand.owed:
            walk.after = member
        elif done:
            walk.retry.remove(member)

    def _checkpoint(self, walk: state.Sweep, *, forget: bool = False) -> None:
        if forget:
            state.forget(self.stream_state, walk)
        elif walk.missing < walk.asked or not walk.asked:  # else the roster may be a wrong one
            state.save(self.stream_state, walk, self.run.roster, self.run.now())
        self._tap.state_writer.write_state(self.tap_state)
