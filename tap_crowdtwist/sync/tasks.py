"""Tasks of the worker pool (`workers`), and the sweep whose requests they are."""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")


class Task:
    """A call to make, and its outcome."""

    __slots__ = ("_call", "_error", "_running", "_value")

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        # Held until the call has ended. A `threading.Event` costs 10 microseconds more per request.
        self._running = threading.Lock()
        self._running.acquire()
        self._error: BaseException | None = None
        self._value: Any = None

    def run(self) -> None:
        """Make the call and keep its outcome; never raise."""
        try:
            self._value = self._call()
        except BaseException as error:  # noqa: BLE001 - raised where the result is taken
            self._error = error
        self._running.release()

    def wait(self, seconds: float = -1) -> bool:
        """Wait until the call has ended, or for some seconds; return whether it has ended.

        Only one thread may wait, and not again once this was true.
        """
        return self._running.acquire(timeout=seconds)

    def result(self) -> Any:
        """Return the result of the call, which has ended, or raise what it raised."""
        if self._error is not None:
            raise self._error
        return self._value


class SweepJob(Generic[Item, Result]):
    """One walk of items through a fetch.

    Args:
        items: the items, read lazily.
        fetch: returns the result of one item.
        weight_of: returns the weight of a result, in rows.
        lock: the lock of the pool, held by the caller of every method.

    Attributes:
        started: the items that have been started and not handed out yet, in order.
        weight: rows of the results that wait to be handed out.
        exhausted: whether there is no further item to start.
    """

    def __init__(
        self,
        items: Iterable[Item],
        fetch: Callable[[Item], Result],
        weight_of: Callable[[Result], int],
        lock: threading.Lock,
    ) -> None:
        self._tasks = self._tasks_of(items)
        self._fetch = fetch
        self._weight_of = weight_of
        self._lock = lock
        self.started: deque[tuple[Item, Task]] = deque()
        self.weight = 0
        self.exhausted = False

    def start_next(self) -> Task | None:
        """Return the task of the next item, queued in its place; None if there is no item left."""
        entry = next(self._tasks, None)
        if entry is None:
            self.exhausted = True
            return None
        self.started.append(entry)
        return entry[1]

    def hand_out(self, result: Result) -> None:
        """Remove the first item that has been started, whose result is handed out."""
        self.started.popleft()
        self.weight -= self._weight_of(result)

    def _tasks_of(self, items: Iterable[Item]) -> Iterator[tuple[Any, Task]]:
        try:
            for item in items:
                yield item, Task(partial(self._fetch_and_weigh, item))
        except Exception as error:  # noqa: BLE001 - raised where the results are taken
            yield None, Task(partial(_raise, error))

    def _fetch_and_weigh(self, item: Item) -> Result:
        """Fetch an item, in a worker, without the lock."""
        result = self._fetch(item)
        with self._lock:
            self.weight += self._weight_of(result)
        return result


def _raise(error: Exception) -> None:
    raise error
