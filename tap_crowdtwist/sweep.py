"""Walks members through a fetch, many at a time, and gives the results in the order asked.

A bounded window of members is under way or waiting for its turn, so memory does not grow with the
roster, and what comes out does not depend on how many requests were in flight.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 4
"""Members waiting for their turn per worker: one slow member does not idle the others."""


def sweep(
    items: Iterable[Item], fetch: Callable[[Item], Result], concurrency: int
) -> Iterator[tuple[Item, Result]]:
    """Yield each item with what its fetch returned, in the order of the items.

    Args:
        items: what to walk; read lazily.
        fetch: called in a worker thread. What it raises is raised here, at the item's place,
            after everything before it was yielded.
        concurrency: how many fetches may be under way at once.

    Closing the iterator early waits for the fetches under way and starts no other.
    """
    source = iter(items)
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="sweep")
    under_way: deque[tuple[Item, Future[Result]]] = deque()
    try:
        for item in islice(source, concurrency * _AHEAD):
            under_way.append((item, pool.submit(fetch, item)))
        while under_way:
            item, future = under_way.popleft()
            result = future.result()
            for following in islice(source, 1):
                under_way.append((following, pool.submit(fetch, following)))
            yield item, result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
