"""What the rooms of the world hand each other: a member at a day, and a listing of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from crowdtwist_sandbox.world.events import Timeline
    from crowdtwist_sandbox.world.program import Row
    from crowdtwist_sandbox.world.world import World


@dataclass(frozen=True)
class Member:
    """One member at the end of one day."""

    world: World
    index: int
    day: int
    roll: int

    @property
    def life(self) -> Timeline:
        """What the member did up to that day."""
        return self.world.timeline(self.index, self.day)

    @property
    def now(self) -> int:
        """The last second of that day."""
        return self.world.now(self.day)


class Listing(NamedTuple):
    """A stream of one member: its items, and how one becomes a row and the row's roll."""

    items: Sequence[Any]
    row: Callable[[Any], tuple[Row, int]]

    def rows(self) -> Iterator[tuple[Row, int]]:
        """Every row with its roll."""
        return map(self.row, self.items)
