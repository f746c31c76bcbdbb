"""A roster is sorted, unique and one shard's, in a few bytes per member."""

from __future__ import annotations

import sys
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.members.roster import Roster, Shard
from tap_crowdtwist.records.member_id import ID_TYPES, LARGEST_ID, Member, parse_id

numeric = st.lists(st.integers(1, LARGEST_ID) | st.integers(1, 40), max_size=40)
wordy = st.lists(st.text(min_size=1, max_size=5), max_size=30)


# Shards


@pytest.mark.parametrize(("text", "shard"), [("2/8", Shard(2, 8)), (" 8/8 ", Shard(8, 8))])
def test_a_shard_is_a_part_of_a_number_of_parts(text: str, shard: Shard) -> None:
    assert Shard.parse(text) == shard
    assert str(shard) == text.strip()


@pytest.mark.parametrize("text", [None, ""])
def test_without_a_shard_there_is_one_part(text: str | None) -> None:
    assert Shard.parse(text) == Shard(1, 1)


@pytest.mark.parametrize(
    "text",
    [
        *("0/8", "9/8", "2", "2/", "/8", "2/0", "0/0", "-1/8", "2/8/1", "a/b", "1.0/2", "२/८"),
        *("²/8", "2 / 8", " ", "9" * 5000 + "/" + "9" * 5000),
    ],
)
def test_a_malformed_shard_is_told_in_one_sentence(text: str) -> None:
    with pytest.raises(SettingError) as caught:
        Shard.parse(text)
    assert str(caught.value) == (
        'Setting `shard`: must look like "2/8", part 2 of 8, counted from 1'
    )


@settings(max_examples=100, deadline=None)
@given(members=numeric | wordy, count=st.integers(1, 9))
def test_shards_are_a_partition(members: list[Any], count: int) -> None:
    kind = "username" if members and isinstance(members[0], str) else "id"
    parts = [list(Roster(members, kind, Shard(n, count))) for n in range(1, count + 1)]
    assert sorted(member for part in parts for member in part) == list(Roster(members, kind))


@pytest.mark.parametrize(
    ("member", "part"),
    [(1, 7), (2, 5), (3, 2), (88001, 6), (LARGEST_ID, 2), ("ada@example.test", 4), ("é", 8)],
)
def test_a_member_stays_in_the_same_shard_for_ever(member: Member, part: int) -> None:
    assert [n for n in range(1, 9) if Shard(n, 8).holds(member)] == [part]


def test_shards_are_about_equally_large() -> None:
    sizes = [len(Roster(range(1, 10_001), shard=Shard(n, 8))) for n in range(1, 9)]
    assert sum(sizes) == 10_000
    assert min(sizes) > 1_100
    assert max(sizes) < 1_400


# Rosters


@settings(max_examples=100, deadline=None)
@given(members=numeric)
def test_a_roster_is_sorted_and_unique(members: list[int]) -> None:
    roster = Roster(members)
    assert list(roster) == sorted(set(members))
    assert [roster[place] for place in range(len(roster))] == list(roster)


def test_a_roster_knows_what_it_was_made_of() -> None:
    roster = Roster(["b", "a", "b"], "username", Shard(1, 1))
    assert list(roster) == ["a", "b"]
    assert (roster.id_type, len(roster), str(roster.shard)) == ("username", 2, "1/1")


@settings(max_examples=100, deadline=None)
@given(members=numeric, cursor=st.integers(0, LARGEST_ID) | st.integers(0, 41))
def test_after_a_cursor_come_exactly_the_larger_ids(members: list[int], cursor: int) -> None:
    roster = Roster(members)
    place = roster.after(cursor)
    assert [roster[n] for n in range(place, len(roster))] == sorted(
        {m for m in members if m > cursor}
    )


@settings(max_examples=100, deadline=None)
@given(members=wordy, cursor=st.text(max_size=5))
def test_a_cursor_may_be_text(members: list[str], cursor: str) -> None:
    roster = Roster(members, "username")
    place = roster.after(cursor)
    assert [roster[n] for n in range(place, len(roster))] == sorted(
        {m for m in members if m > cursor}
    )


@pytest.mark.parametrize(
    ("kind", "members", "foreign"),
    [("id", [1, 2], "1"), ("id", [1, 2], None), ("id", [1, 2], [1]), ("username", ["a"], 1)],
)
def test_a_cursor_of_another_kind_counts_as_none(
    kind: str, members: list[Any], foreign: Any
) -> None:
    roster = Roster(members, kind)
    assert roster.after(foreign) == 0


def test_a_cursor_that_a_state_store_made_a_float_still_counts() -> None:
    roster = Roster([1, 2, 3])
    assert roster.after(2.0) == 2  # type: ignore[arg-type]


@settings(max_examples=100, deadline=None)
@given(members=numeric, tokens=st.sets(st.integers(1, 41)))
def test_members_are_found_again_by_what_a_state_calls_them(
    members: list[int], tokens: set[int]
) -> None:
    roster = Roster(members)
    places = roster.with_tokens(tokens)
    assert [roster[n] for n in places] == sorted(tokens.intersection(members))
    assert {roster.token(n) for n in places} == tokens.intersection(members)


@settings(max_examples=100, deadline=None)
@given(members=wordy, data=st.data(), hashed=st.booleans())
def test_members_with_names_are_found_again_by_what_a_state_calls_them(
    members: list[str],
    data: st.DataObject,
    hashed: bool,  # noqa: FBT001 - drawn
) -> None:
    roster = Roster(members, "username", pseudonymize=(lambda name: name[::-1]) if hashed else None)
    places = data.draw(st.lists(st.integers(0, len(roster) - 1))) if len(roster) else []
    assert roster.with_tokens({roster.token(n) for n in places}) == sorted(set(places))


def test_nobody_is_found_in_an_empty_roster() -> None:
    assert Roster([]).with_tokens({1}) == []
    assert Roster([], "email").with_tokens({1}) == []
    assert Roster([]).after(1) == 0


def test_a_numeric_id_costs_no_more_than_ten_bytes() -> None:
    roster = Roster(range(10_000_000, 10_100_000))
    assert sys.getsizeof(roster._members) <= 10 * len(roster)  # noqa: SLF001 - it is the memory


def test_reading_a_roster_costs_no_more_than_a_hundred_bytes_a_member() -> None:
    tracemalloc.start()
    try:
        roster = Roster(number * 7 + 10**15 for number in range(50_000))
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept <= 10 * len(roster) + 10_000
    assert peak <= 100 * len(roster)


# Ids


@pytest.mark.parametrize(
    ("text", "member"), [("1", 1), (" 88001\r\n", 88001), ("007", 7), (str(LARGEST_ID), LARGEST_ID)]
)
def test_a_crowdtwist_id_is_a_positive_number(text: str, member: int) -> None:
    assert parse_id(text, "id") == member


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "0",
        "-1",
        "+1",
        "1.0",
        "1e3",
        "a",
        "1 2",
        "१२",
        "²",
        str(LARGEST_ID + 1),
        "9" * 5000,
    ],
)
def test_anything_else_is_no_crowdtwist_id(text: str) -> None:
    assert parse_id(text, "id") is None


@pytest.mark.parametrize("id_type", [id_type for id_type in ID_TYPES if id_type != "id"])
def test_any_other_id_is_a_text_that_is_not_blank(id_type: str) -> None:
    seen = "+49@123" if id_type == "email" else "+49 123"
    assert parse_id(f" {seen} \n", id_type) == seen
    assert parse_id(" \n", id_type) is None


UNSEEN = st.text(st.sampled_from("\ufeff\u200b\u200e\u202a\u202c\u2060\u00a0\u00ad\x1a\x00\t \r\n"))


@pytest.mark.parametrize("id_type", ID_TYPES)
@given(before=UNSEEN, after=UNSEEN)
def test_what_nobody_sees_around_an_id_is_no_part_of_it(
    id_type: str, before: str, after: str
) -> None:
    seen = "4915" if id_type == "id" else "a\u200db@x"  # a joiner between letters means something
    assert str(parse_id(before + seen + after, id_type)) == seen
    assert parse_id(before + after, id_type) is None


# What the local part and the domain of an address may be made of (RFC 5322, and other alphabets)
ATOMS = st.text(
    st.sampled_from("aZ0!#$%&'*+-/=?^_`{}~.") | st.characters(categories=["Ll"]), min_size=1
)
FIELDS = st.sampled_from(["4711", "Ada", "Lovelace", "a@b.test", "", "+49 30 1", "x y"])


@given(local=ATOMS, domain=ATOMS)
def test_an_address_has_any_character_that_is_no_separator(local: str, domain: str) -> None:
    assert parse_id(f"{local}@{domain}", "email") == f"{local}@{domain}"


@given(
    fields=st.lists(FIELDS, min_size=2, max_size=5),
    separator=st.sampled_from([",", ";", "|", "\t", '","', " ", "\u00a0", "<", ">", "\x1f", "@"]),
)
def test_several_fields_are_no_address(fields: list[str], separator: str) -> None:
    line = separator.join(["Ada", *fields, "x"])
    if line.count("@") != 1 or separator != "@" or " " in line:
        assert parse_id(line, "email") is None


@pytest.mark.parametrize("id_type", [id_type for id_type in ID_TYPES if id_type != "id"])
@given(fields=st.lists(FIELDS, min_size=1, max_size=4), separator=st.sampled_from("\t;"))
def test_a_row_of_a_table_is_no_id(id_type: str, fields: list[str], separator: str) -> None:
    assert parse_id(separator.join(["4711", *fields, "x"]), id_type) is None


@pytest.mark.parametrize("id_type", ["username", "third_party_id"])
@pytest.mark.parametrize(
    "text",
    ["auth0|ada", "samlp|x|ada@x.test", "CN=Ada,OU=x,O=y", '"Ada" <a@b>', "Tom&amp;Co", "a;b", ";"],
)
def test_a_brand_may_call_its_members_nearly_anything(id_type: str, text: str) -> None:
    assert parse_id(text, id_type) == text


@pytest.mark.parametrize("text", ["@", "a@", "@b", "a@b@c", "a", "a b@c", "<a@b>", "a@b, c@d"])
def test_an_address_has_one_at_between_two_parts(text: str) -> None:
    assert parse_id(text, "email") is None
