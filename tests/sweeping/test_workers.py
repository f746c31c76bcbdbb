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
from tap_crowdtwist.sync.workers import MAX_WAITING_ROWS, WorkerPool

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    before = set(threading.enumerate())
    working = WorkerPool(4)
    yield working
    own = set(threading.enumerate()) - before
    working.close()
    assert not [thread for thread in own if thread.is_alive()]


def test_results_come_in_the_order_of_the_items_however_long_each_takes(pool: WorkerPool) -> None:
    gates = [threading.Event() for _ in range(4)]

    def fetch(item: int) -> int:
        if item < 4:
            if item < 3:
                assert gates[item + 1].wait(5)
            gates[item].set()
        return item * 10

    sweep = pool.add(range(50), fetch)
    assert list(pool.results(sweep)) == [(n, n * 10) for n in range(50)]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 8), st.lists(st.integers(0, 9), max_size=60))
def test_any_number_of_workers_gives_the_same(workers: int, items: list[int]) -> None:
    pool = WorkerPool(workers, ahead=2)
    try:
        sweep = pool.add(items, lambda item: item + 1)
        assert list(pool.results(sweep)) == [(item, item + 1) for item in items]
    finally:
        pool.close()


def test_a_failure_surfaces_at_its_place_after_everything_before_it(pool: WorkerPool) -> None:
    def fetch(item: int) -> int:
        if item == 5:
            raise LookupError(item)
        return item

    sweep = pool.results(pool.add(range(9), fetch))
    taken = list(itertools.islice(sweep, 5))
    assert taken == [(n, n) for n in range(5)]
    with pytest.raises(LookupError):
        next(sweep)


def test_a_failure_of_the_items_themselves_surfaces_too(pool: WorkerPool) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise LookupError

    results = pool.results(pool.add(items(), lambda item: item))
    assert next(results) == (1, 1)
    with pytest.raises(LookupError):
        next(results)


def test_no_more_than_the_window_is_fetched_ahead() -> None:
    pool = WorkerPool(3, ahead=4)
    fetched: list[int] = []
    enough = threading.Event()

    def fetch(item: int) -> int:
        fetched.append(item)
        if len(fetched) == 12:
            enough.set()
        return item

    try:
        sweep = pool.add(itertools.count(), fetch)
        assert enough.wait(5)
        results = pool.results(sweep)
        assert next(results) == (0, 0)
        assert len(fetched) <= 13
        results.close()  # type: ignore[attr-defined]
    finally:
        pool.close()
    assert len(fetched) <= 13


def test_no_request_starts_while_too_many_rows_wait() -> None:
    pool = WorkerPool(1, ahead=8, weight_of=lambda _: MAX_WAITING_ROWS)
    fetched: list[int] = []
    try:
        results = pool.results(pool.add(itertools.count(), fetched.append))
        for taken in range(5):
            next(results)
            for _ in range(3):
                pool.run_in_worker(int)
            assert len(fetched) <= taken + 2
    finally:
        pool.close()


def test_results_can_be_taken_although_another_sweep_fills_the_window() -> None:
    pool = WorkerPool(2, ahead=1)
    full = threading.Barrier(3, timeout=5)
    try:
        pool.add([1, 2], lambda _: full.wait())
        full.wait()
        assert list(pool.results(pool.add("ab", str.upper))) == [("a", "A"), ("b", "B")]
    finally:
        pool.close()


def test_the_next_sweep_begins_when_the_last_items_of_one_are_under_way(pool: WorkerPool) -> None:
    second_began = threading.Event()

    def last(item: int) -> int:
        assert second_began.wait(5)
        return item

    def following(item: int) -> int:
        second_began.set()
        return item

    first, second = pool.add([1], last), pool.add([2], following)
    assert list(pool.results(first)) == [(1, 1)]
    assert list(pool.results(second)) == [(2, 2)]


def test_subtasks_of_a_request_run_concurrently(pool: WorkerPool) -> None:
    together = threading.Barrier(3, timeout=5)

    def part(n: int) -> int:
        together.wait()
        return n

    def fetch(item: int) -> list[int]:
        return pool.run_concurrently([partial(part, item * n) for n in range(3)])

    assert list(pool.results(pool.add([7], fetch))) == [(7, [0, 7, 14])]


def test_subtasks_run_even_if_every_worker_waits_for_some(pool: WorkerPool) -> None:
    def fetch(item: int) -> int:
        return sum(pool.run_concurrently([partial(int, n) for n in range(item)]))

    results = pool.results(pool.add([10] * 40, fetch))
    assert [result for _, result in results] == [45] * 40


def test_a_failing_subtask_fails_its_request_and_no_other(pool: WorkerPool) -> None:
    def fetch(item: int) -> list[float]:
        return pool.run_concurrently([partial(int, 1), lambda: 1 / item, partial(int, 3)])

    results = pool.results(pool.add([1, 0, 2], fetch))
    assert next(results) == (1, [1, 1.0, 3])
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_whoever_waits_for_results_learns_of_a_wish_to_stop() -> None:
    stop = StopSignal()
    pool = WorkerPool(2, stop.raise_if_stopped)
    never = threading.Event()
    try:
        results = pool.results(pool.add([1], lambda _: never.wait(5)))
        stop.request_stop()
        with pytest.raises(StoppedError):
            next(results)
    finally:
        never.set()
        pool.close()


def test_an_abandoned_sweep_does_not_hold_up_the_next(pool: WorkerPool) -> None:
    results = pool.results(pool.add(itertools.count(), lambda item: item))
    assert next(results) == (0, 0)
    results.close()  # type: ignore[attr-defined]
    assert list(pool.results(pool.add("ab", str.upper))) == [("a", "A"), ("b", "B")]


def test_closing_leaves_in_the_middle_of_a_long_listing() -> None:
    stop = StopSignal()
    pool = WorkerPool(1, stop.raise_if_stopped)
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> int:
        begun.set()
        go_on.wait(5)
        return 1

    def take() -> None:
        with suppress(StopIteration, StoppedError):
            next(results)

    results = pool.results(pool.add([1], lambda _: pool.run_concurrently([slow, slow, slow])))
    taking = threading.Thread(target=take)
    taking.start()
    assert begun.wait(5)
    closing = threading.Thread(target=pool.close)
    stop.request_stop()
    closing.start()
    go_on.set()
    closing.join(5)
    taking.join(5)
    assert not closing.is_alive()
    assert not taking.is_alive()
