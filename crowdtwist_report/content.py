"""The parts that a page consists of. The template knows how each of them looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from crowdtwist_report.formatting import number

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from crowdtwist_report.marts import Row


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: what it says.
        share: length of a bar under the text, from 0 to 1; None for no bar.
        is_hidden: it stands for a number that is not shown.
    """

    text: str
    share: float | None = None
    is_hidden: bool = False

    @property
    def bar(self) -> str:
        """Length of the bar as a percentage."""
        return f"{(self.share or 0) * 100:.1f}%"


HIDDEN = Cell("hidden", is_hidden=True)


def number_cell(value: float | Decimal | None, *, is_hidden: bool = False) -> Cell:
    """Return a cell with a number."""
    return HIDDEN if is_hidden else Cell(number(value))


def number_cells(row: Row, names: Iterable[str], *, is_hidden: bool = False) -> list[Cell]:
    """Return cells with numbers of a row."""
    return [number_cell(row[name], is_hidden=is_hidden) for name in names]


@dataclass(frozen=True)
class Table:
    """A table; the first column names the row, the others are numbers.

    Attributes:
        caption: what it shows.
        columns: headings of the columns.
        rows: cells of each row.
        marked: index of the row that stands out.
    """

    kind: ClassVar = "table"
    caption: str
    columns: tuple[str, ...]
    rows: list[list[Cell]]
    marked: int | None = None


@dataclass(frozen=True)
class Figure:
    """A chart.

    Attributes:
        caption: what it shows.
        svgs: the chart as SVG, for wide and for narrow screens.
        legend: role of a color, and what it stands for.
    """

    kind: ClassVar = "figure"
    caption: str
    svgs: tuple[str, str]
    legend: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Tile:
    """A number that stands alone.

    Attributes:
        label: what it counts.
        value: the number.
        note: what it is to be compared with.
    """

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class Tiles:
    """Numbers side by side."""

    kind: ClassVar = "tiles"
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Notes:
    """Remarks, such as assumptions, or what to do for data that is absent.

    Attributes:
        texts: a sentence or two each.
        is_absent: they say why there is nothing to show.
    """

    kind: ClassVar = "notes"
    texts: tuple[str, ...]
    is_absent: bool = False


Block = Table | Figure | Tiles | Notes


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        anchor: its id in the page.
        heading: its title.
        lead: what it shows and how to read it.
        blocks: what it consists of.
    """

    anchor: str
    heading: str
    lead: str
    blocks: tuple[Block, ...]


def rows_left_out(count: int) -> tuple[Block, ...]:
    """Return a remark about the rows that a table must not show, if there are any."""
    text = f"Rows left out: {count}, which are about too few members or would give such a row away."
    return (Notes((text,)),) if count else ()


def absent(text: str) -> tuple[Block, ...]:
    """Return the only block of a section without data."""
    return (Notes((text,), is_absent=True),)
