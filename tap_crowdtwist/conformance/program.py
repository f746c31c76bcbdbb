"""What is true of a whole program: authentication, errors, clocks, and single facts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tap_crowdtwist.api.endpoints import Host
from tap_crowdtwist.api.errors import ResponseAction
from tap_crowdtwist.conformance.findings import (
    REPORT_IT,
    Assumption,
    adapts,
    confirmed,
    differs,
    untold,
)
from tap_crowdtwist.conformance.looks import seconds

if TYPE_CHECKING:
    from tap_crowdtwist.conformance.evidence import Evidence
    from tap_crowdtwist.conformance.findings import Judgement


_MINUTE = 60


_QUARTER = 15 * _MINUTE


_DAY = 24 * 60 * _MINUTE


_HTTP_OK, _NOT_FOUND, _TOO_MANY = 200, 404, 429


def _auth(host: str, evidence: Evidence) -> Judgement:
    looks = [look for look in evidence.looks if look.endpoint.host.value == host]
    answered = [look for look in looks if look.is_answered]
    refused = [look for look in answered if look.action is ResponseAction.FATAL]
    if refused:
        others = {"query", "header", "hmac"} - {evidence.auth_method}
        other = f"; other ways are `auth_method` {' and '.join(sorted(others))}"
        advice = "check `api_key`, `client_id` and `environment`" + (other * (host == "main"))
        return differs(f"refused ({refused[0].told})", advice)
    if answered:
        return confirmed(f"accepted by {len(answered)} answers")
    advice = f"check `{'api_url' if host == 'main' else 'pos_url'}`, or `client_id`"
    return differs("no answer", advice) if looks else untold("nothing was asked", "a member")


def main_host_refuses(evidence: Evidence) -> bool:
    """Return whether the main host refused the credentials."""
    looks = [look for look in evidence.looks if look.endpoint.host is Host.MAIN]
    return any(look.is_answered and look.action is ResponseAction.FATAL for look in looks)


def _method(method: str, evidence: Evidence) -> Judgement:
    """Judge a way of authentication, which is never tried unless it is the user's."""
    if evidence.auth_method != method:
        return untold("not tried", f"a run with `auth_method` {method}")
    if method == "hmac" and evidence.signature:
        return differs("refused, and accepted in another form", f"set {evidence.signature}")
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
    if look.action is not ResponseAction.MEMBER_MISSING:
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


GENERAL = (
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


FEEDS = (
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
        "feeds.live_expirations",
        "An event has one date, or the API's two arrays.",
        partial(_not_asked, "an event of points expiration, caught by crowdtwist-receiver"),
    ),
    Assumption(
        "feeds.live_keys",
        "Retries are told from new events by CrowdTwist's own number.",
        partial(_not_asked, "a retried event, caught by crowdtwist-receiver"),
    ),
)
