"""The program's activities and badges, by day.

Shapes follow the pages "Activities-Extended (v2.1)" and "Badges". Rows are canonical: ids and
numbers are ints, flags are bools, timestamps are epoch seconds, and null is None.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from crowdtwist_sandbox.world import words
from crowdtwist_sandbox.world.deterministic_random import DeterministicRandom, seed_of
from crowdtwist_sandbox.world.timestamps import DAY

Row = dict[str, Any]

FIRST_ACTIVITIES = 57
BADGES = 33
_FIRST_ACTIVITY_ID = 700_100_200
_BARE = 3  # the index of the row with every possible null
_FULL = 4  # the index of the row without nulls


def activity_id(index: int) -> int:
    """Return CrowdTwist's id of an activity."""
    return _FIRST_ACTIVITY_ID + 13 * index


def activity_count(day: int) -> int:
    """Return the number of activities on a day: 57 on day 0, and one more each day."""
    return FIRST_ACTIVITIES + max(day, 0)


class Program:
    """The program's activities and badges. Number 3 has every possible null, number 4 none."""

    def __init__(self, key: int, first_day: int) -> None:
        self._key = key
        self._first_day = first_day
        self.activity = lru_cache(maxsize=2048)(self._activity)
        self.activity_points = lru_cache(maxsize=2048)(self._activity_points)

    def _activity_points(self, index: int) -> int:
        return 10 + 5 * (seed_of(self._key, "activity points", index) % 49)

    def _activity(self, index: int) -> Row:
        """Build an activity with all its properties; treat the row as read-only, it is cached."""
        random = DeterministicRandom(seed_of(self._key, "activity", index))

        def maybe(value: Any) -> Any:
            absent = random.one_in(3)
            return value if index == _FULL or (index != _BARE and not absent) else None

        day = self._first_day + (index - FIRST_ACTIVITIES + 1 if index >= FIRST_ACTIVITIES else 0)
        if index < FIRST_ACTIVITIES:
            day -= 1300 + random.below(200)
        title = f"{random.pick(words.VERBS)} {random.pick(words.THINGS)}"
        category, kind, period = (
            maybe(random.pick(choices)) or (None, None)
            for choices in (words.CATEGORIES, words.TYPES, words.PERIODS)
        )
        channel = maybe(random.pick(words.CHANNELS)) or (None, None)
        name, subscription = random.pick(words.SEGMENTS)
        return {
            "id": activity_id(index),
            "name": f"activity {index:03d}",
            "title": title,
            "description": random.pick(words.DESCRIPTIONS),
            "public_title": maybe(title.upper()),
            "public_description": maybe(random.pick(words.DESCRIPTIONS)),
            "num_points": self.activity_points(index),
            "image": maybe(f"https://cdn.example.test/activity/{index}.png"),
            "category_id": category[0],
            "category_name": category[1],
            "type_id": kind[0],
            "type_name": kind[1],
            "activity_channel_id": channel[0],
            "activity_channel_name": channel[1],
            "freq_cap": maybe(random.between(1, 5)),
            "freq_period_id": period[0],
            "freq_period_name": period[1],
            "freq_num_required_attempts": maybe(random.between(1, 3)),
            "redirect_url": maybe(f"https://www.example.test/?from={index}&x=ü"),
            "points_on_click": random.one_in(2),
            "action_tags": maybe(words.ACTION_TAG),
            "date_start": maybe(day * DAY + random.below(DAY)),
            "date_end": maybe((day + 1500 + random.below(400)) * DAY),
            "min_tier_id": maybe(random.between(1, 4)),
            "show_as_locked_by_tier": random.one_in(4),
            "partner_info": maybe({"id": random.between(1, 90), "name": "Pärtner & Co"}),
            "segment": maybe(
                {
                    "name": name,
                    "subscription_id": subscription,
                    "eligibility_type": random.pick(("inclusion", "exclusion")),
                }
            ),
            "activity_tags": [
                {"tag_name": random.pick(("Video", "Été", "Sale")), "tag_id": 9 + tag}
                for tag in range(2 if index == _FULL else random.below(3))
            ],
            "extra_data": maybe({"campaign": f"c{index}", "weights": [1, 2.5], "ends": None}),
        }

    def badge(self, index: int) -> Row:
        """Build a badge."""
        random = DeterministicRandom(seed_of(self._key, "badge", index))
        start = (self._first_day - 1000 + random.below(800)) * DAY
        shown = index != _BARE and (index == _FULL or not random.one_in(3))
        return {
            "id": 400 + 3 * index,
            "name": f"badge_{index}",
            "title": f"{random.pick(words.VERBS)}er №{index}",
            "date_start": start,
            "date_end": start + 2000 * DAY if shown else None,
            "display_date_start": start - DAY if shown else None,
            "display_date_end": start + 2100 * DAY if shown else None,
            "is_enabled": not random.one_in(8),
        }
