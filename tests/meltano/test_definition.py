"""meltano.yml, plugin.yaml and .env.example say of the settings and streams what the tap does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from fnmatch import fnmatch
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from meltano.core.setting_definition import SettingDefinition
from packaging.specifiers import SpecifierSet
from support.harness import DEFAULT_STREAMS
from support.pages import DOCS, block

from scripts import parts
from tap_crowdtwist.streams import FILE_STREAMS, STREAMS

ROOT = DOCS.parent
KINDS = {
    "string": "string",
    "integer": "integer",
    "number": "string",
    "boolean": "boolean",
    "array": "array",
    "object": "object",
}
FIELDS_OF_THE_HUB = {
    "domain_url",
    "keywords",
    "maintenance_status",
    "quality",
    "settings_preamble",
    "supported_python_versions",
}
"""What plugin.yaml says to Meltano's hub and a project does not say of a plugin."""


@pytest.fixture(scope="module")
def about() -> Any:
    """What `tap-crowdtwist --about` says."""
    result = subprocess.run(
        [sys.executable, "-m", "tap_crowdtwist", "--about", "--format=json"],
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def project() -> Any:
    return yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def extractor(project: Any) -> Any:
    (extractor,) = project["plugins"]["extractors"]
    return extractor


def test_generated_parts_are_current() -> None:
    venv = Path(sys.executable).parents[1]
    result = subprocess.run(
        ["make", "docs-check", f"VENV={venv}", f"--assume-old={venv}/.dev"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert result.returncode == 0, result.stdout


def errors_of(project: dict[str, Any]) -> list[str]:
    """Compare a project with the schema that the installed Meltano ships."""
    path = resources.files("meltano") / "schemas" / "meltano.schema.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    found = Draft202012Validator(schema).iter_errors(project)
    return [f"{error.json_path}: {error.message}" for error in found]


def test_meltano_yml_follows_the_schema_that_meltano_ships(project: Any) -> None:
    assert errors_of(project) == []


def test_plugin_yaml_follows_that_schema_in_all_but_what_it_says_to_the_hub() -> None:
    plugin = yaml.safe_load((ROOT / "plugin.yaml").read_text(encoding="utf-8"))
    extractor = {name: plugin[name] for name in plugin.keys() - FIELDS_OF_THE_HUB}

    assert errors_of({"plugins": {"extractors": [extractor]}}) == []


def test_the_project_requires_the_versions_of_meltano_that_are_tested(project: Any) -> None:
    required = project["requires_meltano"]
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    assert re.findall(r'"meltano\b(.*)"', declared) == [required]
    assert SpecifierSet(required).contains(version("meltano"))
    assert f"'meltano{required}'" in (DOCS / "airflow.md").read_text(encoding="utf-8")


def test_extractor_has_every_setting_with_its_kind_default_and_sensitivity(
    about: Any, extractor: Any
) -> None:
    declared = about["settings"]["properties"]
    settings = {setting["name"]: setting for setting in extractor["settings"]}

    assert list(settings) == list(declared)
    for name, schema in declared.items():
        setting = settings[name]
        assert setting["label"] == schema["title"], name
        assert setting["description"] == schema["description"], name
        assert setting.get("value") == schema.get("default"), name
        assert setting.get("sensitive", False) is bool(schema.get("secret")), name
        if "enum" in schema:
            assert setting["kind"] == "options", name
            assert [option["value"] for option in setting["options"]] == schema["enum"], name
        elif schema.get("format") == "date-time":
            assert setting["kind"] == "date_iso8601", name
        else:
            assert setting["kind"] == KINDS[one_type(schema)], name


def test_meltano_can_pass_on_every_setting_of_an_environment_variable(extractor: Any) -> None:
    texts = {"array": "[]", "object": "{}", "date_iso8601": "2026-01-01"}
    for setting in extractor["settings"]:
        text = texts.get(setting["kind"]) or str(setting.get("value", "1"))

        value = SettingDefinition.parse(setting).cast_value(text)

        assert json.loads(json.dumps(value)) == value, setting["name"]


def one_type(schema: dict[str, Any]) -> str:
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    (only,) = set(types) - {"null"}
    return str(only)


def test_secrets_are_the_ones_known() -> None:
    secrets = {name for name, schema in parts.all_settings().items() if schema.get("secret")}

    assert secrets == {
        "api_key",
        "hash_key",
        "hmac_public_key",
        "hmac_private_key",
        "sftp_key_passphrase",
        "sftp_password",
    }


def test_extractor_has_the_capabilities_of_the_tap(about: Any, extractor: Any) -> None:
    assert extractor["capabilities"] == about["capabilities"]


def test_extractor_selects_the_streams_that_are_on_by_default(extractor: Any) -> None:
    rules = [rule.removesuffix(".*") for rule in extractor["select"]]
    names = sorted(stream.name for stream in STREAMS)
    selected = [name for name in names if any(fnmatch(name, rule) for rule in rules)]

    assert [rule for rule in rules if "*" not in rule] == DEFAULT_STREAMS
    assert selected == sorted([*DEFAULT_STREAMS, *(stream.name for stream in FILE_STREAMS)])


def test_every_plugin_is_defined_in_the_file_and_all_but_the_tap_are_pinned(project: Any) -> None:
    loaders, utilities = project["plugins"]["loaders"], project["plugins"]["utilities"]

    assert [loader["name"] for loader in loaders] == [
        "target-jsonl",
        "target-duckdb",
        "target-postgres",
        "target-csv",
    ]
    assert [utility["name"] for utility in utilities] == ["dbt-duckdb", "dbt-postgres"]
    for plugin in loaders + utilities:
        assert plugin["namespace"], plugin["name"]
        assert all("==" in requirement for requirement in plugin["pip_url"].split())
        settings = {setting["name"]: setting for setting in plugin["settings"]}
        assert all(setting["kind"] and setting["description"] for setting in settings.values())
        assert set(plugin["config"]) <= set(settings)
        for name in {"password", "token", "sqlalchemy_url"} & set(settings):
            assert settings[name]["sensitive"] is True


def test_dbt_takes_its_connection_from_variables_of_the_loader(project: Any) -> None:
    loaders = {loader["name"]: loader for loader in project["plugins"]["loaders"]}

    for utility in project["plugins"]["utilities"]:
        database = utility["name"].removeprefix("dbt-")
        settings = {setting["name"] for setting in loaders[f"target-{database}"]["settings"]}
        prefix = f"$TARGET_{database.upper()}_"
        for name, value in utility["config"].items():
            assert value.startswith(prefix), name
            assert value.removeprefix(prefix).lower() in settings, name
        profile = (ROOT / "transform" / "profiles.yml").read_text(encoding="utf-8")
        for name in utility["config"]:
            assert f"env_var('DBT_{database.upper()}_{name.upper()}'" in profile, name


def test_dbt_is_the_one_that_the_tests_run_and_its_duckdb_that_of_the_loader(project: Any) -> None:
    tested = (ROOT / "transform" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    installed = {
        requirement
        for utility in project["plugins"]["utilities"]
        for requirement in utility["pip_url"].split()
    }
    (loader,) = (p for p in project["plugins"]["loaders"] if p["name"] == "target-duckdb")

    assert {line for line in tested if not line.startswith("#")} == installed
    assert {pin for pin in installed if pin.startswith("duckdb==")} <= set(
        loader["pip_url"].split()
    )


def test_every_command_of_dbt_passes_the_variables_on(project: Any) -> None:
    for utility in project["plugins"]["utilities"]:
        assert utility["env"]["DBT_SEND_ANONYMOUS_USAGE_STATS"] == "false"
        for name, command in utility["commands"].items():
            assert command["args"].endswith(" --vars $DBT_VARS"), name
            assert command["description"], name


def test_the_page_names_the_versions_of_the_targets(project: Any) -> None:
    page = (DOCS / "targets.md").read_text(encoding="utf-8")

    for loader in project["plugins"]["loaders"]:
        section = page.partition(f"\n## {loader['name']}\n")[2].partition("\n## ")[0]
        for requirement in loader["pip_url"].split():
            assert requirement.partition("==")[2] in section, requirement


def test_usage_is_reported_to_nobody(project: Any) -> None:
    assert project["send_anonymous_usage_stats"] is False


def test_env_example_lists_every_setting_with_its_default(about: Any) -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    found = (re.match(r"#?(TAP_\w+)=(.*)$", line) for line in lines)
    values = {match[1]: match[2] for match in found if match}

    declared = about["settings"]["properties"]
    assert values == {
        f"TAP_CROWDTWIST_{name.upper()}": str(schema.get("default", ""))
        for name, schema in declared.items()
    }


def test_env_example_begins_with_what_a_first_sync_needs() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    needed = [
        "TAP_CROWDTWIST_API_KEY=",
        "TAP_CROWDTWIST_CLIENT_ID=",
        "TAP_CROWDTWIST_USER_IDS_PATH=",
    ]

    assert re.findall(r"^[^#\n].*$", text, re.MULTILINE) == needed
    assert re.findall(r"^#?(TAP_.*)$", text, re.MULTILINE)[:3] == needed


def test_env_example_ends_with_the_connection_of_target_postgres(project: Any) -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    values = dict(re.findall(r"(?m)^#TARGET_POSTGRES_(\w+)=(.*)$", text))
    (loader,) = (
        loader for loader in project["plugins"]["loaders"] if loader["name"] == "target-postgres"
    )
    defaults = {setting["name"]: setting.get("value", "") for setting in loader["settings"]}
    defaults |= loader["config"]

    on_the_page = re.findall(r"(?m)^TARGET_POSTGRES_(\w+)=", block("target-postgres", "dotenv"))
    assert list(values) == on_the_page
    assert values == {name: str(defaults[name.lower()]) for name in values}
