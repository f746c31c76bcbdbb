"""Runs the tap against a sandbox, in this process or in one of its own, and parses what it wrote.

A run in this process goes through the command line's own `main`, so what is captured is what a
target and a terminal would get. Its present is fixed, and it is not held back by the rate limit,
whose ceiling is far below what a sandbox can answer. What a run changes in the process (logging,
signal handlers, warning filters, the hook for exceptions) is put back.
"""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import warnings
from collections import defaultdict
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import date, datetime, timedelta, timezone
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crowdtwist_sandbox import Sandbox, SandboxOptions
from tap_crowdtwist.cli import main
from tap_crowdtwist.config.file_settings import FEED_PATHS
from tap_crowdtwist.config.settings import Settings
from tap_crowdtwist.sync.run import SyncRun
from tap_crowdtwist.tap import TapCrowdTwist

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tap_crowdtwist.api.transport import Transport

TODAY = date(2026, 3, 10)
"""The date of a sandbox's day 0; it stands at the last second of it."""

PRESENT = datetime(2026, 3, 11, 2, 0, tzinfo=timezone.utc)
"""When the tap believes to run: two hours after the sandbox's day 0 has ended."""

DAY = timedelta(days=1)
API_KEY = "kE7/y+4 sandbox"
"""A key that has to be percent-encoded, so that a leak in any form can be looked for."""

KEYS: dict[str, tuple[str, ...]] = {
    "activities": ("id",),
    "rewards": ("id",),
    "badges": ("id",),
    "users": ("id",),
    "user_activities": ("user_id", "id"),
    "user_activity_history": ("id",),
    "purchases": ("user_id", "purchase_id_type", "purchase_id"),
    "user_rewards": ("user_id", "id"),
    "redemptions": ("id",),
    "points_expiration": ("user_id", "rule_type", "entry"),
    "receipts": ("user_id", "id"),
    "coupons": ("user_id", "redeem_order_coupon_id"),
    "user_badges": ("user_id", "id"),
    "points_awaiting_fulfillment": ("user_id",),
}
STREAMS = tuple(KEYS)
PROGRAM_STREAMS = ("activities", "rewards", "badges")
MEMBER_STREAMS = tuple(stream for stream in STREAMS if stream not in PROGRAM_STREAMS)
INCREMENTAL = {
    "user_activity_history": "date_created",
    "purchases": "last_date_purchased",
    "redemptions": "order_date",
}
OWN_IDS = {"user_activity_history": "user_activity_id", "redemptions": "order_id"}
"""The API's own id behind `id`; where it is missing, the tap makes one up."""

_OPEN = frozenset({"extra_data", "custom_data", "additional_properties"})
OFF_BY_DEFAULT = ("badges", "receipts", "coupons", "user_badges", "points_awaiting_fulfillment")
DEFAULT_STREAMS = [stream for stream in STREAMS if stream not in OFF_BY_DEFAULT]


def sandbox(**options: Any) -> Sandbox:
    """A sandbox that stands on the fixed day, drifting unless told otherwise."""
    defaults: dict[str, Any] = {"members": 40, "seed": 3, "today": TODAY, "api_key": API_KEY}
    return Sandbox(SandboxOptions(**(defaults | options)))


@dataclasses.dataclass(frozen=True)
class Result:
    """What a run left behind."""

    exit_code: int
    stdout: str
    stderr: str

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        """Singer messages, in order."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    @cached_property
    def records(self) -> dict[str, list[dict[str, Any]]]:
        """Records of each stream, in order."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for message in self.messages:
            if message["type"] == "RECORD":
                found[message["stream"]].append(message["record"])
        return found

    @cached_property
    def schemas(self) -> dict[str, list[dict[str, Any]]]:
        """SCHEMA messages of each stream, whole."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for message in self.messages:
            if message["type"] == "SCHEMA":
                found[message["stream"]].append(message)
        return found

    @cached_property
    def states(self) -> list[dict[str, Any]]:
        """Values of the STATE messages, in order."""
        return [message["value"] for message in self.messages if message["type"] == "STATE"]

    @property
    def state(self) -> dict[str, Any]:
        """The value of the last STATE message, which the next run is given."""
        return self.states[-1]

    @property
    def last_line(self) -> str:
        """The last line on stderr, which tells why a run failed."""
        return self.stderr.rstrip("\n").rpartition("\n")[2]


def tap_at(present: datetime, transport: Transport | None = None) -> type[TapCrowdTwist]:
    """The tap, living at a given instant and free of the rate limit.

    Args:
        present: its current time.
        transport: sends its requests; over HTTP if not given.
    """

    class TapUnderTest(TapCrowdTwist):
        __doc__ = TapCrowdTwist.__doc__
        now = staticmethod(lambda: present)

        @cached_property
        def run(self) -> SyncRun:
            settings = Settings.from_config(self.config)
            unlimited = dataclasses.replace(settings, requests_per_minute=10**7)
            return SyncRun(unlimited, "tap-crowdtwist/test", self.now, self.clock, transport)

    return TapUnderTest


@contextmanager
def process_untouched() -> Iterator[None]:
    """Put back what the SDK's command line changes in the process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    handled = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    hook = sys.excepthook
    root.handlers[:] = []
    with warnings.catch_warnings():
        try:
            yield
        finally:
            logging.captureWarnings(capture=False)
            root.handlers[:] = handlers
            root.setLevel(level)
            sys.excepthook = hook
            for number, handler in handled.items():
                signal.signal(number, handler)


def run_cli(
    *args: str | Path, present: datetime = PRESENT, tap: type[TapCrowdTwist] | None = None
) -> Result:
    """Run the command line in this process, of the tap given or of one that lives at `present`."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    err = io.StringIO()
    code = 0
    with process_untouched(), redirect_stdout(out), redirect_stderr(err):
        try:
            main([str(arg) for arg in args], tap or tap_at(present))
        except SystemExit as stopped:
            code = stopped.code if isinstance(stopped.code, int) else int(bool(stopped.code))
    out.seek(0)
    return Result(code, out.read(), err.getvalue())


def run_process(
    *args: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Result:
    """Run the command line as a process of its own, with none of our settings around it."""
    around = {name: value for name, value in os.environ.items() if "CROWDTWIST" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "tap_crowdtwist", *map(str, args)],
        env=around | dict(env or {}),
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def config_of(running: Sandbox, **settings: Any) -> dict[str, Any]:
    """A configuration for reading a sandbox, all of its roster unless told otherwise.

    STATE comes at the end of each stream only, since no run is long. A setting that is None is
    left out.
    """
    defaults = {
        "api_key": running.api_key,
        "api_url": running.api_url,
        "pos_url": running.pos_url,
        "user_ids": running.roster(settings.get("id_type", "id")),
        "checkpoint_interval": 3600,
        "max_retries": 0,
        "deleted_members": "ignore",
    }
    merged = defaults | settings
    return {name: value for name, value in merged.items() if value is not None}


def run_tap(
    running: Sandbox,
    *streams: str,
    state: Mapping[str, Any] | None = None,
    catalog: Mapping[str, Any] | None = None,
    present: datetime = PRESENT,
    code: int = 0,
    **settings: Any,
) -> Result:
    """Sync streams of a sandbox in this process; all that are on by default if none is named.

    Args:
        running: the sandbox.
        streams: what to select.
        state: the state of an earlier run.
        catalog: a catalog, in place of `streams`.
        present: the tap's present.
        code: the exit code that is expected.
        settings: settings beside those of `config_of`.
    """
    if streams:
        feeds = {name: path for name in FEED_PATHS if (path := settings.get(name))}
        catalog = select(*streams, paths=feeds)
    with tempfile.TemporaryDirectory() as folder:
        config = config_of(running, **settings)
        args = files_in(folder, config=config, state=state, catalog=catalog)
        result = run_cli(*args, present=present)
    assert result.exit_code == code, result.stderr
    return result


def files_in(folder: str, **contents: Mapping[str, Any] | None) -> list[str]:
    """Write the files that options of the command line name, and return these; None is left out."""
    args = []
    for name, content in contents.items():
        if content is not None:
            path = Path(folder, f"{name}.json")
            path.write_text(json.dumps(content), encoding="utf-8")
            args += [f"--{name}", str(path)]
    return args


@cache
def _discovered(paths: tuple[tuple[str, str], ...] = ()) -> str:
    config = {"api_key": API_KEY, "client_id": "512", **dict(paths)}
    with tempfile.TemporaryDirectory() as folder:
        result = run_cli(*files_in(folder, config=config if paths else None), "--discover")
    assert result.exit_code == 0, result.stderr
    return result.stdout


def discover(paths: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The catalog as discovered; a copy of its own for each caller.

    Args:
        paths: settings that say where files are, whose streams are then there too.
    """
    spelled = {name: str(path) for name, path in (paths or {}).items()}
    catalog: dict[str, Any] = json.loads(_discovered(tuple(sorted(spelled.items()))))
    return catalog


def entry_of(catalog: Mapping[str, Any], stream: str) -> dict[str, Any]:
    """The entry of a stream in a catalog."""
    entry: dict[str, Any] = next(
        entry for entry in catalog["streams"] if entry["tap_stream_id"] == stream
    )
    return entry


def select(
    *streams: str, paths: Mapping[str, Any] | None = None, **fields: Iterable[str] | None
) -> dict[str, Any]:
    """A catalog with just these streams, whole, or with just these fields of a stream.

    A field of an object is written with a dot: `tier_info.tier_score`.
    """
    catalog = discover(paths)
    for entry in catalog["streams"]:
        stream = entry["tap_stream_id"]
        wanted = None if (given := fields.get(stream)) is None else set(given)
        for each in entry["metadata"]:
            path = ".".join(step for step in each["breadcrumb"] if step != "properties")
            if not path:
                each["metadata"]["selected"] = stream in streams or stream in fields
            elif wanted is not None:
                each["metadata"]["selected"] = path in wanted
    return catalog


def queries(running: Sandbox) -> list[tuple[str, str, dict[str, str]]]:
    """Host, path and query of each request that a sandbox got; the key is left out."""
    return [
        (request["host"], request["path"], _pairs(request["query"]))
        for request in running.requests()
    ]


def _pairs(query: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return {name: value for name, _, value in pairs if name != "api_key"}


def without_nulls(value: Any) -> Any:
    """A record in which missing and null are the same, at any depth but in open objects."""
    if isinstance(value, dict):
        return {
            name: member if name in _OPEN else without_nulls(member)
            for name, member in value.items()
            if member is not None
        }
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def canonical(stream: str, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows as records and truth can be compared: without nulls, and without ids made up by us."""
    own = OWN_IDS.get(stream)
    return [
        without_nulls({**row, "id": None} if own and row.get(own) is None else row) for row in rows
    ]


def key_of(stream: str, row: Mapping[str, Any]) -> tuple[Any, ...]:
    """The values of a row's key."""
    return tuple(row[name] for name in KEYS[stream])


def normalize_text(text: str, running: Sandbox | None = None) -> str:
    """Replace what differs between two runs that are the same: clocks, ports, durations, paths."""
    if running is not None:
        text = text.replace(running.api_url, "http://main").replace(running.pos_url, "http://pos")
    for pattern, mask in _VARYING:
        text = pattern.sub(mask, text)
    return text


_VARYING: Sequence[tuple[re.Pattern[str], str]] = [
    (re.compile(pattern, re.MULTILINE), mask)
    for pattern, mask in (
        (r'"time_extracted":"[^"]*"', '"time_extracted":"…"'),
        (r'"version":\d+', '"version":0'),
        (r'"sums":"[A-Za-z0-9+/=]+"', '"sums":"…"'),
        (r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[,.]\d{3}", "…"),
        (r"v\d+\.\d+\.\d+(?:\.?\w+)*, Meltano SDK v[\w.]+", "v…, Meltano SDK v…"),
        (r"\d+\.\d+ s\b", "… s"),
        (r'("metric":"sync_duration","value"):[\d.e-]+', r"\1:0"),
        (r'"(pid|seconds_waiting|seconds)":[\d.e-]+', r'"\1":0'),
    )
]
