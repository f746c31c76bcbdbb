"""A conformance report can be attached to a public issue: no value, id, name or key is in it."""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.canaries import API_KEY, leaks
from support.conformance import conform_with

from tap_crowdtwist.conformance import report
from tap_crowdtwist.conformance.assumptions import evaluate
from tap_crowdtwist.conformance.evidence import Evidence
from tap_crowdtwist.conformance.observations import Observation
from tap_crowdtwist.streams import API_STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

CANARY = "CAnArY"
"""Begins as no name of a property does. Names that begin like one are those of one member each."""

IDS = [7_310_000_123 + 1_000_007 * number for number in range(6)]
KEYS = (
    f"{CANARY}@example.test",
    f"Ada_{CANARY}",
    f"{CANARY}",
    f"+49 {CANARY}",
    f"{CANARY} Street",
    f"code-{CANARY}",
)
"""Keys as a program may send them that uses values for keys."""

FACTS = {"version": "0", "environment": "sandbox", "auth_method": "query", "id_type": "id"}


def full_of_canaries(user_id: int) -> dict[str, Any]:
    """A row in which every value is a secret, and some keys are."""
    inner = {f"{CANARY}_{user_id}": CANARY, "address": {f"{CANARY}@b.test": [CANARY]}}
    return {
        **dict.fromkeys(KEYS, CANARY),
        f"{CANARY.lower()}_{user_id}": CANARY,
        f"{CANARY.lower()}_{'abcdef'[IDS.index(user_id)]}": CANARY,
        f"member_{user_id}": user_id,
        "id": user_id,
        "first_name": CANARY,
        "num_points": CANARY,
        "date_created": CANARY,
        "date_last_updated": 1_700_000_001,
        "custom_data": inner,
        "extra_data": json.dumps(inner),
        "tier_info": {**inner, "current_level": inner},
        "segments": [inner, CANARY, {CANARY: inner}],
        "order_id": f"{CANARY}-{user_id}",
        "order_date": "2025-01-03T01:02:03Z",
        "purchase_id": CANARY,
        "user_activity_id": CANARY,
    }


def answer_of(mode: str, path: str) -> tuple[int, bytes]:
    user_id = next((i for i in IDS if str(i) in path), IDS[0])
    row = full_of_canaries(user_id)
    link = f"https://{CANARY}.test/?page=2&api_key={CANARY}"
    paging = {"total": 31, "pages": 2, "next_page": link, CANARY: CANARY}
    key = f"{CANARY}_rows" if mode == "envelope" else "rewards"
    listing = {"paging": paging, key: [row], f"{CANARY}@list": [row]}
    is_profile = path.endswith(f"/v2/users/{user_id}")
    if mode == "error" and not is_profile:
        body: Any = {"error": CANARY, "message": CANARY, CANARY: CANARY}
    elif mode == "reason" and not is_profile:
        body = {"error": {"code": CANARY, "message": CANARY, "errors": [{"reason": CANARY}]}}
    elif mode == "text":
        return 200, f"<html>{CANARY}</html>".encode()
    else:
        names = ("activities", "purchases", "badges", "submitted_receipts")
        rows = {name: [row] for name in names} if mode == "rows" else {}
        body = row if is_profile else {**listing, **rows}
    status = 400 if mode in {"error", "reason"} and not is_profile else 200
    return status, json.dumps(body).encode()


@contextmanager
def server(mode: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = answer_of(mode, urlsplit(self.path).path)
            self.send_response(status, CANARY)
            self.send_header(f"X-RateLimit-{CANARY}", CANARY)
            self.send_header("X-RateLimit-Limit", CANARY)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}"
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["rows", "envelope", "error", "reason", "text"])
def test_no_value_id_name_or_key_gets_out(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGLEVEL", "DEBUG")
    with server(mode) as url:
        config = {"api_key": API_KEY, "api_url": url, "pos_url": url, "user_ids": IDS}
        result = conform_with(config)
    said = (result.stdout, result.stderr, result.report, result.page)
    assert result.report
    assert result.page
    assert result.stderr == ""
    for text in said:
        assert CANARY.lower() not in text.lower()
        assert not [number for number in IDS if str(number) in text]
        assert url not in text
    assert leaks(*said) == []


names = st.sampled_from([*KEYS, "id", "paging", "total", "pages", "rewards", "activities", "error"])
scalars: st.SearchStrategy[Any] = st.sampled_from(
    [CANARY, None, True, 0, -1, 10**30, 1.5, IDS[0], [], {}, "2025-01-01"]
)
payloads = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=6)
)
bodies = payloads.map(lambda payload: json.dumps(payload).encode()) | st.binary(max_size=9)


@pytest.mark.slow
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(st.data())
def test_whatever_is_answered_is_judged_without_a_value(data: st.DataObject) -> None:
    evidence = Evidence("query")

    def look(stream: Any, member: int | None = 0) -> Observation:
        status = data.draw(st.sampled_from([200, 200, 200, 204, 400, 404, 403, 500, 0]))
        return Observation(stream.endpoint, member, (), status, {CANARY: CANARY}, data.draw(bodies))

    for stream in data.draw(st.lists(st.sampled_from(API_STREAMS), min_size=1, unique=True)):
        seen = evidence.streams[stream.name]
        seen.first = [look(stream, 0), look(stream, 1)]
        seen.beyond = seen.larger = look(stream)
        seen.missing = look(stream)
        evidence.deletions = [look(stream)]
        seen.forms = {form.name: [look(stream), look(stream)] for form in stream.endpoint.forms}
        evidence.observations += seen.first
    evidence.undated = Counter(same=1)
    findings = evaluate(evidence)
    for text in (
        report.lines(findings, evidence),
        report.as_json(FACTS, findings, evidence),
        report.as_markdown(FACTS, findings, evidence),
    ):
        assert CANARY not in text
        assert str(IDS[0]) not in text
