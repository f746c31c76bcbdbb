"""Writes findings down: lines for a terminal, JSON, and a Markdown page.

All hold names, forms, counts and verdicts, and no value.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.conformance.columns import columns_of
from tap_crowdtwist.conformance.findings import Outcome
from tap_crowdtwist.errors import TapError
from tap_crowdtwist.streams import API_STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from tap_crowdtwist.conformance.columns import Columns
    from tap_crowdtwist.conformance.evidence import Evidence
    from tap_crowdtwist.conformance.findings import Finding

_PROMISE = "It holds names, forms, counts and verdicts, and no value."
_COUNTED = (
    "How often each came in each form. Names inside of open objects may be values, so they are "
    "only counted."
)
_COUNTS = {
    Outcome.CONFIRMED: "confirmed",
    Outcome.ADAPTS: "that the tap adapts to",
    Outcome.DIFFERS: "that it cannot adapt to",
    Outcome.UNTOLD: "that could not be told",
}
_MARKS = {
    Outcome.CONFIRMED: "ok     ",
    Outcome.ADAPTS: "adapts ",
    Outcome.DIFFERS: "DIFFERS",
    Outcome.UNTOLD: "unknown",
}


def lines(findings: Sequence[Finding], evidence: Evidence) -> str:
    """Render the findings for a terminal, a line each, and the sum of them."""
    width = max(len(finding.name) for finding in findings)
    text = "".join(
        f"{_MARKS[finding.outcome]}  {finding.name:<{width}}  {_said(finding)}\n"
        for finding in findings
    )
    return f"{text}\n{summary(findings, evidence)}\n"


def _said(finding: Finding) -> str:
    return f"{finding.seen}; {finding.advice}" if finding.advice else finding.seen


def summary(findings: Iterable[Finding], evidence: Evidence) -> str:
    """Say how many assumptions came out how, and at what cost."""
    counts = Counter(finding.outcome for finding in findings)
    said = ", ".join(f"{counts[outcome]} {words}" for outcome, words in _COUNTS.items())
    spent = "; the budget was spent" if evidence.is_spent else ""
    return f"{said} ({evidence.requests} requests, {evidence.members} members{spent})"


def write(
    file: Path, facts: Mapping[str, Any], findings: Sequence[Finding], evidence: Evidence
) -> tuple[Path, Path]:
    """Write a report as JSON, and beside it as a Markdown page.

    Returns:
        Both files.

    Raises:
        TapError: it cannot be written.
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
                "says": finding.says,
                "verdict": finding.outcome.value,
                "seen": finding.seen,
                "advice": finding.advice,
            }
            for finding in findings
        ],
        "properties": {
            stream: {
                "rows": found.rows,
                "known": found.forms,
                "unknown": found.unknown,
                "unknown_not_named": found.unnamed,
                "names_in_open_objects": found.inner,
            }
            for stream, found in _all_columns(evidence).items()
        },
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def as_markdown(facts: Mapping[str, Any], findings: Sequence[Finding], evidence: Evidence) -> str:
    """Render the report as a page."""
    told = ", ".join(f"{name} {value}" for name, value in facts.items())
    parts = [
        "# What a program does, beside what the tap assumes\n",
        f"Written by `crowdtwist-conformance` ({told}). {_PROMISE}\n",
        f"{summary(findings, evidence)}.\n",
        "## What differs\n",
        _differences(findings),
        "## All of it\n",
        _table(
            (
                "Assumption",
                "What the pages say",
                "Result",
                "Seen",
                "What to do, or what would tell",
            ),
            [(f"`{f.name}`", f.says, _bold(f), f.seen, f.advice) for f in findings],
        ),
        "## Properties\n",
        f"{_COUNTED}\n",
    ]
    for stream, found in _all_columns(evidence).items():
        parts += [f"### {stream}\n", *_properties(found)]
    return "\n".join(parts)


def _differences(findings: Iterable[Finding]) -> str:
    """Render what differs, first what the tap cannot adapt to."""
    differing = [f for f in findings if f.outcome in {Outcome.ADAPTS, Outcome.DIFFERS}]
    differing.sort(key=lambda finding: not finding.needs_action)
    if not differing:
        return "Nothing.\n"
    return "".join(f"* `{f.name}` {f.outcome.value}: {f.seen}; {f.advice}\n" for f in differing)


def _bold(finding: Finding) -> str:
    said = finding.outcome.value
    return said if finding.outcome in {Outcome.CONFIRMED, Outcome.UNTOLD} else f"**{said}**"


def _properties(found: Columns) -> list[str]:
    if not found.rows:
        return ["No rows.\n"]
    rows = [(f"`{name}`", _forms(forms)) for name, forms in found.forms.items()]
    rows += [(f"`{name}` (unknown)", _forms(forms)) for name, forms in found.unknown.items()]
    counts = f"{found.rows} rows; {found.inner} names in open objects"
    if found.unnamed:
        counts += f"; {found.unnamed} unknown properties not named"
    return [f"{counts}.\n", _table(("Property", "Forms"), rows)]


def _forms(forms: Counter[str]) -> str:
    return ", ".join(f"{form} {count}" for form, count in sorted(forms.items()))


def _all_columns(evidence: Evidence) -> dict[str, Columns]:
    return {
        stream.name: columns_of(stream.name, evidence.first.get(stream.name, []), stream.aliases)
        for stream in API_STREAMS
    }


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    table = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in table)
