"""Choice of the form in which to request a listing, where the public pages leave it open.

The forms of a resource are tried in the order of its row in the endpoint table. A form is given up,
and moved to the end, once it has failed for two members and a later form has worked for one of
them. If all forms fail for a member, only that member fails. Nothing is remembered beyond the run.

A member for whom a form fails is read in the later forms at once, so no member has to be read again
when a form is given up: a list without a flaw is complete, whatever its form. Some flaws may just
be the way in which a list ends (a page beyond the last one is rejected, or repeats it); they count
against a form only if another form returns more rows.
"""

from __future__ import annotations

import enum
import logging
import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.api import deduplication, listing_checks
from tap_crowdtwist.api.errors import (
    ApiError,
    MemberMissingError,
    NotConfiguredError,
    RejectedError,
    is_about_form,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_crowdtwist.api.endpoints import Endpoint, Form

logger = logging.getLogger(__name__)

_MIN_FAILED_MEMBERS = 2
"""Number of members for whom a form must fail before it is given up."""

_MIN_DOUBTED_MEMBERS = 10
"""Number of members for whom no form was better before a flaw is tolerated.

Two would be too few: for members with exactly one full page of rows, a host that ignores `page`
looks like one whose lists end there.
"""


class Flaw(enum.Enum):
    """Sign that a host may not support a form as intended; the value is its text in the log."""

    REJECTED = "it is rejected"
    PAGE_IGNORED = "each page is the same"
    PAGE_REJECTED = "the page after a full one is rejected"
    DATES_IGNORED = "rows are older than the requested dates"
    TRUNCATED = "lists may be truncated, and date ranges do not help"


@dataclass(frozen=True)
class Reading:
    """Result of reading a member's listing in one form: rows, signs, and a flaw if there is one."""

    rows: list[deduplication.Row]
    signs: listing_checks.ListingSigns
    flaw: Flaw | None = None

    @property
    def doubt(self) -> tuple[Flaw | None, int | None]:
        """Flaw, and status of a rejected page: tolerated together if no form is better."""
        return self.flaw, self.signs.rejected_page[1] if self.signs.rejected_page else None

    def is_worse(self, form: Form, rows: int) -> bool:
        """Return whether this reading's flaw is proven, and not just how the list ends.

        Args:
            form: the form of this reading.
            rows: number of rows that all forms together have returned.
        """
        # A single page that is repeated and is not exactly full: its size shows that the host
        # ignores the parameters.
        if self.flaw is Flaw.PAGE_IGNORED and len(self.rows) != form.page_size:
            return True
        return self.flaw is Flaw.DATES_IGNORED or rows > len(self.rows)


class FormChoice:
    """Choice among the forms of one resource, in one run. Safe to share between threads.

    Args:
        endpoint: the resource.
        checks: receives the signs of its listings.
    """

    def __init__(self, endpoint: Endpoint, checks: listing_checks.ListingChecks) -> None:
        self._endpoint = endpoint
        self._checks = checks
        self._forms = list(endpoint.forms)
        self._lock = threading.Lock()
        self._deciding = threading.Lock()
        self._failed: defaultdict[Form, set[Any]] = defaultdict(set)
        self._outdone: set[Form] = set()
        self._doubted: defaultdict[tuple[Form, Any], set[Any]] = defaultdict(set)
        self.is_decided = False

    def has_other(self, form: Form) -> bool:
        """Return whether a form that is rejected should be followed by another one, not retried."""
        return not self.is_decided and form is not self._forms[-1]

    @property
    def form(self) -> Form:
        """The form that is currently tried first."""
        return self._forms[0]

    def read(self, member: Any, attempt: Callable[[Form], Reading]) -> list[deduplication.Row]:
        """Read the listing of a member in the first form that works.

        Until the first form has worked for a member, members are read one at a time.

        Args:
            member: the member's id.
            attempt: reads the listing in a given form.

        Returns:
            The rows, merged from all forms that were tried.

        Raises:
            ApiError: the listing cannot be read; the error of the first form if all are rejected.
        """
        if not self.is_decided:
            with self._deciding:
                # Checked again: after the decision, threads that waited for it read concurrently.
                if not self.is_decided:
                    return self._read(member, attempt)
        return self._read(member, attempt)

    def _read(self, member: Any, attempt: Callable[[Form], Reading]) -> list[deduplication.Row]:
        with self._lock:
            forms = list(self._forms)
        flawed: dict[Form, Reading | None] = {}
        readings: list[Reading] = []
        first_error: ApiError | None = None
        best: Form | None = None
        # The second round is for forms with a rejected page, which may be a temporary fault.
        for form in (*forms, *forms):
            before = flawed.get(form)
            if form in flawed and (before is None or before.flaw is not Flaw.PAGE_REJECTED):
                continue
            try:
                reading = attempt(form)
            except (RejectedError, MemberMissingError, NotConfiguredError) as error:
                # "Not found" is about the member, unless another form has just found the member.
                about_form = is_about_form(error.status, error.code) or (
                    readings and not isinstance(error, RejectedError)
                )
                if not about_form:
                    raise
                first_error = first_error or error
                flawed.setdefault(form, None)
                continue
            readings.append(reading)
            if reading.flaw is None or self._is_tolerated(form, reading):
                best = form
                flawed.pop(form, None)
                break
            flawed[form] = reading
        # A reading with a flaw may have rows that the others lack, so all are merged.
        rows = deduplication.merge_rows([reading.rows for reading in readings], self._endpoint.key)
        self._learn(member, flawed, best, len(rows))
        if not readings:
            assert first_error is not None  # noqa: S101 - a resource has a form
            raise first_error
        # If every form has a flaw, the signs of the reading with the most rows count.
        best_reading = (
            readings[-1] if best else max(readings, key=lambda reading: len(reading.rows))
        )
        self._checks.record(self._endpoint.name, best_reading.signs)
        return rows

    def _is_tolerated(self, form: Form, reading: Reading) -> bool:
        with self._lock:
            return len(self._doubted[form, reading.doubt]) >= _MIN_DOUBTED_MEMBERS

    def _learn(
        self, member: Any, flawed: dict[Form, Reading | None], best: Form | None, rows: int
    ) -> None:
        """Record what a member's readings show about the forms.

        Args:
            member: the member's id.
            flawed: reading of each form that did not work; None if the form was rejected.
            best: the form that worked, or None.
            rows: number of rows that all forms together have returned.
        """
        with self._lock:
            for form, reading in flawed.items():
                is_worse = best is not None if reading is None else reading.is_worse(form, rows)
                # If every form has a flaw, only those with fewer rows than all together are worse.
                lacks_rows = reading is not None and rows > len(reading.rows)
                is_worse &= best is not None or lacks_rows
                if is_worse:
                    self._outdone.add(form)
                # A rejection counts even if no form worked, but alone it does not give a form up.
                if is_worse or reading is None:
                    self._record_failure(form, member)
                elif len(doubted := self._doubted[form, reading.doubt]) < _MIN_DOUBTED_MEMBERS:
                    doubted.add(member)
            self.is_decided |= best is self._forms[0]
            self._give_up(flawed)

    def _record_failure(self, form: Form, member: Any) -> None:
        if len(self._failed[form]) < _MIN_FAILED_MEMBERS:
            self._failed[form].add(member)

    def _give_up(self, flawed: dict[Form, Reading | None]) -> None:
        """Move forms from the front to the end that have failed for enough members."""
        while (form := self._forms[0]) in self._outdone and len(
            self._failed[form]
        ) >= _MIN_FAILED_MEMBERS:
            # It starts afresh at the end, where it is tried again if all the others fail.
            self._outdone.discard(form)
            self._failed[form].clear()
            self._forms.append(self._forms.pop(0))
            self.is_decided = self._forms[0] not in flawed
            reading = flawed.get(form)
            logger.info(
                "%s: lists are no longer requested %s (%s) but %s",
                self._endpoint.name,
                form.name,
                ((reading and reading.flaw) or Flaw.REJECTED).value,
                self._forms[0].name,
            )
