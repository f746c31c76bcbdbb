"""Checks of all responses: JSON, limits, clocks."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from tap_crowdtwist.conformance.findings import Assumption, adapts, confirmed, differs, unknown

if TYPE_CHECKING:
    from tap_crowdtwist.conformance.evidence import Evidence
    from tap_crowdtwist.conformance.findings import CheckResult

_MINUTE_SECONDS = 60
_SIGNATURE_LIFETIME_SECONDS = 15 * 60
_DAY_SECONDS = 24 * 60 * 60

_LIMIT_HEADER = re.compile(
    r"(x-)?rate-?limit(-(limit|remaining|reset|policy|used))?|retry-after|(x-)?request-id"
)
"""Names of headers that may be shown. The name of any other header could be a value."""


def _json(evidence: Evidence) -> CheckResult:
    responses = [page for page in evidence.observations if page.status == HTTPStatus.OK]
    if not responses:
        return unknown("no response", "a response")
    not_json = sum(response.payload is None for response in responses)
    if not_json:
        observed = f"{not_json} of {len(responses)} responses are not JSON"
        return differs(observed, "check `api_url`, and any proxy or firewall in between")
    repaired = sum(response.is_repaired for response in responses)
    if repaired:
        return adapts(f"{repaired} of {len(responses)} responses are not valid JSON")
    return confirmed(f"{len(responses)} responses")


def _limit_headers(evidence: Evidence) -> CheckResult:
    names = {name.lower() for response in evidence.observations for name in response.headers}
    shown = sorted(filter(_LIMIT_HEADER.fullmatch, names))
    if shown:
        return adapts(f"sent: {', '.join(shown)}", "`requests_per_minute` still sets the rate")
    if not evidence.observations:
        return unknown("no response", "a response")
    return confirmed("none sent")


def _rate_limited(evidence: Evidence) -> CheckResult:
    statuses = [response.status for response in evidence.observations]
    count = statuses.count(HTTPStatus.TOO_MANY_REQUESTS)
    if count:
        return adapts(f"{count} responses with 429", "lower `requests_per_minute`")
    return unknown("no 429", "a run at a higher rate (not recommended)")


def _clock(evidence: Evidence) -> CheckResult:
    offsets = [response.clock_offset for response in evidence.observations]
    known = sorted(offset for offset in offsets if offset is not None)
    if not known:
        return unknown("no response has a date", "a response with a `Date` header")
    # The median, because a slow response makes its own offset too small.
    distance = abs(known[len(known) // 2])
    if distance <= _MINUTE_SECONDS:
        return confirmed("less than a minute apart")
    observed = f"{distance / _MINUTE_SECONDS:.0f} minutes apart"
    if evidence.auth_method == "hmac" and distance > _SIGNATURE_LIFETIME_SECONDS:
        return differs(observed, "set the clock: signatures are valid for 15 minutes")
    if distance > _DAY_SECONDS:
        return differs(observed, "set the clock: date ranges end at the present")
    return adapts(observed, "set the clock; date ranges overlap by a day")


RESPONSE_ASSUMPTIONS = (
    Assumption("responses.json", "Every response is JSON.", _json),
    Assumption("responses.clock", "The clocks of host and client agree.", _clock),
    Assumption("limits.headers", "No header states a limit.", _limit_headers),
    Assumption("limits.429", "Not documented; handled in case it is sent.", _rate_limited),
)
