"""Deviations that a live program may show; the option `deviations` takes names with commas.

They cover what the public documentation leaves open and what `crowdtwist-conformance` must detect.
Without them, the sandbox behaves as the tap expects first.
"""

from __future__ import annotations

DEVIATIONS: dict[str, str] = {
    "history_by_page_number": "the activity history takes `page_number` with `page_size`, and "
    "rejects `page`",
    "history_without_pages": "the activity history rejects any page parameter and sends all rows",
    "history_ignores_pages": "the activity history ignores page parameters and sends all rows",
    "history_without_paging": "the activity history has pages, but no `paging` object",
    "history_ignores_dates": "the activity history ignores `date_start` and `date_end`",
    "history_cut": "an activity history without pages stops at 25 rows",
    "redemptions_of_a_year": "redemptions without dates are those of the last year",
    "redemptions_end_included": "`date_end` of redemptions includes its day",
    "redemptions_of_any_range": "redemptions accept a range of more than a year",
    "redemptions_refuse_days_ahead": "redemptions reject a `date_end` after tomorrow",
    "redemptions_under_another_name": "redemptions are sent under `redemptions`, not `rewards`",
    "redemptions_without_ids": "redemptions have no `order_id`",
    "history_by_date_of_award": "the dates of the activity history are those of the award",
    "history_without_ids": "the activity history has no `user_activity_id`",
    "history_with_repeated_ids": "`user_activity_id` is that of the activity, so it repeats",
    "purchases_end_excluded": "`date_end` of purchases excludes its day",
    "purchases_need_both_dates": "purchases reject `date_start` without `date_end`",
    "purchases_ignore_dates": "purchases ignore `date_start` and `date_end`",
    "rewards_on_small_pages": "a page has 5 rewards, whatever `page_size` says",
    "rewards_on_large_pages": "a page has 40 rewards, whatever `page_size` says",
    "rewards_of_any_page_size": "rewards accept any `page_size`",
    "rewards_without_total": "`paging` of rewards has no `total`",
    "rewards_without_title": "rewards have no `title`",
    "activities_with_paging_in_a_list": "`paging` of activities is a list of one",
    "activities_with_words_for_points": "`num_points` of activities is a word",
    "badges_under_another_name": "badges are sent under `badge_list`",
    "badges_refuse_pages_beyond": "a page of badges beyond the last one has status 404",
    "receipts_repeat_the_last_page": "a page of receipts beyond the last one is the last one again",
    "user_activities_in_an_object": "user activities are in an object, not a bare array",
    "users_with_another_property": "profiles have a property that no page names",
    "deletions_without_history": "the status of a deletion has no history",
    "missing_as_400": "a member that does not exist is 400 on the main host",
    "pos_errors_flat": "the POS host sends errors in the form of the main host",
    "headers_of_limits": "every response has headers about a rate limit",
    "clock_an_hour_ahead": "the `Date` of every response is an hour ahead",
}
"""Deviations by name, each with a description of its effect."""

CUT = 25
"""Number of rows after which `history_cut` stops."""


def parse(names: str) -> frozenset[str]:
    """Return the names in the option's value.

    Raises:
        ValueError: a name is unknown; the message says which.
    """
    chosen = frozenset(filter(None, map(str.strip, names.split(","))))
    for name in sorted(chosen - DEVIATIONS.keys()):
        raise ValueError(f"deviations: {name!r} is unknown; known are {', '.join(DEVIATIONS)}")
    return chosen
