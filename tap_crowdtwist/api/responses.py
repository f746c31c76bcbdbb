"""What came of one attempt: what was wanted, or a verdict and a sentence.

Of an answer that is no data, the status and the API's code are kept, and nothing else of its body,
which may be about a member.
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

_RAISES: dict[ResponseAction | None, type[errors.ApiError]] = {
    ResponseAction.MEMBER_MISSING: errors.MemberMissingError,
    ResponseAction.NOT_CONFIGURED: errors.NotConfiguredError,
    ResponseAction.UNAVAILABLE: errors.UnavailableError,
    ResponseAction.REJECTED: errors.RejectedError,
    ResponseAction.FATAL: errors.FatalApiError,
}
_NO_RESPONSE = "No answer from CrowdTwist: {}; check `{}`, or `environment` and `client_id`"
_ADDRESS = {Host.MAIN: "api_url", Host.POS: "pos_url"}
_NOT_DATA = "CrowdTwist answers with something that is not the data asked for"


@dataclass(frozen=True)
class Outcome:
    """What came of one attempt.

    Attributes:
        verdict: what to do about it; None where it brought what was wanted.
        sentence: what a person needs to know.
        status: HTTP status, or None where no answer came.
        code: the API's own error code, or "".
        wanted: what was wanted.
        pause: seconds for which the answer asks to wait, if it does.
        defects: what was not valid in an answer that could be read all the same.
    """

    action: ResponseAction | None
    sentence: str
    status: int | None = None
    code: str = ""
    wanted: Any = None
    pause: float | None = None
    defects: tuple[str, ...] = ()

    def is_final(self, failures: int, *, other_forms: bool = False) -> bool:
        """Return whether to give up after this many failed attempts of the request before.

        A rejection is asked once more, since a passing fault of something between looks the same;
        not so where another form of the request is the better next attempt.
        """
        if self.action not in {ResponseAction.REJECTED, ResponseAction.UNAVAILABLE}:
            return self.action in _RAISES
        return failures > 0 or (other_forms and errors.is_about_form(self.status, self.code))

    def error(self, endpoint: Endpoint) -> errors.ApiError:
        """Give what to raise, if there is to be no further attempt."""
        kind = _RAISES.get(self.action, errors.ExhaustedError)
        return kind(self.sentence, endpoint=endpoint.name, status=self.status, code=self.code)


def no_response(error: NoResponseError, endpoint: Endpoint) -> Outcome:
    """Give what came of an attempt that brought no answer."""
    action = ResponseAction.FATAL if error.lasting else ResponseAction.RETRY
    return Outcome(action, _NO_RESPONSE.format(error, _ADDRESS[endpoint.host]))


def read(response: Response, endpoint: Endpoint, parse: Callable[[Any], Any]) -> Outcome:
    """Read an answer.

    Args:
        response: the answer.
        endpoint: the resource that was asked for.
        parse: turns the payload into what is wanted, or None if it is not of that kind. Gets None
            for a 204, which is how some hosts answer an empty list.
    """
    payload, defects = decode(response.body)
    error_body = errors.parse_error_body(payload)
    no_content = response.status == HTTPStatus.NO_CONTENT
    if no_content or errors.is_success(response.status, error_body):
        # An empty body with any other status is an answer that was lost under way.
        wanted = parse(payload) if no_content or payload is not None else None
        if wanted is None:
            return Outcome(ResponseAction.RETRY, _NOT_DATA, response.status)
        return Outcome(None, "", response.status, wanted=wanted, defects=defects)
    code = error_body.code if error_body else ""
    known = code if payload is not None else errors.NOT_JSON
    rule = errors.classify_response(
        response.status, known, is_per_member=endpoint.is_per_member, resource=endpoint.name
    )
    pause = retry_after(response.headers.get("Retry-After"), datetime.now(timezone.utc))
    return Outcome(rule.action, rule.sentence, response.status, code, None, pause)
