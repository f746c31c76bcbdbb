"""The shards of a DAG's run, as processes of this machine and as rows of a warehouse."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support import harness
from tap_crowdtwist.members.roster import Shard as RosterShard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crowdtwist_sandbox import Sandbox
    from support.postgres_server import PostgresServer

MEMBER = re.compile(r"/users/(\d+)")
"""The member in the path of a request."""


class Shard:
    """The processes that read one shard.

    Args:
        number: its number.
        count: the number of all shards.
    """

    def __init__(self, number: int, count: int) -> None:
        self._part = RosterShard(number, count)
        self._mark = f"TAP_CROWDTWIST_SHARD={number}/{count}".encode()

    def holds(self, member: int) -> bool:
        """Whether a member belongs to it."""
        return self._part.holds(member)

    def asked(self, sandbox: Sandbox) -> int:
        """How many requests it has sent."""
        return sum(
            self.holds(int(member[1]))
            for request in sandbox.requests()
            if (member := MEMBER.search(request["path"]))
        )

    def is_running(self) -> bool:
        """Whether its tap runs."""
        return bool(self._find(r"bin/tap-crowdtwist .*--catalog"))

    def worker(self) -> Path:
        """The home of the worker that runs it."""
        (meltano,) = self._find(r"bin/meltano .* run ")
        environment = Path(f"/proc/{meltano}/environ").read_bytes().split(b"\0")
        (home,) = [entry for entry in environment if entry.startswith(b"HOME=")]
        return Path(home.removeprefix(b"HOME=").decode())

    def kill_tap(self) -> None:
        """Kill the tap, as the kernel does when memory runs out."""
        (tap,) = self._find(r"bin/tap-crowdtwist .*--catalog")
        os.kill(tap, signal.SIGKILL)

    def stop_task(self) -> None:
        """Stop the task, as Airflow does, or Kubernetes that evicts a pod."""
        (meltano,) = self._find(r"bin/meltano .* run ")
        text = Path(f"/proc/{meltano}/stat").read_text(encoding="utf-8")
        os.kill(int(text.rpartition(")")[2].split()[1]), signal.SIGTERM)

    def _find(self, command: str) -> list[int]:
        """The ids of its processes whose command line matches."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                around = (process / "environ").read_bytes().split(b"\0")
                if re.search(command, line) and self._mark in around:
                    found.append(int(process.name))
        return found


def create_tables(project: Path, warehouse: PostgresServer, streams: Sequence[str]) -> None:
    """Create the tables with the SCHEMA messages of a run.

    Loaders that start at once, in an empty database, collide when they create the same table. The
    retries of the DAG repair that, but here they are counted.
    """
    with harness.sandbox(members=1) as other:
        messages = harness.run_tap(other, *streams).stdout.splitlines(keepends=True)
    schemas = "".join(line for line in messages if line.startswith('{"type":"SCHEMA"'))
    subprocess.run(
        [project / ".meltano/loaders/target-postgres/venv/bin/target-postgres", "--config=ENV"],
        input=schemas,
        text=True,
        env=warehouse.settings("crowdtwist")
        | {"TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": "crowdtwist", "PGTZ": "UTC"},
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )


def loaded_rows(warehouse: PostgresServer, stream: str) -> list[str]:
    """The rows of a table that are not deleted, as `true_rows` has them."""
    table = f"crowdtwist.{stream}"
    columns = warehouse.query(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "  # noqa: S608 - our own
        f"WHERE attrelid = '{table}'::regclass AND attnum > 0 AND attname NOT LIKE '\\_sdc%'",
        "crowdtwist",
    )
    chosen = [
        f"""to_char("{name}", 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS "{name}\""""
        if kind.startswith("timestamp")
        else f'"{name}"'
        for name, kind in (line.split("|") for line in columns)
    ]
    lines = warehouse.query(
        f"SELECT row_to_json(q) FROM (SELECT {', '.join(chosen)} FROM {table} "  # noqa: S608
        "WHERE _sdc_deleted_at IS NULL) q",
        "crowdtwist",
    )
    return _texts(stream, [json.loads(line) for line in lines])


def true_rows(sandbox: Sandbox, stream: str) -> list[str]:
    """The rows that the program has now, as texts that can be compared."""
    return _texts(stream, sandbox.expected_rows(stream))


def _texts(stream: str, rows: Any) -> list[str]:
    """Rows as texts: 248 and 248.0 are one number, null is no value."""
    return sorted(
        json.dumps(json.loads(json.dumps(row), parse_int=float), sort_keys=True)
        for row in harness.canonical(stream, rows)
    )
