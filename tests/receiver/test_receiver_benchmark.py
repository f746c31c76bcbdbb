"""The benchmark runs, and would not overlook an event."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from support.receiver import Running, receiving, stored

from benchmarks.receiver import main, on_disk

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ties processes to cores")


def test_it_measures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--events", "300", "--connections", "4", "--folder", str(tmp_path)])

    rows = dict(
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in capsys.readouterr().out.splitlines()[2:]
    )
    assert rows["events acknowledged, each of them on disk as often"] == "300"
    assert rows["other answers"] == "0"
    assert float(rows["events a second"].replace(",", "")) > 50
    assert list(tmp_path.iterdir()) == []


def test_it_counts_each_event_as_often_as_it_stands_there(tmp_path: Path) -> None:
    with receiving(tmp_path) as running:
        assert isinstance(running, Running)
        for number in (7, 8, 7):
            running.post("/live/users", {"id": number})
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + json.dumps({"event": {"id": 9}}).encode())

    assert on_disk(tmp_path) == {7: 2, 8: 1}
    assert len(stored(tmp_path)) == 3
