"""Checks of authentication."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_crowdtwist.api.endpoints import Host
from tap_crowdtwist.api.errors import ResponseAction
from tap_crowdtwist.conformance.findings import confirmed, differs, unknown

if TYPE_CHECKING:
    from tap_crowdtwist.conformance.evidence import Evidence
    from tap_crowdtwist.conformance.findings import CheckResult


def check_host(host: str, evidence: Evidence) -> CheckResult:
    """Check whether a host accepts the credentials."""
    responses = [
        response for response in evidence.observations if response.endpoint.host.value == host
    ]
    answered = [response for response in responses if response.is_conclusive]
    rejected = [response for response in answered if response.action is ResponseAction.FATAL]
    if rejected:
        advice = "check `api_key`, `client_id` and `environment`"
        if host == Host.MAIN.value:
            others = {"query", "header", "hmac"} - {evidence.auth_method}
            advice += f"; other values of `auth_method` are {' and '.join(sorted(others))}"
        return differs(f"rejected ({rejected[0].status_text})", advice)
    if answered:
        return confirmed(f"accepted in {len(answered)} responses")
    advice = f"check `{'api_url' if host == 'main' else 'pos_url'}`, or `client_id`"
    return differs("no response", advice) if responses else unknown("not requested", "a member")


def is_rejected_by_main_host(evidence: Evidence) -> bool:
    """Return whether the main host rejected the credentials."""
    responses = [
        response for response in evidence.observations if response.endpoint.host is Host.MAIN
    ]
    return any(
        response.is_conclusive and response.action is ResponseAction.FATAL for response in responses
    )


def check_method(method: str, evidence: Evidence) -> CheckResult:
    """Check an authentication method. Only the one that the user has set is ever tried."""
    if evidence.auth_method != method:
        return unknown("not tried", f"a run with `auth_method` {method}")
    if method == "hmac" and evidence.signature:
        return differs("rejected, but accepted in another format", f"set {evidence.signature}")
    return check_host("main", evidence)
