"""Puts the page together."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from crowdtwist_report.cohorts import cohorts_section
from crowdtwist_report.expiring import expiring_section
from crowdtwist_report.formatting import day, instant, title
from crowdtwist_report.liability import liability_section
from crowdtwist_report.offers import activities_section, rewards_section
from crowdtwist_report.overview import checks_section, glance_section
from crowdtwist_report.points import roll_forward_section
from crowdtwist_report.suppression import MINIMUM
from crowdtwist_report.svg import ROLES
from crowdtwist_report.tiers import tiers_section

if TYPE_CHECKING:
    from crowdtwist_report.marts import Marts, Row

_SECTIONS = (
    glance_section,
    roll_forward_section,
    liability_section,
    expiring_section,
    tiers_section,
    cohorts_section,
    activities_section,
    rewards_section,
    checks_section,
)


def render_page(marts: Marts, heading: str) -> str:
    """Return the page as HTML, which is the same for the same marts.

    Args:
        marts: what the page shows.
        heading: title of the page.
    """
    environment = Environment(
        loader=PackageLoader("crowdtwist_report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = environment.get_template("report.css.j2").render(roles=ROLES)
    # The policy allows this style sheet alone: no other, no style attribute, no script, no request.
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template("report.html.j2").render(
        heading=title(heading),
        style=Markup(style),  # noqa: S704 - our own
        style_hash=f"sha256-{digest}",
        day=day(marts.summary["day"]),
        completeness=completeness_of(marts.summary),
        sections=[make(marts) for make in _SECTIONS],
        minimum=MINIMUM,
        timezone=marts.summary["timezone"],
        svg=Markup,  # drawn by this program
    )


_COMPLETENESS = {
    True: ("good", "Complete", "All of them were read."),
    False: ("bad", "Incomplete", "Not all of them were read: {}."),
    None: ("quiet", "Completeness not known", "Whether all of them were read is not known."),
}


def completeness_of(summary: Row) -> tuple[str, str, str]:
    """Return whether all members were read: class and text of a badge, and some sentences."""
    begun, ended = (instant(summary[name]) for name in ("begun_at", "ended_at"))
    css_class, badge, sentence = _COMPLETENESS[summary["is_complete"]]
    reason = title(summary["incomplete_reason"] or "the reason is not known").rstrip(".")
    return css_class, badge, f"Members were read from {begun} to {ended}. {sentence.format(reason)}"
