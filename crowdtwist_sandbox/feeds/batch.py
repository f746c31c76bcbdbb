"""A Batch Activity Credit file, as if the brand had uploaded it in the first second of a day.

The page "Batch Activity Credit" defines the format: pipe-delimited UTF-8 without header or quoting;
one of the first four fields is required, the last two are optional; the date is a Unix timestamp.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from crowdtwist_sandbox.feeds.data_push import CLIENT
from crowdtwist_sandbox.feeds.days import checked_client, today_of
from crowdtwist_sandbox.feeds.files import atomic_file
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

_BY_FILE_EVERY = 3  # of the completions that are not back-dated, one in so many is in the file
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
    """Write the file behind some of a day's credits, and return its path.

    It has the back-dated completions of the day, and some others. The former have a date; the
    latter have none, so that CrowdTwist used the time of the credit. Six more lines were never
    credited: a valid one, and five with an error each (no identity, no activity, a bad number, a
    bad date, too few fields).

    Raises:
        ValueError: there is no such day, or the client is not made of letters and digits.
        OSError: the file cannot be written.
    """
    checked_client(client)
    today = today_of(engine, day)
    path = Path(directory) / f"activities_{client}_{today.date}000000.txt"
    with atomic_file(path) as file:
        file.writelines(f"{completion}\n".encode() for completion in _lines(today))
    return path


def _lines(today: Today) -> Iterator[str]:
    """Yield the credited lines, with one of the others after each until those are used up."""
    # Spread over the file, so that good lines follow each bad one.
    others = _not_credited(today)
    completions = sorted(
        (completion.created, member_day.index, completion.activity, completion)
        for member_day in today.member_days
        for completion in member_day.completions
        if completion.activity is not None
        and (_is_back_dated(completion) or mix(completion.seed) % _BY_FILE_EVERY == 0)
    )
    for _, index, activity, completion in completions:
        yield _text(_credited(index, activity, completion))
        if (other := next(others, None)) is not None:
            yield other
    yield from others


def _is_back_dated(completion: Completion) -> bool:
    return completion.awarded != completion.created


def _credited(index: int, activity: int, completion: Completion) -> _Credit:
    seed = mix(completion.seed ^ completion.number)
    return _identified(index, seed)._replace(
        activity=str(activity_id(activity)),
        points="" if (seed >> 20) % 4 == 0 else str(completion.points),
        date=str(completion.awarded) if _is_back_dated(completion) else "",
    )


def _identified(index: int, seed: int) -> _Credit:
    """Identify a member by one id or by all; by email if the chosen id is missing."""
    known = _Credit(
        identity.email(index),
        str(identity.member_id(index)),
        identity.third_party_id(index) or "",
        identity.username(index),
    )
    kind = seed % 5  # 0 to 3: one of the four ids; 4: all of them
    if kind == len(known[:4]):
        return known
    chosen = [each if number == kind else "" for number, each in enumerate(known[:4])]
    return _Credit(*chosen) if any(chosen) else _Credit(email=known.email)


def _not_credited(today: Today) -> Iterator[str]:
    """Yield lines without a credit: a valid one, and five that CrowdTwist rejects."""
    never_done = _without_completion(today)
    if never_done is None:
        return
    index, activity = never_done
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
    """Return a member and an activity which that member has never completed."""
    world = today.engine.world
    for index in world.population.living(today.day):
        done = {completion.activity for completion in world.timeline(index, today.day).completions}
        for activity in range(activity_count(today.day)):
            if activity not in done:
                return index, activity
    return None


def _text(credit: _Credit) -> str:
    """Return the line; empty optional fields at its end are omitted with their delimiters."""
    fields = list(credit)
    while len(fields) > len(credit) - 2 and not fields[-1]:
        fields.pop()
    return "|".join(fields)
