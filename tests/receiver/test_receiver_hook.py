"""The third-party-id answer: the brand's function is asked once a profile is on disk."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from support.receiver import Running, answer_on, head, receiving, stored

from crowdtwist_receiver.hook import Hook
from crowdtwist_receiver.responses import RetryLater

if TYPE_CHECKING:
    from collections.abc import Iterator

HOOK = """
import glob, os, time

def identify(event):
    kind = event.get("id")
    if kind == "unknown":
        return None
    if kind == "broken":
        raise KeyError("CANARY")
    if kind == "exit":
        raise SystemExit("CANARY")
    if kind == "number":
        return 17
    if kind == "slow":
        time.sleep(30)
    if kind == "seen":
        directory = os.environ["WHERE"]
        return str(sum(open(p).read().count("seen") for p in glob.glob(directory + "/*.jsonl")))
    return f"brand-{kind}-{sorted(event)}"
"""
TIMEOUT = 0.5
CALLS = 256


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder, directory = tmp_path_factory.mktemp("hook"), tmp_path_factory.mktemp("live")
    (folder / "made_up_hook.py").write_text(HOOK, encoding="utf-8")
    options = ("--third-party-id-hook", "made_up_hook:identify", "--hook-timeout", str(TIMEOUT))
    with receiving(directory, *options, PYTHONPATH=str(folder), WHERE=str(directory)) as found:
        yield found
        code, out, err = found.end()
        assert (code, out) == (0, "")
        assert "CANARY" not in err
        (counts,) = err.splitlines()  # no line for each event
        for trouble in ("raised KeyError", "raised SystemExit", "timed out", "returned int"):
            assert f" x 503 no third-party id yet (the hook {trouble})" in counts


@pytest.mark.parametrize("path", ["/live", "/live/users"])
def test_the_answer_to_a_profile_has_the_id_that_the_brand_gives_it(
    running: Running, path: str
) -> None:
    for body in ({"id": 5}, [{"id": 5}]):
        response = running.post(path, body)
        assert response.status_code == 200
        assert response.json() == {"third_party_id": "brand-5-['id']"}


def test_no_id_is_an_empty_answer(running: Running) -> None:
    response = running.post("/live/users", {"id": "unknown"})

    assert (response.status_code, response.json()) == (200, {})


def test_only_a_single_profile_is_asked_for(running: Running) -> None:
    assert running.post("/live/activities", {"id": "broken"}).json() == {}
    assert running.post("/live", {"orderId": "1", "id": "broken"}).json() == {}
    assert running.post("/live/users", [{"id": "broken"}] * 2).json() == {}
    assert running.post("/live/users", []).json() == {}


def test_the_profile_is_on_disk_before_the_brand_is_asked(running: Running) -> None:
    assert running.post("/live/users", {"id": "seen"}).json() == {"third_party_id": "1"}


def test_the_brand_sees_no_credentials_either(running: Running) -> None:
    response = running.post("/live/users", {"id": 5, "accessToken": "CANARY"})

    assert response.json() == {"third_party_id": "brand-5-['id']"}


@pytest.mark.parametrize("kind", ["broken", "exit", "number", "slow"])
def test_a_hook_that_fails_has_crowdtwist_try_again(running: Running, kind: str) -> None:
    before = len(stored(running.directory))
    begun = time.monotonic()
    response = running.post("/live/users", {"id": kind, "name": "CANARY"})

    assert (response.status_code, response.json()) == (503, {"error": "no third-party id yet"})
    assert int(response.headers["retry-after"]) > 0
    assert time.monotonic() - begun < TIMEOUT + 5
    assert len(stored(running.directory)) == before + 1


def test_calls_that_never_end_take_neither_events_nor_the_stop_with_them(
    running: Running,
) -> None:
    with ExitStack() as stack:
        for _ in range(10):  # more than there are threads
            connection = stack.enter_context(running.connect())
            connection.sendall(head(Content_Length="13") + b'{"id":"slow"}')
        assert answer_on(connection)[0] == 503
    assert running.post("/live/activities", {"id": 1}).status_code == 200
    assert running.health().status_code == 200
    assert running.post("/live/users", {"id": 6}).status_code == 503


def test_no_more_calls_wait_than_a_bounded_number() -> None:
    free = Event()

    def identify(event: dict[str, Any]) -> str:
        assert free.wait(10)
        return str(event["id"])

    hook = Hook(identify, timeout=5)

    async def ask() -> None:
        waiting = [asyncio.create_task(hook.call({"id": n})) for n in range(CALLS)]
        await asyncio.sleep(0)
        with pytest.raises(RetryLater, match="too many pending hook calls"):
            await hook.call({"id": "too many"})
        free.set()
        assert await asyncio.gather(*waiting) == [str(n) for n in range(CALLS)]
        assert await hook.call({"id": "one more"}) == "one more"

    asyncio.run(ask())


def test_a_hook_that_exits_takes_no_thread_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    def identify(event: dict[str, Any]) -> str:
        raise SystemExit(str(event))

    hook = Hook(identify, timeout=10)

    async def ask() -> None:
        for _ in range(20):  # more than there are threads
            with pytest.raises(RetryLater, match="the hook raised SystemExit") as caught:
                await hook.call({"id": "CANARY"})
            assert "CANARY" not in str(caught.value)

    asyncio.run(ask())
    assert not capsys.readouterr().err


def test_nothing_is_asked_for_which_nobody_waits_any_longer() -> None:
    free, asked = Event(), []

    def identify(event: dict[str, Any]) -> None:
        asked.append(event["id"])
        assert free.wait(10)

    hook = Hook(identify, timeout=0.1)

    async def ask() -> None:
        waiting = [asyncio.create_task(hook.call({"id": n})) for n in range(20)]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(result, RetryLater) for result in results)
        free.set()
        assert await hook.call({"id": "last"}) is None

    asyncio.run(ask())
    assert 0 < len(asked) < 20
    assert asked == [*range(len(asked) - 1), "last"]
