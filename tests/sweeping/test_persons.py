"""Known is a person that was read, by number, and not a name in the roster."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.persons import NAMES, Program, day
from support.scripted_host import DAY, NOW, Host, run

from tap_crowdtwist.errors import IncompleteError

pytestmark = pytest.mark.slow


def opening(program: Program) -> dict[str, Any]:
    """A first day on which all but the last three addresses have somebody behind them."""
    for number, name in enumerate(NAMES, start=1):
        program.persons[name] = number
        for age in (400, 200, 3):
            program.buy(number, age)
    late = {name: program.persons.pop(name) for name in NAMES[-3:]}
    outcome = day(program, None, 0)
    assert outcome.error is None
    program.persons |= late
    return outcome.state


def test_who_was_missing_and_is_linked_later_comes_with_all_rows() -> None:
    program = Program()
    state = opening(program)
    second = day(program, state, 1)
    assert second.error is None
    assert set(second.bought) >= program.of(10) | program.of(11) | program.of(12)


def test_an_address_that_moves_to_another_member_brings_all_their_rows() -> None:
    program = Program()
    state = day(program, opening(program), 1).state
    program.persons[NAMES[0]] = 77
    for age in (900, 300, 1):
        program.buy(77, age)
    moved = day(program, state, 2)
    assert set(moved.bought) >= program.of(77)


def test_an_address_that_moves_while_it_is_owed_brings_all_rows_of_the_new_member() -> None:
    program = Program()
    state = day(program, opening(program), 1).state
    program._failing.add(2)  # noqa: SLF001 - the host is ours
    failed = day(program, state, 2)
    program._failing.clear()  # noqa: SLF001 - likewise
    program.persons[NAMES[1]] = 77
    for age in (900, 300, 1):
        program.buy(77, age)
    moved = day(program, failed.state, 3)
    assert set(moved.bought) >= program.of(77)


def test_whoever_was_known_is_read_from_the_bookmark_only() -> None:
    program = Program()
    state = day(program, opening(program), 1).state
    program.requests.clear()
    third = day(program, state, 2)
    assert third.error is None
    assert set(third.bought) == {f"{n}-2" for n in range(1, 13)}
    assert sum("/purchases" in url for url in program.requests) == len(NAMES)


def test_members_who_failed_for_a_day_do_not_make_everybody_new() -> None:
    program = Program()
    state = day(program, opening(program), 1).state
    program._failing |= set(range(2, 12))  # noqa: SLF001 - the host is ours
    failed = day(program, state, 2)
    assert isinstance(failed.error, IncompleteError)
    program._failing.clear()  # noqa: SLF001 - likewise
    program.requests.clear()
    mended = day(program, failed.state, 3)
    assert mended.error is None
    assert sum("/purchases" in url for url in program.requests) == len(NAMES)
    program.requests.clear()
    assert day(program, mended.state, 4).error is None
    assert sum("/purchases" in url for url in program.requests) == len(NAMES)


ADDRESS = st.sampled_from(NAMES)
PERSON = st.integers(1, 30)
DAYS = st.lists(
    st.fixed_dictionaries(
        {
            "persons": st.dictionaries(ADDRESS, PERSON | st.none(), max_size=5),
            "failing": st.sets(PERSON, max_size=4),
            "profile_fails": st.sets(ADDRESS, max_size=2),
            "buys": st.lists(st.tuples(PERSON, st.sampled_from([0, 2, 400])), max_size=4),
            "life": st.none() | st.integers(1, 30),
        }
    ),
    max_size=6,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(DAYS)
def test_whatever_becomes_of_addresses_every_row_of_who_has_one_is_read(
    days: list[dict[str, Any]],
) -> None:
    program = Program()
    state: Any = opening(program)
    loaded: set[str] = set()
    seen = set(program.persons.values())
    clean: dict[str, Any] = {
        "persons": {},
        "failing": set(),
        "profile_fails": set(),
        "buys": [],
        "life": None,
    }
    for number, plan in enumerate([*days, clean, clean], start=1):
        for name, person in plan["persons"].items():
            if person is None:
                program.persons.pop(name, None)
            else:
                program.persons[name] = person
                if person not in seen:
                    seen.add(person)
                    program.buy(person, 600)
        for person, age in plan["buys"]:
            program.buy(person, 0 if person in seen else age, NOW + number * DAY)
        program._failing = plan["failing"]  # noqa: SLF001 - the host is ours
        program.profile_fails = plan["profile_fails"]
        outcome = day(program, state, number, life=plan["life"])
        last = max((n for n, m in enumerate(outcome.messages) if m["type"] == "STATE"), default=-1)
        loaded |= {
            m["record"]["purchase_id"] for m in outcome.messages[:last] if m["type"] == "RECORD"
        }
        state = json.loads(json.dumps(outcome.messages[last]["value"])) if last >= 0 else state
    assert outcome.error is None
    loaded |= {f"{n}-{k}" for n in range(1, 10) for k in range(3)}  # by the first day
    for person in set(program.persons.values()):
        assert program.of(person) <= loaded


@pytest.mark.parametrize("chronic", [3, 8])
def test_members_that_fail_every_day_cost_no_second_request_of_the_others(chronic: int) -> None:
    program = Program()
    state = day(program, opening(program), 1).state
    program._failing |= set(range(1, chronic + 1))  # noqa: SLF001 - the host is ours
    for number in range(2, 6):
        program.requests.clear()
        outcome = day(program, state, number)
        state = outcome.state
        assert len(set(outcome.bought)) == len(NAMES) - chronic
        assert sum("/purchases" in url for url in program.requests) == len(NAMES)


def test_a_newcomer_whose_run_was_cut_and_who_was_away_meanwhile_comes_with_all_rows() -> None:
    for life in range(3, 14):
        host = Host({n: [] for n in (1, 2, 3, 5, 9)}, set())
        for person in (1, 2, 3, 5, 9):
            host._purchases[person] = [  # noqa: SLF001 - the host is ours
                {
                    "purchase_id": f"{person}-0",
                    "purchase_id_type": "order_id",
                    "last_date_purchased": "2020-01-01T00:00:00Z",
                }
            ]
        first = run(host, [1, 2, 3, 9])
        cut = run(host, [1, 2, 3, 5, 9], first.state, now=NOW + DAY, life=life)
        states = [m for m in cut.messages if m["type"] == "STATE"]
        state = states[-1]["value"] if states else first.state
        without = run(host, [1, 2, 3, 9], state, now=NOW + DAY)
        state, bought = without.state, [*without.bought]
        for number in (2, 3):
            outcome = run(host, [1, 2, 3, 5, 9], state, now=NOW + number * DAY)
            assert outcome.error is None
            state, bought = outcome.state, [*bought, *outcome.bought]
        last = max((n for n, m in enumerate(cut.messages) if m["type"] == "STATE"), default=-1)
        bought += [m["record"]["purchase_id"] for m in cut.messages[:last] if m["type"] == "RECORD"]
        assert "5-0" in bought, life


def test_a_late_link_that_fails_when_read_again_and_then_moves_comes_with_all_rows() -> None:
    program = Program()
    state = opening(program)
    program._failing.add(10)  # noqa: SLF001 - the host is ours
    failed = day(program, state, 1)
    assert isinstance(failed.error, IncompleteError)
    program.persons[NAMES[0]] = program.persons.pop(NAMES[9])
    program._failing.clear()  # noqa: SLF001 - likewise
    bought = set()
    state = failed.state
    for number in (2, 3):
        outcome = day(program, state, number)
        state = outcome.state
        bought |= set(outcome.bought)
    assert bought >= program.of(10)
