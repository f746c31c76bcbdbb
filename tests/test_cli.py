"""The command line: what it takes, what it prints, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import yaml
from support.harness import API_KEY, STREAMS, config_of, run_cli, run_process, select

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from crowdtwist_sandbox import Sandbox


def test_settings_of_several_files_are_merged_the_last_one_on_top(
    tmp_path: Path, world: Sandbox
) -> None:
    base, more = tmp_path / "base.json", tmp_path / "more.json"
    base.write_text(json.dumps(config_of(world)), encoding="utf-8")
    more.write_text(json.dumps({"user_ids": [1000003]}), encoding="utf-8")
    result = run_cli("--config", base, "--config", more)
    assert result.exit_code == 0
    assert [row["id"] for row in result.records["users"]] == [1000003]


def test_a_dotenv_file_is_that_of_the_working_directory(tmp_path: Path, world: Sandbox) -> None:
    own = config_of(world)
    lines = [
        f"TAP_CROWDTWIST_{name.upper()}='{own[name]}'" for name in ("api_key", "api_url", "pos_url")
    ]
    (tmp_path / ".env").write_text("\n".join([*lines, "TAP_CROWDTWIST_USER_IDS=[1000003]"]))
    within = tmp_path / "within"
    within.mkdir()
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps(select("users")), encoding="utf-8")
    result = run_process("--config", "ENV", "--catalog", catalog, cwd=within)
    assert result.exit_code == 0, result.stderr
    assert [row["id"] for row in result.records["users"]] == [1000003]


def test_a_bad_value_in_a_dotenv_file_is_named_and_not_repeated(tmp_path: Path) -> None:
    lines = ["TAP_CROWDTWIST_MAX_RETRIES=made-up-secret", "TAP_CROWDTWIST_APIKEY=made-up-secret"]
    (tmp_path / ".env").write_text("\n".join(lines), encoding="utf-8")
    result = run_process("--config", "ENV", cwd=tmp_path)
    assert result.exit_code == 1
    assert "Setting `max_retries`: must be a whole number" in result.stderr
    (tmp_path / ".env").write_text(lines[1], encoding="utf-8")
    typo = run_process("--config", "ENV", cwd=tmp_path)
    assert "TAP_CROWDTWIST_APIKEY is not a setting of this tap" in typo.stderr
    assert "made-up-secret" not in result.stderr + typo.stderr


def test_settings_can_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, world: Sandbox, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # a .env file of whoever runs this must not count
    variables = {
        "API_KEY": API_KEY,
        "API_URL": world.api_url,
        "POS_URL": world.pos_url,
        "USER_IDS": "[1000003, 1000010]",
        "LOOKBACK_DAYS": "3",
        "MAX_MISSING_RATIO": "0.25",
        "START_DATE": "2026-01-01",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"TAP_CROWDTWIST_{name}", value)
    result = run_cli("--config", "ENV")
    assert result.exit_code == 0, result.stderr
    assert [row["id"] for row in result.records["users"]] == [1000003, 1000010]
    assert API_KEY not in result.stderr


def test_about_names_every_setting_in_every_format() -> None:
    text, as_json, markdown = (
        run_cli("--about", *form) for form in ((), ("--format=json",), ("--format=markdown",))
    )
    assert (text.exit_code, as_json.exit_code, markdown.exit_code) == (0, 0, 0)
    described = json.loads(as_json.stdout)
    settings = described["settings"]["properties"]
    assert described["name"] == "tap-crowdtwist"
    assert described["description"]
    assert len(settings) > 20
    assert {name for name, setting in settings.items() if setting.get("secret")} == {
        "api_key",
        "hash_key",
        "hmac_public_key",
        "hmac_private_key",
        "sftp_key_passphrase",
        "sftp_password",
    }
    assert all(name in about.stdout for name in settings for about in (text, markdown))


def test_discovery_needs_no_settings_and_writes_a_catalog() -> None:
    result = run_cli("--discover")
    assert result.exit_code == 0
    catalog = json.loads(result.stdout)
    names = [entry["tap_stream_id"] for entry in catalog["streams"]]
    assert names == [*sorted(STREAMS), "sync_runs"]


def test_dbt_sources_are_the_tables_and_columns_of_discovery(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    settings = {"sensitive_data": "drop", "live_push_path": str(tmp_path)}
    config.write_text(json.dumps(settings), encoding="utf-8")
    catalog = json.loads(run_cli("--config", config, "--discover").stdout)
    result = run_cli("--dbt-sources", "--config", config)
    assert result.exit_code == 0
    (source,) = yaml.safe_load(result.stdout)["sources"]
    columns = {
        table["name"]: {column["name"] for column in table["columns"]} for table in source["tables"]
    }
    assert columns == {
        entry["tap_stream_id"]: {
            *entry["schema"]["properties"],
            "_sdc_extracted_at",
            "_sdc_deleted_at",
        }
        for entry in catalog["streams"]
    }
    assert "live_users" in columns
    assert "email_address" not in columns["users"]
    users = next(table for table in source["tables"] if table["name"] == "users")
    names = [column["name"] for column in users["columns"]]
    assert len(names) == len(set(names))


def test_the_version_is_told() -> None:
    result = run_cli("--version")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("tap-crowdtwist v")


def test_a_schema_test_run_asks_for_nothing(tmp_path: Path, world: Sandbox) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(config_of(world)), encoding="utf-8")
    result = run_cli("--config", config, "--test=schema")
    assert result.exit_code == 0
    assert set(result.schemas) == {*STREAMS, "sync_runs"}
    assert world.requests() == []


def test_an_unknown_option_is_refused() -> None:
    result = run_cli("--nonsense")
    assert result.exit_code == 2
    assert "No such option" in result.last_line


def test_the_installed_command_syncs(tmp_path: Path, world: Sandbox) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(config_of(world, user_ids=[1000003])), encoding="utf-8")
    result = run_process("--config", config, cwd=tmp_path)
    assert result.exit_code == 0, result.stderr
    assert [row["id"] for row in result.records["users"]] == [1000003]


def test_the_environment_of_a_scheduler_changes_no_record(tmp_path: Path, world: Sandbox) -> None:
    # singer-io/tap-bing-ads#4, meltano/meltano#8799, scott-griffiths/bitstring#321
    config, catalog = tmp_path / "config.json", tmp_path / "catalog.json"
    config.write_text(json.dumps(config_of(world)), encoding="utf-8")
    catalog.write_text(json.dumps(select("users")), encoding="utf-8")
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    odd = {"PYTHONIOENCODING": "ascii", "TZ": "Asia/Kathmandu", "PYTHONOPTIMIZE": "2"}
    results = [
        run_process("--config", config, "--catalog", catalog, env=env)
        for env in ({}, ascii_only | odd)
    ]
    assert [result.exit_code for result in results] == [0, 0]
    assert results[0].records["users"] == results[1].records["users"]
