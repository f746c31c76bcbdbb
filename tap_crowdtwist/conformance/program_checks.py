"""Checks of single facts about a program; all its assumptions."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from tap_crowdtwist.api.endpoints import Host
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
from tap_crowdtwist.conformance.profile_date_checks import check_profile_dates
from tap_crowdtwist.conformance.response_checks import RESPONSE_ASSUMPTIONS
from tap_crowdtwist.streams.member_payloads import parse_deletion, parse_expirations

if TYPE_CHECKING:
    from tap_crowdtwist.conformance.evidence import Evidence
    from tap_crowdtwist.conformance.findings import CheckResult


def _missing(stream: str, error_shape: str, evidence: Evidence) -> CheckResult:
    response = evidence.streams[stream].missing
    if not response.is_conclusive:
        return unknown("no response", "a response")
    observed = f"{response.status_text}, {response.error_shape}"
    if response.is_data:
        return differs(f"{observed}: data about a member that does not exist")
    if response.action is not ResponseAction.MEMBER_MISSING:
        return differs(observed, f"{REPORT_IT}; the tap counts deleted members as failed")
    documented = (HTTPStatus.NOT_FOUND, "page_not_found", error_shape)
    is_documented = (response.status, response.code, response.error_shape) == documented
    return confirmed(observed) if is_documented else adapts(observed)


def _deletions(evidence: Evidence) -> CheckResult:
    existing = evidence.existing
    for_existing = f"for a member that exists: {existing.status_text}"
    if existing.is_conclusive and existing.status != HTTPStatus.NOT_FOUND:
        return adapts(for_existing, "the tap builds no row from it")
    with_data = [response for response in evidence.deletions if response.is_data]
    if not with_data:
        observed = f"{len(evidence.deletions)} missing members; {for_existing}"
        return unknown(observed, "a roster by `id` with a member that was deleted recently")
    deletion = parse_deletion(with_data[0].payload)
    if deletion is None:
        return differs("a response without `status`")
    dated = [step for step in deletion["status_history"] if "date" in step]
    if not dated:
        advice = "the tap uses the time of the request as the date"
        return adapts("no dated `status_history`", advice)
    return confirmed(f"`status` and {len(dated)} dated entries")


def _year(evidence: Evidence) -> CheckResult:
    results = evidence.streams["redemptions"].dated
    if "more than a year" not in results:
        return unknown("not requested", "a member with a redemption")
    if results["more than a year"] is None:
        return confirmed("rejected")
    return adapts("accepted", "the tap keeps to windows of a year")


def _undated(evidence: Evidence) -> CheckResult:
    counts = evidence.undated
    if counts["more"]:
        observed = f"more rows with dates for {counts['more']} members"
        return adapts(observed, "the tap reads windows of a year")
    if counts["whole"]:
        return confirmed(f"rows older than a year are returned for {counts['whole']} members")
    observed = f"{counts['same']} members have the same rows with dates and without"
    return unknown(observed, "a member with a redemption older than a year")


def _expiration(evidence: Evidence) -> CheckResult:
    seen = evidence.streams["points_expiration"]
    if seen.with_rows:
        return confirmed("one array or both, with the documented names")
    answers = {(response.status, response.code) for response in seen.first}
    if (HTTPStatus.OK, "page_not_found") in answers:
        return confirmed("200 with `page_not_found`: the program has no rule")
    payloads = [page.payload for page in seen.first if page.is_data]
    if None in map(parse_expirations, payloads):
        return differs("not the documented arrays")
    return unknown("no entries", "a member whose points expire")


def _receipts(evidence: Evidence) -> CheckResult:
    pages = evidence.streams["receipts"].first
    inactive = [page for page in pages if page.code == "receipt_scanning_inactive"]
    if inactive:
        return confirmed(inactive[0].status_text)
    if any(page.is_data for page in pages):
        return unknown("the program scans receipts", "a program that does not")
    return unknown("no response", "a response")


def _outside_api(needed: str, _evidence: Evidence) -> CheckResult:
    return unknown("this command only uses the API", needed)


PROGRAM_ASSUMPTIONS = (
    Assumption("auth.main", "The main host accepts `auth_method`.", partial(check_host, Host.MAIN)),
    Assumption(
        "auth.pos", "The POS host accepts the key in a header.", partial(check_host, Host.POS)
    ),
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
    *RESPONSE_ASSUMPTIONS,
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
        "users.date_last_updated",
        "Whether a change of points updates it is not stated.",
        check_profile_dates,
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
