"""The commands of the page on installation, run as they stand in a copy of the clone."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.packages import ROOT, build_packages, run, uv_settings
from support.pages import DOCS, block, blocks
from support.warehouses import texts

from crowdtwist_sandbox import Sandbox, SandboxOptions
from crowdtwist_sandbox.demo_warehouse import Warehouse

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

VERSION, NEWER = version("tap-crowdtwist"), "99.0.1"
PROGRAMS = Path(sys.executable).parent
NOT_FOR_USERS = {"demo", "dev", "docs"}


@pytest.fixture(scope="module")
def packed_clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What of a clone an installation reads, with the wheel in `dist`."""
    clone = tmp_path_factory.mktemp("packed") / "tap-crowdtwist"
    (clone / "dist").mkdir(parents=True)
    build_packages(clone / "dist")
    (sdist,) = (clone / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(clone.parent, filter="data")
    shutil.copytree(clone.parent / sdist.name.removesuffix(".tar.gz"), clone, dirs_exist_ok=True)
    for name in ("meltano.yml", "plugin.yaml", ".env.example"):
        shutil.copy(ROOT / name, clone)
    return clone


@pytest.fixture
def clone(packed_clone: Path, tmp_path: Path) -> Path:
    """A clone that no other test has run in, and that has no neighbours."""
    return Path(shutil.copytree(packed_clone, tmp_path / "tap-crowdtwist"))


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Where packages come from, for uv and for pip."""
    return {**uv_settings(tmp_path_factory.mktemp("uv")), "PIP_NO_COMPILE": "1"}


@pytest.fixture
def settings(packages: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Environment variables that keep all that is installed out of the user's home."""
    tools = tmp_path / "tools"
    return packages | {
        "PATH": f"{tools / 'bin'}:{PROGRAMS}:/usr/local/bin:/usr/bin:/bin",
        "PIPX_HOME": str(tools / "pipx"),
        "PIPX_BIN_DIR": str(tools / "bin"),
        "PIPX_MAN_DIR": str(tools / "man"),
        "PIPX_DEFAULT_PYTHON": sys.executable,
        "UV_PYTHON": sys.executable,
        "UV_TOOL_DIR": str(tools / "uv"),
        "UV_TOOL_BIN_DIR": str(tools / "bin"),
        "XDG_STATE_HOME": str(tools / "state"),
        "MELTANO_HUB_URL": "http://127.0.0.1:9",  # where nobody answers
        "NO_COLOR": "1",
    }


def shell(commands: str, cwd: Path, settings: dict[str, str]) -> str:
    return run(["sh", "-eu", "-c", commands], cwd, settings)


def installed_version(settings: dict[str, str], cwd: Path) -> str:
    """What the installed command says of itself, which is not the one of this environment."""
    command = Path(settings["PIPX_BIN_DIR"]) / "tap-crowdtwist"
    return run([command, "--version"], cwd, settings)


@pytest.mark.parametrize(
    ("first", "again"), [("With pipx", "pipx"), ("With uv", "uv")], ids=["pipx", "uv"]
)
def test_a_tool_installs_the_clone_and_then_a_newer_one_and_removes_it(
    clone: Path, settings: dict[str, str], first: str, again: str
) -> None:
    shell(block(first, "console"), clone, settings)
    assert VERSION in installed_version(settings, clone.parent)

    for name, old, new in (
        ("pyproject.toml", f'version = "{VERSION}"', f'version = "{NEWER}"'),
        ("tap_crowdtwist/__init__.py", '"""', '"""A newer one. '),
    ):
        text = (clone / name).read_text(encoding="utf-8")
        assert old in text
        (clone / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    (upgrade,) = (c for c in blocks("Upgrade the tap", "console") if c.startswith(again))
    shell(upgrade, clone, settings)

    assert NEWER in installed_version(settings, clone.parent)
    (module,) = (clone.parent / "tools").glob("*/**/site-packages/tap_crowdtwist/__init__.py")
    assert module.read_text(encoding="utf-8").startswith('"""A newer one. ')

    (remove,) = (c for c in blocks("Remove the installed tap", "console") if c.startswith(again))
    shell(remove, clone, settings)
    assert not module.exists()
    assert list(Path(settings["PIPX_BIN_DIR"]).iterdir()) == []


def test_pip_installs_the_clone_into_a_virtual_environment(
    clone: Path, settings: dict[str, str]
) -> None:
    said = shell(block("With pip, in a virtual environment", "console"), clone, settings)

    assert VERSION in said
    assert (clone.parent / "tap-venv" / "bin" / "tap-crowdtwist").is_file()


def test_pipx_installs_the_wheel(clone: Path, settings: dict[str, str]) -> None:
    elsewhere = clone.parent / "elsewhere"
    elsewhere.mkdir()
    shutil.move(clone / "dist", elsewhere)
    shutil.rmtree(clone)

    shell(block("From a wheel", "console"), elsewhere, settings)

    assert VERSION in installed_version(settings, elsewhere)


def test_extras_add_what_the_page_says(clone: Path, settings: dict[str, str]) -> None:
    shell(block("Extras", "console"), clone, settings)

    tools = Path(settings["UV_TOOL_BIN_DIR"])
    run([tools / "crowdtwist-receiver", "--help"], clone.parent, settings)
    python = Path(settings["UV_TOOL_DIR"]) / "tap-crowdtwist" / "bin" / "python"
    run([python, "-c", "import s3fs"], clone.parent, settings)


def test_every_extra_for_users_is_on_the_page() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text.partition("[project.optional-dependencies]\n")[2].partition("\n[")[0]
    declared = set(re.findall(r"(?m)^(\w+) = \[", section))
    page = (DOCS / "installation.md").read_text(encoding="utf-8")
    table = page.partition("## Extras\n")[2].partition("\n## ")[0]

    assert set(re.findall(r"(?m)^\| `(\w+)` \|", table)) == declared - NOT_FOR_USERS


def test_the_clone_is_a_meltano_project(clone: Path, settings: dict[str, str]) -> None:
    with Sandbox(SandboxOptions(members=3)) as sandbox:
        own = of_sandbox(sandbox, clone)
        own |= {"TAP_CROWDTWIST__SELECT": '["users.*"]', "MELTANO_VENV_BACKEND": "uv"}
        shell(block("Meltano in the clone", "console"), clone, settings | own)
        members = len(sandbox.roster())

    assert Warehouse(clone / "output" / "warehouse.duckdb").count("users") == members


def test_a_project_of_ones_own_adds_the_tap_and_a_target(
    clone: Path, settings: dict[str, str]
) -> None:
    project = clone.parent / "project"
    run(["meltano", "init", "--no-usage-stats", project], clone.parent, settings)

    shell(block("Add the tap to your own project", "console"), project, settings)
    path = project / "meltano.yml"
    definition = yaml.safe_load(path.read_text(encoding="utf-8"))
    (extractor,) = definition["plugins"]["extractors"]
    ours = definitions()
    assert extractor["select"] == ours["tap-crowdtwist"]["select"]
    assert extractor["settings"] == ours["tap-crowdtwist"]["settings"]

    added = yaml.safe_load(block("Add a target to your own project", "yaml"))["plugins"]
    definition["plugins"] |= added
    path.write_text(yaml.safe_dump(definition), encoding="utf-8")
    (loader,) = added["loaders"]
    assert loader["pip_url"] == ours["target-jsonl"]["pip_url"]

    title = "Run it in your own project"
    with Sandbox(SandboxOptions(members=3)) as sandbox:
        readable = of_sandbox(sandbox, project)
        names = re.findall(r"(?m)^(\w+)=", block(title, "dotenv"))
        assert set(names) <= {*readable, "TAP_CROWDTWIST_CLIENT_ID"}
        shell(block(title, "console"), project, settings | readable)
        for stream in ("activities", "users", "purchases"):
            file = project / "output" / "jsonl" / f"{stream}.jsonl"
            rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
            assert texts(stream, rows) == texts(stream, sandbox.expected_rows(stream)), stream
    assert not (project / "output" / "jsonl" / "coupons.jsonl").exists()


def definitions() -> dict[str, dict[str, Any]]:
    """The plugins of the clone's project."""
    plugins = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))["plugins"]
    return {plugin["name"]: plugin for kind in plugins.values() for plugin in kind}


def of_sandbox(sandbox: Sandbox, directory: Path) -> dict[str, str]:
    """Settings that read a sandbox."""
    roster = directory / "members.csv"
    roster.write_text("\n".join(["id", *sandbox.roster()]), encoding="utf-8")
    return {
        "TAP_CROWDTWIST_API_KEY": sandbox.api_key,
        "TAP_CROWDTWIST_API_URL": sandbox.api_url,
        "TAP_CROWDTWIST_POS_URL": sandbox.pos_url,
        "TAP_CROWDTWIST_USER_IDS_PATH": str(roster),
        "TAP_CROWDTWIST_REQUESTS_PER_MINUTE": "1000000",
    }
