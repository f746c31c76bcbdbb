"""A raw row becomes a record of its schema: nothing lost, nothing secret, nothing deselected."""

from __future__ import annotations

import copy
import json
import logging
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tap_crowdtwist import schemas
from tap_crowdtwist.privacy import sanitize
from tap_crowdtwist.privacy.log_redaction import MASK, REDACTOR
from tap_crowdtwist.privacy.policy import (
    EXTRA,
    Policy,
    has_spendable,
    is_withheld_name,
    is_withheld_or_spendable_name,
    public_schema,
)
from tap_crowdtwist.privacy.sanitize import credential_remover
from tap_crowdtwist.records import normalizer, timestamps, values
from tap_crowdtwist.records.normalizer import Normalizer
from tap_crowdtwist.records.values import ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Row = dict[str, Any]

KEYS = {
    "activities": ("id",),
    "badges": ("id",),
    "coupons": ("user_id", "redeem_order_coupon_id"),
    "points_awaiting_fulfillment": ("user_id",),
    "points_expiration": ("user_id", "rule_type", "entry"),
    "purchases": ("user_id", "purchase_id_type", "purchase_id"),
    "receipts": ("user_id", "id"),
    "redemptions": ("id",),
    "rewards": ("id",),
    "user_activities": ("user_id", "id"),
    "user_activity_history": ("id",),
    "user_badges": ("user_id", "id"),
    "user_rewards": ("user_id", "id"),
    "users": ("id",),
}
STREAMS = sorted(KEYS)


def normaliser(stream: str = "users", **options: Any) -> Normalizer:
    return Normalizer(stream, public_schema(stream), KEYS[stream], **options)


def toy(properties: Row, keys: Iterable[str] = (), **options: Any) -> Normalizer:
    """Make a normaliser of a schema made for one test."""
    schema = {"properties": {**properties, EXTRA: {"type": ["object", "null"]}}}
    return Normalizer("badges", schema, keys, **options)


def made(normalise: Normalizer, row: Row) -> Row:
    record = normalise(row)
    assert record is not None
    return record


def withheld(stream: str) -> set[str]:
    return set(schemas.tagged(stream)["properties"]) - set(public_schema(stream)["properties"])


def deselect(*names: str) -> Callable[[tuple[str, ...]], bool]:
    steps = {"properties", "items"}
    return lambda at: ".".join(step for step in at if step not in steps) not in names


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@contextmanager
def logged() -> Iterator[list[str]]:
    """Collect what is logged, for tests whose examples share their fixtures."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    normalizer.logger.addHandler(handler)
    try:
        yield said
    finally:
        normalizer.logger.removeHandler(handler)


# Types


def test_every_column_is_there_null_where_the_row_has_nothing() -> None:
    record = made(normaliser(), {"id": 1})
    assert record.keys() == public_schema("users")["properties"].keys()
    assert {name for name, value in record.items() if value is not None} == {"id"}


def test_a_profile_in_its_drifting_forms() -> None:
    record = made(
        normaliser(),
        {
            "id": "88001",
            "first_name": "Ada",
            "date_of_birth": -3600,
            "is_active": 1,
            "email_is_verified": "0",
            "gender_id": "2",
            "total_points": "420",
            "date_created": "1750000000",
            "date_last_updated": 1760000000,
            "third_party_id": 71,
            "household_id": "",
            "extra_data": '{"a": [1]}',
            "custom_data": [],
        },
    )
    assert {name: value for name, value in record.items() if value is not None} == {
        "id": 88001,
        "first_name": "Ada",
        "date_of_birth": "1969-12-31",
        "is_active": True,
        "email_is_verified": False,
        "gender_id": 2,
        "total_points": 420,
        "date_created": "2025-06-15T15:06:40Z",
        "date_last_updated": "2025-10-09T08:53:20Z",
        "third_party_id": "71",
        "extra_data": {"a": [1]},
        "custom_data": {},
    }


@pytest.mark.parametrize("year", ["1987", 1987])
def test_a_birthday_that_is_only_a_year_is_null_and_kept_raw(year: Any) -> None:
    record = made(normaliser(), {"id": 1, "date_of_birth": year})
    assert record["date_of_birth"] is None
    assert record[EXTRA] == {"date_of_birth": year}


def test_nested_objects_and_arrays_are_typed_too() -> None:
    tier = {
        "tier_score": "420",
        "current_level": {"title": "Bronze", "min_value": "", "max_value": "999", "new": {"a": 1}},
        "next_level": None,
        "levels_above": [{"title": 5, "min_value": "1000"}, None],
        "date_assigned": 1750000000,
        "is_maintenance_mode": "true",
    }
    record = made(normaliser(), {"id": 1, "tier_info": tier})
    level = dict.fromkeys(("title", "min_value", "max_value", "image_url"))
    found = record["tier_info"]
    assert found["tier_score"] == 420
    assert found["current_level"] == {
        **level,
        "title": "Bronze",
        "max_value": 999,
        "new": {"a": 1},
    }
    assert found["next_level"] is None
    assert found["levels_above"] == [{**level, "title": "5", "min_value": 1000}, None]
    assert found["date_assigned"] == "2025-06-15T15:06:40Z"
    assert found["is_maintenance_mode"] is True
    assert record[EXTRA] is None


@pytest.mark.parametrize("blank", ["", " "])
def test_a_nested_object_that_is_blank_is_null(blank: str) -> None:
    record = made(normaliser(), {"id": 1, "tier_info": blank})
    assert (record["tier_info"], record[EXTRA]) == (None, None)


@pytest.mark.parametrize(
    ("node", "value", "outcome"),
    [
        ({"type": "integer"}, "5", 5),
        ({"type": ["null", "number"]}, "5.5", 5.5),
        ({"type": ["string", "integer", "null"]}, {"a": 1}, {"a": 1}),
        ({}, [1, "x"], [1, "x"]),
        ({"type": ["array", "null"]}, [1, {"password": 1}], [1, {}]),
        ({"type": "array", "items": {"type": "integer"}}, ["1", 2], [1, 2]),
        ({"type": "string", "format": "uri"}, 5, "5"),
        ({"type": ["object", "null"]}, '{"a": {"api_key": 1}}', {"a": {}}),
    ],
)
def test_a_schema_of_any_shape_can_be_compiled(node: Row, value: Any, outcome: Any) -> None:
    assert made(toy({"x": node}), {"x": value}) == {"x": outcome, EXTRA: None}


# Secrets


@pytest.fixture
def _secrets() -> Iterator[None]:
    before = vars(REDACTOR).copy()
    REDACTOR.learn(["test", "cAn4ry-of-16-char"])
    yield
    vars(REDACTOR).update(before)


@pytest.mark.usefixtures("_secrets")
def test_of_the_secrets_only_long_ones_are_masked_in_any_text_of_a_record() -> None:
    def row(key: str) -> Row:
        nested = {"a": [f"the latest, api_key: test, {key}"], "b": f"?api_key=test&x={key}"}
        coded = json.dumps(nested)
        return {
            "first_name": f"latest {key}",
            "custom_data": nested,
            "total_points": f"latest {key}",
            "new": nested,
            "coded": coded,
        }

    normalise = normaliser()
    found = made(normalise, {"id": 1, **row("cAn4ry-of-16-char")})
    assert {**found, "id": None} == {**made(normalise, {"id": 1, **row(MASK)}), "id": None}
    assert found["first_name"] == f"latest {MASK}"
    assert found[EXTRA]["new"]["a"] == [f"the latest, api_key: test, {MASK}"]


@pytest.mark.usefixtures("_secrets")
def test_a_secret_in_a_text_that_loses_a_withheld_member_is_masked_too() -> None:
    text = json.dumps({"password": "p", "note": "cAn4ry-of-16-char"})
    assert made(normaliser(), {"id": 1, "new": text})[EXTRA] == {"new": f'{{"note":"{MASK}"}}'}


# What does not fit


def test_an_unknown_property_is_kept_counted_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    normalise = normaliser()
    for _ in range(3):
        record = made(normalise, {"id": 1, "new": {"a": [None, 1]}, "other": None})
        assert record[EXTRA] == {"new": {"a": [None, 1]}, "other": None}
    assert normalise.counts == {"unknown property: new": 3, "unknown property: other": 3}
    assert warnings(caplog) == [
        f"users: unknown property: `{name}`, kept in `{EXTRA}` (further ones not logged)"
        for name in ("new", "other")
    ]


def test_a_misfit_is_null_kept_raw_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    normalise = normaliser()
    for _ in range(2):
        record = made(normalise, {"id": 1, "total_points": "many", "is_active": 7})
        assert (record["total_points"], record["is_active"]) == (None, None)
        assert record[EXTRA] == {"total_points": "many", "is_active": 7}
    assert normalise.counts == {
        "value that does not fit its type: total_points": 2,
        "value that does not fit its type: is_active": 2,
    }
    assert len(warnings(caplog)) == 2
    assert "many" not in caplog.text


def test_a_nested_misfit_is_null_and_the_whole_property_kept_raw(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tier = {"tier_score": "high", "levels_above": [{"min_value": "x"}, 5, {"min_value": "7"}]}
    record = made(normaliser(), {"id": 1, "tier_info": tier})
    assert record["tier_info"]["tier_score"] is None
    assert [level and level["min_value"] for level in record["tier_info"]["levels_above"]] == [
        None,
        None,
        7,
    ]
    assert record[EXTRA] == {"tier_info": tier}
    assert warnings(caplog) == [
        f"users: value that does not fit its type: `tier_info.{name}`, kept in `{EXTRA}` "
        "(further ones not logged)"
        for name in ("tier_score", "levels_above.min_value", "levels_above.[]")
    ]


@pytest.mark.parametrize("value", ["text", {"a": 1}, 5, ""])
def test_what_is_no_array_is_a_misfit(value: Any) -> None:
    record = made(normaliser(), {"id": 1, "segments": value})
    assert (record["segments"], record[EXTRA]) == (None, {"segments": value})


def test_a_misfit_of_one_row_is_not_told_of_the_next() -> None:
    normalise = normaliser()
    assert made(normalise, {"id": 1, "total_points": "x"})[EXTRA] == {"total_points": "x"}
    assert made(normalise, {"id": 2, "total_points": 5})[EXTRA] is None


def test_a_row_may_hold_a_property_of_the_name_that_the_tap_uses() -> None:
    record = made(normaliser(), {"id": 1, EXTRA: {"a": 1}, "new": 2})
    assert record[EXTRA] == {EXTRA: {"a": 1}, "new": 2}


@pytest.mark.parametrize("mode", ["keep", "hash", "drop"])
@pytest.mark.parametrize("stream", ["users", "coupons"])
@given(data=st.data())
def test_a_warning_says_whether_what_has_no_column_is_in_the_output(
    stream: str, mode: str, data: st.DataObject
) -> None:
    policy = Policy(mode, b"a key of 16 chars", data.draw(st.sampled_from([frozenset(), {EXTRA}])))
    chosen = data.draw(st.sampled_from([deselect(), deselect(EXTRA)]))
    normalise = Normalizer(
        stream, public_schema(stream, policy), KEYS[stream], selected=chosen, policy=policy
    )
    drawn = st.dictionaries(property_names | credentials, st.just("text"), max_size=4)
    row = data.draw(drawn) | dict.fromkeys(KEYS[stream], 1)

    with logged() as said:
        record = made(normalise, row)

    for line in said:
        name = line.split("`")[1]
        kept = name in (record.get(EXTRA) or {})
        fate = f"kept in `{EXTRA}`" if kept else "withheld"
        assert line.endswith(f"`{name}`, {fate} (further ones not logged)")
    unknown = row.keys() - schemas.tagged(stream)["properties"].keys()
    assert {line.split("`")[1] for line in said if "unknown property" in line} == unknown


# Keys


@pytest.mark.parametrize("value", [None, "", " ", "x"])
def test_a_row_without_its_key_is_left_out_counted_and_told_once(
    value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    normalise = normaliser()
    assert normalise({"id": value, "first_name": "Ada"}) is None
    assert normalise({"first_name": "Ada"}) is None
    assert normalise.counts["row without a value for its key: id"] == 2
    told = [line for line in warnings(caplog) if "key" in line]
    assert told == ["users: row without a value for its key: `id` (further ones not logged)"]


def test_a_blank_text_is_no_key() -> None:
    row = {"user_id": 1, "purchase_id_type": "order_id", "purchase_id": ""}
    assert normaliser("purchases")(row) is None
    assert normaliser("purchases")({**row, "purchase_id": "0"}) is not None


def test_a_key_may_be_zero() -> None:
    assert made(normaliser("activities"), {"id": "0"})["id"] == 0


# Credentials and what else is withheld


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("value", ["canary", {"a": "canary"}, ["canary"], 7, None])
def test_what_is_withheld_is_nowhere_not_even_as_a_misfit(stream: str, value: Any) -> None:
    row = dict.fromkeys(KEYS[stream], "1") | dict.fromkeys(withheld(stream), value)
    if stream == "points_expiration":
        row["expiration_date"] = "2026-01-31"
    normalise = normaliser(stream)
    record = made(normalise, row)
    assert record[EXTRA] is None
    assert not record.keys() & withheld(stream)
    assert "canary" not in json.dumps(record)
    assert not normalise.counts


@pytest.mark.parametrize("stream", STREAMS)
def test_nothing_nested_is_withheld_since_only_names_at_the_top_are_known_to_be(
    stream: str,
) -> None:
    def sensitivities(node: Any) -> Iterator[str]:
        for inner in node.get("properties", {}).values():
            yield inner["x-sensitivity"]
            yield from sensitivities(inner)
        if isinstance(node.get("items"), dict):
            yield from sensitivities(node["items"])

    for top in schemas.tagged(stream)["properties"].values():
        assert not {"credential", "spendable"} & set(sensitivities(top))


def test_credentials_are_left_out_by_name_at_any_depth() -> None:
    secret: Row = {"accessToken": "canary", "kept": [{"api_key": "canary", "n": 1}]}
    record = made(
        normaliser(),
        {
            "id": 1,
            "new_token": "canary",
            "new": secret,
            "custom_data": secret,
            "extra_data": json.dumps(secret),
            "segments": [secret],
            "tier_info": {"tier_score": "x", "client_secret": "canary", "more": secret},
            "total_points": secret,
        },
    )
    clean = {"kept": [{"n": 1}]}
    assert "canary" not in json.dumps(record)
    assert record["custom_data"] == record["extra_data"] == clean
    assert record["tier_info"]["more"] == clean
    assert record[EXTRA] == {
        "new": clean,
        "tier_info": {"tier_score": "x", "more": clean},
        "total_points": clean,
    }


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        ('{"a": 1, "password": "canary"}', '{"a":1}'),
        (' [{"token": "canary"}]', "[{}]"),
        ('{"a": "{\\"salt\\": 1}"}', '{"a":"{}"}'),
        ('{"a": 1}', '{"a": 1}'),
        ("[1, 2]", "[1, 2]"),
        ("{broken", "{broken"),
        ("[" * 9999, "[" * 9999),
        ("{\ud800}", "{\ud800}"),
        ("", ""),
        (5, 5),
    ],
    ids=lambda value: str(value)[:9].encode("ascii", "replace").decode(),
)
def test_text_that_is_json_is_searched_for_credentials(value: Any, outcome: Any) -> None:
    assert credential_remover(is_withheld_name)(value) == outcome


# Selection


def test_what_is_deselected_is_neither_a_column_nor_kept_raw() -> None:
    normalise = normaliser(selected=deselect("email_address", "total_points"))
    record = made(normalise, {"id": 1, "email_address": "canary", "total_points": "canary"})
    assert not record.keys() & {"email_address", "total_points"}
    assert record[EXTRA] is None
    assert not normalise.counts


def test_nested_properties_can_be_deselected() -> None:
    unwanted = deselect("tier_info.tier_score", "tier_info.levels_above.title")
    tier = {"tier_score": 5, "levels_above": [{"title": "canary", "min_value": 7}]}
    record = made(normaliser(selected=unwanted), {"id": 1, "tier_info": tier})
    assert "tier_score" not in record["tier_info"]
    (level,) = record["tier_info"]["levels_above"]
    assert level == {"min_value": 7, "max_value": None, "image_url": None}


@pytest.mark.parametrize("as_text", [False, True])
def test_what_is_deselected_is_not_in_a_value_that_is_kept_raw(*, as_text: bool) -> None:
    unwanted = deselect("tier_info.tier_score", "tier_info.levels_above.title")
    tier: Row = {
        "timeframe_score": "x",
        "tier_score": "canary",
        "levels_above": [{"title": "canary", "min_value": 7, "new": 1}],
    }
    row = {"id": 1, "tier_info": json.dumps(tier) if as_text else tier}
    record = made(normaliser(selected=unwanted), row)
    assert "canary" not in json.dumps(record)
    assert record[EXTRA]["tier_info"] == {
        "timeframe_score": "x",
        "levels_above": [{"min_value": 7, "new": 1}],
    }


def test_additional_properties_can_be_deselected() -> None:
    normalise = normaliser(selected=deselect(EXTRA))
    record = made(normalise, {"id": 1, "new": 1, "total_points": "x", EXTRA: 5})
    assert EXTRA not in record
    assert record["total_points"] is None
    assert normalise.counts.total() == 2


# Other names


def aliased(**options: Any) -> Normalizer:
    return normaliser("activities", aliases={"activity_tag": "activity_tags"}, **options)


TAGS = [{"tag_name": "Video", "tag_id": 9}]


def test_a_property_may_come_under_another_name() -> None:
    for row in ({"activity_tag": TAGS}, {"activity_tag": TAGS, "activity_tags": None}):
        normalise = aliased()
        record = made(normalise, {"id": 1, **row})
        assert (record["activity_tags"], record[EXTRA]) == (TAGS, None)
        assert not normalise.counts


@pytest.mark.parametrize(
    "names", [("activity_tag", "activity_tags"), ("activity_tags", "activity_tag")]
)
def test_of_both_names_the_own_one_wins_and_the_other_is_kept(names: tuple[str, str]) -> None:
    both = {"activity_tag": [], "activity_tags": TAGS}
    record = made(aliased(), {"id": 1, **{name: both[name] for name in names}})
    assert (record["activity_tags"], record[EXTRA]) == (TAGS, {"activity_tag": []})


def test_a_misfit_under_another_name_is_kept_raw() -> None:
    record = made(aliased(), {"id": 1, "activity_tag": "x"})
    assert (record["activity_tags"], record[EXTRA]) == (None, {"activity_tags": "x"})


@pytest.mark.parametrize(
    "row", [{"activity_tag": TAGS}, {"activity_tag": [], "activity_tags": TAGS}]
)
def test_another_name_of_a_deselected_property_is_deselected_too(row: Row) -> None:
    record = made(aliased(selected=deselect("activity_tags")), {"id": 1, **row})
    assert "activity_tags" not in record
    assert record[EXTRA] is None


# Any row at all


CONVERTERS: tuple[Callable[[Any], Any], ...] = (
    values.text,
    values.integer,
    values.number,
    values.boolean,
    timestamps.normalize_timestamp,
    timestamps.normalize_date,
)


def forms(value: Any) -> set[str]:
    """Give the texts of what a scalar may have become."""
    texts = {str(value)}
    for convert in CONVERTERS:
        with suppress(ConversionError):
            texts.add(str(convert(value)))
    return texts


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for member in value.values():
            yield from leaves(member)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from names(member)
    elif isinstance(value, list):
        for item in value:
            yield from names(item)


credentials = st.sampled_from(
    ["password", "accessToken", "api_key", "x_secret", "salt", "refresh_token_v2", "Authorization"]
)
property_names = st.sampled_from(
    ["title", "tier_score", "min_value", "tag_id", "user_id", "id", "name", "new"]
) | st.text("abcxyz_", min_size=1, max_size=6)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["2026-02-03T14:05:00.000Z", "1700000000", "1", "0", "true", "2026-02-30"])
)
shapes = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(property_names | credentials, inner, max_size=4)
    ),
    max_leaves=8,
)


@st.composite
def rows(draw: st.DrawFn, stream: str) -> Row:
    """Draw a row with its key, with some known and some unknown properties of any shape."""
    known = sorted(schemas.tagged(stream)["properties"])
    row = draw(st.dictionaries(st.sampled_from(known), shapes, max_size=5))
    row |= draw(st.dictionaries(property_names | credentials, shapes, max_size=4))
    key = {"rule_type": "inactivity"}
    return row | {name: key.get(name, "12") for name in KEYS[stream]}


def without_the_forbidden(
    value: Any, forbidden: Callable[[str], bool], known: Iterable[str] = ()
) -> Any:
    """What is left of a value; `known` properties are not judged by their names."""
    if isinstance(value, dict):
        return {
            name: without_the_forbidden(member, forbidden)
            for name, member in value.items()
            if name in known or not forbidden(name)
        }
    if isinstance(value, list):
        return [without_the_forbidden(item, forbidden) for item in value]
    return value


@pytest.mark.parametrize("stream", STREAMS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_row_makes_a_valid_record_without_credentials_and_without_a_loss(
    stream: str, data: st.DataObject
) -> None:
    row = data.draw(rows(stream))
    before = copy.deepcopy(row)
    record = made(normaliser(stream), row)
    assert row == before

    schema = public_schema(stream)
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert [error.message for error in validator.iter_errors(record)] == []
    assert msgspec.json.decode(msgspec.json.encode(record)) == record

    assert not [name for name in names(record) if schemas.is_credential_name(name)]
    assert not record.keys() & withheld(stream)

    found = {str(leaf) for leaf in leaves(record)}
    forbidden = is_withheld_or_spendable_name if has_spendable(stream) else is_withheld_name
    rest = {name: value for name, value in row.items() if name not in withheld(stream)}
    for leaf in leaves(without_the_forbidden(rest, forbidden, schema["properties"])):
        assert leaf is None or not str(leaf).strip() or forms(leaf) & found


# Speed


def test_all_that_can_be_is_decided_before_the_first_row(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def selected(at: tuple[str, ...]) -> bool:
        asked.append(at)
        return True

    normalise = normaliser(selected=selected)
    count = len(asked)
    assert count

    def forbidden(*_: Any, **__: Any) -> Any:
        pytest.fail("a pattern is compiled for a row")

    monkeypatch.setattr(re, "compile", forbidden)
    row = {"id": "1", "total_points": "5", "date_created": "2026-02-03 14:05", "tier_info": {}}
    for _ in range(3):
        made(normalise, row)
    assert len(asked) == count


def test_a_row_of_known_scalars_is_not_searched_for_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbidden(*_: Any, **__: Any) -> Any:
        pytest.fail("a value of a known type is searched")

    monkeypatch.setattr(sanitize, "_member_remover", lambda *_: forbidden)
    normalise = normaliser()
    monkeypatch.setattr(normalise, "_is_withheld", forbidden)
    made(normalise, {"id": 1, "first_name": "Ada", "total_points": 5, "city": None})
