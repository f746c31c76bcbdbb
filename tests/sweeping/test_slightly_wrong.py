"""What is wrong with one member for good stays with that member, day after day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from support.harness import select
from support.scripted_host import DAY, NOW, Host, Outcome, purchases, run
from typing_extensions import override

from tap_crowdtwist.api.errors import FatalApiError
from tap_crowdtwist.api.transport import Response
from tap_crowdtwist.errors import IncompleteError

if TYPE_CHECKING:
    from pathlib import Path

    from requests.auth import AuthBase

PAGE = b"<html><head><title>Bad Request</title></head></html>"
PARAM_ERROR = b'{"error": "param_error", "message": "?"}'


class Rejecting(Host):
    """A program that rejects the requests about some members, for good."""

    def __init__(self, everything: dict[int, Any], rejected: set[int], answer: Response) -> None:
        super().__init__(everything, set())
        self._rejected = rejected
        self._answer = answer

    @override
    def get(self, url: str, auth: AuthBase) -> Response:
        if int(urlsplit(url).path.split("/")[-2]) in self._rejected:
            return self._answer
        return super().get(url, auth)


def days(host: Host, roster: Any, number: int, **settings: Any) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for n in range(number):
        state = outcomes[-1].state if outcomes else None
        outcomes.append(run(host, roster, state, now=NOW + n * DAY, **settings))
    return outcomes


@pytest.mark.parametrize("body", [PAGE, PARAM_ERROR, b""])
@pytest.mark.parametrize(
    "status", [301, 400, 403, 405, 406, 409, 410, 413, 414, 418, 422, 423, 431, 451]
)
def test_a_rejected_request_is_the_failure_of_its_member_alone(status: int, body: bytes) -> None:
    everybody = range(1, 8)
    host = Rejecting(purchases(*everybody), {3}, Response(status, {}, body))
    for outcome in days(host, everybody, 2):
        assert isinstance(outcome.error, IncompleteError)
        said = str(outcome.error)
        assert "1 member failed in `purchases` (entry 3 of `user_ids`; last error: " in said
        assert said.endswith("). The next run retries it after the other members")
        assert outcome.state["bookmarks"]["purchases"]["sweep"]["failed"]["count"] == 1
    first = days(host, everybody, 1)[0]
    assert first.bought == [f"p{n}" for n in everybody if n != 3]
    mended = run(Host(purchases(*everybody), set()), everybody, first.state, now=NOW + DAY)
    assert mended.error is None
    assert "p3" in mended.bought


@pytest.mark.parametrize(
    ("status", "body"), [(401, PAGE), (401, b""), (403, b'{"error": "invalid_auth"}')]
)
def test_credentials_that_are_refused_end_the_run(status: int, body: bytes) -> None:
    host = Rejecting(purchases(1, 2, 3), {2}, Response(status, {}, body))
    with pytest.raises(FatalApiError, match="rejected the credentials"):
        run(host, [1, 2, 3])


def test_a_member_that_failed_is_named_by_its_line_and_never_by_its_id(tmp_path: Path) -> None:
    roster = tmp_path / "members.txt"
    roster.write_text("\n".join(map(str, range(71001, 71031))), encoding="utf-8")
    rejected = {71004, *range(71010, 71025)}
    host = Rejecting(purchases(*range(71001, 71031)), rejected, Response(400, {}, PAGE))
    outcome = run(host, [], user_ids_path=str(roster))
    said = str(outcome.error)
    assert "line 4 of 'members.txt', line 10 of 'members.txt'" in said
    assert said.count("line ") == 10
    assert "710" not in said


CHRONIC = range(100, 100 + 3 * 101, 3)


def test_chronic_failures_never_stop_the_rest() -> None:
    everybody = range(1, 601)
    host = Host(purchases(*everybody, day="2026-03-01"), set(CHRONIC))
    for outcome in days(host, everybody, 3):
        assert isinstance(outcome.error, IncompleteError)
        assert len(set(outcome.bought)) == len(everybody) - len(CHRONIC)
        entry = outcome.state["bookmarks"]["purchases"]
        assert entry["sweep"].keys() == {"failed"}
        assert entry["sweep"]["failed"]["count"] == len(CHRONIC)


def test_failures_in_a_row_stop_a_sweep_and_the_next_run_goes_on_behind_them() -> None:
    everybody = range(1, 41)
    host = Host(purchases(*everybody), set(range(11, 36)))
    first, second, third = days(host, everybody, 3, max_failed_members=10)
    assert "11 members in a row failed, more than `max_failed_members`" in str(first.error)
    assert first.bought == [f"p{n}" for n in range(1, 11)]
    assert "in a row" in str(second.error)
    assert third.bought == [f"p{n}" for n in range(36, 41)]
    mended = run(Host(purchases(*everybody), set()), everybody, third.state, now=NOW + 3 * DAY)
    assert {f"p{n}" for n in range(11, 36)} <= set(mended.bought)


@pytest.mark.slow
def test_where_too_many_fail_the_rest_is_read_and_the_bookmark_stays() -> None:
    everybody = range(1, 4301)
    failing = set(range(1, 4301, 2))
    host = Host(purchases(*everybody), failing)
    outcomes = days(host, everybody, 2, checkpoint_interval=600)
    for outcome in outcomes:
        entry = outcome.state["bookmarks"]["purchases"]
        assert len(outcome.bought) == len(everybody) - len(failing)
        assert "replication_key_value" not in entry
        assert entry["sweep"]["failed"]["count"] == 2000
        assert "more members failed than the state can list (2,000 a stream at most)" in str(
            outcome.error
        )
    mended = run(Host(purchases(*everybody), set()), everybody, outcomes[-1].state, now=NOW + DAY)
    assert mended.error is None
    assert {f"p{n}" for n in everybody} == set(mended.bought)
    assert mended.state["bookmarks"]["purchases"]["replication_key_value"]


def test_a_catalog_that_is_rejected_does_not_take_the_others_with_it() -> None:
    class NoRewards(Host):
        @override
        def get(self, url: str, auth: AuthBase) -> Response:
            if "/v2.1/rewards" in url:
                return Response(400, {}, PARAM_ERROR)
            return super().get(url, auth)

    outcome = run(NoRewards(purchases(1, 2), set()), [1, 2], catalog=select("rewards", "purchases"))
    assert outcome.bought == ["p1", "p2"]
    assert "CrowdTwist rejected the request (rewards, HTTP 400, param_error)" in str(outcome.error)


def test_a_state_that_is_nearly_full_stays_below_its_limit_and_loses_nobody() -> None:
    others = {"columns": "c" * 63_500}
    everybody = range(1, 31)
    host = Host(purchases(*everybody), set())
    first = run(host, everybody, {"bookmarks": {"push_users": others}})  # checks each STATE
    cut = run(
        Host(purchases(*everybody, 31), set()), range(1, 32), first.state, now=NOW + DAY, life=20
    )
    assert "read_digest" not in cut.state["bookmarks"]["purchases"]["sweep"]
    state, bought = cut.state, {*first.bought}
    for n in (1, 2):
        outcome = run(
            Host(purchases(*everybody, 31), set()), range(1, 32), state, now=NOW + n * DAY
        )
        assert outcome.error is None
        state, bought = outcome.state, bought | {*outcome.bought}
    assert bought == {f"p{n}" for n in range(1, 32)}
