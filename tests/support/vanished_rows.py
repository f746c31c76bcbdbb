"""A program whose rows come and go, the tap that reads it, and a target that forgets rows."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import re
from contextlib import contextmanager, redirect_stdout
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override

from support.harness import KEYS, process_untouched, select, tap_at
from support.mortal_writer import CrashError, MortalWriter
from tap_crowdtwist.api.transport import NoResponseError, Response, Transport
from tap_crowdtwist.errors import TapError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from requests.auth import AuthBase

    from tap_crowdtwist.sync.stats import StreamStats

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)
RECEIPTS = "receipts"
PURCHASES = "purchases"
PAGE = 25
State = dict[str, Any]
Key = tuple[Any, ...]
Message_ = dict[str, Any]


class Program(Transport):
    """Receipts and purchases of members, answered from a dictionary that may change under way.

    Attributes:
        receipts: the receipts that each member has; who is not in it is unknown.
        failing: members for whom no answer comes.
        cut: members whose list of receipts lacks its last one, although its total counts it.
        lacking: members who are told that the program has no receipts.
        without_id: members whose first receipt comes without its id.
    """

    def __init__(self, receipts: Mapping[int, Iterable[int]]) -> None:
        super().__init__(1, 1, "test")
        self.receipts = {member: set(rows) for member, rows in receipts.items()}
        self.failing: set[int] = set()
        self.cut: set[int] = set()
        self.lacking: set[int] = set()
        self.without_id: set[int] = set()

    def set_fault(self, name: str, members: set[int]) -> None:
        """Set one of the faults by its name; there must be one of that name."""
        assert name in vars(self), name
        setattr(self, name, members)

    @property
    def rows(self) -> set[Key]:
        """The keys of all receipts."""
        return {(member, row) for member, rows in self.receipts.items() for row in rows}

    @override
    def get(self, url: str, auth: AuthBase) -> Response:
        parts = urlsplit(url)
        found = re.search(r"/users/(\d+)/(receipts|purchases)$", parts.path)
        assert found is not None, url
        member, resource = int(found[1]), found[2]
        if member in self.failing:
            raise NoResponseError("the connection was reset")
        if member not in self.receipts:
            return Response(404, {}, b'{"error": "page_not_found", "message": "gone"}')
        if resource == RECEIPTS and member in self.lacking:
            return Response(200, {}, b'{"error": "receipt_scanning_inactive", "message": "?"}')
        rows: list[dict[str, Any]] = [{"id": row} for row in sorted(self.receipts[member])]
        total = len(rows)
        if resource == PURCHASES:
            rows = [
                {"purchase_id": str(row["id"]), "purchase_id_type": "order_id"}
                | {"last_date_purchased": "2026-02-28T00:00:00Z"}
                for row in rows
            ]
        elif rows and member in self.cut:
            rows.pop()
        elif rows and member in self.without_id:
            rows[0]["id"] = None
        page = int(parse_qs(parts.query)["page"][0])
        pages = -(-len(rows) // PAGE)
        link = f"https://elsewhere.test/?page={page + 1}" if page < pages else None
        paging = {"total": total, "pages": pages, "next_page": link, "prev_page": None}
        name = "submitted_receipts" if resource == RECEIPTS else PURCHASES
        body = {name: rows[(page - 1) * PAGE : page * PAGE], "paging": paging}
        return Response(200, {}, json.dumps(body).encode())


@dataclasses.dataclass
class Outcome:
    """What a run left behind."""

    messages: list[Message_]
    all_stats: dict[str, StreamStats]
    said: str
    error: BaseException | None

    @property
    def states(self) -> list[State]:
        return [m["value"] for m in self.messages if m["type"] == "STATE"]

    @property
    def state(self) -> State:
        """The last STATE."""
        return self.states[-1]

    def versions(self, stream: str = RECEIPTS) -> set[int | None]:
        """The table versions of the records of a stream."""
        return {
            m.get("version")
            for m in self.messages
            if m["type"] == "RECORD" and m["stream"] == stream
        }

    @property
    def activated(self) -> dict[str, list[int]]:
        """The versions that were activated, by stream."""
        found: dict[str, list[int]] = {}
        for message in self.messages:
            if message["type"] == "ACTIVATE_VERSION":
                found.setdefault(message["stream"], []).append(message["version"])
        return found

    @property
    def vanished(self) -> str:
        """What became of receipts that are no more."""
        stats = self.all_stats.get(RECEIPTS)
        return stats.vanished_rows if stats else ""


def run(
    program: Program,
    state: State | None = None,
    *,
    roster: Iterable[Any] | None = None,
    now: datetime = NOW,
    life: int | None = None,
    streams: Iterable[str] = (RECEIPTS,),
    catalog: dict[str, Any] | None = None,
    **config: Any,
) -> Outcome:
    """Run the tap, which forgets what has vanished unless told otherwise.

    Args:
        program: what it reads.
        state: of an earlier run.
        roster: its members; all that the program knows if not given.
        now: its present.
        life: messages after which it dies.
        streams: what is selected.
        catalog: a catalog, in place of `streams`.
        config: settings.
    """
    writer, log = MortalWriter(life), io.StringIO()
    members = sorted(program.receipts) if roster is None else sorted(roster)
    defaults = {
        "api_key": "not-a-secret",
        "client_id": "512",
        "user_ids": members,
        "max_concurrency": 1,
        "max_retries": 0,
        "checkpoint_interval": 0,
        "max_missing_ratio": 1,
        "vanished_rows": "forget",
    }

    error: BaseException | None = None
    with process_untouched(), redirect_stdout(io.StringIO()):
        tap = tap_at(now, program)(
            config=defaults | config,
            state=json.loads(json.dumps(state or {})),
            catalog=catalog or select(*streams),
            message_writer=writer,
        )
        with _logged(tap.logger, log):
            try:
                tap.sync()
            except (CrashError, TapError) as raised:
                error = raised
    return Outcome(writer.messages, tap.run.all_stats, log.getvalue(), error)


@contextmanager
def _logged(logger: logging.Logger, log: io.StringIO) -> Iterator[None]:
    """Write what is logged from INFO on into a text."""
    handler, level = logging.StreamHandler(log), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class Target:
    """A table for each stream, with versions, as Singer's targets keep them.

    Args:
        hard: whether rows of older versions are deleted, or marked as deleted.
        forgets_unversioned: whether rows without any version are older than all others, as
            target-postgres has it, or are never forgotten, as in the SDK's own sink.
    """

    def __init__(self, *, hard: bool = False, forgets_unversioned: bool = True) -> None:
        self.hard = hard
        self.forgets_unversioned = forgets_unversioned
        self._tables: dict[str, dict[Key, tuple[int | None, bool]]] = {}

    def load(self, messages: Iterable[Message_]) -> None:
        """Take in messages, in order."""
        for message in messages:
            table = self._tables.setdefault(message.get("stream", ""), {})
            if message["type"] == "RECORD":
                key = tuple(message["record"][name] for name in KEYS[message["stream"]])
                table[key] = (message.get("version"), False)
            elif message["type"] == "ACTIVATE_VERSION":
                for key, (version, _) in list(table.items()):
                    if self._is_older(version, message["version"]):
                        table[key] = (version, True)
                        if self.hard:
                            del table[key]

    def _is_older(self, version: int | None, active: int) -> bool:
        return self.forgets_unversioned if version is None else version < active

    def rows(self, stream: str = RECEIPTS) -> set[Key]:
        """The keys of the rows that are not deleted."""
        return {key for key, (_, gone) in self._tables.get(stream, {}).items() if not gone}
