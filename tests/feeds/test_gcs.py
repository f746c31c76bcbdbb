"""GCS, by an emulator on loopback: files are listed, and only what is new is read."""

from __future__ import annotations

import gzip
import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from gcsfs.retry import validate_response  # type: ignore[import-untyped]
from support.harness import Result, config_of, run_process, select
from support.live_events import Captures
from support.object_stores import GcsServer
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

    def run(stream: str, state: Any = None, **settings: Any) -> Result:
        files = {
            "config": settings,
            "catalog": select(stream, paths=ANYWHERE),
            "state": state or {},
        }
        args = []
        for name, content in files.items():
            (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
            args += [f"--{name}", str(tmp_path / name)]
        return run_process(*args, env={**variables, "LOGLEVEL": "DEBUG"}, cwd=tmp_path)

    return run


def test_a_second_run_over_pushed_files_reads_only_what_is_new(server: GcsServer, run: Run) -> None:
    for day, sub in ((1, ""), (2, "Łódź a+b%20/")):
        server.put(f"in/{sub}{name_of('PROFILE', day)}", zipped(profiles(day)))
    server.put("in/2026/", b" ")  # consoles make it empty, which the emulator cannot take
    first = run("push_users", data_push_path="gs://brand/in")
    assert ids(first) == [1, 2], first.stderr
    assert "WARNING" not in first.stderr
    assert first.stderr.count("GET: b/{}/o,") == 1  # a listing for all folders
    server.put(f"in/{name_of('PROFILE', 3)}", zipped(profiles(3)))
    second = run("push_users", first.state, data_push_path="gs://brand/in/*.zip")
    assert ids(second) == [3], second.stderr
    server.put(f"in/{name_of('PROFILE', 3)}", zipped(profiles(4)))
    third = run("push_users", second.state, data_push_path="gcs://brand/in")
    assert ids(third) == [4], third.stderr


def test_a_roster_is_read(world: Sandbox, server: GcsServer, run: Run) -> None:
    member = world.roster()[0]
    server.put("roster/members.csv.gz", gzip.compress(f"id\n{member}\n".encode()))
    settings = config_of(world, user_ids=None, user_ids_path="gs://brand/roster/*.csv.gz")
    result = run("users", **settings)
    assert ids(result, "users") == [int(member)], result.stderr


def test_of_a_capture_that_grew_only_the_new_events_are_read(
    server: GcsServer, run: Run, tmp_path: Path
) -> None:
    captures = Captures(tmp_path)
    now = datetime.now(timezone.utc)
    path = captures.path("live_users", now)
    key = f"live/{path.name}"
    captures.add("live_users", {"id": 1}, at=now)
    server.put(key, path.read_bytes())
    first = run("live_users", live_push_path="gs://brand/live")
    captures.add("live_users", {"id": 2}, at=now)
    server.put(key, path.read_bytes())
    second = run("live_users", first.state, live_push_path="gs://brand/live")
    assert (ids(first, "live_users"), ids(second, "live_users")) == ([1], [2])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"data_push_path": "gs://brand/none"}, "there is no folder or file 'gs://brand/none'"),
        ({"data_push_path": "gs://none/in"}, "there is no folder or file 'gs://none/in'"),
    ],
)
def test_a_place_that_is_not_there(run: Run, settings: dict[str, str], said: str) -> None:
    result = run("push_users", **settings)
    assert result.exit_code == 1
    check_failure(result, "Setting `data_push_path`: ", said)


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
