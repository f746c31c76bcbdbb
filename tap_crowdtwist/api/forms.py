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

    NONE = ""
    REJECTED = "it is rejected"
    PAGE_IGNORED = "each page is the same"
    PAGE_REJECTED = "the page after a full one is rejected"
    DATES_IGNORED = "rows are older than the requested dates"
    TRUNCATED = "lists may be truncated, and date ranges do not help"


@dataclass(frozen=True)
class Reading:
    """Result of reading a member's listing in one form: rows, signs and the form's flaw."""

    rows: list[deduplication.Row]
    signs: listing_checks.ListingSigns
    flaw: Flaw = Flaw.NONE

    @property
    def doubt(self) -> tuple[Flaw, int | None]:
        """Flaw, and status of a rejected page: tolerated together if no form is better."""
        return self.flaw, self.signs.rejected_status

    def is_proven(self, form: Form) -> bool:
        """Return whether the flaw cannot be just the way in which a list ends.

        Args:
            form: the form of this reading.
        """
        # A single page that is repeated and is not exactly full: its size shows that the host
        # ignores the parameters.
        if self.flaw is Flaw.PAGE_IGNORED:
            return len(self.rows) != form.page_size
        return self.flaw in {Flaw.REJECTED, Flaw.DATES_IGNORED}


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
        self._outdone: dict[Form, Flaw] = {}
        self._failed: defaultdict[Form, set[Any]] = defaultdict(set)
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
        flawed: dict[Form, Reading] = {}
        answered: list[Reading] = []
        rejections: list[ApiError] = []
        best: Form | None = None
        # The second round is for forms with a rejected page, which may be a temporary fault.
        for form in (*forms, *forms):
            if form in flawed and flawed[form].flaw is not Flaw.PAGE_REJECTED:
                continue
            try:
                reading = attempt(form)
            except (RejectedError, MemberMissingError, NotConfiguredError) as error:
                if not _is_about_form(error, is_found=bool(answered)):
                    raise
                rejections.append(error)
                flawed[form] = Reading([], listing_checks.ListingSigns(), Flaw.REJECTED)
                continue
            answered.append(reading)
            if reading.flaw is Flaw.NONE or self._is_tolerated(form, reading):
                flawed.pop(form, None)
                best = form
                break
            flawed[form] = reading
        # A reading with a flaw may have rows that the others lack, so all are merged.
        rows = deduplication.merge_rows([reading.rows for reading in answered], self._endpoint.key)
        self._learn(member, flawed, best, len(rows))
        if not answered:
            raise rejections[0]
        # If every form has a flaw, the signs of the reading with the most rows count.
        longest = max(answered, key=lambda reading: len(reading.rows))
        self._checks.record(self._endpoint.name, (answered[-1] if best else longest).signs)
        return rows

    def _is_tolerated(self, form: Form, reading: Reading) -> bool:
        with self._lock:
            return len(self._doubted[form, reading.doubt]) >= _MIN_DOUBTED_MEMBERS

    def _learn(
        self, member: Any, flawed: dict[Form, Reading], best: Form | None, rows: int
    ) -> None:
        """Record what a member's readings show about the forms.

        Args:
            member: the member's id.
            flawed: reading of each form that did not work.
            best: the form that worked, or None.
            rows: number of rows that all forms together have returned.
        """
        with self._lock:
            for form, reading in flawed.items():
                is_outdone = rows > len(reading.rows) or (
                    best is not None and reading.is_proven(form)
                )
                if is_outdone:
                    self._outdone[form] = reading.flaw
                # A rejection counts even if no form worked, but alone it does not give a form up.
                has_failed = is_outdone or reading.flaw is Flaw.REJECTED
                members = self._failed[form] if has_failed else self._doubted[form, reading.doubt]
                if len(members) < _MIN_DOUBTED_MEMBERS:
                    members.add(member)
            self.is_decided |= best is self._forms[0]
            self._give_up(flawed)

    def _give_up(self, flawed: dict[Form, Reading]) -> None:
        """Move forms from the front to the end that have failed for enough members."""
        while (form := self._forms[0]) in self._outdone and len(
            self._failed[form]
        ) >= _MIN_FAILED_MEMBERS:
            # It starts afresh at the end, where it is tried again if all the others fail.
            flaw = self._outdone.pop(form)
            self._failed[form].clear()
            self._forms.append(self._forms.pop(0))
            self.is_decided = self._forms[0] not in flawed
            logger.info(
                "%s: lists are no longer requested %s (%s) but %s",
                self._endpoint.name,
                form.name,
                flaw.value,
                self._forms[0].name,
            )


def _is_about_form(error: ApiError, *, is_found: bool) -> bool:
    """Return whether an error may be about the form of a request rather than about the member.

    Args:
        error: the error.
        is_found: whether another form has just found the member, so that "not found" is not true.
    """
    is_not_found = not isinstance(error, RejectedError)
    return is_about_form(error.status, error.code) or (is_found and is_not_found)
