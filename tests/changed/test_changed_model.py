"""Whatever comes between two days, what changed arrives or is asked for: a machine that tries."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.changed_members import FEEDS, Brand, Outcome, rewrite
from support.harness import DAY, TODAY
from support.mortal_writer import LARGEST_STATE

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.slow

STREAMS = ("users", "user_activity_history", "purchases", "redemptions", "receipts")
MINUTE = timedelta(minutes=1)


@dataclasses.dataclass(frozen=True)
class Begun:
    """What was there when a sweep began.

    Attributes:
        day: the sandbox's day.
        newest: the newest day of which a file was there.
        short: days whose files were there, but without some of their rows.
    """

    day: int
    newest: int
    short: frozenset[int]


class Syncing(RuleBasedStateMachine):
    """Days pass, files come when and how they like, runs crash, settings change."""

    def __init__(self) -> None:
        super().__init__()
        self._place = tempfile.TemporaryDirectory()
        self.brand = Brand(Path(self._place.name), members=12)
        self.pending: dict[int, set[str]] = {}
        self.short: set[int] = set()
        self.archived: set[int] = set()
        self.here: set[int] = set()
        self.runs = 0
        self.begun: dict[str, Begun] = {}
        self.swept = dict.fromkeys(STREAMS, -1)
        self.read: dict[str, int] = dict.fromkeys(STREAMS, -1)

    @initialize(seed=st.integers(1, 5))
    def open(self, seed: int) -> None:
        self.brand = Brand(Path(self._place.name, "brand"), members=12, seed=seed)
        self.brand.running.start()
        self.arrive(0)
        self.sweep_all()

    @rule(lacking=st.sampled_from([(), (), (), FEEDS, ("PROFILE",), ("USER_REDEMPTION",)]))
    def a_day_passes(self, lacking: tuple[str, ...]) -> None:
        self.brand.pass_day(deliver=False)
        if lacking:
            self.pending[self.brand.day] = set(lacking)
        self.arrive(self.brand.day, set(FEEDS) - set(lacking))

    @rule()
    def a_day_passes_whose_files_lack_rows(self) -> None:
        self.a_day_passes(())
        for path in self.brand.deliver(self.brand.day):
            rewrite(path, lambda rows: rows[::2])
        self.short.add(self.brand.day)

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def late_files_arrive(self, data: st.DataObject) -> None:
        day = data.draw(st.sampled_from(sorted(self.pending)))
        self.arrive(day, self.pending.pop(day))

    @precondition(lambda self: self.here - self.pending.keys())
    @rule(data=st.data(), reverse=st.booleans())
    def files_are_sent_again(self, data: st.DataObject, *, reverse: bool) -> None:
        day = data.draw(st.sampled_from(sorted(self.here - self.pending.keys())))
        for path in self.brand.deliver(day):
            if reverse:
                rewrite(path, lambda rows: rows[::-1])
        self.short.discard(day)

    @precondition(lambda self: self.here - self.short)
    @rule(data=st.data())
    def files_are_moved_away(self, data: st.DataObject) -> None:
        day = data.draw(st.sampled_from(sorted(self.here - self.short)))
        for path in self.files_of(day, self.brand.folder):
            path.replace(self.brand.folder.with_name("archive") / path.name)
        self.here.discard(day)
        self.archived.add(day)

    @precondition(lambda self: self.archived)
    @rule()
    def files_are_moved_back(self) -> None:
        for day in self.archived:
            for path in self.files_of(day, self.brand.folder.with_name("archive")):
                path.replace(self.brand.folder / path.name)
        self.here |= self.archived
        self.archived.clear()

    @rule()
    def some_requests_fail(self) -> None:
        self.brand.running.set_faults("bad_gateway=0.05")

    @rule()
    def all_is_well_again(self) -> None:
        self.brand.running.set_faults("")

    @rule(streams=st.sets(st.sampled_from(STREAMS), min_size=1, max_size=3))
    def sweep_some(self, streams: set[str]) -> None:
        self.sync("changed", sorted(streams, key=STREAMS.index))

    @rule()
    def sweep_changed(self) -> None:
        self.sync("changed")

    @rule()
    def sweep_all(self) -> None:
        self.sync("all")

    @rule(life=st.integers(5, 120))
    def sweep_changed_and_crash(self, life: int) -> None:
        self.sync("changed", life=life)

    @rule(life=st.integers(5, 1000))
    def sweep_all_and_crash(self, life: int) -> None:
        self.sync("all", life=life)

    def sync(self, members: str, streams: Iterable[str] = STREAMS, **how: Any) -> Outcome:
        """Run, and check what a run may claim that ends with 0."""
        brand, chosen = self.brand, tuple(streams)
        self.runs += 1
        now = Begun(brand.day, max(self.here, default=-1), frozenset(self.short))
        begun = dict.fromkeys(chosen, now)
        noted = {stream: dict(brand.note(stream)) for stream in chosen}
        for stream in chosen:
            sweep = brand.entry(stream).get("sweep", {})
            kind = sweep.get("members", "all")
            if "started_at" in sweep and kind == members:
                begun[stream] = self.begun[f"{stream} {sweep['started_at']}"]
        outcome = brand.run(members, streams=chosen, later=self.runs * MINUTE, **how)
        for stream in chosen:
            sweep = brand.entry(stream).get("sweep", {})
            if "started_at" in sweep:
                self.begun.setdefault(f"{stream} {sweep['started_at']}", now)
        for stream in chosen:
            if outcome.error is None:
                self.check(stream, begun[stream], members)
            if brand.note(stream) != noted[stream]:  # complete, but perhaps for members owed
                self.complete(stream, begun[stream], members)
        return outcome

    def complete(self, stream: str, begun: Begun, members: str) -> None:
        known = self.swept if members == "all" else self.read
        known[stream] = max(known[stream], begun.day if members == "all" else begun.newest)

    def check(self, stream: str, begun: Begun, members: str) -> None:
        if members == "all":
            assert not self.brand.lacks(begun.day, [stream])
            return
        base = self.swept[stream]
        newest = max(begun.newest, self.read[stream])
        missing = {day for day in self.pending if base < day <= newest}
        missing |= {day for day in self.archived if max(base, self.read[stream]) < day <= newest}
        assert not missing, "who changed then cannot be known"
        short = {day for day in begun.short if day > base}
        until = min([newest, *(day - 1 for day in short)])
        assert not self.brand.lacks(max(base, until), [stream])

    def arrive(self, day: int, feeds: Iterable[str] = FEEDS) -> None:
        self.brand.folder.with_name("archive").mkdir(exist_ok=True)
        wanted = set(feeds)
        if wanted:
            self.brand.deliver(day, wanted)
            self.here.add(day)

    def files_of(self, day: int, folder: Path) -> list[Path]:
        date = f"{TODAY + (day + 1) * DAY:%Y%m%d}"  # a file is named by the day after
        return [path for path in folder.iterdir() if date in path.name]

    @invariant()
    def the_state_is_small(self) -> None:
        assert len(json.dumps(self.brand.state)) <= LARGEST_STATE

    def teardown(self) -> None:
        """However it went so far: all files, one full sweep, and a day that changes."""
        try:
            self.all_is_well_again()
            if self.brand.day < 25:
                self.files_are_moved_back()
                for day in sorted(self.pending):
                    self.arrive(day, self.pending.pop(day))
                for day in sorted(self.short):
                    self.brand.deliver(day)
                self.short.clear()
                self.sync("all")  # may go on with a run that owes members
                assert self.sync("all").error is None
                self.a_day_passes(())
                assert self.sync("changed").error is None
                assert not self.brand.lacks(streams=STREAMS)
        finally:
            self.brand.running.stop()
            self._place.cleanup()


Syncing.TestCase.settings = settings(
    max_examples=6,
    stateful_step_count=16,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a failing run is short as it is
    suppress_health_check=[HealthCheck.too_slow],
)
TestSyncing = Syncing.TestCase
