"""Listings that lie, and what a careful client makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from support.sandbox_client import FIRST_ID, HEAVY, KEY, Client
from support.sandbox_faults import faulty

from crowdtwist_sandbox.faults.paging_faults import PageRequest
from crowdtwist_sandbox.faults.registry import PAGING_FAULTS
from crowdtwist_sandbox.wire.paging import Pager

if TYPE_CHECKING:
    from collections.abc import Iterator

HISTORY = f"/v2.1/users/{HEAVY}/activity_history"
PURCHASES = f"/users/{HEAVY}/purchases"
MOVING = ("rows_inserted", "rows_removed", "rows_moved")
PERSISTENT = tuple(name for name in PAGING_FAULTS if name not in MOVING)


@pytest.fixture(scope="module")
def _client() -> Iterator[Client]:
    with faulty() as running, requests.Session() as session:
        yield Client(running, session)


@pytest.fixture
def client(_client: Client) -> Client:
    _client.sandbox.set_faults()
    _client.sandbox.reset()
    return _client


class Read(NamedTuple):
    """One page as a client reads it."""

    rows: list[int]
    total: int
    pages: int
    next: int | None


def read(client: Client, number: int, path: str = HISTORY) -> Read:
    body = client.get(path, page=number).json()
    paging = body["paging"]
    link = paging["next_page"]
    target = int(parse_qs(urlsplit(link).query)["page"][0]) if link else None
    rows = [row["user_activity_id"] for row in body["activities"]]
    return Read(rows, paging["total"], paging["pages"], target)


def links(client: Client) -> list[int | None]:
    """Where `next_page` points to on each page, by its true number of pages."""
    pages = -(-len(true_rows(client)) // 10)
    return [read(client, number).next for number in range(1, pages + 1)]


def true_rows(client: Client) -> list[int]:
    truth = client.sandbox.expected_rows("user_activity_history")
    return [row["user_activity_id"] for row in truth if row["user_id"] == HEAVY]


def test_lies_are_counted_where_they_tell(client: Client) -> None:
    client.sandbox.set_faults("next_missing=1")
    pages = read(client, 1).pages
    for number in range(2, pages + 1):
        read(client, number)
    client.get(f"/v2/users/{FIRST_ID}")
    assert client.sandbox.counts()["faults"] == {"next_missing": pages - 1}


@pytest.mark.parametrize(("name", "change"), [("total_up", 1), ("total_down", -1)])
def test_total_is_one_off(client: Client, name: str, change: int) -> None:
    client.sandbox.set_faults(f"{name}=1")
    assert read(client, 1).total == len(true_rows(client)) + change


def test_next_page_is_missing(client: Client) -> None:
    client.sandbox.set_faults("next_missing=1")
    assert set(links(client)) == {None}


def test_an_empty_page_comes_before_the_last(client: Client) -> None:
    pages = read(client, 1).pages
    client.sandbox.set_faults("empty_page=1")
    told = read(client, 2)
    assert told == Read([], len(true_rows(client)), pages + 1, 3)


def test_pages_repeat_a_row(client: Client) -> None:
    client.sandbox.set_faults("rows_repeated=1")
    first, second = read(client, 1), read(client, 2)
    assert first.rows[-1] == second.rows[0]
    assert first.total == len(true_rows(client))


def test_a_row_comes_in_while_paging(client: Client) -> None:
    rows = true_rows(client)
    client.sandbox.set_faults("rows_inserted=1")
    first, second = read(client, 1), read(client, 2)
    assert first.rows == rows[1:11]
    assert second.rows == rows[10:20]
    assert (first.total, second.total) == (len(rows) - 1, len(rows))


def test_a_row_goes_while_paging(client: Client) -> None:
    rows = true_rows(client)
    client.sandbox.set_faults("rows_removed=1")
    first, second = read(client, 1), read(client, 2)
    assert first.rows == [rows[0], *rows[:9]]
    assert second.rows == rows[10:20]
    assert (first.total, second.total) == (len(rows) + 1, len(rows))


def test_a_row_moves_while_paging(client: Client) -> None:
    rows = true_rows(client)
    client.sandbox.set_faults("rows_moved=1")
    first, second = read(client, 1), read(client, 2)
    assert first.rows == rows[1:11]
    assert second.rows == rows[10:20]
    assert first.total == second.total == len(rows)


@pytest.mark.parametrize("name", MOVING)
def test_rows_move_once_and_a_second_reading_is_whole(client: Client, name: str) -> None:
    client.sandbox.set_faults(f"{name}=1")
    rows = true_rows(client)
    pages = -(-len(rows) // 10)
    assert read(client, 1).rows == read(client, 1).rows != rows[:10]
    first = [row for number in range(2, pages + 1) for row in read(client, number).rows]
    second = [row for number in range(1, pages + 1) for row in read(client, number).rows]
    assert second[10:] == first
    assert second == rows


def test_a_lie_by_number_sticks_to_its_listing(client: Client) -> None:
    client.sandbox.set_faults("total_up@2,3")
    total = len(true_rows(client))
    assert [read(client, number).total - total for number in (1, 1, 2)] == [0, 1, 1]
    other = client.get(HISTORY, page=1, page_size=7).json()["paging"]["total"]
    assert other == total
    assert [read(client, number).total - total for number in (1, 2)] == [1, 1]


def test_the_pos_host_lies_too(client: Client) -> None:
    true = client.get(PURCHASES, pos=True).json()["paging"]["total"]
    client.sandbox.set_faults("total_up=1")
    assert client.get(PURCHASES, pos=True).json()["paging"]["total"] == true + 1


def test_sandboxes_of_one_seed_have_the_same_liars_on_any_port() -> None:
    def liars() -> list[int]:
        with faulty("total_up=0.5") as running, requests.Session() as session:
            client = Client(running, session)
            totals = []
            for number in range(16):
                path = f"/v2.1/users/{FIRST_ID + 7 * number}/activity_history"
                totals.append(client.get(path).json()["paging"]["total"])
            return totals

    assert liars() == liars()


def pages_of(name: str, total: int, size: int) -> list[Any]:
    """The pages of one careful reading: up to `pages`, whatever `next_page` says."""
    pager = Pager("http://h/x", {}, KEY)
    pages: list[Any] = []
    while not pages or len(pages) < pages[-1].paging["pages"]:
        number = len(pages) + 1
        request = PageRequest(pager, range(total), str(number), size, number > 1)
        pages.append(PAGING_FAULTS[name](request))
    return pages


@given(name=st.sampled_from(PERSISTENT), total=st.integers(0, 40), size=st.integers(1, 7))
def test_counting_pages_and_following_links_gives_every_row_under_any_lie(
    name: str, total: int, size: int
) -> None:
    pages = pages_of(name, total, size)
    assert {row for page in pages for row in page.items} == set(range(total))


@given(name=st.sampled_from(MOVING), total=st.integers(0, 40), size=st.integers(2, 7))
def test_rows_that_move_are_missed_only_where_the_total_tells(
    name: str, total: int, size: int
) -> None:
    pages = pages_of(name, total, size)
    rows = {row for page in pages for row in page.items}
    assert rows <= set(range(total))
    assert max(page.paging["total"] for page in pages) >= total
    if total - 1 > size:
        assert len(rows) == total - 1
    else:
        assert rows == set(range(total))


@given(
    name=st.sampled_from(list(PAGING_FAULTS)), page=st.integers(-3, 60), total=st.integers(0, 40)
)
def test_no_page_is_too_odd_to_lie_about(name: str, page: int, total: int) -> None:
    told = PAGING_FAULTS[name](
        PageRequest(Pager("http://h/x", {}, KEY), range(total), str(page), 7, is_turned=True)
    )
    assert told.paging["total"] >= 0
    assert told.paging["pages"] >= 0
