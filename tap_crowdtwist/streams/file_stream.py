"""File streams: what CrowdTwist pushes, and what the brand has sent to it.

They make no API requests. The bookmark is the last file that was read to its end. The state holds
digests of the files that were read (see `files.history`), so that a file that arrives late, or
again with other content, is noticed.
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
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Context
    from singer_sdk.singerlib import Catalog

    from tap_crowdtwist.files.folder import File
    from tap_crowdtwist.files.history import HistorySize
    from tap_crowdtwist.files.naming import FileNaming
    from tap_crowdtwist.records.normalizer import Row

FILES_LEFT_OUT = "files were left out or read in part"
"""Reason for which a stream is not complete."""

_ROWS_BETWEEN_CHECKS = 1000
"""Rows after which to check the clock and for a stop signal."""

_PROGRESS_SECONDS = 10.0
"""Seconds between two lines of progress."""


class FileStream(CrowdTwistStream):
    """Rows of the files of one feed.

    Of several shards only the first reads files, since their rows are not split by member.
    """

    is_read_from_api = False
    naming: ClassVar[FileNaming]
    feed: ClassVar[str]
    history_size: ClassVar[HistorySize]
    """Numbers of digests of days or hours that the state holds."""
    is_order_sensitive: ClassVar[bool] = False
    """Whether a file that arrives late makes those after it be read again.

    A file dated in the future is then not read: its rows would win over newer ones until that day.
    """
    has_lasting_files: ClassVar[bool] = False
    """Whether an empty folder is an error once a file has been read."""
    is_growing: ClassVar[bool] = False
    """Whether files are appended to."""

    @classmethod
    @override
    def is_configured(cls, config: Mapping[str, Any]) -> bool:
        return bool(config.get(cls.naming.setting))

    @cached_property
    def source(self) -> FileSource:
        """The place of the files."""
        return FileSource(
            self.config[self.naming.setting],
            self.naming,
            growing=self.is_growing,
            access=self.run.settings.remote_access,
        )

    def files(self, fail: Callable[[SettingError], None] | None = None) -> list[File]:
        """List the files of this feed, in the order in which they are read.

        Args:
            fail: called with the error about files that are left out; by default the stream is
                incomplete then.
        """
        files = self.source.files(self.run.now(), self.feed)
        misnamed = [file for file in files if file.correct_name]
        if misnamed:
            (fail or self._fail)(self.source.misnamed_error(misnamed))
            files = [file for file in files if not file.correct_name]
        ahead = [file for file in files if file.is_ahead]
        if ahead and self.is_order_sensitive:
            (fail or self._fail)(self.source.ahead_error(ahead))
            return [file for file in files if not file.is_ahead]
        if ahead:
            self.logger.warning(
                "%s: file names with a future date: %d (first: %r); the files are read, but "
                "check the clocks of this machine and of the one that wrote them",
                self.name,
                len(ahead),
                ahead[0].name,
            )
        return files

    def _fail(self, error: SettingError) -> None:
        """Record that files are not read."""
        self.stats.gap = FILES_LEFT_OUT
        self.run.fail(error)

    def read(self, file: File) -> Iterator[Row]:
        """Yield the raw rows of a file.

        Raises:
            FileError: the file is broken; the rows before the error have been yielded.
        """
        raise NotImplementedError

    def bookmark(self, file: File) -> str:
        """Return the value of the replication key after a file, or "" if the file has none."""
        return file.name

    def finished(self, file: File) -> int:
        """Update the state after a file has been read; return the digest of what was read."""
        return digest_of(file)

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[Row, Any, Any]:
        stats = self.stats
        if self.run.settings.shard.number > 1:
            stats.skip_reason = "files are read by the first shard"
            self.mark_read()
            return
        with self.get_record_counter() as records, self.get_sync_timer():
            try:
                for record in self._records(write=write_messages):
                    records.increment()
                    yield record
                self.mark_read()
            except SettingError as error:
                self._fail(error)
            finally:
                if write_messages:
                    self._tap.state_writer.write_state(self.tap_state)

    def _records(self, *, write: bool) -> Iterator[Row]:
        state = self.stream_state
        is_incremental = self.replication_method == REPLICATION_INCREMENTAL
        files = self.files()
        self._check_files(files, state.get("replication_key_value"))
        if not is_incremental:
            state.clear()
        history = FileHistory.load(state.get("files"), self.history_size)
        due = history.begin(files, in_order=self.is_order_sensitive)
        self.logger.info("%s: reading %d of %d files", self.name, len(due), len(files))
        with self.source.reading(due):
            yield from self._records_of(due, history, write=write)

    def _records_of(
        self, due: Sequence[File], history: FileHistory, *, write: bool
    ) -> Iterator[Row]:
        """Yield the records of files, and update the state after each file."""
        run, state = self.run, self.stream_state
        checkpoint = last_progress = run.clock()
        for number, file in enumerate(due, start=1):
            self.source.wait_for(file, run.on_wait)
            for count, record in enumerate(self._write(self.read(file), run.now(), write=write)):
                yield record
                if count % _ROWS_BETWEEN_CHECKS == 0:
                    run.on_wait()
                    if run.clock() >= last_progress + _PROGRESS_SECONDS:
                        last_progress = run.clock()
                        self._log_progress(number, len(due))
            # Only now, when every row has been written: a file that was read in part is read again.
            history.add(file.period, self.finished(file))
            state["files"] = history.dump()
            state["replication_key"] = self.replication_key
            if bookmark := self.bookmark(file):
                state["replication_key_value"] = bookmark
            if write and run.clock() >= checkpoint + run.settings.checkpoint_interval:
                self._tap.state_writer.write_state(self.tap_state)
                checkpoint = run.clock()

    def _check_files(self, files: list[File], last: str | None) -> None:
        """Warn if there are no files.

        Args:
            files: the files of this feed.
            last: the bookmark of earlier runs.

        Raises:
            SettingError: earlier runs have read some, so the path is wrong or the folder was
                emptied.
        """
        if files:
            return
        if last and self.has_lasting_files:
            raise SettingError(
                self.naming.setting,
                f"has no file for `{self.name}`, although earlier runs have read some (the last: "
                f"{last!r}); check the path, and that files are still delivered",
            )
        self.logger.warning("%s: no files of this feed were found", self.name)

    def _log_progress(self, number: int, files: int) -> None:
        self.logger.info(
            "%s: file %d of %d, %s records",
            self.name,
            number,
            files,
            f"{self.stats.records:,}",
        )


def check_file_streams(
    streams: Iterable[type[FileStream]], catalog: Catalog, config: Mapping[str, Any]
) -> None:
    """Check that the path of every file stream that the catalog selects is set.

    Raises:
        SettingError: one is missing.
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
