"""The cost of reading Data Push files, and what they save: `python -m benchmarks.feeds`.

* `--rows`: one zip of activities and one of profiles with this many rows each, read from zip to
  standard output by one process on one core; and with a tenth as many, to see whether memory grows.
* `--members`: a sandbox with this many members, about 1 % of whom change in a day. Counts the
  requests of a full sweep, of the next day's sweep of all members, and of the next day's sweep of
  changed members; then compares the rows with the sandbox.

Prints tables in Markdown.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
import tempfile
import zipfile
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Output, Program, Usage, catalog_of
from benchmarks.report import table
from crowdtwist_sandbox import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

_TIMEOUT_SECONDS = 3600
ACTIVITY_COLUMNS = (
    "id,activity_id,user_activity_id,activity_name,num_points,notes,third_party_id,email_address,"
    "mobile_phone_number,date_created"
)
_PROFILE = (
    "id,first_name,middle_name,last_name,date_of_birth,email_address,street_address_1,"
    "street_address_2,city,state,postal_code,country_code,region,gender,username,third_party_id,"
    "total_points,redeemable_points,date_last_updated"
)
COMPARED = (
    "users",
    "user_activity_history",
    "purchases",
    "redemptions",
    "receipts",
    "coupons",
    "user_badges",
)
"""Streams whose rows change only with their member; others change with the date or the program."""


def activity(number: int) -> str:
    """Return a row of the activity feed, of 170 characters."""
    member = 1_000_003 + number % 997
    return (
        f'{member},700100{number % 1000},{number},watched trailer,50,"Watched, to the end, on the '
        f'web site",crm/{number:08d},ada.sample+{number}@example.test,+15550001234,'
        f"{1_760_000_000 + number}"
    )


def profile(number: int) -> str:
    """Return a row of the profile feed, of 210 characters."""
    return (
        f"{1_000_003 + number},Ada,Maria,Sample,631152000,ada.sample+{number}@example.test,"
        f'"12 Example Street, rear",,Utrecht,,3511 AB,NL,,F,user_{number},crm/{number:08d},'
        f"4200,300,{1_760_000_000 + number}"
    )


def write_zip(path: Path, header: str, rows: Iterable[str]) -> None:
    """Write a zip with one CSV, as CrowdTwist delivers it."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        # The size is unknown before it is written; ZIP64 allows more than 2 GiB.
        archive.open(f"{path.stem}.csv", "w", force_zip64=True) as raw,
        io.TextIOWrapper(raw, encoding="utf-8") as lines,
    ):
        lines.write(header + "\n")
        lines.writelines(f"{row}\n" for row in rows)


def run_tap(
    folder: Path,
    config: Path,
    *streams: str,
    state: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Usage:
    """Run the tap on some streams, with its output to `stdout` in the folder."""
    command = [sys.executable, "-m", "tap_crowdtwist", "--config", str(config)]
    catalog = folder / "catalog.json"
    catalog.write_text(json.dumps(catalog_of(command, *streams)), encoding="utf-8")
    command += ["--catalog", str(catalog), *(["--state", str(state)] if state else [])]
    return Program(command, folder, env or {}).run(_TIMEOUT_SECONDS)


def reading(rows: int, stream: str, feed: str, header: str, row: Any) -> tuple[Usage, int]:
    """Read one zip; return the cost and the number of bytes written.

    Raises:
        SystemExit: the run failed, or rows are missing.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "push").mkdir()
        write_zip(folder / "push" / f"2_512_{feed}_20261119.zip", header, map(row, range(rows)))
        config = folder / "config.json"
        config.write_text(json.dumps({"data_push_path": str(folder / "push")}), encoding="utf-8")
        usage = run_tap(folder, config, stream)
        with (folder / "stdout").open("rb") as lines:
            output = Output.of(lines)
    if usage.code or output.count("RECORD") != rows:
        raise SystemExit(f"{stream}: {output.count('RECORD')} rows, exit code {usage.code}")
    return usage, output.size


def table_of_reading(rows: int) -> str:
    """Return the table about reading."""
    lines = []
    for stream, feed, header, row in (
        ("push_user_activities", "USER_ACTIVITY", ACTIVITY_COLUMNS, activity),
        ("push_users", "PROFILE", _PROFILE, profile),
    ):
        for count in (rows // 10, rows):
            usage, size = reading(count, stream, feed, header, row)
            speed, peak = round(count / usage.wall), round(usage.peak / 2**20)
            lines.append((f"`{stream}`", count, speed, f"{usage.cpu:.1f}", peak, size // 2**20))
    return table(("stream", "rows", "rows a second", "CPU s", "peak MB", "MB out"), lines)


class Warehouse:
    """The tables that a target would have which loads by key.

    Args:
        streams: the streams whose rows are kept.
    """

    def __init__(self, streams: Container[str]) -> None:
        self._streams = streams
        self.keys: dict[str, list[str]] = {}
        self.rows: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}

    def load(self, lines: Iterable[bytes]) -> dict[str, Any]:
        """Load the output of a run, and return its last state."""
        state: dict[str, Any] = {}
        for line in lines:
            message = json.loads(line)
            if message["type"] == "STATE":
                state = message["value"]
            elif message["type"] == "SCHEMA":
                self.keys[message["stream"]] = message["key_properties"]
            elif message["type"] == "RECORD" and message["stream"] in self._streams:
                row, stream = message["record"], message["stream"]
                key = tuple(row[name] for name in self.keys[stream])
                self.rows.setdefault(stream, {})[key] = row
        return state

    def differing(self, sandbox: Sandbox, stream: str) -> tuple[int, int]:
        """Count the expected rows, and those of them that are missing or different here."""
        count = wrong = 0
        held = self.rows.get(stream, {})
        for row in sandbox.expected_rows(stream):
            count += 1
            loaded = held.get(tuple(row[name] for name in self.keys[stream]))
            wrong += loaded is None or _comparable(loaded) != _comparable(row)
        return count, wrong


def _comparable(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row without nulls, and without what changes by the calendar alone."""
    tier = row.get("tier_info")
    if isinstance(tier, dict):
        by_calendar = {"days_until_expiration_date", "days_until_reset_date", "is_maintenance_mode"}
        kept = {name: value for name, value in tier.items() if name not in by_calendar}
        row = {**row, "tier_info": kept}
    return {name: _without_nulls(value) for name, value in row.items() if value is not None}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _without_nulls(member) for name, member in value.items() if member is not None
        }
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def tables_of_changed(members: int, daily: float) -> Iterator[str]:
    """Yield the tables about sweeping changed members."""
    today = datetime.now(timezone.utc).date() - timedelta(days=2)
    options = SandboxOptions(members=members, today=today, drift=False, daily_changes=daily)
    with Sandbox(options) as sandbox, tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        push = folder / "push"
        settings = {
            "api_key": sandbox.api_key,
            "api_url": sandbox.api_url,
            "pos_url": sandbox.pos_url,
            "user_ids_path": str(folder / "members.txt"),
            "data_push_path": str(push),
            "requests_per_minute": 10_000_000,
            "deleted_members": "ignore",
        }
        sandbox.write_data_push(push)
        warehouse = Warehouse(COMPARED)
        state, full = _sync(sandbox, folder, settings, {}, warehouse)
        sandbox.advance()
        sandbox.write_data_push(push)
        # Both runs of the second day start from the same state; the first one's rows do not count.
        copied_state = json.loads(json.dumps(state))
        _, daily_all = _sync(sandbox, folder, settings, copied_state, Warehouse(()))
        only = {**settings, "sweep_members": "changed"}
        _, changed = _sync(sandbox, folder, only, state, warehouse)
        appeared = _appeared(push, today + timedelta(days=2))  # files have the next day's date
        yield table(
            ("", "", "of all"),
            [
                ("members", members),
                ("members in the files of the second day", appeared, f"{appeared / members:.2%}"),
                ("requests, first day", full),
                ("requests, second day, `sweep_members` all", daily_all),
                ("the same, changed", changed, f"{changed / daily_all:.2%}"),
            ],
        )
        rows = [(f"`{stream}`", *warehouse.differing(sandbox, stream)) for stream in COMPARED]
        yield table(("stream", "rows in the sandbox", "missing or different"), rows)


def _appeared(push: Path, day: date) -> int:
    """Count the members whose numeric id is in a day's files."""
    member_ids = set()
    for feed, column in (
        ("PROFILE", "id"),
        ("USER_ACTIVITY", "id"),
        ("POINTS_EXPIRATION", "user_id"),
    ):
        (path,) = push.glob(f"*_{feed}_{day:%Y%m%d}.zip")
        with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as raw:
            member_ids |= {row[column] for row in csv.DictReader(io.TextIOWrapper(raw, "utf-8"))}
    return len(member_ids)


def _sync(
    sandbox: Sandbox,
    folder: Path,
    settings: Mapping[str, Any],
    state: Mapping[str, Any],
    warehouse: Warehouse,
) -> tuple[dict[str, Any], int]:
    """Sync and load the output; return the final state and the number of requests.

    Raises:
        SystemExit: the run failed.
    """
    members = "".join(f"{member}\n" for member in sandbox.roster())
    (folder / "members.txt").write_text(members, encoding="utf-8")
    config, stored = folder / "config.json", folder / "state.json"
    config.write_text(json.dumps(settings), encoding="utf-8")
    stored.write_text(json.dumps(state), encoding="utf-8")
    sandbox.reset()
    usage = run_tap(folder, config, *COMPARED, state=stored)
    if usage.code:
        raise SystemExit((folder / "stderr").read_text(encoding="utf-8")[-2000:])
    with (folder / "stdout").open("rb") as lines:
        after = warehouse.load(lines)
    requests: int = sandbox.counts()["total"]
    return after, requests


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feeds", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="0 skips this part")
    parser.add_argument("--members", type=int, default=10_000, help="0 skips this part")
    parser.add_argument("--daily-changes", type=float, default=0.01)
    given = parser.parse_args()
    if given.rows:
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[:1])  # child processes inherit it
        sys.stdout.write(f"{table_of_reading(given.rows)}\n")
        os.sched_setaffinity(0, cores)
    if given.members:
        for text in tables_of_changed(given.members, given.daily_changes):
            sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
