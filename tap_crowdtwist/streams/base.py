"""What every stream has in common: its schema, and how its rows become RECORD messages."""

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


class CrowdTwistStream(Stream):
    """A stream of CrowdTwist.

    Args:
        tap: the SDK's part of it.
        run: returns what the streams of a run share. Streams are also made to be discovered, with
            settings that no run could use, so it is called when rows are asked for.
        policy: what becomes of sensitive properties.

    The SDK's own loop over records is replaced (`_sync_records`): it searches, copies and checks
    per record what here is decided once per stream, and it moves bookmarks by record, which an
    API without any promised order does not allow.
    """

    name: str
    endpoint: ClassVar[Endpoint]
    aliases: ClassVar[Mapping[str, str]] = {}
    notes: ClassVar[str] = ""
    """What a user should know of the stream, for the README."""

    texts_are_expected: ClassVar[bool] = False
    """Whether objects are known to come as text that is no JSON, so that no warning is due."""

    emit_activate_version_messages = False
    asks_api: ClassVar[bool] = True
    """Whether its rows are asked of the API, which takes a key."""

    def __init__(self, tap: Tap, run: Callable[[], SyncRun], policy: Policy) -> None:
        super().__init__(tap, schema=public_schema(self.name, policy))
        self._get_run = run
        self._policy = policy
        if self.asks_api and wants_only_files(tap.config):
            self.selected_by_default = False

    @classmethod
    def is_configured(cls, config: Mapping[str, Any]) -> bool:  # noqa: ARG003 - for streams of files
        """Tell whether the settings say where the stream comes from."""
        return True

    @property
    def run(self) -> SyncRun:
        """What the streams of this run share."""
        return self._get_run()

    @cached_property
    def normalizer(self) -> Normalizer:
        """Makes this stream's records; compiled from the catalog's schema and selection."""
        lacking = [
            key for key in self.primary_keys if key not in self.effective_schema["properties"]
        ]
        if lacking:
            raise TapError(
                f"Catalog: the schema of `{self.name}` lacks its key `{lacking[0]}`; write the "
                "catalog anew with `--discover`"
            )
        self._warn_of_an_old_catalog()
        return Normalizer(
            self.name,
            self.effective_schema,
            self.primary_keys,
            selected=lambda breadcrumb: bool(self.mask[breadcrumb]),
            policy=self._policy,
            aliases=self.aliases,
            texts=self.run.stream_stats(self.name).texts if self.texts_are_expected else None,
        )

    def _warn_of_an_old_catalog(self) -> None:
        """Warn of columns that a catalog lacks, as one does that was kept over an upgrade."""
        known = public_schema(self.name, self._policy)["properties"]
        if lacking := [name for name in known if name not in self.effective_schema["properties"]]:
            self.logger.warning(
                "Catalog: the schema of `%s` lacks %d columns (first: `%s`), which are not read; "
                "write the catalog anew with `--discover`, or with Meltano's `--refresh-catalog`",
                self.name,
                len(lacking),
                lacking[0],
            )

    @override
    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        """Log, but for the SDK's announcement of an error, which the last line of the run tells."""
        super().log(
            message, *args, level=logging.DEBUG if level >= logging.ERROR else level, **kwargs
        )

    @contextmanager
    def measured(self) -> Iterator[Callable[..., None]]:
        """Log the Singer metrics of a sync: records, requests, duration.

        Yields:
            What counts records (one, if not told how many), and the requests made since it was
            last called.
        """
        traffic = self.run.client.stats.requests
        with (
            self.get_record_counter() as records,
            metrics.http_request_counter(self.name, self.endpoint.path) as requests,
            self.get_sync_timer(),
        ):
            sent = 0

            def count(new: int = 1) -> None:
                nonlocal sent
                records.increment(new)
                now = traffic[self.name]
                requests.increment(now - sent)
                sent = now

            yield count
            count(0)

    @override
    def get_batch_config(self, config: Mapping[str, Any]) -> None:
        """Give none: rows go out as they come, and STATE follows them."""

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Give the records of the stream, in the order in which they are written."""
        return self._sync_records(context, write_messages=False)

    @property
    @override
    def stream_maps(self) -> list[StreamMap]:
        """The maps of this stream; there is at least one."""
        return stream_maps.maps_of(self._tap.mapper, self)

    @cached_property
    def _mapped(self) -> bool:
        """Whether the user's settings transform records further (stream maps, flattening)."""
        first, *others = self.stream_maps
        return bool(others) or type(first) is not SameRecordTransform or first.flattening_enabled

    def _write(
        self, rows: Iterable[Row], extracted: datetime, *, write: bool, version: int | None = None
    ) -> Iterator[Row]:
        """Turn rows into records, write each, and yield it.

        Args:
            rows: raw rows.
            extracted: when they were received.
            write: whether RECORD messages are wanted.
            version: the table version of the records, where the stream replaces the table.
        """
        stats = self.run.stream_stats(self.name)
        normalize, send = self.normalizer, self._tap.write_message
        for row in rows:
            try:
                record = normalize(row)
            except RecursionError:  # nested deeper than anything that is data
                record = None
            if record is None:
                stats.rejected_rows += 1
                continue
            self._check_max_record_limit(stats.records)
            if write:
                if self._mapped:
                    for alias, mapped in stream_maps.apply_maps(self, record):
                        send(RecordMessage(alias, mapped, version, extracted))
                else:
                    send(RecordMessage(self.name, record, version, extracted))
            stats.records += 1
            yield record
