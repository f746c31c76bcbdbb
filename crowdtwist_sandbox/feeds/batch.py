"""A Batch Activity Credit file, as the brand would have sent it in the first second of a day.

The page "Batch Activity Credit" tells the form: pipe-delimited UTF-8 without header or quoting, the
last two fields optional, one of the first four needed, the date a UNIX timestamp.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from crowdtwist_sandbox.feeds.data_push import CLIENT
from crowdtwist_sandbox.feeds.days import checked_client, today_of
from crowdtwist_sandbox.feeds.files import whole_file
from crowdtwist_sandbox.world import identity
from crowdtwist_sandbox.world.deterministic_random import mix
from crowdtwist_sandbox.world.program import activity_count, activity_id
from crowdtwist_sandbox.world.timestamps import DAY, clock_text

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from crowdtwist_sandbox.engine import Engine
    from crowdtwist_sandbox.feeds.days import Today
    from crowdtwist_sandbox.world.events import Completion

_TAKEN = 3  # one in so many of the completions that are not back-dated came by file
_NOON = DAY // 2


class _Credit(NamedTuple):
    email: str = ""
    user_id: str = ""
    third_party_id: str = ""
    username: str = ""
    activity: str = ""
    points: str = ""
    date: str = ""


def write_batch_activity(
    engine: Engine, directory: str | os.PathLike[str], day: int, client: str = CLIENT
) -> Path:
    """Write the file that brought some of a day's credits.

    It holds each back-dated completion of the day and some others. The former tell their date, the
    latter do not, so that CrowdTwist took the moment of the credit. One line was never credited,
    and five have a fault each: no identity, no activity, a bad number, a bad date, too few fields.

    Raises:
        ValueError: for a day or a client that cannot be.
        OSError: the file cannot be written.
    """
    checked_client(client)
    today = today_of(engine, day)
    path = Path(directory) / f"activities_{client}_{today.date}000000.txt"
    with whole_file(path) as file:
        file.writelines(f"{line}\n".encode() for line in _lines(today))
    return path


def _lines(today: Today) -> Iterator[str]:
    """Credited lines, with one of the others after each as long as there are some."""
    others = _not_credited(today)
    completions = sorted(
        (line.created, seen.index, line.activity, line)
        for seen in today.appearances
        for line in seen.lines
        if line.activity is not None and (_is_back_dated(line) or mix(line.seed) % _TAKEN == 0)
    )
    for _, index, activity, line in completions:
        yield _text(_credited(index, activity, line))
        if (other := next(others, None)) is not None:
            yield other
    yield from others


def _is_back_dated(line: Completion) -> bool:
    return line.awarded != line.created


def _credited(index: int, activity: int, line: Completion) -> _Credit:
    seed = mix(line.seed ^ line.number)
    return _identified(index, seed)._replace(
        activity=str(activity_id(activity)),
        points="" if (seed >> 20) % 4 == 0 else str(line.points),
        date=str(line.awarded) if _is_back_dated(line) else "",
    )


def _identified(index: int, seed: int) -> _Credit:
    """A member by one identity, or by all; who has no third-party id is named by email."""
    known = _Credit(
        identity.email(index),
        str(identity.member_id(index)),
        identity.third_party_id(index) or "",
        identity.username(index),
    )
    kind = seed % 5
    if kind == len(known[:4]):
        return known
    chosen = [each if number == kind else "" for number, each in enumerate(known[:4])]
    return _Credit(*chosen) if any(chosen) else _Credit(email=known.email)


def _not_credited(today: Today) -> Iterator[str]:
    """Lines that brought nothing: a right one, and five that CrowdTwist refuses."""
    found = _without_completion(today)
    if found is None:
        return
    index, activity = found
    noon = today.midnight - _NOON
    right = _Credit(
        user_id=str(identity.member_id(index)),
        activity=str(activity_id(activity)),
        points="25",
        date=str(noon),
    )
    yield _text(right)
    yield _text(right._replace(user_id=""))
    yield _text(right._replace(activity=""))
    yield _text(right._replace(points="25,5x"))
    yield _text(right._replace(date=clock_text(noon)))
    yield "|".join(right[:3])


def _without_completion(today: Today) -> tuple[int, int] | None:
    """A member, and an activity which that member has never done."""
    world = today.engine.world
    for index in world.population.living(today.day):
        done = {line.activity for line in world.timeline(index, today.day).completions}
        for activity in range(activity_count(today.day)):
            if activity not in done:
                return index, activity
    return None


def _text(credit: _Credit) -> str:
    """The line; optional fields at its end are left out with their delimiters."""
    fields = list(credit)
    while len(fields) > len(credit) - 2 and not fields[-1]:
        fields.pop()
    return "|".join(fields)
