"""CSV files hold what each run is about, and the state in a directory carries on the next."""

from __future__ import annotations

import ast
import csv
import json
import re
from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from support.harness import INCREMENTAL, discover, entry_of, key_of
from support.warehouses import Expected, texts, truth_of

from crowdtwist_sandbox import Sandbox, SandboxOptions
from crowdtwist_sandbox.wire.drift import NEW_PROPERTY

if TYPE_CHECKING:
    from pathlib import Path

    from support.warehouses import Project, Row

pytest_plugins = ["support.warehouse_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

STATE_ID = "dev:tap-crowdtwist-to-target-csv"


def test_files_hold_the_truth_of_each_run_and_the_state_is_a_file(pipeline: Project) -> None:
    backend = pipeline.root / "state"
    pipeline.settings["MELTANO_STATE_BACKEND_URI"] = f"file://{backend}"
    with Sandbox(SandboxOptions(members=20, seed=6)) as sandbox:
        pipeline.read_from(sandbox)
        pipeline.sync("target-csv")
        first, before = read(pipeline.root / "output" / "csv"), truth_of(sandbox)
        for stream, rows in before.items():
            assert texts(stream, first[stream]) == texts(stream, filled(rows)), stream
        assert NEW_PROPERTY in json.dumps(first["users"])
        state = pipeline.state(STATE_ID)

        sandbox.advance(1)
        pipeline.read_from(sandbox)
        pipeline.sync("target-csv")
        both, after = read(pipeline.root / "output" / "csv"), truth_of(sandbox)

    for stream, rows in after.items():
        assert both[stream][: len(first[stream])] == first[stream], stream
        second = both[stream][len(first[stream]) :]
        if stream not in INCREMENTAL:
            assert texts(stream, living(second)) == texts(stream, filled(rows)), stream
            continue
        assert len(second) < len(rows) / 2, stream
        expected, found = Expected(stream), {key_of(stream, row): row for row in both[stream]}
        expected.add(filled(before[stream]))
        expected.add(filled(rows))
        assert texts(stream, found.values()) == expected.rows, stream
    assert_readable(state)
    assert [path.parent.name for path in backend.rglob("state.json")] == [STATE_ID]


def read(directory: Path) -> dict[str, list[Row]]:
    """The rows of each stream's files, in the order of the runs, without the target's columns."""
    found: dict[str, list[Row]] = defaultdict(list)
    for path in sorted(directory.glob("*.csv")):
        stream = path.name.partition("-")[0]
        properties = entry_of(discover(), stream)["schema"]["properties"]
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                found[stream].append(
                    {name: told(row[name], node) for name, node in properties.items()}
                )
    return found


def told(cell: str, node: dict[str, Any]) -> Any:
    """A cell as the truth tells it."""
    if not cell:
        return None
    kinds = {node["type"]} if isinstance(node["type"], str) else set(node["type"])
    if "boolean" in kinds:
        return {"True": True, "False": False}[cell]
    if kinds & {"object", "array"}:
        return ast.literal_eval(re.sub(r"Decimal\('([^']*)'\)", r"\1", cell))
    if kinds & {"integer", "number"}:
        return float(cell)
    if node.get("format") == "date-time":
        return datetime.fromisoformat(cell).isoformat().replace("+00:00", "Z")
    return cell


def filled(rows: list[Row]) -> list[Row]:
    """Rows without empty texts, which CSV does not tell from nothing."""
    return [{name: value for name, value in row.items() if value != ""} for row in rows]


def living(rows: list[Row]) -> list[Row]:
    """Rows without those of deleted members."""
    return [row for row in rows if row.get("_sdc_deleted_at") is None]


def assert_readable(state: str) -> None:
    """Check that a person can read off a state how far each stream has come."""
    bookmarks = json.loads(state)["singer_state"]["bookmarks"]
    assert set(bookmarks) >= set(INCREMENTAL)
    for stream, name in INCREMENTAL.items():
        assert bookmarks[stream]["replication_key"] == name
        datetime.strptime(bookmarks[stream]["replication_key_value"], "%Y-%m-%dT%H:%M:%S%z")
        assert "sweep" not in bookmarks[stream]
    assert len(state) < 64 * 1024
