"""Finds out how a listing has to be asked for, where the public pages leave it open.

The forms of a resource are tried in the order of its row in the endpoint table. A form is given up
when it fails for two different members and one of them is answered by a later form. A member whom
all forms refuse has failed alone. Nothing is remembered beyond the run.

A member for whom a form fails is read in the later forms at once, so nobody has to be read again
when a form is given up: a list that shows no flaw is whole in any form.
"""

from __future__ import annotations

import enum
import logging
import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.api import listing
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
"""Members for whom a form has to fail before it is given up, and before a flaw is put up with."""


class Flaw(enum.Enum):
    """What shows that a resource may not take a form as it is meant."""

    REFUSED = "it is refused"
    PAGE_IGNORED = "each page is the same"
    PAGE_REFUSED = "a page behind a full one is refused"
    DATES_IGNORED = "rows come from before the dates asked for"


@dataclass(frozen=True)
class Reading:
    """What a member's listing gave in one form: its rows, what they showed, and a flaw if any."""

    rows: list[listing.Row]
    signs: listing.Signs
    flaw: Flaw | None = None


class FormChoice:
    """The choice among the forms of one resource, in one run. Safe to share between threads.

    Args:
        endpoint: the resource.
        ledger: takes what the readings of its listings showed.
    """

    def __init__(self, endpoint: Endpoint, ledger: listing.Ledger) -> None:
        self._endpoint = endpoint
        self._ledger = ledger
        self._forms = list(endpoint.forms)
        self._lock = threading.Lock()
        self._deciding = threading.Lock()
        self._failed: defaultdict[Form, set[Any]] = defaultdict(set)
        self._surpassed: set[Form] = set()
        self._unresolved: defaultdict[tuple[Form, Flaw], set[Any]] = defaultdict(set)
        self.is_decided = False

    def has_other(self, form: Form) -> bool:
        """Return whether another form is the better next attempt where this one is refused."""
        return not self.is_decided and form is not self._forms[-1]

    @property
    def form(self) -> Form:
        """The form that is asked for first at present."""
        return self._forms[0]

    def read(self, member: Any, attempt: Callable[[Form], Reading]) -> list[listing.Row]:
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

    def _read(self, member: Any, attempt: Callable[[Form], Reading]) -> list[listing.Row]:
        with self._lock:
            forms = list(self._forms)
        flaws: dict[Form, Flaw] = {}
        readings: list[Reading] = []
        refusal: ApiError | None = None
        for form in forms:
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
                flaws[form] = Flaw.REFUSED
                continue
            readings.append(reading)
            if reading.flaw is None or self._is_put_up_with(form, reading.flaw):
                self._worked(form, flaws, member)
                break
            flaws[form] = reading.flaw
        else:
            self._none_worked(flaws, member)
            if not readings:
                assert refusal is not None  # noqa: S101 - a resource has a form
                raise refusal
            for reading in readings[:-1]:
                self._ledger.take(self._endpoint.name, reading.signs)
        self._ledger.take(self._endpoint.name, readings[-1].signs)
        # A reading with a flaw may have rows that the others lack.
        return listing.union([reading.rows for reading in readings], self._endpoint.key)

    def _is_put_up_with(self, form: Form, flaw: Flaw) -> bool:
        with self._lock:
            return len(self._unresolved[form, flaw]) >= _MEMBERS

    def _worked(self, form: Form, flaws: dict[Form, Flaw], member: Any) -> None:
        """Note that a form worked for a member, and that those before it did not."""
        with self._lock:
            for flawed in flaws:
                self._note(flawed, member)
                self._surpassed.add(flawed)
            self.is_decided |= form is self._forms[0]
            self._give_up(flaws)

    def _none_worked(self, flaws: dict[Form, Flaw], member: Any) -> None:
        """Note that all forms have flaws for a member, so the first one is as good as any."""
        with self._lock:
            for form, flaw in flaws.items():
                if flaw is Flaw.REFUSED:
                    self._note(form, member)
                elif len(self._unresolved[form, flaw]) < _MEMBERS:
                    self._unresolved[form, flaw].add(member)
            self._give_up(flaws)

    def _note(self, form: Form, member: Any) -> None:
        if len(self._failed[form]) < _MEMBERS:
            self._failed[form].add(member)

    def _give_up(self, flaws: dict[Form, Flaw]) -> None:
        """Give up the forms in front that have failed for enough members."""
        while len(self._forms) > 1:
            form = self._forms[0]
            if form not in self._surpassed or len(self._failed[form]) < _MEMBERS:
                return
            del self._forms[0]
            self.is_decided = self._forms[0] not in flaws
            logger.info(
                "%s: no longer %s (%s); now %s",
                self._endpoint.name,
                form.name,
                flaws.get(form, Flaw.REFUSED).value,
                self._forms[0].name,
            )
