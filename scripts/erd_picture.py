"""Draws the diagrams of `erd`: boxes in columns, and lines in the gutters between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scripts.erd import Diagram, Relation

_MARGIN, _WIDTH, _GUTTER, _GAP = 8, 212, 68, 12
_HEAD, _LINE = 24, 18
_FIRST_LANE, _LANE = 17, 9
_COLORS = ("#3b82c4", "#c2701c", "#3d9050", "#a163bd", "#cc5a71")
"""One per target, with a contrast of 3:1 and more on white and on near-black."""

_STYLE = """\
<style>
text { font: 12px monospace; fill: #1f2933 }
.name { font-weight: 700 }
.tag { font-size: 10px; fill: #56626e }
rect { fill: #ffffff; stroke: #7b8794 }
.head { fill: #dfe5eb }
path { fill: none; stroke-width: 1.6 }
.unless { stroke-dasharray: 5 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6eaee }
  .tag { fill: #a9b4bf }
  rect { fill: #1d242b }
  .head { fill: #37424d }
}
</style>
"""


class _Place(NamedTuple):
    """Where a picture has a column of a stream: in which of its own columns, and how low."""

    column: int
    y: int


class Picture:
    """Streams as boxes in columns, joined by lines that run in the gutters to their right.

    Lines to the same target share a color, and a lane in each gutter.
    """

    def __init__(self, diagram: Diagram) -> None:
        self._diagram = diagram
        self._places: dict[str, _Place] = {}
        self._bottom = 0
        self._boxes = [
            line
            for number, streams in enumerate(diagram.columns)
            for line in self._boxes_of(number, streams)
        ]
        targets = {relation.target for relation in diagram.relations}
        ordered = sorted(targets, key=self._places.__getitem__)
        self._colors = dict(zip(ordered, _COLORS, strict=False))
        used = {(self._gutter(relation), relation.target) for relation in diagram.relations}
        self._lanes = [
            [target for target in ordered if (gutter, target) in used]
            for gutter in range(len(diagram.columns))
        ]

    def svg(self) -> str:
        """Render the picture."""
        last = len(self._diagram.columns) - 1
        width = _left(last) + _WIDTH + _MARGIN
        if self._lanes[last]:
            width += _FIRST_LANE + _LANE * (len(self._lanes[last]) - 1)
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {self._bottom}"',
            f'     width="{width}" height="{self._bottom}" role="img" aria-labelledby="title">',
            f'<title id="title">{self._diagram.title}</title>',
            _STYLE.rstrip(),
            *map(self._line, self._diagram.relations),
            *self._boxes,
            "</svg>",
        ]
        return "\n".join([*lines, ""])

    def _boxes_of(self, number: int, streams: Iterable[str]) -> list[str]:
        """Render the boxes of a column, and remember the places of what they show."""
        lines = []
        x, y = _left(number), _MARGIN
        for stream in streams:
            tags = self._diagram.tags(stream)
            height = _HEAD + _LINE * len(tags)
            lines += [
                f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{height}"/>',
                f'<rect class="head" x="{x}" y="{y}" width="{_WIDTH}" height="{_HEAD}"/>',
                f'<text class="name" x="{x + 7}" y="{y + 16}">{stream}</text>',
            ]
            for top, (column, tag) in enumerate(tags.items()):
                row = y + _HEAD + _LINE * top
                self._places[f"{stream}.{column}"] = _Place(number, row + _LINE // 2)
                lines += [
                    f'<text class="tag" x="{x + 7}" y="{row + 13}">{tag}</text>',
                    f'<text x="{x + 44}" y="{row + 13}">{column}</text>',
                ]
            y += height + _GAP
        self._bottom = max(self._bottom, y - _GAP + _MARGIN)
        return lines

    def _gutter(self, relation: Relation) -> int:
        """Return the number of the column to whose right a line runs."""
        source, target = (self._places[end].column for end in (relation.column, relation.target))
        if abs(source - target) > 1:
            raise ValueError(f"{relation.column} and {relation.target} are not in neighbor columns")
        return min(source, target)

    def _line(self, relation: Relation) -> str:
        """Render a line; a bar at its end is one row, a crow's foot any number of rows."""
        gutter = self._gutter(relation)
        lane = _left(gutter) + _WIDTH + _FIRST_LANE
        lane += _LANE * self._lanes[gutter].index(relation.target)
        (x1, y1, out1), (x2, y2, out2) = (
            self._port(end, gutter) for end in (relation.column, relation.target)
        )
        color = self._colors[relation.target]
        ends = f"M{x2 + 6 * out2} {y2 - 5}v10"
        if self._diagram.finds_one(relation):
            ends += f"M{x1 + 6 * out1} {y1 - 5}v10"
        else:
            ends += f"M{x1} {y1 - 6}l{10 * out1} 6l{-10 * out1} 6"
        kind = ' class="unless"' if relation.unless else ""
        return (
            f'<path{kind} stroke="{color}" d="M{x1} {y1}H{lane}V{y2}H{x2}"/>\n'
            f'<path stroke="{color}" d="{ends}"/>'
        )

    def _port(self, end: str, gutter: int) -> tuple[int, int, int]:
        """Return where a line leaves a box, and the direction: 1 to the right, -1 to the left."""
        column, y = self._places[end]
        if column == gutter:
            return _left(column) + _WIDTH, y, 1
        return _left(column), y, -1


def _left(column: int) -> int:
    return _MARGIN + column * (_WIDTH + _GUTTER)
