"""Captures of Live Push as the receiver writes them, and runs of the tap over them."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.harness import PRESENT, Result, run_cli, select

if TYPE_CHECKING:
    from collections.abc import Mapping

LIVE = (
    "live_users",
    "live_activities",
    "live_redemptions",
    "live_points_expiration",
    "live_segments",
)
FIRST = "0a1b2c3d"
NOW = datetime(2026, 3, 10, 14, 30, tzinfo=timezone.utc)


@dataclass
class Captures:
    """A directory of captures."""

    root: Path
    settings: dict[str, Any] = field(default_factory=dict)

    def line(self, event: Any, at: datetime = NOW) -> str:
        """What the receiver writes of an event."""
        stamp = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
        return json.dumps({"received_at": stamp, "event": event}) + "\n"

    def path(self, feed: str, at: datetime = NOW, instance: str = FIRST) -> Path:
        """The file of a feed and an hour."""
        hour = at.isoformat()[:13].replace("-", "")
        return self.root / f"{feed}-{hour}-{instance}.jsonl"

    def add(
        self,
        feed: str,
        *events: Any,
        at: datetime = NOW,
        instance: str = FIRST,
        rest: str = "",
    ) -> None:
        """Append events, and perhaps a piece of a line."""
        with self.path(feed, at, instance).open("a", encoding="utf-8") as file:
            file.write("".join(self.line(event, at) for event in events) + rest)

    def read(
        self,
        *streams: str,
        state: Mapping[str, Any] | None = None,
        present: datetime = PRESENT,
        code: int = 0,
        method: str = "INCREMENTAL",
        **settings: Any,
    ) -> Result:
        """Run the tap over the captures, without any API."""
        config = {"live_push_path": str(self.root), **self.settings, **settings}
        shaping = {name: settings[name] for name in settings if name == "spendable_values"}
        catalog = select(*(streams or LIVE), paths={"live_push_path": self.root, **shaping})
        for entry in catalog["streams"]:
            if entry["tap_stream_id"] in LIVE:
                entry["replication_method"] = method
        with tempfile.TemporaryDirectory() as folder:
            args = []
            for name, content in (("config", config), ("state", state), ("catalog", catalog)):
                if content is not None:
                    file = Path(folder, f"{name}.json")
                    file.write_text(json.dumps(content), encoding="utf-8")
                    args += [f"--{name}", str(file)]
            result = run_cli(*args, present=present)
        assert result.exit_code == code, result.stderr
        return result
