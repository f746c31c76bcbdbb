"""What the tap promises of every stream, held against a sandbox that knows the truth."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest
import requests
from jsonschema import Draft202012Validator
from support.harness import (
    API_KEY,
    DAY,
    INCREMENTAL,
    KEYS,
    MEMBER_STREAMS,
    PRESENT,
    PROGRAM_STREAMS,
    STREAMS,
    Result,
    canonical,
    key_of,
    run_tap,
    sandbox,
)

from tap_crowdtwist.config.schema import CONFIG_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crowdtwist_sandbox import Sandbox

Row = dict[str, Any]
Rows = dict[str, list[Row]]

LOOKBACK = timedelta(days=CONFIG_SCHEMA["properties"]["lookback_days"]["default"])
SECRET_FORMS = (API_KEY, quote(API_KEY, safe=""), quote_plus(API_KEY))


@dataclass
class TwoDays:
    """A sandbox's truth on two days, and what the tap made of it."""

    first: Result
    alone: Result
    second: Result
    truths: tuple[Rows, Rows]
    asked: tuple[Counter[str], Counter[str]]


@pytest.fixture(
    scope="module",
    params=[{"quirks": False}, {"quirks": True}],
    ids=["drift", "quirks"],
)
def days(request: pytest.FixtureRequest) -> TwoDays:
    with sandbox(members=60, drift=True, **request.param) as running:

        def truth() -> Rows:
            return {stream: list(running.expected_rows(stream)) for stream in STREAMS}

        def asked() -> Counter[str]:
            rows = running.counts()["requests"]
            return Counter({row["endpoint"]: row["count"] for row in rows if row["status"] == 200})

        alone = run_tap(running, *STREAMS, max_concurrency=1)
        running.reset()
        first = run_tap(running, *STREAMS, max_concurrency=16)
        truths = [truth()]
        counts = [asked()]
        running.advance(1)
        running.reset()
        second = run_tap(running, *STREAMS, state=first.state, present=PRESENT + DAY)
        truths.append(truth())
        counts.append(asked())
    return TwoDays(first, alone, second, (truths[0], truths[1]), (counts[0], counts[1]))


@pytest.mark.parametrize("stream", STREAMS)
def test_keys_are_unique_and_not_null(days: TwoDays, stream: str) -> None:
    for result in (days.first, days.second):
        keys = [key_of(stream, record) for record in result.records[stream]]
        assert keys
        assert None not in [value for key in keys for value in key]
        assert [key for key, count in Counter(keys).items() if count > 1] == []


@pytest.mark.parametrize("stream", STREAMS)
def test_records_are_valid_against_the_schema_sent_before_them(days: TwoDays, stream: str) -> None:
    for result in (days.first, days.second):
        (message,) = result.schemas[stream]
        assert message["key_properties"] == list(KEYS[stream])
        validator = Draft202012Validator(
            message["schema"], format_checker=Draft202012Validator.FORMAT_CHECKER
        )
        faults = [
            (list(error.absolute_path), error.message)
            for record in result.records[stream]
            for error in validator.iter_errors(record)
        ]
        assert faults == []


@pytest.mark.parametrize(
    ("form", "wrong"),
    [("date-time", "2026-02-30T00:00:00Z"), ("date-time", "2026-02-03"), ("date", "2026-2-3")],
)
def test_formats_are_really_checked(form: str, wrong: str) -> None:
    validator = Draft202012Validator(
        {"type": "string", "format": form}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    assert not validator.is_valid(wrong)


@pytest.mark.parametrize("stream", STREAMS)
def test_rows_are_the_truth_value_by_value_and_in_its_order(days: TwoDays, stream: str) -> None:
    true = canonical(stream, days.truths[0][stream])
    assert canonical(stream, days.first.records[stream]) == true


@pytest.mark.parametrize("stream", STREAMS)
def test_both_runs_together_hold_the_truth_of_both_days(days: TwoDays, stream: str) -> None:
    emitted = days.first.records[stream] + days.second.records[stream]
    true = union(stream, days.truths[0][stream] + days.truths[1][stream])
    assert union(stream, emitted) == true
    assert len({key_of(stream, record) for record in emitted}) == len(true)


@pytest.mark.parametrize("stream", INCREMENTAL)
def test_the_second_run_sends_the_lookback_window_and_nothing_older(
    days: TwoDays, stream: str
) -> None:
    bound = PRESENT - LOOKBACK
    since = (bound if stream == "user_activity_history" else bound.replace(hour=0)).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
    window = [row for row in days.truths[1][stream] if row[INCREMENTAL[stream]] >= since]
    assert window
    assert len(window) < len(days.truths[1][stream])
    assert canonical(stream, days.second.records[stream]) == canonical(stream, window)


@pytest.mark.parametrize("stream", [s for s in STREAMS if s not in INCREMENTAL])
def test_the_second_run_sends_full_tables_whole(days: TwoDays, stream: str) -> None:
    true = canonical(stream, days.truths[1][stream])
    assert canonical(stream, days.second.records[stream]) == true


@pytest.mark.parametrize("endpoint", ["/v2.1/users/{id}/activity_history", "/users/{id}/purchases"])
def test_the_second_run_asks_for_fewer_pages_of_history(days: TwoDays, endpoint: str) -> None:
    first, second = (asked[endpoint] for asked in days.asked)
    members = len(days.truths[1]["users"])
    assert members <= second < first


@pytest.mark.parametrize("stream", STREAMS)
def test_each_stream_has_one_schema_and_it_comes_first(days: TwoDays, stream: str) -> None:
    for result in (days.first, days.second):
        kinds = [message["type"] for message in result.messages if message.get("stream") == stream]
        assert kinds[0] == "SCHEMA"
        assert kinds.count("SCHEMA") == 1


def test_no_secret_is_in_any_output(days: TwoDays) -> None:
    for result in (days.first, days.alone, days.second):
        for text in (result.stdout, result.stderr):
            for secret in ("CANARY-", "CODE-", "COUPON-", *SECRET_FORMS):
                assert secret not in text


def test_there_were_secrets_to_leak(world: Sandbox) -> None:
    paths = ("users/{}", "users/{}/usable_coupons")
    key = {"X-CT-Authorization": f"CTApiKey {API_KEY}"}
    sent = "".join(
        requests.get(f"{world.api_url}/v2/{path.format(user_id)}", headers=key, timeout=10).text
        for user_id in world.roster()
        for path in paths
    )
    assert "CANARY-" in sent
    assert "COUPON-" in sent


def test_one_request_at_a_time_writes_what_sixteen_write(days: TwoDays) -> None:
    assert timeless(days.alone.messages) == timeless(days.first.messages)


@pytest.mark.parametrize("stream", PROGRAM_STREAMS)
def test_program_streams_replace_the_table(days: TwoDays, stream: str) -> None:
    messages = [m for m in days.first.messages if m.get("stream") == stream]
    records, last = messages[1:-1], messages[-1]
    assert last["type"] == "ACTIVATE_VERSION"
    assert {record["version"] for record in records} == {last["version"]}


@pytest.mark.parametrize("stream", MEMBER_STREAMS)
def test_member_streams_never_replace_the_table(days: TwoDays, stream: str) -> None:
    messages = [m for m in days.first.messages if m.get("stream") == stream]
    assert {message["type"] for message in messages} == {"SCHEMA", "RECORD"}
    assert not any("version" in message for message in messages)


def test_the_state_holds_one_entry_per_stream_and_64_kb_at_most(days: TwoDays) -> None:
    for result in (days.first, days.second):
        assert set(result.state["bookmarks"]) == set(STREAMS)
        assert len(json.dumps(result.state)) < 64 * 1024
        assert "progress_markers" not in json.dumps(result.state)


def test_the_bookmark_is_the_start_of_the_sweep(days: TwoDays) -> None:
    for result, start in (
        (days.first, "2026-03-11T02:00:00Z"),
        (days.second, "2026-03-12T02:00:00Z"),
    ):
        for stream, key in INCREMENTAL.items():
            bookmark = result.state["bookmarks"][stream]
            assert bookmark["replication_key"] == key
            assert bookmark["replication_key_value"] == start
            assert "sweep" not in bookmark


def union(stream: str, rows: Iterable[Row]) -> list[Row]:
    """Rows by key, the later one of two with the same key.

    Rows whose id the tap has to make up have no key in the truth; there, equal rows are the same.
    """
    found: dict[str, Row] = {}
    for row in canonical(stream, rows):
        key = [row.get(name) for name in KEYS[stream]]
        found[json.dumps(row if None in key else key, sort_keys=True)] = row
    return [found[key] for key in sorted(found)]


def timeless(messages: Iterable[Row]) -> list[Row]:
    """Messages without when they were made."""
    return [
        {
            name: value
            for name, value in message.items()
            if name not in {"time_extracted", "version"}
        }
        for message in messages
    ]
