"""What the tap assumes of CrowdTwist, and how what a program did bears it out.

Each assumption has a name, what the public pages say, and a pure function from evidence to a
verdict. Sentences hold names, counts and statuses, never a value.
"""

from __future__ import annotations

import enum
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_crowdtwist.api.endpoints import PAGE_SIZE, DateFilter
from tap_crowdtwist.api.errors import Verdict
from tap_crowdtwist.api.listing import identify
from tap_crowdtwist.conformance.columns import columns_of, is_name
from tap_crowdtwist.conformance.looks import BARE
from tap_crowdtwist.conformance.probes import LIKE_THE_TAP, seconds
from tap_crowdtwist.streams import API_STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_crowdtwist.conformance.columns import Columns
    from tap_crowdtwist.conformance.looks import Look
    from tap_crowdtwist.conformance.probes import Evidence
    from tap_crowdtwist.streams.base import CrowdTwistStream

REPORT_IT = "attach the report to an issue (form: Seen on the live service)"

_OWN_IDS = {"user_activity_history": "user_activity_id", "redemptions": "order_id"}
"""Where the tap makes an id of its own for rows without one."""

_OF_THE_TAP = frozenset({"user_id", "rule_type", "entry"})
"""Parts of keys that the tap itself puts into a row."""

_RULED = frozenset({"points_expiration"})
"""Streams whose rows belong to a rule."""

_FEW = 20
"""Rows below which a property that is missing says nothing."""

_MINUTE = 60
_QUARTER = 15 * _MINUTE
_DAY = 24 * 60 * _MINUTE


_Topic = tuple[str, str, "Callable[..., Judgement]"]


class Outcome(enum.Enum):
    """How an assumption has come out."""

    CONFIRMED = "confirmed"
    ADAPTS = "differs, the tap adapts"
    DIFFERS = "differs"
    UNTOLD = "could not be told"


class Judgement(NamedTuple):
    """A verdict, what was seen, and what to do or what would tell."""

    outcome: Outcome
    seen: str
    advice: str = ""


class Assumption(NamedTuple):
    """Something that the tap takes for granted.

    Attributes:
        name: stream and topic.
        says: what the public pages say, or what the tap reads into them.
        check: judges evidence.
    """

    name: str
    says: str
    check: Callable[[Evidence], Judgement]


class Finding(NamedTuple):
    """An assumption and its verdict."""

    name: str
    says: str
    outcome: Outcome
    seen: str
    advice: str

    @property
    def needs_action(self) -> bool:
        """Whether the tap cannot adapt by itself."""
        return self.outcome is Outcome.DIFFERS


def confirmed(seen: str, advice: str = "") -> Judgement:
    """Build the verdict that an assumption holds."""
    return Judgement(Outcome.CONFIRMED, seen, advice)


def adapts(seen: str, advice: str = "nothing to do") -> Judgement:
    """Build the verdict that the tap finds its way although an assumption does not hold."""
    return Judgement(Outcome.ADAPTS, seen, advice)


def differs(seen: str, advice: str = REPORT_IT) -> Judgement:
    """Build the verdict that the tap cannot adapt."""
    return Judgement(Outcome.DIFFERS, seen, advice)


def untold(seen: str, would_tell: str) -> Judgement:
    """Build the verdict that nothing was seen that tells."""
    return Judgement(Outcome.UNTOLD, seen, f"would tell: {would_tell}")


def judge(evidence: Evidence) -> list[Finding]:
    """Judge every assumption."""
    findings = []
    for name, says, check in assumptions():
        outcome, seen, advice = check(evidence)
        findings.append(Finding(name, says, outcome, seen, advice))
    return findings


def assumptions() -> Iterator[Assumption]:
    """Yield every assumption, the general ones first."""
    yield from _GENERAL
    for stream in API_STREAMS:
        yield from _of_stream(stream)
    yield from _FEEDS


def _of_stream(stream: type[CrowdTwistStream]) -> Iterator[Assumption]:
    """Yield what is assumed of one resource."""
    for topic, says, check in (*_of_pages(stream), *_of_rows(stream), *_of_dates(stream)):
        yield Assumption(f"{stream.name}.{topic}", says, partial(check, stream))


def _of_pages(stream: type[CrowdTwistStream]) -> Iterator[_Topic]:
    endpoint = stream.endpoint
    several, size = len(endpoint.forms) > 1, endpoint.page_size or PAGE_SIZE
    if endpoint.envelope:
        where = f"`{endpoint.envelope[0]}`" if endpoint.paged else BARE
        yield "envelope", f"Rows stand in {where}.", _envelope
    if several:
        said = "; else ".join(form.name for form in endpoint.forms)
        yield "form", f"Not stated. The tap asks {said}.", _form
        yield "cut", "A list that comes whole is not cut at a limit.", _cut
    if endpoint.paged:
        yield "page_size", f"A page has {size} rows.", _page_size
        yield "paging", "`paging` has `total`, `pages`, `next_page`, `prev_page`.", _paging
        yield "beyond", "A page beyond the end is empty and has status 200.", _beyond
    if endpoint.page_size:
        said = f"{size} is the largest `page_size`; what a larger one does is not stated."
        unknown = f"The largest `page_size` is not stated; the tap asks for {size}."
        yield "larger", unknown if several else said, _larger


def _of_rows(stream: type[CrowdTwistStream]) -> Iterator[_Topic]:
    keys = ", ".join(f"`{key}`" for key in _keys(stream))
    whose = "a member" if stream.endpoint.of_member else "the catalog"
    if stream.name in _OWN_IDS:
        whose = "the program"
    if keys:
        yield "key", f"Each row has {keys}, and no two rows of {whose} the same.", _key
    yield "unknown", "The pages name every property.", _unknown
    yield "absent", "Each property that the pages name comes.", _absent
    yield "types", "Values fit the types of the schema, in any form that is known.", _types


def _of_dates(stream: type[CrowdTwistStream]) -> Iterator[_Topic]:
    dates = stream.endpoint.dates
    if dates is None:
        return
    end, present = {
        DateFilter.UNIX: ("includes its second", _TOMORROW),
        DateFilter.DAYS: ("includes its day", "`date_start` alone is up to today."),
        DateFilter.WINDOWS: ("excludes its day", _TOMORROW),
    }[dates]
    yield "dates", f"Filtered by `{_date_column(stream)}`.", _dates
    yield "ends", f"`date_start` includes its own; `date_end` {end}; days are UTC.", _ends
    yield "present", present, _present


_TOMORROW = "`date_end` may be tomorrow, so that clocks may differ."


# What is true of the whole program.


_HTTP_OK, _NOT_FOUND, _TOO_MANY = 200, 404, 429


def _auth(host: str, evidence: Evidence) -> Judgement:
    looks = [look for look in evidence.looks if look.endpoint.host.value == host]
    answered = [look for look in looks if look.is_answered]
    refused = [look for look in answered if look.verdict is Verdict.FATAL]
    if refused:
        others = {"query", "header", "hmac"} - {evidence.auth_method}
        other = f"; other ways are `auth_method` {' and '.join(sorted(others))}"
        advice = "check `api_key`, `client_id` and `environment`" + (other * (host == "main"))
        return differs(f"refused ({refused[0].told})", advice)
    if answered:
        return confirmed(f"accepted by {len(answered)} answers")
    advice = f"check `{'api_url' if host == 'main' else 'pos_url'}`, or `client_id`"
    return differs("no answer", advice) if looks else untold("nothing was asked", "a member")


def _method(method: str, evidence: Evidence) -> Judgement:
    """Judge a way of authentication, which is never tried unless it is the user's."""
    if evidence.auth_method != method:
        return untold("not tried", f"a run with `auth_method` {method}")
    return _auth("main", evidence)


def _json(evidence: Evidence) -> Judgement:
    answers = [look for look in evidence.looks if look.status == _HTTP_OK]
    broken = sum(bool(look.defects) for look in answers)
    none = sum(look.payload is None for look in answers)
    if none:
        said = f"{none} of {len(answers)} answers are no JSON"
        return differs(said, "check what stands between: a proxy, a firewall, `api_url`")
    if broken:
        return adapts(f"{broken} of {len(answers)} answers are not valid JSON")
    return confirmed(f"{len(answers)} answers") if answers else untold("no answer", "an answer")


def _rate_headers(evidence: Evidence) -> Judgement:
    found = sorted(
        {
            name.lower()
            for look in evidence.looks
            for name in look.headers
            if name.lower() in _RATE_HEADERS
        }
    )
    if found:
        return adapts(f"sent: {', '.join(found)}", "`requests_per_minute` stays what counts")
    return confirmed("none sent") if evidence.looks else untold("no answer", "an answer")


_RATE_HEADERS = frozenset(
    f"{prefix}{middle}{suffix}"
    for prefix in ("", "x-")
    for middle in ("ratelimit", "rate-limit")
    for suffix in ("", "-limit", "-remaining", "-reset", "-policy", "-used")
) | {"retry-after", "x-request-id", "request-id"}


def _too_many(evidence: Evidence) -> Judgement:
    refused = sum(look.status == _TOO_MANY for look in evidence.looks)
    if refused:
        return adapts(f"{refused} answers with 429", "lower `requests_per_minute`")
    return untold("no 429", "a run at a higher rate, which is not worth it")


def _clock(evidence: Evidence) -> Judgement:
    ahead = sorted(look.ahead for look in evidence.looks if look.ahead is not None)
    if not ahead:
        return untold("no answer has a date", "an answer with a `Date` header")
    middle = ahead[len(ahead) // 2]
    if abs(middle) <= _MINUTE:
        return confirmed("less than a minute apart")
    seen = f"{abs(middle) / _MINUTE:.0f} minutes apart"
    if evidence.auth_method == "hmac" and abs(middle) > _QUARTER:
        return differs(seen, "set the clock: signatures are valid for 15 minutes")
    if abs(middle) > _DAY:
        return differs(seen, "set the clock: date ranges end at the present")
    return adapts(seen, "set the clock; date ranges have a day to spare")


def _missing(stream: str, form: str, evidence: Evidence) -> Judgement:
    look = evidence.missing.get(stream)
    if look is None or not look.is_answered:
        return untold("no answer", "an answer")
    seen = f"{look.told}, {look.error_form}"
    if look.is_data:
        return differs(f"{seen}: data about a member that does not exist")
    if look.verdict is not Verdict.MEMBER_MISSING:
        return differs(seen, f"{REPORT_IT}; deleted members count as failed")
    if look.status == _NOT_FOUND and look.code == "page_not_found" and look.error_form == form:
        return confirmed(seen)
    return adapts(seen)


def _deletions(evidence: Evidence) -> Judgement:
    there = evidence.deletions.get("there", [])
    gone = evidence.deletions.get("gone", [])
    told = [look for look in gone if look.is_data]
    wrong = [look for look in there if look.is_answered and look.status != _NOT_FOUND]
    if wrong:
        return adapts(f"about a member that exists: {wrong[0].told}", "no row is made of it")
    if not told:
        asked = f"{len(gone)} missing members" if gone else "no member is missing"
        seen = f"{asked}; about a member that exists: {there[0].told if there else 'not asked'}"
        return untold(seen, "a roster by `id` with a member that was deleted lately")
    payload = told[0].payload
    steps = payload.get("status_history") if isinstance(payload, dict) else None
    if not isinstance(payload, dict) or "status" not in payload:
        return differs("an answer without `status`")
    if not isinstance(steps, list) or not all(isinstance(s, dict) and "date" in s for s in steps):
        return adapts("no dated `status_history`", "the time of reading stands for the date")
    return confirmed(f"`status` and {len(steps)} dated steps")


# What is true of one resource.


def _firsts(stream: type[CrowdTwistStream], evidence: Evidence) -> list[Look]:
    return evidence.first.get(stream.name, [])


def _nothing(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    """Return why nothing can be told of a resource."""
    looks = _firsts(stream, evidence)
    if not looks:
        return untold("not asked", "a larger budget" if evidence.is_spent else "a member")
    told = ", ".join(f"{count} x {said}" for said, count in Counter(x.told for x in looks).items())
    who = "an entry in the catalog" if not stream.endpoint.of_member else "a member with a row"
    return untold(f"no rows ({told})", who)


def _envelope(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    endpoint = stream.endpoint
    looks = [look for look in _firsts(stream, evidence) if look.is_data]
    where = Counter(look.envelope for look in looks if look.envelope is not None)
    if not where:
        return _nothing(stream, evidence)
    usual = endpoint.envelope[0] if endpoint.paged else BARE
    foreign = [name for name in where if name not in {*endpoint.envelope, BARE}]
    if foreign:
        # As with properties, a name that came once may be a value.
        often = {name for name in foreign if where[name] > 1 or not endpoint.of_member}
        named = [f"`{name}`" for name in sorted(often) if is_name(name)]
        what = ", ".join(named) or f"{len(foreign)} other key"
        seen = f"rows in {what}: the resource cannot be read"
        return differs(seen, f"deselect `{stream.name}`, and {REPORT_IT}")
    seen = ", ".join(name if name == BARE else f"`{name}`" for name in sorted(where))
    return confirmed(seen) if set(where) == {usual} else adapts(seen)


def _form(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    tried = evidence.forms.get(stream.name)
    if not tried:
        return _nothing(stream, evidence)
    states = {
        form.name: _state(tried.get(form.name, []), form.page) for form in stream.endpoint.forms
    }
    seen = "; ".join(f"{name}: {state}" for name, state in states.items())
    first, *others = states.values()
    if first == "works":
        return confirmed(seen)
    if first in {"one page", "not told"}:
        return untold(seen, "a member with more rows than a page has")
    if any(state in {"works", "one page"} for state in others) or first == "ignored":
        return adapts(seen)
    return differs(seen)


def _state(looks: Sequence[Look], page: str | None) -> str:
    """Return how a form has fared, by its first two pages."""
    failed = next((look for look in looks if not look.is_data), None)
    if not looks or (failed and not failed.is_answered):
        return "not told"
    if failed:
        return f"{'page 2 ' if failed is not looks[0] else ''}refused ({failed.told})"
    if page is None:
        return "works"
    if len(looks) == 1 or not looks[1].rows:
        return "one page"
    return "ignored" if looks[1].rows == looks[0].rows else "works"


def _whole(stream: type[CrowdTwistStream], evidence: Evidence) -> list[Look]:
    """Return what came in the form that the tap ends with, if lists come whole in that form."""
    tried = evidence.forms.get(stream.name, {})
    for form in stream.endpoint.forms:
        looks = tried.get(form.name, [])
        state = _state(looks, form.page)
        if state in {"works", "one page", "ignored"}:
            return looks[:1] if form.page is None or state == "ignored" else []
    return []


_NO_PAGES = ("lists come whole", "nothing, as long as lists have no pages")


def _cut(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    tried = evidence.forms.get(stream.name, {})
    if not any(look.is_data for looks in tried.values() for look in looks):
        return _nothing(stream, evidence)
    longest = max((len(look.rows) for look in _whole(stream, evidence)), default=None)
    if longest is None:
        return confirmed("lists have pages")
    if longest and (longest in {10, 25, 50} or longest % 100 == 0):
        return adapts(f"the longest has {longest} rows, which may be a limit", "read by its dates")
    if longest <= PAGE_SIZE:
        return untold(f"the longest has {longest} rows", "a member with hundreds of rows")
    return confirmed(f"the longest has {longest} rows")


def _page_size(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    if _whole(stream, evidence):
        return untold(*_NO_PAGES)
    size = stream.endpoint.page_size or PAGE_SIZE
    looks = [look for look in _firsts(stream, evidence) if look.rows]
    if not looks:
        return _nothing(stream, evidence)
    longest = max(len(look.rows) for look in looks)
    if longest > size:
        return adapts(f"up to {longest} rows on a page", "pages are followed by their links")
    short = [look for look in looks if _goes_on(look) and len(look.rows) < size]
    if short:
        most = max(len(look.rows) for look in short)
        return adapts(f"{most} rows on a page that another follows")
    if longest == size:
        return confirmed(f"{size} rows on a full page")
    return untold(f"{longest} rows at the most", f"a list of more than {size} rows")


def _goes_on(look: Look) -> bool:
    page = look.page
    return page is not None and ((page.pages or 0) > 1 or (page.total or 0) > len(page.rows))


def _paging(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    if _whole(stream, evidence):
        return untold(*_NO_PAGES)
    looks = [look for look in _firsts(stream, evidence) if look.page is not None]
    if not looks:
        return _nothing(stream, evidence)
    lacks: set[str] = set()
    for look in looks:
        paging = look.paging
        if isinstance(paging, list):
            lacks.add("`paging` is a list")
            paging = paging[0] if paging else None
        if not isinstance(paging, dict):
            lacks.add("no `paging`")
            continue
        lacks |= {f"no `{name}`" for name in ("total", "pages", "next_page") if name not in paging}
        lacks |= {
            f"`{name}` is no integer"
            for name in ("total", "pages")
            if name in paging and type(paging[name]) is not int
        }
        page = look.page
        if page and page.pages and page.pages > 1 and page.next_number is None:
            lacks.add("no link to the next page")
    if lacks:
        return adapts("; ".join(sorted(lacks)), "the tap goes by what there is")
    return confirmed(f"in {len(looks)} answers")


def _beyond(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    if _whole(stream, evidence):
        return untold(*_NO_PAGES)
    look = evidence.beyond.get(stream.name)
    if look is None or not look.is_answered:
        return _nothing(stream, evidence)
    if not look.is_data:
        return adapts(look.told, "the tap asks for no page beyond the last")
    if look.rows:
        return adapts(f"{len(look.rows)} rows come", "a page that was read before ends a list")
    links = look.page is not None and look.page.next_number is not None
    return confirmed(f"an empty page {'with' if links else 'without'} a link")


def _larger(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    if _whole(stream, evidence):
        return untold(*_NO_PAGES)
    look = evidence.larger.get(stream.name)
    size = stream.endpoint.page_size or PAGE_SIZE
    if look is None or not look.is_answered:
        return _nothing(stream, evidence)
    if not look.is_data:
        return confirmed(f"a larger one is refused ({look.told})")
    came, page = len(look.rows), look.page
    if came > size:
        seen = f"a larger one brings {came} rows"
        return confirmed(seen) if len(stream.endpoint.forms) > 1 else adapts(seen)
    if page is not None and (page.total or 0) > came:
        return confirmed(f"a larger one is cut to {came} rows")
    return untold(f"{came} rows are all there are", f"a list of more than {size} rows")


def _keys(stream: type[CrowdTwistStream]) -> tuple[str, ...]:
    own = _OWN_IDS.get(stream.name)
    if own:
        return (own,)
    keys: Any = stream.primary_keys  # a property of the SDK, for mypy
    return tuple(key for key in keys if key not in _OF_THE_TAP)


def _key(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    rows = [(look.member, row) for look in _firsts(stream, evidence) for row in look.rows]
    if not rows:
        return _nothing(stream, evidence)
    keys, own = _keys(stream), stream.name in _OWN_IDS
    if stream.name in _RULED:
        keys = ("rule_type", *keys)
    names = [(member, identify(row, keys)) for member, row in rows]
    lacking = sum(name is None for _, name in names)
    if lacking:
        seen = f"{lacking} of {len(rows)} rows lack it"
        return adapts(seen, "rows get a hash for their `id`") if own else differs(seen)
    # An id of CrowdTwist's own belongs to one row, whoever is asked.
    distinct = {name for _, name in names} if own else set(names)
    if len(distinct) < len(names):
        seen = f"{len(names) - len(distinct)} of {len(rows)} rows repeat that of another"
        return differs(seen, f"{REPORT_IT}; a warehouse keeps one of them")
    return confirmed(f"in {len(rows)} rows")


def _columns(stream: type[CrowdTwistStream], evidence: Evidence) -> Columns:
    return columns_of(stream.name, _firsts(stream, evidence), stream.aliases)


def _unknown(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    found = _columns(stream, evidence)
    if not found.rows:
        return _nothing(stream, evidence)
    named = [f"`{name}`" for name in found.unknown]
    if found.unnamed:
        named.append(f"{found.unnamed} that {'is' if found.unnamed == 1 else 'are'} not named here")
    if named:
        return adapts(", ".join(named), "kept in `additional_properties`")
    return confirmed(f"none other in {found.rows} rows")


def _absent(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    found = _columns(stream, evidence)
    absent = [f"`{name}`" for name in found.absent if name not in _keys(stream)]
    if not found.rows:
        return _nothing(stream, evidence)
    if absent and found.rows < _FEW:
        return untold(f"{found.rows} rows lack {', '.join(absent)}", "more rows")
    if absent:
        return adapts(f"in no row: {', '.join(absent)}", "these columns stay empty")
    return confirmed(f"all in {found.rows} rows")


def _types(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    found = _columns(stream, evidence)
    if not found.rows:
        return _nothing(stream, evidence)
    if found.misfits:
        seen = ", ".join(f"`{path}` {count} times" for path, count in found.misfits.items())
        return adapts(f"do not fit: {seen}", "null in the column, raw in `additional_properties`")
    return confirmed(f"in {found.rows} rows")


def _date_column(stream: type[CrowdTwistStream]) -> str:
    return next(iter(stream.endpoint.dated), "last_date_purchased")


def _dates(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    told = {topic: came for (name, topic), came in evidence.dated.items() if name == stream.name}
    if not told or told.get("elsewhere"):
        ignored = adapts("the dates are ignored", "every run reads all rows; none is lost")
        return ignored if told else _nothing(stream, evidence)
    columns = stream.endpoint.dated
    usual = _date_column(stream)
    other = next((column for column in columns if told.get(column) and column != usual), None)
    if told.get(usual):
        return confirmed("told by a row whose dates lie apart")
    if other is not None:
        advice = "credits that are dated back further than `lookback_days` are missed: raise it"
        return adapts(f"filtered by `{other}`", advice)
    if told.get("start") or told.get("end"):
        # One column that dates may be about, or rows whose dates are all the same.
        if len(columns) > 1:
            return untold("the dates of each row are the same", "a row that was dated back")
        return confirmed("a row comes by its date, and not by others")
    refused = any(came is None for came in told.values())
    return differs("a range of dates is refused" if refused else "no date of a row brings it")


def _ends(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    start = evidence.dated.get((stream.name, "start"))
    end = evidence.dated.get((stream.name, "end"))
    if (stream.name, "start") not in evidence.dated:
        return _nothing(stream, evidence)
    if evidence.dated.get((stream.name, "elsewhere")) or start is None or end is None:
        return untold("the dates are ignored or refused", "a program that heeds them")
    if not start and not end:
        return untold("no range brought the row", "a row with a date")
    seen = (
        f"`date_start` {'includes' if start else 'excludes'} its own, "
        f"`date_end` {'includes' if end else 'excludes'} its own"
    )
    usual = stream.endpoint.dates is not DateFilter.WINDOWS
    return confirmed(seen) if start and end is usual else adapts(seen, "ranges have a day to spare")


def _present(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    if (stream.name, LIKE_THE_TAP) not in evidence.dated:
        return _nothing(stream, evidence)
    came = evidence.dated[stream.name, LIKE_THE_TAP]
    if came:
        return confirmed("the newest row comes")
    seen = "refused" if came is None else "the newest row does not come"
    return differs(seen, f"deselect `{stream.name}`, and {REPORT_IT}")


def _year(evidence: Evidence) -> Judgement:
    name = "redemptions"
    if (name, "more than a year") not in evidence.dated:
        return untold("not asked", "a member with a redemption")
    came = evidence.dated[name, "more than a year"]
    return confirmed("refused") if came is None else adapts("answered", "windows of a year stay")


def _undated(evidence: Evidence) -> Judgement:
    told = evidence.undated
    if told["more"]:
        return adapts(f"dates bring more for {told['more']} members", "read in windows of a year")
    if told["whole"]:
        return confirmed(f"rows older than a year come, for {told['whole']} members")
    seen = f"{told['same']} members have the same rows with dates and without"
    return untold(seen, "a member with a redemption older than a year")


def _updates(evidence: Evidence) -> Judgement:
    profiles = {look.member: look.rows[0] for look in evidence.first.get("users", []) if look.rows}
    later = compared = 0
    for look in evidence.first.get("user_activity_history", []):
        updated = seconds(profiles.get(look.member, {}).get("date_last_updated"))
        done = [
            moment for row in look.rows if (moment := seconds(row.get("date_created"))) is not None
        ]
        if updated is None or not done:
            continue
        compared += 1
        later += max(done) > updated + _DAY
    if later:
        seen = f"{later} of {compared} members did something a day or more after it"
        return adapts(seen, "leave `users` full table: incremental would miss changes of points")
    if not compared:
        return untold("no member to compare", "a member with activities")
    return untold(
        f"not refuted by {compared} members, whose activities are no newer", "two runs, a day apart"
    )


def _expiration(evidence: Evidence) -> Judgement:
    looks = evidence.first.get("points_expiration", [])
    if any(look.rows for look in looks):
        return confirmed("one array or both, under the names of the page")
    if any(look.code == "page_not_found" and look.status == _HTTP_OK for look in looks):
        return confirmed("200 with `page_not_found`: the program has no rule")
    odd = [look for look in looks if look.is_data and look.payload]
    if odd and not any(isinstance(look.payload, dict) for look in odd):
        return differs("no object")
    return untold("no entries", "a member whose points expire")


def _receipts(evidence: Evidence) -> Judgement:
    looks = evidence.first.get("receipts", [])
    inactive = [look for look in looks if look.code == "receipt_scanning_inactive"]
    if inactive:
        return confirmed(inactive[0].told)
    if any(look.is_data for look in looks):
        return untold("the program scans receipts", "a program that does not")
    return untold("no answer", "an answer")


def _not_asked(would_tell: str, _evidence: Evidence) -> Judgement:
    return untold("this command asks the API alone", would_tell)


_GENERAL = (
    Assumption("auth.main", "The main host takes `auth_method`.", partial(_auth, "main")),
    Assumption("auth.pos", "The POS host takes the key in a header.", partial(_auth, "pos")),
    Assumption(
        "auth.header",
        "Printed beside the query on some pages of the main host; whether it suffices is open.",
        partial(_method, "header"),
    ),
    Assumption(
        "auth.hmac",
        "Timestamp in milliseconds, base64 of the hexadecimal digest; the sources conflict.",
        partial(_method, "hmac"),
    ),
    Assumption("answers.json", "Every answer is JSON.", _json),
    Assumption("answers.clock", "Both clocks agree.", _clock),
    Assumption("limits.headers", "No header tells of a limit.", _rate_headers),
    Assumption("limits.429", "On no page. Handled in case it comes.", _too_many),
    Assumption(
        "users.missing",
        "A missing member is 404 `page_not_found`, in the flat form.",
        partial(_missing, "users", "flat"),
    ),
    Assumption(
        "purchases.missing",
        "A missing member is 404 `page_not_found`, in the nested form of the POS host.",
        partial(_missing, "purchases", "nested"),
    ),
    Assumption(
        "users.deletion", "`status`, and `status_history` with dates; else 404.", _deletions
    ),
    Assumption(
        "users.date_last_updated", "Whether a change of points moves it is not stated.", _updates
    ),
    Assumption("redemptions.undated", "Without dates all come, or those of a year.", _undated),
    Assumption("redemptions.year", "A range of more than a year is refused.", _year),
    Assumption(
        "points_expiration.arrays",
        "Two arrays, or 200 `page_not_found` where the program has no rule.",
        _expiration,
    ),
    Assumption(
        "receipts.inactive", "`receipt_scanning_inactive` where none are scanned.", _receipts
    ),
)
_FEEDS = (
    Assumption(
        "feeds.columns",
        "The lists of columns are cut off; redemptions name no member's number.",
        partial(_not_asked, "a run with `data_push_path`: its log names unknown columns"),
    ),
    Assumption(
        "feeds.days",
        "One file per feed and day; which day its name has is open.",
        partial(_not_asked, "the dates in a file beside that in its name"),
    ),
    Assumption(
        "feeds.live_keys",
        "Retries are told from new events by CrowdTwist's own number.",
        partial(_not_asked, "a retried event, caught by crowdtwist-receiver"),
    ),
)
