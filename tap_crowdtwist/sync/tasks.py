"""Tasks of the worker pool (`workers`), and the sweep whose requests they are."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Item = TypeVar("Item")
Result = TypeVar("Result")


class Task:
    """A call to make, and its outcome.

    Attributes:
        call: the call.
        subtask: whether it is a subtask; otherwise it is a request.
        done: whether the call has ended.
        abandoned: whether the outcome is no longer needed.
        weight: rows that the result holds while it waits to be handed out.
        value: the result, if there is one.
        error: the exception that ended the call, if one did.
    """

    __slots__ = ("abandoned", "call", "done", "error", "subtask", "value", "weight")

    def __init__(self, call: Callable[[], Any], *, subtask: bool) -> None:
        self.call = call
        self.subtask = subtask
        self.done = False
        self.abandoned = False
        self.weight = 0
        self.value: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Make the call and keep its outcome; never raise."""
        try:
            self.value = self.call()
        except BaseException as error:  # noqa: BLE001 - raised where the result is taken
            self.error = error

    def result(self) -> Any:
        """Return the result of the call, or raise what the call raised."""
        if self.error is not None:
            raise self.error
        return self.value


class SweepJob(Generic[Item, Result]):
    """One walk of items through a fetch; the pool guards it with its lock.

    Attributes:
        started: the items that have been started and not handed out yet, in order.
        exhausted: whether there is no further item to start.
    """

    def __init__(self, items: Iterable[Item], fetch: Callable[[Item], Result]) -> None:
        self._items = iter(items)
        self._fetch = fetch
        self.started: deque[tuple[Item, Task]] = deque()
        self.exhausted = False

    def next_task(self) -> Task | None:
        """Return the task of the next item, queued in its place; None if there is no item left."""
        for item in self._items:
            task = Task(partial(self._fetch, item), subtask=False)
            self.started.append((item, task))
            return task
        self.exhausted = True
        return None
