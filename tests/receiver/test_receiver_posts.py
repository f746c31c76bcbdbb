"""What is posted is on disk, as it was sent, in the file of its feed."""

from __future__ import annotations

import json
import stat
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.receiver import KEY, Running, answer_on, head, receiving, stored

from crowdtwist_receiver.feeds import PATHS, detect_feed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACTIVITY = {"userActivityId": 1, "activityId": 2, "points": 10, "thirdPartyId": "a"}
REDEMPTION = {"orderId": "R-1", "orderDate": "1763600400", "rewardId": 3}
SEGMENT = {"user_id": 1, "type": "segment", "name": "Gold", "event": "entered"}
EXPIRATION = {"userId": 1, "messageDate": "1763600400", "inactivityExpDate": "1766192400"}
PROFILE = {"id": 1, "redeemablePoints": 10, "tierInfo": {"currentLevel": 2}, "isActive": 1}

FEEDS: list[tuple[dict[str, Any], str]] = [
    (ACTIVITY, "live_activities"),
    ({"user_activity_id": 1, "order_date": "1"}, "live_activities"),
    (REDEMPTION, "live_redemptions"),
    ({"order_id": "R-1"}, "live_redemptions"),
    (SEGMENT, "live_segments"),
    ({"type": "group", "event": "exited"}, "live_segments"),
    ({"subscription_id": 5, "event": "exited"}, "live_segments"),
    ({"subscriptionId": 5, "event": "exited"}, "live_segments"),
    ({"subscription_id": 5}, "live_users"),
    ({"type": "business", "event": "entered"}, "live_users"),
    ({"type": ["segment"], "event": "entered"}, "live_users"),
    (EXPIRATION, "live_points_expiration"),
    ({"message_date": "1", "points_expiring": 5}, "live_points_expiration"),
    ({"message_date": "1", "inactivity_exp_date": "2"}, "live_points_expiration"),
    ({"redemption_period_points_expiration": []}, "live_points_expiration"),
    ({"userId": 1, "inactivityPointsExpiration": []}, "live_points_expiration"),
    ({"expiration_date": "1", "points_expired": 5}, "live_points_expiration"),
    ({"expirationDate": "1", "lastQualifiedDate": "0"}, "live_points_expiration"),
    ({"expirationDate": "1"}, "live_users"),
    ({"tierInfo": {}, "pointsExpiring": 5}, "live_users"),
    ({"dateFbTokenExpires": "1"}, "live_users"),
    ({"messageDate": "1"}, "live_users"),
    (PROFILE, "live_users"),
    ({}, "live_users"),
]


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with receiving(tmp_path_factory.mktemp("live") / "not" / "there") as running:
        yield running
        assert running.end()[:2] == (0, "")


@pytest.fixture
def running(_running: Running) -> Running:
    """A receiver whose files are empty."""
    for path in _running.directory.iterdir():
        path.write_bytes(b"")
    return _running


@pytest.mark.parametrize(("path", "feed"), PATHS.items())
def test_each_feed_has_a_path_whatever_the_event_looks_like(
    running: Running, path: str, feed: str
) -> None:
    response = running.post(path, {"id": 7})

    assert (response.status_code, response.json()) == (200, {})
    assert response.headers["content-type"] == "application/json"
    (line,) = stored(running.directory)
    assert (line.feed, line.event) == (feed, {"id": 7})


@pytest.mark.parametrize(("event", "feed"), FEEDS)
def test_an_event_tells_its_feed(event: dict[str, Any], feed: str) -> None:
    assert detect_feed(event) == feed


def test_one_path_takes_all_feeds_and_lists_of_them(running: Running) -> None:
    events = [ACTIVITY, REDEMPTION, SEGMENT, EXPIRATION, PROFILE]

    assert running.post("/live", events).json() == {}
    assert running.post("/live", PROFILE).status_code == 200

    lines = stored(running.directory)
    assert len(lines) == 6
    assert {line.feed: line.event for line in lines} == {detect_feed(e): e for e in events}
    assert len({line.received_at for line in lines}) == 2
    assert len({line.instance for line in lines}) == 1


def test_a_list_becomes_lines_in_its_order_and_an_empty_one_none(running: Running) -> None:
    assert running.post("/live/users", []).status_code == 200
    assert stored(running.directory) == []

    assert running.post("/live/users", [{"id": n} for n in range(50)]).status_code == 200
    assert [line.event["id"] for line in stored(running.directory)] == list(range(50))


def test_lines_name_the_moment_and_files_the_hour_of_receipt(running: Running) -> None:
    before = datetime.now(timezone.utc)
    running.post("/live", PROFILE)
    after = datetime.now(timezone.utc)

    (line,) = stored(running.directory)
    moment = datetime.fromisoformat(line.received_at.replace("Z", "+00:00"))
    assert before <= moment <= after
    assert after - before < timedelta(seconds=5)
    assert line.hour == f"{moment:%Y%m%dT%H}"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b'{ "b" : 1.50,\t"a":"\\u00e9" ,"a": 1e3}', b'{ "b" : 1.50,\t"a":"\\u00e9" ,"a": 1e3}'),
        (' \r\n{"name":"Zoë 𝄞",\n\r\n "n":[1,\n2]}\n'.encode(),
         '{"name":"Zoë 𝄞",    "n":[1, 2]}'.encode()),
        (b'[\n{"a":\n1}\n]', b'{"a": 1}'),
        (b'{"n":123456789012345678901234567890}', b'{"n":123456789012345678901234567890}'),
        (b'{"t":"line\\nend \xe2\x80\xa8 \\ud834\\udd1e"}',
         b'{"t":"line\\nend \xe2\x80\xa8 \\ud834\\udd1e"}'),
        (b'\xef\xbb\xbf{"a":1}', b'{"a":1}'),
        (b'{"password":null,"salt":null,"hashAlgorithmId":null,"token_count":2}',
         b'{"password":null,"salt":null,"hashAlgorithmId":null,"token_count":2}'),
    ],
)  # fmt: skip
def test_an_event_is_kept_as_it_was_sent_but_for_line_ends(
    running: Running, sent: bytes, kept: bytes
) -> None:
    assert running.post("/live/users", sent).status_code == 200

    (line,) = stored(running.directory)
    assert line.text == kept


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b'{"id":1,"cut":"\\ud83d","kept":"\\\\ud83d \\ud83d\\ude00"}',
         {"id": 1, "cut": "\ufffd", "kept": "\\ud83d \U0001f600"}),
        (b'{"id":1,"name":"Zo\xeb"}', {"id": 1, "name": "Zo\xeb"}),
        (b'{"id":1,"note":"a\nb\x01"}', {"id": 1, "note": "a\nb\x01"}),
        (b'{"id":1,"a":NaN,"n":[-Infinity,1e999]}', {"id": 1, "a": None, "n": [None, None]}),
        (b'{"id":1}\0\0', {"id": 1}),
        (b'{"id":1,"password":"CANARY","x":NaN}', {"id": 1, "x": None}),
    ],
)  # fmt: skip
def test_an_event_that_is_not_quite_json_is_mended_rather_than_lost(
    running: Running, sent: bytes, kept: dict[str, Any]
) -> None:
    assert running.post("/live", sent).status_code == 200
    assert running.post("/live", b'[{"id":0},' + sent.rstrip(b"\0") + b"]\0").status_code == 200

    events = [line.event for line in stored(running.directory)]
    assert events == [kept, {"id": 0}, kept]
    assert all(b"CANARY" not in path.read_bytes() for path in running.directory.iterdir())


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b'{"password":"CANARY","id":1}', {"id": 1}),
        (b'{"pass\\u0077ord":"CANARY","id":1}', {"id": 1}),
        (b'{"password":"CANARY","password":null,"id":1}', {"id": 1}),
        (b'{"password":{"is":"CANARY"},"id":1}', {"id": 1}),
        (b'{"id":1,"social":[{"accessToken":"CANARY","n":1}]}', {"id": 1, "social": [{"n": 1}]}),
        (b'{"id":1,"customData":" {\\"api_key\\":\\"CANARY\\",\\"n\\":1}"}',
         {"id": 1, "customData": '{"n":1}'}),
        (b'{"id":1,"list":[["{\\"pin\\":\\"CANARY\\",\\"n\\":1}"]]}',
         {"id": 1, "list": [['{"n":1}']]}),
    ],
)  # fmt: skip
def test_what_is_named_like_a_credential_never_reaches_the_disk(
    running: Running, sent: bytes, kept: dict[str, Any]
) -> None:
    assert running.post("/live/users", b'[{"id":0},' + sent + b"]").status_code == 200

    assert [line.event for line in stored(running.directory)] == [{"id": 0}, kept]
    assert all(b"CANARY" not in path.read_bytes() for path in running.directory.iterdir())


def test_directory_and_files_are_for_their_owner_alone(running: Running) -> None:
    running.post("/live", PROFILE)

    assert stat.S_IMODE(running.directory.stat().st_mode) == 0o700
    paths = list(running.directory.iterdir())
    assert paths
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}


def test_health_tells_anybody_how_it_is_and_nothing_else(running: Running, tmp_path: Path) -> None:
    before = running.health().json()["events_stored"]
    running.post("/live", [PROFILE, ACTIVITY])

    response = running.health()
    content = response.json()
    assert response.status_code == 200
    assert content.keys() == {"status", "events_stored", "seconds_since_commit"}
    assert content["status"] == "ok"
    assert content["events_stored"] == before + 2
    assert 0 <= content["seconds_since_commit"] < 5

    with receiving(tmp_path) as fresh:
        assert fresh.health().json() == {
            "status": "ok",
            "events_stored": 0,
            "seconds_since_commit": None,
        }


def test_what_the_disk_has_is_there_before_the_answer(running: Running) -> None:
    for number in range(50):
        assert running.post("/live/users", {"id": number}).status_code == 200
        assert stored(running.directory)[-1].event == {"id": number}


def test_the_name_of_the_key_may_be_sent_in_any_case(running: Running) -> None:
    assert running.post("/live", PROFILE, X_API_KEY=KEY).status_code == 200
    assert json.loads(stored(running.directory)[0].text) == PROFILE


TOKEN = st.text("abcdefghijklmnopqrstuvwxyz+-.", min_size=1)
CHARSETS = st.sampled_from(["", "; charset=us-ascii", ';charset="x"', ";"])
LABELS = st.one_of(st.none(), st.just(""), st.builds("{}/{}{}".format, TOKEN, TOKEN, CHARSETS))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content_type=LABELS, content_encoding=st.sampled_from([None, "", "utf-8", "gzip"]))
@example(None, None)
@example("text/json", None)
@example("application/vnd.oracle+json", None)
@example("application/json; charset=us-ascii", None)
def test_no_event_is_lost_for_its_label(
    running: Running, content_type: str | None, content_encoding: str | None
) -> None:
    labels = {"Content-Type": content_type, "Content-Encoding": content_encoding}
    response = requests.post(
        running.url + "/live",
        json.dumps(PROFILE).encode(),
        headers={"x-api-key": KEY, **{k: v for k, v in labels.items() if v is not None}},
        timeout=10,
    )
    assert response.status_code == 200
    assert stored(running.directory)[-1].event == PROFILE


@pytest.mark.parametrize("path", ["/live/", "/live//", "//live", "/live/users/", "//live/users"])
def test_no_event_is_lost_for_a_slash_too_many(running: Running, path: str) -> None:
    # By hand: `requests` would mend some of them.
    with running.connect() as connection:
        connection.sendall(head(path, Content_Length="8") + b'{"id":1}')
        assert answer_on(connection)[0] == 200
    (line,) = stored(running.directory)
    assert (line.feed, line.event) == ("live_users", {"id": 1})


@pytest.mark.parametrize(
    "sent",
    [
        head("http://receiver/live/users", Content_Length="8") + b'{"id":1}',  # by way of a proxy
        head("/live/users?source=ct&x=%20", Content_Length="8") + b'{"id":1}',
        head(Content_Length="8", Expect="100-Continue") + b'{"id":1}',
        head(Transfer_Encoding="chunked") + b'8;a=b\r\n{"id":1}\r\n0\r\nX-Sum: 1\r\n\r\n',
        b"\r\n" + head(Content_Length="8") + b'{"id":1}',
        head(Content_Length="8").replace(b"HTTP/1.1", b"HTTP/1.0") + b'{"id":1}',
    ],
)
def test_whatever_http_allows_a_client_is_taken(running: Running, sent: bytes) -> None:
    with running.connect() as connection:
        connection.sendall(sent)
        assert answer_on(connection)[0] == 200
    (line,) = stored(running.directory)
    assert (line.feed, line.event) == ("live_users", {"id": 1})


def test_health_may_be_asked_for_without_a_body(running: Running) -> None:
    response = requests.head(running.url + "/health", timeout=10)

    assert (response.status_code, response.content) == (200, b"")
