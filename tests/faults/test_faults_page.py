"""The page on faults shows every fault, and what it says of all of them is true."""

from __future__ import annotations

import re

from scripts.faults import faults_tables, outcomes


def test_every_fault_is_in_a_table() -> None:
    shown = re.findall(r"(?m)^\| `(\w+)` \|", faults_tables())
    assert sorted(shown) == sorted(row["fault"] for row in outcomes())


def test_no_row_is_missing_or_wrong_after_any_fault() -> None:
    assert {(row["lost"], row["wrong"]) for row in outcomes()} == {(0, 0)}
