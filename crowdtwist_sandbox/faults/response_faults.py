"""Faults that replace or change a response, which is then sent in the usual way.

Each function takes the correct response and returns the one to send. Its name is the fault's name
in a spec, and its docstring the description that `crowdtwist-sandbox faults` prints.
"""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus
from math import ceil
from time import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from crowdtwist_sandbox import errors
from crowdtwist_sandbox.faults.fault import COOKIE
from crowdtwist_sandbox.http_exchange import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Literal

    from crowdtwist_sandbox.faults.fault import Fault

_HTML = "text/html; charset=iso-8859-1"
_SORRY = "An internal error occurred."


def _page(status: int, headers: dict[str, str] | None = None) -> Response:
    """Return the HTML error page of a proxy in front of the API."""
    title = f"{status} {HTTPStatus(status).phrase}"
    body = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    return Response.of_bytes(status, body.encode(), _HTML, headers)


def _too_many(headers: dict[str, str] | None = None) -> Response:
    return errors.flat(429, "too_many_requests", "Too many requests.", headers)


def rate_limited(_response: Response, fault: Fault) -> Response:
    """429 with Retry-After in seconds (parameter); recovers by a retry after that time."""
    return _too_many({"retry-after": str(ceil(fault.amount))})


def rate_limited_date(_response: Response, fault: Fault) -> Response:
    """429 with Retry-After as an HTTP date some seconds ahead (parameter); recovers likewise."""
    return _too_many({"retry-after": formatdate(ceil(time() + fault.amount), usegmt=True)})


def rate_limited_bare(_response: Response, _fault: Fault) -> Response:
    """429 without Retry-After; recovers by a retry after a wait of the client's choice."""
    return _too_many()


def server_error(_response: Response, _fault: Fault) -> Response:
    """500 with an HTML body; recovers by a retry."""
    return _page(500)


def bad_gateway(_response: Response, _fault: Fault) -> Response:
    """502 with an HTML body; recovers by a retry."""
    return _page(502)


def unavailable(_response: Response, _fault: Fault) -> Response:
    """503 with an HTML body; recovers by a retry."""
    return _page(503)


def unavailable_later(_response: Response, fault: Fault) -> Response:
    """503 with an HTML body and Retry-After in seconds (parameter); recovers by waiting."""
    return _page(503, {"retry-after": str(ceil(fault.amount))})


def gateway_timeout(_response: Response, _fault: Fault) -> Response:
    """504 with an HTML body; recovers by a retry."""
    return _page(504)


def internal_error(_response: Response, _fault: Fault) -> Response:
    """500 with the API's own internal_error as JSON; recovers by a retry."""
    return errors.FAILED


def invalid_json(response: Response, _fault: Fault) -> Response:
    """200 whose JSON ends in the middle, though the length is right; recovers by a retry."""
    half = response.body[: max(1, len(response.body) // 2)]
    return Response.of_bytes(200, half, "application/json")


def login_page(_response: Response, _fault: Fault) -> Response:
    """200 with the HTML of a login page, as from a proxy in between; recovers by a retry."""
    body = b"<!DOCTYPE html><html><title>Sign in</title><form><input name=user></form></html>\n"
    return Response.of_bytes(200, body, _HTML)


def empty_body(_response: Response, _fault: Fault) -> Response:
    """200 with a body of no bytes; recovers by a retry."""
    return Response.of_bytes(200, b"", "application/json")


def envelope_flat(_response: Response, _fault: Fault) -> Response:
    """200 with an internal_error in the main host's form; recovers by a retry."""
    return errors.flat(200, "internal_error", _SORRY)


def envelope_system(_response: Response, _fault: Fault) -> Response:
    """200 with an internal_error in the form of POS writes; recovers by a retry."""
    body = {"system": "pos", "reason": "internal_error", "description": _SORRY, "message": _SORRY}
    return Response(200, body)


def envelope_nested(_response: Response, _fault: Fault) -> Response:
    """200 with an internal_error in the form of the POS listing; recovers by a retry."""
    reasons = [{"reason": "internal_error", "message": _SORRY}]
    return Response(200, {"error": {"code": 500, "message": _SORRY, "errors": reasons}})


def not_modified(_response: Response, _fault: Fault) -> Response:
    """304 without a body, to an unconditional request; recovers by a retry."""
    return Response.of_bytes(304, b"", "application/json")


def cookie(response: Response, fault: Fault) -> Response:
    """The correct response with a Set-Cookie; no recovery needed, but counted if sent back."""
    headers = {**response.headers, "set-cookie": f"{COOKIE}={fault.number}; Path=/"}
    return Response.of_bytes(response.status, response.body, response.media_type, headers)


def not_configured(_response: Response, _fault: Fault) -> Response:
    """500 not_configured; recovers by one more request."""
    return errors.flat(500, "not_configured", "This feature is not configured.")


def access_denied(_response: Response, _fault: Fault) -> Response:
    """403 access_denied, though the key is good; recovers by one more request."""
    return errors.flat(403, "access_denied", "Access denied.")


def rejected(_response: Response, _fault: Fault) -> Response:
    """400 with an HTML body, as from a proxy if an id has a slash; recovers by one more request."""
    return _page(400)


def firewall(_response: Response, _fault: Fault) -> Response:
    """403 with an HTML body, as from a firewall; recovers by one more request."""
    return _page(403)


def invalid_auth(_response: Response, _fault: Fault) -> Response:
    """403 invalid_auth, as after a key was withdrawn; ends the run, and the next run resumes."""
    return errors.flat(403, "invalid_auth", "Invalid authentication.")


def _moved(fault: Fault, host: str) -> Response:
    # `redirected` shows in the request log that a client followed.
    query = urlencode({**fault.request.params, "redirected": 1, "api_key": fault.api_key})
    return _page(302, {"location": f"http://{host}{fault.request.path}?{query}"})


def redirect(_response: Response, fault: Fault) -> Response:
    """302 to the same path with `redirected=1`, including the key; recovers by one more request."""
    return _moved(fault, fault.request.header(b"host"))


def redirect_away(_response: Response, fault: Fault) -> Response:
    """302 to another name of this host, including the key; recovers likewise."""
    # Another host name, so that a client would have to drop its credentials.
    name, _, port = fault.request.header(b"host").partition(":")
    other = "127.0.0.1" if name == "localhost" else "localhost"
    return _moved(fault, f"{other}:{port}" if port else other)


FAULTS: Mapping[
    Literal["transient", "persistent", "fatal"], tuple[Callable[[Response, Fault], Response], ...]
] = {
    "transient": (
        rate_limited,
        rate_limited_date,
        rate_limited_bare,
        server_error,
        bad_gateway,
        unavailable,
        unavailable_later,
        gateway_timeout,
        internal_error,
        invalid_json,
        login_page,
        empty_body,
        envelope_flat,
        envelope_system,
        envelope_nested,
        not_modified,
        cookie,
    ),
    "persistent": (not_configured, access_denied, rejected, firewall, redirect, redirect_away),
    "fatal": (invalid_auth,),
}
"""The faults of this module, by kind."""
