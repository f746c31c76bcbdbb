"""Worker threads that fetch many members at once and hand out the results in roster order.

There are two kinds of tasks. A *request* fetches one item (a member) of one sweep; its result has
a fixed place in the order of that sweep. A *subtask* is a part of a request that can run beside the
other parts, such as one page of a long listing. Subtasks run before further requests, so that a
member with hundreds of pages does not delay those behind it.

The number of requests that are running or waiting to be handed out is limited, so memory grows
neither with the roster nor with the rows. The results and their order do not depend on the number
of workers.
"""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from tap_crowdtwist.sync.tasks import Item, Result, SweepJob, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

T = TypeVar("T")

REQUESTS_AHEAD = 16
"""Requests per worker that may be running, or done and waiting to be handed out."""

MAX_WAITING_ROWS = 20_000
"""Rows that may wait to be handed out before the workers start no further request."""

_POLL_SECONDS = 0.2
"""Interval at which a waiting consumer calls `on_wait`, in seconds."""

_CLOSE_SECONDS = 2.0
"""Time that `close` waits for running requests, in seconds; daemon threads may outlive it."""


class _ClosedError(Exception):
    """The pool is closing; leaves a request that waits for its subtasks."""


class WorkerPool:
    """The worker threads of a run, started when there is work.

    Args:
        workers: number of threads.
        on_wait: called regularly by a waiting consumer; raises when the run should stop.
        ahead: requests per worker that may be running or waiting to be handed out.
        weight_of: returns the weight of a result, in rows.
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
        # One lock, three conditions: with one condition, every result would wake every thread.
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._result_ready = threading.Condition(self._lock)
        self._subtask_done = threading.Condition(self._lock)
        self._awaited_task: Task | None = None
        self._sweeps: deque[SweepJob[Any, Any]] = deque()
        self._subtasks: deque[Task] = deque()
        self._outstanding = 0
        self._weight_of = weight_of
        self._weight = 0
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._scheduled: dict[str, Callable[[], bool]] = {}

    def schedule(self, sweeps: Mapping[str, Callable[[], bool]]) -> None:
        """Set the order in which sweeps begin.

        Args:
            sweeps: by name, a function that begins the sweep and returns whether there was one to
                begin.
        """
        self._scheduled = dict(sweeps)

    def begin_next(self, after: str = "") -> None:
        """Begin the sweep that follows another one, whose last members are being fetched.

        Otherwise the workers would be idle while the last rows of a stream are written.

        Args:
            after: the name of that other sweep; "" begins the first sweep of the run, on which the
                workers can start while the program streams are read.
        """
        # Nothing is scheduled if sweeps begin in their own turn only.
        names = list(self._scheduled)
        if after and names:
            names = names[names.index(after) + 1 :]
        for name in names:
            if self._scheduled[name]():
                return

    def add(self, items: Iterable[Item], fetch: Callable[[Item], Result]) -> SweepJob[Item, Result]:
        """Add a sweep. Its items are read lazily, after those of the sweeps before it.

        Args:
            items: the items to walk. Read by the workers, one at a time.
            fetch: called by the workers.
        """
        sweep = SweepJob(items, fetch)
        with self._lock:
            self._sweeps.append(sweep)
            self._work.notify_all()
        self._start_threads()
        return sweep

    def run_in_worker(self, call: Callable[[], T]) -> T:
        """Run a call in a worker, before all requests, and return its result.

        What the call or `on_wait` raises is raised here.
        """
        task = Task(call, subtask=True)
        with self._lock:
            self._subtasks.append(task)
            self._work.notify()
        self._start_threads()
        while True:
            with self._lock:
                if task.done:
                    return task.result()  # type: ignore[no-any-return]
                self._subtask_done.wait(_POLL_SECONDS)
            # Without the lock: `on_wait` may take time, or raise.
            self._on_wait()

    def _start_threads(self) -> None:
        if not self._threads:
            # Daemons: a thread that hangs in a request must not keep the process alive.
            self._threads = [
                threading.Thread(target=self._worker_loop, name=f"worker-{n}", daemon=True)
                for n in range(self._workers)
            ]
            for thread in self._threads:
                thread.start()

    def results(self, sweep: SweepJob[Item, Result]) -> Iterator[tuple[Item, Result]]:
        """Yield each item of a sweep with the result of its fetch, in the order of the items.

        An exception of a fetch is raised here in place of its result, after everything before it
        was yielded; so is an exception of `on_wait`. Closing the iterator early abandons the sweep.
        """
        try:
            while (entry := self._take(sweep)) is not None:
                item, task = entry
                yield item, task.result()
        finally:
            self._abandon(sweep)

    def run_concurrently(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """Run calls at the same time, on whatever workers are free, and return their results.

        May only be called by a worker. If calls raise, the exception of the first one in order is
        raised, after all calls have ended.
        """
        tasks = [Task(call, subtask=True) for call in calls]
        with self._lock:
            self._subtasks.extend(tasks[1:])
            self._work.notify(len(tasks) - 1)
        # The caller runs its own subtasks too, so it gets on even if no other worker is free.
        self._finish(tasks[0])
        while (subtask := self._next_subtask(tasks)) is not None:
            self._finish(subtask)
        return [task.result() for task in tasks]

    def close(self) -> None:
        """Stop all workers; wait for running requests, but no longer than `_CLOSE_SECONDS`."""
        with self._lock:
            self._closed = True
            for condition in (self._work, self._result_ready, self._subtask_done):
                condition.notify_all()
        # One budget for all threads, however many hang.
        for thread in self._threads:
            thread.join(_CLOSE_SECONDS / len(self._threads))

    def _take(self, sweep: SweepJob[Item, Result]) -> tuple[Item, Task] | None:
        """Wait for the first item of a sweep to be done and remove it; None if none is left."""
        while True:
            with self._lock:
                if sweep.started and sweep.started[0][1].done:
                    self._outstanding -= 1
                    self._weight -= sweep.started[0][1].weight
                    self._work.notify()
                    return sweep.started.popleft()
                if sweep.exhausted and not sweep.started:
                    return None
                self._awaited_task = sweep.started[0][1] if sweep.started else None
                # With a timeout: a stop request does not notify this condition.
                self._result_ready.wait(_POLL_SECONDS)
            self._on_wait()

    def _abandon(self, sweep: SweepJob[Any, Any]) -> None:
        with self._lock:
            self._outstanding -= len(sweep.started)
            for _, task in sweep.started:
                self._weight -= task.weight
                # It may be running: its result must not be added to the weight when it ends.
                task.abandoned = True
            sweep.started.clear()
            sweep.exhausted = True
            if sweep in self._sweeps:
                self._sweeps.remove(sweep)
            self._work.notify_all()

    def _next_subtask(self, wanted: list[Task]) -> Task | None:
        """Take a wanted subtask that has not started, or wait; None if all of them are done."""
        with self._lock:
            while not all(task.done for task in wanted):
                if self._closed:
                    raise _ClosedError
                for subtask in self._subtasks:
                    # Never run another caller's subtask: it may wait for its own (unbounded
                    # nesting).
                    if subtask in wanted:
                        self._subtasks.remove(subtask)
                        return subtask
                self._subtask_done.wait()
        return None

    def _worker_loop(self) -> None:
        while (task := self._next_task()) is not None:
            self._finish(task)

    def _finish(self, task: Task) -> None:
        task.run()
        with self._lock:
            task.done = True
            if not task.subtask and task.error is None and not task.abandoned:
                task.weight = self._weight_of(task.value)
                self._weight += task.weight
            if task.subtask:
                self._subtask_done.notify_all()
            # Results are handed out in order, so only the first one is worth waking the consumer.
            elif self._awaited_task is None or self._awaited_task is task:
                self._result_ready.notify()

    def _next_task(self) -> Task | None:
        """Wait for a task, subtasks first; None if the pool is closed."""
        with self._lock:
            while not self._closed:
                if self._subtasks:
                    return self._subtasks.popleft()
                has_room = self._outstanding < self._window and self._weight < MAX_WAITING_ROWS
                if has_room and (task := self._next_request()) is not None:
                    return task
                self._work.wait()
        return None

    def _next_request(self) -> Task | None:
        # A sweep starts only when the one before it has no item left to start. Otherwise results of
        # the later one could fill the window, and wait for requests that can never start.
        while self._sweeps:
            sweep = self._sweeps[0]
            try:
                task = sweep.next_task()
            except Exception as error:  # noqa: BLE001 - raised where the results are taken
                task = Task(partial(_raise, error), subtask=False)
                sweep.started.append((None, task))
                sweep.exhausted = True
            if sweep.exhausted:
                self._sweeps.popleft()
                # The consumer may be waiting for an item that does not exist.
                self._result_ready.notify()
            if task is not None:
                self._outstanding += 1
                return task
        return None


def _raise(error: Exception) -> None:
    raise error
