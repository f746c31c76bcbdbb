"""Finds out how a listing has to be asked for, where the public pages leave it open.

The forms of a resource are tried in the order of its row in the endpoint table. A form is given up
when it fails for two different members and one of them is answered by a later form; it then comes
last. A member whom all forms refuse has failed alone. Nothing is remembered beyond the run.

A member for whom a form fails is read in the later forms at once, so nobody has to be read again
when a form is given up: a list that shows no flaw is whole in any form. A flaw that may also be how
a list ends (a page beyond the last one is refused, or is the last one again) counts against a form
only if another one brings more rows.
"""

from __future__ import annotations

import enum
import logging
import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.api import deduplication
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

_MEMBERS = 2
"""Members for whom a form has to fail before it is given up."""

_DOUBTS = 10
"""Members for whom no form is better before a flaw is put up with.

They may all have just one full page of rows, for whom a host that ignores `page` looks like one
that ends there. So two would be too few.
"""


class Flaw(enum.Enum):
    """What shows that a resource may not take a form as it is meant."""

    REFUSED = "it is refused"
    PAGE_IGNORED = "each page is the same"
    PAGE_REFUSED = "a page behind a full one is refused"
    DATES_IGNORED = "rows come from before the dates asked for"
    CUT = "lists may be cut, and dates do not tell"


@dataclass(frozen=True)
class Reading:
    """What a member's listing gave in one form: its rows, what they showed, and a flaw if any."""

    rows: list[deduplication.Row]
    signs: deduplication.ListingSigns
    flaw: Flaw | None = None

    @property
    def doubt(self) -> tuple[Flaw | None, int | None]:
        """What is put up with if no form is better: a flaw, and the status of a page refused."""
        return self.flaw, self.signs.refused[1] if self.signs.refused else None

    def is_worse(self, form: Form, rows: int) -> bool:
        """Return whether a later form shows that this reading's flaw is one.

        Args:
            form: the form of this reading.
            rows: how many rows all forms together have brought.
        """
        if self.flaw is Flaw.PAGE_IGNORED and len(self.rows) != form.page_size:
            return True
        return self.flaw is Flaw.DATES_IGNORED or rows > len(self.rows)


class FormChoice:
    """The choice among the forms of one resource, in one run. Safe to share between threads.

    Args:
        endpoint: the resource.
        ledger: takes what the readings of its listings showed.
    """

    def __init__(self, endpoint: Endpoint, checks: deduplication.ListingChecks) -> None:
        self._endpoint = endpoint
        self._checks = checks
        self._forms = list(endpoint.forms)
        self._lock = threading.Lock()
        self._deciding = threading.Lock()
        self._failed: defaultdict[Form, set[Any]] = defaultdict(set)
        self._surpassed: set[Form] = set()
        self._doubted: defaultdict[tuple[Form, Any], set[Any]] = defaultdict(set)
        self.is_decided = False

    def has_other(self, form: Form) -> bool:
        """Return whether another form is the better next attempt where this one is refused."""
        return not self.is_decided and form is not self._forms[-1]

    @property
    def form(self) -> Form:
        """The form that is asked for first at present."""
        return self._forms[0]

    def read(self, member: Any, attempt: Callable[[Form], Reading]) -> list[deduplication.Row]:
        """Read the listing of a member in the first form that works.

        Until a form has worked for somebody, members are read one at a time.

        Args:
            member: the member's id.
            attempt: reads the listing in a form.

        Raises:
            ApiError: the listing cannot be read; the refusal of the first form if all refuse it.
        """
        if not self.is_decided:
            with self._deciding:
                # Whoever waited for the decision must not wait for the others who did.
                if not self.is_decided:
                    return self._read(member, attempt)
        return self._read(member, attempt)

    def _read(self, member: Any, attempt: Callable[[Form], Reading]) -> list[deduplication.Row]:
        with self._lock:
            forms = list(self._forms)
        flawed: dict[Form, Reading | None] = {}
        readings: list[Reading] = []
        refusal: ApiError | None = None
        best: Form | None = None
        # A page may be refused in passing, so such a form is tried again.
        for form in (*forms, *forms):
            before = flawed.get(form)
            if form in flawed and (before is None or before.flaw is not Flaw.PAGE_REFUSED):
                continue
            try:
                reading = attempt(form)
            except (RejectedError, MemberMissingError, NotConfiguredError) as error:
                # "Not found" is about the member, unless another form has just found it.
                about_form = is_about_form(error.status, error.code) or (
                    readings and not isinstance(error, RejectedError)
                )
                if not about_form:
                    raise
                refusal = refusal or error
                flawed.setdefault(form, None)
                continue
            readings.append(reading)
            if reading.flaw is None or self._is_put_up_with(form, reading):
                best = form
                flawed.pop(form, None)
                break
            flawed[form] = reading
        # A reading with a flaw may have rows that the others lack.
        rows = deduplication.merge_rows([reading.rows for reading in readings], self._endpoint.key)
        self._learn(member, flawed, best, len(rows))
        if not readings:
            assert refusal is not None  # noqa: S101 - a resource has a form
            raise refusal
        # Where all have a flaw, what is to be said is that of the one with the most rows.
        told = readings[-1] if best else max(readings, key=lambda reading: len(reading.rows))
        self._checks.take(self._endpoint.name, told.signs)
        return rows

    def _is_put_up_with(self, form: Form, reading: Reading) -> bool:
        with self._lock:
            return len(self._doubted[form, reading.doubt]) >= _DOUBTS

    def _learn(
        self, member: Any, flawed: dict[Form, Reading | None], best: Form | None, rows: int
    ) -> None:
        """Note what a member's readings say about the forms.

        Args:
            member: the member's id.
            flawed: what each form brought that did not work; None where it was refused.
            best: the form that worked, if one did.
            rows: how many rows all forms together have brought.
        """
        with self._lock:
            for form, reading in flawed.items():
                worse = best is not None if reading is None else reading.is_worse(form, rows)
                # Where all forms have a flaw, the one with the most rows is as good as any.
                worse &= best is not None or (reading is not None and rows > len(reading.rows))
                if worse:
                    self._surpassed.add(form)
                if worse or reading is None:
                    self._note(form, member)
                elif len(doubted := self._doubted[form, reading.doubt]) < _DOUBTS:
                    doubted.add(member)
            self.is_decided |= best is self._forms[0]
            self._give_up(flawed)

    def _note(self, form: Form, member: Any) -> None:
        if len(self._failed[form]) < _MEMBERS:
            self._failed[form].add(member)

    def _give_up(self, flawed: dict[Form, Reading | None]) -> None:
        """Put the forms in front last that have failed for enough members."""
        while (form := self._forms[0]) in self._surpassed and len(self._failed[form]) >= _MEMBERS:
            self._surpassed.discard(form)
            self._failed[form].clear()
            self._forms.append(self._forms.pop(0))
            self.is_decided = self._forms[0] not in flawed
            reading = flawed.get(form)
            logger.info(
                "%s: no longer %s (%s); now %s",
                self._endpoint.name,
                form.name,
                ((reading and reading.flaw) or Flaw.REFUSED).value,
                self._forms[0].name,
            )
