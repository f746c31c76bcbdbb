"""The page on the state shows a real one, and explains every field that a state can have."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from support.harness import DAY, PRESENT, run_tap, sandbox
from support.pages import DOCS, block

from tap_crowdtwist import state
from tap_crowdtwist.members.roster import Roster
from tap_crowdtwist.state import files_seen, sweep
from tap_crowdtwist.state.failed_members import FailedMembers
from tap_crowdtwist.state.roster_digest import RosterDigest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tap_crowdtwist.state.sweep import SweepMembers

STREAMS = ("points_expiration", "purchases", "users")
FAILS, ENDS = 52, 70
"""Requests of the second run: one member's that fails, and the one that ends the run."""

PARTS = {
    "": "### The entry of a stream",
    "roster": "### The last complete sweep",
    "sweep": "### The sweep that is under way",
}
"""Where the page explains the fields of an entry, and of its parts."""

NOW = datetime(2026, 3, 12, 2, tzinfo=timezone.utc)


def test_the_example_is_the_state_that_two_such_runs_leave() -> None:
    settings: dict[str, Any] = {"start_date": "2025-01-01", "max_concurrency": 1}
    with sandbox() as running:
        first = run_tap(running, *STREAMS, **settings)
    with sandbox(faults=f"bad_gateway@{FAILS},invalid_auth@{ENDS}") as running:
        running.advance()
        second = run_tap(
            running, *STREAMS, state=first.state, present=PRESENT + DAY, code=1, **settings
        )

    left = re.sub(r'("sums": )"[^"]+"', r'\1"…"', json.dumps(second.state))
    assert json.loads(block("An example of a state", "json")) == json.loads(left)


@pytest.mark.parametrize("part", PARTS)
def test_page_and_docstring_explain_every_field_that_the_code_writes(part: str) -> None:
    written = names_in(part, [everything_in_the_state(key) for key in ("order_date", None)])

    assert explained_on_the_page(part) == written
    assert explained_in_the_docstring(part) == written


def explained_on_the_page(part: str) -> set[str]:
    """Return the terms of the definition lists under a title."""
    page = (DOCS / "incremental.md").read_text(encoding="utf-8")
    _, _, section = page.partition(f"{PARTS[part]}\n")
    section, _, _ = section.partition("\n#")
    terms = re.findall(r"(?m)^(`.*`)\n: ", section)
    return {name for term in terms for name in re.findall(r"`(\w+)`", term)}


def explained_in_the_docstring(part: str) -> set[str]:
    """Return the names with which the items of a list begin; those of a part are indented."""
    found: dict[str, set[str]] = {}
    owner = ""
    for indent, names in re.findall(r"(?m)^( *)\* ((?:`\w+`(?:, )?)+)", sweep.__doc__ or ""):
        each = re.findall(r"`(\w+)`", names)
        found.setdefault(owner if indent else "", set()).update(each)
        owner = owner if indent else each[-1]
    return found[part]


def everything_in_the_state(
    replication_key: str | None, *, members: SweepMembers = "all"
) -> dict[str, Any]:
    """Return the entry of a stream with a complete sweep and one under way, with every field.

    Args:
        replication_key: the property of the bookmark; None for a full table.
        members: the members that the complete sweep read.
    """
    digest = RosterDigest()
    digest.add(5)
    roster = Roster([3, 5])
    files: dict[str, Any] = {"push": {}, "live": {}, "feeds": ["PROFILE"]}
    plan = state.SweepPlan(
        "stream", NOW, replication_key, None, timedelta(), files, members, versioned=True
    )
    entry: dict[str, Any] = {}
    complete = state.begin(entry, plan, roster)
    # A doubt keeps a full table from being whole, which is a field too.
    complete.checked = complete.contradicted = 1
    complete.doubt = "a list disagreed with its total" if replication_key else ""
    state.finish(entry, complete, plan, roster, NOW)
    under_way = state.SweepState(
        NOW,
        NOW,
        after=3,
        failed=FailedMembers(new={3}, new_since=NOW, overflowed=True),
        read_digest=digest,
        new_members=digest,
        failed_digest=digest,
        asked=1,
        missing=1,
        not_configured=1,
        failures=1,
        files=files,
        members="changed",
        checked=1,
        contradicted=1,
        newest_profile=1,
        version=1,
        roster_checksum=1,
        doubt="a list disagreed with its total",
    )
    state.save(entry, under_way, roster, NOW)
    return entry


def names_in(part: str, entries: Iterable[dict[str, Any]]) -> set[str]:
    """Return the names of all fields that a part of some entries has."""
    return {name for entry in entries for name in (entry[part] if part else entry)}


def test_page_and_docstring_name_every_field_of_the_files_that_were_seen() -> None:
    page = (DOCS / "incremental.md").read_text(encoding="utf-8")
    (explained,) = re.findall(r"(?m)^`files`\n: (With (?:.+\n)+)", page)

    for entry in (everything_in_the_state(None), everything_in_the_state(None, members="changed")):
        assert set(entry["files"]) <= set(re.findall(r"`(\w+)`", explained))
        assert set(entry["files"]) <= set(re.findall(r'"(\w+)":', files_seen.__doc__ or ""))


def test_removing_the_entry_of_a_stream_leaves_the_others(tmp_path: Path) -> None:
    stored = tmp_path / "state.json"
    stored.write_text(block("An example of a state", "json"), encoding="utf-8")
    subprocess.run(
        [sys.executable, "-c", block("One stream again", "python")],
        cwd=tmp_path,
        check=True,
        timeout=30,
    )

    left = json.loads(stored.read_text(encoding="utf-8"))["bookmarks"]
    assert set(left) == {*STREAMS} - {"purchases"}
