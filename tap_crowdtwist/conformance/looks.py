"""One answer of the API as evidence: its status, its shape, its rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
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

BARE = "a bare array"
EXPIRATIONS = {
    "redemption_period_points_expiration": "redemption_period",
    "inactivity_points_expiration": "inactivity",
}
"""The arrays of Points Expiration, each with its rule."""

KNOWN_CODES = frozenset(code for rule in ERROR_RULES for code in rule.codes or ()) | {
    "internal_error",
    "input_error",
    "missing_data",
    "param_error",
}
"""Error codes that may be named. Any other could be a value."""


_PASSING = frozenset({ResponseAction.RETRY, ResponseAction.SLOW_DOWN})


@dataclass(frozen=True)
class Look:
    """What came of one request.

    Attributes:
        endpoint: the resource.
        member: which of the members was asked about, by its place; None for a catalog.
        params: what was asked.
        status: HTTP status; None where no answer came.
        headers: the headers of the answer.
        body: its body.
        ahead: seconds by which the clock of the host is ahead of ours, if it tells.
    """

    endpoint: Endpoint
    member: int | None = None
    params: Params = ()
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | bytearray = b""
    ahead: float | None = None

    def __post_init__(self) -> None:
        decoded = decode(self.body)
        object.__setattr__(self, "payload", decoded.payload)
        object.__setattr__(self, "defects", decoded.defects)

    payload: Any = field(init=False, default=None)
    defects: tuple[str, ...] = field(init=False, default=())

    @property
    def is_data(self) -> bool:
        """Whether the answer is the data asked for."""
        if self.status is None or self.payload is None:
            return False
        return is_success(self.status, parse_error_body(self.payload))

    @property
    def code(self) -> str:
        """The error code; "another code" where it is not one of the known ones."""
        fault = parse_error_body(self.payload)
        if fault is None or not fault.code:
            return "no code"
        return fault.code if fault.code in KNOWN_CODES else "another code"

    @property
    def action(self) -> ResponseAction | None:
        """What the tap does about the answer; None for data, or where no answer came."""
        if self.status is None or self.is_data:
            return None
        fault = parse_error_body(self.payload)
        code = fault.code if fault else ""
        name = self.endpoint.name
        return classify_response(
            self.status, code, is_per_member=self.endpoint.is_per_member, resource=name
        ).action

    @property
    def is_answered(self) -> bool:
        """Whether there was an answer that tells something: not one of a passing fault."""
        return self.status is not None and self.action not in _PASSING

    @property
    def error_form(self) -> str:
        """Which of the forms an error body has."""
        if not isinstance(self.payload, dict):
            return "no JSON object"
        if isinstance(self.payload.get("error"), str):
            return "flat"
        if isinstance(self.payload.get("error"), dict):
            return "nested"
        return "with a reason" if "reason" in self.payload else "another form"

    @property
    def told(self) -> str:
        """Status and code in words."""
        if self.status is None:
            return "no answer"
        return f"HTTP {self.status}" + ("" if self.is_data else f", {self.code}")

    @property
    def envelope(self) -> str | None:
        """Where the rows stand: a key, `BARE`, or None where there are none to be seen."""
        if isinstance(self.payload, list):
            return BARE
        if not isinstance(self.payload, dict):
            return None
        arrays = [name for name, value in self.payload.items() if isinstance(value, list)]
        known = [name for name in self.endpoint.envelope if name in arrays]
        filled = [name for name in arrays if self.payload[name] and name != "paging"]
        return next(iter([*known, *filled]), None)

    @property
    def page(self) -> pagination.Page | None:
        """The page of a listing, read as the tap reads it."""
        if not self.is_data or not self.endpoint.envelope:
            return None
        return pagination.parse_page(
            self.payload, self.endpoint.envelope, self.endpoint.sibling_fields
        )

    @property
    def paging(self) -> Any:
        """The `paging` object as it came."""
        return self.payload.get("paging") if isinstance(self.payload, dict) else None

    @property
    def rows(self) -> list[Row]:
        """The rows of an answer with data."""
        if not self.is_data:
            return []
        if self.endpoint is endpoints.POINTS_EXPIRATION:
            return _expirations(self.payload)
        if not self.endpoint.envelope:
            return [self.payload] if isinstance(self.payload, dict) else []
        page = self.page
        return [row for row in page.rows if isinstance(row, dict)] if page else []


def _expirations(payload: Any) -> list[Row]:
    if not isinstance(payload, dict):
        return []
    found = [
        (entry, rule)
        for key, rule in EXPIRATIONS.items()
        if isinstance(payload.get(key), list)
        for entry in payload[key]
    ]
    return [{**entry, "rule_type": rule} for entry, rule in found if isinstance(entry, dict)]


def page_params(form: Form, number: int, size: int | None = None) -> Params:
    """Spell the request for a page of a form."""
    if form.page is None:
        return ()
    wanted = size or form.page_size
    return ((form.page, str(number)), *((("page_size", str(wanted)),) if wanted else ()))


def seconds(value: Any) -> int | None:
    """Read an instant in any form as Unix seconds."""
    try:
        text = timestamps.normalize_timestamp(value) if value is not None else None
    except values.ConversionError:
        return None
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()) if text else None
