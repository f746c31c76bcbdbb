"""The cost of whole syncs: the first one, and a daily one in each mode of `sweep_members`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from tap_crowdtwist.estimate.survey import LOOK_UPS, Cost
from tap_crowdtwist.estimate.totals import Total, total_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from tap_crowdtwist.estimate.sample import Group
    from tap_crowdtwist.estimate.survey import StreamCosts, Survey

CostOf = Callable[["StreamCosts", int], Cost]

_FIELDS = len(Cost._fields)


class SyncCost(NamedTuple):
    """The cost of one sync."""

    name: str
    requests: Total
    rows: Total
    bytes: Total


def syncs_of(survey: Survey | None, program: Mapping[str, Cost]) -> list[SyncCost]:
    """Return the cost of each kind of sync that the settings make possible.

    Args:
        survey: the costs of the members of a sample; None if no stream of members is selected.
        program: what the streams of the program cost, which every sync reads.
    """
    if survey is None:
        return [_sync("every sync", program)]
    whole, changed, updated = survey.sample.whole, survey.sample.changed, survey.updated
    streams = survey.streams
    first = _sync("first", program, sums(streams, whole, lambda s, p: s.first[p]))
    first = first._replace(requests=first.requests + Total(survey.once))
    syncs = [first, _sync("daily, all", program, sums(streams, whole, lambda s, p: s.daily[p]))]
    if updated is not None:
        syncs.append(_sync("daily, updated", program, _of_updated(survey, updated)))
    if changed is not None:
        # Such a sweep has no bookmark: it reads all rows of the members in the files.
        costs = sums(streams, changed, lambda s, p: s.first[p])
        syncs.append(_sync("daily, changed", program, costs))
    return syncs


def sums(streams: Iterable[StreamCosts], group: Group, cost_of: CostOf) -> list[Total]:
    """Return requests, rows and bytes of all members that a group stands for.

    Args:
        streams: the streams to add up.
        group: the members.
        cost_of: returns what a member of the group costs in a stream.
    """
    by_size = defaultdict(list)
    for stream in streams:
        by_size[stream.size].append(stream)
    totals = [Total(0.0)] * _FIELDS
    for size, asked in by_size.items():
        for place, total in enumerate(totals):
            # Summed per member first: who has many rows in one stream often has many in another.
            values = [
                sum(cost_of(stream, position)[place] for stream in asked)
                for position in group.first(size)
            ]
            totals[place] = total + total_of(values, group.members)
    return totals


def _of_updated(survey: Survey, updated: Container[int]) -> list[Total]:
    """Return requests, rows and bytes of a sweep of updated members."""
    whole = survey.sample.whole
    # Profiles come first and name the ids, so nothing has to be looked up.
    streams = [stream for stream in survey.streams if stream.name != LOOK_UPS]
    totals = sums([s for s in streams if s.is_profile], whole, lambda s, p: s.daily[p])
    share = survey.updated_share()
    for stream in streams:
        if stream.is_profile:
            continue
        # Far more members are asked for their profile than for anything else. So they tell how many
        # were updated, and those asked in the stream tell what each of them costs.
        share_here = survey.updated_share(stream.size)
        if not share_here:
            own = sums([stream], whole, lambda s, p: s.daily[p])
            weight = share
        else:
            own = sums([stream], whole, lambda s, p: s.daily[p] if p in updated else Cost())
            weight = share / share_here
        totals = [total + each * weight for total, each in zip(totals, own, strict=True)]
    return totals


def _sync(name: str, program: Mapping[str, Cost], of_members: Iterable[Total] = ()) -> SyncCost:
    fixed = [Total(sum(cost[place] for cost in program.values())) for place in range(_FIELDS)]
    members = list(of_members) or [Total(0.0)] * _FIELDS
    return SyncCost(name, *(one + other for one, other in zip(fixed, members, strict=True)))
