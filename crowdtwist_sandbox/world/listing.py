"""A listing whose rows are built one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from crowdtwist_sandbox.world.program import Row


class Listing(NamedTuple):
    """The items of a listing, and the function that turns one into a row and the row's seed."""

    items: Sequence[Any]
    row: Callable[[Any], tuple[Row, int]]

    def rows(self) -> Iterator[tuple[Row, int]]:
        """Build every row, with its seed."""
        return map(self.row, self.items)
