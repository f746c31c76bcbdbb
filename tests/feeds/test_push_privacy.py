"""What never leaves of a Data Push file, and what leaves only as the settings say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.harness import select
from support.push_files import (
    ANYWHERE,
    FEEDS,
    PUSH,
    ROWS,
    check_valid,
    name_of,
    one,
    put,
    read,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HASH_KEY = "0123456789abcdef"


def test_credentials_never_leave(tmp_path: Path) -> None:
    row = {
        "id": "1",
        "password": "canary-1",
        "Access_Token": "canary-2",
        "profile": '{"salt": "canary-3", "team": "red"}',
        "apiKey": "canary-4",
    }
    result = one(tmp_path, table(row))
    assert "canary" not in result.stdout + result.stderr
    (record,) = result.records["push_users"]
    assert json.loads(record["additional_properties"]["profile"]) == {"team": "red"}


@pytest.mark.parametrize("value", ["canary", ""])
@pytest.mark.parametrize("spell", [str, str.lower, str.upper])
def test_documented_credentials_are_withheld_in_any_case_without_a_word(
    tmp_path: Path, spell: Callable[[str], str], value: str
) -> None:
    credentials = map(spell, ("password", "hashAlgorithmID", "Salt"))
    put(tmp_path, name_of("PROFILE", 9), table({"id": "1", **dict.fromkeys(credentials, value)}))
    put(tmp_path, name_of("PROFILE", 10), table({"id": "2", "city": "Bonn"}))
    result = read(tmp_path)
    assert "WARNING" not in result.stderr.upper()
    assert "canary" not in result.stdout + result.stderr
    assert [row["additional_properties"] for row in result.records["push_users"]] == [None, None]


def test_what_can_be_spent_stays_back_unless_asked_for(tmp_path: Path) -> None:
    content = table(ROWS["push_redemptions"])
    assert "SPEND-ME" not in one(tmp_path, content, "push_redemptions").stdout
    kept = one(tmp_path, content, "push_redemptions", spendable_values="keep")
    (record,) = kept.records["push_redemptions"]
    assert "SPEND-ME" in json.dumps(record)


@pytest.mark.parametrize("stream", PUSH)
def test_personal_columns_are_hashed_or_dropped(tmp_path: Path, stream: str) -> None:
    secrets = {"first_name": "Zelda", "email_address": "z@b.test", "third_party_id": "tp-9"}
    row = {**ROWS[stream], **secrets, "nickname": "Zel"}
    put(tmp_path, name_of(FEEDS[stream], 10), table(row))
    for mode in ("hash", "drop"):
        result = read(tmp_path, stream, sensitive_data=mode, hash_key=HASH_KEY)
        check_valid(result)
        (record,) = result.records[stream]
        for value in (*secrets.values(), "Zel"):
            assert value not in result.stdout
        known = [name for name in secrets if name in record]
        assert bool(known) is (mode == "hash")
        assert all(len(record[name]) == 64 for name in known)
        assert "additional_properties" not in record
        assert record["file_line"] == 2


def test_deselected_columns_stay_back(tmp_path: Path) -> None:
    put(tmp_path, name_of("PROFILE", 10), table({"id": 1, "city": "Bonn", "team": "red"}))
    catalog = select(paths=ANYWHERE, push_users=["id", "file_name"])
    (record,) = read(tmp_path, catalog=catalog).records["push_users"]
    assert record == {"id": 1, "file_name": "2_512_PROFILE_20260310.zip"}
