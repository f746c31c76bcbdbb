"""Errors of the client, and the table from (status, error code) to an action and a message.

Sources: the Developer Help Center pages of each endpoint for codes and statuses, "API Best
Practices" for 5xx during downtime. No vendor page mentions 429; an integrator reports it.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Container


class ResponseAction(enum.Enum):
    """Reaction of the client to a response that is not the requested data."""

    RETRY = "retry"
    SLOW_DOWN = "slow down"
    MEMBER_MISSING = "member missing"
    NOT_CONFIGURED = "not configured"
    UNAVAILABLE = "unavailable"
    REJECTED = "rejected"
    FATAL = "fatal"


class ApiError(Exception):
    """A request that did not return the requested data; base of all errors of this client.

    Attributes:
        sentence: explanation for a person, naming the setting to check; holds no data of a member.
        endpoint: name of the endpoint.
        status: HTTP status, or None if there was no response.
        code: the API's own error code, or "" if it sent none.
    """

    def __init__(
        self, sentence: str, *, endpoint: str, status: int | None = None, code: str = ""
    ) -> None:
        facts = (endpoint, f"HTTP {status}" if status else "", code)
        super().__init__(f"{sentence} ({', '.join(filter(None, facts))})")
        self.sentence = sentence
        self.endpoint = endpoint
        self.status = status
        self.code = code


class MemberMissingError(ApiError):
    """The member does not exist (any more), or not under this `id_type`."""


class NotConfiguredError(ApiError):
    """The loyalty program does not have this resource."""


class RejectedError(ApiError):
    """CrowdTwist rejected this one request; others may succeed."""


class UnavailableError(RejectedError):
    """The key may not read the resource, or the program lacks it; or a temporary fault says so."""


class FatalApiError(ApiError):
    """No further request can succeed until a person changes something."""


class ExhaustedError(ApiError):
    """Every attempt failed in a way that may be temporary, and no retries are left."""


class ErrorBody(NamedTuple):
    """Content of an error body: the API's code ("" if there is none) and its short message."""

    code: str
    message: str


class _Anything(frozenset[Any]):
    """Condition that does not depend on a value: an empty set that contains every value."""

    @override
    def __contains__(self, _value: object) -> bool:
        return True


_ANYTHING = _Anything()


@dataclass(frozen=True)
class ErrorRule:
    """One row of the table: a condition, and the action and message for responses that meet it.

    Attributes:
        action: what the client does.
        sentence: explanation for a person.
        statuses: HTTP statuses to which the rule applies.
        codes: error codes to which the rule applies.
        is_per_member: whether it applies to resources of a member only.
        resources: names of the endpoints to which it applies.
    """

    action: ResponseAction
    sentence: str
    statuses: Container[int] = _ANYTHING
    codes: frozenset[str] = _ANYTHING
    is_per_member: bool = False
    resources: Container[str] = _ANYTHING

    def matches(self, status: int, code: str, *, is_per_member: bool, resource: str) -> bool:
        """Return whether this rule applies to a response; arguments as in `classify_response`."""
        return (
            status in self.statuses
            and code in self.codes
            and resource in self.resources
            and (is_per_member or not self.is_per_member)
        )


NOT_JSON = "not JSON"
"""Stands for the error code of a body that is not JSON. Every body from CrowdTwist is JSON, so such
a response comes from something else, such as a firewall."""

_OK = range(200, 300)
_SERVER_ERRORS = range(500, 600)

_CHECK_AUTH_METHOD = "`auth_method` (query, header or hmac)"
_CHECK_CREDENTIALS = (
    f"check `api_key`, `client_id`, `environment` and {_CHECK_AUTH_METHOD}, and "
    "that the key is of the right kind and may read this"
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
        # All but 401 and 429, whose meaning does not depend on a code.
        statuses=frozenset(range(200, 600)) - {401, 429},
        codes=frozenset({"not_configured"}),
    ),
    ErrorRule(
        ResponseAction.MEMBER_MISSING,
        "CrowdTwist has no such member under this `id_type`",
        codes=frozenset({"user_not_found", "invalid_email", "invalid_email_address"}),
        is_per_member=True,
    ),
    # Retried, not MEMBER_MISSING: with a wrong `api_url` every member would seem to be missing.
    ErrorRule(
        ResponseAction.RETRY,
        "The host has no such path, and its response does not look like CrowdTwist's: check "
        "`api_url` and `pos_url`",
        statuses={404},
        codes=frozenset({NOT_JSON}),
    ),
    ErrorRule(
        ResponseAction.MEMBER_MISSING,
        "CrowdTwist has no such member under this `id_type`",
        statuses={404},
        is_per_member=True,
    ),
    ErrorRule(
        ResponseAction.NOT_CONFIGURED,
        "CrowdTwist does not offer this resource on this host",
        statuses={404},
    ),
    ErrorRule(
        ResponseAction.FATAL,
        f"CrowdTwist rejected the credentials: {_CHECK_CREDENTIALS}",
        statuses={401},
    ),
    ErrorRule(
        ResponseAction.FATAL,
        f"CrowdTwist rejected the credentials: {_CHECK_CREDENTIALS}",
        codes=frozenset({"invalid_auth"}),
    ),
    ErrorRule(
        ResponseAction.UNAVAILABLE,
        "The key may not read this resource: check its permissions, its kind and "
        f"{_CHECK_AUTH_METHOD}",
        statuses={403},
        codes=frozenset({"access_denied", "forbidden"}),
    ),
    ErrorRule(
        ResponseAction.REJECTED,
        "Something in front of CrowdTwist, such as a firewall, rejected the request; if there is "
        f"none, check what the key may read, and {_CHECK_AUTH_METHOD}",
        statuses={403},
        codes=frozenset({NOT_JSON}),
    ),
    ErrorRule(
        ResponseAction.REJECTED,
        f"CrowdTwist rejected the request: {_CHECK_CREDENTIALS}",
        statuses={403},
    ),
    ErrorRule(
        ResponseAction.SLOW_DOWN,
        "CrowdTwist received too many requests: lower `requests_per_minute`",
        statuses={429},
    ),
    ErrorRule(
        ResponseAction.UNAVAILABLE,
        "CrowdTwist lacks data that it needs for this resource; ask Oracle support",
        statuses=_SERVER_ERRORS,
        codes=frozenset({"missing_field", "invalid_data"}),
    ),
    ErrorRule(ResponseAction.RETRY, "CrowdTwist did not answer in time", statuses={408}),
    ErrorRule(ResponseAction.RETRY, "CrowdTwist returned a server error", statuses=_SERVER_ERRORS),
    ErrorRule(ResponseAction.RETRY, "A cache answered in place of CrowdTwist", statuses={304}),
    ErrorRule(
        ResponseAction.REJECTED,
        "The host answered with a redirect, which is never followed: check `api_url` and `pos_url`",
        statuses=range(300, 400),
    ),
    # What is left of 2xx: an error body with no code known above, or a status other than 200.
    ErrorRule(ResponseAction.RETRY, "CrowdTwist returned an error in place of data", statuses=_OK),
    ErrorRule(ResponseAction.REJECTED, "CrowdTwist rejected the request"),
)
"""Rules in order: the first that matches applies. The last one matches every response.

Only rejected credentials are fatal, since they affect every request. Any other response that no
retry can change may be about one member (an id with a slash behind a proxy, a firewall's page), so
it is `REJECTED` and does not stop the others.
"""

_CODE = re.compile(r"[A-Za-z]\w{0,59}|[0-9]{1,4}", re.ASCII)


def parse_error_body(payload: Any) -> ErrorBody | None:
    """Parse an error body in any of its three forms; return None if the payload is not one.

    Forms: `{"error": code, "message": text}` on the main host, `{"system", "reason", "message"}`
    for POS writes, `{"error": {"code", "message", "errors": [{"reason", "message"}]}}` for the POS
    purchase history.
    """
    match payload:
        case {"error": str(code)}:
            return ErrorBody(_code(code), str(payload.get("message", "")))
        case {"error": {"message": message, "errors": [{"reason": reason}, *_], **rest}}:
            return ErrorBody(_code(reason) or _code(rest.get("code")), str(message))
        case {"error": {"message": message, **rest}}:
            return ErrorBody(_code(rest.get("code")), str(message))
        case {"reason": str(reason), "message": message}:
            return ErrorBody(_code(reason), str(message))
    return None


def _code(value: Any) -> str:
    """Return an error code in lower case, or "" for anything else: a sentence may name a person."""
    text = str(value or "").strip()
    return text.lower() if _CODE.fullmatch(text) else ""


def classify_response(status: int, code: str, *, is_per_member: bool, resource: str) -> ErrorRule:
    """Return the rule that applies to a response.

    Args:
        status: the HTTP status.
        code: the API's error code, `NOT_JSON`, or "" if the body holds no code.
        is_per_member: whether the resource belongs to a member, so that "not found" is about them.
        resource: name of the endpoint, for rules about certain endpoints.
    """
    return next(
        rule
        for rule in ERROR_RULES
        if rule.matches(status, code, is_per_member=is_per_member, resource=resource)
    )


def is_success(status: int, error_body: ErrorBody | None) -> bool:
    """Return whether a response holds the requested data."""
    return status == HTTPStatus.OK and error_body is None


def is_about_form(status: int | None, code: str) -> bool:
    """Return whether a rejection may be about the form of a request rather than a member."""
    return status == HTTPStatus.BAD_REQUEST and (
        code in {"param_error", "missing_data"} or code.startswith("invalid")
    )
