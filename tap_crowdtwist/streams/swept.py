"""Member streams: one resource of every member of the roster, swept in order, resumable."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import msgspec
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_crowdtwist import maps, state
from tap_crowdtwist.api.errors import ApiError, FatalApiError, NotConfiguredError
from tap_crowdtwist.errors import IncompleteError, SettingError, TapError
from tap_crowdtwist.state import notes
from tap_crowdtwist.state.continuation import MARK
from tap_crowdtwist.streams import errand as errands
from tap_crowdtwist.streams import vanished
from tap_crowdtwist.streams.base import CrowdTwistStream
from tap_crowdtwist.streams.errand import Errand, Haul, Turn
from tap_crowdtwist.streams.verdicts import UNCONFIGURED, NothingReadError, judge, judge_all
from tap_crowdtwist.tally import FORGOTTEN

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from datetime import datetime

    from singer_sdk.helpers.types import Context

    from tap_crowdtwist.records import Row
    from tap_crowdtwist.sweep import Sweep


class Walk(NamedTuple):
    """A sweep that has begun: its state, what decided its bounds, and its results to come.

    Attributes:
        found: the stream's state from before, to go back to where nothing can be read at all.
        first: the position in the roster at which this run began.
    """

    state: state.Sweep
    plan: state.Plan
    under_way: Sweep[Errand, Haul] | None
    found: dict[str, Any]
    first: int


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
        if not self._crowdtwist.continues or not own.get(MARK) or notes.of_changed(own) > changed:
            return False
        if not changed and self.is_incremental and self.starts_later:
            return False
        if changed and self.run.feeds is not None and self.run.feeds.has_news(own.get("files")):
            return False
        state.check_roster(own, self.run.roster)
        return True

    @property
    def is_incremental(self) -> bool:
        """Whether the stream goes on from a bookmark."""
        return bool(self.replication_method == REPLICATION_INCREMENTAL)

    @property
    def starts_later(self) -> bool:
        """Whether its members were read from a later date on than is wanted now.

        A date that nobody can read is told when the sweep begins. `stream_state` would put an entry
        into the state before it is the turn of the stream.
        """
        own = self.tap_state.get("bookmarks", {}).get(self.name, {})
        try:
            return state.starts_later(own, self.run.settings.start_date)
        except (AttributeError, TypeError, ValueError):
            return False

    @property
    def shares_table(self) -> bool:
        """Whether a stream map sends another selected stream under the same name."""
        streams = [s for s in self._crowdtwist.streams.values() if s.selected and s is not self]
        return any(maps.tables(stream) & maps.tables(self) for stream in streams)

    def begin(self) -> Walk:
        """Begin the sweep, or resume it, and let the workers start on it."""
        if self._walk is None:
            plan, found = self._plan(), copy.deepcopy(self.stream_state)
            begun = state.begin(self.stream_state, plan, self.run.roster)
            first = self.run.roster.after(begun.after)
            under_way = None
            if self.ABORT_AT_RECORD_COUNT is None:
                under_way = self.run.crew.add(self._turns(begun), self._asker(begun))
            self._walk = Walk(begun, plan, under_way, found, first)
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
            if not run.settings.only_changed:
                state.go_without(self.stream_state, run.roster)
            return
        walk = self.begin()
        with self.measured() as count, run.progress(self):
            try:
                yield from self._records(walk, count, write=write_messages)
                self._finish(walk, write=write_messages)
            except NothingReadError as error:
                self.stream_state.clear()
                self.stream_state.update(walk.found)
                self._give_up(error)
            except IncompleteError as error:
                self._checkpoint(walk)
                self._give_up(error)
            except Exception:
                self._checkpoint(walk, forget=tally.wrong_roster)
                raise
            finally:
                self._walk = None

    def _give_up(self, error: IncompleteError) -> None:
        """Go on with the other streams, unless nothing at all answers."""
        if not self.run.client.traffic.answered:
            raise error
        self.run.failures.append(str(error))

    def _records(
        self, walk: Walk, count: Callable[..., None], *, write: bool
    ) -> Generator[Row, Any, None]:
        """Write the records of a sweep, member by member, with a STATE from time to time."""
        run, tally = self.run, self.run.tally(self.name)
        due = run.clock() + run.settings.checkpoint_interval
        for errand, haul in self._results(walk):
            judge(self, errand, haul, walk.state)
            self._learn(haul, walk.state)
            if tally.skipped:
                return
            rows = [row for row in haul.rows if self.wanted(row, haul.since)]
            before = tally.records
            version = walk.state.version
            yield from self._write(rows, haul.extracted, write=write, version=version)
            count(tally.records - before)
            if haul.was_read and errand.turn is not Turn.AGAIN:
                user_id = run.identities.user_id(errand.position)
                walk.state.was_read(user_id, owed=errand.turn is Turn.OWED)
            if errand.turn is Turn.FIRST:
                walk.state.after = run.roster.name(errand.position)
            if run.clock() >= due:
                self._checkpoint(walk)
                due = run.clock() + run.settings.checkpoint_interval

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

    def _finish(self, walk: Walk, *, write: bool) -> None:
        """Write into the state that every member was asked, or why that counts for nothing.

        Members who changed may be too few to tell that the program lacks the resource by now. They
        stay due then, together with those who change next.
        """
        run, own, sweep = self.run, self.stream_state, walk.state
        has_rows = judge_all(self, sweep)
        sweep.doubt = vanished.doubt(self, sweep)
        if write and vanished.may_vanish(self):
            self._forget_vanished(sweep)
        doubted = sweep.changed and sweep.lacking and not notes.lacking(own)
        if doubted and sweep.asked < UNCONFIGURED:
            state.forget(own, sweep)
        elif has_rows:
            state.finish(own, sweep, walk.plan, run.roster, run.now())
            if sweep.unlisted:
                run.failures.append(
                    f"{self.name}: more members failed than the state can list ({state.MOST:,} a "
                    "stream at most), so its bookmark stays and the next run reads everybody "
                    "from there"
                )
        else:
            state.note_files(own, sweep)

    def _forget_vanished(self, sweep: state.Sweep) -> None:
        """Let the target forget what the sweep has not brought, or say why not.

        Before the state says that the sweep is complete: a target that dies between the two gets
        the message again.
        """
        tally = self.run.tally(self.name)
        reason = "the stream was skipped" if tally.skipped else vanished.why_kept(self, sweep)
        tally.vanished = reason or FORGOTTEN
        if not reason and sweep.version is not None:
            self._write_activate_version_message(sweep.version)

    def _results(self, walk: Walk) -> Iterator[tuple[Errand, Haul]]:
        if walk.under_way is None:  # a dry run, which needs few members
            ask = self._asker(walk.state)
            yield from ((errand, ask(errand)) for errand in self._turns(walk.state))
            return
        is_last = walk.state.known is None
        yield from self._taken(walk.under_way, last=is_last)
        walk.state.retry.clear()  # all of them were asked; who failed again is noted anew
        if is_last:
            return
        # Who may be new is known only when everybody's result has been taken. The next stream's
        # sweep must not begin before: its results would fill the window, and wait for these.
        is_new = errands.newcomers(walk.state)
        if is_new is None:
            self._crowdtwist.begin_next(self)
            return
        self.logger.info(
            "%s: reading members from `start_date` that the last sweep may not have read", self.name
        )
        run, start = self.run, self.run.settings.start_date
        turns = errands.again(len(run.roster), run.identities.known_id, is_new, walk.first, start)
        again = run.crew.add(turns, self._asker(walk.state, is_new))
        yield from self._taken(again, last=True)

    def _taken(
        self, under_way: Sweep[Errand, Haul], *, last: bool
    ) -> Iterator[tuple[Errand, Haul]]:
        """Yield results; let the workers go on with the next stream once `last` ones are begun."""
        followed = not last
        for result in self.run.crew.results(under_way):
            if under_way.exhausted and not followed:
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
            self.name,
            now,
            key,
            settings.start_date,
            settings.lookback,
            files=feeds.marks if feeds is not None else None,
            changed=settings.only_changed,
            versioned=vanished.has_versions(self),
        )

    def _turns(self, walk: state.Sweep) -> Iterator[Errand]:
        return errands.turns(self.run.roster, walk, self.run.settings.start_date)

    def _asker(
        self, walk: state.Sweep, is_new: Callable[[int], bool] | None = None
    ) -> Callable[[Errand], Haul]:
        def ask(errand: Errand) -> Haul:
            try:
                if is_new is not None and not is_new(self.run.identities.user_id(errand.position)):
                    return Haul([], errand.since, self.run.now())
                rows = self._read(errand, walk)
            except FatalApiError:
                raise
            except ApiError as error:
                return Haul([], self._since(errand, walk), self.run.now(), error)
            return Haul(rows, self._since(errand, walk), self.run.now())

        return ask

    def _read(self, errand: Errand, walk: state.Sweep) -> list[Row]:
        """Read the rows of one member, in a worker thread."""
        self.run.identities.user_id(errand.position)  # decides from when on
        return self.fetch(errand.position, self._since(errand, walk), walk.started_at)

    def _since(self, errand: Errand, walk: state.Sweep) -> datetime | None:
        """Return from when on a member is wanted.

        That is `start_date` for one whose number says that it is new, and for one that failed
        before its number was known.
        """
        if walk.known is None or errand.turn is not Turn.FIRST:
            return errand.since
        user_id = self.run.identities.known_id(errand.position)
        is_new = user_id is None or walk.is_joined(user_id)
        return self.run.settings.start_date if is_new else errand.since

    def room(self) -> int:
        """Return how many characters the state has left for members of this stream that failed."""
        selected = [name for name, stream in self._crowdtwist.streams.items() if stream.selected]
        return state.room(self.tap_state.get("bookmarks", {}), self.name, selected)

    def _checkpoint(self, walk: Walk, *, forget: bool = False) -> None:
        own, sweep, run = self.stream_state, walk.state, self.run
        if forget:
            state.forget(own, sweep)
        elif sweep.missing < sweep.asked or not sweep.asked:  # else the roster may be a wrong one
            doubted = replace(sweep, doubt=vanished.doubt(self, sweep))
            state.save(own, doubted, walk.plan, run.roster, run.now())
            if len(msgspec.json.encode(self.tap_state)) > state.LARGEST:
                state.shorten(own)
        self._tap.state_writer.write_state(self.tap_state)
