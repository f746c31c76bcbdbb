"""Faults of SFTP, against a real OpenSSH server: no row is lost, and one sentence names the fault.

The next run reads what is missing, and nothing that was read before.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.cutting_proxy import CuttingProxy
from support.harness import Result, run_tap, select
from support.live_events import NOW, Captures
from support.processes import HOST
from support.push_files import (
    ANYWHERE,
    FAR,
    check_failure,
    ids,
    name_of,
    profiles,
    put,
    read,
    table,
    zipped,
)
from support.sftp_server import SftpServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crowdtwist_sandbox import Sandbox

pytest_plugins = ["support.sftp_fixtures"]

ROWS = 500
"""Rows of a large file: 260 KB, which are many packets."""

AGAIN = "The connection to the SFTP host was lost; it is opened again"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def proxy(known: Path, server: SftpServer) -> Iterator[CuttingProxy]:
    """A way to the server that can be cut, and where the server is known too."""
    with CuttingProxy(server.port) as running:
        line = server.known().replace(server.name, f"[{HOST}]:{running.port}")
        known.write_text(server.known() + line, encoding="ascii")
        yield running


def through(proxy: CuttingProxy, path: Path) -> str:
    return f"sftp://{HOST}:{proxy.port}{path}"


def large(day: int, name: str = "") -> bytes:
    """The profiles of a day, which cannot be packed much smaller."""
    text = random.Random(day)  # noqa: S311 - not for secrets
    rows = (
        {"id": number, "first_name": f"{name}:{text.randbytes(250).hex()}"}
        for number in of_day(day)
    )
    return table(*rows)


def of_day(*days: int) -> list[int]:
    return [10_000 * day + number for day in days for number in range(ROWS)]


def put_large(folder: Path, *days: int) -> None:
    for day in days:
        put(folder, name_of("PROFILE", day, "csv"), large(day))


def failed(result: Result, *said: str) -> None:
    check_failure(result, "Setting `", *said)
    assert result.exit_code == 1


# The connection


def test_a_second_run_reads_what_is_new(known: Path, server: SftpServer, folder: Path) -> None:
    put(folder, name_of("PROFILE", 1), profiles(1))
    first = read(server.url(folder))
    assert ids(first) == [1]
    assert ids(read(server.url(folder), state=first.state)) == []
    put(folder, name_of("PROFILE", 2), profiles(2))
    put(folder / "deeper", name_of("PROFILE", 3, "csv"), profiles(3))
    assert ids(read(server.url(folder), state=first.state)) == [2, 3]
    assert known.exists()


def test_a_file_whose_copy_is_cut_off_is_copied_again(proxy: CuttingProxy, folder: Path) -> None:
    put_large(folder, 1, 2, 3)
    proxy.cuts = [200_000]
    result = read(through(proxy, folder))
    assert ids(result) == of_day(1, 2, 3)
    assert proxy.connections == 2
    assert result.stderr.count(AGAIN) == 1
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("kilobytes", [1, 4, 100, 400, 650])
def test_where_a_connection_stays_lost_the_next_run_goes_on(
    proxy: CuttingProxy, folder: Path, kilobytes: int
) -> None:
    """Cut in the handshake, in the login, in the first file, in the second, and in the third."""
    put_large(folder, 1, 2, 3)
    proxy.cuts = [kilobytes * 1000, 0, 0, 0, 0]
    first = read(through(proxy, folder), code=None)
    failed(first)
    read_before = ids(first) if first.records else []
    files = len(read_before) // ROWS
    assert read_before == of_day(*range(1, files + 1))
    assert (files > 0) == (kilobytes > 250)
    proxy.cuts = []
    second = read(through(proxy, folder), state=first.state)
    assert ids(second) == of_day(*range(files + 1, 4))


def test_a_server_may_restart_between_two_runs_and_between_two_files(
    known: Path, tmp_path: Path, folder: Path
) -> None:
    put_large(folder, 1, 2, 3, 4)
    (tmp_path / "sshd").mkdir()
    with SftpServer(tmp_path / "sshd") as server:
        known.write_text(server.known(), encoding="ascii")
        known.with_name("id_ed25519").write_bytes(server.user_key.read_bytes())
        assert ids(read(server.url(folder / name_of("PROFILE", 1, "csv")))) == of_day(1)
        server.restart()
        # The connection of the last run is found to be broken.
        result = read(server.url(folder / name_of("PROFILE", 1, "csv")))
        assert ids(result) == of_day(1)
        assert AGAIN in result.stderr
        for name, content in (
            ("config", {"data_push_path": server.url(folder), "checkpoint_interval": FAR}),
            ("catalog", select("push_users", paths=ANYWHERE)),
        ):
            (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
        stderr, found = run_slowly(tmp_path, server.restart)
        assert AGAIN in stderr
        assert found == of_day(1, 2, 3, 4)


def run_slowly(folder: Path, then: Callable[[], None]) -> tuple[str, list[int]]:
    """Run the tap, and call a function while it waits for us in the middle of its first file."""
    with (
        (folder / "stderr").open("w+", encoding="utf-8") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "tap_crowdtwist", "--config=config", "--catalog=catalog"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
        ) as tap,
    ):
        assert tap.stdout is not None
        # More than the pipe holds is not read.
        begun = [tap.stdout.readline() for _ in range(2)]
        then()
        messages = [json.loads(line) for line in [*begun, *tap.stdout]]
        assert tap.wait() == 0
        stderr.seek(0)
        found = [each["record"]["id"] for each in messages if each["type"] == "RECORD"]
        return stderr.read(), found


def test_a_server_that_allows_one_session_is_read(
    world: Sandbox, known: Path, tmp_path: Path, folder: Path
) -> None:
    """A roster, tables and captures in one run."""
    (tmp_path / "sshd").mkdir()
    member = world.roster()[0]
    put_large(folder, 1, 2)
    put(tmp_path / "rosters", "one.csv", f"id\n{member}\n".encode())
    (tmp_path / "live").mkdir()
    Captures(tmp_path / "live").add("live_users", {"id": 7})
    with SftpServer(tmp_path / "sshd", "internal-sftp", "MaxSessions 1") as server:
        known.write_text(server.known(), encoding="ascii")
        known.with_name("id_ed25519").write_bytes(server.user_key.read_bytes())
        paths: dict[str, Any] = {
            "data_push_path": server.url(folder),
            "live_push_path": server.url(tmp_path / "live"),
            "user_ids_path": server.url(tmp_path / "rosters" / "*.csv"),
        }
        result = run_tap(world, "users", "push_users", "live_users", user_ids=None, **paths)
    assert ids(result, "users") == [int(member)]
    assert ids(result) == of_day(1, 2)
    assert len(result.records["live_users"]) == 1


# What may be read


@pytest.fixture
def weak(known: Path, tmp_path: Path) -> Iterator[tuple[SftpServer, Path]]:
    """A server whose users may not read everything, even root; and a folder that they reach."""
    as_nobody = "/usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups"
    command = f"{as_nobody if os.geteuid() == 0 else ''} /usr/lib/openssh/sftp-server"
    (tmp_path / "sshd").mkdir()
    reached = Path(tempfile.mkdtemp(dir="/tmp"))
    reached.chmod(0o755)
    try:
        with SftpServer(tmp_path / "sshd", command.strip()) as server:
            known.write_text(server.known(), encoding="ascii")
            known.with_name("id_ed25519").write_bytes(server.user_key.read_bytes())
            yield server, reached
    finally:
        shutil.rmtree(reached)


def test_what_must_not_be_read(world: Sandbox, weak: tuple[SftpServer, Path]) -> None:
    server, folder = weak
    for day in (1, 2, 3):
        put(folder, name_of("PROFILE", day), profiles(day))
    locked = folder / name_of("PROFILE", 2)
    locked.chmod(0)
    first = read(server.url(folder), code=1)
    failed(first, f"'{locked.name}' cannot be opened: Permission denied; check that it exists")
    assert ids(first) == [1]
    locked.chmod(0o644)
    assert ids(read(server.url(folder), state=first.state)) == [2, 3]
    put(folder / "deeper", name_of("PROFILE", 4), profiles(4))
    (folder / "deeper").chmod(0)
    result = read(server.url(folder), code=1)
    failed(result, f"cannot read '{server.url(folder)}': Permission denied")
    (folder / "deeper").chmod(0o755)
    roster = put(folder, "members.txt", b"1\n")
    roster.chmod(0)
    url = server.url(roster)
    result = run_tap(world, "users", user_ids=None, user_ids_path=url, code=1)
    failed(result, "`user_ids_path`: cannot read 'members.txt': Permission denied")


def test_what_does_not_exist(world: Sandbox, known: Path, server: SftpServer, folder: Path) -> None:
    for name, of_files, of_roster in (
        ("none", "there is no folder or file", "there is no file 'none'"),
        ("none*", "no file matches", "no file matches 'none*'"),
    ):
        url = server.url(folder / name)
        failed(read(url, code=1), f"{of_files} '{url}'")
        result = run_tap(world, "users", user_ids=None, user_ids_path=url, code=1)
        failed(result, f"`user_ids_path`: {of_roster}")
    assert known.exists()


@pytest.mark.usefixtures("known")
def test_links_to_files_are_followed_and_links_to_folders_are_not(
    server: SftpServer, folder: Path, tmp_path: Path
) -> None:
    put(folder, name_of("PROFILE", 1), profiles(1))
    target = put(tmp_path / "store", "a", zipped(profiles(2)))
    (folder / name_of("PROFILE", 2)).symlink_to(target)
    (folder / "circle").symlink_to(folder)
    (tmp_path / "link").symlink_to(folder)
    url = server.url(tmp_path / "link")
    first = read(url)
    assert ids(first) == [1, 2]
    assert "ignored 1 files whose names are not like" in first.stderr
    # What a link leads to changes.
    target.write_bytes(zipped(profiles(2, 22)))
    second = read(url, state=first.state)
    assert ids(second) == [2, 22]
    (folder / name_of("PROFILE", 3)).symlink_to(tmp_path / "nowhere")
    third = read(url, state=second.state, code=1)
    failed(third, f"'{name_of('PROFILE', 3)}' cannot be opened: No such file; check that it exists")


@pytest.mark.usefixtures("known")
def test_ten_thousand_files_in_a_folder(server: SftpServer, folder: Path) -> None:
    for number in range(9_997):
        (folder / name_of("USER_ACTIVITY", 1, f"{number}.csv.part")).touch()
    for day in (1, 2, 3):
        put(folder, name_of("PROFILE", day), profiles(day))
    first = read(server.url(folder))
    assert ids(first) == [1, 2, 3]
    assert ids(read(server.url(folder), state=first.state)) == []


# Files that change


@pytest.mark.parametrize("how", ["replaced", "overwritten"])
def test_a_file_that_changes_while_it_is_read_is_not_read_as_a_mixture(
    proxy: CuttingProxy, folder: Path, tmp_path: Path, how: str
) -> None:
    path = put(folder, name_of("PROFILE", 1, "csv"), large(1, "OLD"))
    new = put(tmp_path, "new", large(1, "NEWER"))
    change = new.replace if how == "replaced" else lambda to: to.write_bytes(new.read_bytes())
    proxy.cuts = [100_000]
    proxy.calls = [lambda: change(path)]
    first = read(through(proxy, folder))
    assert not proxy.calls
    second = read(through(proxy, folder), state=first.state)
    for result, kinds in ((first, {"OLD", "NEWER"}), (second, {"NEWER"})):
        names = {record["first_name"] for record in result.records["push_users"]}
        (kind,) = {name.partition(":")[0] for name in names}
        assert kind in kinds
        assert ids(result) == of_day(1)


@pytest.mark.usefixtures("known")
def test_a_half_uploaded_file_is_read_when_it_is_complete(server: SftpServer, folder: Path) -> None:
    put_large(folder, 1, 3)
    path = put(folder, name_of("PROFILE", 2), large(2))
    content = path.read_bytes()
    path.write_bytes(content[:-5000])
    first = read(server.url(folder), code=1)
    failed(first, f"'{path.name}' is not a complete zip file; fetch the file again, or have it")
    assert ids(first) == of_day(1)
    path.write_bytes(content)
    assert ids(read(server.url(folder), state=first.state)) == of_day(2, 3)


# Rosters and captures


def test_a_roster_whose_copy_is_cut_off_is_copied_again(
    world: Sandbox, proxy: CuttingProxy, folder: Path
) -> None:
    rows = "".join(f"{member},{RANDOM}\n" for member in world.roster())
    roster = put(folder, "members.csv", f"id,note\n{rows}".encode())
    expected = run_tap(world, "users", user_ids=None, user_ids_path=str(roster))
    url = through(proxy, roster)
    settings: dict[str, Any] = {"user_ids": None, "user_ids_path": url}
    proxy.cuts = [len(RANDOM) * 2]
    result = run_tap(world, "users", **settings)
    assert ids(result, "users") == ids(expected, "users")
    assert AGAIN in result.stderr
    proxy.cut()
    proxy.cuts = [len(RANDOM) * 2, 0, 0]
    result = run_tap(world, "users", **settings, code=1)
    failed(result, "`user_ids_path`: cannot read 'members.csv': ")
    assert not result.records


def event(user: int) -> dict[str, Any]:
    return {"user_id": user, "name": RANDOM, "event": "entered"}


RANDOM = random.Random(1).randbytes(10_000).hex()  # noqa: S311 - not for secrets


def test_captures_are_read_on_from_where_the_last_run_ended(
    proxy: CuttingProxy, tmp_path: Path
) -> None:
    captures = Captures(tmp_path / "live")
    captures.root.mkdir()
    captures.add("live_segments", event(1), event(2), rest='{"rec')
    settings: dict[str, Any] = {"live_push_path": through(proxy, captures.root), "present": NOW}
    proxy.cuts = [30_000]
    first = captures.read("live_segments", **settings)
    assert AGAIN in first.stderr
    assert [row["user_id"] for row in first.records["live_segments"]] == [1, 2]
    path = captures.path("live_segments")
    path.write_text(path.read_text()[: -len('{"rec')], encoding="utf-8")
    captures.add("live_segments", event(3), event(4))
    proxy.cut()
    proxy.cuts = [30_000, 0, 0]
    second = captures.read("live_segments", state=first.state, **settings, code=1)
    failed(second, "`live_push_path`: ")
    assert not second.records
    proxy.cuts = []
    third = captures.read("live_segments", state=second.state, **settings)
    assert [row["user_id"] for row in third.records["live_segments"]] == [3, 4]
