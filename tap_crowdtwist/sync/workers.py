"""Walks members through a fetch, many at a time, and gives the results in the order asked.

Work comes in two kinds. An *errand* is one member of one sweep; its result has a place in the
order of the roster. A *leaf* is a part of an errand that can be done beside its other parts (one
page of a long listing), and goes before further errands, so that a member with hundreds of pages
does not hold up those behind it.

A bounded window of errands is under way or waiting for its turn, so memory grows neither with the
roster nor with the rows. What comes out does not depend on how many workers there are.
"""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")
T = TypeVar("T")

REQUESTS_AHEAD = 16
"""Errands per worker that may be under way, or done and waiting for their turn."""

MAX_WAITING_ROWS = 20_000
"""Rows that may wait for their turn before no further errand is begun."""

_POLL_SECONDS = 0.2
"""Seconds after which whoever waits looks whether the run should stop."""

_CLOSE_SECONDS = 2.0
"""Seconds that closing waits for requests under way; the threads are daemons beyond that."""


class _ClosedError(Exception):
    """The crew is closing; leaves an errand in the middle."""


class _Task:
    """Something to do, and what came of it."""

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
        try:
            self.value = self.call()
        except BaseException as error:  # noqa: BLE001 - raised where the result is taken
            self.error = error

    def result(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.value


class SweepJob(Generic[Item, Result]):
    """One walk of items through a fetch, as the crew keeps it."""

    def __init__(self, items: Iterable[Item], fetch: Callable[[Item], Result]) -> None:
        self._items = iter(items)
        self._fetch = fetch
        self.slots: deque[tuple[Item, _Task]] = deque()
        self.exhausted = False

    def next_task(self) -> _Task | None:
        """Take the next item, give it its place, and return what is to be done for it."""
        for item in self._items:
            task = _Task(partial(self._fetch, item), subtask=False)
            self.slots.append((item, task))
            return task
        self.exhausted = True
        return None


class WorkerPool:
    """The worker threads of a run, started when there is work.

    Args:
        workers: how many things may be done at once.
        on_wait: called by whoever waits; raises when the run should stop.
        ahead: errands per worker that may be under way or waiting for their turn.
        weight_of: tells how much a result weighs, in rows.
    """

    def __init__(
        self,
        workers: int,
        on_wait: Callable[[], None] = lambda: None,
        ahead: int = REQUESTS_AHEAD,
        weight_of: Callable[[Any], int] = lambda _: 1,
    ) -> None:
        self._workers = workers
        self._window = workers * ahead
        self._on_wait = on_wait
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._result_ready = threading.Condition(self._lock)
        self._subtask_done = threading.Condition(self._lock)
        self._awaited: _Task | None = None
        self._sweeps: deque[SweepJob[Any, Any]] = deque()
        self._subtasks: deque[_Task] = deque()
        self._outstanding = 0
        self._weight_of = weight_of
        self._weight = 0
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._scheduled: dict[str, Callable[[], bool]] = {}

    def schedule(self, sweeps: Mapping[str, Callable[[], bool]]) -> None:
        """Set the order in which sweeps begin.

        Args:
            sweeps: by name, what begins a sweep, and returns whether there was one to begin.
        """
        self._scheduled = dict(sweeps)

    def begin_next(self, after: str = "") -> None:
        """Begin the sweep after one whose last members are under way.

        Workers would have nothing to do otherwise while the last rows of a stream are written.

        Args:
            after: the name of that sweep; "" for the first of a run, on which the workers can
                start while the program's own streams are read.
        """
        names = list(self._scheduled)
        first = names.index(after) + 1 if after in names else 0
        for name in names[first:]:
            if self._scheduled[name]():
                return

    def add(self, items: Iterable[Item], fetch: Callable[[Item], Result]) -> SweepJob[Item, Result]:
        """Take on a sweep; its items are read lazily, after those of the sweeps before it.

        Args:
            items: what to walk. Read by the workers, one at a time.
            fetch: called by the workers.
        """
        sweep = SweepJob(items, fetch)
        with self._lock:
            self._sweeps.append(sweep)
            self._work.notify_all()
        self._start_threads()
        return sweep

    def run_in_worker(self, call: Callable[[], T]) -> T:
        """Let a worker do one thing before all errands, and wait for it, heeding meanwhile."""
        task = _Task(call, subtask=True)
        with self._lock:
            self._subtasks.append(task)
            self._work.notify()
        self._start_threads()
        while True:
            with self._lock:
                if task.done:
                    return task.result()  # type: ignore[no-any-return]
                self._subtask_done.wait(_POLL_SECONDS)
            self._on_wait()

    def _start_threads(self) -> None:
        if not self._threads:
            self._threads = [
                threading.Thread(target=self._worker_loop, name=f"crew-{n}", daemon=True)
                for n in range(self._workers)
            ]
            for thread in self._threads:
                thread.start()

    def results(self, sweep: SweepJob[Item, Result]) -> Iterator[tuple[Item, Result]]:
        """Yield each item of a sweep with what its fetch returned, in the order of the items.

        What a fetch raises is raised here, at the item's place, after everything before it was
        yielded; so is what `on_wait` raises. Closing the iterator early abandons the sweep.
        """
        try:
            while (slot := self._take(sweep)) is not None:
                yield slot[0], slot[1].result()
        finally:
            self._abandon(sweep)

    def run_concurrently(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """Do several things side by side, with whatever workers are free, and wait for all.

        To be called by a worker. What a call raises is raised here, the first in order.
        """
        tasks = [_Task(call, subtask=True) for call in calls]
        with self._lock:
            self._subtasks.extend(tasks[1:])
            self._work.notify(len(tasks) - 1)
        self._finish(tasks[0])
        while (subtask := self._next_subtask(tasks)) is not None:
            self._finish(subtask)
        return [task.result() for task in tasks]

    def close(self) -> None:
        """Stop all workers. Those in the middle of a request are waited for, but not for long."""
        with self._lock:
            self._closed = True
            for condition in (self._work, self._result_ready, self._subtask_done):
                condition.notify_all()
        for thread in self._threads:
            thread.join(_CLOSE_SECONDS / len(self._threads))

    def _take(self, sweep: SweepJob[Item, Result]) -> tuple[Item, _Task] | None:
        """Wait for the first result of a sweep; None when there are no more."""
        while True:
            with self._lock:
                if sweep.slots and sweep.slots[0][1].done:
                    self._outstanding -= 1
                    self._weight -= sweep.slots[0][1].weight
                    self._work.notify()
                    return sweep.slots.popleft()
                if sweep.exhausted and not sweep.slots:
                    return None
                self._awaited = sweep.slots[0][1] if sweep.slots else None
                self._result_ready.wait(_POLL_SECONDS)
            self._on_wait()

    def _abandon(self, sweep: SweepJob[Any, Any]) -> None:
        with self._lock:
            self._outstanding -= len(sweep.slots)
            for _, task in sweep.slots:
                self._weight -= task.weight
                task.abandoned = True
            sweep.slots.clear()
            sweep.exhausted = True
            if sweep in self._sweeps:
                self._sweeps.remove(sweep)
            self._work.notify_all()

    def _next_subtask(self, wanted: list[_Task]) -> _Task | None:
        """Take one that nobody does yet, or wait; None when all the wanted ones are done."""
        with self._lock:
            while not all(task.done for task in wanted):
                if self._closed:
                    raise _ClosedError
                for subtask in self._subtasks:
                    if subtask in wanted:  # a stranger's may have parts too, and so on without end
                        self._subtasks.remove(subtask)
                        return subtask
                self._subtask_done.wait()
        return None

    def _worker_loop(self) -> None:
        while (task := self._next()) is not None:
            self._finish(task)

    def _finish(self, task: _Task) -> None:
        task.run()
        with self._lock:
            task.done = True
            if not task.subtask and task.error is None and not task.abandoned:
                task.weight = self._weight_of(task.value)
                self._weight += task.weight
            if task.subtask:
                self._subtask_done.notify_all()
            elif self._awaited is None or self._awaited is task:
                self._result_ready.notify()

    def _next(self) -> _Task | None:
        with self._lock:
            while not self._closed:
                if self._subtasks:
                    return self._subtasks.popleft()
                room = self._outstanding < self._window and self._weight < MAX_WAITING_ROWS
                if room and (task := self._next_request()) is not None:
                    return task
                self._work.wait()
        return None

    def _next_request(self) -> _Task | None:
        while self._sweeps:
            sweep = self._sweeps[0]
            try:
                task = sweep.next_task()
            except Exception as error:  # noqa: BLE001 - told to whoever takes the results
                task = _Task(partial(_raise, error), subtask=False)
                sweep.slots.append((None, task))
                sweep.exhausted = True
            if sweep.exhausted:
                self._sweeps.popleft()
                self._result_ready.notify()
            if task is not None:
                self._outstanding += 1
                return task
        return None


def _raise(error: Exception) -> None:
    raise error
