"""A listing is followed by page number alone, whatever its paging says wrongly."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_crowdtwist.api import pagination
from tap_crowdtwist.api.deduplication import fingerprint
from tap_crowdtwist.api.list_reader import run_sequentially
from tap_crowdtwist.api.pagination import Page, parse_page

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

KEY = "key-that-never-travels"
ENVELOPE = ("rewards", "redemptions")


NOWHERE_NEW = "next_page points nowhere new although more pages are announced"
READ_BEFORE = "next_page points to a page that was read before"


def link(number: Any, *, host: str = "https://api512.crowdtwist.com", name: str = "page") -> str:
    return f"{host}/v2.1/rewards?page_size=25&{name}={number}&api_key={KEY}"


def body(rows: Any, **paging_members: Any) -> dict[str, Any]:
    return {"rewards": rows, "paging": paging_members}


def readable(payload: Any, envelope: tuple[str, ...] = ENVELOPE, **options: Any) -> Page:
    page = parse_page(payload, envelope, **options)
    assert page is not None
    return page


@dataclass
class Server:
    """Answers from a script of pages, and notes what it was asked."""

    script: Callable[[int], Any]
    asked: list[tuple[str, int]] = field(default_factory=list)

    def __call__(self, parameter: str, number: int, *, is_announced: bool = False) -> Page:
        assert is_announced is (number > 1)
        self.asked.append((parameter, number))
        return readable(self.script(number))

    @property
    def numbers(self) -> list[int]:
        return [number for _, number in self.asked]


def scripted(pages: dict[int, Any]) -> Server:
    return Server(lambda number: pages[number])


def read_pages(
    fetch: Callable[..., Page],
    run_concurrently: Callable[[Sequence[Callable[[], Page]]], list[Page]] = run_sequentially,
    *,
    size: int = 10,
    fingerprint: Callable[[list[Any]], Any] = repr,
) -> pagination.Listing:
    return pagination.read_pages(
        fetch, run_concurrently, size=size, fingerprint=fingerprint, parameter="page"
    )


def ids(listing: pagination.Listing) -> list[int]:
    return [row["id"] for page in listing.pages for row in page]


# What one answer says


def test_a_page_has_rows_a_successor_and_counts() -> None:
    page = readable(body([{"id": 1}], total=41, pages=5, next_page=link(2), prev_page=None))
    assert page == Page([{"id": 1}], "page", 2, 5, 41, has_paging=True)


@pytest.mark.parametrize("previous", ["prev_page", "previous_page"])
def test_the_link_back_has_two_names_and_is_of_no_interest(previous: str) -> None:
    page = readable(body([], total=1, pages=1, next_page=None, **{previous: link(7)}))
    assert page.next_number is None


@pytest.mark.parametrize("rows", [[], [{"id": 1}, {"id": 2}]])
def test_a_bare_array_is_a_page_that_does_not_say_whether_there_is_another(
    rows: list[Any],
) -> None:
    assert parse_page(rows, ENVELOPE) == parse_page({"rewards": rows}, ENVELOPE) == Page(rows)


@pytest.mark.parametrize("wrapped", [True, False])
def test_paging_may_be_an_object_or_a_list_of_one(*, wrapped: bool) -> None:
    told = {"total": 3, "pages": 2, "next_page": link(2)}
    page = readable({"rewards": [], "paging": [told] if wrapped else told})
    assert (page.next_number, page.pages, page.total) == (2, 2, 3)


@pytest.mark.parametrize("told", [[], None, "none", 7, [None], ["page"]])
def test_paging_of_another_shape_tells_nothing(told: Any) -> None:
    assert parse_page({"rewards": [{"id": 1}], "paging": told}, ENVELOPE) == Page([{"id": 1}])


def test_rows_may_stand_under_the_second_name() -> None:
    assert readable({"redemptions": [{"id": 1}]}).rows == [{"id": 1}]


@pytest.mark.parametrize("nothing", [[], None, {}, ""])
def test_the_name_that_holds_rows_wins_over_one_that_holds_nothing(nothing: Any) -> None:
    assert readable({"rewards": nothing, "redemptions": [{"id": 1}]}).rows == [{"id": 1}]


@pytest.mark.parametrize("nothing", [None, {}, "", 0, False, []])
def test_a_null_array_is_an_empty_page(nothing: Any) -> None:
    assert readable({"rewards": nothing}).rows == []


def test_paging_without_any_array_is_an_empty_page() -> None:
    page = readable({"paging": {"total": 0, "pages": 0, "next_page": None}})
    assert (page.rows, page.pages) == ([], 0)


def test_what_stands_beside_the_rows_is_not_taken_for_rows() -> None:
    payload = {"paging": {"total": 0}, "user_counts": {"earned_total": 0}}
    assert readable(payload, sibling_fields=("user_counts",)).rows == []


@pytest.mark.parametrize(
    "payload",
    [
        None,
        "rows",
        7,
        {},
        {"message": "hello"},
        {"rewards": {"id": 1}},
        {"rewards": "broken", "paging": {}},
        {"rewards": {"id": 1}, "paging": {"total": 1}},
        {"orders": [{"id": 1}], "paging": {"total": 1}},
    ],
)
def test_anything_else_is_no_listing_rather_than_an_empty_one(payload: Any) -> None:
    assert parse_page(payload, ENVELOPE) is None


def test_what_stands_once_beside_the_rows_is_copied_into_each() -> None:
    badges = [{"id": 1}, {"id": 2, "user_counts": None}, "odd"]
    payload = {"badges": badges, "user_counts": {"n": 3}}
    page = readable(payload, ("badges",), sibling_fields=("user_counts", "missing"))
    assert page.rows == [{"user_counts": {"n": 3}, "id": 1}, {"user_counts": None, "id": 2}, "odd"]
    assert badges[0] == {"id": 1}


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (14, 14),
        (0, 0),
        ("14", 14),
        (" 14 ", 14),
        (14.0, 14),
        (-1, None),
        (-1.0, None),
        (True, None),
        ("", None),
        ("-3", None),
        ("many", None),
        ("٣", None),
        ("9" * 12, None),
        (float("inf"), None),
        (float("nan"), None),
        (None, None),
        ([3], None),
    ],
)
def test_counts_come_as_numbers_or_digits(value: Any, count: int | None) -> None:
    page = readable(body([], total=value, pages=value))
    assert (page.total, page.pages) == (count, count or 0)


@pytest.mark.parametrize(
    ("target", "number"),
    [
        (link(2), 2),
        (link(2, host="https://elsewhere.invalid"), 2),
        (link(2, host=""), 2),
        ("?page=2", 2),
        (link("02"), 2),
        (link(0), None),
        (link(-1), None),
        (link("next"), None),
        (link(""), None),
        ("https://api512.crowdtwist.com/v2.1/rewards", None),
        ("https://[broken?page=2", 2),
        ("", None),
        (None, None),
        (2, None),
        ({"page": 2}, None),
    ],
)
def test_a_link_is_read_for_its_page_number_only(target: Any, number: int | None) -> None:
    assert readable(body([], next_page=target)).next_number == number


def test_a_link_tells_the_name_of_the_page_parameter() -> None:
    page = readable(body([], next_page=link(3, name="page_number")))
    assert (page.parameter, page.next_number) == ("page_number", 3)


def test_a_page_parameter_that_a_host_repeats_without_using_it_is_not_followed() -> None:
    link_with_both = f"{link(1, name='page_number')}&page=2"
    page = readable(body([], next_page=link_with_both))
    assert (page.parameter, page.next_number) == ("page", 2)


# Whole listings


def test_every_page_is_asked_for_once_and_in_order() -> None:
    server = scripted(
        {
            1: body([{"id": 1}], total=3, pages=3, next_page=link(2)),
            2: body([{"id": 2}], total=3, pages=3, next_page=link(3)),
            3: body([{"id": 3}], total=3, pages=3, next_page=None),
        }
    )
    listing = read_pages(server)
    assert ids(listing) == [1, 2, 3]
    assert server.numbers == [1, 2, 3]
    assert (listing.totals, listing.oddities) == ({3}, set())


@pytest.mark.parametrize("last", [None, 1, 3], ids=["nothing", "page 1", "itself"])
@pytest.mark.parametrize("host", ["https://api512.crowdtwist.com", "https://elsewhere.invalid"])
def test_a_last_page_may_point_anywhere(last: int | None, host: str) -> None:
    def answer(number: int) -> Any:
        target = number + 1 if number < 3 else last
        told = link(target, host=host) if target else None
        return body([{"id": number}], total="3", pages="3", next_page=told)

    server = Server(answer)
    listing = read_pages(server)
    assert ids(listing) == [1, 2, 3]
    assert server.numbers == [1, 2, 3]
    assert bool(listing.oddities) is (last is not None)


def test_the_page_parameter_of_the_link_is_used_from_then_on() -> None:
    server = scripted(
        {
            1: body([{"id": 1}], next_page=link(2, name="page_number")),
            2: body([{"id": 2}], pages=3, next_page=None),
            3: body([{"id": 3}], pages=3, next_page=None),
        }
    )
    assert ids(read_pages(server)) == [1, 2, 3]
    assert server.asked == [("page", 1), ("page_number", 2), ("page_number", 3)]


def test_a_circle_of_pages_is_left() -> None:
    server = scripted(
        {
            1: body([{"id": 1}], next_page=link(5)),
            5: body([{"id": 5}], next_page=link(1)),
        }
    )
    listing = read_pages(server)
    assert ids(listing) == [1, 5]
    assert listing.oddities == {READ_BEFORE}


@pytest.mark.parametrize("target", [None, 1, 2], ids=["nowhere", "back", "to itself"])
def test_pages_that_are_announced_are_read_where_the_link_leads_nowhere_new(
    target: int | None,
) -> None:
    def answer(number: int) -> Any:
        told = link(2) if number == 1 else target and link(min(number, target))
        return body([{"id": number}], pages=4, next_page=told)

    server = Server(answer)
    listing = read_pages(server)
    assert ids(listing) == [1, 2, 3, 4]
    assert server.numbers == [1, 2, 3, 4]
    assert listing.oddities == {NOWHERE_NEW} | ({READ_BEFORE} if target else set())


def test_a_link_counts_for_more_than_a_number_of_pages_that_is_too_low() -> None:
    server = scripted(
        {
            1: body([{"id": 1}], pages=1, next_page=link(2)),
            2: body([{"id": 2}], pages=1, next_page=None),
        }
    )
    listing = read_pages(server)
    assert (ids(listing), listing.oddities) == ([1, 2], set())


@pytest.mark.parametrize("target", [None, 1, 2])
def test_an_empty_page_ends_it_unless_it_points_further(target: int | None) -> None:
    server = scripted(
        {
            1: body([{"id": 1}], pages=2, next_page=link(2)),
            2: body([], pages=2, next_page=target and link(target)),
        }
    )
    listing = read_pages(server)
    assert (ids(listing), server.numbers, listing.oddities) == ([1], [1, 2], set())


def test_an_empty_page_that_points_further_does_not_end_it() -> None:
    server = scripted(
        {
            1: body([{"id": 1}], pages=3, next_page=link(2)),
            2: body([], pages=3, next_page=link(3)),
            3: body([{"id": 3}], pages=3, next_page=None),
        }
    )
    assert ids(read_pages(server)) == [1, 3]


@pytest.mark.parametrize("rows", [[], [{"id": 3}]], ids=["empty", "copies"])
def test_pages_without_news_do_not_go_on_for_ever(rows: list[Any]) -> None:
    def answer(number: int) -> Any:
        return body([{"id": number}] if number <= 3 else rows, pages=3, next_page=link(number + 1))

    server = Server(answer)
    listing = read_pages(server)
    assert {row["id"] for page in listing.pages for row in page} == {1, 2, 3}
    assert len(server.asked) == 103
    assert listing.oddities == {"100 pages in a row have nothing new; the rest is not read"}


def test_a_page_without_paging_does_not_end_a_listing_that_announced_more() -> None:
    server = scripted(
        {
            1: body([{"id": 1}], pages=3, next_page=link(2)),
            2: {"rewards": [{"id": 2}]},
            3: body([{"id": 3}], pages=3, next_page=None),
        }
    )
    assert ids(read_pages(server)) == [1, 2, 3]


def test_a_total_that_changes_under_way_is_noted_and_the_largest_kept() -> None:
    server = scripted(
        {
            1: body([{"id": 1}], total=2, next_page=link(2)),
            2: body([{"id": 2}], total="3", next_page=link(3)),
            3: body([{"id": 3}], total=2),
        }
    )
    listing = read_pages(server)
    assert (listing.total, listing.totals) == (3, {2, 3})


def test_a_total_that_some_pages_leave_out_has_not_changed() -> None:
    server = scripted(
        {
            1: body([{"id": 1}], next_page=link(2)),
            2: body([{"id": 2}], total=3, next_page=link(3)),
            3: body([{"id": 3}]),
        }
    )
    listing = read_pages(server)
    assert listing.totals == {3}


@pytest.mark.parametrize("paging", [True, False], ids=["with paging", "without paging"])
def test_a_listing_that_never_ends_is_given_up(
    monkeypatch: pytest.MonkeyPatch, *, paging: bool
) -> None:
    monkeypatch.setattr(pagination, "_MAX_PAGES", 50)
    asked: list[int] = []

    def fetch(_parameter: str, number: int, **_: bool) -> Page:
        asked.append(number)
        rows = [{"id": number}] * 10
        return readable(body(rows, next_page=link(number + 1)) if paging else rows)

    with pytest.raises(pagination.EndlessError):
        read_pages(fetch)
    assert len(asked) <= 51


# Pages fetched side by side


@dataclass
class WorkerPool:
    """Does calls one after the other, and notes how many came at once."""

    sizes: list[int] = field(default_factory=list)

    def __call__(self, calls: Sequence[Callable[[], Page]]) -> list[Page]:
        self.sizes.append(len(calls))
        return [call() for call in calls]


def test_announced_pages_are_fetched_together_after_the_first() -> None:
    def answer(number: int) -> Any:
        target = link(number + 1) if number < 70 else None
        return body([{"id": number}], total=70, pages=70, next_page=target)

    server, pool = Server(answer), WorkerPool()
    assert ids(read_pages(server, pool)) == list(range(1, 71))
    assert pool.sizes == [32, 32, 5]
    assert sorted(server.numbers) == list(range(1, 71))


def test_pages_that_are_not_announced_are_fetched_one_by_one() -> None:
    def answer(number: int) -> Any:
        return body([{"id": number}], next_page=link(number + 1) if number < 4 else None)

    pool = WorkerPool()
    assert ids(read_pages(Server(answer), pool)) == [1, 2, 3, 4]
    assert pool.sizes == [1, 1, 1]


# Any listing, any mixture of quirks that leaves the truth in next_page or in pages


@dataclass(frozen=True)
class Quirks:
    """How the model server bends the truth; `told_by` says where it still tells it."""

    told_by: str
    host: str
    parameter: str
    gaps: frozenset[int]
    as_text: bool
    wrapped: bool
    name: str


quirks = st.builds(
    Quirks,
    told_by=st.sampled_from(["next_page", "pages"]),
    host=st.sampled_from(["https://api512.crowdtwist.com", "https://elsewhere.invalid", ""]),
    parameter=st.sampled_from(["page", "page_number"]),
    gaps=st.frozensets(st.integers(1, 12), max_size=4),
    as_text=st.booleans(),
    wrapped=st.booleans(),
    name=st.sampled_from(ENVELOPE),
)


def model(count: int, size: int, quirk: Quirks) -> tuple[Callable[[int], Any], int]:
    """Serve `count` rows; give the server and how many pages it really has.

    Told by next_page, pages may be empty. Told by pages, there are no links, and every page has
    rows.
    """
    by_link = quirk.told_by == "next_page"
    filled = [list(range(at, min(at + size, count))) for at in range(0, count, size)] or [[]]
    if by_link:
        for place in sorted(quirk.gaps):
            if place < len(filled):
                filled.insert(place, [])
    real = len(filled)

    def answer(number: int) -> Any:
        there = 1 <= number <= real
        if by_link and there and number < real:
            target: int | None = number + 1
        elif not there:
            target = real
        else:
            target = None
        told: dict[str, Any] = {
            "total": str(count) if quirk.as_text else count,
            "pages": str(real) if quirk.as_text else real,
            "next_page": target and link(target, host=quirk.host, name=quirk.parameter),
        }
        rows = [{"id": n} for n in filled[number - 1]] if there else []
        return {quirk.name: rows, "paging": [told] if quirk.wrapped else told}

    return answer, real


@settings(max_examples=100, deadline=None)
@given(count=st.integers(0, 60), size=st.integers(1, 10), quirk=quirks, together=st.booleans())
def test_every_row_comes_out_once_in_order_and_at_the_cost_of_the_pages(
    count: int, size: int, quirk: Quirks, *, together: bool
) -> None:
    answer, real = model(count, size, quirk)
    server = Server(answer)
    listing = read_pages(server, WorkerPool() if together else run_sequentially)
    assert ids(listing) == list(range(count))
    assert listing.total == count
    assert len(server.asked) == real


@settings(max_examples=100, deadline=None)
@given(
    targets=st.lists(st.none() | st.integers(0, 12), min_size=12, max_size=12),
    pages=st.lists(st.none() | st.integers(0, 14), min_size=12, max_size=12),
    filled=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_whatever_the_paging_says_a_listing_ends(
    targets: list[int | None], pages: list[int | None], filled: list[bool]
) -> None:
    def answer(number: int) -> Any:
        if number > 12:
            return body([], pages=pages[-1], next_page=link(12))
        at = number - 1
        rows = [{"id": number}] if filled[at] else []
        return body(rows, pages=pages[at], next_page=targets[at] and link(targets[at]))

    server = Server(answer)
    read_pages(server)
    assert len(server.asked) <= 12 * 12


# Listings without paging


@settings(max_examples=200, deadline=None)
@given(
    count=st.integers(0, 80),
    served=st.sampled_from([5, 10, 20, 25]),
    asked=st.sampled_from([10, 25]),
    wrapped=st.booleans(),
    beyond=st.sampled_from(["empty", "last"]),
)
def test_without_paging_a_listing_goes_on_until_a_page_is_short_empty_or_repeated(
    count: int,
    served: int,
    asked: int,
    wrapped: bool,  # noqa: FBT001 - drawn
    beyond: str,
) -> None:
    rows = [{"id": n} for n in range(count)]
    pages = [rows[at : at + served] for at in range(0, count, served)] or [[]]
    asks: list[int] = []

    def ask(_parameter: str, number: int, *, is_announced: bool) -> Page:
        assert not is_announced
        asks.append(number)
        past: list[Any] = pages[-1] if beyond == "last" else []
        page = pages[number - 1] if number <= len(pages) else past
        return readable({"rewards": page} if wrapped else page)

    listing = read_pages(ask, size=asked)
    assert [row for page in listing.pages for row in page] == rows
    assert len(asks) <= len(pages) + 1
    assert len(asks) == 1 or count >= 5


@given(count=st.integers(0, 60), turned=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_host_that_ignores_the_page_is_asked_twice_at_most(
    count: int,
    turned: bool,  # noqa: FBT001 - drawn
) -> None:
    asks: list[int] = []

    def ask(_parameter: str, number: int, *, is_announced: bool) -> Page:
        assert not is_announced
        asks.append(number)
        rows = [{"id": n} for n in range(count)]
        return readable(rows[::-1] if turned and number > 1 else rows)

    listing = read_pages(ask, fingerprint=partial(fingerprint, key=("id",)))
    assert [row["id"] for page in listing.pages for row in page] == list(range(count))
    assert len(asks) <= 2
    assert listing.is_unpaged is (len(asks) == 2)


def test_a_last_page_that_leaves_out_its_link_ends_a_listing_that_had_some() -> None:
    server = scripted({1: body([{"id": 1}], next_page=link(2)), 2: [{"id": 2}]})
    assert [page[0]["id"] for page in read_pages(server).pages] == [1, 2]


def test_a_short_page_does_not_end_a_listing_if_its_own_paging_points_on() -> None:
    rows = [[{"id": 10 * number + n} for n in range(count)] for number, count in enumerate((10, 4))]
    pages = {1: rows[0], 2: body(rows[1], next_page=link(3)), 3: body([{"id": 30}], next_page=None)}

    def ask(_parameter: str, number: int, *, is_announced: bool) -> Page:
        assert not is_announced
        return readable(pages[number])

    assert ids(read_pages(ask)) == [*range(14), 30]
