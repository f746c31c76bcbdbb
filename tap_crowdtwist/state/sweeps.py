"""The state of a sweep: where it stands, what it owes, and from when it reads.

One entry per stream, whatever the number of members:

    {"replication_key": "last_date_purchased", "replication_key_value": "2026-11-19T02:00:00Z",
     "roster": {"id_type": "id", "shard": "1/1", "sums": "…", "largest": 1200999},
     "sweep": {"started_at": "…", "since": "…", "after": 1200345, "retry": [88001], …}}

`after` moves only past members whose rows are all written. A run that finds a sweep resumes it
with the same bounds. When the sweep is complete its start becomes the bookmark, since every
member was read after that moment. Members that kept failing stay in `retry`, with the bound they
are owed from, and are asked first by the next run. `roster` tells whom the last complete sweep
knew (`known`), so that a member who joined since then is read from `start_date`. `files` tells in
which files of Data Push and Live Push nobody has to be looked for any more (`notes`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.errors import TapError
from tap_crowdtwist.state import notes
from tap_crowdtwist.state.debts import owed
from tap_crowdtwist.state.instants import instant, spell
from tap_crowdtwist.state.known import Sketch, newcomers
from tap_crowdtwist.state.whose import check_roster, names_of

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from datetime import datetime

    from tap_crowdtwist.roster import Member, Roster

AHEAD = timedelta(hours=1)
"""How far clocks of several machines may be apart."""


@dataclass
class Sweep:
    """A walk over the roster for one stream.

    Attributes:
        started_at: when it began, the future bookmark; aware, UTC, whole seconds.
        since: rows dated earlier are not needed; None for everything.
        after: the last member whose rows are all written.
        retry: members that kept failing, in roster order.
        retry_since: the bound that the members in `retry` are owed from.
        roster: whom the sweep knew when it began; None where that is not needed.
        asked: members asked so far, by all runs that had a part in the sweep.
        missing: those of them whom CrowdTwist did not know.
        files: which files were there when it began (`notes`); None where there are none.
        changed: whether only members who changed are swept.
        lacking: whether everybody so far lacked the resource; None where nobody tells.
        doubted: those in `retry` for whom CrowdTwist only said, in this run, that the program
            lacks the resource.
    """

    started_at: datetime
    since: datetime | None
    after: Member | None = None
    retry: list[Member] = field(default_factory=list)
    retry_since: datetime | None = None
    roster: Sketch | None = None
    asked: int = 0
    missing: int = 0
    files: dict[str, Any] | None = None
    changed: bool = False
    lacking: bool | None = None
    doubted: set[Member] = field(default_factory=set)


@dataclass(frozen=True)
class Plan:
    """What decides where a sweep starts.

    Attributes:
        now: the present.
        replication_key: the property the bookmark is about, or None for a full table.
        start_date: the earliest row wanted at all.
        lookback: how far before the bookmark to read again.
        files: which files are there now (`notes`); None where that is not known.
        changed: whether only members who changed are swept, from `start_date` on.
    """

    now: datetime
    replication_key: str | None
    start_date: datetime | None
    lookback: timedelta
    files: dict[str, Any] | None = None
    changed: bool = False

    def since(self, bookmark: datetime | None) -> datetime | None:
        """Give the lower bound of a new sweep."""
        if bookmark is None or self.replication_key is None or self.changed:
            return self.start_date
        bound = bookmark - self.lookback
        return max(bound, self.start_date) if self.start_date else bound


def begin(state: MutableMapping[str, Any], plan: Plan, roster: Roster) -> Sweep:
    """Resume the sweep that a state holds, or start a new one.

    Raises:
        TapError: the state is of another shard or `id_type`, or is not one of ours.
    """
    check_roster(state, roster)
    try:
        bookmark = (
            instant(state.get("replication_key_value"))
            if state.get("replication_key") == plan.replication_key
            else None
        )
        stored = state.get("sweep") or {}
        since = plan.since(bookmark)
        if bookmark is not None and bookmark > plan.now + AHEAD:
            raise TapError(
                f"The state's bookmark, {spell(bookmark)}, lies in the future, so a clock is or "
                "was wrong; set the clock, or the bookmark to when the last sync really began"
            )
        retry = list(stored.get("retry") or ())
        retry_since = instant(stored.get("retry_since")) if retry else None
        if "started_at" in stored and (stored.get("members") == "changed") is plan.changed:
            resumed = instant(stored.get("since"))
            if resumed is None or (since is not None and resumed <= since):
                started_at = instant(stored["started_at"]) or plan.now
                after = stored.get("after")
                sketch = Sketch.load(stored.get("roster"))
                sketch = sketch and sketch.where_unchanged(roster)
                asked, missing = int(stored.get("asked", 0)), int(stored.get("missing", 0))
                files = stored.get("files")
                if plan.changed and plan.files is not None:
                    files = notes.resumed(state.get("files"), files, plan.files)
                return Sweep(
                    started_at,
                    resumed,
                    after,
                    retry,
                    retry_since,
                    sketch,
                    asked,
                    missing,
                    files,
                    plan.changed,
                    stored.get("lacking"),
                )
        files = None if plan.files is None else notes.begun(state.get("files"), plan.files)
    except (AttributeError, OverflowError, TypeError, ValueError):
        raise TapError(
            "The state given to the tap cannot be read; remove this stream's bookmark to read "
            "it from the start"
        ) from None
    known = plan.replication_key is not None and not plan.changed
    return Sweep(
        plan.now.replace(microsecond=0),
        since,
        retry=retry,
        retry_since=retry_since,
        roster=Sketch.of(roster) if known else None,
        files=files,
        changed=plan.changed,
    )


def newcomer(state: MutableMapping[str, Any], roster: Roster) -> Callable[[Member], bool]:
    """Give what tells whether a member joined the roster since the last complete sweep.

    A state without such knowledge, as one written by hand, counts as knowing everyone.
    """
    known = Sketch.load(state.get("roster"))
    return newcomers(known, roster) if known else lambda _: False


def save(state: MutableMapping[str, Any], sweep: Sweep, roster: Roster, now: datetime) -> None:
    """Write a sweep that is under way into the state."""
    stored: dict[str, Any] = {"started_at": spell(sweep.started_at), "at": spell(now)}
    if sweep.since is not None:
        stored["since"] = spell(sweep.since)
    if sweep.after is not None:
        stored |= {"after": sweep.after, "asked": sweep.asked, "missing": sweep.missing}
    if sweep.roster is not None:
        stored["roster"] = sweep.roster.dump()
    if sweep.files is not None:
        stored["files"] = sweep.files
    if sweep.changed:
        stored["members"] = "changed"
    if sweep.lacking is not None:
        stored["lacking"] = sweep.lacking
    state["sweep"] = stored | owed(sweep)
    state["roster"] = {**(state.get("roster") or {}), **names_of(roster)}


def finish(
    state: MutableMapping[str, Any], sweep: Sweep, plan: Plan, roster: Roster, now: datetime
) -> None:
    """Write a complete sweep into the state: the bookmark moves, the cursor goes."""
    state["completed_at"] = spell(now)
    state.pop("sweep", None)
    if debts := owed(sweep):
        state["sweep"] = debts
    note_files(state, sweep)
    if sweep.changed:  # the bookmark is of a sweep of all members, and so is who was known
        return
    if plan.replication_key is not None:
        state["replication_key"] = plan.replication_key
        state["replication_key_value"] = spell(sweep.started_at)
    known = sweep.roster.dump() if sweep.roster else state.get("roster") or {}
    if plan.replication_key is not None and sweep.roster is None:
        known = Sketch.nobody().dump()
    state["roster"] = {**known, **names_of(roster)}


def note_files(state: MutableMapping[str, Any], sweep: Sweep) -> None:
    """Note in the state which files a complete sweep has taken into account."""
    notes.complete(
        state,
        sweep.files,
        sweep.started_at,
        changed=sweep.changed,
        lacking=bool(sweep.lacking) or (sweep.lacking is None and notes.lacking(state)),
    )


def forget(state: MutableMapping[str, Any], sweep: Sweep) -> None:
    """Take a sweep out of the state, but for what it owes."""
    state.pop("sweep", None)
    sweep.retry = [member for member in sweep.retry if member not in sweep.doubted]
    if debts := owed(sweep):
        state["sweep"] = debts
