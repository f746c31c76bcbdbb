"""A request goes on after what passes, within bounds, and ends with an error that names no one."""

from __future__ import annotations

import json
import threading
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from support.scripted_server import Server, answer

from tap_crowdtwist.api import endpoints
from tap_crowdtwist.api.auth import HeaderKey, QueryKey
from tap_crowdtwist.api.client import Client, format_time_after
from tap_crowdtwist.api.endpoints import Host
from tap_crowdtwist.api.errors import (
    ApiError,
    ExhaustedError,
    FatalApiError,
    MemberMissingError,
    NotConfiguredError,
    RejectedError,
    UnavailableError,
)
from tap_crowdtwist.api.rate_limiter import RateLimiter
from tap_crowdtwist.api.retry import MAX_PAUSE_SECONDS, MAX_RATE_LIMITED, RETRY_DEADLINE_SECONDS
from tap_crowdtwist.api.transport import Transport
from tap_crowdtwist.streams.member_payloads import parse_expirations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROFILE = answer(b'{"id": 1}')
CANARY = b"Ada CANARY Lovelace"


class Time:
    """Passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.skip(seconds)

    def skip(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds


class Case:
    """A client of a scripted server, and its clock."""

    def __init__(self, server: Server, max_retries: int) -> None:
        self.server = server
        self.clock = Time()
        self.max_retries = max_retries
        self.transport = Transport(2, 2, "test")
        self.client = self.build(self.clock.skip)

    def build(self, pause: Callable[[float], None]) -> Client:
        return Client(
            {Host.MAIN: self.server.url, Host.POS: self.server.url},
            {Host.MAIN: QueryKey("made-up-key"), Host.POS: HeaderKey("made-up-key")},
            self.transport,
            RateLimiter(10**9, self.clock, pause),
            max_retries=self.max_retries,
            sleep=self.clock.sleep,
        )

    def profile(self, member: int | str = 1) -> Any:
        return self.client.get(endpoints.USER, member)

    def error(self, kind: type[ApiError]) -> ApiError:
        with pytest.raises(ApiError) as caught:
            self.profile()
        assert type(caught.value) is kind
        return caught.value


@pytest.fixture
def serve() -> Iterator[Callable[..., Case]]:
    """What starts a server with the given scripts, and a client of it."""
    started: list[tuple[Case, Any]] = []

    def start(*scripts: Any, max_retries: int = 5) -> Case:
        running = Server(*scripts).running()
        case = Case(running.__enter__(), max_retries)
        started.append((case, running))
        return case

    yield start
    for case, running in started:
        case.client.close()
        running.__exit__(None, None, None)


def failure(status: str, *headers: str, body: bytes = b"") -> bytes:
    return answer(body, *headers, status=status)


def refused(*headers: str) -> bytes:
    return failure("429 Too Many Requests", *headers)


SICK = failure("503 Service Unavailable")


def test_a_failed_request_is_tried_again_until_it_succeeds(serve: Callable[..., Case]) -> None:
    case = serve(SICK, SICK, PROFILE)
    assert case.profile() == {"id": 1}
    assert len(case.server.heads) == 3
    assert (case.client.stats.requests.total(), case.client.stats.retried.total()) == (3, 2)


@pytest.mark.parametrize("max_retries", [0, 1, 3])
def test_tries_are_bounded(serve: Callable[..., Case], max_retries: int) -> None:
    case = serve(SICK, max_retries=max_retries)
    error = case.error(ExhaustedError)
    assert str(error) == "CrowdTwist returned a server error (users, HTTP 503)"
    assert len(case.server.heads) == max_retries + 1


@pytest.mark.parametrize(
    "script", [SICK, answer(b"<html>"), answer(b""), answer(b"[]"), lambda _: None]
)
def test_whatever_is_not_the_data_asked_for_is_tried_again(
    serve: Callable[..., Case], script: Any
) -> None:
    case = serve(script, PROFILE)
    accepted = case.client.get(
        endpoints.USER, 1, parse=lambda body: body if isinstance(body, dict) else None
    )
    assert accepted == {"id": 1}


NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
LISTINGS = [
    endpoint
    for endpoint in vars(endpoints).values()
    if isinstance(endpoint, endpoints.Endpoint) and endpoint.envelope
]


@pytest.mark.parametrize("endpoint", LISTINGS, ids=lambda endpoint: endpoint.name)
def test_no_content_is_an_empty_list(
    serve: Callable[..., Case], endpoint: endpoints.Endpoint
) -> None:
    case = serve(NO_CONTENT)
    assert case.client.rows(endpoint, 1) == []
    assert case.client.stats.retried.total() == 0


def test_no_content_is_an_empty_list_of_expirations(serve: Callable[..., Case]) -> None:
    case = serve(NO_CONTENT)
    assert case.client.get(endpoints.POINTS_EXPIRATION, 1, parse=parse_expirations) == []


def test_no_content_is_neither_a_profile_nor_a_page_that_was_announced(
    serve: Callable[..., Case],
) -> None:
    serve(NO_CONTENT).error(ExhaustedError)
    first = answer(b'{"badges": [{"id": 1}], "paging": [{"pages": 2, "next_page": "/?page=2"}]}')
    second = answer(b'{"badges": [{"id": 2}], "paging": [{"pages": 2, "next_page": null}]}')
    rows = serve(first, NO_CONTENT, second).client.rows(endpoints.BADGES)
    assert rows == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize("full", [1, 5])
def test_no_content_ends_a_listing_that_does_not_announce_its_pages(
    serve: Callable[..., Case], full: int
) -> None:
    page = [{"id": number} for number in range(5 * full)]
    case = serve(answer(json.dumps(page).encode()), NO_CONTENT)
    assert case.client.rows(endpoints.BADGES) == page


def test_waits_grow_and_are_spread_over_their_whole_range(serve: Callable[..., Case]) -> None:
    case = serve(SICK, max_retries=8)
    for _ in range(4):
        case.error(ExhaustedError)
    tries = [case.clock.waits[start : start + 8] for start in range(0, 32, 8)]
    bounds = [1, 2, 4, 8, 16, 32, 60, 60]
    parts = [wait / most for waits in tries for wait, most in zip(waits, bounds, strict=True)]
    assert 0 <= min(parts) < 0.3
    assert 0.7 < max(parts) <= 1
    assert len(set(parts)) == 32


def test_a_retry_after_is_heeded_whatever_the_status(serve: Callable[..., Case]) -> None:
    case = serve(failure("503 Service Unavailable", "Retry-After: 120"), PROFILE)
    case.profile()
    (wait,) = case.clock.waits
    assert 120 <= wait <= 121


def test_time_is_bounded_where_tries_are_not(serve: Callable[..., Case]) -> None:
    case = serve(SICK, max_retries=1000)
    case.error(ExhaustedError)
    assert case.clock.now <= RETRY_DEADLINE_SECONDS


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
@pytest.mark.parametrize("seconds", [901, 3600, MAX_PAUSE_SECONDS])
def test_a_long_pause_is_kept_and_the_request_sent_again(
    serve: Callable[..., Case], status: str, seconds: float
) -> None:
    case = serve(failure(status, f"Retry-After: {seconds}"), PROFILE)
    assert case.profile() == {"id": 1}
    assert seconds <= case.clock.now <= seconds + 3


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
@pytest.mark.parametrize("pauses", [[MAX_PAUSE_SECONDS + 1], [MAX_PAUSE_SECONDS, 2], ["9" * 400]])
def test_a_request_is_given_up_where_it_is_to_wait_for_more_than_a_day(
    serve: Callable[..., Case], status: str, pauses: list[Any]
) -> None:
    case = serve(*[failure(status, f"Retry-After: {pause}") for pause in pauses], PROFILE)
    error = case.error(ExhaustedError)
    assert "asks to wait for more than 24 hours (Retry-After)" in str(error)
    assert sum(case.clock.waits) <= MAX_PAUSE_SECONDS + 3
    assert case.profile() == {"id": 1}
    assert case.clock.now <= MAX_PAUSE_SECONDS + 10


def test_a_pause_for_everybody_uses_up_nobodys_patience(serve: Callable[..., Case]) -> None:
    script = [SICK, refused("Retry-After: 3600"), SICK, refused("Retry-After: 3600"), SICK]
    case = serve(*script, PROFILE, max_retries=3)
    assert case.profile() == {"id": 1}
    assert case.clock.now >= 7200


def test_a_pause_is_told_once_and_shown_while_it_lasts(
    serve: Callable[..., Case], caplog: pytest.LogCaptureFixture
) -> None:
    case = serve(refused("Retry-After: 3600"), PROFILE)
    shown = []

    def sleep(seconds: float) -> None:
        shown.append(case.client.paused_until)
        case.clock.skip(seconds / 2 if seconds > 10 else seconds)

    case.client = case.build(sleep)
    case.profile()
    (told,) = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    (until,) = set(shown) - {""}
    assert told == f"Paused until {until}, as CrowdTwist asked (Retry-After)"
    assert len(shown) > 5
    assert case.client.paused_until == ""


def test_short_pauses_are_not_told(
    serve: Callable[..., Case], caplog: pytest.LogCaptureFixture
) -> None:
    serve(*[refused("Retry-After: 2")] * 20, PROFILE).profile()
    assert not caplog.records


@pytest.mark.parametrize(
    ("seconds", "spelled"), [(900, "23:59:59 UTC"), (901, "2026-03-12 00:00:00 UTC")]
)
def test_a_moment_of_another_day_has_its_date(seconds: float, spelled: str) -> None:
    now = datetime(2026, 3, 11, 23, 44, 59, tzinfo=timezone.utc)
    assert format_time_after(seconds, now) == spelled


def test_a_pause_of_one_request_is_told_once_per_resource(
    serve: Callable[..., Case], caplog: pytest.LogCaptureFixture
) -> None:
    case = serve(failure("503 Service Unavailable", "Retry-After: 1800"), PROFILE)
    case.profile()
    (told,) = [each.getMessage() for each in caplog.records]
    assert told.startswith("users: CrowdTwist returned a server error. Retrying at ")
    assert told.endswith(" UTC, as CrowdTwist asked (Retry-After) (further ones not logged)")
    assert case.client.paused_until == ""


def test_being_told_to_slow_down_costs_no_try(serve: Callable[..., Case]) -> None:
    case = serve(refused(), refused("Retry-After: 7"), PROFILE, max_retries=0)
    assert case.profile() == {"id": 1}
    assert case.clock.now >= 7
    assert case.client.waited >= 7
    assert (case.client.stats.rate_limited.total(), case.client.stats.retried.total()) == (2, 2)


@pytest.mark.parametrize("seconds", [1, 300, 3600])
def test_a_host_that_always_says_slow_down_is_given_up_in_time(
    serve: Callable[..., Case], seconds: int
) -> None:
    case = serve(refused(f"Retry-After: {seconds}"))
    case.error(ExhaustedError)
    assert case.clock.now <= MAX_PAUSE_SECONDS + RETRY_DEADLINE_SECONDS
    assert len(case.server.heads) <= MAX_RATE_LIMITED + 1


def test_a_host_that_says_slow_down_and_not_how_long_is_given_up(
    serve: Callable[..., Case],
) -> None:
    case = serve(refused())
    case.error(ExhaustedError)
    assert len(case.server.heads) <= MAX_RATE_LIMITED + 1
    assert case.clock.now <= RETRY_DEADLINE_SECONDS + 60


ODD = failure("500 Internal Server Error", body=b'{"error": "not_configured", "message": ""}')
ODD_REQUEST = failure("414 URI Too Long", body=b"<html>")


@pytest.mark.parametrize(
    ("odd", "kind"),
    [
        (ODD, UnavailableError),
        (ODD_REQUEST, RejectedError),
        (failure("302 Found", "Location: /"), RejectedError),
    ],
)
def test_a_rejected_request_is_sent_once_more(
    serve: Callable[..., Case], odd: bytes, kind: type[ApiError]
) -> None:
    assert serve(odd, PROFILE).profile() == {"id": 1}
    case = serve(odd)
    case.error(kind)
    assert len(case.server.heads) == 2


def test_a_rejected_request_is_given_up_where_nothing_is_tried_again(
    serve: Callable[..., Case],
) -> None:
    case = serve(ODD, max_retries=0)
    assert str(case.error(UnavailableError)) == (
        "The program does not use this feature (users, HTTP 500, not_configured)"
    )


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (failure("404 Not Found", body=b'{"error": "page_not_found"}'), MemberMissingError),
        (failure("403 Forbidden", body=b'{"error": "invalid_auth"}'), FatalApiError),
        (
            failure("400 Bad Request", body=b'{"error": "receipt_scanning_inactive"}'),
            NotConfiguredError,
        ),
    ],
)
def test_a_final_answer_is_asked_for_once(
    serve: Callable[..., Case], script: bytes, kind: type[ApiError]
) -> None:
    case = serve(script)
    case.error(kind)
    assert len(case.server.heads) == 1


def test_what_only_a_person_can_change_is_not_tried_again(
    serve: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    case = serve(PROFILE)
    error = case.error(FatalApiError)
    assert "the variable REQUESTS_CA_BUNDLE names cannot be read; check `api_url`" in str(error)
    assert case.clock.waits == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": "internal_error", "message": "%s"}',
        b'{"error": "%s", "message": "%s"}',
        b'{"system": "pos", "reason": "%s", "description": "%s", "message": "%s"}',
        b'{"error": {"code": "%s", "message": "%s", "errors": [{"reason": "%s"}]}}',
        b"<html><title>%s</title></html>",
        b'"%s"',
        b'["%s"]',
        b"%s",
    ],
)
@pytest.mark.parametrize(
    "status", ["200 OK", "400 Bad Request", "403 Forbidden", "404 Not Found", "500 Oops CANARY"]
)
def test_an_error_holds_status_code_and_sentence_and_nothing_of_the_body(
    serve: Callable[..., Case], status: str, body: bytes
) -> None:
    case = serve(failure(status, body=body.replace(b"%s", CANARY)), max_retries=0)
    with pytest.raises(ApiError) as caught:
        case.client.get(endpoints.USER, 1, parse=lambda _: None)
    assert caught.value.status == int(status[:3])
    assert "CANARY" not in f"{caught.value} {caught.value!r} {caught.value.args}"


@pytest.mark.parametrize(
    ("member", "path"),
    [("ada+1@example.test", "ada%2B1%40example.test"), ("a/../b?c#d", "a%2F..%2Fb%3Fc%23d")],
)
def test_a_member_stays_within_its_part_of_the_path(
    serve: Callable[..., Case], member: str, path: str
) -> None:
    case = serve(PROFILE)
    case.profile(member)
    assert case.server.heads[0].startswith(f"GET /v2/users/{path}?api_key=made-up-key HTTP/1.1")
