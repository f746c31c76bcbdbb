"""The built wheel, installed alone and away from the sources, is a working tap."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support.packages import build_packages, run, uv_settings

from crowdtwist_sandbox import Sandbox, SandboxOptions
from tap_crowdtwist import schemas
from tap_crowdtwist.config.file_settings import FEED_PATHS

pytestmark = pytest.mark.timeout(240)

PACKAGES = {"tap_crowdtwist", "crowdtwist_receiver", "crowdtwist_report", "crowdtwist_sandbox"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist that was built from the checkout."""
    target = tmp_path_factory.mktemp("dist")
    return build_packages(target)


@pytest.fixture(scope="module")
def bin_directory(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of an environment with nothing but the wheel and what it requires."""
    home = tmp_path_factory.mktemp("installed")
    uv = [sys.executable, "-m", "uv"]
    run([*uv, "venv", "--python", sys.executable, home / "venv"], home)
    python = home / "venv" / "bin" / "python"
    # In a third of pip's time; `tests/test_installation.py` installs with pip.
    run([*uv, "pip", "install", "--python", python, wheel], home, uv_settings(home / "uv"))
    return python.parent


def test_wheel_holds_the_schemas_the_types_and_the_licence_only(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

    assert {f"tap_crowdtwist/schemas/{stream}.json" for stream in schemas.names()} <= names
    assert {f"{name}/py.typed" for name in PACKAGES} <= names
    assert {f"crowdtwist_report/templates/report.{kind}.j2" for kind in ("html", "css")} <= names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == PACKAGES


def test_about_and_discovery_need_no_extra(bin_directory: Path, tmp_path: Path) -> None:
    about = json.loads(
        run([bin_directory / "tap-crowdtwist", "--about", "--format=json"], tmp_path)
    )
    assert about["name"] == "tap-crowdtwist"
    assert about["version"] == "0.1.0"

    feeds = dict.fromkeys(FEED_PATHS, "nowhere")
    config = write_config(tmp_path, api_key="unused", client_id="512", **feeds)
    catalog = json.loads(
        run([bin_directory / "tap-crowdtwist", "--config", config, "--discover"], tmp_path)
    )
    assert sorted(stream["stream"] for stream in catalog["streams"]) == list(schemas.names())

    python = str(bin_directory / "python")
    listed = ["-m", "uv", "pip", "list", "--format=freeze", "--python", python]
    installed = run([sys.executable, *listed], tmp_path)
    names = {line.partition("==")[0].lower() for line in installed.splitlines()}
    assert not names & {"starlette", "uvicorn", "meltano", "duckdb", "pytest"}


def test_the_conformance_check_needs_no_extra(bin_directory: Path, tmp_path: Path) -> None:
    said = run([bin_directory / "crowdtwist-conformance", "--help"], tmp_path)
    assert "--report FILE" in said
    run([bin_directory / "crowdtwist-conformance"], tmp_path, code=1)


@pytest.mark.parametrize("name", ["receiver", "report", "sandbox"])
def test_a_command_says_which_extra_it_needs(bin_directory: Path, name: str) -> None:
    done = subprocess.run(
        [bin_directory / f"crowdtwist-{name}", "--help"],
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )

    assert done.returncode == 1
    assert done.stderr == (
        f"crowdtwist-{name}: needs what the extra `{name}` installs: "
        f"pip install 'tap-crowdtwist[{name}]'\n"
    )


def test_tap_syncs_without_the_sources(bin_directory: Path, tmp_path: Path) -> None:
    where = run(
        [bin_directory / "python", "-c", "import tap_crowdtwist as t; print(t.__file__)"], tmp_path
    )
    assert Path(where.strip()).is_relative_to(bin_directory.parent)

    with Sandbox(SandboxOptions(members=3)) as sandbox:
        config = write_config(
            tmp_path,
            api_key=sandbox.api_key,
            api_url=sandbox.api_url,
            pos_url=sandbox.pos_url,
            user_ids=sandbox.roster(),
        )
        output = run([bin_directory / "tap-crowdtwist", "--config", config], tmp_path)
        members = {row["id"] for row in sandbox.expected_rows("users")}

    messages = [json.loads(line) for line in output.splitlines()]
    records = [message for message in messages if message["type"] == "RECORD"]
    assert {m["record"]["id"] for m in records if m["stream"] == "users"} == members
    assert messages[-1]["type"] == "STATE"


def write_config(directory: Path, **settings: Any) -> Path:
    path = directory / "config.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    return path
