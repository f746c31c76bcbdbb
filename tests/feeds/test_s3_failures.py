"""S3: what is not there, and who does not answer, is told of in one sentence; nothing is lost."""

from __future__ import annotations

import io
import json
import select as readiness
import socket
from typing import TYPE_CHECKING

import fsspec
import pytest
from dotenv import dotenv_values
from support.harness import Result, run_tap
from support.pages import block
from support.push_files import check_failure, name_of, profiles, read, run_without, zipped
from support.s3_server import SECRET, Reader, S3Server, refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

pytest_plugins = ["support.s3_fixtures"]

PLACE = "s3://brand/in"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as running:
        running.put(f"in/{name_of('PROFILE', 1)}", zipped(profiles(1)))
        running.put("roster/members.txt", b"1200001\n")
        yield running


def roster(world: Sandbox, url: str) -> Result:
    return run_tap(world, "users", user_ids=None, user_ids_path=url, code=1)


# What is not there


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://brand/nothing", "there is no folder or file 's3://brand/nothing'"),
        ("s3://brand/nothing/*.zip", "no file matches 's3://brand/nothing/*.zip'"),
        ("s3://no-bucket/in", "there is no folder or file 's3://no-bucket/in'"),
        ("s3://no-bucket/*.zip", "no file matches 's3://no-bucket/*.zip'"),
        ("s3://not a bucket/in", "the name of its bucket is not valid"),
        ("s3://", "it names no bucket"),
    ],
)
def test_a_place_that_is_not_there(server: S3Server, reader: Reader, url: str, said: str) -> None:
    anything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    reader.become(server.user({"Version": "2012-10-17", "Statement": [anything]}))
    refused(read(url, code=1), "Setting `data_push_path`: ", said)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://brand/roster/none.txt", "there is no file 'none.txt'"),
        ("s3://brand/roster/none-*.txt", "no file matches 'none-*.txt'"),
        ("s3://no-bucket/members.txt", "there is no file 'members.txt'"),
        ("s3://brand/roster/", "there is no file 'roster'"),
    ],
)
def test_a_roster_that_is_not_there(
    world: Sandbox, server: S3Server, reader: Reader, url: str, said: str
) -> None:
    anything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    reader.become(server.user({"Version": "2012-10-17", "Statement": [anything]}))
    refused(roster(world, url), "Setting `user_ids_path`: ", said)


def test_an_emptied_prefix_is_an_error_once_files_have_been_read(
    server: S3Server, reader: Reader
) -> None:
    reader.become(server.allowed("s3:ListBucket", "s3:GetObject"))
    server.put(f"spent/{name_of('PROFILE', 1)}", zipped(profiles(1)))
    server.put("spent/", b"")
    first = read("s3://brand/spent")
    server.s3.delete_object(Bucket="brand", Key=f"spent/{name_of('PROFILE', 1)}")
    second = read("s3://brand/spent", state=first.state, code=1)
    check_failure(second, "Setting `data_push_path`: ")
    bookmarks = (first.state["bookmarks"], second.state["bookmarks"])
    assert bookmarks[0] == bookmarks[1]


# No answer


def test_a_stopped_endpoint_is_told_of(world: Sandbox, server: S3Server, reader: Reader) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}"
    reader.become(server.allowed("s3:ListBucket", "s3:GetObject"), AWS_ENDPOINT_URL=nobody)
    said = "cannot connect to the server; check the network"
    refused(read(PLACE, code=1), f"cannot read '{PLACE}': {said}")
    refused(roster(world, "s3://brand/roster/members.txt"), f"cannot read 'members.txt': {said}")


def test_an_endpoint_that_is_no_url_is_told_of(server: S3Server, reader: Reader) -> None:
    reader.become(server.allowed("s3:ListBucket"), AWS_ENDPOINT_URL=f"user:{SECRET}@host")
    refused(read(PLACE, code=1), "the S3 endpoint is not a URL; check AWS_ENDPOINT_URL")


@pytest.mark.slow
def test_a_silent_endpoint_is_given_up_after_the_attempts_that_the_page_names(
    server: S3Server, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = dotenv_values(stream=io.StringIO(block("How long a run waits for S3", "dotenv")))
    options = json.loads(values["FSSPEC_S3"] or "")
    assert options["config_kwargs"]["read_timeout"] == 10
    options["config_kwargs"]["read_timeout"] = 0.1
    monkeypatch.setitem(fsspec.config.conf, "s3", options)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        reader.become(
            server.allowed("s3:ListBucket"),
            AWS_ENDPOINT_URL=f"http://127.0.0.1:{silent.getsockname()[1]}",
            AWS_MAX_ATTEMPTS=values["AWS_MAX_ATTEMPTS"] or "",
        )
        refused(read(PLACE, code=1), f"cannot read '{PLACE}': no answer in time")
        assert waiting(silent) == 10


def waiting(listener: socket.socket) -> int:
    """The number of connections that nobody has accepted."""
    number = 0
    while readiness.select([listener], [], [], 0)[0]:
        listener.accept()[0].close()
        number += 1
    return number


def test_a_missing_s3fs_is_told_of(tmp_path: Path) -> None:
    result = run_without("s3fs", "s3://bucket/in", tmp_path)
    said = "Setting `data_push_path`: cannot open 's3://bucket/in': it needs what the extra `s3`"
    check_failure(result, said, "tap-crowdtwist[s3]")
