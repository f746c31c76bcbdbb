"""The schemas say what the API is known to send, and only publish what may leave the tap."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from tap_crowdtwist import schemas
from tap_crowdtwist.privacy.policy import public_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = {
    "activities": ["id"],
    "badges": ["id"],
    "batch_activity_credits": ["file_name", "file_line"],
    "coupons": ["user_id", "redeem_order_coupon_id"],
    "live_activities": ["event_id"],
    "live_points_expiration": ["event_id"],
    "live_redemptions": ["event_id"],
    "live_segments": ["event_id"],
    "live_users": ["event_id"],
    "points_awaiting_fulfillment": ["user_id"],
    "points_expiration": ["user_id", "rule_type", "entry"],
    "purchases": ["user_id", "purchase_id_type", "purchase_id"],
    "push_points_expiration": ["file_name", "file_line"],
    "push_redemptions": ["order_id"],
    "push_user_activities": ["user_activity_id"],
    "push_users": ["id"],
    "receipts": ["user_id", "id"],
    "redemptions": ["id"],
    "rewards": ["id"],
    "sync_runs": ["run_id", "shard", "stream"],
    "user_activities": ["user_id", "id"],
    "user_activity_history": ["id"],
    "user_badges": ["user_id", "id"],
    "user_rewards": ["user_id", "id"],
    "users": ["id"],
}

DELETION = {
    "_sdc_deleted_at", "deletion_status", "deletion_status_history", "deletion_initiated_by",
}  # fmt: skip

BADGE = {
    "id", "name", "title", "date_start", "date_end", "display_date_start", "display_date_end",
    "is_enabled",
}  # fmt: skip

REWARD = {
    "id", "group_id", "title", "description", "num_points", "current_quantity", "total_quantity",
    "date_start", "date_end", "date_end_redeemable", "no_end_date", "is_enabled",
    "is_shipping_required", "is_phone_number_required", "is_digital_download",
    "is_min_age_required", "show_as_locked", "min_age", "sweepstake_winners",
    "featured_order_num", "max_select_quantity", "min_tier_id", "max_per_user", "category_id",
    "reference_id", "color", "size", "total_coupons", "remaining_coupons", "freq_cap",
    "freq_period_id", "freq_period_name", "additional_images", "image", "reward_terms",
    "extra_data", "segment",
}  # fmt: skip

USER = {
    "id", "first_name", "last_name", "middle_name", "date_of_birth", "email_address",
    "email_is_verified", "is_active", "username", "mobile_phone_number", "third_party_id",
    "gender_id", "gender", "extra_data", "continent", "country", "us_region", "ca_province",
    "state", "city", "street_address_1", "street_address_2", "postal_code",
    "receive_email_updates", "date_receive_email_opt_in", "date_receive_email_opt_out",
    "total_points", "redeemable_points", "num_points_purchased", "facebook_user_id",
    "pinterest_user_id", "inst_username", "inst_user_id", "facebook_access_token",
    "twitter_oauth_token", "twitter_oauth_token_secret", "pinterest_access_token",
    "inst_access_token", "date_fb_token_expires", "activity_stream_opt_in", "store_id",
    "date_last_login", "date_last_updated", "date_created", "rank", "weekly_rank",
    "monthly_rank", "password", "salt", "hash_algorithm_id", "password_generated",
    "lang_pref", "sign_up_channel_id", "referral_url", "fan_level", "tier_info", "segments",
    "household_id", "custom_data",
}  # fmt: skip

SHIPPING = {
    "shipping_first_name", "shipping_last_name", "shipping_street_address_1",
    "shipping_street_address_2", "shipping_city", "shipping_state", "shipping_postal_code",
    "shipping_country", "shipping_phone",
}  # fmt: skip

ROW = {"file_name", "file_line", "content_date"}

EVENT = {"event_id", "received_at"}

COLUMNS = {
    "activities": {
        "id", "name", "title", "description", "public_title", "public_description", "num_points",
        "image", "category_id", "category_name", "type_id", "type_name", "activity_channel_id",
        "activity_channel_name", "freq_cap", "freq_period_id", "freq_period_name",
        "freq_num_required_attempts", "redirect_url", "points_on_click", "action_tags",
        "date_start", "date_end", "min_tier_id", "show_as_locked_by_tier", "partner_info",
        "segment", "activity_tags", "extra_data",
    },
    "badges": BADGE,
    "batch_activity_credits": {
        "file_name", "file_line", "sent_at", "email_address", "user_id", "third_party_id",
        "username", "activity_id", "num_points", "activity_date", "fault",
    },
    "coupons": {
        "user_id", "redeem_order_coupon_id", "reward_id", "reward_category_id", "redeem_order_id",
        "total_points_redeemed", "ending_balance", "coupon_code", "expiration_date", "extra_data",
    },
    "live_activities": {
        *EVENT, "user_id", "user_activity_id", "activity_id", "activity_name", "name",
        "num_points", "notes", "date_created", "date_awarded", "activity_date", "extra_data",
        "third_party_id", "email_address", "mobile_phone_number", "reference_id", "title",
        "description", "translated_title", "translated_description",
    },
    "live_points_expiration": {
        *EVENT, "user_id", "email_address", "third_party_id", "message_date",
        "inactivity_last_qualified_date", "inactivity_exp_date", "inactivity_points_exp",
        "rule_type", "last_qualified_date", "expiration_date", "points_expired",
        "points_expiring", "points_redeemed", "days_until_expiry",
    },
    "live_redemptions": {
        *EVENT, *SHIPPING, "user_id", "order_id", "order_date", "reward_id", "reward_group_id",
        "title", "reward_title", "description", "category", "category_name", "color", "size",
        "reference_id", "extra_data", "quantity", "total_points_redeemed", "ending_balance",
        "codes", "coupon_code", "digital_download", "custom_data", "email_address", "username",
        "third_party_id", "first_name", "last_name",
    },
    "live_segments": {
        *EVENT, "user_id", "email_address", "third_party_id", "type", "name", "subscription_id",
        "event", "triggered_by", "date_occurred",
    },
    "live_users": {
        *EVENT, *USER, "region", "receive_sms_messages", "date_mobile_verified", "weekly_points",
        "monthly_points", "fan_rank", "sign_up_type_id", "sign_up_campaign", "client_branding_id",
        "ip_address", "twitter_user_id", "fsq_user_id", "google_user_id", "yahoo_user_id",
        "num_facebook_friends", "num_twitter_followers",
    },
    "points_awaiting_fulfillment": {
        "user_id", "total_points_awaiting_fulfillment", "bonus_points_awaiting_fulfillment",
    },
    "points_expiration": {
        "user_id", "rule_type", "entry", "expiration_date", "points_expired", "points_expiring",
        "points_redeemed", "last_qualified_date", "days_until_expiry",
    },
    "purchases": {
        "user_id", "purchase_id_type", "purchase_id", "last_date_purchased", "purchase_total",
        "total_points_awarded", "total_points_earned", "points_awaiting_fulfillment",
    },
    "push_points_expiration": {
        *ROW, "user_id", "message_date", "email_address", "third_party_id",
        "inactivity_last_qualified_date", "inactivity_exp_date", "inactivity_points_exp",
        "redemption_periods",
    },
    "push_redemptions": {
        *ROW, *SHIPPING, "order_date", "order_id", "total_points_redeemed", "category_name",
        "reward_title", "quantity", "color", "size", "reference_id", "codes",
        "digital_download", "first_name", "last_name", "email_address", "username",
        "third_party_id",
    },
    "push_user_activities": {
        *ROW, "id", "activity_id", "user_activity_id", "activity_name", "num_points", "notes",
        "third_party_id", "email_address", "mobile_phone_number", "date_created",
    },
    "push_users": {
        *ROW, "id", "first_name", "middle_name", "last_name", "date_of_birth", "email_address",
        "street_address_1", "street_address_2", "city", "state", "postal_code", "country_code",
        "region", "gender", "email_is_verified", "receive_email_updates", "receive_sms_messages",
        "total_points", "redeemable_points", "fan_rank", "mobile_phone_number",
        "date_mobile_verified", "date_last_login", "password", "salt", "hash_algorithm_id",
    },
    "receipts": {
        "user_id", "id", "date_submitted", "file_id", "file_name", "file_url", "scan_result",
        "scan_result_text",
    },
    "redemptions": {
        "id", "user_id", "order_id", "order_date", "expiration_date", "reward_id",
        "reward_group_id", "title", "reward_title", "description", "category", "category_name",
        "color", "size", "reference_id", "extra_data", "quantity", "total_points_redeemed",
        "ending_balance", "codes", "digital_download", *SHIPPING, "custom_data",
        "redeeming_user_id", "household_breakdown",
    },
    "rewards": REWARD,
    "user_activities": {
        "user_id", "id", "title", "description", "num_points", "image", "category_id", "type_id",
        "date_start", "date_end", "min_tier_id", "show_as_locked_by_tier", "extra_data",
    },
    "user_activity_history": {
        "id", "user_id", "user_activity_id", "activity_id", "activity_name", "name", "num_points",
        "notes", "date_created", "date_awarded", "activity_date", "show_as_locked_by_tier",
        "min_tier_id", "extra_data",
    },
    "sync_runs": {
        "run_id", "shard", "stream", "begun_at", "ended_at", "sweep_started_at", "is_resumed",
        "sweep_members", "bound", "roster_members", "asked", "missing", "deleted", "failed",
        "records",
        "rejected_rows", "requests", "retried", "rate_limited", "is_complete",
        "incomplete_reason", "skip_reason", "unknown_properties", "misfits",
    },
    "user_badges": {"user_id", *BADGE, "user_counts"},
    "user_rewards": {"user_id", *REWARD},
    "users": USER,
}  # fmt: skip

TIER_INFO = {
    "timeframe_score", "tier_score", "score_needed_to_reach", "score_needed_to_maintain",
    "days_until_expiration_date", "days_until_reset_date", "current_level", "next_level",
    "levels_above", "levels_below", "date_assigned", "date_reached", "expiration_date",
    "reset_date", "is_maintenance_mode", "assigned_by_event",
}  # fmt: skip

TIER_LEVEL = {"title", "min_value", "max_value", "image_url"}

NESTED = {
    ("activities", "partner_info"): {"id", "name"},
    ("activities", "segment"): {"name", "subscription_id", "eligibility_type"},
    ("activities", "activity_tags"): {"tag_name", "tag_id"},
    ("rewards", "segment"): {"name", "subscription_id", "eligibility_type"},
    ("users", "tier_info"): TIER_INFO,
    ("live_users", "tier_info"): {*TIER_INFO, "score"},
    ("users", "tier_info", "current_level"): TIER_LEVEL,
    ("users", "tier_info", "next_level"): TIER_LEVEL,
    ("users", "tier_info", "levels_above"): TIER_LEVEL,
    ("users", "tier_info", "levels_below"): TIER_LEVEL,
    ("push_points_expiration", "redemption_periods"): {
        "month", "expiration_date", "points_expired", "points_expiring", "points_redeemed",
    },
    ("redemptions", "household_breakdown"): {"user_id", "num_points"},
    ("user_badges", "user_counts"): {
        "earned_lifetime", "earned_unique", "earned_total", "unearned",
    },
}  # fmt: skip

CREDENTIALS = {
    "password", "salt", "hash_algorithm_id", "password_generated", "facebook_access_token",
    "twitter_oauth_token", "twitter_oauth_token_secret", "pinterest_access_token",
    "inst_access_token",
}  # fmt: skip

WITHHELD = {
    "coupons": {"coupon_code"},
    "live_redemptions": {"codes", "coupon_code", "digital_download"},
    "live_users": CREDENTIALS,
    "push_redemptions": {"codes", "digital_download"},
    "push_users": {"password", "salt", "hash_algorithm_id"},
    "redemptions": {"codes", "digital_download"},
    "users": CREDENTIALS,
}

# Names that mean the same type in every stream; the first pattern that fits the whole name decides.
TYPES = {
    "additional_properties|extra_data|custom_data": "object",
    "purchase_id|order_id|redeem_order_id|redeem_order_coupon_id": "string",
    "file_id|event_id|run_id|third_party_id|store_id|reference_id": "string",
    "(facebook|pinterest|inst|twitter|fsq|google|yahoo)_user_id|hash_algorithm_id": "string",
    "purchase_total": "number",
    "is_.*|email_is_verified|no_end_date|show_as_locked.*|points_on_click": "boolean",
    "receive_email_updates|receive_sms_messages|activity_stream_opt_in": "boolean",
    "days_until_.*|file_line": "integer",
    "date_of_birth|content_date": "date",
    ".*_date|.*_at|date_.*|display_date_.*|last_date_purchased": "date-time",
    "(?!id$).*_id|.*_points|points_.*|.*quantity|.*rank|.*coupons|min_age|freq_cap": "integer",
}

SENSITIVITIES = {"credential", "spendable", "direct_identifier", "personal", "business"}

every_stream = pytest.mark.parametrize("stream", sorted(KEYS))


def nodes(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[Any]:
    """Yield path and schema of every property at any depth, those of list elements included."""
    for name, child in schema.get("properties", {}).items():
        yield (*path, name), child
        yield from nodes(child, (*path, name))
        yield from nodes(child.get("items", {}), (*path, name))


def subschemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every typed schema at any depth, the root and list elements included."""
    yield schema
    for child in schema.get("properties", {}).values():
        yield from subschemas(child)
    if "items" in schema:
        yield from subschemas(schema["items"])


def kind(schema: dict[str, Any]) -> str:
    types = {schema["type"]} if isinstance(schema["type"], str) else set(schema["type"])
    (only,) = types - {"null"}
    return str(schema.get("format", only))


def test_there_is_one_schema_per_stream() -> None:
    assert schemas.names() == tuple(sorted(KEYS))


@every_stream
def test_a_schema_is_a_valid_json_schema(stream: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schemas.tagged(stream))
    jsonschema.Draft202012Validator.check_schema(public_schema(stream))


@every_stream
def test_a_schema_names_its_stream_and_admits_no_other_column(stream: str) -> None:
    schema = schemas.tagged(stream)
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert schema["title"].lower().replace(" ", "_") == stream
    assert schema["description"].endswith(".")


@every_stream
def test_keys_come_first_and_are_always_there(stream: str) -> None:
    schema = schemas.tagged(stream)
    assert schema["required"] == KEYS[stream]
    assert list(schema["properties"])[: len(KEYS[stream])] == KEYS[stream]
    assert all(isinstance(schema["properties"][key]["type"], str) for key in KEYS[stream])


@every_stream
def test_everything_but_a_key_may_be_null(stream: str) -> None:
    optional = [
        child
        for path, child in nodes(schemas.tagged(stream))
        if len(path) > 1 or path[0] not in KEYS[stream]
    ]
    assert all(child["type"][1:] == ["null"] for child in optional)


@every_stream
def test_a_type_is_never_a_union_of_two(stream: str) -> None:
    for schema in subschemas(schemas.tagged(stream)):
        assert not {"anyOf", "oneOf", "allOf"} & schema.keys()
        assert kind(schema) in {
            "array", "boolean", "date", "date-time", "integer", "number", "object", "string",
        }  # fmt: skip


@every_stream
def test_every_property_is_described_and_tagged(stream: str) -> None:
    for path, schema in nodes(schemas.tagged(stream)):
        assert schema["description"].endswith("."), path
        assert schema["x-sensitivity"] in SENSITIVITIES, path


@every_stream
def test_names_are_safe_as_columns(stream: str) -> None:
    for path, _ in nodes(schemas.tagged(stream)):
        if path[-1] != "_sdc_deleted_at":  # what targets know it by
            assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", path[-1]), path
        assert len(path[-1]) <= 63, path


@every_stream
def test_every_field_known_of_the_api_has_a_column(stream: str) -> None:
    properties = schemas.tagged(stream)["properties"]
    of_the_tap = {"additional_properties"} if stream != "sync_runs" else set()
    of_the_tap |= DELETION if stream == "users" else set()
    assert set(properties) == COLUMNS[stream] | of_the_tap


@pytest.mark.parametrize("path", sorted(NESTED), ids=".".join)
def test_every_field_known_of_a_nested_object_is_typed(path: tuple[str, ...]) -> None:
    stream, *parents = path
    schema = schemas.tagged(stream)
    for parent in parents:
        schema = schema["properties"][parent]
        schema = schema.get("items", schema)
    assert set(schema["properties"]) == NESTED[path]


@every_stream
def test_nested_objects_are_open(stream: str) -> None:
    _, *nested = subschemas(schemas.tagged(stream))
    assert all(child["additionalProperties"] is True for child in nested if kind(child) == "object")
    assert all("required" not in child for child in nested)


@every_stream
def test_objects_in_lists_list_their_properties(stream: str) -> None:
    """The SDK looks for `properties` there when it conforms a record, and fails without."""
    for schema in subschemas(public_schema(stream)):
        if kind(schema) == "array" and kind(schema["items"]) == "object":
            assert "properties" in schema["items"]


@pytest.mark.parametrize("stream", sorted(KEYS.keys() - {"sync_runs"}))
def test_what_the_schema_does_not_know_has_a_place_at_the_end(stream: str) -> None:
    schema = public_schema(stream)
    assert list(schema["properties"])[-1] == "additional_properties"
    assert schema["properties"]["additional_properties"]["type"] == ["object", "null"]


@every_stream
def test_a_name_has_one_type_wherever_it_occurs(stream: str) -> None:
    for path, schema in nodes(schemas.tagged(stream)):
        for names, expected in TYPES.items():
            if re.fullmatch(names, path[-1]):
                assert kind(schema) == expected, path
                break


def test_ids_are_numbers_unless_the_tap_makes_them() -> None:
    kinds = {
        stream: kind(schemas.tagged(stream)["properties"]["id"])
        for stream in KEYS
        if "id" in COLUMNS[stream]
    }
    made = {"redemptions", "user_activity_history"}
    assert kinds == {stream: "string" if stream in made else "integer" for stream in kinds}


@every_stream
def test_the_published_schema_lacks_only_what_is_withheld(stream: str) -> None:
    names = set(public_schema(stream)["properties"])
    assert set(schemas.tagged(stream)["properties"]) - names == WITHHELD.get(stream, set())
    assert set(KEYS[stream]) <= names


@every_stream
def test_only_top_level_properties_are_withheld(stream: str) -> None:
    for path, schema in nodes(schemas.tagged(stream)):
        if schema["x-sensitivity"] in {"credential", "spendable"}:
            assert len(path) == 1, path


@every_stream
def test_the_published_schema_holds_nothing_of_our_own(stream: str) -> None:
    text = json.dumps(public_schema(stream))
    assert "x-sensitivity" not in text
    assert "$ref" not in text
    assert not any(f'"{name}"' in text for name in WITHHELD.get(stream, ()))


@every_stream
def test_extra_data_of_a_member_is_personal(stream: str) -> None:
    schema = schemas.tagged(stream)["properties"].get("extra_data")
    if schema is not None:
        catalog = stream in {"activities", "rewards"}
        assert schema["x-sensitivity"] == ("business" if catalog else "personal")


def test_a_schema_can_be_changed_without_changing_the_next_one() -> None:
    public_schema("users")["properties"].clear()
    assert public_schema("users")["properties"]


def test_an_unknown_stream_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        schemas.tagged("no_such_stream")


@pytest.mark.parametrize("name", sorted(WITHHELD["users"]))
def test_credentials_of_the_profile_are_known_by_name_too(name: str) -> None:
    assert schemas.is_credential_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "token", "TOKEN", "access_token", "accessToken", "AccessToken", "accesstoken", "id_token",
        "device_tokens", "refreshToken2", "access_token_v2", "token_value", "token_encrypted",
        "secret", "client_secret", "clientSecret", "twitter_oauth_token_secret", "secrets",
        "password", "Password", "passwordHash", "password_generated", "user_password", "passwords",
        "oldPassword", "passwd", "user_passwd", "pwd", "passphrase",
        "salt", "password_salt", "userSalt", "hash_algorithm_id", "hashAlgorithmId",
        "api_key", "apikey", "apiKey", "APIKey", "API_KEY", "x-api-key", "api_keys", "access_key",
        "accessKey", "private_key", "privateKey", "secret_access_key",
        "credential", "credentials", "login_credentials",
        "auth", "auth_code", "oauth", "oauth2_state", "authorization", "authentication",
        "OAuthToken", "jwt", "social.access_token", "access token",
    ],
)  # fmt: skip
def test_a_name_that_says_credential_is_one(name: str) -> None:
    assert schemas.is_credential_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "tokens_earned", "token_count", "tokenBalance", "token_expires", "date_fb_token_expires",
        "secretary", "secret_santa", "salty", "basalt", "salt_free", "saltwater", "author",
        "authorized_by", "authentic", "authority", "passport", "pass", "compass", "passive",
        "key", "keyword", "monkey", "key_account", "accessory", "api_version", "private_label",
        "hash", "hashtag", "algorithm", "tokenized", "redeemable_points", "id", "", "_", "0", "été",
    ],
)  # fmt: skip
def test_an_innocent_name_is_not_a_credential(name: str) -> None:
    assert not schemas.is_credential_name(name)


def test_no_column_that_is_published_sounds_like_a_credential() -> None:
    suspects = {
        path[-1]
        for stream in KEYS
        for path, _ in nodes(public_schema(stream))
        if schemas.is_credential_name(path[-1])
    }
    assert suspects == set()
