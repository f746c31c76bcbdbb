"""Program streams: the activities, rewards and badges that the loyalty program offers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from tap_crowdtwist.api import endpoints
from tap_crowdtwist.api.errors import ExhaustedError, NotConfiguredError, RejectedError
from tap_crowdtwist.streams.base import CrowdTwistStream
from tap_crowdtwist.streams.vanished_rows import NOT_PROVEN

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from singer_sdk.helpers.types import Context

    from tap_crowdtwist.records.normalizer import Row


class ProgramStream(CrowdTwistStream):
    """A list of what the program offers, read in full on every run.

    Records carry a table version. ACTIVATE_VERSION follows when all are written, so that targets
    can delete what the program no longer has; not if a row may be missing.

    Of several shards only the first reads the list. If all did, their loaders would write the same
    rows at the same time, and one shard's ACTIVATE_VERSION could delete the rows of another.
    """

    primary_keys = ("id",)

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[Row, Any, Any]:
        if self.run.settings.shard.number > 1:
            self.stats.skip_reason = "program streams are read by the first shard"
            self.mark_read()
            return
        version, client = self._tap.initialized_at, self.run.client
        # Nothing has been read yet: let the other workers start on the first sweep meanwhile.
        if not self.run.all_stats:
            self.run.pool.begin_next()
        with self.measured() as count:
            try:
                rows = self.run.pool.run_in_worker(partial(client.rows, self.endpoint))
            except NotConfiguredError as error:
                self.logger.warning("%s has no rows: %s", self.name, error)
                self.stats.skip_reason = error.sentence
                self.mark_read()
                return
            except (ExhaustedError, RejectedError) as error:
                self.give_up(error)
                return
            extracted = self.run.now()
            for record in self._write(rows, extracted, write=write_messages, version=version):
                count()
                yield record
            has_rejected = self.stats.rejected_rows > 0
            is_proven = client.is_proven(self.endpoint)
            is_whole = not has_rejected and is_proven
            # An empty list deletes nothing: it may be a passing fault of the host.
            if rows and is_whole and write_messages:
                self._write_activate_version_message(version)
            self.stats.gap = "" if is_proven else NOT_PROVEN
            self.mark_read()


class Activities(ProgramStream):
    """Everything that members can earn points for."""

    name = "activities"
    endpoint = endpoints.ACTIVITIES
    aliases: ClassVar[Mapping[str, str]] = {"activity_tag": "activity_tags"}


class Rewards(ProgramStream):
    """Rewards that the program offers, inactive ones included."""

    name = "rewards"
    endpoint = endpoints.REWARDS


class Badges(ProgramStream):
    """Badges that the program offers."""

    name = "badges"
    endpoint = endpoints.BADGES
    selected_by_default = False


STREAMS = (Activities, Rewards, Badges)
