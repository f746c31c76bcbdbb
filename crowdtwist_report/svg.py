"""Makes inline SVG of a chart, in colors that the style sheet decides."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import vl_convert

if TYPE_CHECKING:
    import altair as alt

# Charts are drawn in the colors #000001, #000002, … that stand for a role. In the page a class of
# the same role takes their place, so that light, dark and print each have colors of their own.
ROLES = (
    "paper",
    "muted",
    "line",
    "earned",
    "redeemed",
    "expired",
    "deducted",
    "unexplained",
    "balance",
    *(f"heat{step}" for step in range(6)),
    *(f"on-heat{step}" for step in range(6)),
)
_COLORS = {role: f"#{index:06x}" for index, role in enumerate(ROLES, start=1)}
_ROLE_OF = {color: role for role, color in _COLORS.items()}
_NAMESPACE = re.compile(r"\{[^}]*\}")
# Roles and names of the parts would repeat in every chart; the label of the whole chart is read.
_DROPPED = ("aria-", "role", "class", "font-family", "pointer-events", "version", "opacity")
# Without a color they are helpers of the renderer, which must not be painted.
_SHAPES = {"path", "rect", "line"}


def color(role: str) -> str:
    """Return the color to draw in for a role."""
    return _COLORS[role]


def render(chart: alt.TopLevelMixin, label: str, css_class: str) -> str:
    """Return a chart as an SVG element.

    Args:
        chart: drawn in the colors of `color`.
        label: the message of the chart in words, for those who cannot see it.
        css_class: class of the element.
    """
    text = vl_convert.vegalite_to_svg(chart.to_dict(), show_warnings=False)
    # What this program drew, not a document from elsewhere.
    root = ET.fromstring(text)  # noqa: S314
    _clean(root)
    del root.attrib["width"], root.attrib["height"]
    root.attrib |= {"class": f"chart {css_class}", "role": "img", "aria-label": label}
    return ET.tostring(root, encoding="unicode")


def _clean(element: ET.Element) -> None:
    element.tag = _NAMESPACE.sub("", element.tag)
    for name in [name for name in element.attrib if name.startswith(_DROPPED)]:
        del element.attrib[name]
    classes = [_class_of(element, attribute) for attribute in ("fill", "stroke")]
    if any(classes):
        element.attrib["class"] = " ".join(name for name in classes if name)
    for child in list(element):
        _clean(child)
        if child.tag in _SHAPES and "class" not in child.attrib:
            element.remove(child)


def _class_of(element: ET.Element, attribute: str) -> str | None:
    role = _ROLE_OF.get(element.attrib.get(attribute, ""))
    if role is None:
        return None
    del element.attrib[attribute]
    return f"{attribute}-{role}"
