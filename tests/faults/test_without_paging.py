"""Every listing is whole where CrowdTwist answers without `paging`, in whatever form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from support import fake_clock_tap
from support.fake_clock_tap import sync
from support.harness import STREAMS, canonical, sandbox
from typing_extensions import override

from tap_crowdtwist.api.transport import Response, Transport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests.auth import AuthBase

    from crowdtwist_sandbox import Sandbox


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with sandbox(members=12) as started:
        yield started


class Unguided(Transport):
    """Takes `paging` out of what the sandbox answers."""

    @override
    def get(self, url: str, auth: AuthBase) -> Response:
        answer = super().get(url, auth)
        payload = msgspec.json.decode(answer.body)
        if not isinstance(payload, dict) or "paging" not in payload:
            return answer
        del payload["paging"]
        return Response(answer.status, answer.headers, msgspec.json.encode(self.form(payload)))

    def form(self, payload: dict[str, Any]) -> Any:
        return payload


class Bare(Unguided):
    """Leaves out the envelope too, where it holds nothing but the rows."""

    @override
    def form(self, payload: dict[str, Any]) -> Any:
        (rows,) = [rows for rows in payload.values() if isinstance(rows, list)]
        return rows if len(payload) == 1 else payload


class Whole(Unguided):
    """Answers all rows at once, whatever the page."""

    @override
    def get(self, url: str, auth: AuthBase) -> Response:
        base, _, query = url.partition("?")
        params = [each for each in query.split("&") if not each.startswith("page")]
        pages: list[dict[str, Any]] = []
        paging: dict[str, Any] = {}
        while not pages or paging["pages"] > len(pages):
            page = "&".join([*params, f"page={len(pages) + 1}"])
            answer = Transport.get(self, f"{base}?{page}", auth)
            payload = msgspec.json.decode(answer.body)
            if not isinstance(payload, dict) or "paging" not in payload:
                return answer
            pages.append(payload)
            told = payload["paging"]
            paging = told[0] if isinstance(told, list) else told
        for payload in pages[1:]:
            for name, rows in payload.items():
                if isinstance(rows, list):
                    pages[0][name] += rows
        del pages[0]["paging"]
        return Response(answer.status, answer.headers, msgspec.json.encode(pages[0]))


@pytest.mark.parametrize("form", [Unguided, Bare, Whole])
def test_listings_without_paging_are_whole(
    form: type[Transport], running: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake_clock_tap, "Transport", form)
    result = sync(running, *STREAMS)
    assert result.exit_code == 0, result.stderr
    for stream in STREAMS:
        true = canonical(stream, running.expected_rows(stream))
        assert canonical(stream, result.records[stream]) == true, stream


def test_a_list_that_takes_no_page_and_stops_at_a_round_number_is_doubted_once(
    running: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cut(Transport):
        @override
        def get(self, url: str, auth: AuthBase) -> Response:
            answer = super().get(url, auth)
            rows = msgspec.json.decode(answer.body)
            assert len(rows) > 10
            return Response(answer.status, answer.headers, msgspec.json.encode(rows[:10]))

    monkeypatch.setattr(fake_clock_tap, "Transport", Cut)
    result = sync(running, "user_activities")
    doubt = "user_activities: the longest list has exactly 10 rows and no pages"
    assert result.stderr.count(doubt) == 1


def test_a_single_list_of_a_round_length_among_longer_ones_is_not_doubted(
    running: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CutOnce(Transport):
        @override
        def get(self, url: str, auth: AuthBase) -> Response:
            answer = super().get(url, auth)
            if running.roster()[0] not in url:
                return answer
            rows = msgspec.json.decode(answer.body)
            return Response(answer.status, answer.headers, msgspec.json.encode(rows[:10]))

    monkeypatch.setattr(fake_clock_tap, "Transport", CutOnce)
    assert "the longest list" not in sync(running, "user_activities").stderr


def test_a_catalog_that_may_be_cut_does_not_make_targets_forget_the_rest(
    running: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CutCatalog(Transport):
        @override
        def get(self, url: str, auth: AuthBase) -> Response:
            answer = super().get(url.replace("page=2", "page=1"), auth)
            rows = msgspec.json.decode(answer.body)["rewards"][:25]
            return Response(answer.status, answer.headers, msgspec.json.encode(rows))

    clean = sync(running, "rewards")
    monkeypatch.setattr(fake_clock_tap, "Transport", CutCatalog)
    result = sync(running, "rewards")
    assert [len(r.records["rewards"]) for r in (clean, result)] == [61, 25]
    assert "ACTIVATE_VERSION" in clean.stdout
    assert "ACTIVATE_VERSION" not in result.stdout
    assert "rewards: the longest list has exactly 25 rows and no pages" in result.stderr


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b'{"error": "param_error", "message": "?"}'),
        (404, b'{"error": "page_not_found", "message": "?"}'),
        (404, b"<html>"),
        (200, b'{"error": "page_not_found", "message": "?"}'),
    ],
)
def test_a_page_that_is_refused_behind_a_full_one_ends_the_list_and_is_doubted(
    status: int, body: bytes, running: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OnePage(Bare):
        @override
        def get(self, url: str, auth: AuthBase) -> Response:
            return Response(status, {}, body) if "page=2" in url else super().get(url, auth)

    monkeypatch.setattr(fake_clock_tap, "Transport", OnePage)
    result = sync(running, "rewards", "user_rewards")
    assert result.exit_code == 0, result.stderr
    assert len(result.records["rewards"]) == 25
    for stream in ("rewards", "user_rewards"):
        doubt = f"| {stream}: page 2 of a list without `paging` was rejected (HTTP {status})"
        assert result.stderr.count(doubt) == 1
    assert "ACTIVATE_VERSION" not in result.stdout


def test_an_empty_object_is_no_page_of_a_listing_that_announces_it(
    running: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hollow(Transport):
        @override
        def get(self, url: str, auth: AuthBase) -> Response:
            return Response(200, {}, b"{}") if "page=2" in url else super().get(url, auth)

    monkeypatch.setattr(fake_clock_tap, "Transport", Hollow)
    result = sync(running, "rewards", "activities")
    assert result.exit_code == 1
    assert "rewards" not in result.records
    monkeypatch.setattr(fake_clock_tap, "Transport", type("HollowEnd", (Hollow, Bare), {}))
    ended = sync(running, "rewards")
    assert (ended.exit_code, len(ended.records["rewards"])) == (0, 25)
