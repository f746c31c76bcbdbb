"""The built wheel, installed alone and away from the sources, is a working tap."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from support.packages import build_packages, run, uv_settings
from support.pages import block

from crowdtwist_sandbox import Sandbox, SandboxOptions
from tap_crowdtwist import schemas
from tap_crowdtwist.config.file_settings import FEED_PATHS

pytestmark = pytest.mark.timeout(240)

VERSION = version("tap-crowdtwist")
PACKAGES = {"tap_crowdtwist", "crowdtwist_receiver", "crowdtwist_report", "crowdtwist_sandbox"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist that was built from the checkout."""
    target = tmp_path_factory.mktemp("dist")
    return build_packages(target)


@pytest.fixture(scope="module")
def uv_cache(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What uv needs to know, with one cache for all that these tests install."""
    return uv_settings(tmp_path_factory.mktemp("uv"))


@pytest.fixture(scope="module")
def bin_directory(
    wheel: Path, uv_cache: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Programs of an environment with nothing but the wheel and what it requires."""
    home = tmp_path_factory.mktemp("installed")
    uv = [sys.executable, "-m", "uv"]
    run([*uv, "venv", "--python", sys.executable, home / "venv"], home)
    python = home / "venv" / "bin" / "python"
    # In a third of pip's time; `tests/test_installation.py` installs with pip.
    run([*uv, "pip", "install", "--python", python, wheel], home, uv_cache)
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
    assert about["version"] == VERSION

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


@pytest.fixture
def uv_tools(wheel: Path, uv_cache: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Variables with which uv installs tools into this directory, and takes the wheel for ours."""
    constraint = tmp_path / "constraints.txt"
    constraint.write_text(f"tap-crowdtwist @ {wheel.as_uri()}\n", encoding="utf-8")
    return uv_cache | {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "UV_CONSTRAINT": str(constraint),
        "UV_PYTHON": sys.executable,
        "UV_TOOL_DIR": str(tmp_path / "tools"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "bin"),
    }


def test_uvx_runs_the_wheel_that_make_builds(
    wheel: Path, uv_tools: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "dist").symlink_to(wheel.parent)
    del uv_tools["UV_CONSTRAINT"]

    commands = block("Run the wheel without installing it", "console")
    said = run(["sh", "-eu", "-c", commands], tmp_path, uv_tools)

    assert said.startswith(f"tap-crowdtwist v{VERSION}, ")


def test_uv_runs_and_installs_the_tap_by_its_name_and_an_extra(
    wheel: Path, uv_tools: dict[str, str], tmp_path: Path
) -> None:
    said = run(["sh", "-eu", "-c", block("From PyPI", "console")], tmp_path, uv_tools)

    assert said.startswith(f"tap-crowdtwist v{VERSION}, ")
    assert (tmp_path / "bin" / "tap-crowdtwist").exists()
    home = tmp_path / "tools" / "tap-crowdtwist"
    (origin,) = home.glob("lib/*/site-packages/tap_crowdtwist-*.dist-info/direct_url.json")
    assert json.loads(origin.read_text(encoding="utf-8"))["url"] == wheel.as_uri()
    run([home / "bin" / "python", "-c", "import paramiko"], tmp_path)


def write_config(directory: Path, **settings: Any) -> Path:
    path = directory / "config.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    return path
