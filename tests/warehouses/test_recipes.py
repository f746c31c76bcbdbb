"""Each recipe of the site does what it says: its fenced blocks are read from there and run."""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from support.harness import INCREMENTAL, KEYS, OFF_BY_DEFAULT, PROGRAM_STREAMS, STREAMS, TODAY
from support.pages import block, put_into_definition, put_into_env, shell
from support.push_files import PUSH
from support.warehouses import texts

from crowdtwist_sandbox import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.postgres_server import PostgresServer
    from support.warehouses import Project, Row

pytest_plugins = ["support.warehouse_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

DEFAULT = [stream for stream in STREAMS if stream not in OFF_BY_DEFAULT]
FULL_TABLES = [s for s in DEFAULT if s not in {*INCREMENTAL, *PROGRAM_STREAMS}]
SHARDED = 24
"""Enough members for each of four parts to have some."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(members=6, seed=8)) as sandbox:
        yield sandbox


def emitted(pipeline: Project, **settings: str) -> dict[str, list[Row]]:
    """The records that the tap writes under Meltano, by stream."""
    output = pipeline("invoke", "tap-crowdtwist", **settings).stdout
    return records(line for line in output.splitlines() if line.startswith('{"type"'))


def records(lines: Iterator[str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for message in map(json.loads, lines):
        if message["type"] == "RECORD":
            found[message["stream"]].append(message["record"])
    return found


class Tables:
    """The tables that the recipes load into."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        server.create_database("recipes")

    def keys(self, stream: str) -> list[str]:
        """The keys of a table's rows."""
        names = ", ".join(KEYS[stream])
        return sorted(
            self._server.query(f"SELECT {names} FROM crowdtwist.{stream}", "recipes")  # noqa: S608 - our own names
        )

    def left(self, stream: str) -> int:
        """How many rows are not marked as deleted."""
        rows = f"SELECT count(*) FROM crowdtwist.{stream} WHERE _sdc_deleted_at IS NULL"  # noqa: S608 - likewise
        return int(self._server.query(rows, "recipes")[0])

    def members(self, stream: str = "users", column: str = "id") -> list[int]:
        """The members whose rows the last run wrote."""
        return sorted({int(member) for member in self._of_last_run(stream, column)})

    def written(self, stream: str) -> int:
        """How many rows the last run wrote."""
        return len(self._of_last_run(stream, "1"))

    def _of_last_run(self, stream: str, column: str) -> list[str]:
        last = "(SELECT max(_sdc_sync_started_at) FROM crowdtwist.users)"
        rows = f"SELECT {column} FROM crowdtwist.{stream} WHERE _sdc_sync_started_at = {last}"  # noqa: S608 - likewise
        return self._server.query(rows, "recipes")


def test_from_the_first_backfill_to_several_machines(
    pipeline: Project, postgres: PostgresServer
) -> None:
    tables = Tables(postgres)
    pipeline.settings |= postgres.settings("recipes")
    main = "dev:tap-crowdtwist-to-target-postgres"
    with Sandbox(SandboxOptions(members=SHARDED, seed=8)) as sandbox:
        pipeline.read_from(sandbox)
        members = list(map(int, sandbox.roster()))
        put_into_env(pipeline, "The first backfill")
        shell(pipeline, "The first backfill")
        assert tables.members() == members
        whole = {stream: tables.keys(stream) for stream in DEFAULT}
        assert all(whole.values())

        sandbox.advance(1)
        pipeline.read_from(sandbox)
        shell(pipeline, "Each day after it")
        for stream in INCREMENTAL:
            assert tables.written(stream) < len(whole[stream]) / 2, stream
        for stream in DEFAULT:
            assert set(tables.keys(stream)) >= set(whole[stream]), stream
        state = pipeline.stored_state(main)
        entries = state["singer_state"]["bookmarks"]
        command = block("What is current", "console")
        assert pipeline.command(["sh", "-eu", "-c", command]).stdout == (
            f"{ {name: entries[name]['whole_since'] for name in entries if name in FULL_TABLES} }\n"
        )

        there = {stream: tables.left(stream) for stream in DEFAULT}
        shell(pipeline, "One member again", TAP_CROWDTWIST_VANISHED_ROWS="forget")
        assert {stream: tables.left(stream) for stream in DEFAULT} == there
        assert tables.members() == [1000003]
        assert tables.members("purchases", "user_id") == [1000003]
        assert pipeline.stored_state(main) == state

        shell(pipeline, "All over again")
        assert tables.members() == list(map(int, sandbox.roster()))
        present = {stream: tables.keys(stream) for stream in DEFAULT}

        commands = re.split(
            r"^#.*\n", block("From one machine to several", "console"), flags=re.MULTILINE
        )
        assert commands == [
            "",
            *(commands[1].replace("1/4", f"{n}/4").replace("1of4", f"{n}of4") for n in range(1, 5)),
        ]
        pipeline.command(["sh", "-eu", "-c", commands[2]])
        part = tables.members()
        assert 0 < len(part) < SHARDED / 2
        assert {stream: tables.keys(stream) for stream in DEFAULT} == present
        bookmarks = pipeline.stored_state(f"{main}:2of4")["singer_state"]["bookmarks"]
        assert bookmarks["users"]["roster"]["shard"] == "2/4"


def test_only_the_program_streams(pipeline: Project, sandbox: Sandbox) -> None:
    pipeline.read_from(sandbox)
    del pipeline.settings["TAP_CROWDTWIST_USER_IDS_PATH"]
    put_into_definition(pipeline, "Only the program streams")

    found = emitted(pipeline)

    assert set(found) == set(PROGRAM_STREAMS)
    for stream, rows in found.items():
        assert texts(stream, rows) == texts(stream, sandbox.expected_rows(stream))


def test_only_one_stream_of_the_last_year_every_night(pipeline: Project) -> None:
    title = "Only one stream"
    command = (
        block(title, "text").split(maxsplit=5)[5].replace("/srv/crowdtwist", str(pipeline.root))
    )
    (pipeline.root / ".venv").symlink_to(sys.prefix)
    pipeline.settings["TARGET_JSONL_DESTINATION_PATH"] = str(pipeline.root)
    put_into_definition(pipeline, title)
    put_into_env(pipeline, title)
    with Sandbox(SandboxOptions(members=12, seed=8, today=TODAY)) as sandbox:
        pipeline.read_from(sandbox)
        pipeline.command(["sh", "-eu", "-c", command.replace("target-postgres", "target-jsonl")])
        truth = list(sandbox.expected_rows("purchases"))

    assert [path.name for path in pipeline.root.glob("*.jsonl")] == ["purchases.jsonl"]
    lines = (pipeline.root / "purchases.jsonl").read_text(encoding="utf-8").splitlines()
    expected = [row for row in truth if row["last_date_purchased"] >= "2025-03-01"]
    assert 0 < len(expected) < len(truth)
    assert texts("purchases", map(json.loads, lines)) == texts("purchases", expected)


def test_everything_but_without_email_addresses(pipeline: Project, sandbox: Sandbox) -> None:
    pipeline.read_from(sandbox)
    put_into_definition(pipeline, "Everything, but without e-mail addresses")

    found = emitted(pipeline)

    assert set(found) == {*STREAMS, "sync_runs"}
    assert all("email_address" not in row and "first_name" in row for row in found["users"])
    assert not [address for address in sandbox.roster("email") if address in json.dumps(found)]


def test_only_profiles_that_changed(pipeline: Project, sandbox: Sandbox) -> None:
    pipeline.read_from(sandbox)
    pipeline.settings["TAP_CROWDTWIST_LOOKBACK_DAYS"] = "0"
    pipeline.settings["TARGET_JSONL_DESTINATION_PATH"] = str(pipeline.root)
    put_into_definition(pipeline, "Only profiles that changed")
    only_users = {"TAP_CROWDTWIST__SELECT": '["users.*"]'}

    pipeline("run", "tap-crowdtwist", "target-jsonl", **only_users)
    written = (pipeline.root / "users.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(written) == len(sandbox.roster())
    sandbox.reset()
    pipeline("run", "tap-crowdtwist", "target-jsonl", **only_users)

    # The sandbox lives some days in the past, so that nothing was updated since the first run.
    assert (pipeline.root / "users.jsonl").read_text(encoding="utf-8").splitlines() == written
    assert len(sandbox.requests()) == len(written)


def test_personal_data_as_hashes(pipeline: Project, sandbox: Sandbox) -> None:
    pipeline.read_from(sandbox)
    put_into_env(pipeline, "Personal data as hashes", old="…", new="0123456789abcdef" * 4)

    found = emitted(pipeline, TAP_CROWDTWIST__SELECT='["users.*"]')

    truth = {row["id"]: row for row in sandbox.expected_rows("users")}
    assert len(found["users"]) == len(truth)
    for row in found["users"]:
        before = truth[row["id"]]["email_address"]
        assert (row["email_address"] is None) == (before is None)
        assert row["email_address"] != before


def test_members_by_email_address_from_a_file(pipeline: Project, sandbox: Sandbox) -> None:
    pipeline.read_from(sandbox)
    title = "Members by e-mail address, from a file on S3"
    put_into_env(pipeline, title, old="s3://bucket", new=str(pipeline.root))
    directory = pipeline.root / "members"
    directory.mkdir()
    addresses = sandbox.roster("email")
    for number, part in enumerate((addresses[:2], addresses[2:])):
        lines = "".join(f"{n},{address}\n" for n, address in enumerate(part))
        with gzip.open(directory / f"{number}.csv.gz", "wt", encoding="utf-8") as file:
            file.write(f"no,email_address\n{lines}")

    found = emitted(pipeline, TAP_CROWDTWIST__SELECT='["users.*", "purchases.*"]')

    for stream in ("users", "purchases"):
        assert texts(stream, found[stream]) == texts(stream, sandbox.expected_rows(stream))


def test_only_the_files(pipeline: Project, sandbox: Sandbox) -> None:
    sandbox.write_data_push(pipeline.root)
    title = "Only the files"
    put_into_definition(pipeline, title)
    put_into_env(pipeline, title, old="sftp://host/crowdtwist", new=str(pipeline.root))

    found = emitted(pipeline)

    assert {"push_users", "push_user_activities"} <= set(found) <= set(PUSH)
    assert not sandbox.requests()
