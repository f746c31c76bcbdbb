"""Observations: responses of the API with their status, structure and rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.api import endpoints, pagination
from tap_crowdtwist.api.decoding import decode
from tap_crowdtwist.api.errors import (
    ERROR_RULES,
    ResponseAction,
    classify_response,
    is_success,
    parse_error_body,
)
from tap_crowdtwist.records import timestamps, values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_crowdtwist.api.date_filters import Params
    from tap_crowdtwist.api.endpoints import Endpoint, Form

Row = dict[str, Any]

BARE_ARRAY = "a bare array"
EXPIRATION_RULES = {
    "redemption_period_points_expiration": "redemption_period",
    "inactivity_points_expiration": "inactivity",
}
"""Array of Points Expiration -> its rule."""

KNOWN_ERROR_CODES = frozenset(code for rule in ERROR_RULES for code in rule.codes or ()) | {
    "internal_error",
    "input_error",
    "missing_data",
    "param_error",
}
"""Error codes that may appear in the report. Any other could be a value."""

_TEMPORARY = frozenset({ResponseAction.RETRY, ResponseAction.SLOW_DOWN})


@dataclass(frozen=True)
class Observation:
    """The outcome of one request.

    Attributes:
        endpoint: the resource.
        member: position of the member that was requested; None for a program stream.
        params: query parameters.
        status: HTTP status; None if there was no response.
        headers: response headers.
        body: response body.
        clock_offset: seconds by which the host's clock is ahead of ours; None if unknown.
        payload: parsed body; None if it is not JSON.
        defects: what is not valid JSON in the body.
    """

    endpoint: Endpoint
    member: int | None = None
    params: Params = ()
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | bytearray = b""
    clock_offset: float | None = None

    def __post_init__(self) -> None:
        # A frozen dataclass can set derived fields only in this way.
        decoded = decode(self.body)
        object.__setattr__(self, "payload", decoded.payload)
        object.__setattr__(self, "defects", decoded.defects)

    payload: Any = field(init=False, default=None)
    defects: tuple[str, ...] = field(init=False, default=())

    @property
    def is_data(self) -> bool:
        """Whether the response is the requested data, not an error."""
        if self.status is None or self.payload is None:
            return False
        return is_success(self.status, parse_error_body(self.payload))

    @property
    def code(self) -> str:
        """The error code; "another code" if it is not a known one."""
        error = parse_error_body(self.payload)
        if error is None or not error.code:
            return "no code"
        return error.code if error.code in KNOWN_ERROR_CODES else "another code"

    @property
    def action(self) -> ResponseAction | None:
        """The tap's action for an error; None for data or no response."""
        if self.status is None or self.is_data:
            return None
        error = parse_error_body(self.payload)
        code = error.code if error else ""
        name = self.endpoint.name
        # The tap's own rules, so that the report says what the tap would really do.
        return classify_response(
            self.status, code, is_per_member=self.endpoint.is_per_member, resource=name
        ).action

    @property
    def is_conclusive(self) -> bool:
        """Whether there was a response, and no temporary error."""
        return self.status is not None and self.action not in _TEMPORARY

    @property
    def error_shape(self) -> str:
        """The structure of an error body."""
        if not isinstance(self.payload, dict):
            return "no JSON object"
        if isinstance(self.payload.get("error"), str):
            return "flat"
        if isinstance(self.payload.get("error"), dict):
            return "nested"
        return "with a reason" if "reason" in self.payload else "another form"

    @property
    def status_text(self) -> str:
        """Status and error code in words."""
        if self.status is None:
            return "no response"
        return f"HTTP {self.status}" + ("" if self.is_data else f", {self.code}")

    @property
    def envelope(self) -> str | None:
        """Location of the rows: a key, `BARE_ARRAY`, or None if there are none."""
        if isinstance(self.payload, list):
            return BARE_ARRAY
        if not isinstance(self.payload, dict):
            return None
        # A known key first, even if its array is empty; else any other array with rows.
        arrays = [name for name, value in self.payload.items() if isinstance(value, list)]
        known = [name for name in self.endpoint.envelope if name in arrays]
        filled = [name for name in arrays if self.payload[name] and name != "paging"]
        return next(iter([*known, *filled]), None)

    @property
    def page(self) -> pagination.Page | None:
        """The page of a listing, parsed as the tap parses it."""
        if not self.is_data or not self.endpoint.envelope:
            return None
        return pagination.parse_page(
            self.payload, self.endpoint.envelope, self.endpoint.sibling_fields
        )

    @property
    def paging(self) -> Any:
        """The `paging` object as it was sent."""
        return self.payload.get("paging") if isinstance(self.payload, dict) else None

    @property
    def rows(self) -> list[Row]:
        """The rows of a response with data."""
        if not self.is_data:
            return []
        if self.endpoint is endpoints.POINTS_EXPIRATION:
            return _expiration_rows(self.payload)
        if not self.endpoint.envelope:
            return [self.payload] if isinstance(self.payload, dict) else []
        page = self.page
        return [row for row in page.rows if isinstance(row, dict)] if page else []

    @property
    def row_count(self) -> int:
        """Rows of the whole listing if it has a total, else of this page."""
        page = self.page
        return (page.total if page and page.total else 0) or len(self.rows)


def _expiration_rows(payload: Any) -> list[Row]:
    if not isinstance(payload, dict):
        return []
    entries = [
        (entry, rule)
        for key, rule in EXPIRATION_RULES.items()
        if isinstance(payload.get(key), list)
        for entry in payload[key]
    ]
    return [{**entry, "rule_type": rule} for entry, rule in entries if isinstance(entry, dict)]


def page_params(form: Form, number: int, size: int | None = None) -> Params:
    """Build the query parameters for a page in a form of the request."""
    if form.page is None:
        return ()
    page_size = size or form.page_size
    return ((form.page, str(number)), *((("page_size", str(page_size)),) if page_size else ()))


def unix_seconds(value: Any) -> int | None:
    """Convert a timestamp in any known format to Unix seconds; None if it is not one."""
    try:
        text = timestamps.normalize_timestamp(value) if value is not None else None
    except values.ConversionError:
        return None
    return int(timestamps.parse_timestamp(text).timestamp()) if text else None
