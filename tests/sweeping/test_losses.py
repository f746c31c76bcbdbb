"""Ways in which rows could get lost between runs, one by one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.harness import entry_of, select
from support.mortal_writer import CrashError
from support.scripted_host import DAY, NOW, Host, purchases, run
from typing_extensions import override

from tap_crowdtwist.api.transport import Response
from tap_crowdtwist.errors import IncompleteError, SettingError, TapError

if TYPE_CHECKING:
    from requests.auth import AuthBase


class Nobody(Host):
    """Another tenant: it knows none of the members."""

    @override
    def get(self, url: str, auth: AuthBase) -> Response:
        return Response(404, {}, b'{"error": "page_not_found", "message": "?"}')


@pytest.mark.parametrize("members", [3, 250])
def test_members_asked_at_the_wrong_tenant_are_asked_again(members: int) -> None:
    wrong = run(Nobody({}, set()), range(1, members + 1))
    assert isinstance(wrong.error, SettingError)
    mended = run(Host(purchases(*range(1, members + 1)), set()), range(1, members + 1), wrong.state)
    assert mended.error is None
    assert len(mended.bought) == members


def test_a_sweep_of_hashed_names_is_not_resumed_under_another_key() -> None:
    everybody = [f"m{n}@x.test" for n in range(9)]
    settings: dict[str, Any] = {"id_type": "email", "sensitive_data": "hash"}
    first = run(Nobody({}, set()), everybody, hash_key="a" * 20, max_missing_ratio=1, **settings)
    assert first.error is None
    second = run(Nobody({}, set()), everybody, first.state, hash_key="b" * 20, **settings)
    assert isinstance(second.error, TapError)
    assert "`hash_key`" in str(second.error)


def test_an_owed_member_is_read_from_the_earlier_of_two_bounds() -> None:
    everything = purchases(1, 2)
    owed = run(Host(everything, {1}), [1, 2], start_date="2026-01-01")
    assert isinstance(owed.error, IncompleteError)
    catalog = select("purchases")
    entry_of(catalog, "purchases").update(replication_method="FULL_TABLE", replication_key=None)
    whole = run(
        Host(everything, set()), [1, 2], owed.state, catalog=catalog, start_date="2019-01-01"
    )
    assert sorted(whole.bought) == ["p1", "p2"]


def test_a_failed_member_that_leaves_the_roster_is_not_retried() -> None:
    host = Host(purchases(1, 2), {1})
    failed = run(host, [1, 2])
    assert isinstance(failed.error, IncompleteError)
    later = run(host, [2], failed.state)
    assert later.error is None
    assert "sweep" not in later.state["bookmarks"]["purchases"]


def test_who_leaves_during_a_sweep_and_comes_back_is_new() -> None:
    host = Host(purchases(*range(1, 10)), set())
    cut = run(host, range(1, 10), life=6)
    assert isinstance(cut.error, CrashError)
    without = run(host, [n for n in range(1, 10) if n != 8], cut.state)
    again = run(host, range(1, 10), without.state, now=NOW + DAY)
    assert set(cut.bought + without.bought + again.bought) == {f"p{n}" for n in range(1, 10)}


def test_a_full_table_sweep_that_ends_as_an_incremental_one_knows_nobody() -> None:
    host = Host(purchases(1, 2, 3), set())
    catalog = select("purchases")
    entry_of(catalog, "purchases").update(replication_method="FULL_TABLE", replication_key=None)
    cut = run(host, [1, 2, 3], life=4, catalog=catalog)
    finished = run(host, [1, 2, 3], cut.state)
    joined = run(Host(purchases(1, 2, 3, 9), set()), [1, 2, 3, 9], finished.state, now=NOW + DAY)
    assert "p9" in joined.bought


def test_a_bookmark_from_a_clock_that_was_wrong_is_refused() -> None:
    host = Host(purchases(1), set())
    ahead = run(host, [1], now=NOW + 60 * DAY)
    later = run(host, [1], ahead.state, now=NOW + 30 * DAY)
    assert isinstance(later.error, TapError)
    assert "lies in the future" in str(later.error)


def test_a_state_of_another_shard_is_refused_even_where_a_run_goes_on() -> None:
    host = Host(purchases(*range(1, 20)), set())
    whole = run(host, range(1, 20), shard="1/2")
    marked = next(
        message["value"]
        for message in whole.messages
        if message["type"] == "STATE"
        and "completed_at" in message["value"]["bookmarks"]["purchases"]
    )
    other = run(host, range(1, 20), marked, shard="2/2")
    assert isinstance(other.error, TapError)
    assert "Setting `shard`" in str(other.error)


class Lacking(Host):
    """A program that says of some members that it lacks the resource."""

    def __init__(self, everything: dict[int, Any], lacking: set[int], code: str) -> None:
        super().__init__(everything, set())
        self._lacking = lacking
        self._code = code

    @override
    def get(self, url: str, auth: AuthBase) -> Response:
        if any(f"/users/{member}/" in url for member in self._lacking):
            status = 403 if self._code == "access_denied" else 500
            return Response(status, {}, json.dumps({"error": self._code, "message": "x"}).encode())
        return super().get(url, auth)


@pytest.mark.parametrize("code", ["access_denied", "not_configured"])
def test_some_members_who_lack_a_resource_do_not_speak_for_the_program(code: str) -> None:
    everybody = range(1, 61)
    host = Lacking(purchases(*everybody), set(range(2, 32)), code)
    first = run(host, everybody)
    assert isinstance(first.error, IncompleteError)
    assert first.bought == ["p1", *(f"p{n}" for n in range(32, 61))]
    second = run(Host(purchases(*everybody), set()), everybody, first.state, now=NOW + DAY)
    assert second.bought[-30:] == [f"p{n}" for n in range(2, 32)]
    assert second.error is None


@pytest.mark.parametrize("code", ["access_denied", "not_configured"])
def test_a_stream_that_the_first_25_members_lack_is_given_up_and_read_in_full_later(
    code: str,
) -> None:
    everybody = range(1, 61)
    owed = run(Host(purchases(*everybody, day="2026-02-27"), {7}), everybody)
    everything = purchases(*everybody, day="2026-02-28")
    lacking = Lacking(everything, set(everybody), code)
    catalog = select("purchases", "user_activities")
    refused = run(lacking, everybody, owed.state, now=NOW + DAY, catalog=catalog)
    assert isinstance(refused.error, IncompleteError)
    assert "deselect the stream" in str(refused.error)
    kept, before = (
        outcome.state["bookmarks"]["purchases"]["replication_key_value"]
        for outcome in (refused, owed)
    )
    assert kept == before
    after = run(Host(everything, set()), everybody, refused.state, now=NOW + 2 * DAY)
    assert after.error is None
    assert sorted(after.bought) == sorted(f"p{member}" for member in everybody)


def test_who_is_owed_stays_owed_while_the_program_seems_to_lack_the_resource() -> None:
    everybody = [1, 2, 3]
    owed = run(Host(purchases(*everybody), {1}), everybody)
    lacking = Lacking(purchases(*everybody), {1, 2, 3}, "not_configured")
    meanwhile = run(lacking, everybody, owed.state, now=NOW + DAY)
    after = run(Host(purchases(*everybody), set()), everybody, meanwhile.state, now=NOW + 2 * DAY)
    assert "p1" in after.bought


def test_members_who_are_gone_say_nothing_of_what_the_program_has() -> None:
    living = range(2, 152)
    lacking = Lacking(purchases(*living), set(living), "access_denied")  # 1 is not known at all
    first = run(lacking, [1, *living])
    assert "deselect the stream" in str(first.error)
    assert not first.bought


def test_one_empty_word_with_200_is_no_lack_of_purchases() -> None:
    class Glitch(Host):
        @override
        def get(self, url: str, auth: AuthBase) -> Response:
            if "/users/2/" in url:
                return Response(200, {}, b'{"error": "page_not_found", "message": "?"}')
            return super().get(url, auth)

    outcome = run(Glitch(purchases(1, 2, 3), set()), [1, 2, 3])
    assert isinstance(outcome.error, IncompleteError)
    assert outcome.state["bookmarks"]["purchases"]["sweep"]["failed"]["count"] == 1


def test_a_stream_that_is_given_up_does_not_take_the_others_with_it() -> None:
    class NoPurchases(Host):
        asked: set[str]

        @override
        def get(self, url: str, auth: AuthBase) -> Response:
            self.asked.add("purchases" if "purchases" in url else "other")
            if "purchases" in url and "/users/1/" not in url:
                return Response(502, {}, b"<html>")
            return Response(200, {}, b"[]")

    host = NoPurchases({}, set())
    host.asked = set()
    outcome = run(
        host, range(1, 9), catalog=select("purchases", "user_activities"), max_failed_members=2
    )
    assert host.asked == {"purchases", "other"}
    assert isinstance(outcome.error, IncompleteError)
    assert "more than `max_failed_members`" in str(outcome.error)
    assert "after" not in outcome.state["bookmarks"]["user_activities"].get("sweep", {})


def test_nothing_else_is_tried_where_nothing_at_all_answers() -> None:
    class Down(Host):
        @override
        def get(self, url: str, auth: AuthBase) -> Response:
            return Response(502, {}, b"<html>")

    catalog = select("purchases", "user_activities")
    outcome = run(Down({}, set()), range(1, 9), catalog=catalog, max_failed_members=2)
    assert isinstance(outcome.error, IncompleteError)
    assert {m["stream"] for m in outcome.messages if m["type"] == "SCHEMA"} == {"purchases"}


def test_who_is_new_and_failed_in_a_sweep_that_is_not_resumed_is_read_from_the_start() -> None:
    first = run(Host(purchases(3, 38), set()), [3, 38])
    everybody = purchases(3, 17, 38)
    killed = run(Host(everybody, {17}), [3, 17, 38], first.state, now=NOW + 9 * DAY, life=4)
    assert isinstance(killed.error, CrashError)
    sweep = killed.state["bookmarks"]["purchases"]["sweep"]
    assert sweep["failed"]["count"] == 1
    sweep["check"] += 1  # a merge of states has mixed it with another one
    after = run(Host(everybody, set()), [3, 17, 38], killed.state, now=NOW + 18 * DAY)
    assert after.error is None
    assert "p17" in after.bought
