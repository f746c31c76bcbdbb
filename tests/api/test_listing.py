"""The pages and windows of a listing are put together: every row, each once."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_crowdtwist.api.deduplication import identify, merge_rows, read_verified
from tap_crowdtwist.api.endpoints import Endpoint
from tap_crowdtwist.api.listing_checks import ListingChecks
from tap_crowdtwist.api.pagination import Listing

if TYPE_CHECKING:
    from collections.abc import Callable

ENDPOINT = Endpoint("orders", "/orders", key=("id",))
PAIR = ("kind", "id")


@dataclass
class Readings:
    """Gives one listing after the other; the last one again and again."""

    listings: list[Listing]
    count: int = field(default=0)

    def __call__(self) -> Listing:
        self.count += 1
        return self.listings[min(self.count, len(self.listings)) - 1]


def reading(*pages: list[Any], total: int | None = None, moved: bool = False) -> Listing:
    totals = set() if total is None else {total, total - moved}
    return Listing(list(pages), totals)


def numbered(*ids: Any) -> list[dict[str, Any]]:
    return [{"id": number} for number in ids]


def notes(*texts: str) -> list[dict[str, Any]]:
    """Make rows without a key."""
    return [{"note": text} for text in texts]


def completed(*listings: Listing, ledger: ListingChecks | None = None) -> tuple[list[Any], int]:
    read = Readings(list(listings))
    return read_verified(read, ENDPOINT, ledger or ListingChecks()), read.count


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_pages_are_joined_in_the_order_read() -> None:
    assert completed(reading(numbered(3, 1), numbered(2), total=3)) == (numbered(3, 1, 2), 1)


def test_a_row_answered_on_two_pages_is_taken_once_as_last_read() -> None:
    pages = [{"id": 1, "n": 1}, {"id": 2}], [{"id": "1", "n": 2}, {"id": 3}]
    rows, _ = completed(reading(*pages, total=3))
    assert rows == [{"id": "1", "n": 2}, {"id": 2}, {"id": 3}]


@pytest.mark.parametrize("blank", [None, "", " "])
def test_rows_whose_key_is_blank_are_not_taken_for_one(blank: Any) -> None:
    rows = [{"id": blank, "n": 1}, {"id": blank, "n": 2}]
    assert completed(reading(rows, total=2)) == (rows, 1)


@pytest.mark.parametrize(
    ("pages", "readings"), [([notes("a", "a", "b")], 1), ([notes("a", "a"), notes("a")], 2)]
)
def test_equal_rows_without_a_key_are_all_kept_where_the_total_counts_them(
    pages: list[Any], readings: int, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = ListingChecks()
    assert completed(reading(*pages, total=3), ledger=ledger) == (
        [row for page in pages for row in page],
        readings,
    )
    assert warnings(caplog) == []
    assert ledger.disagreements.total() == 0


def test_a_row_without_a_key_on_two_pages_may_have_pushed_another_one_off() -> None:
    shifted = reading(notes("b", "c"), notes("c", "d"), total=4)
    steady = reading(notes("a", "b"), notes("c", "d"), total=4)
    assert completed(shifted, steady) == (notes("a", "b", "c", "d"), 2)


def test_a_row_with_a_key_on_two_pages_leaves_the_total_to_tell() -> None:
    shifted = reading(numbered(2, 3), numbered(3, 4), total=4)
    steady = reading(numbered(1, 2), numbered(3, 4), total=4)
    assert completed(shifted, steady) == (numbered(1, 2, 3, 4), 2)


def test_rows_without_a_key_that_were_answered_twice_are_taken_once() -> None:
    moved = reading(notes("a", "a", "b"), notes("b", "c"), total=4)
    assert completed(moved) == (notes("a", "a", "b", "c"), 1)


def test_equal_rows_without_a_key_are_kept_where_a_total_is_no_help() -> None:
    listing = reading(notes("a"), notes("b"), notes("a"), total=1)
    rows, count = completed(listing)
    assert rows == notes("a", "b", "a")
    assert count == 2


def test_without_a_total_rows_that_pages_overlap_in_are_taken_once() -> None:
    listing = reading(notes("a", "b", "c"), notes("b", "c", "d"), notes("x", "d"))
    assert completed(listing) == (notes("a", "b", "c", "d", "x", "d"), 1)


def test_without_a_total_a_page_that_repeats_the_one_before_adds_nothing() -> None:
    assert completed(reading(notes("a", "b"), notes("a", "b"))) == (notes("a", "b"), 1)


@pytest.mark.parametrize("wanting", [numbered(1, 2), numbered(1, 2, 3, 4)])
def test_a_listing_is_read_again_where_the_total_differs(wanting: list[Any]) -> None:
    first, second = reading(wanting, total=3), reading(numbered(1, 2, 3), total=3)
    assert completed(first, second) == (numbered(1, 2, 3), 2)


def test_a_listing_is_read_again_where_it_changed_under_way() -> None:
    shifted = reading(notes("b", "c"), notes("c"), total=3, moved=True)
    steady = reading(notes("a", "b"), notes("c"), total=3)
    assert completed(shifted, steady) == (notes("a", "b", "c"), 2)


def test_two_readings_that_both_fall_short_are_joined(caplog: pytest.LogCaptureFixture) -> None:
    first = reading([{"id": 1, "n": 1}, {"id": 2}], total=4)
    second = reading([{"id": 3}, {"id": 1, "n": 2}], total=4)
    rows, count = completed(first, second)
    assert rows == [{"id": 1, "n": 2}, {"id": 2}, {"id": 3}]
    assert count == 2
    assert warnings(caplog) == ["orders: a listing has 3 rows but announces 4"]


def test_two_readings_that_make_it_up_together_need_no_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows, _ = completed(reading(numbered(1, 2), total=3), reading(numbered(2, 3), total=3))
    assert rows == numbered(1, 2, 3)
    assert warnings(caplog) == []


def test_a_total_that_is_gone_the_second_time_asks_for_no_more() -> None:
    assert completed(reading(numbered(1), total=2), reading(numbered(1, 2))) == (numbered(1, 2), 2)


def test_a_listing_without_a_total_is_read_once() -> None:
    assert completed(reading(numbered(1, 2))) == (numbered(1, 2), 1)


def test_a_total_that_is_wrong_three_times_is_not_believed_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ledger = ListingChecks()
    counts = [
        completed(reading(numbered(*range(n)), total=100), ledger=ledger)[1] for n in range(1, 7)
    ]
    assert counts == [2, 2, 2, 1, 1, 1]
    assert warnings(caplog) == ["orders: a listing has 1 rows but announces 100"]


def test_readings_that_differ_from_each_other_do_not_discredit_a_total() -> None:
    ledger = ListingChecks()
    counts = [
        completed(reading(numbered(1), total=5), reading(numbered(2, 3), total=5), ledger=ledger)[1]
        for _ in range(5)
    ]
    assert counts == [2] * 5


def test_disbelief_is_of_one_endpoint() -> None:
    ledger = ListingChecks()
    for _ in range(3):
        completed(reading(numbered(1), total=9), ledger=ledger)
    assert not ledger.trusts_total("orders")
    assert ledger.trusts_total("receipts")


def test_rows_that_are_not_objects_are_left_out_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ledger = ListingChecks()
    for _ in range(2):
        assert completed(reading([{"id": 1}, None, "x", [1]]), ledger=ledger)[0] == numbered(1)
    assert warnings(caplog) == [
        "orders: a listing has rows that are not JSON objects; they are skipped"
    ]


def test_oddities_of_the_paging_are_told_once_per_endpoint(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ledger = ListingChecks()
    odd = Listing([numbered(1)], oddities={"100 % odd", "even"})
    completed(odd, ledger=ledger)
    completed(odd, ledger=ledger)
    read_verified(lambda: odd, Endpoint("receipts", "/receipts"), ledger)
    assert warnings(caplog) == [
        "orders: 100 % odd",
        "orders: even",
        "receipts: 100 % odd",
        "receipts: even",
    ]


@pytest.mark.parametrize(
    ("row", "identity"),
    [
        ({"kind": "order_id", "id": 5}, ("order_id", "5")),
        ({"kind": "order_id", "id": " 5 "}, ("order_id", "5")),
        ({"kind": "order_id"}, None),
        ({"kind": None, "id": 5}, None),
        ({"kind": "  ", "id": 5}, None),
        ({"kind": "order_id", "id": 0}, ("order_id", "0")),
    ],
)
def test_a_row_is_known_by_all_of_its_key(row: dict[str, Any], identity: Any) -> None:
    assert identify(row, PAIR) == identity


def test_windows_that_meet_on_a_day_answer_its_rows_once() -> None:
    assert merge_rows([numbered(1, 2), numbered(2, 3)], ("id",)) == numbered(1, 2, 3)


def test_of_equal_rows_without_a_key_windows_keep_as_many_as_one_of_them_holds() -> None:
    spans = [notes("a", "b"), notes("a", "a"), notes("b")]
    assert merge_rows(spans, ("id",)) == notes("a", "b", "a")


def test_equal_rows_are_told_by_what_they_say_not_by_the_order_of_their_properties() -> None:
    spans = [[{"a": 1, "b": 2}], [{"b": 2, "a": 1}]]
    assert merge_rows(spans, ("id",)) == [{"a": 1, "b": 2}]


@pytest.mark.parametrize("spans", [[], [[]], [[], []]])
def test_nothing_and_nothing_is_nothing(spans: list[Any]) -> None:
    assert merge_rows(spans, ("id",)) == []


def test_one_window_is_given_as_it_is() -> None:
    rows = notes("a", "a")
    assert merge_rows([rows], ("id",)) is rows


rows_with_keys = st.lists(st.integers(0, 30), unique=True, max_size=25)


@settings(max_examples=100, deadline=None)
@given(ids=rows_with_keys, size=st.integers(1, 6), overlap=st.integers(0, 5))
def test_pages_that_overlap_bring_every_row_once_and_in_order(
    ids: list[int], size: int, overlap: int
) -> None:
    step = max(1, size - overlap)
    for make in (numbered, lambda *numbers: notes(*map(str, numbers))):
        true = make(*ids)
        pages = [true[at : at + size] for at in range(0, len(true), step)]
        for total in (len(true), None):
            rows, count = completed(reading(*pages, total=total))
            assert rows == true
            assert count == 1


@settings(max_examples=100, deadline=None)
@given(spans=st.lists(st.lists(st.sampled_from("abc"), max_size=6), max_size=4))
def test_no_window_loses_a_row_and_none_is_made_up(spans: list[list[str]]) -> None:
    many: Callable[[str], list[int]] = lambda letter: [span.count(letter) for span in spans]  # noqa: E731
    joined = merge_rows([notes(*span) for span in spans], ("id",))
    for letter in "abc":
        assert joined.count({"note": letter}) == max(many(letter), default=0)


REPEATED = "a page has several rows with the same key (id), of which only the last is kept"


@pytest.mark.parametrize(
    ("total", "said"), [(None, REPEATED), (3, "a listing has 2 rows but announces 3")]
)
def test_rows_that_share_a_key_on_one_page_are_never_merged_silently(
    total: int | None, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = ListingChecks()
    page = [{"id": 1, "n": 1}, {"id": 1, "n": 2}, {"id": 2}]
    rows, _ = completed(reading(page, total=total), ledger=ledger)
    assert rows == [{"id": 1, "n": 2}, {"id": 2}]
    (warning,) = warnings(caplog)
    assert said in warning
    assert ledger.unproven == {ENDPOINT.name}


def test_a_total_that_counts_by_key_tells_that_nothing_is_missing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert completed(reading(numbered(1, 1, 2), total=2)) == (numbered(1, 2), 1)
    assert not warnings(caplog)


def test_a_row_that_moved_to_another_page_is_no_repeat(caplog: pytest.LogCaptureFixture) -> None:
    completed(reading(numbered(1, 2), numbered(2, 3), total=3))
    assert not warnings(caplog)


@settings(max_examples=100, deadline=None)
@given(ids=st.lists(st.lists(st.integers(1, 4), max_size=4), max_size=4))
def test_whenever_a_page_loses_a_row_to_its_key_the_listing_is_doubted(
    ids: list[list[int]],
) -> None:
    ledger = ListingChecks()
    pages = [[{"id": number, "place": place} for place, number in enumerate(page)] for page in ids]
    completed(reading(*pages), ledger=ledger)
    assert (ENDPOINT.name in ledger.unproven) is any(len(set(page)) < len(page) for page in ids)


def test_a_listing_with_a_row_that_is_no_object_is_not_proven() -> None:
    ledger = ListingChecks()
    completed(reading([{"id": 1}, "text"]), ledger=ledger)
    assert ledger.unproven == {ENDPOINT.name}
