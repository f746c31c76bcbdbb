"""What a run asks for, given what the runs before it left in the state."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pytest
from support.harness import (
    DAY,
    INCREMENTAL,
    PRESENT,
    canonical,
    entry_of,
    queries,
    run_tap,
    sandbox,
    select,
)

if TYPE_CHECKING:
    from crowdtwist_sandbox import Sandbox

ADA, BEN, CLO = MEMBERS = [1000010, 1000024, 1000031]
HEAVY = 1000094
BOOKMARK = "2026-03-08T14:30:00Z"
STREAMS = list(INCREMENTAL)


def seeded(stream: str, bookmark: str = BOOKMARK, **more: Any) -> dict[str, Any]:
    """A state with the bookmark of one stream."""
    entry = {"replication_key": INCREMENTAL[stream], "replication_key_value": bookmark}
    return {"bookmarks": {stream: entry | more}}


def bounds(world: Sandbox) -> list[dict[str, str]]:
    """The date parameters of each request."""
    return [
        {name: value for name, value in query.items() if name.startswith("date_")}
        for _, _, query in queries(world)
    ]


def members(world: Sandbox) -> list[int]:
    """Whom each request was about."""
    return [int(path.split("/users/")[1].split("/")[0]) for _, path, _ in queries(world)]


def seconds(instant: str) -> str:
    moment = datetime.fromisoformat(instant.replace("Z", "+00:00"))
    return str(int(moment.timestamp()))


def test_purchases_are_asked_for_from_a_day_on_without_an_end(world: Sandbox) -> None:
    run_tap(world, "purchases", state=seeded("purchases"), user_ids=[ADA])
    assert queries(world) == [
        ("pos", f"/users/{ADA}/purchases", {"date_start": "2026-03-01", "page": "1"})
    ]


def test_activity_history_is_asked_for_by_unix_seconds_with_both_ends(world: Sandbox) -> None:
    state = seeded("user_activity_history")
    run_tap(world, "user_activity_history", state=state, user_ids=[ADA])
    ((host, path, query),) = queries(world)
    assert (host, path) == ("api", f"/v2.1/users/{ADA}/activity_history")
    assert query == {
        "date_start": seconds("2026-03-01T14:30:00Z"),
        "date_end": seconds("2026-03-12T02:00:00Z"),
        "page": "1",
        "page_size": "10",
    }


def test_redemptions_are_asked_for_in_windows_of_a_year_at_most(world: Sandbox) -> None:
    run_tap(world, "redemptions", start_date="2022-06-15", user_ids=[ADA])
    windows = [
        tuple(date.fromisoformat(query[name]) for name in ("date_start", "date_end"))
        for query in sorted(bounds(world), key=str)
    ]
    assert all(timedelta() < end - start <= timedelta(days=365) for start, end in windows)
    starts, ends = zip(*windows, strict=True)
    assert starts == (date(2022, 6, 15), *ends[:-1])
    assert ends[-1] > PRESENT.date()
    assert len(windows) == 4
    assert {request["status"] for request in world.requests()} == {200}


def test_windows_that_meet_bring_no_row_twice_and_lose_none(world: Sandbox) -> None:
    result = run_tap(world, "redemptions", start_date="2019-01-01", user_ids=[HEAVY])
    true = [row for row in world.expected_rows("redemptions") if row["user_id"] == HEAVY]
    records = canonical("redemptions", result.records["redemptions"])
    assert len(records) == len(true) > 10
    newest_first = sorted(records, key=itemgetter("order_date"), reverse=True)
    assert newest_first == canonical("redemptions", true)


def test_a_bookmark_of_today_still_makes_a_window_of_redemptions(world: Sandbox) -> None:
    state = seeded("redemptions", "2026-03-11T01:59:59Z")
    run_tap(world, "redemptions", state=state, user_ids=[ADA], lookback_days=0)
    assert bounds(world) == [{"date_start": "2026-03-11", "date_end": "2026-03-12"}]


@pytest.mark.parametrize("stream", STREAMS)
def test_a_first_run_without_a_start_date_asks_for_everything(world: Sandbox, stream: str) -> None:
    result = run_tap(world, stream, user_ids=MEMBERS)
    assert bounds(world)
    assert not any(bounds(world))
    true = [row for row in world.expected_rows(stream) if row["user_id"] in MEMBERS]
    assert canonical(stream, result.records[stream]) == canonical(stream, true)


@pytest.mark.parametrize(
    ("lookback", "start_date", "date_start"),
    [
        (0, None, "2026-03-08"),
        (7, None, "2026-03-01"),
        (30, None, "2026-02-06"),
        (30, "2026-02-20", "2026-02-20"),
        (7, "2026-02-20", "2026-03-01"),
        (7, "2026-02-20T23:30:00-05:00", "2026-03-01"),
        (30, "2026-02-20T23:30:00-05:00", "2026-02-21"),
    ],
)
def test_a_run_looks_back_from_its_bookmark_but_not_before_the_start_date(
    world: Sandbox, lookback: int, start_date: str | None, date_start: str
) -> None:
    run_tap(
        world,
        "purchases",
        state=seeded("purchases"),
        user_ids=[ADA],
        lookback_days=lookback,
        start_date=start_date,
    )
    assert bounds(world) == [{"date_start": date_start}]


@pytest.mark.parametrize("stream", STREAMS)
def test_the_start_date_bounds_the_first_run(world: Sandbox, stream: str) -> None:
    some = [*MEMBERS, HEAVY]
    result = run_tap(world, stream, user_ids=some, start_date="2026-01-15")
    true = [
        row
        for row in world.expected_rows(stream)
        if row["user_id"] in some and row[INCREMENTAL[stream]] >= "2026-01-15"
    ]
    assert true
    assert canonical(stream, result.records[stream]) == canonical(stream, true)


def test_an_interrupted_sweep_goes_on_after_its_cursor_with_the_same_bounds(
    world: Sandbox,
) -> None:
    sweep = {"started_at": "2026-03-09T02:00:00Z", "since": "2026-02-01T12:00:00Z", "after": ADA}
    state = seeded("user_activity_history", "2026-02-08T12:00:00Z", sweep=sweep)
    result = run_tap(
        world, "user_activity_history", state=state, user_ids=MEMBERS, max_concurrency=1
    )
    assert list(dict.fromkeys(members(world))) == [BEN, CLO]
    bound = {
        "date_start": seconds("2026-02-01T12:00:00Z"),
        "date_end": seconds("2026-03-10T02:00:00Z"),
    }
    assert all(query == bound for query in bounds(world))
    bookmark = result.state["bookmarks"]["user_activity_history"]
    assert bookmark["replication_key_value"] == "2026-03-09T02:00:00Z"
    assert "sweep" not in bookmark


def test_a_cursor_may_name_a_member_who_has_left_the_roster(world: Sandbox) -> None:
    sweep = {"started_at": "2026-03-09T02:00:00Z", "since": "2026-02-01T12:00:00Z"}
    state = seeded("purchases", "2026-02-08T12:00:00Z", sweep={**sweep, "after": BEN - 1})
    run_tap(world, "purchases", state=state, user_ids=MEMBERS, max_concurrency=1)
    assert list(dict.fromkeys(members(world))) == [BEN, CLO]


def test_a_resumed_sweep_may_end_with_members_who_are_gone(world: Sandbox) -> None:
    gone = 1000262
    so_far = {"after": gone - 1, "asked": len(MEMBERS), "missing": 0}
    sweep = {"started_at": "2026-03-09T02:00:00Z", **so_far}
    state = {"bookmarks": {"users": {"sweep": sweep}}}
    result = run_tap(world, "users", state=state, user_ids=[*MEMBERS, gone])
    assert members(world) == [gone]
    assert "sweep" not in result.state["bookmarks"]["users"]


def test_full_table_streams_are_resumed_too(world: Sandbox) -> None:
    sweep = {"started_at": "2026-03-09T02:00:00Z", "after": BEN}
    state = {"bookmarks": {"users": {"sweep": sweep}}}
    result = run_tap(world, "users", state=state, user_ids=MEMBERS)
    assert members(world) == [CLO]
    assert "sweep" not in result.state["bookmarks"]["users"]


def test_a_full_table_read_of_an_incremental_stream_is_not_bounded_by_its_bookmark(
    world: Sandbox,
) -> None:
    catalog = select("purchases")
    entry_of(catalog, "purchases").update(replication_method="FULL_TABLE", replication_key=None)
    result = run_tap(world, catalog=catalog, state=seeded("purchases"), user_ids=MEMBERS)
    assert not any(bounds(world))
    true = [row for row in world.expected_rows("purchases") if row["user_id"] in MEMBERS]
    assert canonical("purchases", result.records["purchases"]) == canonical("purchases", true)


def incremental_users() -> dict[str, Any]:
    catalog = select("users")
    entry_of(catalog, "users").update(
        replication_method="INCREMENTAL", replication_key="date_last_updated"
    )
    return catalog


def test_users_can_be_incremental_by_when_they_were_updated(world: Sandbox) -> None:
    state = {
        "bookmarks": {
            "users": {
                "replication_key": "date_last_updated",
                "replication_key_value": "2026-03-08T00:00:00Z",
            }
        }
    }
    result = run_tap(world, catalog=incremental_users(), state=state)
    everyone = list(world.expected_rows("users"))
    wanted = [row for row in everyone if row["date_last_updated"] >= "2026-03-01T00:00:00Z"]
    assert canonical("users", result.records["users"]) == canonical("users", wanted)
    assert 0 < len(wanted) < len(everyone)
    assert len(queries(world)) == len(world.roster())
    assert result.state["bookmarks"]["users"]["replication_key_value"] == "2026-03-11T02:00:00Z"


def test_the_first_incremental_run_over_users_sends_them_all(world: Sandbox) -> None:
    result = run_tap(world, catalog=incremental_users())
    assert len(result.records["users"]) == len(list(world.expected_rows("users")))
    (schema,) = result.schemas["users"]
    assert schema["bookmark_properties"] == ["date_last_updated"]


def test_members_that_failed_are_asked_after_the_rest_and_from_the_bound_they_are_owed(
    world: Sandbox,
) -> None:
    old = seeded("purchases", "2025-06-08T00:00:00Z")
    whole = run_tap(world, "purchases", user_ids=MEMBERS, present=PRESENT - DAY)
    whole.state["bookmarks"]["purchases"] |= old["bookmarks"]["purchases"]
    world.reset()
    failed = run_tap(
        world,
        "purchases",
        state=whole.state,
        user_ids=[BEN, CLO],
        pos_url="http://127.0.0.1:1",
        code=1,
    )
    assert failed.records == {}
    later = run_tap(
        world,
        "purchases",
        state=failed.state,
        user_ids=MEMBERS,
        max_concurrency=1,
        present=PRESENT + DAY,
    )
    asked = [
        (member, query["date_start"])
        for member, query in zip(members(world), bounds(world), strict=True)
        if member != ADA
    ]
    assert list(dict.fromkeys(asked)) == [(BEN, "2025-06-01"), (CLO, "2025-06-01")]
    assert list(dict.fromkeys(members(world)))[-2:] == [BEN, CLO]
    assert "sweep" not in later.state["bookmarks"]["purchases"]


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("earlier", ["2025-06-01", None])
def test_a_start_date_that_is_moved_back_is_read_from(
    world: Sandbox, stream: str, earlier: str | None
) -> None:
    some = [*MEMBERS, HEAVY]
    state = run_tap(world, stream, user_ids=some, start_date="2026-02-15").state
    settings: dict[str, Any] = {"user_ids": some, "start_date": earlier, "lookback_days": 1}
    result = run_tap(world, stream, state=state, present=PRESENT + DAY, **settings)
    true = [
        row
        for row in world.expected_rows(stream)
        if row["user_id"] in some and row[INCREMENTAL[stream]] >= (earlier or "")
    ]
    assert canonical(stream, result.records[stream]) == canonical(stream, true)
    said = f"every member is read from that date once: {stream}"
    assert result.stderr.count(said) == 1
    world.reset()
    again = run_tap(world, stream, state=result.state, present=PRESENT + 2 * DAY, **settings)
    assert said not in again.stderr
    assert all(bounds(world)), "from the bookmark on"


def test_a_run_that_goes_on_reads_from_a_start_date_that_was_moved_back_meanwhile(
    world: Sandbox,
) -> None:
    state = run_tap(world, "purchases", user_ids=[ADA], start_date="2026-02-15").state
    state["bookmarks"]["purchases"]["completed_at"] = "2026-03-11T02:00:00Z"
    world.reset()
    run_tap(world, "purchases", state=state, user_ids=[ADA], start_date="2026-01-01")
    assert bounds(world)[0] == {"date_start": "2026-01-01"}


def test_a_roster_that_has_shrunk_by_more_than_half_is_warned_of_once(world: Sandbox) -> None:
    several = [*STREAMS, "users"]
    first = run_tap(world, *several, user_ids=[*MEMBERS, HEAVY])
    half = run_tap(world, *several, state=first.state, user_ids=[ADA, BEN], present=PRESENT + DAY)
    assert "has shrunk" not in half.stderr
    one = run_tap(world, *several, state=first.state, user_ids=[ADA], present=PRESENT + DAY)
    assert one.stderr.count("The roster has shrunk from 4 to 1 members. If that is a mistake") == 1
    later = PRESENT + 2 * DAY
    again = run_tap(world, *several, state=one.state, user_ids=[ADA], present=later)
    assert "has shrunk" not in again.stderr


@pytest.mark.parametrize(("stream", "warnings"), [("purchases", 1), ("user_rewards", 0)])
def test_no_lookback_is_warned_of_where_there_is_a_bookmark(
    world: Sandbox, stream: str, warnings: int
) -> None:
    result = run_tap(world, stream, user_ids=[ADA], lookback_days=0)
    assert result.stderr.count("Setting `lookback_days`: is 0") == warnings


def test_a_member_who_is_new_to_the_roster_is_read_from_the_start(world: Sandbox) -> None:
    first = run_tap(world, "purchases", user_ids=[BEN, CLO])
    world.reset()
    second = run_tap(
        world,
        "purchases",
        state=first.state,
        user_ids=MEMBERS,
        max_concurrency=1,
        present=PRESENT + DAY,
    )
    asked = list(zip(members(world), bounds(world), strict=True))
    bound = {"date_start": "2026-03-04"}
    assert {member for member, query in asked if query == bound} == {ADA, BEN, CLO}
    assert {member for member, query in asked if not query} == {ADA}
    true = [row for row in world.expected_rows("purchases") if row["user_id"] in MEMBERS]
    rows = first.records["purchases"] + second.records["purchases"]
    unique = {(row["user_id"], row["purchase_id_type"], row["purchase_id"]) for row in rows}
    assert len(unique) == len(true)


def test_a_full_table_run_in_between_does_not_hide_who_is_new(world: Sandbox) -> None:
    first = run_tap(world, "purchases", user_ids=[BEN])
    catalog = select("purchases")
    entry_of(catalog, "purchases").update(replication_method="FULL_TABLE", replication_key=None)
    whole = run_tap(world, catalog=catalog, state=first.state, user_ids=[BEN])
    world.reset()
    run_tap(world, "purchases", state=whole.state, user_ids=[BEN, CLO], max_concurrency=1)
    asked = list(zip(members(world), bounds(world), strict=True))
    assert {member for member, query in asked if not query} == {CLO}


@pytest.mark.parametrize("stream", STREAMS)
def test_the_bookmark_does_not_depend_on_the_rows(world: Sandbox, stream: str) -> None:
    result = run_tap(world, stream, state=seeded(stream), user_ids=[ADA], lookback_days=0)
    assert result.state["bookmarks"][stream]["replication_key_value"] == "2026-03-11T02:00:00Z"


@pytest.mark.parametrize(
    ("setting", "roster"),
    [
        ("shard", {"id_type": "id", "shard": "1/2"}),
        ("id_type", {"id_type": "email", "shard": "1/1"}),
    ],
)
def test_the_state_of_another_roster_is_refused(
    world: Sandbox, setting: str, roster: dict[str, str]
) -> None:
    state = seeded("purchases", roster=roster)
    result = run_tap(world, "purchases", state=state, user_ids=MEMBERS, code=1)
    assert f"Setting `{setting}`: the state was written with" in result.last_line
    assert queries(world) == []
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "entry",
    [
        {"sweep": {"started_at": "last night"}},
        {"sweep": ["after", 5]},
        {"replication_key": "last_date_purchased", "replication_key_value": 20260308},
    ],
)
def test_a_state_that_makes_no_sense_is_refused_in_one_sentence(
    world: Sandbox, entry: dict[str, Any]
) -> None:
    state = {"bookmarks": {"purchases": entry}}
    result = run_tap(world, "purchases", state=state, user_ids=MEMBERS, code=1)
    assert "The state cannot be read" in result.last_line
    assert "of `purchases`" in result.last_line
    assert "Traceback" not in result.stderr


def test_two_shards_ask_each_member_once_between_them(world: Sandbox) -> None:
    for shard in ("1/2", "2/2"):
        run_tap(world, "users", shard=shard)
    assert sorted(members(world)) == [int(member) for member in world.roster()]


def test_a_resource_that_some_had_before_the_interruption_is_not_taken_for_lacking() -> None:
    sweep = {"started_at": "2026-03-09T02:00:00Z", "after": BEN, "asked": 2, "missing": 0}
    state = {"bookmarks": {"user_badges": {"sweep": sweep}}}
    with sandbox(faults="not_configured=1") as running:
        result = run_tap(running, "user_badges", state=state, user_ids=MEMBERS, code=1)
    assert "1 member failed in `user_badges`" in result.last_line
    assert result.state["bookmarks"]["user_badges"]["sweep"]["failed"]["count"] == 1
