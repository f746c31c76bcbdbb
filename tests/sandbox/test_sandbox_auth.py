"""Who may ask: the key in the query or the header, or a signed request."""

from __future__ import annotations

import time
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
import requests
from support.sandbox_client import FIRST_ID, KEY, Client, sandbox

from crowdtwist_sandbox.auth import DIGESTS, TIMESTAMPS, is_signed, signature
from crowdtwist_sandbox.http_exchange import Request

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with sandbox(drift=False) as running, requests.Session() as session:
        yield Client(running, session)


def test_the_main_host_takes_the_key_in_query_or_header(client: Client) -> None:
    url = f"{client.sandbox.api_url}/v2/users/{FIRST_ID}"
    header = {"X-CT-Authorization": f"CTApiKey {KEY}"}
    assert client.session.get(url, params={"api_key": KEY}).status_code == 200
    assert client.session.get(url, headers=header).status_code == 200


def test_the_pos_host_takes_the_key_in_the_header_only(client: Client) -> None:
    url = f"{client.sandbox.pos_url}/users/{FIRST_ID}/purchases"
    assert client.session.get(url, params={"api_key": KEY}).status_code == 403
    assert client.get(f"/users/{FIRST_ID}/purchases", pos=True).status_code == 200


def test_a_wrong_or_missing_key_is_invalid_auth(client: Client) -> None:
    for pos, path in ((False, f"/v2/users/{FIRST_ID}"), (True, f"/users/{FIRST_ID}/purchases")):
        for key in ("wrong", "", "ключ".encode().decode("latin-1")):
            response = client.get(path, pos=pos, key=key)
            assert response.status_code == 403
            assert response.json()["error"] == "invalid_auth"
    bare = client.session.get(f"{client.sandbox.api_url}/v2/users/{FIRST_ID}?api_key=%00")
    assert bare.status_code == 403


def test_hmac_replaces_the_key_on_the_main_host() -> None:
    options: dict[str, Any] = {"hmac_public_key": "public", "hmac_private_key": "private"}
    with sandbox(**options) as running, requests.Session() as session:
        client = Client(running, session)
        uri = f"/v2.1/users/{FIRST_ID}/badges?page=1&page_size=5"
        assert client.get(uri).status_code == 403
        now = str(int(time.time() * 1000))
        signed = {
            "X-CT-Timestamp": now,
            "X-CT-Authorization": "CTApiV2Auth public:" + signature("private", "GET", now, uri),
        }
        assert session.get(running.api_url + uri, headers=signed).status_code == 200
        assert session.get(running.api_url + uri + "0", headers=signed).status_code == 403
        assert client.get(f"/users/{FIRST_ID}/purchases", pos=True).status_code == 200


@pytest.mark.parametrize(("age", "valid"), [(0, True), (899, True), (901, False), (-901, False)])
def test_a_signature_is_valid_for_fifteen_minutes(age: int, valid: bool) -> None:  # noqa: FBT001
    stamp = str(1_773_000_000_000)
    text = f"CTApiV2Auth public:{signature('private', 'GET', stamp, '/x')}"
    headers = [(b"x-ct-authorization", text.encode()), (b"x-ct-timestamp", stamp.encode())]
    request = Request({"method": "GET", "raw_path": b"/x", "query_string": b"", "headers": headers})
    assert is_signed(request, "public", "private", lambda: 1_773_000_000 + age) is valid


def test_a_signature_is_hex_in_base64_over_the_documented_lines() -> None:
    # computed with openssl: dgst -sha256 -hmac private, then base64 of the hex text
    expected = (
        "N2U3ZmRlZWM5OTIxNGMzZTMwMDZhOGJhNTE5OTQ2NzZkMTZjMmNiNjE4ZTRjYzAzNTQ0MGYxMTNjMWQzZmQ1MQ=="
    )
    assert signature("private", "GET", "1773000000000", "/v2/users/1?a=b") == expected


@pytest.mark.parametrize("unit", TIMESTAMPS)
@pytest.mark.parametrize("digest", DIGESTS)
def test_a_sandbox_takes_only_the_form_it_was_told(unit: str, digest: str) -> None:
    options: dict[str, Any] = {
        "hmac_public_key": "public",
        "hmac_private_key": "private",
        "hmac_timestamp": unit,
        "hmac_digest": digest,
    }
    uri = f"/v2/users/{FIRST_ID}"
    taken = []
    with sandbox(**options) as running, requests.Session() as session:
        for form in product(TIMESTAMPS, DIGESTS):
            stamp = str(int(time.time() * TIMESTAMPS[form[0]]))
            text = signature("private", "GET", stamp, uri, form[1])
            headers = {"X-CT-Timestamp": stamp, "X-CT-Authorization": f"CTApiV2Auth public:{text}"}
            if session.get(running.api_url + uri, headers=headers).status_code == 200:
                taken.append(form)
    assert taken == [(unit, digest)]
