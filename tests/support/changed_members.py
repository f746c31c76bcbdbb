"""A brand that gets files of Data Push day by day, and syncs with them or by profiles."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import zipfile
from collections import Counter
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from support.harness import (
    DAY,
    KEYS,
    PRESENT,
    canonical,
    config_of,
    process_untouched,
    sandbox,
    select,
    tap_at,
)
from support.mortal_writer import CrashError, MortalWriter
from tap_crowdtwist.api.errors import ApiError
from tap_crowdtwist.errors import TapError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import timedelta
    from pathlib import Path

FEEDS = ("PROFILE", "USER_ACTIVITY", "USER_REDEMPTION", "POINTS_EXPIRATION")
STREAMS = (
    "users",
    "user_activity_history",
    "purchases",
    "redemptions",
    "receipts",
    "coupons",
    "user_badges",
    "points_awaiting_fulfillment",
)
"""The member streams that change with nothing else than what the files tell of."""

Row = dict[str, Any]
State = dict[str, Any]


@dataclasses.dataclass
class Outcome:
    """What came of a run: what a target may rely on, and why the exit code is not 0, if so."""

    records: dict[str, list[Row]]
    requests: Counter[str]
    summary: dict[str, Any]
    error: BaseException | None

    @property
    def said(self) -> str:
        """Why the exit code is not 0, or ""."""
        return str(self.error or "")

    @property
    def crashed(self) -> bool:
        return isinstance(self.error, CrashError)

    def members(self, stream: str) -> list[int]:
        """Whose rows of a stream came, in order, each once."""
        key = "id" if stream == "users" else "user_id"
        return list(dict.fromkeys(row[key] for row in self.records.get(stream, ())))


class Brand:
    """A sandbox, the folder where its files arrive, the warehouse, and the state in between."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.running = sandbox(**({"members": 20, "drift": False} | options))
        self.folder = folder / "push"
        self.folder.mkdir(parents=True)
        self.outside = folder / "outside"
        self.outside.mkdir()
        self.state: State = {}
        self.tables: dict[str, dict[tuple[Any, ...], Row]] = {name: {} for name in KEYS}
        self.settings: dict[str, Any] = {}
        self._truths: dict[tuple[Any, ...], dict[tuple[Any, ...], Row]] = {}

    def __enter__(self) -> Self:
        self.running.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.running.stop()

    @property
    def day(self) -> int:
        """The number of the day that has just ended."""
        return int(self.running.clock()["day"])

    def pass_day(self, *, deliver: bool = True) -> None:
        """Let a day pass, whose files arrive."""
        self.running.advance()
        if deliver:
            self.deliver(self.day)

    def deliver(self, day: int, feeds: Iterable[str] = FEEDS) -> list[Path]:
        """Let the files of a day arrive, as they should be; returns where they are."""
        wanted = tuple(feeds)
        return [
            path.replace(self.folder / path.name)
            for path in self.running.write_data_push(self.outside, day)
            if path.name.split("_", 2)[2].rpartition("_")[0] in wanted
        ]

    def note(self, stream: str = "users") -> dict[str, Any]:
        """What the state says of the files that a stream has taken into account."""
        noted: dict[str, Any] = self.entry(stream).get("files") or {}
        return noted

    def entry(self, stream: str) -> dict[str, Any]:
        """The state of a stream."""
        found: dict[str, Any] = self.state.get("bookmarks", {}).get(stream, {})
        return found

    def run(
        self,
        members: str = "changed",
        *,
        streams: Sequence[str] = STREAMS,
        later: timedelta = 0 * DAY,
        life: int | None = None,
        **settings: Any,
    ) -> Outcome:
        """Sync, load what a target may rely on, and keep its last state.

        Args:
            members: the setting `sweep_members`.
            streams: what is selected.
            later: how long after two in the morning of the next day.
            life: messages after which the process dies.
            settings: other settings.
        """
        writer = MortalWriter(life)
        given = self.settings | settings
        config = config_of(
            self.running,
            **{"data_push_path": str(self.folder), "sweep_members": members, "max_concurrency": 3}
            | {"checkpoint_interval": 0 if life else 3600, "max_missing_ratio": 1}
            | given,
        )
        present = PRESENT + self.day * DAY + later
        self.running.reset()
        error: BaseException | None = None
        with process_untouched(), redirect_stdout(io.StringIO()):
            tap = tap_at(present)(
                config=config,
                state=json.loads(json.dumps(self.state)),
                catalog=select(*streams, paths=_paths(config)),
                message_writer=writer,
            )
            try:
                tap.sync()
            except (CrashError, TapError, ApiError) as raised:
                error = raised
        summary = {name: dataclasses.asdict(stats) for name, stats in tap.run.all_stats.items()}
        records = self.load(writer.messages)
        paths = (request["path"].split("/") for request in self.running.requests())
        asked = Counter("users" if path[-1].isdigit() else path[-1] for path in paths)
        return Outcome(records, asked, summary, error)

    def load(self, messages: list[Row]) -> dict[str, list[Row]]:
        """Keep what a target may rely on, the last state included; returns the records."""
        states = [n for n, message in enumerate(messages) if message["type"] == "STATE"]
        records: dict[str, list[Row]] = {}
        if states:
            self.state = messages[states[-1]]["value"]
            for message in messages[: states[-1]]:
                if message["type"] == "RECORD":
                    stream, row = message["stream"], message["record"]
                    if stream in KEYS:
                        self.tables[stream][tuple(row[name] for name in KEYS[stream])] = row
                    records.setdefault(stream, []).append(row)
        return records

    def lacks(self, since: int | None = None, streams: Sequence[str] = STREAMS) -> dict[str, Any]:
        """What the warehouse lacks of the truth, by stream; nothing where all is well.

        Args:
            since: the warehouse should have what was true at the end of this day, or later.
            streams: which streams.
        """
        first = self.day if since is None else since
        lacking = {}
        for stream in streams:
            versions = [self.truth(stream, day) for day in range(first, self.day + 1)]
            has = {key: comparable(stream, row) for key, row in self.tables[stream].items()}
            wrong = [
                key
                for key in versions[0]
                if key in versions[-1]
                and all(has.get(key) != version.get(key) for version in versions)
            ]
            if wrong:
                lacking[stream] = wrong
        return lacking

    def truth(self, stream: str, day: int) -> dict[tuple[Any, ...], Row]:
        """The true rows of a stream at the end of a day, by key."""
        # Tests may change what the program has, such as receipts.
        asked = (stream, day, self.running.engine.options)
        if asked not in self._truths:
            self._truths[asked] = {
                tuple(row[name] for name in KEYS[stream]): comparable(stream, row)
                for row in self.running.expected_rows(stream, day)
            }
        return self._truths[asked]


def comparable(stream: str, row: Mapping[str, Any]) -> Row:
    """A row as the warehouse and the truth can be compared: without what the calendar changes."""
    kept = dict(row)
    if stream == "users":
        kept.pop("tier_info", None)
    (plain,) = canonical(stream, [kept])
    return plain


def _paths(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: config[name] for name in ("data_push_path", "live_push_path") if name in config}


def rewrite(path: Path, change: Callable[[list[list[str]]], list[list[str]]]) -> None:
    """Write a file of Data Push again with other rows."""
    with zipfile.ZipFile(path) as archive:
        (name,) = archive.namelist()
        header, *rows = csv.reader(io.StringIO(archive.read(name).decode(), newline=""))
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([header, *change(rows)])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text.getvalue())
