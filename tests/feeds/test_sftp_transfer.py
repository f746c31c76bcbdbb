"""Listing and copying from a real OpenSSH server, with latency: few requests, few round trips."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import paramiko
import pytest
from fsspec.callbacks import Callback
from paramiko.sftp import CMD_ATTRS, CMD_DATA, CMD_FSTAT, CMD_STATUS
from support.harness import select
from support.latency import Latency
from support.push_files import ANYWHERE, check_failure, ids, name_of, profiles, put, put_days, read

from benchmarks.remote_files import Host, counted_requests
from tap_crowdtwist.files.filesystems import url_to_fs
from tap_crowdtwist.files.read_ahead import ReplacedError
from tap_crowdtwist.files.sftp import KnownHostsFileSystem
from tap_crowdtwist.files.sftp_transfer import MAX_REQUESTS, REQUEST_BYTES, _Download

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUND_TRIP = 0.05
WAIT_SECONDS = 30
SOURCE = Random(3)  # noqa: S311 - no secret


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    running = Host(tmp_path_factory.mktemp("host"))
    with running.server:
        yield running


@pytest.fixture(autouse=True)
def home(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The home of a user whom the server lets in; afterwards, no connection is open."""
    monkeypatch.setenv("HOME", str(host.home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    yield
    for system in list(KnownHostsFileSystem._cache.values()):  # noqa: SLF001 - has no public name
        system.close()
    KnownHostsFileSystem.clear_instance_cache()


@contextmanager
def connected(host: Host, round_trip: float = 0.0) -> Iterator[Any]:
    """Connect, with some latency in seconds."""
    with host.with_latency(round_trip) as url:
        system, _ = url_to_fs(f"{url}/")
        yield system


def round_trips(call: Any) -> float:
    """Return the round trips that a call lasts at most, the shortest of three times."""
    times = []
    for _ in range(3):
        start = time.monotonic()
        call()
        times.append(time.monotonic() - start)
    return min(times) / ROUND_TRIP


# Requests and round trips


def test_two_years_of_files_are_listed_in_a_few_round_trips(host: Host, tmp_path: Path) -> None:
    for number in range(6 * 730):
        (tmp_path / f"2_512_FEED_{number:08d}.zip").touch()
    with connected(host, ROUND_TRIP) as system:
        with counted_requests() as counts:
            entries = system.ls(str(tmp_path), detail=True)
        assert len(entries) == 6 * 730
        assert counts == {"opendir": 1, "readdir": MAX_REQUESTS, "close": 1}
        # One request after the other would take 46.
        assert round_trips(lambda: system.ls(str(tmp_path))) < 15


def test_a_file_costs_two_round_trips_and_what_its_bytes_take(host: Host, tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"1" * 1000)
    large.write_bytes(SOURCE.randbytes(100 * REQUEST_BYTES + 1))
    with connected(host, ROUND_TRIP) as system:
        for path, stats in ((small, 2), (large, 3)):
            with counted_requests() as counts:
                system.get_file(str(path), str(tmp_path / "copy"))
            reads = max(4, ceil(path.stat().st_size / REQUEST_BYTES))
            assert counts == {"open": 1, "fstat": stats, "read": reads, "close": 1}
            assert (tmp_path / "copy").read_bytes() == path.read_bytes()
        assert round_trips(lambda: system.get_file(str(small), str(tmp_path / "copy"))) < 3.5
        # One request after the other would take more than 100.
        assert round_trips(lambda: system.get_file(str(large), str(tmp_path / "copy"))) < 30


def test_a_link_costs_one_request_and_has_what_its_file_has(host: Host, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    put(folder, "file", b"1" * 1000)
    (folder / "link").symlink_to(folder / "file")
    (folder / "circle").symlink_to(folder)
    (folder / "nowhere").symlink_to(folder / "missing")
    with connected(host) as system, counted_requests() as counts:
        found = {Path(each["name"]).name: each for each in system.ls(str(folder), detail=True)}
    assert counts["stat"] == 3
    kinds = {name: each["type"] for name, each in found.items()}
    assert kinds == {"file": "file", "link": "file", "circle": "link", "nowhere": "link"}
    for key in ("size", "mtime"):
        assert found["link"][key] == found["file"][key]


def test_a_file_lists_itself_and_what_is_missing_is_missing(host: Host, tmp_path: Path) -> None:
    put(tmp_path, "file", b"1")
    with connected(host) as system:
        (entry,) = system.ls(str(tmp_path / "file"), detail=True)
        assert (entry["name"], entry["size"]) == (str(tmp_path / "file"), 1)
        with pytest.raises(FileNotFoundError):
            system.ls(str(tmp_path / "missing"))


# Disturbances


class Disturbing(Callback):  # type: ignore[misc]  # fsspec is untyped
    """Does something when the first bytes arrive."""

    def __init__(self, disturb: Any) -> None:
        super().__init__()
        self.disturb = disturb

    def relative_update(self, inc: int = 1) -> None:  # noqa: ARG002
        self.disturb, disturb = None, self.disturb
        if disturb:
            disturb()


def test_a_file_that_is_written_to_meanwhile_is_no_copy(host: Host, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(200 * REQUEST_BYTES))
    os.utime(path, (1_700_000_000, 1_700_000_000))
    with connected(host) as system:
        for change in (lambda: path.write_bytes(b"new"), lambda: os.utime(path)):
            with pytest.raises(ReplacedError):
                system.get_file(str(path), str(tmp_path / "copy"), callback=Disturbing(change))
            path.write_bytes(bytes(200 * REQUEST_BYTES))
            os.utime(path, (1_700_000_000, 1_700_000_000))


def test_a_copy_that_was_given_up_does_not_disturb_what_follows(host: Host, tmp_path: Path) -> None:
    path = put(tmp_path / "in", "file", SOURCE.randbytes(100 * REQUEST_BYTES))

    def give_up() -> None:
        raise KeyError

    with connected(host, 0.005) as system:
        for _ in range(3):
            with pytest.raises(KeyError):
                system.get_file(str(path), str(tmp_path / "copy"), callback=Disturbing(give_up))
            assert system.ls(str(path.parent)) == [str(path)]
            system.get_file(str(path), str(tmp_path / "copy"))
            assert (tmp_path / "copy").read_bytes() == path.read_bytes()


def test_a_lost_connection_costs_no_row(host: Host, tmp_path: Path) -> None:
    days = range(1, 6)
    for day in days:
        notes = SOURCE.randbytes(350_000).hex()
        put(tmp_path / "in", name_of("PROFILE", day), profiles(day, last_name=notes))
    with Latency(host.server.port, 0.001) as proxy:
        host.know(proxy.port)
        proxy.break_at = 2_450_000  # in the fourth file of some 700 kB each
        broken = read(f"{host.url(proxy.port)}{tmp_path / 'in'}", code=1)
    read_days = ids(broken)
    assert read_days == [1, 2, 3]
    name = name_of("PROFILE", 4)
    check_failure(broken, f"{name!r} cannot be opened: ")
    with host.with_latency(0.001) as url:
        rest = read(f"{url}{tmp_path / 'in'}", state=broken.state)
    assert [*read_days, *ids(rest)] == [*days]


@pytest.mark.slow
def test_a_signal_ends_a_run_that_waits_for_a_silent_host(host: Host, tmp_path: Path) -> None:
    put_days(tmp_path / "in", 1)
    put(tmp_path / "in", name_of("PROFILE", 2, "csv"), SOURCE.randbytes(3_000_000).hex().encode())
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    config, catalog = tmp_path / "config.json", tmp_path / "catalog.json"
    catalog.write_text(json.dumps(select("push_users", paths=ANYWHERE)), encoding="utf-8")
    with Latency(host.server.port, 0.001) as proxy:
        host.know(proxy.port)
        proxy.stall_at = 1_000_000
        url = f"{host.url(proxy.port)}{tmp_path / 'in'}"
        config.write_text(json.dumps({"data_push_path": url}), encoding="utf-8")
        command = [sys.executable, "-m", "tap_crowdtwist", f"--config={config}"]
        command += [f"--catalog={catalog}"]
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(temporary)},
        ) as process:
            deadline = time.monotonic() + WAIT_SECONDS
            while proxy.bytes_passed < proxy.stall_at and time.monotonic() < deadline:
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            # The connection would be given up after 60 seconds only.
            out, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 128 + signal.SIGTERM, err
    assert b"Stopped by SIGTERM" in err.splitlines()[-1]
    assert out.count(b'"RECORD"') == 2
    assert not [*temporary.iterdir()]


class OddClient:
    """A client of a host that answers in any order and with fewer bytes than asked for."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.questions: list[tuple[Any, int, int, list[int]]] = []
        self.most = self.number = 0

    def _async_request(self, owner: Any, kind: int, handle: bytes, *piece: Any) -> int:
        assert handle == b"handle"
        self.number += 1
        self.questions.append((owner, self.number, kind, [int(each) for each in piece]))
        self.most = max(self.most, len(self.questions))
        return self.number

    def _read_response(self) -> None:
        owner, number, kind, piece = self.questions.pop(SOURCE.randrange(len(self.questions)))
        message = paramiko.Message()
        answer = CMD_ATTRS if kind == CMD_FSTAT else CMD_DATA
        if kind == CMD_FSTAT:
            attributes = paramiko.SFTPAttributes()
            attributes.st_size, attributes.st_atime, attributes.st_mtime = len(self.content), 1, 1
            attributes._pack(message)  # noqa: SLF001 - as the host would
        else:
            offset, length = piece
            part = self.content[offset : offset + min(length, SOURCE.randrange(1, REQUEST_BYTES))]
            if part:
                message.add_string(part)
            else:
                answer = CMD_STATUS
        message.rewind()
        owner._async_response(answer, message, number)  # noqa: SLF001 - as paramiko does

    def _convert_status(self, message: Any) -> None:  # noqa: ARG002
        raise EOFError


@pytest.mark.parametrize("size", [0, 1, REQUEST_BYTES, 10 * REQUEST_BYTES + 7, 150 * REQUEST_BYTES])
def test_pieces_may_come_in_part_and_in_any_order(tmp_path: Path, size: int) -> None:
    client = OddClient(SOURCE.randbytes(size))
    with (tmp_path / "copy").open("wb") as target:
        _Download(client, b"handle", target, Callback()).run()
    assert (tmp_path / "copy").read_bytes() == client.content
    assert client.most <= MAX_REQUESTS + 1
