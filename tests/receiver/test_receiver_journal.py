"""Nothing is acknowledged that is not on disk, whatever the disk does."""

from __future__ import annotations

import asyncio
import errno
import json
import shutil
import tempfile
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.receiver import NAME

from crowdtwist_receiver.disk import DiskFile
from crowdtwist_receiver.journal import Journal
from crowdtwist_receiver.responses import RetryLater
from crowdtwist_receiver.stats import ReceiverStats

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

USERS = "live_users-20261120T10"
ACTIVITIES = "live_activities-20261120T10"
LATER_USERS = "live_users-20261120T11"
FULL = OSError(errno.ENOSPC, "No space left on device")


def line(mark: Any) -> bytes:
    return json.dumps({"mark": mark}).encode() + b"\n"


class Disk:
    """Opens files that do what the test says; remembers what was done to them, in order."""

    def __init__(self) -> None:
        self.opened: list[Path] = []
        self.done: list[tuple[str, str]] = []
        self.faults: Iterator[Any] = iter(())
        self.sync_faults: Iterator[Any] = iter(())
        self.squatters = 0
        self.free = Event()
        self.free.set()

    def open(self, path: Path) -> DiskFile:
        self.opened.append(path)
        if self.squatters:
            self.squatters -= 1
            path.write_bytes(line("another's"))
        return _File(self, path)


class _File(DiskFile):
    def __init__(self, disk: Disk, path: Path) -> None:
        super().__init__(path)
        self._disk = disk
        self._name = path.name

    def _note(self, what: str) -> None:
        self._disk.done.append((what, self._name))

    def write(self, data: bytes) -> int:
        self._note("write")
        fault = next(self._disk.faults, None)
        if isinstance(fault, Exception):
            raise fault
        return super().write(data if fault is None else data[:fault])

    def sync(self) -> None:
        assert self._disk.free.wait(10)
        self._note("sync")
        fault = next(self._disk.sync_faults, None)
        if fault is not None:
            raise fault
        super().sync()

    def close(self) -> None:
        self._note("close")
        super().close()


class Bench:
    """A journal that writes to such a disk."""

    def __init__(self, directory: Path, disk: Disk, *, pause: float, capacity: int) -> None:
        self.directory = directory
        self.disk = disk
        self.stats = ReceiverStats()
        self.journal = Journal(
            directory, capacity, self.stats, open_file=disk.open, retry_interval=pause
        )

    async def store(self, *lines: tuple[str, bytes]) -> bool:
        """Whether it was acknowledged."""
        try:
            await self.journal.store(lines)
        except RetryLater:
            return False
        return True

    async def healthy(self) -> None:
        while self.journal.is_failing:  # noqa: ASYNC110 - it has no event to wait for
            await asyncio.sleep(0.001)

    async def busy(self) -> list[asyncio.Future[None]]:
        """Have the disk hold the first commit, so that what follows is queued."""
        self.disk.free.clear()
        first = self.journal.store([(USERS, line("first"))])
        while not any(what == "write" for what, _ in self.disk.done):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.001)
        return [first]


def with_journal(
    directory: Path,
    use: Callable[[Bench], Awaitable[None]],
    *,
    pause: float = 0.002,
    capacity: int = 10**6,
) -> Disk:
    disk = Disk()

    async def run() -> None:
        bench = Bench(directory, disk, pause=pause, capacity=capacity)
        bench.journal.start()
        try:
            await use(bench)
        finally:
            disk.free.set()
            bench.journal.close()

    asyncio.run(run())
    return disk


def complete(directory: Path) -> list[Any]:
    """Marks of all complete lines; only the last line of a file may be none."""
    marks = []
    for path in sorted(directory.iterdir()):
        assert NAME.fullmatch(path.name)
        *lines, _torn = path.read_bytes().split(b"\n")
        marks += [json.loads(text)["mark"] for text in lines]
    return marks


def test_a_line_is_acknowledged_only_when_it_is_synced(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        (first,) = await bench.busy()
        await asyncio.sleep(0.02)
        assert not first.done()
        assert bench.journal.last_commit is None
        bench.disk.free.set()
        await first
        assert bench.disk.done[-1][0] == "sync"
        assert bench.journal.last_commit is not None

    with_journal(tmp_path, use)
    assert complete(tmp_path) == ["first"]


def test_what_comes_while_the_disk_is_busy_is_synced_at_once(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        waiting = await bench.busy()
        for n in range(40):
            waiting.append(bench.journal.store([((USERS, ACTIVITIES)[n % 2], line(n))]))
        bench.disk.free.set()
        await asyncio.gather(*waiting)
        assert [what for what, _ in bench.disk.done].count("sync") == 3
        # The directory too, for each of the two commits in which a file was new.
        assert bench.stats.disk == {"commits": 2, "syncs": 5}

    with_journal(tmp_path, use)
    assert complete(tmp_path) == [*range(1, 40, 2), "first", *range(0, 40, 2)]


def test_what_waits_is_known_by_feed_until_it_is_synced(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        waiting = await bench.busy()
        waiting.append(bench.journal.store([(USERS, line(1)), (ACTIVITIES, line(22))]))
        assert bench.journal.waiting() == {
            "live_users": [len(line(1)), len(line("first"))],
            "live_activities": [len(line(22))],
        }
        assert bench.journal.last_sync == {}
        bench.disk.free.set()
        await asyncio.gather(*waiting)
        assert bench.journal.waiting() == {}
        assert set(bench.journal.last_sync) == {"live_users", "live_activities"}

    with_journal(tmp_path, use)


FAULTS: dict[str, tuple[list[Any], list[Any]]] = {
    "nothing written": ([FULL], []),
    "half a line written": ([5], []),
    "all but the line end written": ([len(line("bad")) - 1], []),
    "not synced": ([], [OSError(errno.EIO, "Input/output error")]),
    "a fault of our own": ([ValueError("CANARY")], []),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_failure_the_file_is_left_and_another_begun(
    fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def use(bench: Bench) -> None:
        assert await bench.store((USERS, line(1)), (USERS, line(2)))
        writes, syncs = FAULTS[fault]
        bench.disk.faults, bench.disk.sync_faults = iter(writes), iter(syncs)
        assert not await bench.store((USERS, line("bad")))
        await bench.healthy()
        assert await bench.store((USERS, line(3)))

    disk = with_journal(tmp_path, use)
    first, second = disk.opened
    assert NAME.fullmatch(first.name)
    assert first.name[:-14] == second.name[:-14]
    assert first.name != second.name
    assert [what for what, name in disk.done if name == first.name][-1] == "close"
    marks = [mark for mark in complete(tmp_path) if mark != "bad"]
    assert sorted(marks) == [1, 2, 3]
    assert second.read_bytes() == line(3)
    said = capsys.readouterr().err
    assert said.startswith("crowdtwist-receiver: cannot store events: ")
    assert "CANARY" not in said


def test_a_commit_is_acknowledged_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        waiting = await bench.busy()
        store = bench.journal.store
        waiting += [store([(USERS, line(1))]), store([(ACTIVITIES, line(2))])]
        bench.disk.faults = iter([None, OSError(errno.EIO, "Input/output error")])
        bench.disk.free.set()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [isinstance(result, RetryLater) for result in results] == [False, True, True]
        assert bench.journal.events == 1
        await bench.healthy()
        assert await bench.store((USERS, line(1)), (ACTIVITIES, line(2)))

    disk = with_journal(tmp_path, use)
    assert sorted(map(str, complete(tmp_path))) == ["1", "1", "2", "first"]
    assert len(disk.opened) == 4


def test_nothing_is_tried_until_the_disk_takes_something_again(tmp_path: Path) -> None:
    directory = tmp_path / "gone"
    directory.mkdir()

    async def use(bench: Bench) -> None:
        shutil.rmtree(directory)
        assert not await bench.store((USERS, line("lost")))
        assert bench.journal.is_failing
        for _ in range(5):
            assert not await bench.store((USERS, line("lost")))
        await asyncio.sleep(0.02)
        assert bench.journal.is_failing
        assert len(bench.disk.opened) == 1
        directory.mkdir()
        await bench.healthy()
        assert await bench.store((USERS, line("kept")))

    with_journal(directory, use)
    assert complete(directory) == ["kept"]


def test_a_file_that_somebody_removed_acknowledges_nothing(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        assert await bench.store((USERS, line(1)))
        bench.disk.opened[0].unlink()
        assert not await bench.store((USERS, line(2)))
        await bench.healthy()
        assert await bench.store((USERS, line(3)))

    with_journal(tmp_path, use)
    assert complete(tmp_path) == [3]


def test_files_of_past_hours_are_closed_and_never_written_to_again(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        for stem, mark in [(USERS, 1), (LATER_USERS, 2), (USERS, 3), (LATER_USERS, 4)]:
            assert await bench.store((stem, line(mark)))
        closed = [name for what, name in bench.disk.done if what == "close"]
        assert closed[0] == bench.disk.opened[0].name

    with_journal(tmp_path, use)
    contents = sorted((path.name[: len(USERS)], path.read_bytes()) for path in tmp_path.iterdir())
    assert contents == [(USERS, line(1)), (USERS, line(3)), (LATER_USERS, line(2) + line(4))]


def test_a_file_that_is_there_already_is_not_touched(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        bench.disk.squatters = 1
        assert await bench.store((USERS, line("ours")))

    with_journal(tmp_path, use)
    contents = sorted(path.read_bytes() for path in tmp_path.iterdir())
    assert contents == [line("another's"), line("ours")]


def test_who_no_longer_waits_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        waiting = await bench.busy()
        waiting += [bench.journal.store([(USERS, line(n))]) for n in range(3)]
        waiting[1].cancel()
        bench.disk.free.set()
        await asyncio.gather(*waiting[:1], *waiting[2:])
        assert bench.journal.events == 3

    with_journal(tmp_path, use)
    assert complete(tmp_path) == ["first", 0, 1, 2]


def test_no_more_than_the_capacity_waits(tmp_path: Path) -> None:
    size = len(line("first"))

    async def use(bench: Bench) -> None:
        waiting = await bench.busy()
        waiting.append(bench.journal.store([(USERS, line("first"))]))
        with pytest.raises(RetryLater, match="the write queue is full"):
            bench.journal.store([(USERS, b"\n")])
        bench.disk.free.set()
        await asyncio.gather(*waiting)
        assert await bench.store((USERS, line("first")), (USERS, line("first")))

    with_journal(tmp_path, use, capacity=2 * size)
    assert len(complete(tmp_path)) == 4


def test_closing_commits_what_is_queued_and_takes_nothing_more(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        waiting = await bench.busy()
        waiting += [bench.journal.store([(USERS, line(n))]) for n in range(20)]
        closing = asyncio.get_running_loop().run_in_executor(None, bench.journal.close)
        await asyncio.sleep(0.01)
        assert not await bench.store((USERS, line("late")))
        assert not closing.done()
        bench.disk.free.set()
        await closing
        await asyncio.gather(*waiting)

    with_journal(tmp_path, use)
    assert complete(tmp_path) == ["first", *range(20)]


outcomes = st.one_of(
    st.none(), st.none(), st.integers(0, 200), st.sampled_from([FULL, RuntimeError("odd")])
)


@settings(max_examples=60, deadline=None)
@given(
    writes=st.lists(outcomes, max_size=12),
    syncs=st.lists(st.sampled_from([None, None, FULL]), max_size=12),
    bodies=st.lists(
        st.lists(st.sampled_from([USERS, ACTIVITIES, LATER_USERS]), min_size=1, max_size=4),
        max_size=15,
    ),
)
def test_whatever_fails_all_that_was_acknowledged_is_there(
    writes: Sequence[Any], syncs: Sequence[Any], bodies: Sequence[Sequence[str]]
) -> None:
    acknowledged: list[Any] = []

    async def use(bench: Bench) -> None:
        bench.disk.faults, bench.disk.sync_faults = iter(writes), iter(syncs)
        for number, stems in enumerate(bodies):
            marks = [f"{number}.{part}" for part in range(len(stems))]
            pairs = zip(stems, marks, strict=True)
            if await bench.store(*((stem, line(mark)) for stem, mark in pairs)):
                acknowledged.extend(marks)
            await bench.healthy()

    with tempfile.TemporaryDirectory() as folder:
        disk = with_journal(Path(folder), use, pause=0.0005)
        found = complete(Path(folder))
    assert set(acknowledged) <= set(found)
    assert len(found) == len(set(found))
    for name in {path.name for path in disk.opened}:
        assert [what for what, of in disk.done if of == name].count("close") <= 1
        last = [what for what, of in disk.done if of == name][-1:]
        assert last in ([], ["close"])
