"""Adds up rows of the marts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crowdtwist_report.marts import Row


def group_totals(
    rows: Iterable[Row], keys: Sequence[str], names: Sequence[str]
) -> dict[tuple[Any, ...], Row]:
    """Return the totals of columns for each combination of keys, in the order of the rows."""
    groups: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = tuple(row[name] for name in keys)
        totals = groups.setdefault(key, dict.fromkeys(names, 0))
        for name in names:
            totals[name] += row[name]
    return groups


def column(groups: dict[tuple[Any, ...], Row], name: str) -> dict[tuple[Any, ...], Any]:
    """Return one column of the totals."""
    return {key: totals[name] for key, totals in groups.items()}
