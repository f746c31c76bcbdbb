"""What becomes of each property under each mode, decided by its tag alone."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from support.harness import KEYS, STREAMS
from support.pages import section

from tap_crowdtwist import schemas
from tap_crowdtwist.privacy.policy import (
    EXTRA,
    MODES,
    Policy,
    apply_policy,
    public_schema,
)
from tap_crowdtwist.records.normalizer import Normalizer
from tap_crowdtwist.streams import FILE_STREAMS
from tap_crowdtwist.streams import STREAMS as STREAM_CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = dict[str, Any]

KEY = "a long enough hash key"
PERSONAL = {"direct_identifier", "personal"}
NEVER = "CANARY"
IMPERSONAL = {
    "activities",
    "rewards",
    "badges",
    "user_badges",
    "points_expiration",
    "points_awaiting_fulfillment",
}
"""Streams without a property that names or describes a person, but for open objects."""


def policy(mode: str, *open_objects: str, spendable: bool = False) -> Policy:
    return Policy(mode, KEY.encode(), frozenset(open_objects), spendable)


def normaliser(stream: str, chosen: Policy) -> Normalizer:
    return Normalizer(stream, public_schema(stream, chosen), KEYS[stream], policy=chosen)


def canary(node: Row, path: str) -> Any:
    """A value that fits a property and can be recognised wherever it turns up."""
    kind = node["type"] if isinstance(node["type"], str) else node["type"][0]
    if kind == "array":
        return [canary(node["items"], path)]
    if kind == "object":
        members = node.get("properties") or {}
        inside = {name: canary(member, f"{path}.{name}") for name, member in members.items()}
        return inside | {"unknown_thing": f"{NEVER} {path}.unknown"}
    number = 4_000_000 + int(hashlib.sha1(path.encode(), usedforsecurity=False).hexdigest()[:5], 16)
    if kind in {"integer", "number"}:
        return number
    if kind == "boolean":
        return True
    if node.get("format"):
        return f"19{number % 90 + 10}-0{number % 9 + 1}-1{number % 9}" + (
            "T00:00:07Z" if node["format"] == "date-time" else ""
        )
    return f"{NEVER} {path}"


def canaries(stream: str) -> Row:
    properties = schemas.tagged(stream)["properties"]
    row = {name: canary(node, name) for name, node in properties.items() if name != EXTRA}
    return {**row, "never_heard_of": f"{NEVER} unknown"}


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for member in value.values():
            yield from leaves(member)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def sensitive(node: Row, value: Any) -> Iterator[Any]:
    """The canaries of what a schema tags as naming or describing a person, at any depth."""
    if node.get("properties"):
        for name, member in node["properties"].items():
            yield from sensitive(member, value[name])
    elif "items" in node:
        inner = {**node["items"], "x-sensitivity": node["x-sensitivity"]}
        yield from sensitive(inner, value[0])
    elif node["x-sensitivity"] in PERSONAL | {"credential", "spendable"}:
        yield from leaves(value)


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("mode", ["hash", "drop"])
def test_no_sensitive_value_comes_out(stream: str, mode: str) -> None:
    row = canaries(stream)
    record = normaliser(stream, policy(mode))(row)
    assert record is not None
    emitted = set(map(str, leaves(record)))
    annotated = schemas.tagged(stream)
    secret = set(map(str, sensitive({**annotated, "x-sensitivity": ""}, {**row, EXTRA: None})))
    assert secret - {"True", "None"} or stream in IMPERSONAL
    assert not emitted & (secret - {"True", "None"})
    assert not any(f"{NEVER} unknown" in value or ".unknown" in value for value in emitted)


@pytest.mark.parametrize("stream", STREAMS)
def test_kept_data_is_all_there_but_for_credentials_and_what_can_be_spent(stream: str) -> None:
    row = canaries(stream)
    record = normaliser(stream, policy("keep"))(row)
    assert record is not None
    assert record[EXTRA] == {"never_heard_of": f"{NEVER} unknown"}
    kept = public_schema(stream)["properties"].keys()
    assert {name for name in kept - {EXTRA} if record[name] is None} == set()


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("mode", MODES)
def test_records_fit_the_schema_of_the_mode(stream: str, mode: str) -> None:
    chosen = policy(mode)
    record = normaliser(stream, chosen)(canaries(stream))
    schema = public_schema(stream, chosen)
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert list(validator.iter_errors(record)) == []
    assert record is not None
    assert record.keys() == schema["properties"].keys()
    assert "x-sensitivity" not in json.dumps(schema)


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("mode", MODES)
def test_keys_are_there_and_tell_rows_apart_in_every_mode(stream: str, mode: str) -> None:
    make = normaliser(stream, policy(mode))
    first = make(canaries(stream))
    others = []
    for key in KEYS[stream]:
        row = canaries(stream)
        row[key] = row[key] + 1 if isinstance(row[key], int) else f"{row[key]}".replace("7Z", "8Z")
        if row[key] == canaries(stream)[key]:
            row[key] += "x"
        others.append(make(row))
    assert first is not None
    assert all(first[key] is not None for key in KEYS[stream])
    identity = tuple(first[key] for key in KEYS[stream])
    assert all(other and tuple(other[k] for k in KEYS[stream]) != identity for other in others)


def test_dropped_properties_are_gone_from_the_schema() -> None:
    gone = {"first_name", "email_address", "date_of_birth", "custom_data", EXTRA}
    assert not gone & public_schema("users", policy("drop"))["properties"].keys()
    assert (
        gone - {"custom_data", EXTRA} <= public_schema("users", policy("hash"))["properties"].keys()
    )


def test_hashed_properties_are_texts_in_the_schema() -> None:
    properties = public_schema("users", policy("hash"))["properties"]
    assert properties["date_of_birth"]["type"] == ["string", "null"]
    assert "format" not in properties["date_of_birth"]
    assert properties["gender_id"]["type"] == ["string", "null"]
    assert properties["total_points"]["type"] == ["integer", "null"]
    key = public_schema("purchases", policy("hash"))["properties"]["purchase_id"]
    assert key["type"] == "string"


def test_a_hash_is_hmac_sha256_of_the_one_spelling_of_a_value() -> None:
    record = normaliser("users", policy("hash"))(
        {"id": 1, "gender_id": " 2", "date_of_birth": 86400}
    )
    assert record is not None
    for name, spelled in (("gender_id", "2"), ("date_of_birth", "1970-01-02")):
        expected = hmac.new(KEY.encode(), spelled.encode(), hashlib.sha256).hexdigest()
        assert record[name] == expected


def test_the_same_person_has_the_same_hash_in_every_stream() -> None:
    user = normaliser("users", policy("hash"))({"id": 1, "last_name": "Lovelace"})
    order = normaliser("redemptions", policy("hash"))(
        {"id": "1", "user_id": 1, "shipping_last_name": "Lovelace"}
    )
    assert user is not None
    assert order is not None
    assert user["last_name"] == order["shipping_last_name"] != "Lovelace"


def test_another_key_gives_other_hashes() -> None:
    other = Policy("hash", b"another long hash key")
    assert other.pseudonymize("Lovelace") != policy("hash").pseudonymize("Lovelace")


@pytest.mark.parametrize("mode", ["hash", "drop"])
@pytest.mark.parametrize("allowed", ["custom_data", "users.custom_data"])
def test_an_open_object_leaves_if_it_is_named(mode: str, allowed: str) -> None:
    row = {
        "id": 1,
        "custom_data": {"shoe": "42", "pin_token": "x"},
        "extra_data": {"a": 1},
        "new": 1,
    }
    record = normaliser("users", policy(mode, allowed))(row)
    assert record is not None
    assert record["custom_data"] == {"shoe": "42"}
    assert "extra_data" not in record
    assert EXTRA not in record


def test_unknown_properties_leave_if_they_are_named_but_no_misfit_of_a_sensitive_one() -> None:
    make = normaliser("users", policy("hash", EXTRA))
    record = make({"id": 1, "new": 1, "gender_id": "CANARY", "tier_info": {"tier_score": "x"}})
    assert record is not None
    assert record[EXTRA] == {"new": 1}
    assert record["gender_id"] is None
    assert sum(make.counts.values()) == 3


@pytest.mark.parametrize(
    "name", ["code", "couponCode", "voucher", "gift_card_number", "coupon_value", "redemption_url"]
)
def test_what_sounds_spendable_among_coupons_is_withheld(name: str) -> None:
    row = {"user_id": 1, "redeem_order_coupon_id": "9", name: "SPEND-ME", "coupon_code": "SPEND-ME"}
    record = normaliser("coupons", policy("keep"))(row)
    assert "SPEND-ME" not in json.dumps(record)
    kept = normaliser("coupons", policy("keep", spendable=True))(row)
    assert kept is not None
    assert kept["coupon_code"] == "SPEND-ME"
    assert kept[EXTRA] == {name: "SPEND-ME"}


def test_a_postal_code_of_a_member_is_not_spendable() -> None:
    record = normaliser("users", policy("keep"))({"id": 1, "some_code": "x"})
    assert record is not None
    assert record[EXTRA] == {"some_code": "x"}


@pytest.mark.parametrize(("mode", "expected"), [("hash", "hashed"), ("drop", "gone")])
def test_spendable_values_that_are_asked_for_are_personal_data(mode: str, expected: str) -> None:
    chosen = policy(mode, spendable=True)
    record = normaliser("redemptions", chosen)(
        {"id": "1", "user_id": 1, "codes": ["A-1", "A-2"], "digital_download": "https://x.test/1"}
    )
    assert record is not None
    if expected == "gone":
        assert not {"codes", "digital_download"} & record.keys()
    else:
        assert record["codes"] == [chosen.pseudonymize("A-1"), chosen.pseudonymize("A-2")]
        assert record["digital_download"] == chosen.pseudonymize("https://x.test/1")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(STREAMS), st.sampled_from(MODES), st.data())
def test_whatever_the_api_sends_the_record_fits_the_schema_of_the_mode(
    stream: str, mode: str, data: st.DataObject
) -> None:
    names = sorted(schemas.tagged(stream)["properties"])
    row = data.draw(
        st.dictionaries(st.sampled_from(names) | st.text(max_size=8), JSON, max_size=12)
    )
    chosen = policy(mode)
    record = normaliser(stream, chosen)(row)
    if record is not None:
        Draft202012Validator(
            public_schema(stream, chosen), format_checker=Draft202012Validator.FORMAT_CHECKER
        ).validate(record)


@pytest.mark.parametrize("name", ["pin", "sessionid", "otp", "passcode", "cookie", "twofa_seed"])
def test_what_sounds_like_a_credential_never_leaves(name: str) -> None:
    row = {"id": 1, name: "SECRET", "custom_data": {"login": {name: "SECRET"}}}
    assert "SECRET" not in json.dumps(normaliser("users", policy("keep"))(row))


def test_a_code_deep_in_an_open_object_of_a_coupon_is_withheld() -> None:
    row = {
        "user_id": 1,
        "redeem_order_coupon_id": "9",
        "extra_data": {"details": [{"code": "SPEND-ME"}]},
        "details": {"inner": {"code": "SPEND-ME", "shop": "kept"}},
    }
    record = normaliser("coupons", policy("keep"))(row)
    assert record is not None
    assert "SPEND-ME" not in json.dumps(record)
    assert record[EXTRA] == {"details": {"inner": {"shop": "kept"}}}


def test_a_link_with_the_key_in_it_stays_out_of_records() -> None:
    row = {
        "id": 1,
        "paging": {"next_page": "https://x.test/?api_key=abc"},
        "deep": {"next_page": "x"},
    }
    record = normaliser("users", policy("keep"))(row)
    assert record is not None
    assert record[EXTRA] == {"deep": {}}


@pytest.mark.parametrize("mode", MODES)
def test_a_property_that_a_catalog_adds_is_personal_or_a_credential(mode: str) -> None:
    chosen = policy(mode)
    schema = public_schema("users", policy("keep"))
    for name in ("nickname", "session_token"):
        schema["properties"][name] = {"type": ["string", "null"]}
    allowed = apply_policy(schema, schemas.tagged("users"), "users", chosen)
    record = Normalizer("users", allowed, KEYS["users"], policy=chosen)(
        {"id": 1, "nickname": "Ada", "session_token": "SECRET"}
    )
    assert record is not None
    assert "SECRET" not in json.dumps(record)
    expected = {"keep": "Ada", "hash": chosen.pseudonymize("Ada"), "drop": None}
    assert record.get("nickname") == expected[mode]


@pytest.mark.parametrize("mode", MODES)
def test_a_property_of_any_type_that_a_user_added_stays_in_the_schema(mode: str) -> None:
    tagged = schemas.tagged("users")
    added: Row = {"properties": {"id": tagged["properties"]["id"], "shoe_size": {}}}
    kept = apply_policy(added, tagged, "users", policy(mode))["properties"]
    assert ("shoe_size" in kept) is (mode != "drop")


HASHED_OR_DROPPED = "Kept with `keep`, hashed with `hash`, dropped with `drop`."
TREATED = {
    "Credentials": ("Never emitted, under any setting.", ("dropped", "dropped", "dropped")),
    "Codes that can be spent": ("Dropped, unless", ("dropped", "dropped", "dropped")),
    "Direct identifiers": (HASHED_OR_DROPPED, ("kept", "hashed", "dropped")),
    "Personal properties": (HASHED_OR_DROPPED, ("kept", "hashed", "dropped")),
    "Keys": ("Kept with `keep`, hashed with `hash` and `drop`.", ("kept", "hashed", "hashed")),
    "Objects that the program defines": (
        "Kept with `keep`, dropped with `hash` and `drop`, unless",
        ("kept", "dropped", "dropped"),
    ),
}
"""What the page on privacy says of each group of properties, and what that means for each mode."""


def test_the_page_lists_every_property_that_is_not_always_kept() -> None:
    listed: dict[tuple[str, str], tuple[str, ...]] = {}
    for title, (sentence, treatment) in TREATED.items():
        text = " ".join(section(f"{title}\n").split())
        assert sentence in text, title
        for names, streams in re.findall(r"\* (`.*?) in (.*?)(?= \* | <)", text):
            pairs = {(s, n) for s in named_streams(streams) for n in re.findall(r"`(\w+)`", names)}
            assert not pairs & listed.keys()
            listed |= dict.fromkeys(pairs, treatment)
    assert listed == {
        (stream.name, name): treatment
        for stream in STREAM_CLASSES
        for name, treatment in treatments(stream.name, stream.primary_keys).items()
        if set(treatment) != {"kept"}
    }


def named_streams(text: str) -> set[str]:
    """The streams that an item of a list on the page names."""
    text, _, excluded = text.partition(" but ")
    streams = set(re.findall(r"`(\w+)`", text))
    if text == "every stream":
        streams |= set(schemas.names())
    elif "every stream of [files]" in text:
        streams |= {stream.name for stream in FILE_STREAMS}
    return streams - set(re.findall(r"`(\w+)`", excluded))


def treatments(stream: str, keys: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """What becomes of each property of a row: kept, hashed or dropped, by mode."""
    records = []
    for mode in MODES:
        chosen = policy(mode)
        normalizer = Normalizer(stream, public_schema(stream, chosen), keys, policy=chosen)
        records.append(normalizer(canaries(stream)) or {})
    names = schemas.tagged(stream)["properties"]
    return {name: tuple(treatment(record, name) for record in records) for name in names}


def treatment(record: Row, name: str) -> str:
    if name not in record:
        return "dropped"
    hashes = [re.fullmatch("[0-9a-f]{64}", str(leaf)) for leaf in leaves(record[name])]
    return "hashed" if all(hashes) else "kept"


@pytest.mark.parametrize("stream", schemas.names())
def test_no_member_of_an_object_is_more_sensitive_than_the_page_says(stream: str) -> None:
    nodes = schemas.tagged(stream)["properties"].values()
    assert {tag for node in nodes for tag in inner_tags(node)} <= {"business"}


def inner_tags(node: Row) -> Iterator[str]:
    """The tags of all properties inside an object or a list."""
    members = [*node.get("properties", {}).values()]
    yield from (member["x-sensitivity"] for member in members)
    for inner in [*members, *([node["items"]] if "items" in node else [])]:
        yield from inner_tags(inner)


def test_an_empty_text_is_hashed_and_null_is_not() -> None:
    record = normaliser("users", policy("hash"))({"id": 1, "city": "", "state": None})
    assert record is not None
    assert record["city"] == policy("hash").pseudonymize("")
    assert record["state"] is None
