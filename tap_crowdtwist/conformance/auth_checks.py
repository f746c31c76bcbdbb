"""Checks of authentication."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_crowdtwist.api.endpoints import Host
from tap_crowdtwist.api.errors import ResponseAction
from tap_crowdtwist.conformance.findings import confirmed, differs, unknown

if TYPE_CHECKING:
    from tap_crowdtwist.conformance.evidence import Evidence
    from tap_crowdtwist.conformance.findings import CheckResult
    from tap_crowdtwist.conformance.observations import Observation

_URL_SETTINGS = {Host.MAIN: "api_url", Host.POS: "pos_url"}
_OTHER_METHODS = {
    "query": "header and hmac",
    "header": "hmac and query",
    "hmac": "header and query",
}


def check_host(host: Host, evidence: Evidence) -> CheckResult:
    """Check whether a host accepts the credentials."""
    responses = _responses(host, evidence)
    answered = [response for response in responses if response.is_conclusive]
    rejected = [response for response in answered if response.action is ResponseAction.FATAL]
    if rejected:
        advice = "check `api_key`, `client_id` and `environment`"
        if host is Host.MAIN:
            advice += f"; other values of `auth_method` are {_OTHER_METHODS[evidence.auth_method]}"
        return differs(f"rejected ({rejected[0].status_text})", advice)
    if answered:
        return confirmed(f"accepted in {len(answered)} responses")
    if responses:
        return differs("no response", f"check `{_URL_SETTINGS[host]}`, or `client_id`")
    return unknown("not requested", "a member")


def is_rejected_by_main_host(evidence: Evidence) -> bool:
    """Return whether the main host rejected the credentials."""
    responses = _responses(Host.MAIN, evidence)
    return ResponseAction.FATAL in {response.action for response in responses}


def check_method(method: str, evidence: Evidence) -> CheckResult:
    """Check an authentication method. Only the one that the user has set is ever tried."""
    if evidence.auth_method != method:
        return unknown("not tried", f"a run with `auth_method` {method}")
    if evidence.signature:
        return differs("rejected, but accepted in another format", f"set {evidence.signature}")
    return check_host(Host.MAIN, evidence)


def _responses(host: Host, evidence: Evidence) -> list[Observation]:
    return [response for response in evidence.observations if response.endpoint.host is host]
