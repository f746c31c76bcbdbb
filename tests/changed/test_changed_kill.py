"""A process that is killed in the middle of a changed sweep, and goes on after newer files."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from support.changed_members import STREAMS, Brand
from support.harness import config_of, select

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def run_and_kill(brand: Brand, members: str, kill_after: int | None = None) -> int:
    """Run the tap as a process, kill it after so many bytes, and load what came until then."""
    paths = {"data_push_path": str(brand.folder)}
    config = config_of(
        brand.running,
        sweep_members=members,
        checkpoint_interval=0,
        requests_per_minute=10**6,
        **paths,
    )
    args = [sys.executable, "-m", "tap_crowdtwist"]
    contents: dict[str, Any] = {"config": config, "catalog": select(*STREAMS, paths=paths)}
    if brand.state:
        contents["state"] = brand.state
    for name, content in contents.items():
        path = brand.outside / f"{name}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        args += [f"--{name}", str(path)]
    output = bytearray()
    with (
        (brand.outside / "stderr").open("wb") as err,
        subprocess.Popen(args, stdout=subprocess.PIPE, stderr=err) as process,
    ):
        assert process.stdout is not None
        while chunk := os.read(process.stdout.fileno(), 1024):
            output += chunk
            if kill_after is not None and len(output) >= kill_after:
                process.kill()
                break
        process.stdout.close()
    whole = bytes(output).rpartition(b"\n")[0]
    brand.load([json.loads(line) for line in whole.splitlines()])
    return process.returncode


def test_killed_at_any_byte_it_goes_on_and_has_everything(tmp_path: Path) -> None:
    chance = random.Random(6)  # noqa: S311 - not a secret
    today = datetime.now(timezone.utc).date() - timedelta(days=12)
    with Brand(tmp_path, members=20, today=today) as brand:
        brand.deliver(0)
        assert run_and_kill(brand, "all") == 0
        deaths = 0
        for _ in range(2):
            brand.pass_day()
            deaths += run_and_kill(brand, "changed", chance.randrange(50_000, 200_000)) == -9
        assert deaths
        for _ in range(2):
            assert run_and_kill(brand, "changed") == 0
        assert not brand.lacks()
