"""Posting Live Push: every event reaches the endpoint, some twice, or the sender says why not."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest
from support.sandbox_client import sandbox
from support.sandbox_feeds import receiver

from crowdtwist_sandbox.feeds.live_push import live_events
from crowdtwist_sandbox.feeds.posting import Endpoint, PostingError, post_live_push

if TYPE_CHECKING:
    from crowdtwist_sandbox import Sandbox

DAY = 2
SECRETS = {"user": "brand", "password": "s3cret:ü", "api_key": "key-§1"}


@pytest.fixture(scope="module")
def running() -> Sandbox:
    return sandbox(members=150)


def expected(running: Sandbox) -> list[tuple[str, dict[str, Any]]]:
    return list(live_events(running.engine, DAY))


def test_without_repeats_each_event_is_posted_once_and_in_order(running: Sandbox) -> None:
    with receiver() as got:
        counts = running.post_live_push(got.url + "/", day=DAY, repeats=False)
    events = expected(running)
    assert [(path, json.loads(body)) for path, _, body in got.posts] == [
        (f"/live/{feed}", event) for feed, event in events
    ]
    assert counts["users"] == len(got.events("users")) > 20
    assert sum(counts.values()) == len(events)


def test_all_go_over_one_connection_as_json(running: Sandbox) -> None:
    with receiver() as got:
        running.post_live_push(got.url, day=DAY)
    assert got.connections == 1
    assert {headers["content-type"] for _, headers, _ in got.posts} == {"application/json"}
    assert not any("authorization" in headers for _, headers, _ in got.posts)
    assert not any("x-api-key" in headers for _, headers, _ in got.posts)


def test_some_are_posted_twice_with_the_same_body_some_of_them_later(running: Sandbox) -> None:
    with receiver() as got:
        counts = running.post_live_push(got.url, day=DAY)
    events = expected(running)
    once: dict[tuple[str, bytes], int] = {}
    gaps = []
    for place, (path, _, body) in enumerate(got.posts):
        if (path, body) in once:
            gaps.append(place - once[path, body])
        once.setdefault((path, body), place)
    assert [(path[6:], json.loads(body)) for path, body in once] == events
    assert sum(counts.values()) == len(got.posts) == len(events) + len(gaps)
    assert len(events) / 30 < len(gaps) < len(events) / 5
    assert min(gaps) == 1 < max(gaps)


def test_without_a_day_it_is_todays() -> None:
    moved_on = sandbox(members=40)
    moved_on.advance(DAY)
    with receiver() as got:
        moved_on.post_live_push(got.url, repeats=False)
    assert len(got.posts) == len(list(live_events(moved_on.engine, DAY)))


def test_credentials_are_sent_as_basic_and_as_a_key(running: Sandbox) -> None:
    with receiver() as got:
        running.post_live_push(got.url, day=DAY, **SECRETS)  # type: ignore[arg-type]
    for _, headers, _ in got.posts:
        scheme, pair = headers["authorization"].split()
        assert (scheme, b64decode(pair).decode()) == ("Basic", "brand:s3cret:ü")
        assert headers["x-api-key"].encode("latin-1").decode() == "key-§1"


def test_an_event_that_is_not_taken_is_posted_again(running: Sandbox) -> None:
    pauses: list[float] = []
    with receiver(503, 500, 429) as got:
        post_live_push(running.engine, Endpoint(got.url), DAY, repeats=False, pause=pauses.append)
    assert len({body for _, _, body in got.posts[:4]}) == 1
    assert len(got.posts) == len(expected(running)) + 3
    assert pauses == sorted(pauses)
    assert len(pauses) == 3


@pytest.mark.parametrize("status", [204, 307, 503])
def test_after_five_tries_it_gives_up_with_a_sentence(running: Sandbox, status: int) -> None:
    pauses: list[float] = []
    with receiver(*[status] * 9) as got, pytest.raises(PostingError) as raised:
        post_live_push(running.engine, Endpoint(got.url, **SECRETS), DAY, pause=pauses.append)
    feed, _ = expected(running)[0]
    assert (
        str(raised.value)
        == f"The endpoint answered {status} to an event of {feed}, 5 times: see its log."
    )
    assert len(got.posts) == 5
    assert len(pauses) == 4


@pytest.mark.parametrize("status", [401, 404])
def test_what_will_not_change_is_not_tried_again(running: Sandbox, status: int) -> None:
    with receiver(status) as got, pytest.raises(PostingError, match="check its URL"):
        post_live_push(running.engine, Endpoint(got.url, **SECRETS), DAY)
    assert len(got.posts) == 1


def test_an_endpoint_that_is_not_there_is_a_sentence_without_secrets(running: Sandbox) -> None:
    with receiver() as got:
        url = got.url
    endpoint = Endpoint(url.replace("//", "//brand:s3cret@"), **SECRETS)
    with pytest.raises(PostingError) as raised:
        post_live_push(running.engine, endpoint, DAY, pause=lambda _: None)
    assert "The endpoint did not answer (ConnectionError) to an event of" in str(raised.value)
    assert "s3cret" not in str(raised.value)
    assert "key-" not in str(raised.value)


def test_a_proxy_of_the_environment_is_not_asked(
    running: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with receiver() as got:
        running.post_live_push(got.url, day=DAY)
    assert got.posts


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/live", "127.0.0.1:8000", "http://", "http://127.0.0.1/?a=1"]
)
def test_another_kind_of_url_is_refused(running: Sandbox, url: str) -> None:
    with pytest.raises(ValueError, match="url, or --to: must be an http or https URL"):
        running.post_live_push(url)


@pytest.mark.parametrize("given", [{"user": "brand"}, {"password": "s3cret"}])
def test_half_of_a_pair_of_credentials_is_refused(running: Sandbox, given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="user and password: give both or none") as raised:
        running.post_live_push("http://127.0.0.1:9", **given)  # type: ignore[arg-type]
    assert "s3cret" not in str(raised.value)
