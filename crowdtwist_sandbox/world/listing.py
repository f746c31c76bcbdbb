"""A listing of rows, built one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from crowdtwist_sandbox.world.program import Row


class Listing(NamedTuple):
    """A stream of one member: its items, and how one becomes a row and the row's roll."""

    items: Sequence[Any]
    row: Callable[[Any], tuple[Row, int]]

    def rows(self) -> Iterator[tuple[Row, int]]:
        """Every row with its roll."""
        return map(self.row, self.items)
