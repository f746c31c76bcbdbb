"""Asks a program what the assumptions are about, within a budget, and keeps what it answers.

Every request is one of the tap's own kind: its client, its throttle, its authentication, GET only,
no redirect followed. What is kept never leaves this package; `report` writes counts and names.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.api import endpoints
from tap_crowdtwist.api.date_filters import DATE_END_MARGIN, is_earlier
from tap_crowdtwist.api.deduplication import identify
from tap_crowdtwist.api.endpoints import PAGE_SIZE, DateFilter, Host
from tap_crowdtwist.api.errors import ApiError, FatalApiError, is_about_form
from tap_crowdtwist.conformance.evidence import LIKE_THE_TAP, Evidence
from tap_crowdtwist.conformance.looks import Look, Row, page_params, seconds
from tap_crowdtwist.conformance.recorder import BudgetSpentError, Recorder
from tap_crowdtwist.records import values
from tap_crowdtwist.streams import API_STREAMS
from tap_crowdtwist.sync.run import build_client

if TYPE_CHECKING:
    from tap_crowdtwist.api.client import Client
    from tap_crowdtwist.api.date_filters import Params
    from tap_crowdtwist.api.endpoints import Endpoint, Form
    from tap_crowdtwist.sync.run import SyncRun

MEMBERS = 20
"""Members of the roster that are asked about."""

FILLED = {"users": 20, "user_activity_history": 8, "redemptions": 8, "purchases": 6}
"""Members with rows after which a resource is not asked for again; 4 for the others."""

UNDATED = 24
"""Requests for finding out what redemptions come without dates."""

NOBODY = 999_999_999_999
"""A member's number that no program has given out."""

_MISSING = frozenset({400, 404, 410})
"""Statuses that may say of a member of the roster that it is no more."""

_YEAR = timedelta(days=366)


def collect(run: SyncRun, agent: str) -> Evidence:
    """Ask a program what the assumptions are about.

    Args:
        run: the tap's run, for its settings and its roster.
        agent: sent as User-Agent.

    Raises:
        TapError: there is no roster.
    """
    recorder = Recorder(1, run.settings.request_timeout, agent)
    client = build_client(run.settings, recorder, run.stop, run.pool)
    prober = _Prober(run, client, recorder)
    try:
        prober.ask_all()
    except BudgetSpentError:
        pass
    finally:
        client.close()
    evidence = prober.evidence
    evidence.requests, evidence.is_spent = recorder.requests, recorder.is_spent
    return evidence


class _Prober:
    def __init__(self, run: SyncRun, client: Client, recorder: Recorder) -> None:
        self._run = run
        self._client = client
        self._recorder = recorder
        self._now = run.now()
        self._tomorrow = self._now + DATE_END_MARGIN
        self._ids: list[int] = []
        self._joined: list[int | None] = []
        self._gone: list[int] = []
        self._refused: set[Host] = set()
        self.evidence = Evidence(run.settings.auth_method)

    def ask_all(self) -> None:
        """Send the requests, those that the most depends on first."""
        self._profiles()
        for stream in API_STREAMS:
            if stream.endpoint is not endpoints.USER:
                self._firsts(stream.name, stream.endpoint)
        self._nobody()
        for stream in API_STREAMS:
            if stream.endpoint.is_paged:
                self._pages(stream.name, stream.endpoint)
        for stream in API_STREAMS:
            if len(stream.endpoint.forms) > 1:
                self._forms(stream.name, stream.endpoint)
        for stream in API_STREAMS:
            if stream.endpoint.dates:
                self._dates(stream.name, stream.endpoint)
        self._undated()

    def _ask(
        self, endpoint: Endpoint, member: int | str | None, params: Params, place: int | None = None
    ) -> Look:
        """Send one request; what is wrong with the answer is evidence, and no failure."""
        if endpoint.host in self._refused:
            return Look(endpoint, place, params)
        recorder = self._recorder
        recorder.last = None
        try:
            self._client.get(endpoint, member, params, lambda body: (body,), other_forms=True)
        except FatalApiError:
            self._refused.add(endpoint.host)
        except ApiError:
            pass
        answer = recorder.last
        if answer is None:
            look = Look(endpoint, place, params)
        else:
            headers, body = answer.headers, answer.body
            look = Look(endpoint, place, params, answer.status, headers, body, recorder.ahead)
        self.evidence.looks.append(look)
        return look

    def _profiles(self) -> None:
        """Ask for profiles, spread over the roster, which tell the members' numbers."""
        roster = self._run.roster
        count = min(MEMBERS, len(roster))
        self.evidence.members = count
        looks = self.evidence.first.setdefault("users", [])
        id_type = roster.id_type
        params: Params = () if id_type == "id" else (("id_type", id_type),)
        for place in range(count):
            member = roster[place * len(roster) // count]
            look = self._ask(endpoints.USER, member, params, len(self._ids))
            looks.append(look)
            number = _number(look)
            if number is not None:
                self._ids.append(number)
                self._joined.append(seconds(look.payload.get("date_created")))
            elif look.status in _MISSING and isinstance(member, int):
                self._gone.append(member)

    def _firsts(self, name: str, endpoint: Endpoint) -> None:
        """Ask for first pages until enough members have rows."""
        looks = self.evidence.first.setdefault(name, [])
        filled = 0
        members = enumerate(self._ids) if endpoint.is_per_member else [(None, None)]
        for place, member in members:
            forms = self._untried(name, endpoint)
            look = self._ask(endpoint, member, page_params(forms[0], 1), place)
            for form in forms[1:]:
                if look.is_data or not _is_refused(look):
                    break
                look = self._ask(endpoint, member, page_params(form, 1), place)
            looks.append(look)
            filled += bool(look.rows)
            if filled >= FILLED.get(name, 4):
                break

    def _untried(self, name: str, endpoint: Endpoint) -> list[Form]:
        """Return the forms of a resource, the one that has worked first."""
        forms = list(endpoint.forms)
        worked = [look.params for look in self.evidence.first.get(name, ()) if look.is_data]
        return sorted(forms, key=lambda form: page_params(form, 1) not in worked)

    def _nobody(self) -> None:
        evidence = self.evidence
        for stream in API_STREAMS:
            if stream.name in {"users", "purchases"}:
                evidence.missing[stream.name] = self._ask(stream.endpoint, NOBODY, ())
        for kind, members in (("there", self._ids[:1]), ("gone", self._gone[:3])):
            evidence.deletions[kind] = [
                self._ask(endpoints.DELETION, member, ()) for member in members
            ]

    def _richest(self, name: str) -> Look | None:
        looks = [look for look in self.evidence.first.get(name, ()) if look.rows]
        return max(looks, key=_count, default=None)

    def _member(self, look: Look) -> int | None:
        return None if not look.endpoint.is_per_member else self._ids[look.member or 0]

    def _pages(self, name: str, endpoint: Endpoint) -> None:
        """Ask for the second page of the longest list, one beyond its end, and one that is large.

        Where the list has one page, the second one lies beyond its end.
        """
        richest = self._richest(name)
        if richest is None:
            return
        form = self._untried(name, endpoint)[0]
        page = richest.page
        if form.page is None or page is None:
            return
        member, place = self._member(richest), richest.member
        if page.pages != 1:
            self.evidence.second[name] = self._ask(endpoint, member, page_params(form, 2), place)
        last = page.pages or -(-_count(richest) // (form.page_size or PAGE_SIZE))
        beyond = self._ask(endpoint, member, page_params(form, last + 2), place)
        self.evidence.beyond[name] = beyond
        if form.page_size:
            large = page_params(form, 1, 2 * form.page_size + 1)
            self.evidence.larger[name] = self._ask(endpoint, member, large, place)

    def _forms(self, name: str, endpoint: Endpoint) -> None:
        richest = self._richest(name)
        if richest is None:
            return
        member, place = self._member(richest), richest.member
        forms = self.evidence.forms.setdefault(name, {})
        for form in endpoint.forms:
            pages = [1, 2] if form.page else [1]
            forms[form.name] = []
            for number in pages:
                look = self._ask(endpoint, member, page_params(form, number), place)
                forms[form.name].append(look)
                if not look.rows:
                    break

    def _dates(self, name: str, endpoint: Endpoint) -> None:
        if endpoint.dates is DateFilter.UNIX:
            self._instants(name, endpoint)
        else:
            self._days(name, endpoint)

    def _bring(
        self, topic: str, look: Look, row: Row, name: str, start: Any, end: Any
    ) -> bool | None:
        """Note whether a row comes if a range of dates is asked for; None if that is refused."""
        bounds = (("date_start", start), ("date_end", end))
        params = tuple((bound, str(value)) for bound, value in bounds if value is not None)
        form = self._untried(name, look.endpoint)[0]
        member = self._member(look)
        answer = self._ask(look.endpoint, member, (*page_params(form, 1), *params), look.member)
        if not answer.is_answered:
            return None
        came = _same(row, look.endpoint) in [_same(each, look.endpoint) for each in answer.rows]
        found = self.evidence.dated[name, topic] = came if answer.is_data else None
        return found

    def _instants(self, name: str, endpoint: Endpoint) -> None:
        """Ask around the dates of a row, in seconds: which date counts, and whether ends do."""
        rows = [(look, row) for look in self.evidence.first.get(name, ()) for row in look.rows]
        column = endpoint.dated[0]
        apart = next(((look, row) for look, row in rows if _spread(row, endpoint.dated)), None)
        if apart is not None:
            look, row = apart
            asked: set[int | None] = {None}
            for each in endpoint.dated:
                moment = seconds(row.get(each))
                if moment is None or moment in asked:
                    continue
                asked.add(moment)
                if self._bring(each, look, row, name, moment - 1, moment + 1):
                    column = each
                    break
        found = _dates_of(rows, column)
        if found:
            look, row, moment = found[0]
            self._bring("start", look, row, name, moment, moment + 1)
            self._bring("end", look, row, name, moment - 1, moment)
            self._bring("elsewhere", look, row, name, 1, 2)
            look, row, moment = max(found, key=lambda each: each[2])
            self._bring(LIKE_THE_TAP, look, row, name, moment, int(self._tomorrow.timestamp()))

    def _days(self, name: str, endpoint: Endpoint) -> None:
        """Ask around the day of a row, the one that is nearest to midnight in UTC."""
        column = next(iter(endpoint.dated), "last_date_purchased")
        rows = [(look, row) for look in self.evidence.first.get(name, ()) for row in look.rows]
        found = _dates_of(rows, column)
        if not found:
            return
        look, row, moment = min(found, key=lambda each: min(each[2] % 86_400, -each[2] % 86_400))
        day = datetime.fromtimestamp(moment, timezone.utc).date()
        one = timedelta(days=1)
        self._bring("start", look, row, name, day, day + one)
        self._bring("end", look, row, name, day - one, day)
        self._bring("elsewhere", look, row, name, day - 90 * one, day - 80 * one)
        # The newest row, so that it is on the first page and within a year.
        look, row, moment = max(found, key=lambda each: each[2])
        newest = datetime.fromtimestamp(moment, timezone.utc).date()
        if endpoint.dates is DateFilter.DAYS:
            self._bring(LIKE_THE_TAP, look, row, name, newest, None)
        elif newest > (self._now - _YEAR).date():
            self._bring(LIKE_THE_TAP, look, row, name, newest, self._tomorrow.date())
        if endpoint.dates is DateFilter.WINDOWS:
            self._bring("more than a year", look, row, name, day - 730 * one, day + one)

    def _undated(self) -> None:
        """Ask for redemptions without dates, and in windows back to when the member joined."""
        name, endpoint = "redemptions", endpoints.REDEMPTIONS
        before = self._recorder.requests
        for look in self.evidence.first.get(name, ()):
            place = look.member or 0
            moment = self._joined[place]
            if not look.is_data or moment is None or self._recorder.requests - before > UNDATED:
                continue
            since = datetime.fromtimestamp(moment, timezone.utc)
            if since > self._now - _YEAR:
                continue
            with suppress(ApiError):
                self.evidence.undated[self._compared(endpoint, self._ids[place], since)] += 1

    def _compared(self, endpoint: Endpoint, member: int, since: datetime) -> str:
        plain = self._client.rows(endpoint, member)
        if any(is_earlier(row, endpoint.dated, self._now - _YEAR) for row in plain):
            return "whole"
        windows = self._client.rows(endpoint, member, since=since, until=self._tomorrow)
        return "more" if len(windows) > len(plain) else "same"


def _number(look: Look) -> int | None:
    """Read a member's number out of its profile."""
    if not look.rows:
        return None
    with suppress(values.ConversionError):
        return values.integer(look.rows[0].get("id")) or None
    return None


def _is_refused(look: Look) -> bool:
    return is_about_form(look.status, look.code)


def _count(look: Look) -> int:
    page = look.page
    return (page.total if page and page.total else 0) or len(look.rows)


def _same(row: Row, endpoint: Endpoint) -> Any:
    return identify(row, endpoint.key) or repr(sorted(row.items()))


def _dates_of(rows: list[tuple[Look, Row]], column: str) -> list[tuple[Look, Row, int]]:
    found = [(look, row, seconds(row.get(column))) for look, row in rows]
    return [(look, row, moment) for look, row, moment in found if moment is not None]


def _spread(row: Row, columns: tuple[str, ...]) -> bool:
    """Return whether the dates of a row lie apart."""
    moments = [moment for name in columns if (moment := seconds(row.get(name))) is not None]
    return len(moments) > 1 and max(moments) - min(moments) > 2  # noqa: PLR2004 - seconds
