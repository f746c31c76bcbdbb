"""`/metrics`: what it counts, who may read it, and that it shows no member and no secret."""

from __future__ import annotations

import resource
import subprocess
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from support.receiver import BY_KEY, BY_USER, KEY, PASSWORD, USER, Running, receiving

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OPEN = ("--metrics-allow", "127.0.0.1")
PREFIX = "crowdtwist_receiver_"
FEEDS = ("users", "activities", "redemptions", "points_expiration", "segments")
CANARY = "CANARY-of-a-member"


def text_of(running: Running, **headers: str) -> str:
    response = requests.get(running.url + "/metrics", headers=headers, timeout=10)
    assert response.status_code == 200, response.text
    return response.text


def metrics_of(running: Running) -> dict[str, dict[str, float]]:
    """The value of each metric by the value of its only label."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for family in text_string_to_metric_families(text_of(running)):
        for sample in family.samples:
            if sample.name.startswith(PREFIX) and not sample.name.endswith("_created"):
                label = "".join(sample.labels.values())
                found[sample.name.removeprefix(PREFIX)][label] = sample.value
    return found


def nonzero(values: Mapping[str, float]) -> dict[str, float]:
    return {label: value for label, value in values.items() if value}


def test_events_are_counted_by_feed_and_responses_by_status(tmp_path: Path) -> None:
    with receiving(tmp_path, *OPEN) as running:
        at_first = metrics_of(running)
        began = time.time()
        running.post("/live/users", {"id": CANARY})
        running.post("/live", [{"orderId": CANARY}, {"orderId": "8"}])
        counted = metrics_of(running)

    assert set(at_first["events_stored_total"]) == {f"live_{feed}" for feed in FEEDS}
    assert nonzero(at_first["events_stored_total"]) == {}
    assert at_first["last_sync_timestamp_seconds"] == {}
    assert nonzero(counted["events_stored_total"]) == {"live_users": 1, "live_redemptions": 2}
    assert counted["responses_total"] == {"200": 2}
    assert counted["requests_rejected_total"] == {}
    assert nonzero(counted["events_waiting"]) == nonzero(counted["bytes_waiting"]) == {}
    assert counted["failing"] == counted["disk_errors_total"] == counted["files_deleted_total"]
    assert counted["failing"] == {"": 0}
    synced = counted["last_sync_timestamp_seconds"]
    assert set(synced) == {"live_users", "live_redemptions"}
    assert all(began - 1 <= at <= time.time() for at in synced.values())


def test_rejected_requests_are_counted_by_reason_and_show_nothing_of_themselves(
    tmp_path: Path,
) -> None:
    with receiving(tmp_path, *OPEN, "--max-body", "200") as running:
        running.post(f"/live/{CANARY}", {})
        requests.put(f"{running.url}/live/users", data=CANARY, timeout=10)
        running.post("/live/users", {}, x_api_key=CANARY)
        running.post("/live/users", f"{CANARY} is not JSON".encode())
        running.post("/live/users", f'"{CANARY}"'.encode())
        running.post("/live/users", {"notes": CANARY * 20})
        running.post("/live/users", b"\x1f\x8b", Content_Encoding=CANARY)
        text = text_of(running)
        counted = metrics_of(running)

    assert counted["requests_rejected_total"] == {
        "no such path": 1,
        "method not allowed": 1,
        "unauthorized": 1,
        "the body is not JSON in UTF-8": 1,
        "the body is neither an object nor a list of objects": 1,
        "the body is larger than 200 bytes": 1,
        "content encodings are not supported": 1,
    }
    assert counted["responses_total"] == dict.fromkeys(("404", "405", "401", "413", "415"), 1) | {
        "400": 2
    }
    assert "CANARY" not in text


def test_a_full_disk_is_a_metric(tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with receiving(tmp_path, *OPEN) as running:
        pid = running.process.pid
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
        assert running.post("/live/users", {"id": 1}).status_code == 503
        full = metrics_of(running)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        while metrics_of(running)["failing"][""]:
            time.sleep(0.05)
        running.post("/live/users", {"id": 1})
        free = metrics_of(running)

    assert full["failing"] == {"": 1}
    assert full["disk_errors_total"] == {"": 1}
    assert full["requests_rejected_total"] == {"events cannot be written to disk": 1}
    assert nonzero(full["events_stored_total"]) == {}
    assert free["disk_errors_total"] == {"": 1}
    assert nonzero(free["events_stored_total"]) == {"live_users": 1}


@pytest.mark.parametrize(
    ("options", "forwarded", "status"),
    [
        ((), "", 404),
        (("--metrics-allow", "192.0.2.0/24"), "", 403),
        (("--metrics-allow", "192.0.2.0/24"), "192.0.2.7", 403),  # not from a trusted proxy
        (("--metrics-allow", "192.0.2.0/24", "--trusted-proxy", "127.0.0.1"), "192.0.2.7", 200),
        (("--metrics-allow", "127.0.0.1", "--trusted-proxy", "127.0.0.1"), "192.0.2.7", 403),
        (("--metrics-allow", "192.0.2.0/24", "--metrics-allow", "127.0.0.0/8"), "", 200),
    ],
)
def test_only_allowed_addresses_read_them(
    tmp_path: Path, options: tuple[str, ...], forwarded: str, status: int
) -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    with receiving(tmp_path, *options) as running:
        response = requests.get(running.url + "/metrics", headers=headers, timeout=10)
        with_key = requests.get(
            running.url + "/metrics", headers=headers | {"x-api-key": KEY}, timeout=10
        )
        post = running.post("/metrics", {"id": 1}, **headers)

    assert response.status_code == with_key.status_code == status
    assert (PREFIX in response.text) is (status == 200)
    assert post.status_code == (405 if options else 404)


def test_readers_of_metrics_may_not_post(tmp_path: Path) -> None:
    options = (*OPEN, "--allow", "192.0.2.0/24", "--no-authentication")
    with receiving(tmp_path, *options, secrets={}) as running:
        assert running.post("/live/users", {"id": 1}).status_code == 403
        assert nonzero(metrics_of(running)["events_stored_total"]) == {}


@pytest.mark.parametrize("secrets", [BY_KEY, BY_USER])
def test_promtool_accepts_them_and_no_secret_is_there(
    tmp_path: Path, secrets: dict[str, Any]
) -> None:
    with receiving(tmp_path, *OPEN, secrets=secrets) as running:
        requests.post(running.url + "/live", json={"id": 1}, auth=(USER, PASSWORD), timeout=10)
        text = text_of(running)
        open_metrics = text_of(running, Accept="application/openmetrics-text; version=1.0.0")
        odd = text_of(running, Accept="application/openmetrics-text; version=abc")
        head = requests.head(running.url + "/metrics", timeout=10)

    subprocess.run(["promtool", "check", "metrics"], input=text, text=True, check=True, timeout=30)
    assert "process_resident_memory_bytes" in text
    assert PREFIX in odd
    assert open_metrics.rstrip().endswith("# EOF")
    assert (head.status_code, head.text) == (200, "")
    for secret in (KEY, USER, PASSWORD, str(tmp_path)):
        assert secret not in text
