"""Streams of the loyalty program itself: what can be done, won and earned."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from tap_crowdtwist.api import endpoints
from tap_crowdtwist.api.errors import ExhaustedError, NotConfiguredError, RejectedError
from tap_crowdtwist.streams.base import CrowdTwistStream

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from singer_sdk.helpers.types import Context

    from tap_crowdtwist.records.normalizer import Row


class ProgramStream(CrowdTwistStream):
    """A catalog of the program, read whole on every run.

    Records carry a table version, and ACTIVATE_VERSION follows once all are written, so that
    targets can remove what the program no longer has.
    """

    primary_keys = ("id",)

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[Row, Any, Any]:
        version, client = self._tap.initialized_at, self.run.client
        if not self.run.all_stats:
            self.run.pool.begin_next()
        with self.measured() as count:
            try:
                rows = self.run.pool.run_in_worker(partial(client.rows, self.endpoint))
            except NotConfiguredError as error:
                self.logger.warning("%s: %s; it has no rows", self.name, error)
                self.run.stream_stats(self.name).skip_reason = error.sentence
                return
            except (ExhaustedError, RejectedError) as error:
                if not client.stats.has_succeeded:
                    raise
                self.run.failures.append(str(error))
                return
            extracted = self.run.now()
            for record in self._write(rows, extracted, write=write_messages, version=version):
                count()
                yield record
            whole = not self.run.stream_stats(self.name).rejected_rows and client.is_proven(
                self.endpoint
            )
            if rows and whole and write_messages:
                self._write_activate_version_message(version)


class Activities(ProgramStream):
    """The activities catalog: everything that members can earn points for."""

    name = "activities"
    endpoint = endpoints.ACTIVITIES
    aliases: ClassVar[Mapping[str, str]] = {"activity_tag": "activity_tags"}


class Rewards(ProgramStream):
    """The rewards catalog, inactive rewards included."""

    name = "rewards"
    endpoint = endpoints.REWARDS


class Badges(ProgramStream):
    """The badges catalog."""

    name = "badges"
    endpoint = endpoints.BADGES
    selected_by_default = False
