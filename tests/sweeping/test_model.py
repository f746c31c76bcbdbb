"""Whatever happens between and within runs, every row arrives: a machine that tries."""

from __future__ import annotations

import io
import itertools
import json
from contextlib import redirect_stdout
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.crashes import Warehouse
from support.harness import KEYS, process_untouched, select, tap_at
from support.mortal_writer import LARGEST_STATE, CrashError, MortalWriter
from support.scripted_host import START, Host

from tap_crowdtwist.errors import IncompleteError
from tap_crowdtwist.state.failed_members import FailedMembers
from tap_crowdtwist.state.resume import is_resumable

if TYPE_CHECKING:
    from tap_crowdtwist.sync.message_writer import MessageWriter
    from tap_crowdtwist.tap import TapCrowdTwist

pytestmark = pytest.mark.slow


class Sweeping(RuleBasedStateMachine):
    """Members come and go and buy, requests fail, runs crash; a complete run has it all."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.purchases: dict[int, list[dict[str, Any]]] = {}
        self.roster: set[int] = set()
        self.failing: set[int] = set()
        self.warehouse = Warehouse(KEYS)
        self.state: dict[str, Any] = {}
        self.bought: dict[str, int] = {}
        self.begun = 0

    @initialize(members=st.sets(st.integers(1, 60), min_size=3, max_size=25))
    def begin(self, members: set[int]) -> None:
        for member in members:
            self.join(member)

    @rule(member=st.integers(1, 90))
    def join(self, member: int) -> None:
        """A member joins the roster, now or again; who is new has bought long ago already."""
        self.roster.add(member)
        if member not in self.purchases:
            self.purchases[member] = []
            for _ in range(member % 3):
                self.buy(member, 400)

    @precondition(lambda self: len(self.roster) > 3)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.roster.discard(data.draw(st.sampled_from(sorted(self.roster))))

    @rule(data=st.data(), age=st.integers(0, 6), count=st.sampled_from([1, 1, 1, 25]))
    def shop(self, data: st.DataObject, age: int, count: int) -> None:
        member = data.draw(st.sampled_from(sorted(self.purchases)))
        for _ in range(count):
            self.buy(member, age)

    def buy(self, member: int, age: int) -> None:
        rows = self.purchases[member]
        self.bought[f"{member}-{len(rows)}"] = len(self.bought)
        moment = self.now - timedelta(days=age)
        rows.append(
            {
                "purchase_id": f"{member}-{len(rows)}",
                "purchase_id_type": "order_id",
                "last_date_purchased": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "purchase_total": len(rows),
            }
        )

    @rule(minutes=st.sampled_from([1, 30, 120, 1500, 6000]))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(data=st.data())
    def some_requests_fail(self, data: st.DataObject) -> None:
        members = sorted(self.purchases)
        self.failing = set(data.draw(st.lists(st.sampled_from(members), max_size=4)))

    @rule()
    def all_is_well_again(self) -> None:
        self.failing = set()

    @rule(life=st.integers(0, 40), workers=st.integers(1, 6))
    def crash(self, life: int, workers: int) -> None:
        self.run(life, workers)

    @rule(workers=st.integers(1, 6))
    def complete(self, workers: int) -> None:
        """A run that came to its end has what was bought before its sweep began."""
        assert self.run(None, workers)
        table = self.warehouse.tables.get("purchases", {})
        owed = FailedMembers.load(self.state["bookmarks"]["purchases"].get("sweep", {})).earlier
        for member in self.roster.difference(owed):
            for row in self.purchases[member]:
                if self.bought[row["purchase_id"]] < self.begun:
                    assert (member, "order_id", row["purchase_id"]) in table

    def run(self, life: int | None, workers: int) -> bool:
        """Run the tap, load what a target may rely on, and tell whether the run came to its end."""
        writer = MortalWriter(life)
        tap = self.tap(writer, workers)
        stored = self.state.get("bookmarks", {}).get("purchases", {})
        is_resumed = is_resumable(self.state, self.now)
        if "started_at" not in stored.get("sweep", {}) and not is_resumed:
            self.begun = len(self.bought)
        ended = True
        with process_untouched(), redirect_stdout(io.StringIO()):
            try:
                tap.sync()
            except CrashError:
                ended = False
            except IncompleteError:
                assert self.failing or is_resumed
        messages = writer.messages
        states = [n for n, message in enumerate(messages) if message["type"] == "STATE"]
        if states:
            self.state = messages[states[-1]]["value"]
            self.warehouse.load(messages[: states[-1] + 1])
        asked = [m["record"]["user_id"] for m in messages if m["type"] == "RECORD"]
        restarts = sum(later < earlier for earlier, later in itertools.pairwise(asked))
        assert restarts <= 2, "the roster in its order, then who is owed, then who may be new"
        return ended

    def tap(self, writer: MessageWriter, workers: int) -> TapCrowdTwist:
        """A tap that lives now, reads the dictionary and writes to the given writer."""
        config = {
            "api_key": "not-a-secret",
            "client_id": "512",
            "user_ids": sorted(self.roster),
            "max_concurrency": workers,
            "max_retries": 0,
            "checkpoint_interval": 0,
            "max_missing_ratio": 1,
        }
        subject = tap_at(self.now, Host(self.purchases, self.failing))
        return subject(
            config=config, state=self.state, catalog=select("purchases"), message_writer=writer
        )

    @invariant()
    def the_state_is_small(self) -> None:
        assert len(json.dumps(self.state)) <= LARGEST_STATE

    def teardown(self) -> None:
        """However it went so far: two runs without trouble have everything."""
        self.failing = set()
        self.complete(3)
        self.complete(2)
        assert self.begun == len(self.bought)
        assert "sweep" not in self.state["bookmarks"]["purchases"]


Sweeping.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=14,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a failing run is short as it is
    suppress_health_check=[HealthCheck.too_slow],
)
TestSweeping = Sweeping.TestCase
