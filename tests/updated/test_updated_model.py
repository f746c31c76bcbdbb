"""Whatever comes between two days, what a profile tells of arrives: a machine that tries."""

from __future__ import annotations

import json
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.changed_members import Brand, Outcome
from support.harness import DAY, INCREMENTAL, PRESENT
from support.mortal_writer import LARGEST_STATE
from support.updated_members import TODAY_ENDS

from crowdtwist_sandbox.world.profile_dates import LATE_ROWS
from tap_crowdtwist.state.timestamps import load_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

pytestmark = pytest.mark.slow

STREAMS = ("users", *INCREMENTAL)
MINUTE = timedelta(minutes=1)
MINUTES_LATE = 20
"""How late some programs show in a profile what happened: well within the margin of an hour."""

NOBODY = "1"
"""A member of the roster whom the program does not know, or no longer."""


def is_refused(outcome: Outcome) -> bool:
    """Whether a run read no member, since it was not known who changed."""
    return bool(outcome.summary.get("users", {}).get("skip_reason"))


class Syncing(RuleBasedStateMachine):
    """Days pass, rows arrive late, members join, runs crash, `sweep_members` changes."""

    def __init__(self) -> None:
        super().__init__()
        self._place = tempfile.TemporaryDirectory()
        self.brand = Brand(Path(self._place.name), members=14)
        self.runs = 0
        self.dates = self.late_rows = ""
        self.outside: list[str] = []
        self.rosters: dict[datetime, set[int]] = {}
        self.can_update = False

    @initialize(
        seed=st.integers(1, 9),
        dates=st.sampled_from(["with_points", str(MINUTES_LATE)]),
        late_rows=st.sampled_from([*LATE_ROWS, "move_profiles"]),
    )
    def open(self, seed: int, dates: str, late_rows: str) -> None:
        options = {"seed": seed, "profile_dates": dates, "late_rows": late_rows}
        self.dates, self.late_rows = dates, late_rows
        self.brand = Brand(Path(self._place.name, "brand"), members=14, **options)
        self.brand.running.start()
        self.brand.deliver(0)
        self.outside = self.brand.running.roster()[::4]
        self.sync("all")
        assert self.can_update

    @rule(
        days=st.sampled_from([1, 1, 2, 0]),
        joins=st.sampled_from([False, False, True]),
        mode=st.sampled_from(["updated", "updated", "updated", "changed", "all"]),
        dated=st.sampled_from(["", "", *INCREMENTAL]),
        fails=st.sampled_from(["", "", "bad_gateway=0.2"]),
        life=st.sampled_from([None, None, None, 10, 40]),
    )
    def days_pass_and_a_run_follows(
        self, days: int, *, joins: bool, mode: str, dated: str, fails: str, life: int | None
    ) -> None:
        """A run reads all streams or two, and may fail or crash.

        Who joins the roster has been a member of the program for years, and may do nothing more.
        """
        for _ in range(days):
            self.brand.pass_day()
        if joins and self.outside:
            self.outside.pop()
        self.brand.running.set_faults(fails)
        is_part = dated and mode == "updated"
        outcome = self.sync(mode, ("users", dated) if is_part else STREAMS, life=life)
        if is_refused(outcome):  # as the message says
            self.sync("all")

    def sync(self, mode: str, streams: tuple[str, ...] = STREAMS, **how: Any) -> Outcome:
        """Run, and check what a run may claim that ends with 0."""
        self.runs += 1
        later = TODAY_ENDS - PRESENT + self.runs * MINUTE
        roster = [*(m for m in self.brand.running.roster() if m not in self.outside), NOBODY]
        self.rosters[PRESENT + self.brand.day * DAY + later] = set(map(int, roster))
        how |= {"user_ids": roster, "lookback_days": 4}
        how |= {"max_concurrency": 1}  # so that the same requests fail when a test is repeated
        outcome = self.brand.run(mode, streams=streams, later=later, **how)
        if mode == "updated":
            self.check_refusal(outcome)
        if outcome.error is None:
            self.check(mode, streams)
        if mode == "all":
            self.can_update = outcome.error is None
        return outcome

    def check_refusal(self, outcome: Outcome) -> None:
        """Who has swept all, and whose profiles follow points, may sweep updated members."""
        if is_refused(outcome):
            assert "`sweep_members`" in outcome.said
            is_contradicted = "were older than the newest row" in outcome.said
            # A sweep of all that went on with another roster has not read everybody.
            is_mixed = "one and the same roster" in outcome.said
            assert is_contradicted or is_mixed or not self.can_update, outcome.said
            assert self.late_rows == "leave_profiles" or not is_contradicted, outcome.said

    def check(self, mode: str, streams: tuple[str, ...]) -> None:
        """Nothing is lacking that a run promises which ends with 0.

        What changed is up to the files with `changed`, which has a machine of its own. Here it only
        must not harm what the last sweep of all has read.
        """
        for stream in streams:
            entry = self.brand.entry(stream)["profile_dates"]
            began = load_timestamp(entry["all_at" if mode == "changed" else "read_at"])
            assert began is not None
            day = (began - TODAY_ENDS) // DAY
            lacking = list(self.lacking(stream, day, self.rosters[began]))
            if mode == "updated":
                assert day == self.brand.day
                if stream in INCREMENTAL:
                    lacking = [row for row in lacking if self.is_shown(stream, row, day)]
            assert not lacking, f"{mode} lacks {stream} of day {day}"

    def lacking(self, stream: str, day: int, roster: set[int]) -> Iterator[dict[str, Any]]:
        """The rows of a day that are not there, of members who were asked for."""
        for key in self.brand.lacks(day, [stream]).get(stream, ()):
            row = self.brand.truth(stream, day)[key]
            if row["id" if stream == "users" else "user_id"] in roster:
                yield row

    def is_shown(self, stream: str, row: dict[str, Any], day: int) -> bool:
        """Whether the profile was updated for a row when the day ended."""
        date = load_timestamp(row[INCREMENTAL[stream]])
        assert date is not None
        end = TODAY_ENDS + day * DAY
        if self.dates != "with_points" and date >= end - MINUTES_LATE * MINUTE:
            return False
        if self.late_rows != "leave_profiles":
            return True
        then = max(0, (date - TODAY_ENDS) // DAY + 1)
        return row in self.brand.truth(stream, then).values()

    @invariant()
    def the_state_is_small(self) -> None:
        assert len(json.dumps(self.brand.state)) <= LARGEST_STATE

    def teardown(self) -> None:
        """However it went so far: one full sweep has everything."""
        try:
            self.brand.running.set_faults("")
            if self.runs:
                self.sync("all")  # may go on with a run that owes members, or that began days ago
                assert self.sync("all").error is None
                roster = self.rosters[max(self.rosters)]
                for stream in STREAMS:
                    assert not list(self.lacking(stream, self.brand.day, roster))
        finally:
            self.brand.running.stop()
            self._place.cleanup()


Syncing.TestCase.settings = settings(
    max_examples=6,
    stateful_step_count=14,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a failing run is short as it is
    suppress_health_check=[HealthCheck.too_slow],
)
TestSyncing = Syncing.TestCase
