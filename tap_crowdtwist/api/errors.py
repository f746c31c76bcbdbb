"""What an answer means: one table from (status, error code) to a verdict and a sentence.

Sources: the Developer Help Center pages of each endpoint for codes and statuses, "API Best
Practices" for 5xx during downtime. A 429 is in no vendor page; an integrator reports it.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple


class ResponseAction(enum.Enum):
    """What the client does about an answer."""

    RETRY = "retry"
    SLOW_DOWN = "slow down"
    MEMBER_MISSING = "member missing"
    NOT_CONFIGURED = "not configured"
    UNAVAILABLE = "unavailable"
    REJECTED = "rejected"
    FATAL = "fatal"


class ApiError(Exception):
    """CrowdTwist did not give the answer that was asked for.

    Attributes:
        endpoint: name of the endpoint that was asked.
        status: HTTP status, or None where no answer came.
        code: the API's own error code, or "" where it sent none.
    """

    def __init__(
        self, sentence: str, *, endpoint: str, status: int | None = None, code: str = ""
    ) -> None:
        facts = ", ".join(
            [endpoint, *([f"HTTP {status}"] if status else []), *([code] if code else [])]
        )
        super().__init__(f"{sentence} ({facts})")
        self.sentence = sentence
        self.endpoint = endpoint
        self.status = status
        self.code = code


class MemberMissingError(ApiError):
    """There is no such member (any more), or not under this id_type."""


class NotConfiguredError(ApiError):
    """The loyalty program does not have this resource."""


class RejectedError(ApiError):
    """CrowdTwist rejected this one request; others may well succeed."""


class UnavailableError(RejectedError):
    """The key may not read the resource, or the program lacks it, or a passing fault says so."""


class FatalApiError(ApiError):
    """No further request can succeed until a person changes something."""


class ExhaustedError(ApiError):
    """Every attempt failed in a way that may pass; the retries are used up."""


class ErrorBody(NamedTuple):
    """What an error body says: the API's code and its short message."""

    code: str
    message: str


@dataclass(frozen=True)
class ErrorRule:
    """One row of the table: matches an answer, says what it means."""

    action: ResponseAction
    sentence: str
    statuses: frozenset[int] | None = None
    codes: frozenset[str] | None = None
    member: bool | None = None
    resources: frozenset[str] | None = None

    def matches(self, status: int, code: str, *, of_member: bool, resource: str | None) -> bool:
        """Tell whether this row is about the given answer."""
        return (
            (self.statuses is None or status in self.statuses)
            and (self.codes is None or code in self.codes)
            and (self.member is None or self.member is of_member)
            and (self.resources is None or resource is None or resource in self.resources)
        )


def _statuses(*ranges: int | range) -> frozenset[int]:
    return frozenset(n for r in ranges for n in (r if isinstance(r, range) else (r,)))


NOT_JSON = "not JSON"
"""Stands for the code of a body that is not JSON, as every body of CrowdTwist's is."""

_OK = _statuses(range(200, 300))
_SERVER = _statuses(range(500, 600))

_METHODS = "`auth_method` (query, header or hmac)"
_WHO_ASKS = (
    f"check `api_key`, `client_id`, `environment` and {_METHODS}, and that the key is of the right "
    "kind and may read this"
)

ERROR_RULES: tuple[ErrorRule, ...] = (
    ErrorRule(
        ResponseAction.NOT_CONFIGURED,
        "The program has no such rule or feature, so there is nothing to read",
        statuses=_OK,
        codes=frozenset({"page_not_found"}),
        resources=frozenset({"points_expiration"}),
    ),
    ErrorRule(
        ResponseAction.NOT_CONFIGURED,
        "The program does not use this feature",
        codes=frozenset({"receipt_scanning_inactive"}),
    ),
    ErrorRule(
        ResponseAction.UNAVAILABLE,
        "The program does not use this feature",
        statuses=_statuses(range(200, 401), range(402, 429), range(430, 600)),
        codes=frozenset({"not_configured"}),
    ),
    ErrorRule(
        ResponseAction.MEMBER_MISSING,
        "CrowdTwist knows no such member under this `id_type`",
        codes=frozenset({"user_not_found", "invalid_email", "invalid_email_address"}),
        member=True,
    ),
    ErrorRule(
        ResponseAction.RETRY,
        "The host does not know this address, and does not answer like CrowdTwist: check "
        "`api_url` and `pos_url`",
        statuses=_statuses(404),
        codes=frozenset({NOT_JSON}),
    ),
    ErrorRule(
        ResponseAction.MEMBER_MISSING,
        "CrowdTwist knows no such member under this `id_type`",
        statuses=_statuses(404),
        member=True,
    ),
    ErrorRule(
        ResponseAction.NOT_CONFIGURED,
        "CrowdTwist does not offer this resource on this host",
        statuses=_statuses(404),
    ),
    ErrorRule(
        ResponseAction.FATAL,
        f"CrowdTwist refuses the credentials: {_WHO_ASKS}",
        statuses=_statuses(401),
    ),
    ErrorRule(
        ResponseAction.FATAL,
        f"CrowdTwist refuses the credentials: {_WHO_ASKS}",
        codes=frozenset({"invalid_auth"}),
    ),
    ErrorRule(
        ResponseAction.UNAVAILABLE,
        f"The key may not read this resource: check its permissions, its kind and {_METHODS}",
        statuses=_statuses(403),
        codes=frozenset({"access_denied", "forbidden"}),
    ),
    ErrorRule(
        ResponseAction.REJECTED,
        "Something before CrowdTwist, such as a firewall, rejected the request; if there is none, "
        f"check what the key may read, and {_METHODS}",
        statuses=_statuses(403),
        codes=frozenset({NOT_JSON}),
    ),
    ErrorRule(
        ResponseAction.REJECTED,
        f"CrowdTwist rejected the request: {_WHO_ASKS}",
        statuses=_statuses(403),
    ),
    ErrorRule(
        ResponseAction.SLOW_DOWN,
        "CrowdTwist refuses requests for coming too fast: lower `requests_per_minute`",
        statuses=_statuses(429),
    ),
    ErrorRule(
        ResponseAction.UNAVAILABLE,
        "CrowdTwist lacks what it needs for this resource; ask Oracle support",
        statuses=_SERVER,
        codes=frozenset({"missing_field", "invalid_data"}),
    ),
    ErrorRule(ResponseAction.RETRY, "CrowdTwist did not answer in time", statuses=_statuses(408)),
    ErrorRule(ResponseAction.RETRY, "CrowdTwist has a fault", statuses=_SERVER),
    ErrorRule(
        ResponseAction.RETRY, "Something between answers from a cache", statuses=_statuses(304)
    ),
    ErrorRule(
        ResponseAction.REJECTED,
        "The host answers with a redirect, which is never followed: check `api_url` and `pos_url`",
        statuses=_statuses(range(300, 400)),
    ),
    ErrorRule(
        ResponseAction.RETRY, "CrowdTwist answers with an error in place of data", statuses=_OK
    ),
    ErrorRule(ResponseAction.REJECTED, "CrowdTwist rejected the request"),
)
"""First match wins. The last row matches everything, so every answer has a verdict.

Fatal is only what nobody escapes: credentials that are refused. Any other answer that no retry can
change may be about this one member (an id with a slash behind a proxy, a firewall's page), so it is
`REJECTED` and does not stop the others.
"""

_CODE = re.compile(r"[A-Za-z]\w{0,59}|[0-9]{1,4}", re.ASCII)


def parse_error_body(payload: Any) -> ErrorBody | None:
    """Read an error body in any of its three forms, or None where the payload is data.

    Forms: `{"error": code, "message": text}` on the main host, `{"system", "reason", "message"}`
    of POS writes, `{"error": {"code", "message", "errors": [{"reason", "message"}]}}` of the POS
    purchase history.
    """
    if not isinstance(payload, dict):
        return None
    error = payload.get("error")
    if isinstance(error, str):
        return ErrorBody(_code(error), str(payload.get("message", "")))
    if isinstance(error, dict) and "message" in error:
        reasons = error.get("errors")
        first = reasons[0] if isinstance(reasons, list) and reasons else {}
        reason = first.get("reason") if isinstance(first, dict) else None
        return ErrorBody(_code(reason) or _code(error.get("code")), str(error["message"]))
    if isinstance(payload.get("reason"), str) and "message" in payload:
        return ErrorBody(_code(payload["reason"]), str(payload["message"]))
    return None


def _code(value: Any) -> str:
    """Read an error code; "" where there is none, or a sentence, which may name a person."""
    text = str(value).strip() if isinstance(value, (str, int)) else ""
    return text.lower() if _CODE.fullmatch(text) else ""


def classify_response(
    status: int, code: str, *, of_member: bool, resource: str | None = None
) -> ErrorRule:
    """Find the row of the table for an answer.

    Args:
        status: the HTTP status.
        code: the API's error code, "" where the body holds none.
        of_member: whether the resource is one of a member, so that "not found" is about them.
        resource: the resource's name, for what only some of them say.
    """
    return next(
        rule
        for rule in ERROR_RULES
        if rule.matches(status, code, of_member=of_member, resource=resource)
    )


def is_success(status: int, error_body: ErrorBody | None) -> bool:
    """Tell whether an answer is the data that was asked for."""
    return status == HTTPStatus.OK and error_body is None


def is_about_form(status: int | None, code: str) -> bool:
    """Return whether a rejection may be about the form of a request, and not about a member."""
    return status == HTTPStatus.BAD_REQUEST and (
        code in {"param_error", "missing_data"} or code.startswith("invalid")
    )
