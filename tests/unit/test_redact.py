"""No secret stands in a log, in whatever form, nor in a record, whose data stays as it is."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from singer_sdk.logging import StructuredFormatter

from tap_crowdtwist.config.schema import SECRETS
from tap_crowdtwist.privacy.log_redaction import (
    MASK,
    REDACTOR,
    RedactingFormatter,
    Redactor,
    guard_logging,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = 's3cret/with "all" + é\\kinds&of=signs'


def redactor(*secrets: str) -> Redactor:
    made = Redactor()
    made.learn(secrets)
    return made


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET),
        quote_plus(SECRET),
        json.dumps(SECRET)[1:-1],
    ],
)
def test_a_secret_is_masked_in_each_of_its_forms(form: str) -> None:
    said = redactor(SECRET)(f"GET /v2/users/1?api_key={form}&page=2")
    assert said == f"GET /v2/users/1?api_key={MASK}&page=2"


def test_every_occurrence_is_masked() -> None:
    assert redactor("abcd")("abcd, abcd and abcd") == f"{MASK}, {MASK} and {MASK}"


@pytest.mark.parametrize(
    ("secrets", "text", "said"),
    [
        (["abcd", "abcdef"], "xabcdefx", f"x{MASK}x"),
        (["abcdefgh", "bcde"], "xabcdefghx", f"x{MASK}x"),
        (["abcd", "efgh"], "abcdefgh", f"{MASK}{MASK}"),
        (["redacted", "abcd"], "abcd redacted", f"{MASK} {MASK}"),
    ],
)
def test_a_secret_within_another_one_leaves_nothing_of_it(
    secrets: list[str], text: str, said: str
) -> None:
    assert redactor(*secrets)(text) == said
    assert redactor(*reversed(secrets))(text) == said


def test_part_of_a_secret_is_none() -> None:
    assert redactor("abcdef")("abcde bcdef") == "abcde bcdef"


@pytest.mark.parametrize("blank", ["\n", " ", "\r\n", "\t"])
def test_a_secret_is_learnt_as_it_is_sent_without_blanks_around_it(blank: str) -> None:
    assert redactor(f"{blank}abcdef{blank}")("key abcdef") == f"key {MASK}"


@pytest.mark.parametrize("secret", ["", " ", "abc", " abc\n"])
def test_what_is_too_short_to_tell_apart_is_not_masked(secret: str) -> None:
    assert redactor(secret)("abc and so on") == "abc and so on"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/v2/users/1?page=2&api_key=abc&x=1", f"/v2/users/1?page=2&api_key={MASK}&x=1"),
        ("?API_KEY=abc", f"?API_KEY={MASK}"),
        ("next_page%3D%26api_key%3Dabc", f"next_page%3D%26api_key%3D{MASK}"),
        ('{"api_key": "abc", "x": 1}', f'{{"api_key": "{MASK}", "x": 1}}'),
        ("{'hmac_private_key': 'abc'}", f"{{'hmac_private_key': '{MASK}'}}"),
        ("TAP_CROWDTWIST_HMAC_PUBLIC_KEY=abc", f"TAP_CROWDTWIST_HMAC_PUBLIC_KEY={MASK}"),
        ("hash_key: abc", f"hash_key: {MASK}"),
        ("TAP_CROWDTWIST_SFTP_PASSWORD=abc", f"TAP_CROWDTWIST_SFTP_PASSWORD={MASK}"),
        ("{'sftp_key_passphrase': 'abc'}", f"{{'sftp_key_passphrase': '{MASK}'}}"),
        ("X-CT-Authorization: CTApiKey abc", f"X-CT-Authorization: CTApiKey {MASK}"),
        ("CTApiV2Auth public:c2lnbmVk==", f"CTApiV2Auth {MASK}"),
    ],
)
def test_what_stands_behind_the_name_of_a_secret_is_masked_unlearnt(text: str, said: str) -> None:
    assert Redactor()(text) == said


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_each_setting_that_is_secret_is_masked_by_its_name(name: str) -> None:
    assert Redactor()(f"{name}: abc") == f"{name}: {MASK}"


@pytest.mark.parametrize(
    "text",
    [
        "Setting `api_key`: is missing; CrowdTwist answers nothing without it",
        "check `api_key`, `client_id`, `environment` and `auth_method`",
        "/v2/users/1000003?page=2",
        '"api_key": {"type": ["string"]}',
    ],
)
def test_what_only_speaks_of_a_secret_is_not_masked(text: str) -> None:
    assert Redactor()(text) == text


@pytest.mark.parametrize("ident", ["ada%40example.test", "15550100", "third-7", "a%2Fb"])
def test_a_path_does_not_tell_who_a_member_is_outside_of_crowdtwist(ident: str) -> None:
    text = f'"GET /v2/users/{ident}?id_type=email&page=1 HTTP/1.1" 200'
    assert Redactor()(text) == text.replace(ident, MASK)


# Records


@settings(max_examples=60, deadline=None)
@given(
    secret=st.text("est =:%", min_size=1, max_size=15) | st.sampled_from(["test", "x" * 15]),
    text=st.text("latest =:%", max_size=60),
)
def test_a_secret_that_can_be_part_of_a_word_does_not_change_data(secret: str, text: str) -> None:
    spoken = f"{text}{secret}{text} latest xxxxxxxxxxxxxxxxxxxx"
    assert redactor(secret).in_record(spoken) == spoken


@pytest.mark.parametrize(
    "text",
    [
        "our api_key: see the manual",
        "?api_key=abc",
        "CTApiKey abc",
        '{"hash_key": "abc"}',
        "/v2/users/ada%40example.test?id_type=email",
    ],
)
def test_data_does_not_change_for_looking_like_a_secret(text: str) -> None:
    assert redactor(SECRET).in_record(text) == text


@settings(max_examples=60, deadline=None)
@given(secret=st.text(st.characters(categories=["L", "N", "P"]), min_size=16, max_size=40))
def test_a_secret_of_16_characters_is_masked_in_records_in_each_of_its_forms(secret: str) -> None:
    made = redactor(secret)
    for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]):
        for text in (form, f"at {form}, {form}", f"?api_key={form}&page=2"):
            assert form not in made.in_record(text)
            assert MASK in made.in_record(text)


def test_a_part_of_a_secret_is_kept_in_records() -> None:
    assert redactor("0123456789abcdef").in_record("0123456789abcde") == "0123456789abcde"
    assert redactor("0123456789abcdef").in_record("123456789abcdef0") == "123456789abcdef0"


def test_nothing_is_masked_without_secrets() -> None:
    assert Redactor()(f"key {SECRET}") == f"key {SECRET}"


def test_secrets_add_up() -> None:
    made = redactor("abcdef")
    made.learn(["uvwxyz"])
    assert made("abcdef uvwxyz") == f"{MASK} {MASK}"


@settings(max_examples=60, deadline=None)
@given(
    secrets=st.lists(st.text("abcd", min_size=4, max_size=8), max_size=3),
    text=st.text("abcd =", max_size=60),
)
def test_no_secret_is_left_and_nothing_but_secrets_is_taken(secrets: list[str], text: str) -> None:
    said = redactor(*secrets)(text)
    kept = said.split(MASK)
    assert not [secret for secret in secrets for part in kept if secret in part]
    place = 0
    for part in kept:
        place = text.index(part, place) + len(part)


# Logging


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logger(stream: io.StringIO) -> Iterator[logging.Logger]:
    made = logging.getLogger("tests.redact.guarded")
    handler = logging.StreamHandler(stream)
    made.addHandler(handler)
    made.propagate = False
    kept = {h: h.formatter for h in _handlers()}
    yield made
    for other, formatter in kept.items():
        other.setFormatter(formatter)
    made.removeHandler(handler)
    made.propagate = True


def _handlers() -> list[logging.Handler]:
    loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    return [handler for logger in loggers for handler in logger.handlers]


def fail() -> None:
    raise ValueError(f"cannot reach https://api512.crowdtwist.com/?api_key={quote_plus(SECRET)}")


def test_messages_arguments_and_tracebacks_are_masked(
    logger: logging.Logger, stream: io.StringIO
) -> None:
    guard_logging(redactor(SECRET))
    logger.warning("key %s", SECRET)
    try:
        fail()
    except ValueError:
        logger.exception("failed")
    said = stream.getvalue()
    assert said.startswith(f"key {MASK}\nfailed\nTraceback")
    assert f"api_key={MASK}" in said
    assert quote_plus(SECRET) not in said


def test_a_formatter_that_is_there_stays_within(
    logger: logging.Logger, stream: io.StringIO
) -> None:
    logger.handlers[0].setFormatter(logging.Formatter("<%(levelname)s> %(message)s"))
    guard_logging(redactor(SECRET))
    logger.error("key %s", SECRET)
    assert stream.getvalue() == f"<ERROR> key {MASK}\n"


def test_the_structured_formatter_of_the_sdk_is_masked_and_still_json(
    logger: logging.Logger, stream: io.StringIO
) -> None:
    logger.handlers[0].setFormatter(StructuredFormatter())
    guard_logging(redactor(SECRET))
    try:
        fail()
    except ValueError:
        logger.exception("key %s", SECRET, extra={"point": SECRET})
    said = stream.getvalue()
    assert json.loads(said)["message"] == f"key {MASK}"
    for form in (SECRET, json.dumps(SECRET)[1:-1], quote_plus(SECRET)):
        assert form not in said


def test_guarding_twice_wraps_once(logger: logging.Logger) -> None:
    guard_logging(redactor(SECRET))
    guarded = logger.handlers[0].formatter
    assert isinstance(guarded, RedactingFormatter)
    guard_logging(redactor(SECRET))
    assert logger.handlers[0].formatter is guarded


def test_by_default_the_secrets_of_the_process_are_masked(
    logger: logging.Logger, stream: io.StringIO
) -> None:
    guard_logging()
    REDACTOR.learn(["a-made-up-key-of-this-test"])
    logger.warning("a-made-up-key-of-this-test")
    assert stream.getvalue() == f"{MASK}\n"


def test_where_logging_has_no_handler_its_last_resort_is_guarded() -> None:
    assert logging.lastResort is not None
    kept = logging.lastResort.formatter
    try:
        guard_logging(redactor(SECRET))
        assert isinstance(logging.lastResort.formatter, RedactingFormatter)
    finally:
        logging.lastResort.setFormatter(kept)
