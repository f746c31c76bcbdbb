"""The stream of profiles, which also tells the other streams of members who was updated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_crowdtwist.api import endpoints
from tap_crowdtwist.api.errors import MemberMissingError, NotConfiguredError, RejectedError
from tap_crowdtwist.records import timestamps, values
from tap_crowdtwist.records.profile_dates import profile_date
from tap_crowdtwist.state.timestamps import load_timestamp
from tap_crowdtwist.streams import member_payloads
from tap_crowdtwist.streams.member_request import RequestKind
from tap_crowdtwist.streams.member_stream import MemberStream
from tap_crowdtwist.sync.updated_members import PROFILES

if TYPE_CHECKING:
    from datetime import datetime

    from tap_crowdtwist import state
    from tap_crowdtwist.records.normalizer import Row
    from tap_crowdtwist.streams.member_request import MemberRequest, MemberResult


class Users(MemberStream):
    """Profiles of members."""

    name = PROFILES
    endpoint = endpoints.USER
    primary_keys = ("id",)
    valid_replication_keys = ("date_last_updated",)
    page_note = (
        "Every profile is requested; incremental by `date_last_updated` only filters the output."
    )

    @override
    def fetch(self, position: int, since: datetime | None, until: datetime) -> list[Row]:
        try:
            return [self.run.user_ids.profile(position)]
        except MemberMissingError:
            if not self.run.settings.tombstones or self.run.roster.id_type != "id":
                raise
            return [self._tombstone(int(self.run.roster[position]), until)]

    def _tombstone(self, user_id: int, until: datetime) -> Row:
        """Return the row of a deleted member (User Deletion Status).

        Raises:
            MemberMissingError: CrowdTwist knows of no deletion, so the member may never have
                existed.
        """
        parse = member_payloads.parse_deletion
        try:
            deletion = self.run.client.get(endpoints.DELETION, user_id, parse=parse)
        except (NotConfiguredError, RejectedError) as error:
            raise MemberMissingError(error.sentence, endpoint=self.endpoint.name) from None
        return member_payloads.tombstone(user_id, deletion, until)

    @override
    def _read(self, request: MemberRequest, sweep: state.SweepState) -> list[Row]:
        # The base class looks the number up first, which for other kinds of id takes the profile:
        # it would be requested twice. New members need no earlier bound here, since a profile is
        # never filtered by the request, only by `wanted`.
        return self.fetch(request.position, request.since, sweep.started_at)

    @override
    def _updated_members(self) -> None:
        """Return None: every profile is read, since it tells who was updated."""

    @override
    def _record_dates(
        self, request: MemberRequest, result: MemberResult, sweep: state.SweepState
    ) -> None:
        """Note whether the member was updated, or whether a newer row contradicts the profile."""
        if isinstance(result.error, MemberMissingError) or result.deleted:
            return  # there is nothing else to read
        run = self.run
        date = profile_date(result.rows[0]) if result.rows else None
        # A date ahead of the clock says nothing about how far the others lie behind it.
        if date is not None and date <= result.extracted.timestamp():
            sweep.newest_profile = max(sweep.newest_profile, date)
        if run.updated is not None:
            run.updated.record(request.position, date)
        if run.newest_rows is None or date is None or request.kind is RequestKind.REREAD:
            return
        contradicts = run.newest_rows.contradicts(request.position, date)
        if contradicts is not None:
            sweep.checked += 1
            sweep.contradicted += contradicts
            self.stats.checked += 1
            self.stats.contradicted += contradicts

    @override
    def wanted(self, row: Row, since: datetime | None) -> bool:
        if since is None or self.replication_method != REPLICATION_INCREMENTAL:
            return True
        try:
            updated = timestamps.normalize_timestamp(row["date_last_updated"])
        except (KeyError, values.ConversionError):
            return True
        updated_at = load_timestamp(updated)
        return updated_at is None or updated_at >= since
