"""Whatever any clock says, no event that was acknowledged is passed over."""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
from datetime import datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.harness import PRESENT, process_untouched, select, tap_at
from support.live_events import NOW, Captures

from tap_crowdtwist.files.history import HistorySize
from tap_crowdtwist.streams.live_push import LiveSegments

if TYPE_CHECKING:
    from collections.abc import Iterator

STREAM = "live_segments"
HOUR, DAY, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=365)
FIRST, LAST = (datetime(year, 6, 1, tzinfo=timezone.utc) for year in (1, 9999))


def event(number: int) -> dict[str, object]:
    return {"user_id": number, "event": "entered"}


def members(result: Any) -> list[int]:
    return [row["user_id"] for row in result.records[STREAM]]


@pytest.fixture
def captures(tmp_path: Path) -> Captures:
    """Captures of two weeks, an hour each six hours."""
    captures = Captures(tmp_path)
    for number in range(56):
        captures.add(STREAM, event(number), at=NOW - 6 * number * HOUR)
    return captures


@pytest.mark.parametrize(
    "late",
    [
        timedelta(minutes=40),
        5 * HOUR,
        DAY,
        7 * DAY,
        30 * DAY,
        YEAR,
        NOW - datetime(1999, 12, 31, 23, tzinfo=timezone.utc),
        NOW - FIRST,
    ],
    ids=str,
)
def test_events_of_a_receiver_whose_clock_is_behind_are_read(
    captures: Captures, late: timedelta
) -> None:
    first = captures.read(STREAM)
    state = first.state
    for number in (100, 101, 102):
        captures.add(STREAM, event(number), at=NOW - late, instance="beef")
        result = captures.read(STREAM, state=state)
        assert number in members(result)
        assert len(members(result)) < 10, "no more than what shares the sum"
        state = result.state
    assert not members(captures.read(STREAM, state=state))


@pytest.mark.parametrize("early", [40 * HOUR, 3 * DAY, YEAR, LAST - NOW], ids=str)
def test_a_file_of_the_far_future_is_read_and_hides_nothing(
    captures: Captures, early: timedelta
) -> None:
    captures.add(STREAM, event(100), at=NOW + early, instance="beef")
    captures.add("live_users", {"id": 1})
    first = captures.read(STREAM, "live_users")
    assert set(members(first)) == {*range(56), 100}
    assert len(first.records["live_users"]) == 1
    name = captures.path(STREAM, NOW + early, "beef").name
    said = f"file names with a future date: 1 (first: {name!r}); the files are read, but check"
    assert said in first.stderr

    captures.add(STREAM, event(101), at=NOW + HOUR)
    second = captures.read(STREAM, state=first.state, present=PRESENT + HOUR)
    assert members(second) == [101], "the present stays where it is"
    captures.add(STREAM, event(102), at=NOW + early, instance="beef")
    third = captures.read(STREAM, state=second.state, present=PRESENT + HOUR)
    assert members(third) == [100, 102]
    last = captures.read(STREAM, state=third.state, present=PRESENT + HOUR)
    assert members(last) == []
    assert last.state["bookmarks"][STREAM]["offsets"].keys() <= {
        captures.path(STREAM, at).name for at in (NOW, NOW + HOUR)
    }


@pytest.mark.parametrize("wrong", [-YEAR, -DAY, DAY, 7 * DAY, YEAR, LAST - NOW], ids=str)
def test_events_are_read_whatever_the_taps_own_clock_says(
    captures: Captures, wrong: timedelta
) -> None:
    captures.add(STREAM, rest=captures.line(event(100))[:-5])
    state = captures.read(STREAM).state
    captures.add(STREAM, rest=captures.line(event(100))[-5:])
    second = captures.read(STREAM, state=state, present=PRESENT + wrong)
    assert 100 in members(second)
    captures.add(STREAM, event(101))
    third = captures.read(STREAM, state=second.state, present=PRESENT + wrong)
    assert 101 in members(third)
    captures.add(STREAM, event(102))
    fourth = captures.read(STREAM, state=third.state)
    assert 102 in members(fourth)
    assert not members(captures.read(STREAM, state=fourth.state))


def test_a_directory_that_is_copied_in_months_later_is_read(captures: Captures) -> None:
    state = captures.read(STREAM).state
    late = [NOW - 60 * DAY - number * HOUR for number in range(100)]
    for number, at in enumerate(late, start=100):
        captures.add(STREAM, event(number), at=at, instance="beef")
    second = captures.read(STREAM, state=state)
    assert set(members(second)) == set(range(100, 200))
    assert not members(captures.read(STREAM, state=second.state))


def test_files_that_are_deleted_after_their_time_cost_no_second_reading(
    captures: Captures,
) -> None:
    state = captures.read(STREAM).state
    for age in range(13, 0, -1):
        for path in captures.root.glob(f"{STREAM}-{NOW - age * DAY:%Y%m%d}T*"):
            path.unlink()
        result = captures.read(STREAM, state=state)
        assert members(result) == []
        state = result.state


def test_years_of_captures_leave_a_small_state(tmp_path: Path) -> None:
    captures = Captures(tmp_path)
    moments = [FIRST, LAST, *(NOW - 20 * number * HOUR for number in range(1000))]
    for number, at in enumerate(moments):
        captures.add(STREAM, event(number), at=at)
    first = captures.read(STREAM)
    assert set(members(first)) == set(range(1002))
    files = first.state["bookmarks"][STREAM]["files"]
    assert len(json.dumps(files)) <= 4 * sum(LiveSegments.history_size[:2]) + 64
    assert not members(captures.read(STREAM, state=first.state))


Clock = timedelta | datetime
JUMPS = st.sampled_from([0 * DAY]) | st.sampled_from(
    [
        sign * jump
        for sign in (1, -1)
        for jump in (timedelta(minutes=20), HOUR, 5 * HOUR, DAY, 3 * DAY, 7 * DAY, 40 * DAY, YEAR)
    ]
)
"""By how much a clock is wrong."""

CLOCKS: st.SearchStrategy[Clock] = (
    JUMPS | JUMPS | st.sampled_from([FIRST, datetime(1999, 12, 31, tzinfo=timezone.utc), LAST])
)


class Clocks(RuleBasedStateMachine):
    """Receivers whose clocks jump, files that come late and go, and runs that are killed.

    An event has a number, by which it is known whether it was read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.inside, self.outside = Captures(self.root / "in"), Captures(self.root / "out")
        for captures in (self.inside, self.outside):
            captures.root.mkdir()
        self.now = NOW
        self.events = self.gone = 0
        self.acknowledged: dict[str, set[int]] = {}
        self.seen: set[int] = set()
        self.state: dict[str, Any] = {}
        self.tidy = False
        """Whether no file goes and no run has a wrong clock, so that nothing is read twice."""
        with process_untouched():
            path = {"live_push_path": str(self.inside.root)}
            self.tap = tap_at(NOW)(config=path, catalog=select(STREAM, paths=path))

    def teardown(self) -> None:
        """At the end comes what is still outside, and a run."""
        self.files_come(everything=True)
        self.a_run(0 * DAY)
        assert set().union(*self.acknowledged.values()) <= self.seen
        shutil.rmtree(self.root)

    @initialize(tidy=st.booleans())
    def a_world_is_chosen(self, *, tidy: bool) -> None:
        self.tidy = tidy

    @rule(hours=st.integers(0, 30) | st.integers(0, 1000))
    def time_passes(self, hours: int) -> None:
        self.now += hours * HOUR

    @rule(
        captured=st.lists(
            st.tuples(st.booleans(), CLOCKS, st.integers(1, 2)), min_size=1, max_size=6
        )
    )
    def events_come(self, captured: list[tuple[bool, Clock, int]]) -> None:
        """To a process of this machine, or of another, whose files come when they come."""
        for here, clock, process in captured:
            captures = self.inside if here else self.outside
            at = clock if isinstance(clock, datetime) else self.now + clock
            at, instance = min(max(at, FIRST), LAST), f"{process + 2 * here + 4 * self.gone:08x}"
            self.events += 1
            captures.add(STREAM, event(self.events), at=at, instance=instance)
            path = captures.path(STREAM, at, instance)
            self.acknowledged.setdefault(path.name, set()).add(self.events)

    @rule(everything=st.booleans())
    def files_come(self, *, everything: bool) -> None:
        for path in sorted(self.outside.root.iterdir())[: None if everything else 1]:
            shutil.copy(path, self.inside.root)

    @precondition(lambda self: not self.tidy and any(self.inside.root.iterdir()))
    @rule(data=st.data(), whole_days=st.booleans())
    def files_go(self, data: st.DataObject, *, whole_days: bool) -> None:
        """Only what has been read, by processes that have ended."""
        self.gone += 1
        path = data.draw(st.sampled_from(sorted(self.inside.root.iterdir())))
        day = path.name.partition("T")[0]
        for each in list(self.inside.root.iterdir()):
            gone = each == path or (whole_days and each.name.startswith(day))
            if gone and self.acknowledged[each.name] <= self.seen:
                each.unlink()
                (self.outside.root / each.name).unlink(missing_ok=True)
                self.acknowledged[each.name] = set()

    @rule(wrong=JUMPS)
    def a_run(self, wrong: timedelta) -> None:
        """A run to its end, by a clock that may be wrong."""
        self.seen |= set(self.run(wrong))
        for path in self.inside.root.iterdir():
            assert self.acknowledged[path.name] & self.there(path) <= self.seen, path.name

    @rule(wrong=JUMPS, rows=st.integers(0, 8), loaded=st.booleans())
    def a_run_is_killed(self, wrong: timedelta, rows: int, *, loaded: bool) -> None:
        """After some rows, the last of which no STATE follows; or no STATE at all is kept."""
        before, run = copy.deepcopy(self.state), self.run(wrong)
        read = list(islice(run, rows))
        next(run, None)
        run.close()  # type: ignore[attr-defined]  # a generator
        if loaded:
            self.seen |= set(read)
        else:
            self.state = before

    @rule()
    def runs_come_to_rest(self) -> None:
        self.a_run(0 * DAY)
        again = list(self.run(0 * DAY))
        assert not (again and self.tidy)
        assert not list(self.run(0 * DAY))

    def run(self, wrong: timedelta) -> Iterator[int]:
        """Yield the numbers of the events that a run reads; keep its state where it is left."""
        present = self.now if self.tidy else self.now + wrong
        self.tap.run.now = lambda: present
        state = cast("dict[str, Any]", self.tap.state)
        state.clear()
        state.update(copy.deepcopy(self.state))
        stream = self.tap.streams[STREAM]
        vars(stream).pop("_recent", None)
        records = stream.get_records(None)
        try:
            for record in records:
                yield cast("dict[str, int]", record)["user_id"]
        finally:
            records.close()  # type: ignore[attr-defined]  # a generator
            assert not self.tap.run.failures
            self.state = copy.deepcopy(state)

    def there(self, path: Path) -> set[int]:
        """The events of a file, of which another machine may have more."""
        lines = path.read_text(encoding="utf-8").splitlines()
        return {json.loads(line)["event"]["user_id"] for line in lines}

    @invariant()
    def the_state_is_small(self) -> None:
        for entry in self.state.get("bookmarks", {}).values():
            assert len(json.dumps(entry.get("files", {}))) <= 4 * sum(FEW[:2]) + 64


FEW = HistorySize(6, 4, periods_per_cell=24)
"""So few sums that most files share one."""


@pytest.fixture(autouse=True)
def _few_sums(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.cls is not None:
        monkeypatch.setattr(LiveSegments, "history_size", FEW)


TestClocks = Clocks.TestCase
TestClocks.settings = settings(
    max_examples=30,
    stateful_step_count=20,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # files take long to shrink
)
