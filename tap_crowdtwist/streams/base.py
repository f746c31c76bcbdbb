"""The base of all streams: the schema, and the writing of rows as RECORD messages."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import metrics
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib import RecordMessage
from singer_sdk.streams import Stream
from typing_extensions import override

from tap_crowdtwist.config.settings import wants_only_files
from tap_crowdtwist.errors import TapError
from tap_crowdtwist.privacy.policy import public_schema
from tap_crowdtwist.records.normalizer import Normalizer
from tap_crowdtwist.streams import stream_maps
from tap_crowdtwist.sync.message_writer import MessageWriter
from tap_crowdtwist.sync.stats import StreamStats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.mapper import StreamMap

    from tap_crowdtwist.api.endpoints import Endpoint
    from tap_crowdtwist.privacy.policy import Policy
    from tap_crowdtwist.records.normalizer import Row
    from tap_crowdtwist.sync.run import SyncRun


GIVEN_UP = "the stream was given up after an error"
"""Reason for which a stream is not complete."""


class CrowdTwistStream(Stream):
    """A stream of CrowdTwist.

    The SDK's loop over records (`_sync_records`) is replaced in subclasses. It looks up, copies and
    checks for each record what is decided here once per stream, and it advances the bookmark with
    each record, which is only right if records come in order. The API promises no order.

    Args:
        tap: the tap.
        run: returns the shared parts of the run. Called only when rows are read: `--discover`
            builds streams with settings that no run could use.
        policy: how to treat sensitive properties.
    """

    name: str
    endpoint: ClassVar[Endpoint]
    aliases: ClassVar[Mapping[str, str]] = {}
    page_note: ClassVar[str] = ""
    """Text for the page on streams, after the first paragraph of the class's docstring."""

    has_text_objects: ClassVar[bool] = False
    """Whether objects may arrive as text that is not JSON: counted then, without a warning."""

    emit_activate_version_messages = False
    is_read_from_api: ClassVar[bool] = True
    """Whether its rows are read from the API, which takes a key."""

    def __init__(self, tap: Tap, run: Callable[[], SyncRun], policy: Policy) -> None:
        super().__init__(tap, schema=public_schema(self.name, policy))
        self._get_run = run
        self._policy = policy
        if self.is_read_from_api and wants_only_files(tap.config):
            self.selected_by_default = False

    @classmethod
    def is_configured(cls, config: Mapping[str, Any]) -> bool:  # noqa: ARG003 - for streams of files
        """Return whether the settings name the source of the stream."""
        return True

    @property
    def run(self) -> SyncRun:
        """The shared parts of this run."""
        return self._get_run()

    @property
    def stats(self) -> StreamStats:
        """The counts of this stream."""
        return self.run.all_stats.setdefault(self.name, StreamStats())

    def mark_read(self) -> None:
        """Record that the stream has been read to its end, and every row of it written."""
        self.stats.ended_at = self.run.now()

    def give_up(self, error: Exception) -> None:
        """End the stream with an error, and let the other streams go on.

        Raises:
            Exception: the error, if CrowdTwist has answered no request at all.
        """
        self.stats.gap = GIVEN_UP
        if not self.run.client.stats.has_succeeded:
            raise error
        self.run.fail(error)

    @cached_property
    def normalizer(self) -> Normalizer:
        """The function from raw rows to records, compiled from schema and selection of the catalog.

        Raises:
            TapError: the catalog's schema lacks a key.
        """
        missing_keys = [
            key for key in self.primary_keys if key not in self.effective_schema["properties"]
        ]
        if missing_keys:
            raise TapError(
                f"Catalog: the schema of `{self.name}` lacks its key `{missing_keys[0]}`; "
                "regenerate the catalog with `--discover`"
            )
        self._warn_of_old_catalog()
        return Normalizer(
            self.name,
            self.effective_schema,
            self.primary_keys,
            selected=lambda breadcrumb: bool(self.mask[breadcrumb]),
            policy=self._policy,
            aliases=self.aliases,
            text_counts=self.stats.texts if self.has_text_objects else None,
        )

    def _warn_of_old_catalog(self) -> None:
        """Warn of columns that the catalog lacks, for example because an older version wrote it."""
        known = public_schema(self.name, self._policy)["properties"]
        missing = [name for name in known if name not in self.effective_schema["properties"]]
        if missing:
            self.logger.warning(
                "Catalog: the schema of `%s` lacks %d columns (first: `%s`), which are not read; "
                "regenerate the catalog with `--discover`, or with Meltano's `--refresh-catalog`",
                self.name,
                len(missing),
                missing[0],
            )

    @override
    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        """Log a message; errors at DEBUG, since the last line of the run reports them."""
        super().log(
            message, *args, level=logging.DEBUG if level >= logging.ERROR else level, **kwargs
        )

    @contextmanager
    def measured(self) -> Iterator[Callable[..., None]]:
        """Log the Singer metrics of a sync: records, requests, duration.

        Yields:
            A function to call after writing records, with their number (1 if not given). It also
            counts the requests made since its last call.
        """
        requests_made = self.run.client.stats.requests
        with (
            self.get_record_counter() as records,
            metrics.http_request_counter(self.name, self.endpoint.path) as requests,
            self.get_sync_timer(),
        ):
            sent = 0

            def count(new: int = 1) -> None:
                nonlocal sent
                records.increment(new)
                now = requests_made[self.name]
                requests.increment(now - sent)
                sent = now

            yield count
            count(0)

    @override
    def get_batch_config(self, config: Mapping[str, Any]) -> None:
        """Return None: no BATCH messages, since a STATE must follow the rows it stands for."""

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Return the records of the stream, in the order in which they are written."""
        return self._sync_records(context, write_messages=False)

    @property
    @override
    def stream_maps(self) -> list[StreamMap]:
        """The maps of this stream, at least one."""
        return stream_maps.maps_of(self._tap.mapper, self)

    @cached_property
    def _mapped(self) -> bool:
        """Whether the user's settings transform records further (stream maps, flattening)."""
        first, *others = self.stream_maps
        return bool(others) or type(first) is not SameRecordTransform or first.flattening_enabled

    def _write(
        self, rows: Iterable[Row], extracted: datetime, *, write: bool, version: int | None = None
    ) -> Iterator[Row]:
        """Convert rows to records, write each, and yield it. Rows without a key are left out.

        Args:
            rows: raw rows.
            extracted: when they were received.
            write: whether to write RECORD messages.
            version: the table version, in streams that send ACTIVATE_VERSION.
        """
        stats, normalize = self.stats, self.normalizer
        send = self._record_writer(version, extracted)
        for row in rows:
            try:
                record = normalize(row)
            except RecursionError:  # nested too deeply; only this row is lost, and counted
                record = None
            if record is None:
                stats.rejected_rows += 1
                continue
            self._check_max_record_limit(stats.records)
            if write:
                send(record)
            stats.records += 1
            yield record

    def _record_writer(self, version: int | None, extracted: datetime) -> Callable[[Row], None]:
        """Return a function that writes a record, transformed by the user's settings."""
        writer = self._tap.message_writer
        if isinstance(writer, MessageWriter) and not self._mapped:
            return writer.record_writer(self.name, version, extracted)

        def write(record: Row) -> None:
            for alias, mapped in stream_maps.apply_maps(self, record):
                self._tap.write_message(RecordMessage(alias, mapped, version, extracted))

        return write
