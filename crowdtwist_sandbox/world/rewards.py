"""The program's rewards, by day. Shapes follow the pages "Rewards" and "Reward Details"."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from crowdtwist_sandbox.world import words
from crowdtwist_sandbox.world.absences import is_away
from crowdtwist_sandbox.world.deterministic_random import DeterministicRandom, seed_of
from crowdtwist_sandbox.world.timestamps import DAY

if TYPE_CHECKING:
    from crowdtwist_sandbox.world.program import Row

REWARDS = 61
_BARE = 3  # the index of the row with every possible null
_FULL = 4  # the index of the row without nulls
SOLD_OUT = (7, 8)
_UNLIMITED = 9_999_999


def reward_id(index: int) -> int:
    """Return CrowdTwist's id of a reward variation."""
    return 9001 + 2 * index


def group_id(index: int) -> int:
    """Return the id that two variations in size or color share."""
    return 330 + index // 2


class Rewards:
    """The rewards. Number 3 has every possible null, number 4 none; 7 and 8 are sold out."""

    def __init__(self, key: int, first_day: int) -> None:
        self._key = key
        self._first_day = first_day
        self._fixed = lru_cache(maxsize=REWARDS)(self._build)

    def price(self, index: int) -> int:
        """Return the price in points."""
        price: int = self._fixed(index)["num_points"]
        return price

    def reward(self, index: int, day: int) -> Row:
        """Return a reward; its stock shrinks a little each day, and is empty on some days."""
        row = self._fixed(index)
        total: int = row["total_quantity"]
        if not self.is_in_stock(index, day):
            left = 0
        elif total == _UNLIMITED:
            left = total
        else:
            left = max(1, total - 5 - seed_of(self._key, "sold", index) % 3 * max(day, 0))
        coupons = row["total_coupons"]
        return row | {"current_quantity": left, "remaining_coupons": min(coupons, left)}

    def is_active(self, index: int) -> bool:
        """Return whether members may redeem the reward at all."""
        return bool(self._fixed(index)["is_enabled"])

    def is_in_stock(self, index: int, day: int) -> bool:
        """Return whether the reward is in stock on a day."""
        if self._fixed(index)["total_quantity"] == _UNLIMITED:
            return True
        return index not in SOLD_OUT and not is_away(seed_of(self._key, "stock", index), day)

    def _build(self, index: int) -> Row:
        random = DeterministicRandom(seed_of(self._key, "reward", index))

        def maybe(value: Any) -> Any:
            # Drawn in any case: the two special rewards must not shift the draws that follow.
            absent = random.one_in(3)
            return value if index == _FULL or (index != _BARE and not absent) else None

        start = (self._first_day - 1300 + random.below(150)) * DAY + random.below(DAY)
        endless = index != _FULL and random.one_in(2)
        end = None if endless or index == _BARE else start + (1500 + random.below(300)) * DAY
        total = (
            _UNLIMITED if index not in SOLD_OUT and random.one_in(4) else random.between(50, 500)
        )
        period = maybe(random.pick(words.PERIODS)) or (None, None)
        name, subscription = random.pick(words.SEGMENTS)
        return {
            "id": reward_id(index),
            "group_id": group_id(index),
            "title": f"{random.pick(words.PRIZES)} {index}",
            "description": random.pick(words.DESCRIPTIONS),
            "num_points": 50 * random.between(1, 8),
            "current_quantity": total,
            "total_quantity": total,
            "date_start": start,
            "date_end": end,
            "date_end_redeemable": None if end is None else end + 30 * DAY,
            "no_end_date": end is None,
            "is_enabled": index in {_FULL, *SOLD_OUT} or not random.one_in(6),
            "is_shipping_required": random.one_in(3),
            "is_phone_number_required": random.one_in(5),
            "is_digital_download": random.one_in(4),
            "is_min_age_required": random.one_in(6),
            "show_as_locked": random.one_in(7),
            "min_age": maybe(18),
            "sweepstake_winners": maybe(random.between(1, 9)),
            "featured_order_num": maybe(random.between(1, 20)),
            "max_select_quantity": maybe(random.between(1, 5)),
            "max_per_user": maybe(random.between(1, 10)),
            "min_tier_id": maybe(random.between(1, 4)),
            "category_id": maybe(random.pick(words.REWARD_CATEGORIES)[0]),
            "reference_id": maybe(f"SKU-{index:04d} "),  # surrounding spaces have been seen
            "color": maybe(random.pick(words.COLORS)),
            "size": maybe(random.pick(words.SIZES)),
            "total_coupons": min(total, 1000),
            "remaining_coupons": min(total, 1000),
            "freq_cap": maybe(random.between(1, 4)),
            "freq_period_id": period[0],
            "freq_period_name": period[1],
            "additional_images": [
                f"https://cdn.example.test/reward/{index}/{number}.png"
                for number in range(random.below(3))
            ],
            "image": maybe(f"https://cdn.example.test/reward/{index}.png"),
            "reward_terms": maybe("<ul><li>Não acumulável</li></ul>"),
            "extra_data": maybe({"supplier": "Nörd", "eco": True}),
            "segment": maybe(
                {
                    "name": name,
                    "subscription_id": subscription,
                    "eligibility_type": random.pick(("inclusion", "exclusion")),
                }
            ),
        }
