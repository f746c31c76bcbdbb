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
from typing import TYPE_CHECKING, Any, TypeVar

from tap_crowdtwist.sync.shutdown import StoppedError
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
        self._weight_of = weight_of
        self._lock = threading.Lock()
        # Only idle workers wait here. Everyone else waits for a task of their own, so that a result
        # wakes no one but its consumer.
        self._work = threading.Condition(self._lock)
        self._urgent: deque[Task] = deque()
        self._sweeps: list[SweepJob[Any, Any]] = []
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
        names = list(self._scheduled)
        # Nothing is scheduled, not even `after`, if sweeps begin in their own turn only.
        first = names.index(after) + 1 if after in names else 0
        for name in names[first:]:
            if self._scheduled[name]():
                return

    def add(self, items: Iterable[Item], fetch: Callable[[Item], Result]) -> SweepJob[Item, Result]:
        """Add a sweep. Its items are read lazily, after those of the sweeps before it.

        Args:
            items: the items to walk, read one at a time.
            fetch: called by the workers.
        """
        sweep = SweepJob(items, fetch, self._weight_of, self._lock)
        with self._lock:
            self._sweeps.append(sweep)
            self._work.notify_all()
        self._start_threads()
        return sweep

    def run_in_worker(self, call: Callable[[], T]) -> T:
        """Run a call in a worker, before all requests, and return its result.

        What the call or `on_wait` raises is raised here.
        """
        task = Task(call)
        with self._lock:
            self._add_urgent([task])
        self._start_threads()
        self._wait_for(task)
        self._on_wait()  # a request that ends at once must not hide a stop request
        return task.result()  # type: ignore[no-any-return]

    def results(self, sweep: SweepJob[Item, Result]) -> Iterator[tuple[Item, Result]]:
        """Yield each item of a sweep with the result of its fetch, in the order of the items.

        An exception of a fetch is raised here in place of its result, after everything before it
        was yielded; so is an exception of `on_wait`. Closing the iterator early abandons the sweep.
        """
        try:
            while sweep.started or self._start_first(sweep):
                item, task = sweep.started[0]
                self._wait_for(task)
                result = task.result()
                with self._lock:
                    sweep.hand_out(result)
                    self._work.notify()
                yield item, result
        finally:
            with self._lock:
                self._sweeps.remove(sweep)
                self._work.notify_all()

    def run_concurrently(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """Run calls at the same time, on whatever workers are free, and return their results.

        May only be called by a worker. If calls raise, the exception of the first one in order is
        raised, after all calls have ended.
        """
        first, *others = tasks = [Task(call) for call in calls]
        with self._lock:
            self._add_urgent(others)
        # The caller runs its own subtasks too, so it gets on even if no other worker is free. Never
        # another caller's: that one may wait for its own (unbounded nesting).
        first.run()
        for task in others:
            if self._claim(task):
                task.run()
        for task in others:
            task.wait()
        return [task.result() for task in tasks]

    def close(self) -> None:
        """Stop all workers; wait for running requests, but no longer than `_CLOSE_SECONDS`."""
        with self._lock:
            self._closed = True
            self._work.notify_all()
        # One budget for all threads, however many hang.
        for thread in self._threads:
            thread.join(_CLOSE_SECONDS / self._workers)

    def _start_threads(self) -> None:
        while len(self._threads) < self._workers:
            # A daemon: a thread that hangs in a request must not keep the process alive.
            name = f"worker-{len(self._threads)}"
            thread = threading.Thread(target=self._worker_loop, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def _worker_loop(self) -> None:
        while (task := self._next_task()) is not None:
            task.run()

    def _next_task(self) -> Task | None:
        """Wait for a task, urgent ones first; None if the pool is closed."""
        with self._lock:
            while not self._closed:
                if self._urgent:
                    return self._urgent.popleft()
                if (task := self._next_request()) is not None:
                    return task
                self._work.wait()
        return None

    def _next_request(self) -> Task | None:
        outstanding = weight = 0
        for sweep in self._sweeps:
            outstanding += len(sweep.started)
            weight += sweep.weight
        if outstanding >= self._window or weight >= MAX_WAITING_ROWS:
            return None
        # A sweep starts only when the one before it has no item left to start. Otherwise results of
        # the later one could fill the window, and wait for requests that can never start.
        for sweep in self._sweeps:
            if (task := sweep.start_next()) is not None:
                return task
        return None

    def _start_first(self, sweep: SweepJob[Any, Any]) -> bool:
        """Start the next item of a sweep if no worker has; return whether one has been started."""
        with self._lock:
            if not sweep.started and (task := sweep.start_next()) is not None:
                self._add_urgent([task])
            return bool(sweep.started)

    def _add_urgent(self, tasks: Sequence[Task]) -> None:
        self._urgent.extend(tasks)
        self._work.notify(len(tasks))

    def _claim(self, task: Task) -> bool:
        """Take an urgent task that no worker has started; return whether there was one to take."""
        with self._lock:
            if self._closed:
                raise StoppedError
            is_waiting = task in self._urgent
            if is_waiting:
                self._urgent.remove(task)
        return is_waiting

    def _wait_for(self, task: Task) -> None:
        # With a timeout: a stop request does not end the wait.
        while not task.wait(_POLL_SECONDS):
            self._on_wait()
