"""Many at a time, in the order asked."""

from __future__ import annotations

import itertools
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_crowdtwist.sync.shutdown import StoppedError, StopSignal
from tap_crowdtwist.sync.workers import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def crew() -> Iterator[WorkerPool]:
    before = set(threading.enumerate())
    working = WorkerPool(4)
    yield working
    own = set(threading.enumerate()) - before
    working.close()
    assert not [thread for thread in own if thread.is_alive()]


def test_results_come_in_the_order_of_the_items_however_long_each_takes(crew: WorkerPool) -> None:
    gates = [threading.Event() for _ in range(4)]

    def fetch(item: int) -> int:
        if item < 4:
            if item < 3:
                assert gates[item + 1].wait(5)
            gates[item].set()
        return item * 10

    sweep = crew.add(range(50), fetch)
    assert list(crew.results(sweep)) == [(n, n * 10) for n in range(50)]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 8), st.lists(st.integers(0, 9), max_size=60))
def test_any_number_of_workers_gives_the_same(workers: int, items: list[int]) -> None:
    crew = WorkerPool(workers, ahead=2)
    try:
        sweep = crew.add(items, lambda item: item + 1)
        assert list(crew.results(sweep)) == [(item, item + 1) for item in items]
    finally:
        crew.close()


def test_a_failure_surfaces_at_its_place_after_everything_before_it(crew: WorkerPool) -> None:
    def fetch(item: int) -> int:
        if item == 5:
            raise LookupError(item)
        return item

    sweep = crew.results(crew.add(range(9), fetch))
    taken = list(itertools.islice(sweep, 5))
    assert taken == [(n, n) for n in range(5)]
    with pytest.raises(LookupError):
        next(sweep)


def test_a_failure_of_the_items_themselves_surfaces_too(crew: WorkerPool) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise LookupError

    results = crew.results(crew.add(items(), lambda item: item))
    assert next(results) == (1, 1)
    with pytest.raises(LookupError):
        next(results)


def test_no_more_than_the_window_is_fetched_ahead() -> None:
    crew = WorkerPool(3, ahead=4)
    fetched: list[int] = []
    enough = threading.Event()

    def fetch(item: int) -> int:
        fetched.append(item)
        if len(fetched) == 12:
            enough.set()
        return item

    try:
        sweep = crew.add(itertools.count(), fetch)
        assert enough.wait(5)
        results = crew.results(sweep)
        assert next(results) == (0, 0)
        assert len(fetched) <= 13
        results.close()  # type: ignore[attr-defined]
    finally:
        crew.close()
    assert len(fetched) <= 13


def test_the_next_sweep_begins_when_the_last_items_of_one_are_under_way(crew: WorkerPool) -> None:
    second_began = threading.Event()

    def last(item: int) -> int:
        assert second_began.wait(5)
        return item

    def following(item: int) -> int:
        second_began.set()
        return item

    first, second = crew.add([1], last), crew.add([2], following)
    assert list(crew.results(first)) == [(1, 1)]
    assert list(crew.results(second)) == [(2, 2)]


def test_parts_of_an_errand_are_done_side_by_side(crew: WorkerPool) -> None:
    together = threading.Barrier(3, timeout=5)

    def part(n: int) -> int:
        together.wait()
        return n

    def fetch(item: int) -> list[int]:
        return crew.run_concurrently([partial(part, item * n) for n in range(3)])

    assert list(crew.results(crew.add([7], fetch))) == [(7, [0, 7, 14])]


def test_parts_get_done_even_when_every_worker_has_parts_to_wait_for(crew: WorkerPool) -> None:
    def fetch(item: int) -> int:
        return sum(crew.run_concurrently([partial(int, n) for n in range(item)]))

    results = crew.results(crew.add([10] * 40, fetch))
    assert [result for _, result in results] == [45] * 40


def test_a_failing_part_fails_its_errand_and_no_other(crew: WorkerPool) -> None:
    def fetch(item: int) -> list[float]:
        return crew.run_concurrently([partial(int, 1), lambda: 1 / item, partial(int, 3)])

    results = crew.results(crew.add([1, 0, 2], fetch))
    assert next(results) == (1, [1, 1.0, 3])
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_whoever_waits_for_results_learns_of_a_wish_to_stop() -> None:
    stop = StopSignal()
    crew = WorkerPool(2, stop.raise_if_stopped)
    never = threading.Event()
    try:
        results = crew.results(crew.add([1], lambda _: never.wait(5)))
        stop.request_stop()
        with pytest.raises(StoppedError):
            next(results)
    finally:
        never.set()
        crew.close()


def test_an_abandoned_sweep_does_not_hold_up_the_next(crew: WorkerPool) -> None:
    results = crew.results(crew.add(itertools.count(), lambda item: item))
    assert next(results) == (0, 0)
    results.close()  # type: ignore[attr-defined]
    assert list(crew.results(crew.add("ab", str.upper))) == [("a", "A"), ("b", "B")]


def test_closing_leaves_in_the_middle_of_a_long_listing() -> None:
    stop = StopSignal()
    crew = WorkerPool(1, stop.raise_if_stopped)
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> int:
        begun.set()
        go_on.wait(5)
        return 1

    def take() -> None:
        with suppress(StopIteration, StoppedError):
            next(results)

    results = crew.results(crew.add([1], lambda _: crew.run_concurrently([slow, slow, slow])))
    taking = threading.Thread(target=take)
    taking.start()
    assert begun.wait(5)
    closing = threading.Thread(target=crew.close)
    stop.request_stop()
    closing.start()
    go_on.set()
    closing.join(5)
    taking.join(5)
    assert not closing.is_alive()
    assert not taking.is_alive()
