"""An answer that is not data has one meaning, and a sentence that holds nothing of its body."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_crowdtwist.api import errors
from tap_crowdtwist.api.errors import NOT_JSON, ApiError, Fault, Verdict, fault_of, is_fine, judge

PERSONAL = "ada@example.test"


def verdict(status: int, code: str = "", *, of_member: bool = True) -> Verdict:
    return judge(status, code, of_member=of_member).verdict


@pytest.mark.parametrize("code", ["invalid_auth", "access_denied", "forbidden", "", "x", NOT_JSON])
@pytest.mark.parametrize("of_member", [True, False])
def test_whatever_a_403_says_it_may_be_the_key_s_permissions_or_the_auth_method(
    code: str,
    of_member: bool,  # noqa: FBT001
) -> None:
    sentence = judge(403, code, of_member=of_member).sentence
    assert "`auth_method` (query, header or hmac)" in sentence
    assert "may read" in sentence or "may not read" in sentence


# The status table of the API reference, row by row


@pytest.mark.parametrize(
    ("status", "code", "meaning"),
    [
        (200, "page_not_found", Verdict.NOT_CONFIGURED),
        (400, "param_error", Verdict.REJECTED),
        (400, "receipt_scanning_inactive", Verdict.NOT_CONFIGURED),
        (400, "user_not_found", Verdict.MEMBER_MISSING),
        (400, "invalid_date", Verdict.REJECTED),
        (400, "missing_data", Verdict.REJECTED),
        (400, "", Verdict.REJECTED),
        (403, "invalid_auth", Verdict.FATAL),
        (403, "access_denied", Verdict.UNAVAILABLE),
        (403, "forbidden", Verdict.UNAVAILABLE),
        (403, "", Verdict.REJECTED),
        (403, NOT_JSON, Verdict.REJECTED),
        (404, "page_not_found", Verdict.MEMBER_MISSING),
        (404, "", Verdict.MEMBER_MISSING),
        (429, "", Verdict.SLOW_DOWN),
        (429, "rate_limit", Verdict.SLOW_DOWN),
        (500, "internal_error", Verdict.RETRY),
        (500, "", Verdict.RETRY),
        (502, "", Verdict.RETRY),
        (503, "", Verdict.RETRY),
        (500, "not_configured", Verdict.UNAVAILABLE),
        (500, "missing_field", Verdict.UNAVAILABLE),
        (500, "invalid_data", Verdict.UNAVAILABLE),
    ],
)
def test_each_row_of_the_status_table_has_its_verdict(
    status: int, code: str, meaning: Verdict
) -> None:
    assert verdict(status, code) is meaning


@pytest.mark.parametrize(
    ("status", "code", "meaning"),
    [
        (401, "", Verdict.FATAL),
        (401, "not_configured", Verdict.FATAL),
        (429, "not_configured", Verdict.SLOW_DOWN),
        (500, "invalid_auth", Verdict.FATAL),
        (200, "invalid_auth", Verdict.FATAL),
        (200, "user_not_found", Verdict.MEMBER_MISSING),
        (200, "internal_error", Verdict.RETRY),
        (204, "", Verdict.RETRY),
        (301, "", Verdict.REJECTED),
        (304, "", Verdict.RETRY),
        (404, NOT_JSON, Verdict.RETRY),
        (500, NOT_JSON, Verdict.RETRY),
        (302, "", Verdict.REJECTED),
        (408, "", Verdict.RETRY),
        (400, "invalid_data", Verdict.REJECTED),
        (418, "", Verdict.REJECTED),
    ],
)
def test_what_the_table_does_not_list_has_the_meaning_of_its_kind(
    status: int, code: str, meaning: Verdict
) -> None:
    assert verdict(status, code) is meaning


@pytest.mark.parametrize("code", ["", "page_not_found"])
def test_a_catalog_that_is_not_found_is_no_missing_member(code: str) -> None:
    assert verdict(404, code, of_member=False) is Verdict.NOT_CONFIGURED


def test_a_catalog_cannot_lack_a_user() -> None:
    assert verdict(400, "user_not_found", of_member=False) is Verdict.REJECTED


@pytest.mark.parametrize("of_member", [True, False])
@pytest.mark.parametrize("code", ["", NOT_JSON, "param_error", "conflict"])
@pytest.mark.parametrize(
    "status", [400, 403, 405, 406, 409, 410, 413, 414, 415, 418, 422, 423, 431, 451]
)
def test_what_may_be_about_one_request_alone_is_not_fatal(
    status: int,
    code: str,
    of_member: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert verdict(status, code, of_member=of_member) is Verdict.REJECTED


@given(status=st.integers(100, 599), code=st.text(max_size=20), of_member=st.booleans())
@settings(max_examples=100, deadline=None)
def test_every_answer_has_a_verdict_and_a_sentence(
    status: int, code: str, *, of_member: bool
) -> None:
    assert judge(status, code, of_member=of_member).sentence


@pytest.mark.parametrize(("status", "code"), [(401, ""), (403, "invalid_auth"), (403, "")])
def test_refused_credentials_name_the_settings_to_check(status: int, code: str) -> None:
    sentence = judge(status, code, of_member=True).sentence
    for setting in ("`api_key`", "`client_id`", "`environment`", "`auth_method`"):
        assert setting in sentence


def test_being_too_fast_names_the_setting_to_lower() -> None:
    assert "`requests_per_minute`" in judge(429, "", of_member=True).sentence


def test_a_redirect_names_the_urls_to_check() -> None:
    assert "`api_url` and `pos_url`" in judge(302, "", of_member=True).sentence


# The three envelopes


def pos_read(**members: Any) -> dict[str, Any]:
    return {"error": {"message": "No such user", **members}}


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        (
            {"error": "page_not_found", "message": "Unable to find user."},
            Fault("page_not_found", "Unable to find user."),
        ),
        ({"error": "invalid_auth"}, Fault("invalid_auth", "")),
        ({"error": " Invalid_Auth "}, Fault("invalid_auth", "")),
        (
            {"system": "pos", "reason": "user_not_found", "description": "d", "message": "m"},
            Fault("user_not_found", "m"),
        ),
        (
            pos_read(code=404, errors=[{"reason": "user_not_found", "message": "…"}]),
            Fault("user_not_found", "No such user"),
        ),
        (pos_read(code=404), Fault("404", "No such user")),
        (pos_read(code="404", errors=[]), Fault("404", "No such user")),
        (pos_read(code=404, errors=["odd"]), Fault("404", "No such user")),
        (pos_read(code=404, errors=[{"reason": None}]), Fault("404", "No such user")),
        (pos_read(code=404, errors={"reason": "x"}), Fault("404", "No such user")),
        (pos_read(), Fault("", "No such user")),
        (pos_read(code=None), Fault("", "No such user")),
    ],
)
def test_an_error_body_is_read_in_each_of_its_forms(payload: Any, fault: Fault) -> None:
    assert fault_of(payload) == fault


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
    assert fault_of(payload) is None


def test_an_answer_is_fine_only_at_200_and_without_an_error_body() -> None:
    assert is_fine(200, None)
    assert not is_fine(200, Fault("page_not_found", ""))
    assert not is_fine(204, None)
    assert not is_fine(404, None)


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
    fault = fault_of(payload)
    assert fault is not None
    assert fault.code == ""
    rule = judge(400, fault.code, of_member=True)
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
    fault = fault_of(
        {
            "main": {"error": marked, "message": marked},
            "pos write": {"system": "pos", "reason": marked, "message": marked},
            "pos read": {
                "error": {"code": marked, "message": marked, "errors": [{"reason": marked}]}
            },
        }[form]
    )
    assert fault is not None
    rule = judge(status, fault.code, of_member=True)
    said = str(ApiError(rule.sentence, endpoint="users", status=status, code=fault.code))
    assert said == f"{rule.sentence} (users, HTTP {status})"
