"""Streams of files: what CrowdTwist pushes by itself, and what the brand has sent to it.

Nothing is asked of the API. The bookmark is the last file that was read whole; which files have
been read is kept in the state (`feeds.history`), so that one that comes late, or again with other
content, is noticed.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.files.folder import FileSource, digest_of
from tap_crowdtwist.files.history import FileHistory
from tap_crowdtwist.streams.base import CrowdTwistStream

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from singer_sdk.helpers.types import Context
    from singer_sdk.singerlib import Catalog

    from tap_crowdtwist.files.folder import File
    from tap_crowdtwist.files.history import HistorySize
    from tap_crowdtwist.files.naming import FileNaming
    from tap_crowdtwist.records.normalizer import Row

_LISTEN = 1000
"""Rows between two looks at the clock and at signals."""

_SAY = 10.0
"""Seconds between two lines that say how far it is."""


class FileStream(CrowdTwistStream):
    """Rows of the files of one feed.

    With several shards, only the first reads files: their rows are not split by member.
    """

    asks_api = False
    naming: ClassVar[FileNaming]
    feed: ClassVar[str]
    kept: ClassVar[HistorySize]
    """How many sums of days or hours the state holds."""
    in_order: ClassVar[bool] = False
    """Whether a file that comes late makes those after it be read again.

    A file with a date to come then is not read: it would have the last word until that day.
    """
    lasting: ClassVar[bool] = False
    """Whether some file is always there once one was, so that a place without any is wrong."""
    growing: ClassVar[bool] = False
    """Whether files are appended to."""

    @classmethod
    @override
    def is_configured(cls, config: Mapping[str, Any]) -> bool:
        return bool(config.get(cls.naming.setting))

    @cached_property
    def source(self) -> FileSource:
        """Where the files are."""
        return FileSource(
            self.config[self.naming.setting],
            self.naming,
            growing=self.growing,
            known_hosts=self.run.settings.sftp_known_hosts,
        )

    def files(self, fail: Callable[[SettingError], None] | None = None) -> list[File]:
        """List the files of this feed, in the order in which they are read.

        Args:
            fail: takes what is wrong with files that are left out; the run, if not given.
        """
        files = self.source.files(self.run.now(), self.feed)
        misnamed = [file for file in files if file.correct_name]
        if misnamed:
            (fail or self.run.fail)(self.source.misnamed_error(misnamed))
            files = [file for file in files if not file.correct_name]
        ahead = [file for file in files if file.is_ahead]
        if ahead and self.in_order:
            (fail or self.run.fail)(self.source.ahead_error(ahead))
            return [file for file in files if not file.is_ahead]
        if ahead:
            self.logger.warning(
                "%s: names with a date to come: %d (first: %r); the files are read all the same, "
                "but check the clocks of this machine and of the one that wrote them",
                self.name,
                len(ahead),
                ahead[0].name,
            )
        return files

    def read(self, file: File) -> Iterator[Row]:
        """Yield the raw rows of a file.

        Raises:
            FileError: the file cannot be read on.
        """
        raise NotImplementedError

    def bookmark(self, file: File) -> str:
        """Give the value of the replication key after a file; "" where it has none."""
        return file.name

    def finished(self, file: File) -> int:
        """Do what is to be done after a file, and give the digest of what was read of it."""
        return digest_of(file)

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[Row, Any, Any]:
        stats = self.run.stream_stats(self.name)
        if self.run.settings.shard.number > 1:
            stats.skip_reason = "files are read by the first shard"
            return
        with self.get_record_counter() as records, self.get_sync_timer():
            try:
                for record in self._records(write=write_messages):
                    records.increment()
                    yield record
            except SettingError as error:
                self.run.fail(error)
            finally:
                if write_messages:
                    self._tap.state_writer.write_state(self.tap_state)

    def _records(self, *, write: bool) -> Iterator[Row]:
        run, state = self.run, self.stream_state
        incremental = self.replication_method == REPLICATION_INCREMENTAL
        files = self.files()
        if not files:
            self._check_first(state.get("replication_key_value"))
        if not incremental:
            state.clear()
        history = FileHistory.load(state.get("files"), self.kept)
        due = history.begin(files, in_order=self.in_order)
        self.logger.info("%s: %d of %d files are to be read", self.name, len(due), len(files))
        checkpoint = say = run.clock()
        for number, file in enumerate(due, start=1):
            for count, record in enumerate(self._write(self.read(file), run.now(), write=write)):
                yield record
                if count % _LISTEN == 0:
                    run.on_wait()
                    if run.clock() >= say + _SAY:
                        say = run.clock()
                        self._say(number, len(due))
            history.add(file.period, self.finished(file))
            state["files"] = history.dump()
            state["replication_key"] = self.replication_key
            if bookmark := self.bookmark(file):
                state["replication_key_value"] = bookmark
            if write and run.clock() >= checkpoint + run.settings.checkpoint_interval:
                self._tap.state_writer.write_state(self.tap_state)
                checkpoint = run.clock()

    def _check_first(self, last: str | None) -> None:
        """Accept that there are no files only before the first has come.

        Raises:
            SettingError: earlier runs have read some, so the place is wrong or was emptied.
        """
        if last and self.lasting:
            raise SettingError(
                self.naming.setting,
                f"has no file for `{self.name}`, although earlier runs have read some (the last: "
                f"{last!r}); see that the path is right and the delivery goes on",
            )
        self.logger.warning("%s: there are no files of this feed", self.name)

    def _say(self, number: int, files: int) -> None:
        self.logger.info(
            "%s: file %d of %d, %s records",
            self.name,
            number,
            files,
            f"{self.run.stream_stats(self.name).records:,}",
        )


def check_file_streams(
    streams: Iterable[type[FileStream]], catalog: Catalog, config: Mapping[str, Any]
) -> None:
    """Refuse a catalog that selects files of which no setting says where they are.

    Raises:
        SettingError: it does.
    """
    for stream in streams:
        entry = catalog.get_stream(stream.name)
        if entry is None or stream.is_configured(config):
            continue
        if entry.metadata.resolve_selection()[()]:
            raise SettingError(
                stream.naming.setting,
                f"is missing, although the catalog selects `{stream.name}`",
            )
