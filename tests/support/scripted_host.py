"""A tap that reads purchases out of a dictionary, and can die between any two messages."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from contextlib import redirect_stdout
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override

from support.harness import process_untouched, select, tap_at
from support.mortal_writer import CrashError, MortalWriter
from tap_crowdtwist.api.transport import NoResponseError, Response, Transport
from tap_crowdtwist.errors import TapError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from requests.auth import AuthBase

START = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
PAGE = 10
NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)
State = dict[str, Any]


class Host(Transport):
    """CrowdTwist's purchase history, answered from a dictionary."""

    def __init__(self, purchases: dict[int, list[dict[str, Any]]], failing: set[int]) -> None:
        super().__init__(1, 1, "test")
        self._purchases = purchases
        self._failing = failing

    @override
    def get(self, url: str, auth: AuthBase) -> Response:
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        found = re.fullmatch(r"/users/(\d+)/purchases", parts.path)
        assert found is not None, url
        member = int(found[1])
        if member in self._failing:
            raise NoResponseError("the connection was reset")
        if member not in self._purchases:
            return Response(404, {}, b'{"error": "page_not_found", "message": "gone"}')
        since = query.get("date_start", "")
        rows = [r for r in self._purchases[member] if r["last_date_purchased"][:10] >= since]
        page, pages = int(query["page"]), -(-len(rows) // PAGE)
        link = f"https://elsewhere.test/?page={page + 1}&api_key=x" if page < pages else None
        paging = {"total": len(rows), "pages": pages, "next_page": link, "prev_page": None}
        body = {"purchases": rows[(page - 1) * PAGE : page * PAGE], "paging": paging}
        return Response(200, {}, json.dumps(body).encode())


def purchases(*members: int, day: str = "2020-05-05") -> dict[int, list[dict[str, Any]]]:
    """One old purchase of each member."""
    return {
        member: [
            {
                "purchase_id": f"p{member}",
                "purchase_id_type": "order_id",
                "last_date_purchased": f"{day}T00:00:00Z",
            }
        ]
        for member in members
    }


@dataclasses.dataclass
class Outcome:
    """What a run left behind."""

    messages: list[dict[str, Any]]
    error: BaseException | None

    @property
    def state(self) -> State:
        state: State = [m["value"] for m in self.messages if m["type"] == "STATE"][-1]
        return state

    @property
    def bought(self) -> list[str]:
        return [m["record"]["purchase_id"] for m in self.messages if m["type"] == "RECORD"]


def run(
    host: Host,
    roster: Iterable[Any],
    state: State | None = None,
    *,
    now: datetime = NOW,
    life: int | None = None,
    catalog: dict[str, Any] | None = None,
    **settings: Any,
) -> Outcome:
    """Read purchases, in the order of the roster, writing a STATE after each member."""
    writer = MortalWriter(life)
    config = {
        "api_key": "not-a-secret",
        "client_id": "512",
        "user_ids": list(roster),
        "max_concurrency": 1,
        "max_retries": 0,
        "checkpoint_interval": 0,
    }

    error: BaseException | None = None
    with process_untouched(), redirect_stdout(io.StringIO()):
        try:
            tap = tap_at(now, host)(
                config=config | settings,
                state=json.loads(json.dumps(state or {})),
                catalog=catalog or select("purchases"),
                message_writer=writer,
            )
            tap.sync()
        except (CrashError, TapError) as raised:
            error = raised
    return Outcome(writer.messages, error)
