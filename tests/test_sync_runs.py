"""The stream of runs tells what each run read, and never calls complete what is not."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from support.harness import (
    DAY,
    MEMBER_STREAMS,
    PRESENT,
    PROGRAM_STREAMS,
    STREAMS,
    queries,
    run_tap,
    sandbox,
    select,
)

from tap_crowdtwist.api.endpoints import Host
from tap_crowdtwist.schemas import is_credential_name
from tap_crowdtwist.state import failed_members
from tap_crowdtwist.streams import API_STREAMS, runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.harness import Result

    from crowdtwist_sandbox import Sandbox

RUNS = "sync_runs"
COUNTS = ("roster_members", "asked", "missing", "deleted", "failed", "records", "rejected_rows")
FEW = ("activities", "points_expiration", "purchases", "users")
"""A program stream, full tables and an incremental stream, in the order in which they are read."""

Row = dict[str, Any]


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    with sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def whole(world: Sandbox) -> Result:
    """A run that reads everything."""
    world.reset()
    return run_tap(world, *STREAMS, RUNS)


def rows_of(result: Result) -> dict[str, Row]:
    """The rows of a run, by stream."""
    return {row["stream"]: row for row in result.records[RUNS]}


def complete(result: Result) -> set[str]:
    return {stream for stream, row in rows_of(result).items() if row["is_complete"]}


def test_a_row_counts_what_the_run_wrote_and_what_the_host_was_asked(
    world: Sandbox, whole: Result
) -> None:
    rows = rows_of(whole)
    assert set(rows) == set(STREAMS)
    asked = Counter(stream_of(host, path) for host, path, _ in queries(world))
    missing = len(world.roster()) - len(list(world.expected_rows("users")))
    for stream, row in rows.items():
        assert row["records"] == len(whole.records[stream])
        assert row["requests"] == asked[stream]
        is_swept = stream in MEMBER_STREAMS
        assert row["asked"] == (len(world.roster()) if is_swept else 0)
        assert row["missing"] == (missing if is_swept else 0)
        assert (row["roster_members"], row["is_resumed"]) == (row["asked"] or None, False)
        assert (row["is_complete"], row["incomplete_reason"]) == (True, None)


def stream_of(host: str, path: str) -> str:
    """The stream that a request is for."""
    for stream in API_STREAMS:
        endpoint = stream.endpoint
        pattern = re.escape(endpoint.path).replace(r"\{id\}", "[^/]+")
        if (endpoint.host is Host.POS) is (host == "pos") and re.fullmatch(f".*{pattern}", path):
            return stream.name
    raise ValueError(path)


def test_rows_come_after_all_that_they_count_and_before_the_last_state(whole: Result) -> None:
    kinds = [(message["type"], message.get("stream")) for message in whole.messages]
    first = kinds.index(("RECORD", RUNS))
    assert kinds.count(("SCHEMA", RUNS)) == 1
    assert {kind for kind in kinds[first:] if kind[0] != "STATE"} == {("RECORD", RUNS)}
    assert kinds[-1][0] == "STATE"


def test_all_rows_of_a_run_share_its_id_and_another_run_has_another(
    world: Sandbox, whole: Result
) -> None:
    (first,) = {row["run_id"] for row in rows_of(whole).values()}
    (second,) = {row["run_id"] for row in rows_of(run_tap(world, "users", RUNS)).values()}
    assert len(first) == len(second) == 32
    assert first != second


def test_it_adds_no_bookmark(whole: Result) -> None:
    assert not whole.state["bookmarks"].get(RUNS)


def test_selected_alone_it_has_no_rows_and_says_why(world: Sandbox) -> None:
    result = run_tap(world, RUNS, user_ids=None)
    assert not result.records
    assert "sync_runs has no rows, since they are about the other streams" in result.stderr


def test_unknown_properties_are_counted_by_name_except_credentials(whole: Result) -> None:
    rows = rows_of(whole)
    counted = {
        stream: {each["name"]: each["count"] for each in row["unknown_properties"] or ()}
        for stream, row in rows.items()
    }
    extra: dict[str, Counter[str]] = {
        stream: Counter(
            name for row in whole.records[stream] for name in row["additional_properties"] or ()
        )
        for stream in STREAMS
    }
    assert any(extra.values())
    for stream in STREAMS:
        assert extra[stream].items() <= counted[stream].items()
    names = {name for names in counted.values() for name in names}
    assert "(withheld)" in names
    assert not any(map(is_credential_name, names))


@pytest.mark.parametrize("id_type", ["id", "email", "username"])
@pytest.mark.parametrize("mode", ["keep", "hash"])
def test_no_id_of_a_member_is_in_it(world: Sandbox, id_type: str, mode: str) -> None:
    key: Row = {"hash_key": "0123456789abcdef0123456789abcdef"} if mode == "hash" else {}
    roster = world.roster(id_type)
    with sandbox(faults="bad_gateway@20") as faulty:
        settings: Row = {"id_type": id_type, "sensitive_data": mode, "deleted_members": "tombstone"}
        result = run_tap(faulty, "users", "purchases", RUNS, code=1, **settings, **key)
    rows = result.records[RUNS]
    assert any(row["failed"] for row in rows)
    text = json.dumps([{**row, "run_id": ""} for row in rows])
    assert not [member for member in (*roster, *world.roster()) if str(member) in text]


def test_shards_add_up_to_a_run_of_all(world: Sandbox, whole: Result) -> None:
    parts = [rows_of(run_tap(world, *STREAMS, RUNS, shard=f"{n}/3")) for n in (1, 2, 3)]
    assert [{row["shard"] for row in part.values()} for part in parts] == [
        {"1/3"},
        {"2/3"},
        {"3/3"},
    ]
    for stream, row in rows_of(whole).items():
        of_parts = [part[stream] for part in parts]
        assert all(part["is_complete"] for part in of_parts)
        for name in COUNTS:
            assert sum(part[name] or 0 for part in of_parts) == (row[name] or 0), (stream, name)
        skipped = [None, "the first shard reads it", "the first shard reads it"]
        expected = skipped if stream in PROGRAM_STREAMS else [None] * 3
        assert [part["skip_reason"] for part in of_parts] == expected


def test_a_failed_member_makes_only_its_stream_incomplete_until_it_was_read(
    world: Sandbox,
) -> None:
    with sandbox(faults="bad_gateway@45") as faulty:
        failed = run_tap(faulty, *FEW, RUNS, code=1)
    (stream,) = set(FEW) - complete(failed)
    row = rows_of(failed)[stream]
    assert (row["failed"], row["incomplete_reason"]) == (1, "members failed")

    again = run_tap(world, *FEW, RUNS, state=failed.state, present=PRESENT + DAY)
    assert complete(again) == set(FEW)


def test_requests_sent_again_are_counted_where_they_were_sent() -> None:
    with sandbox(faults="rate_limited:0@2,bad_gateway@50") as faulty:
        result = run_tap(faulty, *FEW, RUNS, max_retries=3, max_concurrency=1)
    rows = rows_of(result)
    assert complete(result) == set(FEW)
    assert {name: row["rate_limited"] for name, row in rows.items() if row["rate_limited"]} == {
        "activities": 1
    }
    assert sum(row["retried"] for row in rows.values()) == 2


def test_a_run_that_cannot_go_on_is_incomplete_from_there() -> None:
    with sandbox(faults="invalid_auth@70") as faulty:
        result = run_tap(faulty, *FEW, RUNS, code=1, max_concurrency=1)
    reasons = {stream: row["incomplete_reason"] for stream, row in rows_of(result).items()}
    assert reasons == {
        "activities": None,
        "points_expiration": None,
        "purchases": "the run ended with an error",
        "users": "the run ended with an error",
    }


def test_a_resumed_run_says_that_its_counts_are_a_part_and_when_the_sweep_began(
    world: Sandbox,
) -> None:
    with sandbox(faults="invalid_auth@70") as faulty:
        first = run_tap(faulty, *FEW, RUNS, code=1, max_concurrency=1)
    later = PRESENT + DAY / 48
    second = run_tap(world, *FEW, RUNS, state=first.state, present=later)

    assert complete(second) == set(FEW)
    rows = rows_of(second)
    began, resumed = "2026-03-11T02:00:00Z", "2026-03-11T02:30:00Z"
    assert {row["begun_at"] for row in rows.values()} == {resumed}
    done, part, new = (rows[name] for name in ("points_expiration", "purchases", "users"))
    assert (done["sweep_started_at"], part["sweep_started_at"]) == (began, began)
    assert new["sweep_started_at"] == resumed
    assert [row["is_resumed"] for row in (done, part, new)] == [True, True, False]
    assert done["skip_reason"] == "complete since the interrupted run"
    assert done["asked"] == 0
    for name in ("asked", "records", "missing"):
        halves = rows_of(first)["purchases"][name] + part[name]
        assert halves == rows_of(run_tap(world, "purchases", RUNS))["purchases"][name]


@pytest.mark.parametrize("stream", ["points_expiration", "purchases"])
def test_a_resumed_run_with_another_roster_is_incomplete(world: Sandbox, stream: str) -> None:
    roster = world.roster()
    with sandbox(faults="invalid_auth@30") as faulty:
        first = run_tap(
            faulty, stream, RUNS, code=1, max_concurrency=1, user_ids=[*roster[:3], *roster[4:]]
        )
    second = run_tap(world, stream, RUNS, state=first.state)
    assert rows_of(second)[stream]["incomplete_reason"] == (
        "the roster changed while the sweep was interrupted"
    )
    third = run_tap(world, stream, RUNS, state=second.state, present=PRESENT + DAY)
    assert complete(third) == {stream}


@pytest.mark.parametrize("stream", ["points_expiration", "purchases"])
def test_a_stream_completed_before_the_interruption_with_another_roster_is_incomplete(
    world: Sandbox, stream: str
) -> None:
    roster = world.roster()
    with sandbox(faults="invalid_auth@70") as faulty:
        settings: Row = {"max_concurrency": 1, "user_ids": [*roster[:3], *roster[4:]]}
        first = run_tap(faulty, stream, "users", RUNS, code=1, **settings)
    assert complete(first) == {stream}
    second = run_tap(world, stream, "users", RUNS, state=first.state)
    assert rows_of(second)[stream]["skip_reason"] == "complete since the interrupted run"
    assert not rows_of(second)[stream]["is_complete"]


def test_a_sweep_with_more_failed_members_than_the_state_lists_is_incomplete(
    world: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failed_members, "MAX_FAILED_MEMBERS", 2)
    failing = ",".join(f"bad_gateway@{request}" for request in (5, 7, 9, 11))
    with sandbox(faults=f"{failing},invalid_auth@30") as faulty:
        first = run_tap(faulty, "purchases", RUNS, code=1, max_concurrency=1)
    second = run_tap(world, "purchases", RUNS, state=first.state, code=1)
    assert "more members failed than the state can list" in second.last_line
    assert not rows_of(second)["purchases"]["is_complete"]


def test_a_wrong_roster_is_incomplete(world: Sandbox) -> None:
    result = run_tap(world, "users", RUNS, user_ids=list(range(1, 300)), code=1)
    row = rows_of(result)["users"]
    assert row["incomplete_reason"] == "CrowdTwist does not know too many members of the roster"
    assert row["missing"] == row["asked"] > 0


def test_a_resource_that_the_program_lacks_is_complete_and_skipped() -> None:
    with sandbox(receipt_scanning=False) as lacking:
        result = run_tap(lacking, "receipts", "users", RUNS)
    row = rows_of(result)["receipts"]
    assert (row["is_complete"], row["skip_reason"]) == (True, "the program lacks the resource")


def test_an_old_catalog_without_it_reads_as_before(world: Sandbox) -> None:
    entries = select("users")["streams"]
    catalog = {"streams": [entry for entry in entries if entry["tap_stream_id"] != RUNS]}
    assert RUNS not in run_tap(world, catalog=catalog).schemas


def test_files_alone_need_no_key_and_one_that_is_left_out_is_incomplete(
    world: Sandbox, tmp_path: Path
) -> None:
    feed = "batch_activity_credits"
    alone: Row = dict.fromkeys(("api_key", "api_url", "pos_url", "user_ids"))
    alone["batch_activity_path"] = str(tmp_path)
    world.write_batch_activity(tmp_path, 0)
    row = rows_of(run_tap(world, feed, RUNS, **alone))[feed]
    assert row["records"] > 0
    assert (row["is_complete"], row["requests"], row["roster_members"]) == (True, 0, None)

    (file,) = tmp_path.iterdir()
    file.rename(f"{file}.gz")  # which it is not
    row = rows_of(run_tap(world, feed, RUNS, code=1, **alone))[feed]
    assert row["incomplete_reason"] == "files were left out or read in part"


def test_names_of_properties_that_contain_an_id_are_withheld() -> None:
    counts = {"member_10001": 1, "a@b.example": 2, "session_token": 3, "new_property_2": 4}
    assert runs.listed(counts) == [
        {"name": "(withheld)", "count": 6},
        {"name": "new_property_2", "count": 4},
    ]
    assert runs.listed(counts, withhold=True) == [{"name": "(withheld)", "count": 10}]
    assert runs.listed({}) is None


def test_a_row_names_whom_the_sweep_asked(tmp_path: Path) -> None:
    with sandbox(members=12) as running:
        running.write_data_push(tmp_path)
        first = run_tap(running, "activities", "users", RUNS, data_push_path=str(tmp_path))
        running.advance()
        running.write_data_push(tmp_path)
        second = run_tap(
            running,
            "activities",
            "users",
            RUNS,
            state=first.state,
            present=PRESENT + DAY,
            data_push_path=str(tmp_path),
            sweep_members="changed",
        )
    asked = [
        {stream: row["sweep_members"] for stream, row in rows_of(result).items()}
        for result in (first, second)
    ]
    assert asked == [
        {"activities": None, "users": "all"},
        {"activities": None, "users": "changed"},
    ]
