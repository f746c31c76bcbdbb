"""The cost of latency when files are read over SFTP: `python -m benchmarks.remote_files`.

Data Push files on this machine's disk, and the same files behind a real `sshd` and a proxy that
delays both directions. Local and remote runs take turns, so that the ratios hold on a busy machine.
A second table counts the requests and round trips of listing and copying.

* `--files`, `--megabytes`: number and size of the zips. Their rows compress little, so a megabyte
  holds few of them and is read fast, which leaves little time to copy the next file.
* `--turns`: how often each run is repeated; the median of the ratios counts.

Prints tables in Markdown. Needs OpenSSH's server (Debian's package openssh-server).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any
from unittest import mock

from benchmarks.feeds import ACTIVITY_COLUMNS, run_tap, write_zip
from benchmarks.measure import Output, Usage
from benchmarks.report import table

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # for `support`

import paramiko
from paramiko.sftp import CMD_NAMES
from support.latency import Latency
from support.processes import HOST
from support.sftp_server import SftpServer

from tap_crowdtwist.files.filesystems import url_to_fs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LATENCIES = (0.005, 0.05)
"""Seconds of a round trip."""

STREAM, FEED = "push_user_activities", "USER_ACTIVITY"
FEEDS, DAYS = 6, 730
"""Files of two years in one folder."""


@dataclass(frozen=True)
class Reading:
    """One run of the tap.

    Attributes:
        usage: what it cost.
        records: number of records.
    """

    usage: Usage
    records: int


def row(number: int, source: random.Random) -> str:
    """Return a row of the activity feed, of about 330 characters of which few repeat."""
    notes = source.randbytes(115).hex()
    return (
        f"{1_000_003 + number % 997},700100{number % 1000},{number},watched trailer,50,{notes},"
        f"crm/{number:08d},ada.sample+{number}@example.test,+15550001234,{1_760_000_000 + number}"
    )


def write_files(folder: Path, files: int, megabytes: int) -> None:
    """Write zips of about this size, of consecutive days."""
    folder.mkdir()
    source = random.Random(7)  # noqa: S311 - no secret
    rows = megabytes * (1 << 20) // 155  # bytes that such a row takes in a zip
    first = folder / _name(0)
    write_zip(first, ACTIVITY_COLUMNS, (row(number, source) for number in range(rows)))
    for number in range(1, files):
        os.link(first, folder / _name(number))


def _name(number: int, feed: str = FEED) -> str:
    return f"2_512_{feed}_{date(2024, 11, 20) + timedelta(days=number):%Y%m%d}.zip"


class Host:
    """An SFTP server, and a home whose user may log in to it.

    Args:
        folder: where its keys and that home are written.
    """

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        (self.home / ".ssh").mkdir(parents=True)
        (folder / "sshd").mkdir()
        self.server = SftpServer(folder / "sshd")
        key = self.home / ".ssh" / "id_ed25519"
        key.write_bytes(self.server.user_key.read_bytes())
        key.chmod(0o600)

    @contextmanager
    def with_latency(self, round_trip: float) -> Iterator[str]:
        """Yield the beginning of the URLs by which it is reached with some latency, in seconds."""
        with Latency(self.server.port, round_trip) as proxy:
            self.know(proxy.port)
            yield self.url(proxy.port)

    def know(self, port: int) -> None:
        """Make the server known at a port, and at no other."""
        known = f"[{HOST}]:{port} {self.server.host_keys['ed25519']}\n"
        (self.home / ".ssh" / "known_hosts").write_text(known, encoding="ascii")

    def url(self, port: int) -> str:
        """Return the beginning of its URLs at a port."""
        return f"sftp://{HOST}:{port}"


def read_all(folder: Path, path: str, host: Host) -> Reading:
    """Read all files of a path or URL.

    Raises:
        SystemExit: the run failed.
    """
    config = folder / "config.json"
    config.write_text(json.dumps({"data_push_path": path}), encoding="utf-8")
    env = {"HOME": str(host.home), "SSH_AUTH_SOCK": ""}
    usage = run_tap(folder, config, STREAM, env=env)
    if usage.code:
        raise SystemExit((folder / "stderr").read_text(encoding="utf-8")[-2000:])
    with (folder / "stdout").open("rb") as lines:
        return Reading(usage, Output.of(lines).count("RECORD"))


def table_of_reading(folder: Path, host: Host, files: int, megabytes: int, turns: int) -> str:
    """Return the table about reading all files, from disk and with each latency.

    Raises:
        SystemExit: a run failed, or two runs differ in their number of records.
    """
    push = folder / "push"
    write_files(push, files, megabytes)
    runs: dict[str, list[Reading]] = {}
    for _ in range(turns):
        runs.setdefault("disk", []).append(read_all(folder, str(push), host))
        for round_trip in LATENCIES:
            with host.with_latency(round_trip) as url:
                found = read_all(folder, f"{url}{push}", host)
            runs.setdefault(f"SFTP, {round_trip * 1000:.0f} ms", []).append(found)
    local = runs["disk"]
    if len({reading.records for readings in runs.values() for reading in readings}) != 1:
        raise SystemExit("the runs differ in their number of records")
    size = sum(path.stat().st_size for path in push.iterdir()) // (1 << 20)
    return table(
        ("", "zips", "MB", "records", "s", "speed, of disk's", "CPU s", "peak MB"),
        [
            (
                name,
                files,
                size,
                readings[0].records,
                f"{median(each.usage.wall for each in readings):.1f}",
                f"{median(_ratios(local, readings)):.2f}",
                f"{median(each.usage.cpu for each in readings):.1f}",
                max(each.usage.peak for each in readings) // (1 << 20),
            )
            for name, readings in runs.items()
        ],
    )


def _ratios(local: list[Reading], remote: list[Reading]) -> Iterator[float]:
    for one, other in zip(local, remote, strict=True):
        yield one.usage.wall / other.usage.wall


def table_of_requests(folder: Path, host: Host) -> str:
    """Return the table about the requests of listing folders and of copying single files."""
    many, small, large = folder / "many", folder / "small", folder / "large"
    many.mkdir()
    for number in range(FEEDS * DAYS):
        (many / _name(number // FEEDS, f"FEED{number % FEEDS}")).touch()
    small.write_bytes(b"1" * 10_000)
    large.write_bytes(os.urandom(20 << 20))
    (folder / "empty").mkdir()
    round_trip = LATENCIES[-1]
    lines = []
    with host.with_latency(round_trip) as url, mock.patch.dict(os.environ, HOME=str(host.home)):
        system, root = url_to_fs(f"{url}{folder}")
        target = str(folder / "copy")
        calls: dict[str, Callable[[], Any]] = {
            "listing an empty folder": lambda: system.ls(f"{root}/empty"),
            f"listing {FEEDS} feeds x {DAYS} days": lambda: system.ls(f"{root}/many", detail=True),
            "copying a file of 10 kB": lambda: system.get_file(f"{root}/small", target),
            "copying a file of 20 MB": lambda: system.get_file(f"{root}/large", target),
        }
        for name, call in calls.items():
            with counted_requests() as counts:
                start = time.monotonic()
                call()
                seconds = time.monotonic() - start
            kinds = ", ".join(f"{number:,} {kind}" for kind, number in counts.items())
            lines.append((name, kinds, f"{seconds / round_trip:.1f}"))
        system.client.close()
    return table(("", "requests", f"time, in round trips of {round_trip * 1000:.0f} ms"), lines)


@contextmanager
def counted_requests() -> Iterator[Counter[str]]:
    """Count the SFTP requests of this process, by kind."""
    counts: Counter[str] = Counter()
    send = paramiko.SFTPClient._async_request  # noqa: SLF001 - every request passes it

    def counting(client: paramiko.SFTPClient, owner: Any, kind: int, *rest: Any) -> Any:
        counts[CMD_NAMES[kind]] += 1
        return send(client, owner, kind, *rest)

    with mock.patch.object(paramiko.SFTPClient, "_async_request", counting):
        yield counts


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.remote_files", description=__doc__)
    parser.add_argument("--files", type=int, default=6, help="0 skips this part")
    parser.add_argument("--megabytes", type=int, default=10)
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        host = Host(folder)
        with host.server:
            sys.stdout.write(f"{table_of_requests(folder, host)}\n")
            if given.files:
                sizes = given.files, given.megabytes, given.turns
                sys.stdout.write(f"{table_of_reading(folder, host, *sizes)}\n")


if __name__ == "__main__":
    main()
