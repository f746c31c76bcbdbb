"""A key meets a request in one of three forms, and stands nowhere else."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_crowdtwist.api.auth import HMAC_DIGESTS, HeaderKey, HmacSignature, QueryKey

URL = "https://api512.crowdtwist.com/v2.1/users/ada%40example.test/rewards"
SIGNATURE = (
    "ZDU3MjdjNGZjYjc1MjM3NzRhOTgyMzRmMTQwYTlkMjMzODc3NDdkYWE1NDdiYTNkNzg2ZmEwYzZlOWQ1ODExNw=="
)
KEY = "made up/key+with&signs="


def request(url: str = URL, method: str | None = "GET") -> requests.PreparedRequest:
    prepared = requests.PreparedRequest()
    prepared.method = method
    prepared.url = url
    prepared.headers = requests.structures.CaseInsensitiveDict()
    return prepared


def test_the_header_form_is_the_word_one_space_and_the_key() -> None:
    signed = HeaderKey(KEY)(request())
    assert signed.headers == {"X-CT-Authorization": f"CTApiKey {KEY}"}
    assert signed.url == URL


def test_the_query_form_adds_the_key_percent_encoded() -> None:
    signed = QueryKey(KEY)(request())
    assert signed.url == f"{URL}?api_key=made%20up%2Fkey%2Bwith%26signs%3D"
    assert signed.headers == {}


def test_the_query_form_comes_after_what_is_asked() -> None:
    assert QueryKey("k")(request(f"{URL}?page=2")).url == f"{URL}?page=2&api_key=k"


@settings(max_examples=100, deadline=None)
@given(key=st.text(min_size=1, max_size=40))
def test_any_key_arrives_as_it_is(key: str) -> None:
    signed = QueryKey(key)(request(f"{URL}?page=2&page_size=10"))
    assert signed.url is not None
    query = parse_qsl(urlsplit(signed.url).query, keep_blank_values=True)
    assert query == [("page", "2"), ("page_size", "10"), ("api_key", key)]


def test_a_request_without_an_address_stays_one() -> None:
    prepared = request()
    prepared.url = None
    assert QueryKey("k")(prepared).url == "?api_key=k"


def test_the_signature_is_the_one_computed_by_hand() -> None:
    signed = HmacSignature("public", "private", now=lambda: 1_700_000_000.5)(
        request(f"{URL}?page=2&page_size=10")
    )
    # printf 'GET\n\n\n1700000000500\n/v2.1/users/ada%%40example.test/rewards?page=2&page_size=10' |
    #   openssl dgst -sha256 -hmac private -hex | awk '{printf "%s", $2}' | base64 -w0
    assert signed.headers == {
        "X-CT-Authorization": f"CTApiV2Auth public:{SIGNATURE}",
        "X-CT-Timestamp": "1700000000500",
    }
    assert signed.url == f"{URL}?page=2&page_size=10"


@pytest.mark.parametrize(("method", "verb"), [("GET", "GET"), (None, "GET"), ("HEAD", "HEAD")])
def test_the_signature_covers_verb_time_path_and_query(method: str | None, verb: str) -> None:
    signed = HmacSignature("public", "private", now=lambda: 12.0)(request(f"{URL}?a=1", method))
    text = f"{verb}\n\n\n12000\n/v2.1/users/ada%40example.test/rewards?a=1".encode()
    digest = hmac.digest(b"private", text, hashlib.sha256).hex()
    spelled = base64.b64encode(digest.encode()).decode()
    assert signed.headers["X-CT-Authorization"] == f"CTApiV2Auth public:{spelled}"


@pytest.mark.parametrize(("unit", "stamp"), [("milliseconds", "12500"), ("seconds", "12")])
@pytest.mark.parametrize("form", HMAC_DIGESTS)
def test_what_the_pages_leave_open_is_as_it_was_chosen(unit: str, stamp: str, form: str) -> None:
    auth = HmacSignature("public", "private", lambda: 12.5, timestamp=unit, digest=form)
    signed = auth(request(f"{URL}?a=1"))
    text = f"GET\n\n\n{stamp}\n/v2.1/users/ada%40example.test/rewards?a=1".encode()
    digest = hmac.digest(b"private", text, hashlib.sha256)
    spelled = {
        "base64_of_hex": base64.b64encode(digest.hex().encode()).decode(),
        "base64": base64.b64encode(digest).decode(),
        "hex": digest.hex(),
    }
    assert signed.headers == {
        "X-CT-Authorization": f"CTApiV2Auth public:{spelled[form]}",
        "X-CT-Timestamp": stamp,
    }


def test_every_attempt_is_signed_anew() -> None:
    times = iter([100.0, 161.0])
    sign = HmacSignature("public", "private", now=lambda: next(times))
    first, second = sign(request()).headers, sign(request()).headers
    assert (first["X-CT-Timestamp"], second["X-CT-Timestamp"]) == ("100000", "161000")
    assert first["X-CT-Authorization"] != second["X-CT-Authorization"]


@pytest.mark.parametrize(
    "auth", [HeaderKey(KEY), QueryKey(KEY), HmacSignature(KEY, KEY)], ids=lambda a: type(a).__name__
)
def test_no_form_shows_the_key_when_printed(auth: object) -> None:
    assert KEY not in f"{auth!r} {auth}"
