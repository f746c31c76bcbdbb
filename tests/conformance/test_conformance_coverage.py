"""Every assumption on the page of what is unverified is one that the command checks."""

from __future__ import annotations

import re

from support.pages import DOCS

from tap_crowdtwist.conformance.assumptions import assumptions

CHECKED: dict[str, tuple[str, ...]] = {
    "HMAC authentication": ("auth.hmac",),
    "The key in a header instead of the query, on the main host": ("auth.header",),
    "Activity history v2.1": (
        "user_activity_history.form",
        "user_activity_history.larger",
        "user_activity_history.unknown",
        "user_activity_history.absent",
    ),
    "`user_activity_id` in the activity history": ("user_activity_history.key",),
    "Redemption history v2.2": ("redemptions.unknown", "redemptions.absent", "redemptions.key"),
    "Redemption history without dates": ("redemptions.undated", "redemptions.year"),
    "Date filters": (
        "purchases.dates",
        "purchases.ends",
        "redemptions.ends",
        "user_activity_history.dates",
    ),
    "Page sizes": ("activities.page_size", "activities.larger", "user_rewards.larger"),
    "Lists without pages": ("user_activities.envelope", "coupons.envelope"),
    "`date_last_updated` of a profile": ("users.date_last_updated",),
    "Columns and members in feeds": ("feeds.columns",),
    "When the files of feeds come": ("feeds.days",),
    "Live Push: points expiration": ("feeds.live_expirations",),
    "Live Push: keys": ("feeds.live_keys",),
    "429 and `Retry-After`": ("limits.429", "limits.headers"),
}
"""Assumption on the page -> what is checked for it."""


def test_every_assumption_on_the_page_is_checked_under_the_names_given_there() -> None:
    page = (DOCS / "unverified.md").read_text(encoding="utf-8")
    part = page.partition("\n## What the tap assumes\n")[2].partition("\n## ")[0]
    sections = dict(re.findall(r"(?ms)^### ([^\n]+)\n(.*?)(?=^### |\Z)", part))
    assert list(sections) == list(CHECKED)
    for title, text in sections.items():
        names = re.search(r"\(([^()]*)\)\s*\Z", text)
        assert names is not None, title
        assert tuple(re.findall(r"`([^`]+)`", names[1])) == CHECKED[title]


def test_every_check_has_a_name_of_its_own() -> None:
    names = [assumption.name for assumption in assumptions()]
    assert len(set(names)) == len(names)
    assert {name for checks in CHECKED.values() for name in checks} <= set(names)


def test_nothing_imports_the_package() -> None:
    root = DOCS.parent
    own = root / "tap_crowdtwist" / "conformance"
    files = [*root.glob("tap_crowdtwist/**/*.py"), *root.glob("crowdtwist_*/**/*.py")]
    importing = [
        file
        for file in files
        if own not in file.parents and "tap_crowdtwist.conformance" in file.read_text("utf-8")
    ]
    assert importing == []
