"""Checks of a whole program: errors, limits, clocks, and single facts; all its assumptions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tap_crowdtwist.api.errors import ResponseAction
from tap_crowdtwist.conformance.auth_checks import check_host, check_method
from tap_crowdtwist.conformance.findings import (
    REPORT_IT,
    Assumption,
    adapts,
    confirmed,
    differs,
    unknown,
)
from tap_crowdtwist.conformance.observations import unix_seconds

if TYPE_CHECKING:
    from tap_crowdtwist.conformance.evidence import Evidence
    from tap_crowdtwist.conformance.findings import CheckResult


_MINUTE_SECONDS = 60
_SIGNATURE_LIFETIME_SECONDS = 15 * 60
_DAY_SECONDS = 24 * 60 * 60

_HTTP_OK, _NOT_FOUND, _TOO_MANY_REQUESTS = 200, 404, 429


def _json(evidence: Evidence) -> CheckResult:
    responses = [response for response in evidence.observations if response.status == _HTTP_OK]
    broken = sum(bool(response.defects) for response in responses)
    not_json = sum(response.payload is None for response in responses)
    if not_json:
        observed = f"{not_json} of {len(responses)} responses are not JSON"
        return differs(observed, "check `api_url`, and any proxy or firewall in between")
    if broken:
        return adapts(f"{broken} of {len(responses)} responses are not valid JSON")
    if not responses:
        return unknown("no response", "a response")
    return confirmed(f"{len(responses)} responses")


def _rate_headers(evidence: Evidence) -> CheckResult:
    names = sorted(
        {
            name.lower()
            for response in evidence.observations
            for name in response.headers
            if name.lower() in _RATE_HEADERS
        }
    )
    if names:
        return adapts(f"sent: {', '.join(names)}", "`requests_per_minute` still sets the rate")
    return confirmed("none sent") if evidence.observations else unknown("no response", "a response")


# A fixed list: the name of any other header could be a value.
_RATE_HEADERS = frozenset(
    f"{prefix}{middle}{suffix}"
    for prefix in ("", "x-")
    for middle in ("ratelimit", "rate-limit")
    for suffix in ("", "-limit", "-remaining", "-reset", "-policy", "-used")
) | {"retry-after", "x-request-id", "request-id"}


def _rate_limited(evidence: Evidence) -> CheckResult:
    rate_limited = sum(response.status == _TOO_MANY_REQUESTS for response in evidence.observations)
    if rate_limited:
        return adapts(f"{rate_limited} responses with 429", "lower `requests_per_minute`")
    return unknown("no 429", "a run at a higher rate (not recommended)")


def _clock(evidence: Evidence) -> CheckResult:
    offsets = sorted(
        response.clock_offset
        for response in evidence.observations
        if response.clock_offset is not None
    )
    if not offsets:
        return unknown("no response has a date", "a response with a `Date` header")
    # The median, because a slow response makes its own offset too small.
    median = offsets[len(offsets) // 2]
    if abs(median) <= _MINUTE_SECONDS:
        return confirmed("less than a minute apart")
    observed = f"{abs(median) / _MINUTE_SECONDS:.0f} minutes apart"
    if evidence.auth_method == "hmac" and abs(median) > _SIGNATURE_LIFETIME_SECONDS:
        return differs(observed, "set the clock: signatures are valid for 15 minutes")
    if abs(median) > _DAY_SECONDS:
        return differs(observed, "set the clock: date ranges end at the present")
    return adapts(observed, "set the clock; date ranges overlap by a day")


def _missing(stream: str, error_shape: str, evidence: Evidence) -> CheckResult:
    response = evidence.missing.get(stream)
    if response is None or not response.is_conclusive:
        return unknown("no response", "a response")
    observed = f"{response.status_text}, {response.error_shape}"
    if response.is_data:
        return differs(f"{observed}: data about a member that does not exist")
    if response.action is not ResponseAction.MEMBER_MISSING:
        return differs(observed, f"{REPORT_IT}; the tap counts deleted members as failed")
    if (
        response.status == _NOT_FOUND
        and response.code == "page_not_found"
        and response.error_shape == error_shape
    ):
        return confirmed(observed)
    return adapts(observed)


def _deletions(evidence: Evidence) -> CheckResult:
    existing = evidence.deletions.get("there", [])
    missing = evidence.deletions.get("gone", [])
    with_data = [response for response in missing if response.is_data]
    wrong = [
        response
        for response in existing
        if response.is_conclusive and response.status != _NOT_FOUND
    ]
    if wrong:
        return adapts(
            f"for a member that exists: {wrong[0].status_text}", "the tap builds no row from it"
        )
    if not with_data:
        count = f"{len(missing)} missing members" if missing else "no member is missing"
        status = existing[0].status_text if existing else "not requested"
        observed = f"{count}; for a member that exists: {status}"
        return unknown(observed, "a roster by `id` with a member that was deleted recently")
    payload = with_data[0].payload
    steps = payload.get("status_history") if isinstance(payload, dict) else None
    if not isinstance(payload, dict) or "status" not in payload:
        return differs("a response without `status`")
    if not isinstance(steps, list) or not all(isinstance(s, dict) and "date" in s for s in steps):
        return adapts(
            "no dated `status_history`", "the tap uses the time of the request as the date"
        )
    return confirmed(f"`status` and {len(steps)} dated entries")


def _year(evidence: Evidence) -> CheckResult:
    name = "redemptions"
    if (name, "more than a year") not in evidence.dated:
        return unknown("not requested", "a member with a redemption")
    is_returned = evidence.dated[name, "more than a year"]
    if is_returned is None:
        return confirmed("rejected")
    return adapts("accepted", "the tap keeps to windows of a year")


def _undated(evidence: Evidence) -> CheckResult:
    counts = evidence.undated
    if counts["more"]:
        return adapts(
            f"more rows with dates for {counts['more']} members", "the tap reads windows of a year"
        )
    if counts["whole"]:
        return confirmed(f"rows older than a year are returned for {counts['whole']} members")
    observed = f"{counts['same']} members have the same rows with dates and without"
    return unknown(observed, "a member with a redemption older than a year")


def _updates(evidence: Evidence) -> CheckResult:
    profiles = {
        response.member: response.rows[0]
        for response in evidence.first.get("users", [])
        if response.rows
    }
    # An activity changes points. If it is newer than `date_last_updated`, that column does not
    # follow changes of points. The day of tolerance allows for time zones.
    later = compared = 0
    for response in evidence.first.get("user_activity_history", []):
        updated = unix_seconds(profiles.get(response.member, {}).get("date_last_updated"))
        done = [
            date
            for row in response.rows
            if (date := unix_seconds(row.get("date_created"))) is not None
        ]
        if updated is None or not done:
            continue
        compared += 1
        later += max(done) > updated + _DAY_SECONDS
    if later:
        observed = f"{later} of {compared} members had an activity a day or more after it"
        return adapts(observed, "keep `users` full table: incremental would miss changes of points")
    if not compared:
        return unknown("no member to compare", "a member with activities")
    return unknown(f"no contradiction in {compared} members", "two runs, a day apart")


def _expiration(evidence: Evidence) -> CheckResult:
    responses = evidence.first.get("points_expiration", [])
    if any(response.rows for response in responses):
        return confirmed("one array or both, with the documented names")
    if any(
        response.code == "page_not_found" and response.status == _HTTP_OK for response in responses
    ):
        return confirmed("200 with `page_not_found`: the program has no rule")
    other = [response for response in responses if response.is_data and response.payload]
    if other and not any(isinstance(response.payload, dict) for response in other):
        return differs("not an object")
    return unknown("no entries", "a member whose points expire")


def _receipts(evidence: Evidence) -> CheckResult:
    responses = evidence.first.get("receipts", [])
    inactive = [response for response in responses if response.code == "receipt_scanning_inactive"]
    if inactive:
        return confirmed(inactive[0].status_text)
    if any(response.is_data for response in responses):
        return unknown("the program scans receipts", "a program that does not")
    return unknown("no response", "a response")


def _outside_api(needed: str, _evidence: Evidence) -> CheckResult:
    return unknown("this command only uses the API", needed)


PROGRAM_ASSUMPTIONS = (
    Assumption("auth.main", "The main host accepts `auth_method`.", partial(check_host, "main")),
    Assumption("auth.pos", "The POS host accepts the key in a header.", partial(check_host, "pos")),
    Assumption(
        "auth.header",
        "Some pages show it in addition to the query; whether it is sufficient is not stated.",
        partial(check_method, "header"),
    ),
    Assumption(
        "auth.hmac",
        "Timestamp in milliseconds, base64 of the hexadecimal digest; sources differ.",
        partial(check_method, "hmac"),
    ),
    Assumption("responses.json", "Every response is JSON.", _json),
    Assumption("responses.clock", "The clocks of host and client agree.", _clock),
    Assumption("limits.headers", "No header states a limit.", _rate_headers),
    Assumption("limits.429", "Not documented; handled in case it is sent.", _rate_limited),
    Assumption(
        "users.missing",
        "A missing member is 404 `page_not_found`, as a flat error.",
        partial(_missing, "users", "flat"),
    ),
    Assumption(
        "purchases.missing",
        "A missing member is 404 `page_not_found`, as a nested error of the POS host.",
        partial(_missing, "purchases", "nested"),
    ),
    Assumption(
        "users.deletion", "`status`, and `status_history` with dates; else 404.", _deletions
    ),
    Assumption(
        "users.date_last_updated", "Whether a change of points updates it is not stated.", _updates
    ),
    Assumption(
        "redemptions.undated", "Without dates all rows are returned, or those of a year.", _undated
    ),
    Assumption("redemptions.year", "A range of more than a year is rejected.", _year),
    Assumption(
        "points_expiration.arrays",
        "Two arrays, or 200 `page_not_found` if the program has no rule.",
        _expiration,
    ),
    Assumption(
        "receipts.inactive",
        "`receipt_scanning_inactive` if the program does not scan receipts.",
        _receipts,
    ),
)


FEED_ASSUMPTIONS = (
    Assumption(
        "feeds.columns",
        "Lists of columns are incomplete; redemptions do not have the member id.",
        partial(_outside_api, "a run with `data_push_path`: its log names unknown columns"),
    ),
    Assumption(
        "feeds.days",
        "One file per feed and day; which day its name has is not stated.",
        partial(_outside_api, "the dates in a file, compared with its name"),
    ),
    Assumption(
        "feeds.live_expirations",
        "An event has one date, or the two arrays of the API.",
        partial(_outside_api, "a points expiration event, stored by crowdtwist-receiver"),
    ),
    Assumption(
        "feeds.live_keys",
        "The ids of CrowdTwist distinguish retries from new events.",
        partial(_outside_api, "a retried event, stored by crowdtwist-receiver"),
    ),
)
