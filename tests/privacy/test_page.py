"""What the page on privacy says of hashed data is so, and its examples work as they stand."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.harness import key_of, run_tap
from support.pages import block, section

from tap_crowdtwist.privacy.policy import Policy, public_schema

if TYPE_CHECKING:
    from crowdtwist_sandbox import Sandbox

HASH_KEY = "a long enough hash key"


def test_the_command_gives_the_hash_that_is_in_the_table(world: Sandbox) -> None:
    command = block("Find a person by hash", "console")
    address = command.split()[-1]
    (number,) = (
        row["id"] for row in world.expected_rows("users") if row["email_address"] == address
    )

    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-eu", "-c", command],
        env={**os.environ, "PATH": path, "TAP_CROWDTWIST_HASH_KEY": HASH_KEY},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
        timeout=30,
    )
    rows = run_tap(world, "users", sensitive_data="hash", hash_key=HASH_KEY).records["users"]

    found = [row["id"] for row in rows if row["email_address"] == done.stdout.strip()]
    assert found == [number]


def test_a_hash_is_that_of_the_value_that_is_emitted_without_one(world: Sandbox) -> None:
    streams = ("users", "redemptions", "purchases", "receipts")
    plain = run_tap(world, *streams).records
    hashed = run_tap(world, *streams, sensitive_data="hash", hash_key=HASH_KEY).records

    compared = set()
    for stream in streams:
        for before, after in zip(plain[stream], hashed[stream], strict=True):
            for name, value in after.items():
                if value != before[name]:
                    text = str(before[name]).encode()
                    assert value == hmac.digest(HASH_KEY.encode(), text, hashlib.sha256).hex()
                    compared.add(f"{stream}.{name}")
    assert compared >= {"users.date_of_birth", "users.gender_id", "purchases.purchase_id"}


@pytest.mark.parametrize("mode", ["hash", "drop"])
def test_columns_that_still_point_to_a_person_are_emitted_unchanged(mode: str) -> None:
    columns = set(re.findall(r"`(\w+)\.(\w+)`", section("What still points to a person")))
    columns.remove(("purchases", "purchase_id"))

    assert len(columns) > 15
    for stream, name in columns:
        kept = public_schema(stream)["properties"][name]
        emitted = public_schema(stream, Policy(mode, HASH_KEY.encode()))["properties"]
        assert emitted[name] == kept, (stream, name)


def test_the_map_replaces_a_time_by_its_month(world: Sandbox) -> None:
    maps = json.loads(block("What helps", "json"))
    plain = {key_of("users", row): row for row in run_tap(world, "users").records["users"]}

    rows = run_tap(world, "users", **maps).records["users"]

    assert rows
    for row in rows:
        assert "date_created" not in row
        assert row["month_joined"] == plain[key_of("users", row)]["date_created"][:7]
