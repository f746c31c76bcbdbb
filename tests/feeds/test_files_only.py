"""A user of files gives a path and nothing else, and the API's streams stay out of the way."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from support.harness import API_KEY, run_cli, run_process
from support.pages import DOCS, block
from support.push_files import PUSH

from crowdtwist_sandbox.cli import main as sandbox_command
from tap_crowdtwist.config.file_settings import FEED_PATHS
from tap_crowdtwist.streams import FILE_STREAMS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def selected(folder: Path, config: Mapping[str, Any]) -> set[str]:
    """The streams that discovery marks as selected."""
    file = folder / "config.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    result = run_cli("--config", file, "--discover")
    assert result.exit_code == 0, result.stderr
    return {
        entry["tap_stream_id"]
        for entry in json.loads(result.stdout)["streams"]
        for each in entry["metadata"]
        if not each["breadcrumb"] and each["metadata"]["selected"]
    }


def test_the_configuration_of_the_page_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (DOCS / "sandbox.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"(?m)^crowdtwist-sandbox (data-push .*)$", page)
    config = block("Files without an API key", "json")
    monkeypatch.chdir(tmp_path)
    assert sandbox_command(shlex.split(command)) == 0
    (tmp_path / "config.json").write_text(config, encoding="utf-8")

    result = run_process("--config", "config.json", cwd=tmp_path)

    assert result.exit_code == 0, result.stderr
    assert set(result.schemas) == set(PUSH)
    assert result.records["push_users"]


@pytest.mark.parametrize("path", FEED_PATHS)
@pytest.mark.parametrize("key", [{}, {"api_key": ""}, {"api_key": " "}], ids=repr)
def test_without_a_key_the_streams_of_files_are_on_alone(
    tmp_path: Path, path: str, key: dict[str, str]
) -> None:
    of_files = {stream.name for stream in FILE_STREAMS if stream.naming.setting == path}
    assert selected(tmp_path, {path: "files", **key}) == of_files


@pytest.mark.parametrize(
    "api",
    [
        {"api_key": API_KEY, "client_id": "512"},
        {"user_ids": [1]},
        {"user_ids_path": "members.csv"},
        {"sweep_members": "changed"},
        {"auth_method": "hmac", "hmac_public_key": "public", "hmac_private_key": "private"},
    ],
    ids=lambda api: next(iter(api)),
)
def test_who_gives_what_only_the_api_needs_gets_its_streams(
    tmp_path: Path, api: dict[str, Any]
) -> None:
    found = selected(tmp_path, {"data_push_path": "files", **api})
    assert found > set(PUSH)
    assert "users" in found


def test_a_key_that_got_lost_is_missed(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    settings = {"data_push_path": str(tmp_path), "user_ids": [1]}
    config.write_text(json.dumps(settings), encoding="utf-8")
    result = run_cli("--config", config)
    assert result.exit_code == 1
    assert "Setting `api_key`: is missing" in result.last_line
    assert not result.stdout
