"""S3: who may read what, how a run is told who it is, and what it says when it may not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import fsspec
import pytest
from support.harness import Result, run_cli, run_process, run_tap, select
from support.pages import block
from support.push_files import (
    ANYWHERE,
    PUSH,
    ids,
    name_of,
    profiles,
    read,
    zipped,
)
from support.s3_server import SECRET, Key, Reader, S3Server, refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

pytest_plugins = ["support.s3_fixtures"]

PLACE = "s3://brand/in"
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
    assert set(server.operations()) == {"ListObjectsV2", "GetObject"}
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
    refused(roster(world, "s3://brand/roster/members.txt"), "cannot read 'members.txt'", DENIED)
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
