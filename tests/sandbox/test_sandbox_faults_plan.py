"""What a spec says, and which requests it hits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from support.sandbox_client import FIRST_ID, HEAVY, Client, sandbox
from support.sandbox_faults import faulty

from crowdtwist_sandbox import SandboxOptions
from crowdtwist_sandbox.cli import main
from crowdtwist_sandbox.faults import ALL_FAULTS
from crowdtwist_sandbox.faults.plan import Plan
from crowdtwist_sandbox.faults.registry import (
    DELIVERY_FAULTS,
    PAGING_FAULTS,
    PARAMETERS,
    RESPONSE_FAULTS,
)
from crowdtwist_sandbox.faults.spec import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST_FAULTS = [*RESPONSE_FAULTS, *DELIVERY_FAULTS]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with faulty() as running, requests.Session() as session:
        yield Client(running, session)


def met(spec: str, count: int, seed: int = 3) -> list[tuple[str, float] | None]:
    """What so many requests meet."""
    plan = Plan(seed, parse(spec))
    return [plan.next() for _ in range(count)]


def hits(spec: str, count: int, seed: int = 3) -> list[int]:
    """The numbers of the requests that meet a fault."""
    return [number for number, fault in enumerate(met(spec, count, seed), 1) if fault]


def test_the_catalogue_tells_of_each_fault_what_it_is_and_of_which_kind() -> None:
    assert list(ALL_FAULTS) == [*RESPONSE_FAULTS, *DELIVERY_FAULTS, *PAGING_FAULTS]
    assert {kind for _, kind in ALL_FAULTS.values()} == {
        "transient",
        "persistent",
        "fatal",
        "lie",
    }
    assert {name for name, entry in ALL_FAULTS.items() if entry.kind == "lie"} == set(PAGING_FAULTS)
    for description, _ in ALL_FAULTS.values():
        assert description.endswith(".")
        assert "\n" not in description
    assert set(PARAMETERS) < set(ALL_FAULTS)


def test_numbers_hit_exactly_those_requests() -> None:
    assert hits("reset_before@17", 30) == [17]
    assert hits("redirect@3,9 , late@4", 12) == [3, 4, 9]
    assert met("redirect@2,late@2", 2) == [None, ("redirect", 0)]


def test_numbers_come_before_rates_and_the_first_of_a_spec_before_the_next() -> None:
    assert met("drip=1,late=1,refused@2", 2) == [("drip", 5), ("refused", 0)]


@pytest.mark.parametrize(("spec", "amount"), [("late=1", 5), ("late:2=1", 2), ("drip:.5@1", 0.5)])
def test_a_parameter_has_a_default(spec: str, amount: float) -> None:
    assert [fault and fault[1] for fault in met(spec, 1)] == [amount]


@given(seed=st.integers(0, 2**32), rate=st.floats(0, 1), name=st.sampled_from(REQUEST_FAULTS))
def test_the_same_seed_draws_the_same_and_a_higher_rate_only_adds(
    seed: int, rate: float, name: str
) -> None:
    drawn = hits(f"{name}={rate}", 40, seed)
    assert hits(f"{name}={rate}", 40, seed) == drawn
    assert set(hits(f"{name}={rate / 2}", 40, seed)) <= set(drawn)


def test_rates_are_kept() -> None:
    assert hits("late=0", 1000) == []
    assert len(hits("late=1", 1000)) == 1000
    assert 900 < len(hits("late=0.1", 10_000)) < 1100
    assert 150 < len(hits("all=0.02", 10_000)) < 250


def test_seeds_and_faults_draw_apart() -> None:
    drawn = {
        tuple(hits("late=0.5", 64)),
        tuple(hits("late=0.5", 64, seed=4)),
        tuple(hits("drip=0.5", 64)),
    }
    assert len(drawn) == 3


def test_a_mixture_has_all_of_its_faults_about_as_often_as_each_other() -> None:
    names = [fault[0] for fault in met("all=1", 6000) if fault]
    assert set(names) == set(REQUEST_FAULTS)
    share = 6000 / len(REQUEST_FAULTS)
    assert all(share / 2 < names.count(name) < share * 2 for name in REQUEST_FAULTS)
    plan = Plan(3, parse("all=1"))
    assert {plan.paging_fault(f"/listing/{number}") for number in range(300)} == set(PAGING_FAULTS)


@pytest.mark.parametrize("kind", ["transient", "persistent", "fatal"])
def test_a_kind_is_a_mixture_too(kind: str) -> None:
    names = {fault[0] for fault in met(f"{kind}=1", 1000) if fault}
    assert names == {name for name, entry in ALL_FAULTS.items() if entry.kind == kind}
    assert hits("lie=1", 10) == []


def test_a_listing_lies_or_not_whatever_the_request() -> None:
    plan = Plan(3, parse("total_up=0.3"))
    listings = [f"/listing/{number}" for number in range(1000)]
    lies = [plan.paging_fault(listing) for listing in listings]
    assert 250 < lies.count("total_up") < 350
    for _ in range(5):
        plan.next()
    assert [plan.paging_fault(listing) for listing in listings] == lies


def test_a_listing_lies_from_a_numbered_request_on() -> None:
    plan = Plan(3, parse("next_missing@2,total_up@4"))
    told = []
    for _ in range(4):
        plan.next()
        told.append(
            (plan.paging_fault("/a"), plan.paging_fault("/b") if plan.number == 1 else None)
        )
    assert [lie for lie, _ in told] == [None, "next_missing", "next_missing", "total_up"]
    assert plan.paging_fault("/b") == "total_up"


WRONG = [
    ("server_eror=0.1", "server_eror is unknown; known are all, transient, persistent, fatal, lie"),
    ("=0.1", "is unknown"),
    ("late", "late needs a rate or request numbers, as late=0.1 or @3,9"),
    ("late:2", "late needs a rate"),
    ("late=0.1@3", "the rate of late|needs a rate"),
    ("late=often", "the rate of late must be a number of 0 to 1"),
    ("late=1.5", "the rate of late"),
    ("late=-1", "the rate of late"),
    ("late=nan", "the rate of late"),
    ("late@", "the request numbers of late must be 1 or more"),
    ("late@0", "the request numbers of late"),
    ("late@3,0", "the request numbers of late"),
    ("late@three", "the request numbers of late"),
    ("late:x=1", "the parameter of late must be a number of 0 to 3600"),
    ("late:9999=1", "the parameter of late"),
    ("refused:2=1", "refused takes no parameter; rate_limited, "),
    ("all:2=1", "all takes no parameter"),
]


@pytest.mark.parametrize(("spec", "sentence"), WRONG)
def test_a_wrong_spec_is_refused_with_one_sentence(spec: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        SandboxOptions(faults=spec)
    assert str(caught.value).startswith("faults: ")
    assert "\n" not in str(caught.value)


def test_an_unknown_name_is_told_all_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown") as caught:
        parse("nonsense=1")
    assert all(name in str(caught.value) for name in ALL_FAULTS)


def test_the_command_takes_faults_repeatedly(capsys: pytest.CaptureFixture[str]) -> None:
    ports = ["--port", "0", "--pos-port", "0", "--max-seconds", "0"]
    assert main(["serve", *ports, "--faults", "late:2=0.1", "--faults", "redirect@3,9"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["serve", *ports, "--faults", "late=0.1,nonsense=1"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("crowdtwist-sandbox: faults: nonsense is unknown; known are all, ")
    assert err.count("\n") == 1


def test_the_command_lists_the_faults(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(ALL_FAULTS)
    assert lines[0].startswith("rate_limited (transient): 429 with Retry-After")


def test_faults_are_set_and_cleared_while_serving(client: Client) -> None:
    profile = f"/v2/users/{FIRST_ID}"
    spec = {"spec": "server_error@2"}
    assert client.post("/faults", spec).json() == spec
    assert client.control("/faults").json() == spec
    assert [client.get(profile).status_code for _ in range(3)] == [200, 500, 200]
    client.post("/faults", spec)
    assert [client.get(profile).status_code for _ in range(3)] == [200, 500, 200]
    client.sandbox.set_faults("bad_gateway=1")
    assert client.get(profile).status_code == 502
    assert client.post("/faults").json() == {"spec": ""}
    assert client.get(profile).status_code == 200


@pytest.mark.parametrize("body", [{"spec": "nonsense=1"}, {"spec": 1}, {"late": 1}, ["late=1"]])
def test_wrong_faults_leave_the_earlier_ones_in_place(client: Client, body: Any) -> None:
    client.sandbox.set_faults("unavailable=1")
    response = client.post("/faults", body)
    assert (response.status_code, response.json()["error"]) == (400, "param_error")
    garbage = client.session.post(client.sandbox.control_url + "/faults", data="{", timeout=5)
    assert garbage.status_code == 400
    assert client.get(f"/v2/users/{FIRST_ID}").status_code == 503
    client.sandbox.set_faults()


def test_requests_to_both_hosts_are_numbered_together_and_control_is_not(client: Client) -> None:
    client.sandbox.reset()
    client.sandbox.set_faults("server_error@2,bad_gateway@4")
    statuses = []
    for _ in range(2):
        statuses.append(client.get(f"/v2/users/{FIRST_ID}").status_code)
        client.control("/clock")
        statuses.append(client.get(f"/users/{HEAVY}/purchases", pos=True).status_code)
    assert statuses == [200, 500, 200, 502]
    counts = client.control("/counts").json()
    assert counts["faults"] == {"bad_gateway": 1, "server_error": 1}
    assert counts["total"] == 4
    assert client.post("/reset").json()["faults"] == {}
    client.sandbox.set_faults()


def test_two_sandboxes_of_one_seed_fail_alike() -> None:
    def statuses() -> list[int]:
        spec = "server_error=0.3,bad_gateway=0.3"
        with sandbox(faults=spec) as running, requests.Session() as session:
            client = Client(running, session)
            return [client.get(f"/v2/users/{FIRST_ID}").status_code for _ in range(40)]

    first = statuses()
    assert set(first) == {200, 500, 502}
    assert statuses() == first
