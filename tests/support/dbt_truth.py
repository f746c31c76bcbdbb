"""A sandbox that is read day by day, beside the accounts of points that it keeps by itself."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from support.harness import DAY, PRESENT, run_tap

if TYPE_CHECKING:
    from datetime import datetime

    from crowdtwist_sandbox import Sandbox
    from support.warehouses import Row

STREAMS = (
    "activities",
    "rewards",
    "users",
    "user_activity_history",
    "purchases",
    "redemptions",
    "points_expiration",
    "sync_runs",
)


class Program:
    """A loyalty program, and what the tap reads of it day by day.

    Attributes:
        accounts: on each day so far, the account of each member, by id.
        known_since: the first month whose expiries were read.
    """

    def __init__(self, running: Sandbox) -> None:
        self.accounts: list[dict[int, Row]] = []
        self.known_since = ""
        self._sandbox = running
        self._state: dict[str, Any] | None = None

    def read(self, *, interrupted: bool = False) -> list[str]:
        """Read the next day, and return what the target keeps of each run that it takes."""
        if self.accounts:
            self._sandbox.advance(1)
        self.accounts.append({row["user_id"]: row for row in self._sandbox.accounts()})
        present = PRESENT + (len(self.accounts) - 1) * DAY
        if not interrupted:
            return [self._run(present)]
        return [self._run(present, cut=True), self._run(present + timedelta(hours=1))]

    def _run(self, present: datetime, *, cut: bool = False) -> str:
        """Run the tap; if `cut`, keep what comes before a STATE in the middle, as after a kill."""
        result = run_tap(
            self._sandbox,
            *STREAMS,
            state=self._state,
            present=present,
            deleted_members="tombstone",
            checkpoint_interval=0,
        )
        messages = result.messages
        if cut:
            states = [place for place, each in enumerate(messages) if each["type"] == "STATE"]
            messages = messages[: states[len(states) // 2] + 1]
        self._state = messages[-1]["value"]
        self.known_since = self.known_since or min(
            row["entry"]
            for row in result.records["points_expiration"]
            if row["rule_type"] == "redemption_period"
        )
        return "".join(f"{json.dumps(each)}\n" for each in messages)

    def read_anew(self, **settings: Any) -> str:
        """Read the present day without a state, as a first sync does."""
        present = PRESENT + (len(self.accounts) - 1) * DAY
        return run_tap(self._sandbox, *STREAMS, present=present, **settings).stdout

    def unexplained(self, account: Row) -> int:
        """Return the points of a member that expired before the first sync could see it."""
        return -sum(
            int(expiry["points"])
            for expiry in account["expiries"]
            if expiry["expired_at"][:7] < self.known_since
        )
