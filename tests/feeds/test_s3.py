"""S3, by a real API on loopback: files are listed and read, and only what is new is read again."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from typing import TYPE_CHECKING

import pytest
from support.harness import run_tap
from support.live_events import NOW, Captures
from support.push_files import BATCH, ids, name_of, profiles, read, zipped
from support.s3_server import PART_BYTES, Reader, S3Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

GET = "GetObject"
LIST = "ListObjectsV2"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as running:
        yield running


@pytest.fixture(scope="module")
def _reader(server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Somebody who may list and read the bucket, with the same connections for all tests."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        somebody = Reader(server, monkeypatch)
        somebody.become(server.allowed("s3:ListBucket", "s3:GetObject"))
        yield somebody
        somebody.forget()


@pytest.fixture
def reader(server: S3Server, _reader: Reader) -> Reader:
    """That somebody, who has asked nothing yet."""
    server.requests.clear()
    return _reader


@pytest.fixture
def folder(server: S3Server, reader: Reader, request: pytest.FixtureRequest) -> str:
    """A prefix of the test's own, with the files of two days."""
    del reader
    prefix = re.sub(r"\W", "-", request.node.name)
    for day in (1, 2):
        put(server, prefix, day, day)
    return prefix


def put(server: S3Server, prefix: str, day: int, *numbers: int) -> str:
    """Put the profile file of a day, and return its key."""
    key = f"{prefix}/{name_of('PROFILE', day)}"
    server.put(key, zipped(profiles(*numbers)))
    return key


def url(path: str) -> str:
    return f"s3://brand/{path}"


# Rosters


@pytest.mark.parametrize("pattern", ["members.txt", "members.csv.gz", "*.csv.gz"])
def test_a_roster_is_read(world: Sandbox, server: S3Server, reader: Reader, pattern: str) -> None:
    del reader
    members = world.roster()[:2]
    prefix = f"roster-{len(pattern)}"
    text = "\n".join(map(str, members))
    if not pattern.endswith(".gz"):
        server.put(f"{prefix}/members.txt", text.encode())
    if pattern.endswith(".gz"):
        server.put(f"{prefix}/members.csv.gz", gzip.compress(f"id\n{text}\n".encode()))
    result = run_tap(world, "users", user_ids=None, user_ids_path=url(f"{prefix}/{pattern}"))
    assert ids(result, "users") == [int(member) for member in members]
    assert server.operations() == ([LIST, GET] if "*" in pattern else [GET])


def test_a_roster_of_a_pattern_that_begins_with_a_name_costs_more(
    world: Sandbox, server: S3Server, reader: Reader
) -> None:
    del reader
    server.put("named/members-1.txt", str(world.roster()[0]).encode())
    run_tap(world, "users", user_ids=None, user_ids_path=url("named/members-*"))
    # fsspec lists by the beginning of the name, and does not keep what it was told.
    assert server.operations() == [LIST, LIST, GET]


def test_several_rosters_are_read(world: Sandbox, server: S3Server, reader: Reader) -> None:
    del reader
    members = world.roster()[:3]
    for number, member in enumerate(members):
        server.put(f"rosters/part {number}+%.txt", f"{member}\n".encode())
    result = run_tap(world, "users", user_ids=None, user_ids_path=url("rosters/*.txt"))
    assert ids(result, "users") == [int(member) for member in members]
    assert server.operations() == [LIST, GET, GET, GET]


# Data Push


@pytest.mark.parametrize("pattern", ["/", "/2_*_PROFILE_*"])
def test_a_second_run_reads_only_what_is_new(server: S3Server, folder: str, pattern: str) -> None:
    place = url(folder) + pattern
    first = read(place)
    assert ids(first) == [1, 2]
    put(server, folder, 3, 3)
    assert server.operations() == [LIST, GET, GET]
    second = read(place, state=first.state)
    assert ids(second) == [3]
    assert server.operations() == [LIST, GET]
    assert not ids(read(place, state=second.state))
    assert server.operations() == [LIST]


def test_a_changed_object_is_read_again(server: S3Server, folder: str) -> None:
    first = read(url(folder))
    changed = put(server, folder, 1, 8)
    second = read(url(folder), state=first.state)
    # Day 2 is read again too, since its rows are newer than those of the changed file.
    assert ids(second) == [8, 2]
    server.put(changed, zipped(profiles(8)))  # the same content, at another time
    assert not ids(read(url(folder), state=second.state))


def test_the_same_content_uploaded_in_other_parts_is_read_again_once(
    server: S3Server, reader: Reader
) -> None:
    del reader
    content, key = big_zip(), f"parts/{name_of('PROFILE', 1)}"
    server.put(key, content)
    first = read(url("parts"))
    assert ids(first) == [1]
    etag = server.put_in_parts(key, [content[:PART_BYTES], content[PART_BYTES:]])
    assert etag.endswith('-2"')  # not a digest of the content, but one of the parts' digests
    second = read(url("parts"), state=first.state)
    assert ids(second) == [1]
    assert ids(read(url("parts"), state=second.state)) == []
    server.put_in_parts(key, [content[:PART_BYTES], content[PART_BYTES:]])  # the same parts
    assert ids(read(url("parts"), state=second.state)) == []


def big_zip() -> bytes:
    """A zip of profiles that is too large for one part of an upload."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("2_512_PROFILE.csv", profiles(1))
        archive.writestr("padding.bin", bytes(PART_BYTES))
    return packed.getvalue()


def test_keys_may_have_any_characters(server: S3Server, reader: Reader) -> None:
    del reader
    names = ["a b", "Łódź", "a+b", "100%", "%20", "a&b=c", "a'b\"c", "~(x)"]
    keys = [put(server, f"odd/{name}", day, day) for day, name in enumerate(names, start=1)]
    assert ids(read(url("odd"))) == list(range(1, len(names) + 1))
    for day, key in enumerate(keys, start=1):
        assert ids(read(url(key))) == [day], key
    assert ids(read(url("odd/a+b/*.zip"))) == [3]


def test_the_line_that_is_not_text_is_found(server: S3Server, reader: Reader) -> None:
    del reader
    server.put(f"text/{name_of('PROFILE', 1, 'csv')}", b"id,first_name\n1,Zo\xc3\xab\n2,\xff\n")
    result = read(url("text"), code=1)
    assert "line 3" in result.last_line
    assert "is not UTF-8 text" in result.last_line


def test_objects_that_stand_for_folders_are_no_files(server: S3Server, folder: str) -> None:
    server.put(f"{folder}/", b"")
    server.put(f"{folder}/2026/", b"")
    server.put(f"{folder}/.parts/{name_of('PROFILE', 3)}", b"unfinished")
    put(server, f"{folder}/2026", 4, 4)
    result = read(url(folder))
    assert ids(result) == [1, 2, 4]
    assert "ignored" not in result.stderr


def test_a_listing_of_several_pages_is_read_whole(
    server: S3Server, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")  # AWS's is 1,000
    for day in range(3, 8):
        put(server, folder, day, day)
    first = read(url(folder))
    assert ids(first) == list(range(1, 8))
    assert server.operations()[:3] == [LIST] * 3
    assert ids(read(url(folder), state=first.state)) == []
    assert server.operations() == [LIST] * 3


def test_a_file_whose_answer_breaks_off_is_read_whole(server: S3Server, folder: str) -> None:
    key = put(server, folder, 3, *range(1000, 3000))
    server.cut.add(f"/{server.bucket}/{key}")
    assert ids(read(url(folder))) == [1, 2, *range(1000, 3000)]
    assert not server.cut


def test_a_file_that_cannot_be_fetched_is_read_by_the_next_run(
    server: S3Server, folder: str
) -> None:
    key = put(server, folder, 3, 3)
    server.failing.add(f"/{server.bucket}/{key}")
    first = read(url(folder), code=1)
    assert ids(first) == [1, 2]
    assert "Traceback" not in first.stderr
    assert "Setting `data_push_path`: '2_512_PROFILE_20260303.zip' cannot be" in first.last_line
    server.failing.clear()
    assert ids(read(url(folder), state=first.state)) == [3]


# Batch activity and Live Push


def test_a_file_of_credits_is_read(server: S3Server, reader: Reader) -> None:
    del reader
    line = b"a@b.test|12|tp-1|ann|5|-25|1773057600\n"
    server.put("credits/activities_512_20260310010203.txt", line * 2)
    result = read(url("credits"), BATCH, setting="batch_activity_path")
    assert [record["file_line"] for record in result.records[BATCH]] == [1, 2]


def test_of_a_capture_that_grew_only_the_new_events_are_read(
    server: S3Server, reader: Reader, tmp_path: Path
) -> None:
    del reader
    captures = Captures(tmp_path, {"live_push_path": url("live")})
    captures.add("live_users", {"id": 1}, {"id": 2}, rest='{"received_at": "2026-')
    key = f"live/{captures.path('live_users').name}"
    server.put(key, captures.path("live_users").read_bytes())
    first = captures.read("live_users", present=NOW)
    assert ids(first, "live_users") == [1, 2]
    assert server.operations() == [LIST, GET]
    captures.path("live_users").write_text("")
    captures.add("live_users", {"id": 1}, {"id": 2}, {"id": 3})
    server.put(key, captures.path("live_users").read_bytes())
    second = captures.read("live_users", present=NOW, state=first.state)
    assert ids(second, "live_users") == [3]
    server.requests.clear()
    assert not ids(captures.read("live_users", present=NOW, state=second.state), "live_users")
    assert server.operations() == [LIST]
