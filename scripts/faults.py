"""The tables of faults, from the outcomes that the tests write to outcomes.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crowdtwist_sandbox.faults import ALL_FAULTS
from scripts.markdown import table

OUTCOMES = Path(__file__).resolve().parents[1] / "tests" / "faults" / "outcomes.json"
_MIXTURES = {
    "transient": "Any fault that passes by itself.",
    "persistent": "Any fault that stays with one resource.",
    "lie": "A wrong `total`, a missing `next_page`, or rows that move.",
    "all": "Any of these faults.",
}
_TITLES = {
    "in the run": "Everything is read in the same run",
    "in the run, with a warning": "Everything is read in the same run, which logs a warning",
    "by the next run, which retries the failed members": "The next run retries the failed members",
    "by the next run, which goes on": "The next run goes on where this one ended",
}
"""How the tests describe an outcome -> title of its table."""


def outcomes() -> list[dict[str, Any]]:
    """Return one row per fault, as the tests wrote them."""
    rows: list[dict[str, Any]] = json.loads(OUTCOMES.read_text(encoding="utf-8"))
    return rows


def faults_tables() -> str:
    """Render the faults, and the outcome of a sync with each of them: one table per outcome."""
    head = ("Fault", "What happens", "Occurred, sent again")
    return "\n".join(
        f"### {title}\n\n{table(head, (_cells(row) for row in outcomes() if row['end'] == end))}"
        for end, title in _TITLES.items()
    )


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    fault = row["fault"]
    is_mixture = row["kind"] == "mixture"
    description = _MIXTURES[fault] if is_mixture else ALL_FAULTS[fault].description
    # After the semicolon, a description says how a client recovers.
    what = description.partition(";")[0].rstrip(".").replace(" (parameter)", "")
    return f"`{fault}`", f"{what}.", f"{row['met']}, {row['tries']}"
