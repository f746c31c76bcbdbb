"""Hides what counts so few members that it would be about single persons."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

MINIMUM = 5
"""Fewest members that a number may be about. None at all is no person, so 0 may be shown."""

Cell = TypeVar("Cell")


def hidden_cells(members: Mapping[Cell, int], sums: Sequence[Sequence[Cell]]) -> set[Cell]:
    """Return the cells to hide.

    A cell with 1 to 4 members is hidden. In a line of cells whose total the page shows, one hidden
    cell could be computed from the others. So at least two are hidden there, one of them with 5
    members or more: the smallest others. That can open another line, hence the loop.

    Args:
        members: number of members in each cell.
        sums: lines of cells that add up to a number that the page shows.
    """
    hidden = {cell for cell, count in members.items() if 0 < count < MINIMUM}
    while True:
        more = {cell for line in sums for cell in _complement(members, line, hidden)}
        if not more:
            return hidden
        hidden |= more


def _complement(
    members: Mapping[Cell, int], line: Sequence[Cell], hidden: AbstractSet[Cell]
) -> Sequence[Cell]:
    """Return what else to hide in a line: nothing, or its smallest cell, an empty one at last."""
    inside = [members[cell] for cell in line if cell in hidden]
    # The largest, not the sum, since the same members can be in several cells.
    if not inside or (len(inside) > 1 and max(inside) >= MINIMUM):
        return ()
    others = [cell for cell in line if cell not in hidden]
    return sorted(others, key=lambda cell: (not members[cell], members[cell]))[:1]
