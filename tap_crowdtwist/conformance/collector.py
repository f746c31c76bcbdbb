"""Collects evidence from a live program, within a budget of requests.

Requests are sent as the tap sends them: with its client, rate limiter and authentication, GET only,
and no redirect is followed. Evidence never leaves this package; `report` writes counts and names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_crowdtwist.api import endpoints
from tap_crowdtwist.api.endpoints import PAGE_SIZE
from tap_crowdtwist.api.errors import is_about_form
from tap_crowdtwist.conformance.date_queries import compare_undated, query_dates
from tap_crowdtwist.conformance.observations import page_params
from tap_crowdtwist.conformance.recorder import BudgetSpentError, Recorder
from tap_crowdtwist.conformance.requester import Requester
from tap_crowdtwist.records import values
from tap_crowdtwist.records.timestamps import unix_seconds
from tap_crowdtwist.sync.run import build_client

if TYPE_CHECKING:
    from tap_crowdtwist.api.date_filters import Params
    from tap_crowdtwist.conformance.evidence import Evidence, StreamEvidence
    from tap_crowdtwist.conformance.observations import Observation
    from tap_crowdtwist.sync.run import SyncRun

MAX_MEMBERS = 20
"""Members of the roster that are requested."""

_ENOUGH_MEMBERS = {"user_activity_history": MAX_MEMBERS, "redemptions": 8, "purchases": 6}
"""Members with rows after which no more are requested, by stream; 4 for all others.

The history of all members is compared with their profiles, for `sweep_members` updated.
"""

_NONEXISTENT_MEMBER = 999_999_999_999
"""Member id that no program has assigned."""

_MISSING_STATUSES = frozenset({400, 404, 410})
"""Statuses that may mean that a member of the roster was deleted."""


def collect(run: SyncRun, user_agent: str) -> Evidence:
    """Collect evidence about a program.

    Args:
        run: the tap's run, with settings and roster.
        user_agent: value of the header User-Agent.

    Raises:
        TapError: there is no roster.
    """
    recorder = Recorder(1, run.settings.request_timeout, user_agent)
    client = build_client(run.settings, recorder, run.stop, run.pool)
    collector = _Collector(run, Requester(run, client, recorder))
    try:
        collector.collect_all()
    except BudgetSpentError:  # what was collected so far is evaluated
        pass
    finally:
        client.close()
    evidence = collector.evidence
    evidence.requests = recorder.requests
    evidence.is_budget_spent = recorder.is_budget_spent
    return evidence


class _Collector:
    def __init__(self, run: SyncRun, requester: Requester) -> None:
        self._run = run
        self._requester = requester
        self._joined: list[int | None] = []
        self._missing_members: list[int] = []
        self.evidence = requester.evidence

    def collect_all(self) -> None:
        """Send all requests. The budget may end them, so the most important ones come first."""
        streams = self.evidence.streams.values()
        self._request_profiles()
        for seen in streams:
            if seen.endpoint is not endpoints.USER:
                self._request_first_pages(seen)
        self._request_missing_members()
        for seen in streams:
            if seen.endpoint.is_paged and seen.with_rows:
                self._request_further_pages(seen, _longest(seen))
        for seen in streams:
            if len(seen.endpoint.forms) > 1 and seen.with_rows:
                self._request_all_forms(seen, _longest(seen))
        for seen in streams:
            query_dates(self._requester, seen)
        compare_undated(self._requester, self._joined)

    def _request_profiles(self) -> None:
        """Request profiles spread over the roster; they hold the numeric ids of the members."""
        roster = self._run.roster
        requester = self._requester
        count = min(MAX_MEMBERS, len(roster))
        self.evidence.members = count
        id_type = roster.id_type
        params: Params = () if id_type == "id" else (("id_type", id_type),)
        for index in range(count):
            # Spread, since neighbors in a roster may have joined at the same time.
            member = roster[index * len(roster) // count]
            position = len(requester.member_ids)
            profile = requester.request_member(endpoints.USER, member, params, position)
            self.evidence.streams["users"].first.append(profile)
            member_id = _member_id(profile)
            if member_id:
                requester.member_ids.append(member_id)
                self._joined.append(unix_seconds(profile.first_row.get("date_created")))
            elif profile.status in _MISSING_STATUSES and isinstance(member, int):
                self._missing_members.append(member)

    def _request_first_pages(self, seen: StreamEvidence) -> None:
        """Request first pages until enough members have rows."""
        positions = self._requester.positions if seen.endpoint.is_per_member else [None]
        enough = _ENOUGH_MEMBERS.get(seen.name, 4)
        for position in positions:
            seen.first.append(self._request_first_page(seen, position))
            if len(seen.with_rows) >= enough:
                break

    def _request_first_page(self, seen: StreamEvidence, position: int | None) -> Observation:
        """Request a first page in the first form that is not rejected, as the tap does."""
        forms = self._requester.forms_by_success(seen)
        for form in forms:
            page = self._requester.request(seen.endpoint, position, page_params(form, 1))
            if not is_about_form(page.status, page.code):
                break
        return page

    def _request_missing_members(self) -> None:
        """Request a member that does not exist, and the deletion status of a few members."""
        evidence, requester = self.evidence, self._requester
        for name in ("users", "purchases"):  # one for each host
            seen = evidence.streams[name]
            seen.missing = requester.request_member(seen.endpoint, _NONEXISTENT_MEMBER)
        # A member that exists shows what the response is if there is no deletion.
        for position in requester.positions[:1]:
            evidence.existing = requester.request(endpoints.DELETION, position, ())
        for member in self._missing_members[:3]:
            evidence.deletions.append(requester.request_member(endpoints.DELETION, member))

    def _request_further_pages(self, seen: StreamEvidence, longest: Observation) -> None:
        """Request a page beyond the end of the longest list, and a larger one."""
        requester = self._requester
        form = requester.forms_by_success(seen)[0]
        if form.page is None:
            return
        rounded_up = -(-longest.row_count // (form.page_size or PAGE_SIZE))
        last = longest.pages or rounded_up
        params = page_params(form, last + 2)
        seen.beyond = requester.request(seen.endpoint, longest.position, params)
        if form.page_size:
            params = page_params(form, 1, 2 * form.page_size + 1)
            seen.larger = requester.request(seen.endpoint, longest.position, params)

    def _request_all_forms(self, seen: StreamEvidence, longest: Observation) -> None:
        """Request up to two pages of the longest list in each form."""
        for form in seen.endpoint.forms:
            # Two pages, because a form that is ignored returns the first page twice.
            numbers = [1, 2] if form.page else [1]
            for number in numbers:
                params = page_params(form, number)
                page = self._requester.request(seen.endpoint, longest.position, params)
                seen.forms[form.name].append(page)
                if not page.rows:
                    break


def _longest(seen: StreamEvidence) -> Observation:
    """Return the first page of the longest list of a stream that has rows."""
    return max(seen.with_rows, key=lambda page: page.row_count)


def _member_id(profile: Observation) -> int | None:
    """Return the numeric id of the member of a profile; None or 0 if it has none."""
    try:
        return values.integer(profile.first_row.get("id"))
    except values.ConversionError:
        return None
