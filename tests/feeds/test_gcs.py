"""GCS, by an emulator on loopback: files are listed, and only what is new is read."""

from __future__ import annotations

import gzip
import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from gcsfs.retry import validate_response  # type: ignore[import-untyped]
from support.gcs_server import GcsServer
from support.harness import Result, config_of, run_process, select
from support.live_events import Captures
from support.pages import block
from support.push_files import ANYWHERE, check_failure, ids, name_of, profiles, zipped

from tap_crowdtwist.files.paths import describe_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

    Run = Callable[..., Result]


@pytest.fixture(scope="module")
def server() -> Iterator[GcsServer]:
    with GcsServer() as running:
        yield running


@pytest.fixture
def run(server: GcsServer, tmp_path: Path) -> Run:
    """Run the tap as a process, since gcsfs reads variables when it is imported."""
    lines = block("The emulator of GCS", "dotenv").splitlines()
    variables = dict(line.split("=", 1) for line in lines)
    assert "STORAGE_EMULATOR_HOST" in variables
    variables["STORAGE_EMULATOR_HOST"] = server.url

    def run(*streams: str, state: Any = None, **settings: Any) -> Result:
        files = {
            "config": settings,
            "catalog": select(*streams, paths=ANYWHERE),
            "state": state or {},
        }
        args = []
        for name, content in files.items():
            (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
            args += [f"--{name}", str(tmp_path / name)]
        return run_process(*args, env={**variables, "LOGLEVEL": "DEBUG"}, cwd=tmp_path)

    return run


def test_a_second_run_reads_only_what_is_new(server: GcsServer, run: Run, tmp_path: Path) -> None:
    for day, sub in ((1, ""), (2, "Łódź a+b%20/"), (3, "")):
        server.put(f"in/{sub}{name_of('PROFILE', day)}", zipped(profiles(day)))
    server.put("in/2026/", b" ")  # consoles make it empty, which the emulator cannot take
    captures, now = Captures(tmp_path), datetime.now(timezone.utc)
    path = captures.path("live_users", now)
    captures.add("live_users", {"id": 1}, at=now)
    server.put(f"live/{path.name}", path.read_bytes())
    places = {"data_push_path": "gs://brand/in", "live_push_path": "gcs://brand/live/*"}
    first = run("push_users", "live_users", **places)
    assert (ids(first), ids(first, "live_users")) == ([1, 2, 3], [1]), first.stderr
    assert "WARNING" not in first.stderr
    assert first.stderr.count("GET: b/{}/o,") == 2  # a listing for each stream, with all folders

    server.put(f"in/{name_of('PROFILE', 3)}", zipped(profiles(8)))
    server.put(f"in/{name_of('PROFILE', 4)}", zipped(profiles(4)))
    captures.add("live_users", {"id": 2}, at=now)
    server.put(f"live/{path.name}", path.read_bytes())
    second = run("push_users", "live_users", state=first.state, **places)
    assert (ids(second), ids(second, "live_users")) == ([8, 4], [2]), second.stderr


def test_a_roster_is_read(world: Sandbox, server: GcsServer, run: Run) -> None:
    member = world.roster()[0]
    server.put("roster/members.csv.gz", gzip.compress(f"id\n{member}\n".encode()))
    settings = config_of(world, user_ids=None, user_ids_path="gs://brand/roster/*.csv.gz")
    result = run("users", **settings)
    assert ids(result, "users") == [int(member)], result.stderr


def test_a_bucket_that_is_not_there_is_told_of(run: Run) -> None:
    result = run("push_users", data_push_path="gs://none/in")
    assert result.exit_code == 1
    check_failure(result, "Setting `data_push_path`: there is no folder or file 'gs://none/in'")


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "the server answered 401"), (403, "access denied"), (404, "it does not exist")],
)
def test_what_gcs_refuses_is_told_without_its_answer(status: int, said: str) -> None:
    # As gcsfs makes errors of answers, since the emulator refuses nobody.
    with pytest.raises(Exception) as raised:  # noqa: PT011 - each status has another class
        validate_response(status, b"canary", "b/canary/o")
    assert isinstance(raised.value, Exception)
    assert describe_error(raised.value) == said
