"""The conformance reports in `docs/` are what the command writes about the sandbox.

`REGENERATE_CONFORMANCE=1 pytest tests/conformance/test_conformance_pages.py` writes them anew; what
then differs is for review.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from support.conformance import conform, plain

DOCS = Path(__file__).resolve().parents[2] / "docs"
REGENERATE = bool(os.environ.get("REGENERATE_CONFORMANCE"))
PAGES = {
    "conformance-plain.md": (),
    "conformance-deviations.md": (
        "history_without_pages",
        "redemptions_of_a_year",
        "rewards_without_total",
        "users_with_another_property",
        "badges_under_another_name",
    ),
}
"""Page in `docs/` -> deviations of the sandbox that it is about."""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_command_writes(name: str) -> None:
    with plain(",".join(PAGES[name])) as running:
        result = conform(running)
    text = re.sub(r"\(version [^,]*, ", "(", result.page, count=1)
    file = DOCS / name
    if REGENERATE:
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
    assert result.exit_code == ("badges_under_another_name" in PAGES[name])
