"""An answer that is not data has one meaning, and a sentence that holds nothing of its body."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_crowdtwist.api import errors
from tap_crowdtwist.api.errors import (
    NOT_JSON,
    ApiError,
    ErrorBody,
    ResponseAction,
    is_success,
    parse_error_body,
)

PERSONAL = "ada@example.test"

classify_response = partial(errors.classify_response, resource="points_expiration")


def action_for(status: int, code: str = "", *, is_per_member: bool = True) -> ResponseAction:
    return classify_response(status, code, is_per_member=is_per_member).action


@pytest.mark.parametrize("code", ["invalid_auth", "access_denied", "forbidden", "", "x", NOT_JSON])
@pytest.mark.parametrize("is_per_member", [True, False])
def test_whatever_a_403_says_it_may_be_the_key_s_permissions_or_the_auth_method(
    code: str,
    is_per_member: bool,  # noqa: FBT001
) -> None:
    sentence = classify_response(403, code, is_per_member=is_per_member).sentence
    assert "`auth_method` (query, header or hmac)" in sentence
    assert "may read" in sentence or "may not read" in sentence


# The status table of the API reference, row by row


@pytest.mark.parametrize(
    ("status", "code", "meaning"),
    [
        (200, "page_not_found", ResponseAction.NOT_CONFIGURED),
        (400, "param_error", ResponseAction.REJECTED),
        (400, "receipt_scanning_inactive", ResponseAction.NOT_CONFIGURED),
        (400, "user_not_found", ResponseAction.MEMBER_MISSING),
        (400, "invalid_date", ResponseAction.REJECTED),
        (400, "missing_data", ResponseAction.REJECTED),
        (400, "", ResponseAction.REJECTED),
        (403, "invalid_auth", ResponseAction.FATAL),
        (403, "access_denied", ResponseAction.UNAVAILABLE),
        (403, "forbidden", ResponseAction.UNAVAILABLE),
        (403, "", ResponseAction.REJECTED),
        (403, NOT_JSON, ResponseAction.REJECTED),
        (404, "page_not_found", ResponseAction.MEMBER_MISSING),
        (404, "", ResponseAction.MEMBER_MISSING),
        (429, "", ResponseAction.SLOW_DOWN),
        (429, "rate_limit", ResponseAction.SLOW_DOWN),
        (500, "internal_error", ResponseAction.RETRY),
        (500, "", ResponseAction.RETRY),
        (502, "", ResponseAction.RETRY),
        (503, "", ResponseAction.RETRY),
        (500, "not_configured", ResponseAction.UNAVAILABLE),
        (500, "missing_field", ResponseAction.UNAVAILABLE),
        (500, "invalid_data", ResponseAction.UNAVAILABLE),
    ],
)
def test_each_row_of_the_status_table_has_its_action(
    status: int, code: str, meaning: ResponseAction
) -> None:
    assert action_for(status, code) is meaning


@pytest.mark.parametrize(
    ("status", "code", "meaning"),
    [
        (401, "", ResponseAction.FATAL),
        (401, "not_configured", ResponseAction.FATAL),
        (429, "not_configured", ResponseAction.SLOW_DOWN),
        (500, "invalid_auth", ResponseAction.FATAL),
        (200, "invalid_auth", ResponseAction.FATAL),
        (200, "user_not_found", ResponseAction.MEMBER_MISSING),
        (200, "internal_error", ResponseAction.RETRY),
        (204, "", ResponseAction.RETRY),
        (301, "", ResponseAction.REJECTED),
        (304, "", ResponseAction.RETRY),
        (404, NOT_JSON, ResponseAction.RETRY),
        (500, NOT_JSON, ResponseAction.RETRY),
        (302, "", ResponseAction.REJECTED),
        (408, "", ResponseAction.RETRY),
        (400, "invalid_data", ResponseAction.REJECTED),
        (418, "", ResponseAction.REJECTED),
    ],
)
def test_what_the_table_does_not_list_has_the_meaning_of_its_kind(
    status: int, code: str, meaning: ResponseAction
) -> None:
    assert action_for(status, code) is meaning


@pytest.mark.parametrize("code", ["", "page_not_found"])
def test_a_catalog_that_is_not_found_is_no_missing_member(code: str) -> None:
    assert action_for(404, code, is_per_member=False) is ResponseAction.NOT_CONFIGURED


def test_a_catalog_cannot_lack_a_user() -> None:
    assert action_for(400, "user_not_found", is_per_member=False) is ResponseAction.REJECTED


@pytest.mark.parametrize("is_per_member", [True, False])
@pytest.mark.parametrize("code", ["", NOT_JSON, "param_error", "conflict"])
@pytest.mark.parametrize(
    "status", [400, 403, 405, 406, 409, 410, 413, 414, 415, 418, 422, 423, 431, 451]
)
def test_what_may_be_about_one_request_alone_is_not_fatal(
    status: int,
    code: str,
    is_per_member: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert action_for(status, code, is_per_member=is_per_member) is ResponseAction.REJECTED


@given(status=st.integers(100, 599), code=st.text(max_size=20), is_per_member=st.booleans())
@settings(max_examples=100, deadline=None)
def test_every_answer_has_an_action_and_a_sentence(
    status: int, code: str, *, is_per_member: bool
) -> None:
    assert classify_response(status, code, is_per_member=is_per_member).sentence


@pytest.mark.parametrize(("status", "code"), [(401, ""), (403, "invalid_auth"), (403, "")])
def test_refused_credentials_name_the_settings_to_check(status: int, code: str) -> None:
    sentence = classify_response(status, code, is_per_member=True).sentence
    for setting in ("`api_key`", "`client_id`", "`environment`", "`auth_method`"):
        assert setting in sentence


def test_being_too_fast_names_the_setting_to_lower() -> None:
    assert "`requests_per_minute`" in classify_response(429, "", is_per_member=True).sentence


def test_a_redirect_names_the_urls_to_check() -> None:
    assert "`api_url` and `pos_url`" in classify_response(302, "", is_per_member=True).sentence


# The three envelopes


def pos_read(**members: Any) -> dict[str, Any]:
    return {"error": {"message": "No such user", **members}}


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        (
            {"error": "page_not_found", "message": "Unable to find user."},
            ErrorBody("page_not_found", "Unable to find user."),
        ),
        ({"error": "invalid_auth"}, ErrorBody("invalid_auth", "")),
        ({"error": " Invalid_Auth "}, ErrorBody("invalid_auth", "")),
        (
            {"system": "pos", "reason": "user_not_found", "description": "d", "message": "m"},
            ErrorBody("user_not_found", "m"),
        ),
        (
            pos_read(code=404, errors=[{"reason": "user_not_found", "message": "…"}]),
            ErrorBody("user_not_found", "No such user"),
        ),
        (pos_read(code=404), ErrorBody("404", "No such user")),
        (pos_read(code="404", errors=[]), ErrorBody("404", "No such user")),
        (pos_read(code=404, errors=["odd"]), ErrorBody("404", "No such user")),
        (pos_read(code=404, errors=[{"reason": None}]), ErrorBody("404", "No such user")),
        (pos_read(code=404, errors={"reason": "x"}), ErrorBody("404", "No such user")),
        (pos_read(), ErrorBody("", "No such user")),
        (pos_read(code=None), ErrorBody("", "No such user")),
    ],
)
def test_an_error_body_is_read_in_each_of_its_forms(payload: Any, fault: ErrorBody) -> None:
    assert parse_error_body(payload) == fault


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        [{"error": "page_not_found"}],
        "page_not_found",
        7,
        {},
        {"id": 1, "message": "hello"},
        {"id": 1, "reason": "hello"},
        {"reason": 7, "message": "m"},
        {"error": None, "activities": []},
        {"error": {"code": 404}},
        {"error": ["page_not_found"]},
    ],
)
def test_anything_else_is_data(payload: Any) -> None:
    assert parse_error_body(payload) is None


def test_an_answer_is_fine_only_at_200_and_without_an_error_body() -> None:
    assert is_success(200, None)
    assert not is_success(200, ErrorBody("page_not_found", ""))
    assert not is_success(204, None)
    assert not is_success(404, None)


def test_a_page_that_is_not_found_is_an_answer_for_points_expiration_only() -> None:
    rule = errors.classify_response(200, "page_not_found", is_per_member=True, resource="receipts")
    assert rule.action is ResponseAction.RETRY


# What a person reads


@pytest.mark.parametrize(
    "kind",
    [
        errors.MemberMissingError,
        errors.NotConfiguredError,
        errors.FatalApiError,
        errors.ExhaustedError,
    ],
)
def test_a_sentence_tells_the_endpoint_the_status_and_the_code(kind: type[ApiError]) -> None:
    error = kind("It failed", endpoint="receipts", status=403, code="forbidden")
    assert str(error) == "It failed (receipts, HTTP 403, forbidden)"
    assert (error.sentence, error.endpoint, error.status, error.code) == (
        "It failed",
        "receipts",
        403,
        "forbidden",
    )


def test_a_sentence_leaves_out_what_is_not_known() -> None:
    assert str(ApiError("No answer", endpoint="users")) == "No answer (users)"


@pytest.mark.parametrize(
    "payload",
    [
        {"error": f"User {PERSONAL} not found", "message": PERSONAL},
        {"error": PERSONAL, "message": PERSONAL},
        {"error": "Ada Sample"},
        {"error": "a" * 61},
        {"error": "página"},
        {"error": ""},
        {"reason": PERSONAL, "message": PERSONAL, "description": PERSONAL},
        pos_read(code=PERSONAL, errors=[{"reason": PERSONAL, "message": PERSONAL}]),
        pos_read(code=88001, errors=[{"reason": [PERSONAL]}]),
        pos_read(code={"id": PERSONAL}),
    ],
)
def test_a_code_that_is_none_is_not_repeated(payload: Any) -> None:
    fault = parse_error_body(payload)
    assert fault is not None
    assert fault.code == ""
    rule = classify_response(400, fault.code, is_per_member=True)
    said = str(ApiError(rule.sentence, endpoint="users", status=400, code=fault.code))
    assert said == "CrowdTwist rejected the request (users, HTTP 400)"


@given(
    text=st.text(max_size=30),
    form=st.sampled_from(["main", "pos write", "pos read"]),
    status=st.sampled_from([200, 400, 403, 404, 500]),
)
@settings(max_examples=60, deadline=None)
def test_nothing_of_a_body_but_a_code_reaches_a_sentence(text: str, form: str, status: int) -> None:
    marked = f"{text} <{PERSONAL}>"
    fault = parse_error_body(
        {
            "main": {"error": marked, "message": marked},
            "pos write": {"system": "pos", "reason": marked, "message": marked},
            "pos read": {
                "error": {"code": marked, "message": marked, "errors": [{"reason": marked}]}
            },
        }[form]
    )
    assert fault is not None
    rule = classify_response(status, fault.code, is_per_member=True)
    said = str(ApiError(rule.sentence, endpoint="users", status=status, code=fault.code))
    assert said == f"{rule.sentence} (users, HTTP {status})"
