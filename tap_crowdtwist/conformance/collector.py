"""Collects evidence from a live program, within a budget of requests.

Requests are sent as the tap sends them: with its client, rate limiter and authentication, GET only,
and no redirect is followed. Evidence never leaves this package; `report` writes counts and names.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from tap_crowdtwist.api import endpoints
from tap_crowdtwist.api.endpoints import PAGE_SIZE
from tap_crowdtwist.api.errors import is_about_form
from tap_crowdtwist.conformance.date_queries import compare_undated, query_dates
from tap_crowdtwist.conformance.observations import Observation, page_params, unix_seconds
from tap_crowdtwist.conformance.recorder import BudgetSpentError, Recorder
from tap_crowdtwist.conformance.requester import Requester
from tap_crowdtwist.records import values
from tap_crowdtwist.streams import API_STREAMS
from tap_crowdtwist.sync.run import build_client

if TYPE_CHECKING:
    from tap_crowdtwist.api.date_filters import Params
    from tap_crowdtwist.api.endpoints import Endpoint
    from tap_crowdtwist.conformance.evidence import Evidence
    from tap_crowdtwist.sync.run import SyncRun

MAX_MEMBERS = 20
"""Members of the roster that are requested."""

_ENOUGH_MEMBERS = {"users": 20, "user_activity_history": 8, "redemptions": 8, "purchases": 6}
"""Members with rows after which no more are requested, by stream; 4 for all others."""

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
        self._request_profiles()
        for stream in API_STREAMS:
            if stream.endpoint is not endpoints.USER:
                self._request_first_pages(stream.name, stream.endpoint)
        self._request_missing_members()
        for stream in API_STREAMS:
            if stream.endpoint.is_paged:
                self._request_further_pages(stream.name, stream.endpoint)
        for stream in API_STREAMS:
            if len(stream.endpoint.forms) > 1:
                self._request_all_forms(stream.name, stream.endpoint)
        for stream in API_STREAMS:
            if stream.endpoint.dates:
                query_dates(self._requester, stream.name, stream.endpoint)
        compare_undated(self._requester, self._joined)

    def _request_profiles(self) -> None:
        """Request profiles spread over the roster; they hold the numeric ids of the members."""
        roster = self._run.roster
        count = min(MAX_MEMBERS, len(roster))
        self.evidence.members = count
        profiles = self.evidence.first.setdefault("users", [])
        id_type = roster.id_type
        params: Params = () if id_type == "id" else (("id_type", id_type),)
        member_ids = self._requester.member_ids
        for index in range(count):
            # Spread, since neighbors in a roster may have joined at the same time.
            member = roster[index * len(roster) // count]
            profile = self._requester.request(endpoints.USER, member, params, len(member_ids))
            profiles.append(profile)
            member_id = _member_id(profile)
            if member_id is not None:
                member_ids.append(member_id)
                self._joined.append(unix_seconds(profile.payload.get("date_created")))
            elif profile.status in _MISSING_STATUSES and isinstance(member, int):
                self._missing_members.append(member)

    def _request_first_pages(self, name: str, endpoint: Endpoint) -> None:
        """Request first pages until enough members have rows."""
        pages = self.evidence.first.setdefault(name, [])
        with_rows = 0
        member_ids = self._requester.member_ids
        members = enumerate(member_ids) if endpoint.is_per_member else [(None, None)]
        for position, member in members:
            forms = self._requester.forms_by_success(name, endpoint)
            params = page_params(forms[0], 1)
            page = self._requester.request(endpoint, member, params, position)
            # Try the next form, as the tap does, only if this one was rejected.
            for form in forms[1:]:
                if page.is_data or not is_about_form(page.status, page.code):
                    break
                params = page_params(form, 1)
                page = self._requester.request(endpoint, member, params, position)
            pages.append(page)
            with_rows += bool(page.rows)
            if with_rows >= _ENOUGH_MEMBERS.get(name, 4):
                break

    def _request_missing_members(self) -> None:
        """Request a member that does not exist, and the deletion status of a few members."""
        evidence, requester = self.evidence, self._requester
        for stream in API_STREAMS:
            if stream.name in {"users", "purchases"}:  # one for each host
                missing = requester.request(stream.endpoint, _NONEXISTENT_MEMBER, ())
                evidence.missing[stream.name] = missing
        # A member that exists shows what the response is if there is no deletion.
        groups = (("there", requester.member_ids[:1]), ("gone", self._missing_members[:3]))
        for group, members in groups:
            evidence.deletions[group] = [
                requester.request(endpoints.DELETION, member, ()) for member in members
            ]

    def _request_further_pages(self, name: str, endpoint: Endpoint) -> None:
        """Request a page beyond the end of the longest list, and a larger one."""
        requester = self._requester
        longest = requester.longest_list(name)
        if longest is None:
            return
        form = requester.forms_by_success(name, endpoint)[0]
        page = longest.page
        if form.page is None or page is None:
            return
        member, position = requester.member_id(longest), longest.member
        rounded_up = -(-longest.row_count // (form.page_size or PAGE_SIZE))
        last = page.pages or rounded_up
        params = page_params(form, last + 2)
        self.evidence.beyond[name] = requester.request(endpoint, member, params, position)
        if form.page_size:
            params = page_params(form, 1, 2 * form.page_size + 1)
            self.evidence.larger[name] = requester.request(endpoint, member, params, position)

    def _request_all_forms(self, name: str, endpoint: Endpoint) -> None:
        """Request up to two pages of the longest list in each form."""
        requester = self._requester
        longest = requester.longest_list(name)
        if longest is None:
            return
        member, position = requester.member_id(longest), longest.member
        forms = self.evidence.forms.setdefault(name, {})
        for form in endpoint.forms:
            # Two pages, because a form that is ignored returns the first page twice.
            numbers = [1, 2] if form.page else [1]
            forms[form.name] = []
            for number in numbers:
                page = requester.request(endpoint, member, page_params(form, number), position)
                forms[form.name].append(page)
                if not page.rows:
                    break


def _member_id(profile: Observation) -> int | None:
    """Return the numeric id of the member of a profile."""
    if not profile.rows:
        return None
    with suppress(values.ConversionError):
        return values.integer(profile.rows[0].get("id")) or None
    return None
