"""Outcome of one attempt: the requested value, or an action and an explanation.

Of a response that is an error, only the status and the API's code are kept. The rest of its body
may be about a member.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.api import errors
from tap_crowdtwist.api.decoding import decode
from tap_crowdtwist.api.endpoints import Host
from tap_crowdtwist.api.errors import ResponseAction
from tap_crowdtwist.api.retry import retry_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_crowdtwist.api.endpoints import Endpoint
    from tap_crowdtwist.api.transport import NoResponseError, Response

_ERROR_TYPES: dict[ResponseAction | None, type[errors.ApiError]] = {
    ResponseAction.MEMBER_MISSING: errors.MemberMissingError,
    ResponseAction.NOT_CONFIGURED: errors.NotConfiguredError,
    ResponseAction.UNAVAILABLE: errors.UnavailableError,
    ResponseAction.REJECTED: errors.RejectedError,
    ResponseAction.FATAL: errors.FatalApiError,
}
_NO_RESPONSE = "No response from CrowdTwist: {}; check `{}`, or `environment` and `client_id`"
_URL_SETTINGS = {Host.MAIN: "api_url", Host.POS: "pos_url"}
_NOT_DATA = "The response from CrowdTwist is not the expected data"


@dataclass(frozen=True)
class Outcome:
    """Outcome of one attempt.

    Attributes:
        action: how to react to a failure; None for success.
        sentence: explanation for a person; "" for success.
        status: HTTP status, or None if there was no response.
        code: the API's own error code, or "".
        value: the requested value, as `parse` returned it; None for a failure.
        pause: seconds to wait as the response asks (Retry-After), or None if it does not.
        defects: invalid content of a body that could be decoded nevertheless.
    """

    action: ResponseAction | None
    sentence: str
    status: int | None = None
    code: str = ""
    value: Any = None
    pause: float | None = None
    defects: tuple[str, ...] = ()

    def is_final(self, failures: int, *, other_forms: bool = False) -> bool:
        """Return whether the request must not be sent again.

        A rejected request is sent once more, since a temporary fault of a proxy or firewall looks
        the same, unless another form of it is the better next attempt.

        Args:
            failures: number of earlier attempts of this request that failed.
            other_forms: whether the caller has other forms of this request.
        """
        if self.action not in {ResponseAction.REJECTED, ResponseAction.UNAVAILABLE}:
            return self.action in _ERROR_TYPES
        return failures > 0 or (other_forms and errors.is_about_form(self.status, self.code))

    def error(self, endpoint: Endpoint) -> errors.ApiError:
        """Build the exception to raise if there is no further attempt."""
        error_type = _ERROR_TYPES.get(self.action, errors.ExhaustedError)
        return error_type(self.sentence, endpoint=endpoint.name, status=self.status, code=self.code)


def no_response(error: NoResponseError, endpoint: Endpoint) -> Outcome:
    """Build the outcome of an attempt that got no complete response."""
    action = ResponseAction.FATAL if error.is_permanent else ResponseAction.RETRY
    return Outcome(action, _NO_RESPONSE.format(error, _URL_SETTINGS[endpoint.host]))


def read(response: Response, endpoint: Endpoint, parse: Callable[[Any], Any]) -> Outcome:
    """Evaluate a response.

    Args:
        response: the response.
        endpoint: the resource that was requested.
        parse: converts the payload into the requested value; returns None if the payload is not
            what was expected, which is retried. It is passed None for a 204, with which some hosts
            answer for an empty list.
    """
    payload, defects = decode(response.body)
    error_body = errors.parse_error_body(payload)
    no_content = response.status == HTTPStatus.NO_CONTENT
    if no_content or errors.is_success(response.status, error_body):
        # An empty or unreadable body is only valid with a 204; otherwise it was damaged in transit.
        value = parse(payload) if no_content or payload is not None else None
        if value is None:
            return Outcome(ResponseAction.RETRY, _NOT_DATA, response.status)
        return Outcome(None, "", response.status, value=value, defects=defects)
    code = error_body.code if error_body else ""
    rule_code = code if payload is not None else errors.NOT_JSON
    rule = errors.classify_response(
        response.status, rule_code, is_per_member=endpoint.is_per_member, resource=endpoint.name
    )
    pause = retry_after(response.headers.get("Retry-After"), datetime.now(timezone.utc))
    return Outcome(rule.action, rule.sentence, response.status, code, None, pause)
