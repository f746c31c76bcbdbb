"""The members that an estimate asks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.members.roster import Roster, sample_rank
from tap_crowdtwist.sync.changed_members import newest_roster
from tap_crowdtwist.sync.run import build_roster

if TYPE_CHECKING:
    from tap_crowdtwist.records.member_id import Member
    from tap_crowdtwist.sync.run import SyncRun

DEFAULT_SIZE = 100
"""Members that are asked for everything, unless `sample_members` is set."""

PAGED = 5
"""Factor by which more are asked for lists that have pages.

One member in a hundred may have ten times the pages of all others. A sample of 100 often has none
of them.
"""

PROFILES = 20
"""Factor by which more are asked for their profile.

The part of them that was updated decides what `sweep_members` updated costs.
"""

_MIN_SIZE = 10
"""Fewer members than this say nothing about the others."""

_WARM_UP = 25
"""Further members whose lists are read first: the first requests of a run try several forms."""


@dataclass(frozen=True)
class Group:
    """Members that stand for others.

    Attributes:
        members: how many members it stands for, itself included.
        ranked: their positions in the roster; a smaller sample is the beginning of a larger one.
    """

    members: int
    ranked: tuple[int, ...]

    def first(self, count: int) -> tuple[int, ...]:
        """Return the positions of a sample of this size, in ascending order."""
        return tuple(sorted(self.ranked[:count]))


@dataclass(frozen=True)
class Sample:
    """The members that an estimate asks.

    Attributes:
        roster: all of them.
        size: how many are asked for everything.
        whole: those that stand for the whole roster.
        changed: those that stand for the members in the newest files; None if there are no files.
        warm_up: positions of members whose lists are read first, and not counted.
    """

    roster: Roster
    size: int
    whole: Group
    changed: Group | None
    warm_up: tuple[int, ...]


def choose(run: SyncRun) -> Sample:
    """Choose the members to ask.

    Raises:
        SettingError: there is no roster, it has no members, or files cannot be read.
    """
    settings = run.settings
    size = max(settings.sample_members or DEFAULT_SIZE, _MIN_SIZE)
    roster = build_roster(replace(settings, sample_members=None))
    if not len(roster):
        raise SettingError("shard", f"no member of the roster belongs to {settings.shard}")
    ranked = _ranked(roster, max(size * PROFILES, size * PAGED + _WARM_UP))
    named = _in_files(run)
    in_files = _ranked(named, size * PAGED) if named else []
    asked = Roster((*ranked, *in_files), "id") if in_files else roster.sample(len(ranked))
    places = {member: position for position, member in enumerate(asked)}

    def group(members: int, chosen: list[Member]) -> Group:
        return Group(members, tuple(places[member] for member in chosen))

    warm_up = ranked[size * PAGED : size * PAGED + _WARM_UP]
    return Sample(
        asked,
        size,
        group(len(roster), ranked),
        group(len(named), in_files) if named else None,
        tuple(sorted(places[member] for member in warm_up)),
    )


def _ranked(roster: Roster, count: int) -> list[Member]:
    return sorted(roster.sample(count), key=sample_rank)


def _in_files(run: SyncRun) -> Roster | None:
    """Return the members in the files of the newest day; None if there are no such files.

    The files name members by their CrowdTwist id only, so `sweep_members` changed needs such a
    roster.
    """
    if run.settings.id_type != "id" or run.feeds is None:
        return None
    return newest_roster(run.feeds, run.settings)
