"""Days pass, members and rows come and go, runs fail and are cut short: a machine that tries."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from support.mortal_writer import CrashError
from support.vanished_rows import NOW, RECEIPTS, Key, Outcome, Program, State, run

if TYPE_CHECKING:
    from collections.abc import Iterable

LEAST = 0.9


class Warehouse(Protocol):
    """Where the messages go."""

    def load(self, messages: Iterable[dict[str, Any]]) -> None:
        """Take in messages."""

    def rows(self) -> set[Key]:
        """The keys of the receipts that are not deleted."""


class Vanishing(RuleBasedStateMachine):
    """No row is gone that the program holds; after a clean sweep nothing else is left.

    A row that vanishes and comes back while a sweep is under way may be gone until the next one,
    so `constant` are the rows that were there all the time since the sweep began, and `seen` those
    that were there at any moment of it.
    """

    def __init__(self, warehouses: Iterable[Warehouse]) -> None:
        super().__init__()
        self.warehouses = list(warehouses)
        self.now = NOW
        self.program = Program({})
        self.roster: set[int] = set()
        self.state: State = {}
        self.constant: set[Key] = set()
        self.seen: set[Key] = set()
        self.forgotten = 0

    @initialize(members=st.sets(st.integers(1, 40), min_size=8, max_size=20))
    def begin(self, members: set[int]) -> None:
        for member in members:
            self.program.receipts[member] = {member * 100 + n for n in range(member % 3)}
        self.roster = set(members)
        self.run_to_its_end()

    def member(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.program.receipts)))

    @rule(member=st.integers(1, 60))
    def join(self, member: int) -> None:
        """A member joins the program, or comes back into the roster."""
        self.roster.add(member)
        if member not in self.program.receipts:
            self.program.receipts[member] = {member * 100, member * 100 + 1}

    @precondition(lambda self: len(self.roster) > 4)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        """A member is left out of the roster; the program still knows it."""
        self.roster.discard(data.draw(st.sampled_from(sorted(self.roster))))

    @precondition(lambda self: len(self.program.receipts) > 4)
    @rule(data=st.data())
    def be_deleted(self, data: st.DataObject) -> None:
        """CrowdTwist deletes a member, whom the roster still names."""
        del self.program.receipts[self.member(data)]

    @rule(data=st.data(), row=st.integers(0, 30))
    def come(self, data: st.DataObject, row: int) -> None:
        """A row comes, or comes back."""
        member = self.member(data)
        self.program.receipts[member].add(member * 100 + row)

    @rule(data=st.data())
    def vanish(self, data: st.DataObject) -> None:
        """All but a few rows of a member vanish."""
        rows = self.program.receipts[self.member(data)]
        rows -= set(sorted(rows)[data.draw(st.integers(0, 2)) :])

    @rule(data=st.data(), fault=st.sampled_from(["failing", "cut", "without_id"]))
    def something_is_wrong(self, data: st.DataObject, fault: str) -> None:
        self.program.set_fault(fault, {self.member(data), self.member(data)})

    @rule()
    def all_is_well_again(self) -> None:
        for fault in ("failing", "cut", "without_id"):
            self.program.set_fault(fault, set())

    @rule(minutes=st.sampled_from([1, 50, 1500]))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(data=st.data(), life=st.integers(0, 60))
    def be_cut_short(self, data: st.DataObject, life: int) -> None:
        """A run dies; the target has loaded what it wrote, but confirmed perhaps less."""
        outcome = self.run(life=life)
        states = [self.state, *outcome.states]
        self.state = data.draw(st.sampled_from(states[-3:]))

    @rule(
        data=st.data(),
        life=st.integers(8, 50),
        change=st.sampled_from(["roster", "cut", "without_id", "setting"]),
    )
    def be_otherwise_until_cut_short(self, data: st.DataObject, life: int, change: str) -> None:
        """A sweep ends under other circumstances than it began with."""
        self.complete_anew()
        member, given = self.member(data), dict[str, Any]()
        if change == "roster":
            given["roster"] = self.roster - {member}
        elif change == "setting":
            given["vanished_rows"] = "keep"
        else:
            self.program.set_fault(change, {member})
        outcome = self.run(life=life, **given)
        self.state = outcome.states[-1] if outcome.states else self.state
        self.all_is_well_again()
        self.run_to_its_end()

    @rule()
    def complete(self) -> None:
        self.run_to_its_end()

    @rule()
    def keep(self) -> None:
        """One run with the setting at its default."""
        self.run_to_its_end(vanished_rows="keep")

    @rule(data=st.data())
    def read_one_member_again(self, data: st.DataObject) -> None:
        """As the recipe has it: with no state, and none is kept."""
        self.run(state={}, roster={self.member(data)})

    @rule(data=st.data())
    def mistake_the_roster(self, data: st.DataObject) -> None:
        """One member again, but with the state of all, and twice."""
        member = self.member(data)
        for _ in range(2):
            self.run_to_its_end(roster={member})

    @rule()
    def read_all_anew(self) -> None:
        """A full refresh."""
        self.state = {}
        self.run_to_its_end()

    def complete_anew(self) -> None:
        """Leave no sweep under way, and none that is just complete."""
        self.all_is_well_again()
        for _ in range(2):
            self.now += timedelta(hours=2)
            self.run_to_its_end()

    def run_to_its_end(self, **given: Any) -> Outcome:
        outcome = self.run(**given)
        assert not isinstance(outcome.error, CrashError)
        self.state = outcome.state
        return outcome

    def run(self, *, state: State | None = None, **given: Any) -> Outcome:
        """Run the tap, load what it wrote, and check what has become of the table."""
        self.now += timedelta(seconds=7)
        given_state = self.state if state is None else state
        roster = set(given.setdefault("roster", self.roster))
        before = given_state.get("bookmarks", {}).get(RECEIPTS, {})
        is_fresh = "started_at" not in before.get("sweep", {})
        if is_fresh or state is not None:
            self.sweep_begins()
        self.constant &= self.program.rows
        self.seen |= self.program.rows
        old = [warehouse.rows() for warehouse in self.warehouses]
        outcome = run(self.program, given_state, now=self.now, **given)
        in_roster = {key for key in self.program.rows if key[0] in roster}
        for warehouse in self.warehouses:
            warehouse.load(outcome.messages)
        for warehouse, rows in zip(self.warehouses, old, strict=True):
            new = warehouse.rows()
            assert rows & self.constant & in_roster <= new
            if not outcome.activated:
                assert rows <= new
        if outcome.activated:
            self.forgotten += 1
            assert outcome.error is None or isinstance(outcome.error, CrashError)
            assert self.warehouses[0].rows() <= {key for key in self.seen if key[0] in roster}
            measure = before["roster"]["found"]
            found = len(roster & self.program.receipts.keys())
            assert is_fresh <= (found >= LEAST * measure)
        return outcome

    def sweep_begins(self) -> None:
        self.constant = self.seen = self.program.rows

    def teardown(self) -> None:
        """However it went so far: two clean sweeps of a roster leave what is there."""
        if not self.program.receipts:
            return
        self.all_is_well_again()
        self.now += timedelta(hours=2)  # else a stream that is complete is left alone
        self.run_to_its_end(vanished_rows="keep")
        outcome = self.run_to_its_end()
        assert outcome.vanished == "forgotten", outcome.vanished
        there = {key for key in self.program.rows if key[0] in self.roster}
        assert self.warehouses[0].rows() == there
        assert there <= min((warehouse.rows() for warehouse in self.warehouses), key=len)
