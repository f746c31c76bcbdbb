"""The page on configuration says what the settings are; its examples run as they stand."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from support.harness import config_of, run_cli, run_tap, sandbox, select
from support.pages import DOCS, block, blocks, section

from scripts import parts, settings
from tap_crowdtwist.config.schema import CONFIG_SCHEMA
from tap_crowdtwist.config.settings import Settings
from tap_crowdtwist.config.validation import validate
from tap_crowdtwist.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crowdtwist_sandbox import Sandbox


def test_every_setting_is_in_one_group_in_the_order_of_the_page() -> None:
    page = (DOCS / "configuration.md").read_text("utf-8")
    grouped = [name for names in settings.GROUPS.values() for name in names]

    assert sorted(grouped) == sorted(parts.own_settings())
    assert re.findall(r"^### `(\w+)`$", page, re.MULTILINE) == grouped
    for title, names in settings.GROUPS.items():
        group = page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
        assert re.findall(r"^### `(\w+)`$", group, re.MULTILINE) == list(names), title


@pytest.mark.parametrize("name", parts.own_settings())
def test_the_page_says_of_a_setting_what_its_declaration_says(name: str) -> None:
    schema = parts.own_settings()[name]
    text = " ".join(section(f"`{name}`\n").split())
    values = [value for value in schema.get("enum", ()) if value is not None]

    assert schema["description"] in text
    assert all(f"`{value}`" in text for value in values)
    assert ("Secret." in text) is bool(schema.get("secret"))
    default = re.findall(r"Default: `(.*?)`\.", text)
    assert default == ([str(schema["default"])] if schema.get("default") is not None else [])
    for limit in {"minimum", "maximum"} & schema.keys():
        assert f"{schema[limit]:,}" in text


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("api_key", {}),
        ("client_id", {}),
        ("hmac_public_key", {"auth_method": "hmac", "hmac_private_key": "x"}),
        ("hmac_private_key", {"auth_method": "hmac", "hmac_public_key": "x"}),
        ("data_push_path", {"sweep_members": "changed"}),
        ("hash_key", {"sensitive_data": "drop"}),
    ],
)
def test_the_page_says_which_settings_are_required(name: str, others: dict[str, str]) -> None:
    config = {"api_key": "x", "client_id": "512", **others, name: None}
    validate(config, CONFIG_SCHEMA)
    with pytest.raises(SettingError) as caught:
        Settings.from_config(config)

    assert caught.value.setting == name
    text = section(f"`{name}`\n")
    assert "equired" in text
    assert all(f"`{other}`" in text for other in {"auth_method", "sweep_members"} & others.keys())


def test_the_page_names_every_setting_of_the_sdk() -> None:
    text = section("Stream maps and flattening")

    assert all(f"`{name}`" in text for name in parts.all_settings().keys() - parts.own_settings())


@pytest.fixture(scope="module")
def program() -> Iterator[Sandbox]:
    """A sandbox with the key of the page's examples."""
    with sandbox(api_key=json.loads(block("In a JSON file", "json"))["api_key"]) as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize(
    ("title", "number"),
    [
        ("In a file .env", 0),
        ("In environment variables", 0),
        ("In a JSON file", 0),
        ("In a JSON file", 1),
    ],
)
def test_settings_are_read_as_the_page_writes_them(
    program: Sandbox, tmp_path: Path, title: str, number: int
) -> None:
    member = int(program.roster()[0])
    (tmp_path / "members.csv").write_text(f"id\n{member}\n", encoding="utf-8")
    hosts = {"api_url": program.api_url, "pos_url": program.pos_url}
    if title == "In a JSON file":
        config = json.loads(block(title, "json")) | hosts
        if number == 1:
            del config["api_key"]
        (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if title == "In a file .env":
        (tmp_path / ".env").write_text(block(title, "dotenv"), encoding="utf-8")
    around = {name: value for name, value in os.environ.items() if "CROWDTWIST" not in name}
    variables = {f"TAP_CROWDTWIST_{name.upper()}": url for name, url in hosts.items()}

    done = subprocess.run(
        ["sh", "-eu", "-c", blocks(title, "console")[number]],
        cwd=tmp_path,
        env={**around, **variables, "PATH": f"{Path(sys.executable).parent}:{around['PATH']}"},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    messages = map(json.loads, done.stdout.splitlines())
    assert [
        m["record"]["id"] for m in messages if m.get("stream") == "users" and "record" in m
    ] == [member]


def test_the_lines_for_meltano_are_settings() -> None:
    config = yaml.safe_load(block("In meltano.yml", "yaml"))["config"]
    assert config

    validate(config, CONFIG_SCHEMA)


def test_a_dotenv_file_counts_before_a_variable_and_a_variable_before_a_file(
    program: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = map(int, program.roster()[:3])
    config = config_of(program, user_ids=[third])
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "catalog.json").write_text(json.dumps(select("users")), encoding="utf-8")
    args = ["--config=config.json", "--config=ENV", "--catalog=catalog.json"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAP_CROWDTWIST_USER_IDS", f"[{second}]")

    without = run_cli(*args)
    (tmp_path / ".env").write_text(f"TAP_CROWDTWIST_USER_IDS='[{first}]'\n", encoding="utf-8")
    with_dotenv = run_cli(*args)

    assert [row["id"] for row in without.records["users"]] == [second]
    assert [row["id"] for row in with_dotenv.records["users"]] == [first]


def test_the_example_of_stream_maps_and_flattening_runs(program: Sandbox) -> None:
    config = json.loads(block("Stream maps and flattening", "json"))

    rows = run_tap(program, "users", **config).records["users"]

    expected = {row["id"]: row for row in program.expected_rows("users") if row["is_active"]}
    assert {row["id"] for row in rows} == expected.keys()
    for row in rows:
        address = expected[row["id"]]["email_address"]
        digest = (
            hashlib.md5(address.encode(), usedforsecurity=False).hexdigest() if address else None
        )
        assert row["email_address"] == digest
        assert row["program"] == "acme"
        assert "tier_info__tier_score" in row
