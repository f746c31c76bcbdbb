"""Canonical rows of the member streams that come as lists.

Shapes follow the pages "User Activities", "User Activity History", "User Purchase History",
"User Rewards", "User Redemption History v2.2", "User Receipt History", "Usable Coupons",
"User Badges" and "Points Awaiting Fulfillment".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdtwist_sandbox.world import words
from crowdtwist_sandbox.world.absences import is_away
from crowdtwist_sandbox.world.deterministic_random import mix, seed_of
from crowdtwist_sandbox.world.events import Line
from crowdtwist_sandbox.world.identity import member_id
from crowdtwist_sandbox.world.listing import Listing
from crowdtwist_sandbox.world.program import BADGES, Row, activity_count, activity_id
from crowdtwist_sandbox.world.redemption_rows import coupons, redemptions
from crowdtwist_sandbox.world.rewards import REWARDS
from crowdtwist_sandbox.world.timestamps import DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from crowdtwist_sandbox.world.events import Completion, Purchase
    from crowdtwist_sandbox.world.facts import Facts, Member


_VARIANTS = 8  # shapes of a program row under drift, by member
_AVAILABLE = (
    "id",
    "title",
    "description",
    "num_points",
    "image",
    "category_id",
    "type_id",
    "date_start",
    "date_end",
    "min_tier_id",
    "show_as_locked_by_tier",
    "extra_data",
)
_OWN_ACTIVITIES = {
    Line.PURCHASE: ("Purchase", 700_000_001),
    Line.REDEMPTION: ("Rédemption", 700_000_002),
    Line.DEDUCTION: ("Points deducted by staff", 700_000_003),
    Line.RETURN: ("Return of a purchase", 700_000_004),
}
"""Name and id of the activities that no list of the program has."""


def _available(world: Facts, member: Member) -> Listing:
    """List the activities the member may do: about a third, without those absent today."""
    barred, done = member.is_barred, seed_of(member.seed, "done")
    indexes = [
        index
        for index in range(activity_count(member.day))
        # Bits of the member's seed choose a fixed third of the activities.
        if (member.seed >> (index % 61)) % 3 == 0
        and not barred
        and not is_away(mix(done + index), member.day)
    ]

    def row(index: int) -> tuple[Row, int]:
        full = world.program.activity(index)
        variant = index * _VARIANTS + member.index % _VARIANTS
        return {name: full[name] for name in _AVAILABLE}, seed_of(world.key, "available", variant)

    return Listing(indexes, row)


def _visible_rewards(world: Facts, member: Member) -> Listing:
    """List the active rewards that the member can see, without those out of stock."""
    barred = member.is_barred
    indexes = [
        index
        for index in range(REWARDS)
        if not barred
        and world.rewards.is_active(index)
        and world.rewards.is_in_stock(index, member.day)
        and (member.seed >> (index % 59)) % 4 == 1
    ]

    def row(index: int) -> tuple[Row, int]:
        variant = index * _VARIANTS + member.index % _VARIANTS
        return world.rewards.reward(index, member.day), seed_of(world.key, "visible", variant)

    return Listing(indexes, row)


def history_row(line: Completion) -> tuple[Row, int]:
    """Build a line of the points history."""
    seed = mix(line.seed ^ line.number)
    if line.activity is not None:
        name, activity = f"activity {line.activity:03d}", activity_id(line.activity)
    else:
        name, activity = _OWN_ACTIVITIES[line.kind]
    has_note = line.kind is Line.DEDUCTION or seed % 4 == 0
    built: Row = {
        "user_activity_id": line.number,
        "activity_id": activity,
        "name": name,
        "num_points": line.points,
        "notes": f"Café <b>№{seed % 100}</b> & more" if has_note else None,
        "date_created": line.created,
        "date_awarded": line.awarded,
        "activity_date": line.awarded,
        "show_as_locked_by_tier": (seed >> 8) % 9 == 0,
        "min_tier_id": 1 + (seed >> 12) % 4 if (seed >> 16) % 5 == 0 else None,
        "extra_data": {"channel": "app", "n": seed % 7} if (seed >> 20) % 4 == 0 else None,
    }
    if (seed >> 24) % 4 == 0:
        built["activity_name"] = name
    return built, seed


def _history(_world: Facts, member: Member) -> Listing:
    """List the points history, newest first; redemptions are among its lines."""
    lines = sorted(member.life.completions, key=lambda line: line.created, reverse=True)
    return Listing(lines, history_row)


def _purchases(_world: Facts, member: Member) -> Listing:
    """List orders and receipts in random order; an order and a receipt may share an id."""

    def row(item: Purchase) -> tuple[Row, int]:
        is_order = item.seed % 4 != 0
        number = f"{item.sequence:05d}"
        # A receipt with an odd sequence number gets the id of the purchase before it. If that is
        # an order, ids are unique per purchase_id_type only.
        if not is_order:
            odd = item.sequence % 2
            number = f"{item.sequence - odd:05d}{'' if odd else 'R'}"
        built: Row = {
            "last_date_purchased": item.last,
            "purchase_id": f"ORD-{member.index}/{number}",
            "purchase_id_type": "order_id" if is_order else "receipt_id",
            "purchase_total": item.cents / 100,
            "total_points_awarded": item.awarded,
            "total_points_earned": item.earned,
        }
        if (item.seed >> 50) % 5 == 0:
            built["points_awaiting_fulfillment"] = item.earned - item.awarded
        return built, mix(item.seed ^ item.sequence)

    # The page promises no order, so a client must not rely on one.
    return Listing(sorted(member.life.purchases, key=lambda item: item.seed), row)


def has_receipt(item: Purchase) -> bool:
    """Return whether the member submitted the receipt of a purchase for scanning."""
    return item.seed % 3 == 0


def _receipts(_world: Facts, member: Member) -> Listing:
    """List the receipts of a third of the purchases: scanned a day later, and some withdrawn."""

    def row(item: Purchase) -> tuple[Row, int]:
        seed = mix(item.seed ^ 7)
        scanned = item.first // DAY < member.now // DAY
        result, text = words.SCAN_RESULTS[seed % len(words.SCAN_RESULTS)]
        file_id = f"{mix(seed):016x}"
        return {
            "id": (member.index + 1) * 100_000 + item.sequence,
            "date_submitted": item.first,
            "file_id": file_id,
            "file_name": f"reçu {item.sequence}.jpg",
            "file_url": f"https://receipts.example.test/{file_id}.jpg?sig={seed % 999}",
            "scan_result": result if scanned else "NOT_SCANNED",
            "scan_result_text": text if scanned else None,
        }, seed

    items = [
        item
        for item in member.life.purchases
        if has_receipt(item) and not member.was_taken_away(item.seed)
    ]
    return Listing(items, row)


def badge_counts(member: Member) -> dict[str, int]:
    """Return the member's counts of badges, repeats included; they are sent beside the list."""
    # Counts depend on points, which are never taken back, and not on the badges lost since.
    met = len(_badges_met(member))
    unique = min(member.life.total_points // 500, met)
    total = unique + member.life.total_points // 2000
    return {
        "earned_lifetime": total,
        "earned_unique": unique,
        "earned_total": total,
        "unearned": met - unique,
    }


def _badges_met(member: Member) -> list[int]:
    return [index for index in range(BADGES) if (member.seed >> (index % 53)) % 3 != 0]


def _badges(world: Facts, member: Member) -> Listing:
    """List the badges within the member's reach that are not lost, each with `user_counts`."""
    counts = badge_counts(member)

    def row(index: int) -> tuple[Row, int]:
        seed = seed_of(member.seed, "badge", index)
        return world.program.badge(index) | {"user_counts": counts}, seed

    key = seed_of(member.seed, "lost badge")
    kept = [index for index in _badges_met(member) if not member.was_taken_away(mix(key + index))]
    return Listing(kept, row)


def _awaiting(_world: Facts, member: Member) -> Listing:
    """List the one row of a member: points that purchases have earned but not been awarded."""

    def row(waiting: int) -> tuple[Row, int]:
        seed = seed_of(member.seed, "points_awaiting_fulfillment")
        return {
            "user_id": member_id(member.index),
            "total_points_awaiting_fulfillment": waiting,
            "bonus_points_awaiting_fulfillment": waiting // 4,
        }, seed

    return Listing([sum(item.earned - item.awarded for item in member.life.purchases)], row)


LISTINGS: dict[str, Callable[[Facts, Member], Listing]] = {
    "user_activities": _available,
    "user_activity_history": _history,
    "purchases": _purchases,
    "user_rewards": _visible_rewards,
    "redemptions": redemptions,
    "receipts": _receipts,
    "coupons": coupons,
    "user_badges": _badges,
    "points_awaiting_fulfillment": _awaiting,
}
