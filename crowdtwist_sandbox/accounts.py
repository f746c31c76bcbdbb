"""The accounts of points: what marts and reports about the members should say.

Computed from the events in members' lives, not from rows of the API, and in the simplest way: one
event after the other, in order of time. The four sums are signed as in the history, and their sum
is `redeemable_points`; the points of `expiries`, `expiring` and `lots` are positive. Months are
those of UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crowdtwist_sandbox.world import words
from crowdtwist_sandbox.world.events import Line
from crowdtwist_sandbox.world.identity import member_id
from crowdtwist_sandbox.world.timestamps import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crowdtwist_sandbox.engine import Engine
    from crowdtwist_sandbox.world.events import Timeline
    from crowdtwist_sandbox.world.facts import Member
    from crowdtwist_sandbox.world.program import Row

_KINDS = {
    Line.ACTIVITY: "earned",
    Line.PURCHASE: "earned",
    Line.REDEMPTION: "redeemed",
    Line.DEDUCTION: "deducted",
    Line.RETURN: "deducted",
}
_EXPIRED = "expired"
_LOT = ("issued", "redeemed", "deducted", _EXPIRED, "remaining")


def accounts(engine: Engine, day: int | None = None) -> Iterator[Row]:
    """Return the accounts of members at the end of a day (default: today), in roster order.

    Raises:
        ValueError: there is no such day.
    """
    # Not a generator itself, so that an error is raised here and not at the first account.
    chosen_day = engine.clock.chosen(day)
    world = engine.world
    return (
        _account(engine, world.member(index, chosen_day))
        for index in world.population.living(chosen_day)
    )


def _account(engine: Engine, member: Member) -> Row:
    profile, _ = engine.world.profile(member)
    life = member.life
    movements = _movements(life)
    sums = dict.fromkeys(("earned", "redeemed", "deducted", _EXPIRED), 0)
    for _, kind, points in movements:
        sums[kind] += points
    return {
        "user_id": member_id(member.index),
        "joined_at": rfc3339(life.joined_at),
        "redeemable_points": life.redeemable_points,
        "total_points": life.total_points,
        "tier": (profile["tier_info"]["current_level"] or {}).get("title"),
        "fan_level": profile["fan_level"],
        **sums,
        "expiries": [
            {"expired_at": rfc3339(at), "points": -points}
            for at, kind, points in movements
            if kind == _EXPIRED
        ],
        "moves": _moves(life),
        "expiring": _expiring(engine, member),
        "lots": _lots(movements),
    }


def _movements(life: Timeline) -> list[tuple[int, str, int]]:
    """Return time, kind and signed points of everything that moved points, in order of time."""
    movements = [(line.created, _KINDS[line.kind], line.points) for line in life.completions]
    movements += [(at, _EXPIRED, -points) for at, points in life.expiries]
    return sorted(each for each in movements if each[-1] != 0)


def _moves(life: Timeline) -> list[Row]:
    """Return the moves between tiers: a tier is reached by the points that were ever earned."""
    moves = []
    total = 0
    tier = words.TIERS[0][0]
    for line in life.completions:
        total += max(line.points, 0)
        reached = [title for title, least, _ in words.TIERS if total >= least][-1]
        if reached != tier:
            moves.append({"moved_at": rfc3339(line.created), "from": tier, "to": reached})
            tier = reached
    return moves


def _expiring(engine: Engine, member: Member) -> dict[str, list[Row]]:
    """Return the points to expire by rule, which may be the same points under both.

    The date of the inactivity rule may have passed: the API goes on sending it.
    """
    ahead: dict[str, list[Row]] = {"redemption_period": [], "inactivity": []}
    if not engine.options.expiration_rule:
        return ahead
    for row, _ in engine.world.expirations(member):
        if row["points_expiring"] > 0:
            expires_at = rfc3339(row["expiration_date"])
            ahead[row["rule_type"]].append(
                {"expires_at": expires_at, "points": row["points_expiring"]}
            )
    return ahead


def _lots(movements: list[tuple[int, str, int]]) -> list[Row]:
    """Return what became of the points issued in each month, first in, first out."""
    lots: list[dict[str, Any]] = []
    for at, kind, points in movements:
        month = rfc3339(at)[:7]
        if points < 0:
            _take(lots, kind, -points)
            continue
        if not lots or lots[-1]["month"] != month:
            lots.append({"month": month, **dict.fromkeys(_LOT, 0)})
        lots[-1]["issued"] += points
        lots[-1]["remaining"] += points
    return lots


def _take(lots: list[dict[str, Any]], kind: str, points: int) -> None:
    """Take points from the oldest lots that have some left."""
    for lot in lots:
        taken = min(points, lot["remaining"])
        lot["remaining"] -= taken
        lot[kind] += taken
        points -= taken
