"""Forms that the public pages leave open, each as an option: `deviations`, names with commas.

Without any, the sandbox does what the tap expects first.
"""

from __future__ import annotations

DEVIATIONS: dict[str, str] = {
    "history_by_page_number": "the activity history takes `page_number` with `page_size`, and "
    "refuses `page`",
    "history_without_pages": "the activity history refuses any page parameter and comes whole",
    "history_ignores_pages": "the activity history ignores page parameters and comes whole",
    "history_without_paging": "the activity history has pages, but no `paging` object",
    "history_ignores_dates": "the activity history ignores `date_start` and `date_end`",
    "history_cut": "an activity history that comes whole stops at 25 rows",
    "redemptions_of_a_year": "redemptions without dates are those of the last year",
}
"""Name -> what is other than without it."""

CUT = 25
"""Rows at which `history_cut` stops."""


def parse(names: str) -> frozenset[str]:
    """Read the option.

    Raises:
        ValueError: with a sentence that names what is unknown.
    """
    chosen = frozenset(filter(None, map(str.strip, names.split(","))))
    for name in sorted(chosen - DEVIATIONS.keys()):
        raise ValueError(f"deviations: {name!r} is unknown; there are {', '.join(DEVIATIONS)}")
    return chosen
