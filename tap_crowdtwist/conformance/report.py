"""Renders findings: lines for a terminal, JSON, and a Markdown page.

All of them hold names, kinds, counts and outcomes, never a value.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_crowdtwist.conformance.findings import Outcome
from tap_crowdtwist.conformance.properties import property_stats
from tap_crowdtwist.errors import TapError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from tap_crowdtwist.conformance.evidence import Evidence
    from tap_crowdtwist.conformance.findings import Finding
    from tap_crowdtwist.conformance.properties import PropertyStats

_PRIVACY_NOTE = "It holds names, kinds, counts and outcomes, never a value."
_PROPERTIES_NOTE = (
    "Number of values of each kind. Names inside of objects may be values, so unknown ones are "
    "only counted."
)


class _Style(NamedTuple):
    """Presentation of an outcome.

    Attributes:
        label: in a line for a terminal.
        words: in the summary.
        item: in a list of the page, after the name.
    """

    label: str
    words: str
    item: str


_STYLES = {
    Outcome.CONFIRMED: _Style("ok     ", "confirmed", ""),
    Outcome.ADAPTS: _Style("adapts ", "differ and the tap adapts", f" ({Outcome.ADAPTS.value})"),
    Outcome.DIFFERS: _Style(
        "DIFFERS", "differ and the tap cannot adapt", f" (**{Outcome.DIFFERS.value}**)"
    ),
    Outcome.UNKNOWN: _Style("unknown", "unknown", ""),
}


def lines(findings: Sequence[Finding], evidence: Evidence) -> str:
    """Render the findings for a terminal, one line each, and a summary."""
    width = max(len(finding.name) for finding in findings)
    text = "".join(
        f"{_STYLES[finding.outcome].label}  {finding.name:<{width}}  {_explanation(finding)}\n"
        for finding in findings
    )
    return f"{text}\n{summary(findings, evidence)}\n"


def _explanation(finding: Finding) -> str:
    return f"{finding.observed}; {finding.advice}" if finding.advice else finding.observed


def summary(findings: Iterable[Finding], evidence: Evidence) -> str:
    """Return the number of assumptions by outcome, and the requests that were sent."""
    counts = Counter(finding.outcome for finding in findings)
    outcomes = ", ".join(f"{counts[outcome]} {style.words}" for outcome, style in _STYLES.items())
    spent = "; the budget was spent" if evidence.is_budget_spent else ""
    return f"{outcomes} ({evidence.requests} requests, {evidence.members} members{spent})"


def write(
    file: Path, facts: Mapping[str, Any], findings: Sequence[Finding], evidence: Evidence
) -> tuple[Path, Path]:
    """Write the report as JSON, and next to it as a Markdown page.

    Returns:
        The paths of both files.

    Raises:
        TapError: a file cannot be written.
    """
    page = file.with_suffix(".md")
    data = file.with_suffix(".json") if file == page else file
    try:
        data.write_text(as_json(facts, findings, evidence), encoding="utf-8")
        page.write_text(as_markdown(facts, findings, evidence), encoding="utf-8")
    except OSError as error:
        raise TapError(f"Option `--report`: {error.strerror}") from None
    return data, page


def as_json(facts: Mapping[str, Any], findings: Sequence[Finding], evidence: Evidence) -> str:
    """Render the report as JSON."""
    content = {
        **facts,
        "requests": evidence.requests,
        "members": evidence.members,
        "findings": [
            {
                "name": finding.name,
                "documented": finding.documented,
                "outcome": finding.outcome.value,
                "observed": finding.observed,
                "advice": finding.advice,
            }
            for finding in findings
        ],
        "properties": {
            stream: {
                "rows": stats.rows,
                "known": stats.kinds,
                "unknown": stats.unknown,
                "unknown_withheld": stats.unnamed,
                "unknown_in_objects": stats.inner,
            }
            for stream, stats in _all_stats(evidence).items()
        },
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def as_markdown(facts: Mapping[str, Any], findings: Sequence[Finding], evidence: Evidence) -> str:
    """Render the report as a Markdown page."""
    details = ", ".join(f"{name} {value}" for name, value in facts.items())
    parts = [
        "# Conformance report: the program compared with the tap's assumptions\n",
        f"Written by `crowdtwist-conformance` ({details}). {_PRIVACY_NOTE}\n",
        f"{summary(findings, evidence)}.\n",
        "## Differences\n",
        _differences(findings),
        "## Unknown\n",
        _list(findings, Outcome.UNKNOWN) or "None.\n",
        "## Confirmed\n",
        _list(findings, Outcome.CONFIRMED) or "None.\n",
        "## Properties\n",
        f"{_PROPERTIES_NOTE}\n",
    ]
    for stream, stats in _all_stats(evidence).items():
        parts += [f"### {stream}\n", *_properties(stats)]
    return "\n".join(parts)


def _differences(findings: Sequence[Finding]) -> str:
    """Render the differences, those that the tap cannot adapt to first."""
    lists = [_list(findings, outcome) for outcome in (Outcome.DIFFERS, Outcome.ADAPTS)]
    return "".join(lists) or "None.\n"


def _list(findings: Iterable[Finding], outcome: Outcome) -> str:
    """Render the findings with an outcome as a list.

    Not as a table, whose cells would be too long for a narrow page.
    """
    label = _STYLES[outcome].item
    return "".join(
        f"* `{finding.name}`{label}: {finding.documented} Seen: {_explanation(finding)}\n"
        for finding in findings
        if finding.outcome is outcome
    )


def _properties(stats: PropertyStats) -> list[str]:
    if not stats.rows:
        return ["No rows.\n"]
    rows = [(f"`{name}`", _kinds(kinds)) for name, kinds in stats.kinds.items()]
    rows += [(f"`{name}` (unknown)", _kinds(kinds)) for name, kinds in stats.unknown.items()]
    counts = f"{stats.rows} rows; {stats.inner} unknown names in objects"
    if stats.unnamed:
        counts += f"; {stats.unnamed} unknown properties whose names are withheld"
    return [f"{counts}.\n", _table(("Property", "Kinds of values"), rows)]


def _kinds(kinds: Counter[str]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))


def _all_stats(evidence: Evidence) -> dict[str, PropertyStats]:
    return {name: property_stats(seen) for name, seen in evidence.streams.items()}


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    table = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in table)
