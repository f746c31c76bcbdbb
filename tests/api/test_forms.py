"""The choice among the forms of a resource: which is kept, which is given up, and what it costs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_crowdtwist.api import endpoints, forms
from tap_crowdtwist.api.errors import RejectedError, is_about_form
from tap_crowdtwist.api.forms import Flaw, FormChoice, Reading
from tap_crowdtwist.api.listing_checks import ListingChecks, ListingSigns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_crowdtwist.api.endpoints import Form

ENDPOINT = replace(endpoints.ACTIVITY_HISTORY, key=("id",))
FORMS = ENDPOINT.forms
ROWS = [{"id": number} for number in range(3)]

Answer = Literal["whole", "cut", "refused"]


class Server:
    """Answers each form in its own way, and refuses some members in any form."""

    def __init__(self, answers: Mapping[Form, Answer], outcasts: frozenset[int]) -> None:
        self.answers = answers
        self.outcasts = outcasts
        self.attempts = 0

    def attempt(self, member: int, form: Form) -> Reading:
        self.attempts += 1
        answer = "refused" if member in self.outcasts else self.answers[form]
        if answer == "refused":
            raise RejectedError("No", endpoint="", status=400, code="param_error")
        if answer == "cut":
            return Reading(ROWS[:1], ListingSigns(), Flaw.PAGE_IGNORED)
        return Reading(ROWS, ListingSigns())


answers = st.tuples(*[st.sampled_from(["whole", "cut", "refused"])] * len(FORMS))
outcasts = st.frozensets(st.integers(0, 29), max_size=10)


@given(answers.filter(lambda each: "whole" in each), outcasts, st.integers(1, 8))
def test_everybody_whom_some_form_answers_is_read_whole(
    each: tuple[Answer, ...], outcasts: frozenset[int], workers: int
) -> None:
    server = Server(dict(zip(FORMS, each, strict=True)), outcasts)
    choice = FormChoice(ENDPOINT, ListingChecks())

    def read(member: int) -> bool:
        try:
            return choice.read(member, lambda form: server.attempt(member, form)) == ROWS
        except RejectedError:
            return False

    with ThreadPoolExecutor(workers) as pool:
        whole = list(pool.map(read, range(30)))
    assert whole == [member not in outcasts for member in range(30)]
    best = each.index("whole")
    assert choice.form is FORMS[best]
    # Outcasts cost all forms; to find out costs each wrong form two members, or as many as were
    # being read while it was given up.
    assert server.attempts <= 30 + len(outcasts) * 2 + best * (2 + workers)


def test_a_form_that_fails_for_one_member_only_is_kept() -> None:
    choice = FormChoice(ENDPOINT, ListingChecks())
    first = Server({FORMS[0]: "refused", FORMS[1]: "whole", FORMS[2]: "whole"}, frozenset())
    other = Server(dict.fromkeys(FORMS, "whole"), frozenset())
    for _ in range(3):
        assert choice.read(1, lambda form: first.attempt(1, form)) == ROWS
        assert choice.read(2, lambda form: other.attempt(2, form)) == ROWS
    assert choice.form is FORMS[0]


def test_a_flaw_that_no_form_is_free_of_is_put_up_with_in_the_end() -> None:
    server = Server(dict.fromkeys(FORMS, "cut"), frozenset())
    choice = FormChoice(ENDPOINT, ListingChecks())
    for member in range(30):
        assert choice.read(member, lambda form: server.attempt(member, form)) == ROWS[:1]  # noqa: B023 - called at once
    assert server.attempts == forms._MIN_DOUBTED_MEMBERS * (len(FORMS) - 1) + 30  # noqa: SLF001 - the bound itself
    assert choice.form is FORMS[0]


def test_a_form_that_was_given_up_is_tried_again_where_the_others_fail() -> None:
    choice = FormChoice(ENDPOINT, ListingChecks())
    for answers in (("refused", "whole", "refused"), ("whole", "refused", "refused")):
        server = Server(dict(zip(FORMS, answers, strict=True)), frozenset())
        for member in range(3):
            assert choice.read(member, lambda form: server.attempt(member, form)) == ROWS  # noqa: B023 - called at once
    assert choice.form is FORMS[0]


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "param_error", True),
        (400, "invalid_page", True),
        (400, "missing_data", True),
        (400, "", False),
        (403, "param_error", False),
        (500, "invalid_data", False),
    ],
)
def test_only_some_refusals_are_about_the_form(status: int, code: str, *, expected: bool) -> None:
    assert is_about_form(status, code) is expected
