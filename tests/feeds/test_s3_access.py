"""S3: who may read what, how a run is told who it is, and what it says when it may not."""

from __future__ import annotations

import io
import json
import select as readiness
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import fsspec
import pytest
from dotenv import dotenv_values
from support.harness import Result, run_cli, run_process, run_tap, select
from support.object_stores import OWNER, Key, Reader, S3Server
from support.pages import block
from support.push_files import (
    ANYWHERE,
    PUSH,
    check_failure,
    ids,
    name_of,
    profiles,
    read,
    zipped,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

PLACE = "s3://brand/in"
SECRET = "canary/secret+7391"
NO_CREDENTIALS = "no AWS credentials were found; set AWS_PROFILE"
DENIED = "access denied (AccessDenied)"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as running:
        for day in (1, 2):
            running.put(f"in/{name_of('PROFILE', day)}", zipped(profiles(day)))
        running.put("roster/members.txt", b"1200001\n")
        running.publish("open-data")
        running.put(f"in/{name_of('PROFILE', 1)}", zipped(profiles(1)), "open-data")
        yield running


@pytest.fixture
def reader(server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Reader]:
    """Somebody without any credentials."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "*")
    somebody = Reader(server, monkeypatch)
    somebody.become()
    server.requests.clear()
    yield somebody
    somebody.forget()


def refused(result: Result, *said: str) -> None:
    """Not a row was read; one sentence says why, with the name of a setting and no secret."""
    check_failure(result, "Setting `", *said)
    assert not result.records
    assert SECRET not in result.stderr
    assert OWNER.secret not in result.stderr


def roster(world: Sandbox, url: str) -> Result:
    return run_tap(world, "users", user_ids=None, user_ids_path=url, code=1)


# Who it is


def test_a_profile_and_its_endpoint_are_read_from_the_files_of_aws(
    server: S3Server, reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = server.allowed("s3:ListBucket", "s3:GetObject")
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    settings = block("Who the tap is on S3", "ini")
    assert "https://" in settings
    endpoint = next(line for line in settings.splitlines() if "endpoint_url" in line)
    config.write_text(settings.replace(endpoint.partition("= ")[2], server.url), "utf-8")
    lines = ("[loyalty]", f"aws_access_key_id = {key.id}", f"aws_secret_access_key = {key.secret}")
    credentials.write_text("\n".join(lines), encoding="utf-8")
    reader.become(
        AWS_PROFILE="loyalty",
        AWS_CONFIG_FILE=str(config),
        AWS_SHARED_CREDENTIALS_FILE=str(credentials),
    )
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    result = read(PLACE)
    assert ids(result) == [1, 2]
    assert key.secret not in result.stderr
    reader.become(AWS_PROFILE="other", AWS_CONFIG_FILE=str(config))
    refused(read(PLACE, code=1), "there is no such AWS profile; check AWS_PROFILE")


def test_the_variables_of_the_page_are_enough(server: S3Server, reader: Reader) -> None:
    key = server.allowed("s3:ListBucket", "s3:GetObject")
    text = block("Who the tap is on S3", "dotenv")
    names = [line.partition("=")[0] for line in text.splitlines()]
    values = {**key.environment, "AWS_ENDPOINT_URL": server.url, "AWS_DEFAULT_REGION": "eu-west-1"}
    assert set(names) == values.keys()
    reader.become(**values)
    assert ids(read(PLACE)) == [1, 2]


def test_a_public_bucket_is_read_by_nobody_in_particular(
    server: S3Server, reader: Reader, tmp_path: Path
) -> None:
    variables = reader.become()
    name, _, value = block("Public buckets", "dotenv").strip().partition("=")
    (tmp_path / "config").write_text(json.dumps({"data_push_path": "s3://open-data/in"}))
    (tmp_path / "catalog").write_text(json.dumps(select("push_users", paths=ANYWHERE)))
    args = ("--config", tmp_path / "config", "--catalog", tmp_path / "catalog")
    # As a process of its own, since fsspec reads the variable when it is imported.
    result = run_process(*args, env={**variables, name: value}, cwd=tmp_path)
    assert ids(result) == [1], result.stderr
    assert server.operations()[0] == "ListObjectsV2"


def test_a_private_bucket_is_not_read_by_nobody(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, world: Sandbox
) -> None:
    monkeypatch.setitem(fsspec.config.conf, "s3", {"anon": True})
    reader.forget()
    refused(read(PLACE, code=1), "cannot read 's3://brand/in': access denied")
    refused(roster(world, "s3://brand/roster/members.txt"), "cannot read 'members.txt': access")


def test_without_credentials_a_run_says_how_to_give_them(
    world: Sandbox, server: S3Server, reader: Reader
) -> None:
    refused(read(PLACE, code=1), f"Setting `data_push_path`: cannot read '{PLACE}'", NO_CREDENTIALS)
    refused(roster(world, "s3://brand/roster/members.txt"), "`user_ids_path`", NO_CREDENTIALS)
    reader.become(AWS_ACCESS_KEY_ID="AKIAHALFHALFHALFHALF")
    refused(read(PLACE, code=1), "the AWS credentials are incomplete")
    assert not server.requests


# What it may do


def test_the_policy_of_the_page_is_just_enough(
    world: Sandbox, server: S3Server, reader: Reader
) -> None:
    text = block("Least permissions on S3", "json")
    policy = json.loads(text.replace("my-bucket", "brand").replace("crowdtwist/", ""))
    (listing, reading) = policy["Statement"]
    assert (listing["Action"], reading["Action"]) == ("s3:ListBucket", "s3:GetObject")
    member = world.roster()[0]
    server.put("roster/one.txt", f"{member}\n".encode())

    reader.become(server.user(policy))
    assert ids(read(PLACE)) == [1, 2]
    for pattern in ("one.txt", "o*.txt"):
        url = f"s3://brand/roster/{pattern}"
        result = run_tap(world, "users", user_ids=None, user_ids_path=url)
        assert ids(result, "users") == [int(member)]
    assert set(server.operations()) == {"ListObjectsV2", "HeadObject", "GetObject"}
    # Neither statement can be left out.
    for statement, said in ((listing, "cannot be"), (reading, f"cannot read '{PLACE}'")):
        reader.become(server.user({**policy, "Statement": [statement]}))
        refused(read(PLACE, code=1), said, DENIED)


def test_a_key_that_may_list_but_not_read_is_told_so(
    world: Sandbox, server: S3Server, reader: Reader
) -> None:
    lister = server.allowed("s3:ListBucket")
    reader.become(lister)
    refused(read(PLACE, code=1), "Setting `data_push_path`: '2_512_PROFILE_20260301.zip'", DENIED)
    refused(roster(world, "s3://brand/roster/*.txt"), "cannot read 'members.txt'", DENIED)
    # The answer to a question for its size has no body that would say more.
    refused(roster(world, "s3://brand/roster/members.txt"), "cannot read 'members.txt': access den")
    reader.become(server.allowed("s3:ListBucket", "s3:GetObject"))
    assert ids(read(PLACE)) == [1, 2]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (Key("AKIAUNKNOWNUNKNOWN00", SECRET), "access denied (InvalidAccessKeyId)"),
        (Key("", SECRET), "access denied (SignatureDoesNotMatch)"),
    ],
)
def test_a_wrong_key_is_told_of_without_it(
    world: Sandbox, server: S3Server, reader: Reader, key: Key, said: str
) -> None:
    right = server.allowed("s3:ListBucket", "s3:GetObject")
    reader.become(Key(key.id or right.id, SECRET))
    refused(read(PLACE, code=1), f"cannot read '{PLACE}': {said}")
    refused(roster(world, "s3://brand/roster/*.txt"), f"cannot open '*.txt': {said}")


def test_at_debug_no_credentials_are_logged_either(
    server: S3Server, reader: Reader, tmp_path: Path
) -> None:
    key = server.allowed("s3:ListBucket", "s3:GetObject")
    variables = reader.become(key, AWS_SESSION_TOKEN=SECRET, LOGLEVEL="DEBUG")
    (tmp_path / "config").write_text(json.dumps({"data_push_path": PLACE}))
    (tmp_path / "catalog").write_text(json.dumps(select("push_users", paths=ANYWHERE)))
    args = ("--config", tmp_path / "config", "--catalog", tmp_path / "catalog")
    result = run_process(*args, env=variables, cwd=tmp_path)
    refused(result, f"cannot read '{PLACE}': ")
    for text in (key.id, key.secret, "Signature"):
        assert text not in result.stderr
    assert "DEBUG" in result.stderr


def test_a_check_says_what_is_wrong(
    world: Sandbox, server: S3Server, reader: Reader, tmp_path: Path
) -> None:
    reader.become(server.allowed("s3:ListBucket"))
    content = {
        "api_key": world.api_key,
        "api_url": world.api_url,
        "pos_url": world.pos_url,
        "user_ids_path": "s3://brand/roster/members.txt",
        "data_push_path": "s3://brand/none",
    }
    (tmp_path / "config").write_text(json.dumps(content), encoding="utf-8")
    result = run_cli("--config", tmp_path / "config", "--test")
    assert result.exit_code == 1
    lines = {line.split()[1]: line for line in result.stdout.splitlines()}
    assert "FAIL  roster" in lines["roster"]
    assert "access denied" in lines["roster"]
    for stream in PUSH:
        assert lines[stream].startswith("FAIL")


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
        ("s3://brand/roster/", "'roster' holds no ids"),
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
    (tmp_path / "config").write_text(json.dumps({"data_push_path": "s3://bucket/in"}))
    (tmp_path / "catalog").write_text(json.dumps(select("push_users", paths=ANYWHERE)))
    code = "import sys; sys.modules['s3fs'] = None; from tap_crowdtwist.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--config", "config", "--catalog", "catalog"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    said = "Setting `data_push_path`: cannot open 's3://bucket/in': it needs what the extra `s3`"
    check_failure(Result(done.returncode, done.stdout, done.stderr), said, "tap-crowdtwist[s3]")
