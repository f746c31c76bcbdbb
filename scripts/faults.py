"""The table of faults, from the outcomes that the tests write to outcomes.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crowdtwist_sandbox.faults import ALL_FAULTS

OUTCOMES = Path(__file__).resolve().parents[1] / "tests" / "faults" / "outcomes.json"
_MIXTURES = {
    "transient": "Any fault that passes by itself.",
    "persistent": "Any fault that stays with one resource.",
    "lie": "A wrong `total`, a missing `next_page`, or rows that move.",
    "all": "Any of these faults.",
}


def outcomes() -> list[dict[str, Any]]:
    """Return one row per fault, as the tests wrote them."""
    rows: list[dict[str, Any]] = json.loads(OUTCOMES.read_text(encoding="utf-8"))
    return rows


def faults_table() -> str:
    """Render the faults, and the outcome of a sync with each of them."""
    head = ("Fault", "What happens", "Occurrences", "Retries", "All rows read", "Rows lost")
    lines = [
        f"| {' | '.join(cells)} |\n"
        for cells in (head, ["---"] * len(head), *map(_cells, outcomes()))
    ]
    return "".join(lines)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    fault = row["fault"]
    is_mixture = row["kind"] == "mixture"
    description = _MIXTURES[fault] if is_mixture else ALL_FAULTS[fault].description
    # After the semicolon, a description says how a client recovers.
    what = description.partition(";")[0].rstrip(".").replace(" (parameter)", "")
    numbers = (f"{row['met']}", f"{row['tries']}", row["end"], f"{row['lost'] + row['wrong']}")
    return (f"`{fault}`", f"{what}.", *numbers)
