"""The forms of the charts. They draw months and numbers only, no text of the program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import altair as alt

from crowdtwist_report.svg import color, render

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

_Chart = Any
"""A chart of altair, whose methods are not typed."""


@dataclass(frozen=True)
class _Frame:
    """Where a chart is drawn.

    Attributes:
        name: class of the SVG, by which the style sheet shows one of two.
        width: of the plot and its margins, in pixels.
        labels: how many labels fit below the plot.
    """

    name: str
    width: int
    labels: int


_WIDE = _Frame("wide", 720, labels=8)
_NARROW = _Frame("narrow", 340, labels=4)
_FONT_SIZE = 12
_MARGINS = {"left": 46, "right": 28, "top": 10, "bottom": 26}
_HEAT_MARGINS = {"left": 72, "right": 2, "top": 24, "bottom": 2}
_HEAT_ROW = 24
_WIDEST_BAR = 40
_HEAT_LIMITS = (0.1, 0.2, 0.35, 0.5, 0.7)
_SHORT = "replace(format(datum.value, '~s'), 'G', 'B')"

Point = tuple[str, str, int]
"""Label on the axis, series, value."""
Share = tuple[str, int, float | None]
"""Label of the row, number of the column, share from 0 to 1; None if it is hidden."""


def stacked_bars(
    labels: Sequence[str], points: Sequence[Point], series: Sequence[str], label: str
) -> tuple[str, str]:
    """Draw bars of several series, stacked from zero upward and downward.

    Args:
        labels: all labels of the axis, also of places without a bar.
        points: values of the bars.
        series: names of the series, which are roles of colors.
        label: the message of the chart in words.
    """
    colors = alt.Scale(domain=list(series), range=[color(name) for name in series])

    def build(frame: _Frame) -> _Chart:
        space = (frame.width - _MARGINS["left"] - _MARGINS["right"]) / len(labels)
        width = min(space * 0.9, _WIDEST_BAR)
        bar = _plot(labels, points, frame, 220).mark_bar(size=width)
        return bar.encode(color=alt.Color("series:N", legend=None, scale=colors))

    return _draw(build, label)


def line(points: Sequence[Point], series: str, label: str) -> tuple[str, str]:
    """Draw a line of one series, with the area below it."""

    def build(frame: _Frame) -> _Chart:
        edge = alt.OverlayMarkDef(color=color(series), strokeWidth=2)
        plot = _plot([label for label, _, _ in points], points, frame, 150)
        return plot.mark_area(color=color(series), fillOpacity=0.14, line=edge)

    return _draw(build, label)


def heat_map(
    shares: Sequence[Share], narrow_columns: Collection[int], label: str
) -> tuple[str, str]:
    """Draw a table of shares in percent, with a color for each step.

    Args:
        shares: in the order of the rows.
        narrow_columns: the columns that fit a narrow screen.
        label: the message of the chart in words.
    """

    def build(frame: _Frame) -> _Chart:
        is_wide = frame is _WIDE
        return _heat([cell for cell in shares if is_wide or cell[1] in narrow_columns], frame)

    return _draw(build, label)


def _draw(build: Callable[[_Frame], _Chart], label: str) -> tuple[str, str]:
    wide, narrow = (render(build(frame), label, frame.name) for frame in (_WIDE, _NARROW))
    return wide, narrow


def _plot(labels: Sequence[str], points: Sequence[Point], frame: _Frame, height: int) -> _Chart:
    # Every n-th label, counted from the last one, which is read first.
    step = -(-len(labels) // frame.labels)
    shown = labels[::-1][::step]
    values = [{"label": label, "series": series, "value": value} for label, series, value in points]
    x_axis = alt.Axis(values=shown, labelAngle=0, domain=False, grid=False, tickColor=color("line"))
    y_axis = alt.Axis(labelExpr=_SHORT, tickCount=5, domain=False, ticks=False)
    chart = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X("label:O", scale=alt.Scale(domain=labels), title=None, axis=x_axis),
        y=alt.Y("value:Q", title=None, axis=y_axis),
    )
    return _place(chart, frame, height, _MARGINS)


def _heat(shares: Sequence[Share], frame: _Frame) -> _Chart:
    values = [
        {"row": row, "column": column, "step": _heat_step(share), "text": _heat_text(share)}
        for row, column, share in shares
    ]
    rows = list(dict.fromkeys(row for row, _, _ in shares))
    bare: dict[str, Any] = {"domain": False, "ticks": False, "grid": False}
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X("column:O", title=None, axis=alt.Axis(orient="top", labelAngle=0, **bare)),
        y=alt.Y("row:O", scale=alt.Scale(domain=rows), title=None, axis=alt.Axis(**bare)),
    )
    rectangles = base.mark_rect(cornerRadius=3, stroke=color("paper"), strokeWidth=2)
    texts = base.mark_text(fontSize=_FONT_SIZE)
    layers = alt.layer(
        rectangles.encode(color=_heat_colors("heat")),
        texts.encode(text="text:N", color=_heat_colors("on-heat")),
    )
    chart = layers.resolve_scale(color="independent")
    return _place(chart, frame, len(rows) * _HEAT_ROW, _HEAT_MARGINS)


def _heat_colors(prefix: str) -> alt.Color:
    steps = [str(step) for step in range(len(_HEAT_LIMITS) + 1)]
    colors = [color(f"{prefix}{step}") for step in steps]
    return alt.Color("step:N", legend=None, scale=alt.Scale(domain=steps, range=colors))


def _heat_step(share: float | None) -> str:
    return str(sum((share or 0) >= limit for limit in _HEAT_LIMITS))


def _heat_text(share: float | None) -> str:
    return "\N{MIDDLE DOT}" if share is None else f"{share * 100:.0f}"


def _place(chart: _Chart, frame: _Frame, height: int, margins: dict[str, int]) -> _Chart:
    # Fixed margins: measured ones would depend on the fonts of the machine.
    return chart.properties(
        width=frame.width - margins["left"] - margins["right"],
        height=height,
        padding=margins,
        autosize=alt.AutoSizeParams(type="none"),
        config=alt.Config(
            view=alt.ViewConfig(stroke=None),
            axis=alt.AxisConfig(
                labelFontSize=_FONT_SIZE, labelColor=color("muted"), gridColor=color("line")
            ),
        ),
    )
