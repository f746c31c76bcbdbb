"""Whatever comes, goes, changes and breaks off: no file that should be read stays unread."""

from __future__ import annotations

import copy
import os
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.harness import PRESENT, process_untouched, select, tap_at
from support.push_files import ANYWHERE, name_of, profiles, put

from tap_crowdtwist.files.history import HistorySize
from tap_crowdtwist.streams.batch_activity import BatchActivityCredits
from tap_crowdtwist.streams.data_push import PushUsers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_crowdtwist.streams.file_stream import FileStream

pytestmark = pytest.mark.slow

KEPT = HistorySize(3, 4)
"""Days that the state tells apart here, so that files soon are older than that."""

OLDEST = 12
TAP = tap_at(PRESENT + timedelta(days=OLDEST))
DAYS = st.integers(1, OLDEST)


@pytest.fixture(autouse=True)
def _few_days(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in (PushUsers, BatchActivityCredits):
        monkeypatch.setattr(stream, "history_size", KEPT)


class Feed(RuleBasedStateMachine):
    """Files that come and go, and a target that takes what the tap reads of them.

    A file holds one row of its own, by which it is known whether its content was read.
    """

    stream: ClassVar[type[FileStream]]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.version = 1000
        self.there: dict[str, int] = {}
        self.days: dict[str, int] = {}
        self.seen: list[int] = []
        self.state: dict[str, Any] = {}
        self.done = False
        with process_untouched():
            path = {self.stream.naming.setting: str(self.folder)}
            self.tap = TAP(config=path, catalog=select(self.stream.name, paths=ANYWHERE))

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def name(self, day: int, hour: int) -> str:
        raise NotImplementedError

    def content(self) -> bytes:
        raise NotImplementedError

    @initialize(day=DAYS)
    def there_is_one(self, day: int) -> None:
        self.comes_or_changes(day, 0)
        self.a_run()

    @rule(days=st.lists(st.tuples(DAYS, st.integers(0, 1)), min_size=1, max_size=4))
    def some_come(self, days: list[tuple[int, int]]) -> None:
        for day, hour in days:
            self.comes_or_changes(day, hour)

    def comes_or_changes(self, day: int, hour: int) -> None:
        self.version += 1
        name = self.name(day, hour)
        path = put(self.folder, name, self.content())
        os.utime(path, (self.version, self.version))  # a clock may be coarser than these runs
        self.there[name], self.days[name] = self.version, day
        self.done = False

    @precondition(lambda self: self.there)
    @rule(data=st.data())
    def goes(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.there)))
        (self.folder / name).unlink()
        del self.there[name]

    @rule(after=st.integers(1, 4))
    def a_run_breaks_off(self, after: int) -> None:
        """After a row that no STATE follows, so the target does not keep it."""
        rows = self.run()
        for _ in range(after):
            if next(rows, self) is self:
                return
        rows.close()  # type: ignore[attr-defined]  # a generator
        self.seen.pop()
        self.done = False

    @rule()
    def a_run(self) -> None:
        for _ in self.run():
            pass
        self.done = True
        assert set(self.there.values()) <= set(self.seen)

    def run(self) -> Iterator[None]:
        state = cast("dict[str, Any]", self.tap.state)
        state.clear()
        state.update(copy.deepcopy(self.state))
        entries = self.state.get("bookmarks", {}).values()
        knew = any("replication_key_value" in entry for entry in entries)
        is_emptied = self.stream.has_lasting_files and knew and not self.there
        records = self.tap.streams[self.stream.name].get_records(None)
        try:
            for record in cast("Iterator[dict[str, Any]]", records):
                self.seen.append(self.version_of(record))
                yield
        finally:
            records.close()  # type: ignore[attr-defined]  # a generator
            assert len(self.tap.run.failures) == is_emptied
            self.tap.run.failures.clear()
            self.state = copy.deepcopy(state)

    def version_of(self, record: dict[str, Any]) -> int:
        raise NotImplementedError

    @precondition(lambda self: self.done)
    @rule()
    def the_next_run_reads_nothing(self) -> None:
        if not self.lacks_some_of_a_cell():
            assert not list(self.run())

    def lacks_some_of_a_cell(self) -> bool:
        """Whether a file went while another shares its sum, which may then be read again."""
        kept = {self.days[name] % KEPT.cells for name in self.there}
        gone = (day for name, day in self.days.items() if name not in self.there)
        return any(day % KEPT.cells in kept for day in gone)

    @invariant()
    def the_state_is_small(self) -> None:
        for entry in self.state.get("bookmarks", {}).values():
            sums = entry.get("files", {})
            assert len(sums.get("sums", "") + sums.get("rest", "")) <= 4 * (
                KEPT.periods + KEPT.cells
            )


class Push(Feed):
    stream = PushUsers

    def name(self, day: int, hour: int) -> str:
        return name_of(["PROFILE", "USER_PROFILE"][hour], day, ["zip", "csv"][hour])

    def content(self) -> bytes:
        return profiles(self.version)

    def version_of(self, record: dict[str, Any]) -> int:
        return int(record["id"])

    @precondition(lambda self: self.done and self.there)
    @rule()
    def the_last_word_is_that_of_the_last_file(self) -> None:
        last = max(self.days[name] for name in self.there)
        words = {version for name, version in self.there.items() if self.days[name] == last}
        if not self.lacks_some_of_a_cell() and last >= max(self.days.values()):
            assert self.seen[-1] in words


class Batch(Feed):
    stream = BatchActivityCredits

    def name(self, day: int, hour: int) -> str:
        return f"activities_512_202603{day:02}{hour:02}0000.txt"

    def content(self) -> bytes:
        return f"|{self.version}|||5\n".encode()

    def version_of(self, record: dict[str, Any]) -> int:
        return int(record["user_id"])


FEW = settings(
    max_examples=30,
    stateful_step_count=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # files take long to shrink
)
TestPushedFiles = Push.TestCase
TestBatchFiles = Batch.TestCase
TestPushedFiles.settings = TestBatchFiles.settings = FEW
