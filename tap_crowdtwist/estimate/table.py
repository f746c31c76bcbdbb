"""The text of an estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_crowdtwist.estimate.sample import PAGED, PROFILES
from tap_crowdtwist.estimate.syncs import sums, syncs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tap_crowdtwist.config.settings import Settings
    from tap_crowdtwist.estimate.survey import Cost, StreamCosts, Survey
    from tap_crowdtwist.estimate.syncs import CostOf, SyncCost

CEILING = 10_000
"""Requests a minute that CrowdTwist allows."""

_GAP = 2
"""Blanks between columns; with as few as possible, a terminal of 80 characters has room."""


def lines(survey: Survey | None, program: Mapping[str, Cost], settings: Settings) -> Iterator[str]:
    """Yield the lines of an estimate.

    Args:
        survey: what the members of the sample cost; None if no stream of members is selected.
        program: what each stream of the program costs.
        settings: the settings.
    """
    if survey is not None:
        yield from _introduction(survey, settings)
        yield ""
        yield from _streams(survey)
    yield from _program(program)
    yield ""
    syncs = syncs_of(survey, program)
    yield from _syncs(syncs, settings.requests_per_minute)
    if survey is not None and survey.streams:
        yield ""
        yield from _advice(survey, settings.requests_per_minute)


def _introduction(survey: Survey, settings: Settings) -> Iterator[str]:
    whole, changed = survey.sample.whole, survey.sample.changed
    shard = f" of shard {settings.shard}" if settings.shard.count > 1 else ""
    start = f"{settings.start_date:%Y-%m-%d}" if settings.start_date else "the beginning"
    yield f"{whole.members:,} members{shard}, read from {start}."
    if is_exact(survey):
        yield "All of them were asked, so the first sync is exact."
    else:
        size = survey.sample.size
        paged, profiles = (len(whole.first(size * factor)) for factor in (PAGED, PROFILES))
        yield (
            f"Asked were {size:,} of them, chosen by hash; {paged:,} for lists with pages, and "
            f"{profiles:,} for profiles."
        )
    yield from _losses(survey)
    if survey.updated is not None:
        yield f"Profiles updated within a day: {survey.updated_share():.1%}."
    if changed is not None:
        yield f"Members in the files of the newest day: {changed.members:,}."


def is_exact(survey: Survey) -> bool:
    """Return whether every member was asked for everything."""
    return survey.sample.size >= survey.sample.whole.members


def _losses(survey: Survey) -> Iterator[str]:
    if survey.missing:
        yield f"Not known to CrowdTwist: {len(survey.missing):,} of the members asked."
    for costs in survey.streams:
        if costs.failed:
            yield (
                f"Failed in {costs.name}: {costs.failed:,} of the members asked, which count as "
                f"without rows (last error: {costs.last_error})."
            )


def _streams(survey: Survey) -> Iterator[str]:
    """Yield what each stream costs per member, and its share of the requests."""
    whole, streams = survey.sample.whole, survey.streams
    first = {s.name: _requests(survey, s, lambda s, p: s.first[p]) for s in streams}
    daily = {s.name: _requests(survey, s, lambda s, p: s.daily[p]) for s in streams}
    table: list[tuple[str, ...]] = [
        ("per member", "asked", "requests", "rows", "bytes", "first sync", "daily")
    ]
    for stream in streams:
        requests, rows, size = sums([stream], whole, lambda s, p: s.first[p])
        cells = (
            stream.name,
            f"{len(whole.first(stream.size)):,}",
            *(f"{each.estimate / whole.members:,.2f}" for each in (requests, rows)),
            f"{size.estimate / whole.members:,.0f}",
            *(f"{_share(costs, stream.name):.0%}" for costs in (first, daily)),
        )
        table.append(cells)
    yield from _aligned(table)


def _requests(survey: Survey, stream: StreamCosts, cost_of: CostOf) -> float:
    return sums([stream], survey.sample.whole, cost_of)[0].estimate


def _share(costs: Mapping[str, float], name: str) -> float:
    return costs[name] / (sum(costs.values()) or 1)


def _program(program: Mapping[str, Cost]) -> Iterator[str]:
    if program:
        yield ""
        head = ("in all", "requests", "rows", "bytes")
        costs = ((name, *(f"{number:,}" for number in cost)) for name, cost in program.items())
        yield from _aligned([head, *costs])


def _syncs(syncs: Iterable[SyncCost], rate: int) -> Iterator[str]:
    """Yield what each sync costs, and the interval below it."""
    table: list[tuple[str, ...]] = [
        ("sync", "requests", f"h at {rate:,}", f"h at {CEILING:,}", "rows", "bytes")
    ]
    for sync in syncs:
        totals = sync[1:]
        ends = {sync.name: [each.estimate for each in totals]}
        if any(each.margin for each in totals):
            ends |= {"  from": [t.low for t in totals], "  to": [t.high for t in totals]}
        for name, (requests, rows, size) in ends.items():
            cells = (
                name,
                f"{requests:,.0f}",
                *(f"{requests / each / 60:,.2f}" for each in (rate, CEILING)),
                f"{rows:,.0f}",
                f"{size:,.0f}",
            )
            table.append(cells)
    yield from _aligned(table)


def _advice(survey: Survey, rate: int) -> Iterator[str]:
    """Yield which streams cost most, and what to deselect."""
    first = {s.name: _requests(survey, s, lambda s, p: s.first[p]) for s in survey.streams}
    daily = {s.name: _requests(survey, s, lambda s, p: s.daily[p]) for s in survey.streams}
    name = max(first, key=first.__getitem__)
    yield f"{name} costs most in the first sync: {_share(first, name):.0%} of the requests."
    optional = {s.name: daily[s.name] for s in survey.streams if not s.is_profile}
    if optional:
        name = max(optional, key=optional.__getitem__)
        yield f"{name} costs most every day: {_share(daily, name):.0%} of the requests."
        yield (
            f"Deselecting it saves {daily[name]:,.0f} requests a day, "
            f"{daily[name] / rate / 60:,.2f} hours at {rate:,} a minute."
        )
    if survey.updated is None:
        yield "`sweep_members` updated needs `users`, which is not selected."


def _aligned(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the rows of a table, its first column aligned to the left, all others to the right."""
    first, *others = ([len(cell) for cell in column] for column in zip(*table, strict=True))
    widths = [max(column) + _GAP for column in others]
    for name, *cells in table:
        aligned = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        yield name.ljust(max(first)) + "".join(aligned)
