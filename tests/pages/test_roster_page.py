"""What the page on the roster shows of files is read as it says."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dotenv import dotenv_values
from support.harness import run_tap, sandbox
from support.pages import DOCS, block, blocks

from tap_crowdtwist.members import roster_files

PAGE = (DOCS / "roster.md").read_text(encoding="utf-8")


def sample(title: str) -> str:
    """The lines that the page shows for a kind of file."""
    _, _, text = PAGE.partition(f"\n{title}")
    indented = text.partition("```text\n")[2].partition("  ```")[0]
    return "".join(line[2:] + "\n" for line in indented.splitlines())


def settings_of(title: str) -> dict[str, Any]:
    """The settings that the page shows under a title."""
    values = dotenv_values(stream=io.StringIO(block(title, "dotenv")))
    return {name.removeprefix("TAP_CROWDTWIST_").lower(): value for name, value in values.items()}


def test_one_member_is_enough_for_a_first_try(tmp_path: Path) -> None:
    commands = block("Try it with one member", "console")
    programs = str(Path(sys.executable).parent)
    with sandbox() as running:
        address = running.roster("email")[0]
        own = {"API_KEY": running.api_key, "API_URL": running.api_url, "POS_URL": running.pos_url}
        env = "".join(f"TAP_CROWDTWIST_{name}={value}\n" for name, value in own.items())
        # What the quick start has left behind.
        (roster,) = blocks("Step 3: fill in the settings", "dotenv")[0].splitlines()[2:]
        env += f"{roster}\n"
        (tmp_path / "members.csv").write_text(block("Step 2: list the members", "text"))
        edited = block("Try it with one member", "dotenv")
        assert edited == f"#{roster}\n"
        (tmp_path / ".env").write_text(env.replace(f"{roster}\n", edited), encoding="utf-8")
        done = subprocess.run(
            ["sh", "-eu", "-c", commands.replace("ada@example.com", address)],
            cwd=tmp_path,
            env={"PATH": os.pathsep.join([programs, os.environ["PATH"]])},
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert "1 members to read" in done.stdout
    lines = (tmp_path / "ada.singer").read_text(encoding="utf-8").splitlines()
    messages = [json.loads(line) for line in lines]
    (user,) = [m["record"] for m in messages if m["type"] == "RECORD" and m["stream"] == "users"]
    assert user["email_address"] == address
    assert isinstance(user["id"], int)


@pytest.mark.parametrize(("title", "name"), [("CSV", "m.csv"), ("JSON lines", "m.jsonl")])
def test_the_files_on_the_page_are_read(tmp_path: Path, title: str, name: str) -> None:
    path = tmp_path / name
    path.write_text(sample(title), encoding="utf-8")

    found = roster_files.located_in_files(str(path), "id")

    assert [member for _, member in found] == [1000003, 1000010]


def test_a_bad_line_stops_the_run_before_the_first_request(tmp_path: Path) -> None:
    roster = tmp_path / "members.csv"
    roster.write_text("name,id\nAda,1\nBen,\nClo,2\nDan\n", encoding="utf-8")
    with sandbox() as running:
        result = run_tap(running, user_ids=None, user_ids_path=str(roster), code=1)

        assert result.last_line.endswith(block("A bad line stops the run", "text").strip())
        assert not result.stdout
        assert not running.requests()


def test_a_roster_from_duckdb_has_each_address_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE customers AS SELECT unnest(['a@b.test', NULL, 'a@b.test', '-']) AS email"
        )
        connection.execute(block("From a table in DuckDB", "sql"))

    found = roster_files.located_in_files("members.csv", "email")

    assert [member for _, member in found] == ["a@b.test"]


def test_the_profile_files_of_data_push_are_a_roster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = settings_of("From Data Push files")
    with sandbox() as running:
        for _ in range(2):
            running.advance()
            running.write_data_push(tmp_path / "data_push")
        files = run_tap(running, "push_users", data_push_path=str(tmp_path / "data_push"))
        changed = [row["id"] for row in files.records["push_users"]]
        read = run_tap(running, "users", user_ids=None, max_missing_ratio=1, **settings)
        known = set(map(int, running.roster()))

    assert len(set(changed)) < len(changed)
    assert [row["id"] for row in read.records["users"]] == sorted(set(changed) & known)


def test_customers_who_are_no_members_are_counted_and_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = settings_of("From a CRM export")
    settings["max_missing_ratio"] = float(settings["max_missing_ratio"])
    strangers = [f"nobody+{number}@example.test" for number in range(60)]
    with sandbox(members=30) as running:
        addresses = running.roster("email")
        rows = "".join(f"x,{address}\n" for address in [*addresses, "", *strangers])
        customers = Path(settings["user_ids_path"])
        customers.write_text(f"Name,Private E-Mail\n{rows}", encoding="utf-8")
        stopped = run_tap(running, "users", user_ids=None, **settings, code=1)
        assert "have no id" in stopped.last_line or "has no id" in stopped.last_line
        duckdb.sql(block("Customers without an address", "sql"))
        settings["user_ids_path"] = "customers-with-address.csv"

        result = run_tap(running, "users", user_ids=None, **settings)
        refused = run_tap(
            running, "users", user_ids=None, **{**settings, "max_missing_ratio": 0.5}, code=1
        )

    found = {row["email_address"] for row in result.records["users"]}
    assert found == set(addresses)
    missing = Path(settings["missing_members_path"]).read_text(encoding="utf-8").splitlines()
    assert missing == ["email", *sorted(strangers)]
    assert "Setting `id_type`" in refused.last_line
