"""Canonical rows of redemptions, and of the coupons that some of them come with.

Shapes follow the pages "User Redemption History v2.2" and "Usable Coupons".
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from crowdtwist_sandbox.world import identity, words
from crowdtwist_sandbox.world.deterministic_random import DeterministicRandom, mix
from crowdtwist_sandbox.world.listing import Listing
from crowdtwist_sandbox.world.rewards import group_id, reward_id
from crowdtwist_sandbox.world.timestamps import DAY

if TYPE_CHECKING:
    from crowdtwist_sandbox.world.events import Redemption
    from crowdtwist_sandbox.world.facts import Facts, Member
    from crowdtwist_sandbox.world.program import Row


_COUPON_LIFETIME_SECONDS = 90 * DAY


def redemption_row(world: Facts, member: Member, order: Redemption) -> tuple[Row, int]:
    """Build an order of a reward."""
    seed = mix(order.seed ^ order.number)
    random = DeterministicRandom(seed)
    reward = world.rewards.reward(order.reward, member.day)
    user_id = identity.member_id(member.index)
    has_coupon = _has_coupon(order)
    shipped = not has_coupon and random.one_in(2)

    def if_shipped(value: Any) -> Any:
        return value if shipped else None

    # As in profiles, the order of the draws from `random` is part of the world.
    built: Row = {
        "order_id": str(order.number),
        "order_date": order.at,
        "reward_id": reward_id(order.reward),
        "reward_group_id": group_id(order.reward),
        "title": reward["title"],
        "description": reward["description"],
        "category": random.pick((None, "Vouchers")),
        "category_name": random.pick((None, "Vouchers")),
        "color": reward["color"],
        "size": reward["size"],
        "reference_id": reward["reference_id"],
        "extra_data": reward["extra_data"],
        "quantity": order.quantity,
        "total_points_redeemed": order.cost,
        "ending_balance": order.balance,
        "codes": [f"CODE-{seed:x}-{number}" for number in range(order.quantity)]
        if has_coupon
        else [],
        "digital_download": "https://dl.example.test/x" if reward["is_digital_download"] else None,
        "shipping_first_name": if_shipped("Ada"),
        "shipping_last_name": if_shipped("Sample"),
        "shipping_street_address_1": if_shipped("1 Straße"),
        "shipping_street_address_2": if_shipped(random.pick((None, "c/o Ng"))),
        "shipping_city": if_shipped("Köln"),
        "shipping_state": None,
        "shipping_postal_code": if_shipped("00501"),
        "shipping_country": if_shipped("Germany"),
        "shipping_phone": if_shipped("+15550000000"),
    }
    if has_coupon:
        built["expiration_date"] = expires(order)
    if random.one_in(3):
        built["reward_title"] = reward["title"]
    if random.one_in(4):
        built["custom_data"] = {"gift": "ja", "lines": ["1", "2"]}
    if random.one_in(5):
        built["redeeming_user_id"] = user_id
        built["household_breakdown"] = [{"user_id": user_id, "num_points": order.cost}]
    return built, seed


def redemptions(world: Facts, member: Member) -> Listing:
    """List the member's orders of rewards, newest first."""
    orders = sorted(member.life.redemptions, key=lambda order: order.at, reverse=True)
    return Listing(orders, partial(redemption_row, world, member))


def _has_coupon(order: Redemption) -> bool:
    return order.seed % 2 == 0


def expires(order: Redemption) -> int:
    """Return when the coupon of an order expires."""
    return order.at + _COUPON_LIFETIME_SECONDS


def coupons(world: Facts, member: Member) -> Listing:
    """List the member's unused coupons, expired ones included; a used one may come back."""

    def row(order: Redemption) -> tuple[Row, int]:
        seed = mix(order.seed ^ 11)
        reward = world.rewards.reward(order.reward, member.day)
        return {
            "reward_id": reward_id(order.reward),
            "reward_category_id": words.REWARD_CATEGORIES[seed % 3][0],
            "redeem_order_id": str(order.number),
            "redeem_order_coupon_id": str(order.number * 10 + 1),
            "total_points_redeemed": order.cost,
            "ending_balance": order.balance,
            "coupon_code": f"COUPON-{seed:x}",
            "expiration_date": expires(order),
            "extra_data": reward["extra_data"],
        }, seed

    orders = [
        order
        for order in member.life.redemptions
        if _has_coupon(order) and order.seed % 5 != 0 and not member.was_taken_away(order.seed)
    ]
    return Listing(orders, row)
