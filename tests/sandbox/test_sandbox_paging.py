"""Pages, their links, and the date ranges that narrow a listing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from support.sandbox_client import FIRST_ID, HEAVY, KEY, LISTINGS, Client, instant, sandbox

from crowdtwist_sandbox.wire.paging import FOREIGN, Pager, Quirks

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGED = {stream: spec for stream, spec in LISTINGS.items() if spec[1] and stream != "purchases"}
DEFAULTS = {"rewards": 25}
HISTORY = f"/v2.1/users/{HEAVY}/activity_history"
REDEMPTIONS = f"/v2.2/users/{HEAVY}/redemption_history"
PURCHASES = f"/users/{HEAVY}/purchases"


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with sandbox(drift=False) as running, requests.Session() as session:
        yield Client(running, session)


@pytest.mark.parametrize("stream", PAGED)
def test_page_sizes_have_a_default_and_a_maximum(client: Client, stream: str) -> None:
    path, key, largest = PAGED[stream]
    path = path.format(HEAVY)
    default = client.get(path).json()
    assert len(default[key]) == DEFAULTS.get(stream, 10)
    assert client.get(path, page_size="many").json()[key] == default[key]
    total = default["paging"]["total"]
    assert len(client.get(path, page_size=largest).json()[key]) == min(largest, total)
    for size in (largest + 1, 0, -1):
        refused = client.get(path, page_size=size)
        assert (refused.status_code, refused.json()["error"]) == (400, "param_error")


def test_purchases_come_ten_a_page_whatever_is_asked(client: Client) -> None:
    body = client.get(PURCHASES, pos=True, page_size=50).json()
    assert len(body["purchases"]) == 10
    assert body["paging"]["pages"] == -(-body["paging"]["total"] // 10)


def test_links_carry_the_key_and_the_other_parameters(client: Client) -> None:
    paging = client.get(HISTORY, page=2, page_size=5).json()["paging"]
    url = client.sandbox.api_url + HISTORY
    assert paging["next_page"] == f"{url}?page_size=5&page=3&api_key={KEY}"
    assert paging["prev_page"] == f"{url}?page_size=5&page=1&api_key={KEY}"
    assert client.session.get(paging["next_page"]).json()["paging"]["prev_page"].endswith(KEY)


def test_the_last_page_points_nowhere_further(client: Client) -> None:
    pages = client.get(HISTORY).json()["paging"]["pages"]
    last = client.get(HISTORY, page=pages).json()
    assert last["paging"]["next_page"] is None
    assert last["activities"]
    assert client.get(HISTORY).json()["paging"]["prev_page"] is None


def test_a_page_out_of_range_is_empty_and_points_back(client: Client) -> None:
    pages = client.get(HISTORY).json()["paging"]["pages"]
    beyond = client.get(HISTORY, page=pages + 5)
    assert beyond.status_code == 200
    assert beyond.json()["activities"] == []
    assert f"page={pages}&" in beyond.json()["paging"]["next_page"]
    for page in (0, -3):
        body = client.get(HISTORY, page=page).json()
        assert body["activities"] == []
        assert "page=1&" in body["paging"]["next_page"]


def test_a_page_that_is_no_number_is_the_first(client: Client) -> None:
    first = client.get(HISTORY).json()
    for page in ("", "two"):
        assert client.get(HISTORY, page=page).json()["activities"] == first["activities"]


def test_history_can_be_cut_by_unix_seconds_both_ends_included(client: Client) -> None:
    rows = list(client.rows("user_activity_history", HEAVY))
    newer, older = rows[3]["date_created"], rows[8]["date_created"]
    body = client.get(HISTORY, date_start=older, date_end=newer).json()
    assert body["activities"] == rows[3:9]
    assert client.get(HISTORY, date_start=newer, date_end=older).json()["paging"]["total"] == 0


@pytest.mark.parametrize(
    "params",
    [
        {"date_start": "1"},
        {"date_end": "1"},
        {"date_start": "2026-03-01", "date_end": "2026-03-02"},
        {"date_start": "", "date_end": "1"},
    ],
)
def test_history_refuses_half_a_range_and_other_formats(
    client: Client, params: dict[str, Any]
) -> None:
    response = client.get(HISTORY, **params)
    assert (response.status_code, response.json()["error"]) == (400, "param_error")


def test_redemptions_can_be_cut_by_days_without_the_end(client: Client) -> None:
    days = sorted(instant(row["order_date"])[:10] for row in client.rows("redemptions", HEAVY))
    start, end = days[-8], days[-1]
    wanted = sum(start <= day < end for day in days)
    paging = client.get(REDEMPTIONS, date_start=start, date_end=end).json()["paging"]
    assert paging["total"] == wanted > 0


@pytest.mark.parametrize(
    ("start", "end", "status"),
    [
        ("2025-03-01", "2026-03-01", 200),
        ("2025-03-01", "2026-03-02", 400),
        ("2026-03-01", "2026-03-02", 200),
        ("2026-03-01", "2026-03-01", 400),
        ("2026-03-02", "2026-03-01", 400),
        ("2026-03-01", None, 400),
        (None, "2026-03-01", 400),
        ("2026-02-30", "2026-03-02", 400),
        ("20260301", "2026-03-02", 400),
    ],
)
def test_redemption_ranges_are_a_day_to_a_year_long(
    client: Client, start: str | None, end: str | None, status: int
) -> None:
    assert client.get(REDEMPTIONS, date_start=start, date_end=end).status_code == status


def test_purchases_can_be_cut_by_days_both_included(client: Client) -> None:
    rows = list(client.rows("purchases", HEAVY))
    days = sorted(row["last_date_purchased"][:10] for row in rows)
    start, end = days[5], days[-5]

    def total(**params: Any) -> int:
        count: int = client.get(PURCHASES, pos=True, **params).json()["paging"]["total"]
        return count

    assert total(date_start=start, date_end=end) == sum(start <= day <= end for day in days)
    assert total(date_start=start) == sum(start <= day for day in days)
    assert total(date_end=end) == sum(day <= end for day in days)
    assert total(date_start=end, date_end=start) == 0


def test_purchases_are_not_sorted_by_date(client: Client) -> None:
    dates = [row["last_date_purchased"] for row in client.rows("purchases", HEAVY)]
    assert dates != sorted(dates)
    assert dates != sorted(dates, reverse=True)


SIZES = st.integers(min_value=1, max_value=6)
QUIRKS = st.integers(min_value=0, max_value=2**64 - 1).map(Quirks.of)


@given(total=st.integers(min_value=0, max_value=40), size=SIZES, quirks=QUIRKS)
def test_walking_all_pages_gives_every_row_in_order_under_any_quirk(
    total: int, size: int, quirks: Quirks
) -> None:
    pager = Pager("http://127.0.0.1:1/x", {}, KEY, quirks=quirks)
    items = range(total)
    pages = pager.page(items, None, size).paging["pages"]
    seen: list[int] = []
    for number in range(1, pages + 1):
        page = pager.page(items, str(number), size)
        assert len(page.items) <= size
        if number < pages:
            assert f"?page={number + 1}&" in page.paging["next_page"]
        if page.items and seen and page.items[0] == seen[-1]:
            assert quirks.overlap
            seen.pop()
        seen += page.items
    assert seen == list(items)


@pytest.mark.parametrize(
    ("quirks", "number", "expected"),
    [
        (Quirks(foreign_host=True), 1, f"{FOREIGN}/x?page=2&api_key={KEY}"),
        (Quirks(last_points_to="itself"), 4, f"http://127.0.0.1:1/x?page=4&api_key={KEY}"),
        (Quirks(last_points_to="first"), 4, f"http://127.0.0.1:1/x?page=1&api_key={KEY}"),
        (Quirks(empty_middle=True), 2, f"http://127.0.0.1:1/x?page=3&api_key={KEY}"),
    ],
)
def test_quirky_links(quirks: Quirks, number: int, expected: str) -> None:
    page = Pager("http://127.0.0.1:1/x", {}, KEY, quirks=quirks).page(range(10), str(number), 3)
    assert page.paging["next_page"] == expected
    assert bool(page.items) != quirks.empty_middle


def test_quirky_totals() -> None:
    text = Pager("http://h/x", {}, KEY, quirks=Quirks(total_as_text=True)).page(range(4), None, 3)
    assert text.paging["total"] == "4"
    none = Pager("http://h/x", {}, KEY, quirks=Quirks(no_total=True)).page(range(4), None, 3)
    assert "total" not in none.paging


def test_quirks_change_envelopes_but_lose_no_row() -> None:
    with sandbox(quirks=True, drift=False) as running, requests.Session() as session:
        client = Client(running, session)
        keys = set()
        for number in range(20):
            body = client.get(f"/v2.2/users/{FIRST_ID + 7 * number}/redemption_history").json()
            keys |= set(body) - {"paging"}
        assert keys == {"rewards", "redemptions"}
        ids = {row["user_activity_id"] for row in client.rows("user_activity_history", HEAVY)}
        truth = running.expected_rows("user_activity_history")
        assert ids == {row["user_activity_id"] for row in truth if row["user_id"] == HEAVY}
