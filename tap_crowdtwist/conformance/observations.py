"""Observations: responses of the API with their status, structure and rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
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
from tap_crowdtwist.streams.member_payloads import parse_expirations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_crowdtwist.api.date_filters import Params
    from tap_crowdtwist.api.endpoints import Endpoint, Form

Row = dict[str, Any]

BARE_ARRAY = "a bare array"

_KNOWN_CODES = {"internal_error", "input_error", "missing_data", "param_error"}.union(
    *(rule.codes or () for rule in ERROR_RULES)
)
_ERROR_CODES = {"": "no code", **{code: code for code in _KNOWN_CODES}}
"""Error codes as the report shows them. Any other code could be a value."""

_ERROR_SHAPES: dict[Any, str] = {str: "flat", dict: "nested"}
"""Structure of an error body, by the type of its property `error`."""

_TEMPORARY = frozenset({ResponseAction.RETRY, ResponseAction.SLOW_DOWN})
_NO_PAGE = pagination.Page([])


@dataclass(frozen=True)
class Observation:
    """The outcome of one request.

    Attributes:
        endpoint: the resource.
        position: position of the member that was requested; None for a program stream.
        params: query parameters.
        status: HTTP status; 0 if there was no response.
        headers: response headers.
        body: response body.
        clock_offset: seconds by which the host's clock is ahead of ours; None if unknown.
    """

    endpoint: Endpoint
    position: int | None = None
    params: Params = ()
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | bytearray = b""
    clock_offset: float | None = None
    payload: Any = field(init=False)
    """Parsed body; None if it is not JSON."""

    is_repaired: bool = field(init=False)
    """Whether the body can be parsed, but is not valid JSON."""

    def __post_init__(self) -> None:
        decoded = decode(self.body)
        # A frozen dataclass can set derived fields only in this way.
        object.__setattr__(self, "payload", decoded.payload)
        object.__setattr__(self, "is_repaired", bool(decoded.defects))

    @property
    def fields(self) -> Row:
        """The payload if it is an object, else an empty one."""
        return self.payload if isinstance(self.payload, dict) else {}

    @cached_property
    def is_data(self) -> bool:
        """Whether the response is the requested data, not an error."""
        is_error_free = is_success(self.status, parse_error_body(self.payload))
        return is_error_free and self.payload is not None

    @property
    def _code(self) -> str:
        error = parse_error_body(self.payload)
        return error.code if error else ""

    @property
    def code(self) -> str:
        """The error code; "another code" if it is not a known one."""
        return _ERROR_CODES.get(self._code, "another code")

    @cached_property
    def action(self) -> ResponseAction | None:
        """The tap's action for an error; None for data."""
        if self.is_data:
            return None
        # The tap's own rules, so that the report says what the tap would really do.
        rule = classify_response(
            self.status,
            self._code,
            is_per_member=self.endpoint.is_per_member,
            resource=self.endpoint.name,
        )
        return rule.action

    @property
    def is_conclusive(self) -> bool:
        """Whether there was a response, and no temporary error."""
        return self.status > 0 and self.action not in _TEMPORARY

    @property
    def error_shape(self) -> str:
        """The structure of an error body."""
        if not isinstance(self.payload, dict):
            return "no JSON object"
        return _ERROR_SHAPES.get(type(self.fields.get("error")), "another form")

    @property
    def status_text(self) -> str:
        """Status and error code in words."""
        if not self.status:
            return "no response"
        return f"HTTP {self.status}" if self.is_data else f"HTTP {self.status}, {self.code}"

    @property
    def envelope(self) -> str:
        """Location of the rows: a key, `BARE_ARRAY`, or "" if there are none."""
        if isinstance(self.payload, list):
            return BARE_ARRAY
        arrays = {name: value for name, value in self.fields.items() if isinstance(value, list)}
        # A known key first, even if its array is empty; else any other array with rows.
        known = [name for name in self.endpoint.envelope if name in arrays]
        filled = [name for name, rows in arrays.items() if rows and name != "paging"]
        return next(iter([*known, *filled]), "")

    @cached_property
    def page(self) -> pagination.Page:
        """The page of a listing, parsed as the tap parses it; `_NO_PAGE` if it is not a listing."""
        if not self.is_data:
            return _NO_PAGE
        endpoint = self.endpoint
        page = pagination.parse_page(self.payload, endpoint.envelope, endpoint.sibling_fields)
        return page or _NO_PAGE

    @property
    def is_listing(self) -> bool:
        """Whether the tap can parse the response as a page of a listing."""
        return self.page is not _NO_PAGE

    @property
    def pages(self) -> int:
        """Number of pages that the listing announces; 0 if it does not."""
        return self.page.pages or 0

    @property
    def total(self) -> int:
        """Number of rows that the listing announces; 0 if it does not."""
        return self.page.total or 0

    @cached_property
    def rows(self) -> list[Row]:
        """The rows of a response with data."""
        if not self.is_data:
            return []
        if self.endpoint is endpoints.POINTS_EXPIRATION:
            return parse_expirations(self.payload) or []
        candidates = self.page.rows if self.endpoint.envelope else [self.payload]
        return [row for row in candidates if isinstance(row, dict)]

    @property
    def first_row(self) -> Row:
        """The first row, or an empty one if there are none."""
        return next(iter(self.rows), {})

    @property
    def row_count(self) -> int:
        """Rows of the whole listing if it has a total, else of this page."""
        return self.total or len(self.rows)


def page_params(form: Form, number: int, size: int | None = None) -> Params:
    """Build the query parameters for a page in a form of the request."""
    if form.page is None:
        return ()
    page_size = size or form.page_size
    params = ((form.page, str(number)),)
    return (*params, ("page_size", str(page_size))) if page_size else params
