"""Settings are checked by themselves and against each other; no value is ever repeated."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_crowdtwist.api.endpoints import Host
from tap_crowdtwist.config.schema import CONFIG_SCHEMA, SECRETS
from tap_crowdtwist.config.settings import Settings
from tap_crowdtwist.config.validation import check_environment, validate
from tap_crowdtwist.errors import SettingError

CANARY = "canary-value-7391"
KEY = "key-of-a-test"
UTC = timezone.utc

PROPERTIES: dict[str, Any] = CONFIG_SCHEMA["properties"]
WHOLE = sorted(name for name, schema in PROPERTIES.items() if "integer" in schema["type"])
TEXTS = sorted(name for name, schema in PROPERTIES.items() if "string" in schema["type"])


def built(**config: Any) -> Settings:
    """Build settings as the tap does."""
    config = {"api_key": KEY, "client_id": "512"} | config
    validate(config, CONFIG_SCHEMA)
    return Settings.from_config(config)


def refusal(**config: Any) -> str:
    with pytest.raises(SettingError) as caught:
        built(**config)
    said = str(caught.value)
    assert "\n" not in said
    assert CANARY not in said
    assert said.startswith(f"Setting `{caught.value.setting}`: ")
    return said


# Each by itself


def test_defaults_are_filled_in() -> None:
    config: dict[str, Any] = {}
    validate(config, CONFIG_SCHEMA)
    assert config.keys() == PROPERTIES.keys()
    assert {name: value for name, value in config.items() if value is not None} == {
        "environment": "production",
        "auth_method": "query",
        "hmac_timestamp": "milliseconds",
        "hmac_digest": "base64_of_hex",
        "id_type": "id",
        "sweep_members": "all",
        "sweep_all_days": 7,
        "data_push_columns": "same",
        "data_push_delimiter": ",",
        "data_push_encoding": "utf-8",
        "lookback_days": 7,
        "requests_per_minute": 5000,
        "max_concurrency": 16,
        "request_timeout": 60,
        "max_retries": 5,
        "checkpoint_interval": 10,
        "max_missing_ratio": 0.5,
        "max_failed_members": 100,
        "sensitive_data": "keep",
        "spendable_values": "drop",
        "deleted_members": "tombstone",
        "vanished_rows": "keep",
    }


@pytest.mark.parametrize("name", ["sensitive_data", "vanished_rows", "environment"])
def test_an_empty_text_is_none_of_the_listed_values(name: str) -> None:
    with pytest.raises(SettingError, match=f"{name}.*must be one of"):
        built(**{name: ""})


@pytest.mark.parametrize("blank", [None, ""])
def test_null_or_an_empty_text_is_the_same_as_not_set(blank: Any) -> None:
    named = [name for name in PROPERTIES if blank is None or "enum" not in PROPERTIES[name]]
    blanks: dict[str, Any] = dict.fromkeys(named, blank)
    validate(blanks, CONFIG_SCHEMA)
    fresh: dict[str, Any] = {}
    validate(fresh, CONFIG_SCHEMA)
    assert blanks == fresh


@pytest.mark.parametrize("name", [*WHOLE, "max_missing_ratio"])
def test_a_blank_number_is_the_same_as_not_set(name: str) -> None:
    config: dict[str, Any] = {name: " "}
    validate(config, CONFIG_SCHEMA)
    assert config[name] == PROPERTIES[name].get("default")


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("form", ["12", " 12 ", "+12", "12.0", 12.0, 12])
def test_whole_numbers_may_come_as_text(name: str, form: Any) -> None:
    config: dict[str, Any] = {name: form}
    validate(config, CONFIG_SCHEMA)
    assert config[name] == 12
    assert type(config[name]) is int


@pytest.mark.parametrize("form", ["0.25", ".25", "2.5e-1", 0.25])
def test_numbers_may_come_as_text(form: Any) -> None:
    assert built(max_missing_ratio=form).max_missing_ratio == 0.25


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize(
    "value",
    [
        CANARY,
        "12.5",
        12.5,
        "1e1",
        "--12",
        "+-12",
        "1_2",
        "१२",
        pytest.param("9" * 5000, id="5000 digits"),
        "inf",
        "nan",
        math.inf,
        math.nan,
        True,
        [CANARY],
        {CANARY: 1},
    ],
)
def test_what_is_no_whole_number_is_told_as_such(name: str, value: Any) -> None:
    assert refusal(**{name: value}) == f"Setting `{name}`: must be a whole number"


@pytest.mark.parametrize("value", [CANARY, "nan", "1e999", math.nan, math.inf, True, [0.5]])
def test_what_is_no_number_is_told_as_such(value: Any) -> None:
    said = refusal(max_missing_ratio=value)
    assert said == "Setting `max_missing_ratio`: must be a number"


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("lookback_days", 0, 36_500),
        ("requests_per_minute", 1, None),
        ("max_concurrency", 1, 256),
        ("request_timeout", 1, 3600),
        ("max_retries", 0, 100),
        ("checkpoint_interval", 0, 86_400),
        ("max_missing_ratio", 0, 1),
        ("max_failed_members", 0, None),
    ],
)
def test_numbers_have_bounds(name: str, low: int, high: int | None) -> None:
    assert refusal(**{name: low - 1}) == f"Setting `{name}`: must be at least {low}"
    assert refusal(**{name: str(low - 1)}) == f"Setting `{name}`: must be at least {low}"
    built(**{name: low})
    if high is not None:
        built(**{name: str(high)})
        assert refusal(**{name: high + 1}) == f"Setting `{name}`: must be at most {high}"
    assert PROPERTIES[name]["minimum"] == low
    assert PROPERTIES[name].get("maximum") == high


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", [[CANARY], {CANARY: 1}, True, 1.5])
def test_what_is_no_text_is_told_as_such(name: str, value: Any) -> None:
    said = refusal(**{name: value})
    assert said.startswith(f"Setting `{name}`: must be ")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("environment", "production, sandbox, sandbox2, us2, de"),
        ("auth_method", "query, header, hmac"),
        ("hmac_timestamp", "milliseconds, seconds"),
        ("hmac_digest", "base64_of_hex, base64, hex"),
        (
            "id_type",
            (
                "id, email, third_party_id, mobile_phone_number, username, facebook_user_id, "
                "twitter_user_id"
            ),
        ),
    ],
)
def test_a_choice_lists_what_there_is(name: str, values: str) -> None:
    assert refusal(**{name: CANARY}) == f"Setting `{name}`: must be one of {values}"


@pytest.mark.parametrize("entry", [None, True, 1.5, [CANARY], {"a": CANARY}])
def test_a_member_id_that_is_none_is_told_by_its_place(entry: Any) -> None:
    assert refusal(user_ids=["1", 2, entry]) == (
        "Setting `user_ids`: must be text or a whole number (entry 3)"
    )


@pytest.mark.parametrize("value", [CANARY, 5, {"a": CANARY}])
def test_member_ids_are_a_list(value: Any) -> None:
    assert refusal(user_ids=value) == "Setting `user_ids`: must be a list"


def test_a_check_without_words_of_its_own_points_to_the_description() -> None:
    declaration = {"properties": {"name": {"type": ["string"], "pattern": "^a"}}}
    with pytest.raises(SettingError) as caught:
        validate({"name": CANARY}, declaration)
    assert str(caught.value) == ("Setting `name`: is not as `tap-crowdtwist --about` describes it")


def test_a_type_may_be_declared_as_one_word() -> None:
    declaration = {"properties": {"name": {"type": "string"}}}
    with pytest.raises(SettingError) as caught:
        validate({"name": 5}, declaration)
    assert str(caught.value) == "Setting `name`: must be text"


def test_every_setting_has_a_title_and_a_description() -> None:
    assert [n for n, s in PROPERTIES.items() if not (s.get("title") and s.get("description"))] == []


def test_secrets_are_the_keys() -> None:
    assert set(SECRETS) == {
        "api_key",
        "hmac_public_key",
        "hmac_private_key",
        "hash_key",
        "sftp_password",
        "sftp_key_passphrase",
    }


# In the environment


@pytest.mark.parametrize("value", [CANARY, "12.0", "12.5", "1e1", "9" * 5000], ids=lambda v: v[:9])
@pytest.mark.parametrize("name", WHOLE)
def test_a_variable_that_the_sdk_cannot_convert_is_named(name: str, value: str) -> None:
    variable = f"TAP_CROWDTWIST_{name.upper()}"
    with pytest.raises(SettingError) as caught:
        check_environment({variable: value}, "TAP_CROWDTWIST_", CONFIG_SCHEMA)
    assert str(caught.value) == f"Setting `{name}`: must be a whole number (as {variable} too)"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"TAP_CROWDTWIST_MAX_RETRIES": " 5 "},
        {"TAP_CROWDTWIST_MAX_RETRIES": ""},
        {"TAP_CROWDTWIST_MAX_MISSING_RATIO": "half"},
        {"TAP_CROWDTWIST_CLIENT_ID": "five"},
        {"MAX_RETRIES": "five"},
    ],
)
def test_any_other_variable_is_left_to_the_check_of_the_settings(environ: dict[str, str]) -> None:
    check_environment(environ, "TAP_CROWDTWIST_", CONFIG_SCHEMA)


# Keys


@pytest.mark.parametrize("value", [None, "", " ", "\n", "\t "])
def test_a_key_that_is_missing_or_blank(value: Any) -> None:
    assert refusal(api_key=value) == (
        "Setting `api_key`: is missing; set it in the file given as --config, or as "
        "TAP_CROWDTWIST_API_KEY with --config ENV; only file streams whose path is set need no "
        "key"
    )


@pytest.mark.parametrize("name", ["api_key", "hmac_public_key", "hmac_private_key"])
@pytest.mark.parametrize("value", [f"{CANARY}\nx", f"{CANARY}\x00", f"{CANARY}é", f"x\r\n{CANARY}"])
def test_a_key_that_cannot_be_sent(name: str, value: str) -> None:
    assert refusal(**{name: value}) == (
        f"Setting `{name}`: contains characters that cannot be sent; copy it again"
    )


def test_blanks_around_a_key_are_taken_off() -> None:
    made = built(
        api_key=f" {KEY}\n", hmac_public_key=" a ", hmac_private_key="b\n", auth_method="hmac"
    )
    assert (made.api_key, made.hmac_keys) == (KEY, ("a", "b"))


@pytest.mark.parametrize("blank", [None, "", " \n"])
@pytest.mark.parametrize("name", ["hmac_public_key", "hmac_private_key"])
def test_hmac_needs_both_of_its_keys(name: str, blank: Any) -> None:
    config = {"hmac_public_key": CANARY, "hmac_private_key": CANARY} | {name: blank}
    assert refusal(auth_method="hmac", **config) == (
        f"Setting `{name}`: is missing, although `auth_method` is hmac"
    )


def test_without_hmac_its_keys_are_not_needed() -> None:
    assert built(auth_method="header").hmac_keys == ("", "")


def test_no_secret_and_no_member_shows_when_settings_are_printed() -> None:
    made = built(
        api_key=CANARY,
        hmac_public_key=CANARY,
        hmac_private_key=CANARY,
        user_ids=[CANARY],
        user_ids_path=f"sftp://user:{CANARY}@host.test/members.csv",
    )
    assert CANARY not in f"{made!r} {made}"


# Hosts


@pytest.mark.parametrize("client", ["512", 512, " 512 "])
def test_hosts_are_made_of_environment_and_client(client: Any) -> None:
    assert built(client_id=client, environment="us2").urls == {
        Host.MAIN: "https://us2-api512.crowdtwist.com",
        Host.POS: "https://us2-pos512.crowdtwist.com",
    }


@pytest.mark.parametrize("client", [None, "", " "])
@pytest.mark.parametrize(
    ("given_name", "missing"), [(None, "api_url"), ("api_url", "pos_url"), ("pos_url", "api_url")]
)
def test_without_a_client_both_urls_are_needed(
    client: Any, given_name: str | None, missing: str
) -> None:
    urls = {given_name: "https://host.test"} if given_name else {}
    assert refusal(client_id=client, **urls) == (
        "Setting `client_id`: is missing; set it, or both `api_url` and `pos_url` "
        f"(`{missing}` is not set)"
    )


def test_with_both_urls_no_client_is_needed() -> None:
    made = built(client_id=None, api_url="https://a.test", pos_url="https://b.test")
    assert made.urls == {Host.MAIN: "https://a.test", Host.POS: "https://b.test"}


@pytest.mark.parametrize(
    "client",
    ["api512", "512-a"],
)
def test_a_client_may_have_letters(client: str) -> None:
    assert built(client_id=client).urls[Host.MAIN] == f"https://api{client}.crowdtwist.com"


@pytest.mark.parametrize(
    "client",
    [f"512.evil.test/{CANARY}", "512/", "512@evil.test", "-", "-5", -5, "512-", "a--b", "5 1", "५"],
)
def test_a_client_that_would_make_another_host(client: Any) -> None:
    assert refusal(client_id=client) == (
        "Setting `client_id`: must be the client number alone, such as 512"
    )


@pytest.mark.parametrize("name", ["api_url", "pos_url"])
@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://host.test", "https://host.test"),
        (" https://host.test/ \n", "https://host.test"),
        ("https://host.test:8443//", "https://host.test:8443"),
        ("https://host.test/behind/a/proxy/", "https://host.test/behind/a/proxy"),
        ("HTTPS://HOST.test", "HTTPS://HOST.test"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://LOCALHOST", "http://LOCALHOST"),
        ("http://127.0.0.1:1/", "http://127.0.0.1:1"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_a_url_is_https_or_loopback(name: str, url: str, kept: str) -> None:
    host = Host.MAIN if name == "api_url" else Host.POS
    assert built(**{name: url}).urls[host] == kept


@pytest.mark.parametrize("name", ["api_url", "pos_url"])
@pytest.mark.parametrize(
    "url",
    [
        f"http://{CANARY}.test",
        "http://127.0.0.1.evil.test",
        "http://localhost.evil.test",
        "http://evil.test/localhost",
        "http://127.0.0.2",
        "http://0.0.0.0",
        "http://[::]",
        "http://[::ffff:127.0.0.1]",
        "http://2130706433",
        "http://localhost.",
    ],
)
def test_http_beyond_loopback_is_refused(name: str, url: str) -> None:
    assert refusal(**{name: url}) == (
        f"Setting `{name}`: must begin with https://, since the key would be sent unencrypted"
    )


@pytest.mark.parametrize("name", ["api_url", "pos_url"])
@pytest.mark.parametrize(
    "url",
    [
        CANARY,
        "host.test",
        "//host.test",
        "https://",
        "https:///path",
        "https://:443",
        "ftp://host.test",
        "file:///etc/hosts",
        f"https://user:{CANARY}@host.test",
        "https://:word@host.test",
        "https://@host.test",
        "http://localhost@evil.test",
        "http://localhost:80@evil.test",
        "http://localhost\\@evil.test",
        "http://localhost\\.evil.test",
        "http://local\nhost",
        "http://loca\tlhost",
        "https://host.test/a b",
        "https://host.test?",
        f"https://host.test/?key={CANARY}",
        "https://host.test/#",
        "https://host.test:port",
        "https://host.test:65536",
        "https://host.test:0",
        "http://[::1",
        "https://hóst.test",
    ],
)
def test_a_url_that_is_not_plain_is_refused(name: str, url: str) -> None:
    assert refusal(**{name: url}) == (
        f"Setting `{name}`: must be a plain URL such as https://api512.crowdtwist.com"
    )


@settings(max_examples=80, deadline=None)
@given(rest=st.text("ab.:/@?#[]\\127 0localhost%\n", max_size=25))
def test_no_url_beginning_with_http_leads_away_from_loopback(rest: str) -> None:
    try:
        url = built(api_url=f"http://{rest}").urls[Host.MAIN]
    except SettingError:
        return
    authority = url.removeprefix("http://").partition("/")[0]
    host = authority.rpartition(":")[0] if authority.rpartition(":")[2].isdigit() else authority
    assert host.rstrip(":").lower() in {"localhost", "127.0.0.1", "[::1]"}


# Members and dates


def test_members_and_shard_are_taken_over() -> None:
    made = built(user_ids=[1, "2"], user_ids_path="", user_ids_column="", shard="2/8")
    assert (made.user_ids, made.user_ids_path, made.user_ids_column) == ((1, "2"), None, None)
    assert str(made.shard) == "2/8"
    assert built(user_ids_path="a", user_ids_column="b").user_ids_column == "b"


@pytest.mark.parametrize("shard", [CANARY, "9/8"])
def test_a_malformed_shard(shard: str) -> None:
    assert refusal(shard=shard).startswith('Setting `shard`: must look like "2/8"')


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (None, None),
        ("", None),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        (" 2026-01-31 ", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T00:00:00Z", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T01:30:00+02:00", datetime(2026, 1, 30, 23, 30, tzinfo=UTC)),
        ("2026-01-31T01:30", datetime(2026, 1, 31, 1, 30, tzinfo=UTC)),
        ("2026-01-31 01:30:00.5Z", datetime(2026, 1, 31, 1, 30, 0, 500_000, tzinfo=UTC)),
    ],
)
def test_a_start_is_a_date_or_an_instant(text: Any, moment: datetime | None) -> None:
    start = built(start_date=text).start_date
    assert start == moment
    assert start is None or start.utcoffset() == timedelta()


@pytest.mark.parametrize(
    "text",
    [
        CANARY,
        " ",
        "2026-02-30",
        "2026-1-31",
        "31.01.2026",
        "20260131",
        "2026-W05-1",
        "2026",
        "1700000000",
        "0000-00-00",
        "2026-01-31T25:00:00Z",
        "2026-01-31T00:00:00+25:00",
        "9999-12-31T23:00:00-02:00",
        "0001-01-01T00:00:00+02:00",
    ],
)
def test_a_start_that_is_none(text: str) -> None:
    assert refusal(start_date=text) == (
        "Setting `start_date`: must be a date such as 2026-01-31 or 2026-01-31T00:00:00Z"
    )


def test_the_rest_is_taken_over_as_it_is() -> None:
    made = built(
        lookback_days=3,
        requests_per_minute="100",
        max_concurrency=2,
        request_timeout=5,
        max_retries=0,
        checkpoint_interval=0,
        max_missing_ratio=1,
        max_failed_members=0,
        id_type="email",
    )
    assert made.lookback == timedelta(days=3)
    assert (made.requests_per_minute, made.max_concurrency, made.request_timeout) == (100, 2, 5)
    assert (made.max_retries, made.checkpoint_interval, made.max_missing_ratio) == (0, 0, 1)
    assert (made.max_failed_members, made.id_type) == (0, "email")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=15),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


@settings(max_examples=80, deadline=None)
@given(config=st.dictionaries(st.sampled_from(sorted(PROPERTIES)), json_values, max_size=4))
def test_any_configuration_is_accepted_or_refused_in_one_sentence(config: dict[str, Any]) -> None:
    said = "Setting `"
    try:
        built(**config)
    except SettingError as error:
        said = str(error)
    assert said.startswith("Setting `")
    assert "\n" not in said


@pytest.mark.parametrize("given", [";;", "a", '"', "é", "semicolon"])
def test_a_delimiter_is_one_character_that_separates(given: str) -> None:
    assert "one character such as ; or |" in refusal(data_push_delimiter=given)


@pytest.mark.parametrize("given", ["\t", "tab", r"\t"])
def test_a_tab_may_be_named(given: str) -> None:
    assert built(data_push_delimiter=given).data_push_format.delimiter == "\t"


@pytest.mark.parametrize("given", ["klingon", "base64", "rot13", "undefined", "a\0"])
def test_an_encoding_is_one_that_python_reads_text_in(given: str) -> None:
    assert "must be a text encoding that Python knows" in refusal(data_push_encoding=given)
