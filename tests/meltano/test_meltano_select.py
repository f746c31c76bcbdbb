"""What `select` in meltano.yml selects, and that Meltano finds nothing wrong with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crowdtwist_sandbox.demo_project import MeltanoProject
from tap_crowdtwist.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.slow

MELTANO = str(Path(sys.executable).with_name("meltano"))
NEEDED = {
    "TAP_CROWDTWIST_API_KEY": "made-up-key",
    "TAP_CROWDTWIST_CLIENT_ID": "512",
    "TAP_CROWDTWIST_USER_IDS": "[1000001]",
}
PATHS = {"data_push_path", "live_push_path", "batch_activity_path"}


@pytest.mark.parametrize("given", [set(), PATHS], ids=len)
def test_streams_on_by_default_are_selected_once_they_are_there_without_a_warning(
    tmp_path: Path, given: set[str]
) -> None:
    settings = dict.fromkeys(given, str(tmp_path))
    project = MeltanoProject(tmp_path, ("tap-crowdtwist",))
    project.create()
    selected, told = catalog_of(
        project,
        NEEDED | {f"TAP_CROWDTWIST_{name.upper()}": path for name, path in settings.items()},
    )

    there = [stream for stream in STREAMS if stream.is_configured(settings)]
    assert selected == {stream.name: stream.selected_by_default for stream in there}
    assert "[warning" not in told
    assert "not found" not in told


def catalog_of(project: MeltanoProject, settings: Mapping[str, str]) -> tuple[dict[str, bool], str]:
    """Which streams of the catalog that Meltano gives the tap are selected, and its log."""
    around = {n: v for n, v in os.environ.items() if not n.startswith(("TAP_", "MELTANO_"))}
    done = subprocess.run(
        [MELTANO, "invoke", "--dump=catalog", "tap-crowdtwist"],
        cwd=project.root,
        env={**around, "HOME": str(project.root), "NO_COLOR": "1", **settings},
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    selected = {
        stream["tap_stream_id"]: entry["metadata"]["selected"]
        for stream in json.loads(done.stdout)["streams"]
        for entry in stream["metadata"]
        if entry["breadcrumb"] == []
    }
    return selected, done.stderr
