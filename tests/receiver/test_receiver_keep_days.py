"""`--keep-days`: which captures are removed, and what the tap says of it."""

from __future__ import annotations

import os
import resource
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from support.live_events import NOW, Captures
from support.receiver import BY_KEY, receiving, stored

from crowdtwist_receiver.cli import main
from crowdtwist_receiver.feeds import FEEDS
from crowdtwist_receiver.retention import remove_old_captures
from crowdtwist_receiver.stats import ReceiverStats

if TYPE_CHECKING:
    from pathlib import Path

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def capture(
    directory: Path, at: datetime, feed: str = "live_users", written: datetime | None = None
) -> Path:
    """A capture of an hour, last written to in that hour or at another time."""
    path = directory / f"{feed}-{at:%Y%m%dT%H}-0123abcd.jsonl"
    path.write_bytes(b"{}\n")
    touch(path, written or at)
    return path


def remove(directory: Path, keep_days: int) -> int:
    """Remove what is old at `NOW`; return how many files that were."""
    stats = ReceiverStats()
    remove_old_captures(directory, keep_days, stats, NOW)
    return stats.disk["removed captures"]


def touch(path: Path, at: datetime) -> None:
    os.utime(path, (at.timestamp(), at.timestamp()))


def test_captures_are_removed_that_are_that_old(tmp_path: Path) -> None:
    hour = NOW.replace(minute=0)
    old = [capture(tmp_path, NOW - 40 * DAY, feed) for feed in FEEDS]
    last_removed = capture(tmp_path, hour - 2 * DAY - 2 * timedelta(hours=1))
    first_kept = capture(tmp_path, hour - 2 * DAY - timedelta(hours=1), written=NOW - 2 * DAY)
    new = capture(tmp_path, NOW)

    removed = remove(tmp_path, 2)

    assert removed == len(old) + 1
    assert not any(path.exists() for path in (*old, last_removed))
    assert first_kept.exists()
    assert new.exists()


def test_other_files_stay_whatever_their_age(tmp_path: Path) -> None:
    old = NOW - 400 * DAY
    names = (
        "live_users-20250101T10-0123abcd.jsonl.gz",
        "live_users-20250101T10-0123abcd.jsonl.part",
        "live_users-20251399T10-0123abcd.jsonl",
        "live_users-99991231T23-0123abcd.jsonl",
        "live_users-20250101-0123abcd.jsonl",
        "users-20250101T10-0123abcd.jsonl",
        "notes.txt",
    )
    for name in names:
        (tmp_path / name).write_text("", encoding="utf-8")
        touch(tmp_path / name, old)
    inside = tmp_path / "archive"
    inside.mkdir()
    kept = capture(inside, old)

    assert remove(tmp_path, 1) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, "archive"])
    assert kept.exists()


def test_a_file_that_was_written_lately_stays_whatever_hour_it_is_named_by(tmp_path: Path) -> None:
    path = capture(tmp_path, NOW - 3000 * DAY, written=NOW - MINUTE)

    assert remove(tmp_path, 1) == 0
    assert path.exists()


def test_a_file_that_cannot_be_removed_is_reported_once_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for feed in FEEDS[:2]:  # folders cannot be unlinked
        path = tmp_path / f"{feed}-20250101T10-0123abcd.jsonl"
        path.mkdir()
        touch(path, NOW - 400 * DAY)
    old = capture(tmp_path, NOW - 5 * DAY)

    assert remove(tmp_path, 1) == 1
    assert not old.exists()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "crowdtwist-receiver: removed captures of more than 1 days ago: 1"
    assert lines[1].startswith("crowdtwist-receiver: cannot remove old captures (2 x ")
    assert len(lines) == 2


def test_a_missing_directory_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert remove(tmp_path / "gone", 1) == 0
    assert "cannot remove old captures (1 x No such file or directory)" in capsys.readouterr().err


@pytest.mark.parametrize("options", [(), ("--keep-days", "30")])
def test_a_receiver_removes_them_at_its_start_if_asked_to(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    now = datetime.now(timezone.utc)
    old, recent = capture(tmp_path, now - 32 * DAY), capture(tmp_path, now - 28 * DAY)
    recent.write_bytes(b"")
    touch(recent, now - 28 * DAY)
    with receiving(tmp_path, *options) as running:
        running.post("/live/users", {"id": 1})
        _, _, err = running.end()

    assert recent.exists()
    assert old.exists() is (not options)
    assert ("removed captures of more than 30 days ago: 1" in err) is bool(options)
    assert ("1 x removed captures" in err) is bool(options)
    old.unlink(missing_ok=True)
    assert [line.event for line in stored(tmp_path)] == [{"id": 1}]


def test_old_captures_are_removed_before_a_full_disk_ends_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = capture(tmp_path, datetime.now(timezone.utc) - 32 * DAY)
    for name, secret in BY_KEY.items():
        monkeypatch.setenv(name, secret)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        code = main(["--directory", str(tmp_path), "--keep-days", "30", "--port", "0"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert code == 1
    assert not old.exists()


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("0", "--keep-days: must be from 1 to 36500."),
        ("-1", "--keep-days: must be from 1 to 36500."),
        ("99999999999", "--keep-days: must be from 1 to 36500."),
        ("week", "Argument --keep-days: invalid int value: 'week'."),
    ],
)
def test_an_invalid_number_of_days_is_refused(
    tmp_path: Path,
    value: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, secret in BY_KEY.items():
        monkeypatch.setenv(name, secret)

    assert main(["--directory", str(tmp_path), "--keep-days", value]) == 1
    assert capsys.readouterr().err == f"crowdtwist-receiver: {sentence}\n"


WARNING = "captures may have been removed before they were read"


def test_the_tap_warns_if_captures_may_have_been_removed_unread(tmp_path: Path) -> None:
    captures = Captures(tmp_path)
    captures.add("live_users", {"id": 1})
    captures.add("live_segments", {"user_id": 1})
    first = captures.read("live_users", "live_segments", present=NOW)
    for path in tmp_path.iterdir():
        path.unlink()
    later = NOW + 4 * DAY
    captures.add("live_users", {"id": 2}, at=later)
    captures.add("live_segments", {"user_id": 2}, at=later)
    second = captures.read("live_users", "live_segments", state=first.state, present=later)
    third = captures.read("live_users", "live_segments", state=second.state, present=later)

    assert WARNING not in first.stderr
    assert second.stderr.count(WARNING) == 1
    assert "is of 2026-03-10T14 (UTC), the oldest that is left of 2026-03-14T14;" in second.stderr
    assert [row["id"] for row in second.records["live_users"]] == [2]
    assert WARNING not in third.stderr


def test_the_tap_does_not_warn_if_a_feed_is_rare(tmp_path: Path) -> None:
    """Other feeds have captures of all the time between."""
    captures = Captures(tmp_path)
    captures.add("live_segments", {"user_id": 1})
    rare = captures.path("live_segments")
    captures.add("live_users", {"id": 1}, at=NOW + 9 * DAY)
    first = captures.read("live_users", "live_segments", present=NOW + 9 * DAY)
    rare.unlink()
    captures.add("live_segments", {"user_id": 2}, at=NOW + 10 * DAY)
    second = captures.read("live_users", "live_segments", state=first.state, present=NOW + 10 * DAY)

    assert WARNING not in second.stderr
    assert [row["user_id"] for row in second.records["live_segments"]] == [2]
