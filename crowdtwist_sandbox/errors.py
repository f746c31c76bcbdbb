"""Error bodies of the API.

The main host sends `{"error", "message"}`; "User Purchase History" on the POS host nests an object
with the reasons under `error`.
"""

from __future__ import annotations

from crowdtwist_sandbox.http_exchange import Refusal, Response


def flat(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """Return an error of the main host, or of the gateway in front of both hosts."""
    return Response(status, {"error": code, "message": message}, headers)


def nested(status: int, code: str, message: str) -> Response:
    """Return an error of the POS host's purchase listing."""
    reasons = [{"reason": code, "message": message}]
    return Response(status, {"error": {"code": status, "message": message, "errors": reasons}})


NOT_FOUND = flat(404, "page_not_found", "The requested page does not exist.")
NO_AUTH = flat(403, "invalid_auth", "Authentication failed.")
FAILED = flat(500, "internal_error", "An internal error occurred.")
NOT_GET = flat(405, "method_not_allowed", "This sandbox only reads.", {"allow": "GET"})


def param_error(message: str) -> Refusal:
    """Return the main host's refusal of a missing or invalid parameter."""
    return Refusal(flat(400, "param_error", message))


def pos_error(status: int, code: str, message: str) -> Refusal:
    """Return a refusal of the POS host."""
    return Refusal(nested(status, code, message))
