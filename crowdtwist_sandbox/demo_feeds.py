"""The demo's daily files (Data Push) and the events posted to a receiver (Live Push)."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from contextlib import contextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from crowdtwist_sandbox.demo_processes import process_group
from crowdtwist_sandbox.demo_project import MeltanoError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crowdtwist_sandbox.demo_warehouse import Warehouse
    from crowdtwist_sandbox.server import Sandbox

_KEY = "CROWDTWIST_RECEIVER_API_KEY"
_RECEIVER_SECONDS = "600"

_CHANNELS = {
    "asked of the API": ("user_activity_history", "date_created", "redemptions", "order_date"),
    "Data Push": ("push_user_activities", "date_created", "push_redemptions", "order_date"),
    "Live Push": ("live_activities", "date_created", "live_redemptions", "order_date"),
}
"""For each channel, the streams of activities and of redemptions, each with its date column."""


class Deliveries:
    """The folders of the demo's files, and the receiver that its events are posted to."""

    def __init__(self, root: Path) -> None:
        self.push = root / "data_push"
        self.live = root / "live_push"
        self._log = root / "receiver.log"
        self._key = secrets.token_hex(16)
        self._url = ""

    @property
    def settings(self) -> dict[str, str]:
        """Settings of the tap that point to both folders."""
        return {
            "TAP_CROWDTWIST_DATA_PUSH_PATH": str(self.push),
            "TAP_CROWDTWIST_LIVE_PUSH_PATH": str(self.live),
        }

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """Run the receiver on empty folders.

        Raises:
            MeltanoError: the receiver did not start.
        """
        for folder in (self.push, self.live):
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.iterdir():
                old.unlink()
        command = [sys.executable, "-m", "crowdtwist_receiver", "--port", "0"]
        command += ["--directory", str(self.live), "--max-seconds", _RECEIVER_SECONDS]
        with (
            self._log.open("wb") as log,
            process_group(
                command,
                cwd=self._log.parent,
                env={**os.environ, _KEY: self._key},
                output=subprocess.PIPE,
                errors=log.fileno(),
            ) as process,
        ):
            assert process.stdout is not None  # noqa: S101 - it was asked for
            with process.stdout as lines:
                # Its first line has the URLs, and is written once it accepts events.
                first_line = lines.readline()
                if not first_line:
                    raise MeltanoError(f"The receiver did not start; see {self._log}")
                self._url = json.loads(first_line)["live_url"]
                yield

    def deliver(self, sandbox: Sandbox) -> None:
        """Write the files of the sandbox's current day, and post its events."""
        sandbox.write_data_push(self.push)
        sandbox.post_live_push(self._url, api_key=self._key)


def count_by_channel(warehouse: Warehouse, day: str) -> list[tuple[Any, ...]]:
    """Count the activities and redemptions of a day and sum their points, by channel.

    Args:
        warehouse: the tables.
        day: a date, such as 2026-03-11.
    """
    begin = date.fromisoformat(day)
    rows = []
    for channel, (activities, created, redemptions, ordered) in _CHANNELS.items():
        counts: list[Any] = []
        for stream, column, points in (
            (activities, created, "num_points"),
            (redemptions, ordered, "total_points_redeemed"),
        ):
            sql = (
                f"SELECT count(*), coalesce(sum({points}), 0) FROM crowdtwist.{stream} "  # noqa: S608 - the names are ours
                f"WHERE {column} >= ? AND {column} < ?"
            )
            counts += warehouse.query(sql, [begin, begin + timedelta(days=1)])[1][0]
        rows.append((channel, *map(int, counts)))
    return rows
