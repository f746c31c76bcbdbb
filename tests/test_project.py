"""What the files around the code say of versions, settings and actions is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import parts

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
HUB_FIELDS = {
    "name", "pip_url", "variant", "namespace", "label", "description", "executable", "settings",
    "docs", "repo", "logo_url", "python", "settings_group_validation", "commands", "capabilities",
    "metadata", "schema", "select", "maintenance_status", "quality", "domain_url", "keywords",
    "requires", "definition", "next_steps", "settings_preamble", "usage", "prereq",
    "supported_python_versions", "log_parser",
}  # fmt: skip
"""What an extractor may have in the hub (schemas/plugin_definitions of meltano/hub)."""

MAY_WRITE = {
    "release": {
        "attest": {"id-token", "attestations"},
        "publish": {"id-token"},
        "github": {"contents"},
    },
    "site": {"publish": {"id-token", "pages"}},
}
"""Rights to write, by workflow and job; no other job has any."""

EXTRAS_TABLE = "project.optional-dependencies"
HUB_SETTING_FIELDS = {"name", "label", "kind", "description", "options", "sensitive", "value"}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pythons() -> list[str]:
    """The versions of Python that the classifiers name."""
    return re.findall(r'"Programming Language :: Python :: (3\.\d+)"', read("pyproject.toml"))


@pytest.fixture(scope="module")
def plugin() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(read("plugin.yaml"))
    return content


@pytest.fixture(scope="module")
def extractor() -> dict[str, Any]:
    """The tap as meltano.yml defines it."""
    (content,) = yaml.safe_load(read("meltano.yml"))["plugins"]["extractors"]
    assert isinstance(content, dict)
    return content


def jobs(workflow: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]
    return found


def steps_with(action: str, job: dict[str, Any]) -> list[dict[str, str]]:
    """Return the inputs of the steps of a job that use an action, which may be without a name."""
    return [step["with"] for step in job["steps"] if step.get("uses", "").startswith(f"{action}@")]


def test_the_wheel_is_tested_on_each_python_that_is_claimed(pythons: list[str]) -> None:
    wheel = jobs(ROOT / ".github" / "workflows" / "test.yml")["wheel"]

    assert wheel["strategy"]["matrix"]["python-version"] == pythons
    assert pythons[0] == "3.10"


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit_and_say_their_version(workflow: Path) -> None:
    lines = re.findall(r"uses: (.*)", workflow.read_text(encoding="utf-8"))

    assert lines
    for line in lines:
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_an_action_has_the_same_commit_everywhere() -> None:
    text = "".join(workflow.read_text(encoding="utf-8") for workflow in WORKFLOWS)
    pins = set(re.findall(r"uses: ([^@\s]+)@(.*)", text))

    assert len(pins) == len({action for action, _ in pins})


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_jobs_have_no_more_rights_than_they_need_and_end(workflow: Path) -> None:
    content = yaml.safe_load(workflow.read_text(encoding="utf-8"))

    assert content["permissions"] == {}
    for name, job in content["jobs"].items():
        assert 0 < job["timeout-minutes"] <= 60, name
        writes = {scope for scope, right in job["permissions"].items() if right != "read"}
        assert writes == MAY_WRITE.get(workflow.stem, {}).get(name, set()), name
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False, name


def test_nothing_that_publishes_runs_code_of_the_checkout() -> None:
    release = jobs(ROOT / ".github" / "workflows" / "release.yml")

    actions = {
        name: [step.get("uses", "").partition("@")[0] for step in release[name]["steps"]]
        for name in ("attest", "publish", "github")
    }
    download, attest = "actions/download-artifact", "actions/attest"
    assert actions["attest"] == [download, download, attest, attest]
    assert actions["publish"] == [download, "pypa/gh-action-pypi-publish"]
    assert actions["github"] == [download, download, ""]
    assert release["github"]["steps"][-1]["run"].startswith("gh release create ")
    assert release["publish"]["environment"]["name"] == "pypi"
    site = jobs(ROOT / ".github" / "workflows" / "site.yml")["publish"]
    (step,) = site["steps"]
    assert step["uses"].startswith("actions/deploy-pages@")
    assert site["environment"]["name"] == "github-pages"


def test_a_release_has_an_sbom_which_is_attested_and_not_sent_to_pypi() -> None:
    release = jobs(ROOT / ".github" / "workflows" / "release.yml")
    uploads = steps_with("actions/upload-artifact", release["build"])
    paths = {upload["name"]: upload["path"] for upload in uploads}
    assert paths == {"packages": "dist/", "sbom": "build/sbom/tap-crowdtwist.cdx.json"}
    assert f"--output-file {paths['sbom']} " in read("Makefile")

    origin, contents = steps_with("actions/attest", release["attest"])
    assert origin["subject-path"].split() == ["dist/*", "sbom/*"]
    assert contents == {"subject-path": "dist/*", "sbom-path": "sbom/tap-crowdtwist.cdx.json"}

    (published,) = steps_with("actions/download-artifact", release["publish"])
    assert published == {"name": "packages", "path": "dist/"}
    assert release["github"]["steps"][-1]["run"].split()[-2:] == ["dist/*", "sbom/*"]


def test_development_installs_every_extra_and_groups_that_no_user_can_name() -> None:
    declared = read("pyproject.toml")
    tables = {name: _keys_of(declared, name) for name in ("dependency-groups", EXTRAS_TABLE)}
    assert tables["dependency-groups"] == ["dev", "docs"]
    assert not {"dev", "docs"} & set(tables[EXTRAS_TABLE])

    everything = ",".join(tables[EXTRAS_TABLE])
    assert f"\nEXTRAS := {everything}\n" in read("Makefile")
    assert f"[{everything}]" in read(".github/workflows/test.yml")


def _keys_of(declaration: str, table: str) -> list[str]:
    """Return the keys of a table of TOML whose values are lists, without Python 3.11's tomllib."""
    section = declaration.partition(f"\n[{table}]\n")[2].partition("\n[")[0]
    return re.findall(r"(?m)^(\w+) = \[", section)


def test_the_site_is_published_from_where_it_is_built_and_from_main_only() -> None:
    workflow = ROOT / ".github" / "workflows" / "site.yml"
    build = jobs(workflow)["build"]
    commands = [step.get("run") for step in build["steps"]]
    (upload,) = [step for step in build["steps"] if "upload-pages" in step.get("uses", "")]

    assert commands.count("make site") == 1
    assert re.search(rf"(?m)^\t.* docs {upload['with']['path'].rstrip('/')}$", read("Makefile"))
    assert build["if"] == "github.ref == 'refs/heads/main'"


def test_workflows_call_targets_that_exist() -> None:
    makefile = read("Makefile")
    text = "".join(workflow.read_text(encoding="utf-8") for workflow in WORKFLOWS)
    commands = re.findall(r"run: make ([^\n]+)", text)
    targets = {word for command in commands for word in command.split() if "=" not in word}

    assert targets >= {"lint", "types", "docs-check", "site", "test", "test-slow", "audit"}
    rules = [name.replace(".venv/", "$(VENV)/") for name in targets]
    missing = [name for name in rules if f"\n{name}:" not in makefile]
    assert missing == []


def test_plugin_yaml_says_of_the_tap_what_meltano_yml_says(
    plugin: dict[str, Any], extractor: dict[str, Any]
) -> None:
    same = ("name", "namespace", "label", "description", "executable", "capabilities", "select")
    for field in (*same, "settings", "settings_group_validation"):
        assert plugin[field] == extractor[field], field


def test_plugin_yaml_declares_each_setting_of_the_tap(plugin: dict[str, Any]) -> None:
    declared = parts.all_settings()
    settings = {setting["name"]: setting for setting in plugin["settings"]}

    assert list(settings) == list(declared)
    for name, schema in declared.items():
        assert settings[name].get("value") == schema.get("default"), name
        assert settings[name].get("sensitive", False) == bool(schema.get("secret")), name


def test_plugin_yaml_has_the_form_of_the_hub(plugin: dict[str, Any], pythons: list[str]) -> None:
    assert set(plugin) <= HUB_FIELDS
    assert {"name", "namespace", "variant", "quality"} <= set(plugin)
    assert plugin["supported_python_versions"] == pythons
    for setting in plugin["settings"]:
        assert set(setting) <= HUB_SETTING_FIELDS, setting["name"]


def test_the_changelog_knows_the_version() -> None:
    (version,) = re.findall(r'(?m)^version = "(.+)"$', read("pyproject.toml"))
    versions = re.findall(r"(?m)^## \[(.+?)\]", read("CHANGELOG.md"))

    assert versions[0] in {"Unreleased", version}
    assert version in versions


def test_each_release_lists_its_columns() -> None:
    _, *releases = re.split(r"(?m)^## ", read("CHANGELOG.md"))

    for release in releases:
        assert re.search(r"(?m)^### Columns\n\n\S", release), release.partition("\n")[0]


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", ".github/pull_request_template.md"])
def test_make_targets_and_files_that_a_guide_names_exist(name: str) -> None:
    text, makefile = read(name), read("Makefile")

    for target in re.findall(r"make ([a-z-]+)", text):
        assert re.search(rf"(?m)^{target}:", makefile), target
    rooms = r"tap_crowdtwist|crowdtwist_\w+|docs|scripts|tests|orchestrate|transform|\.ci"
    for path in re.findall(rf"`((?:{rooms})/.*?)`", text):
        assert list(ROOT.glob(path.rstrip("/"))), path


def test_pre_commit_calls_the_tools_of_the_virtual_environment() -> None:
    config = yaml.safe_load(read(".pre-commit-config.yaml"))
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]

    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    assert [hook["id"] for hook in hooks] == ["ruff-check", "ruff-format", "mypy", "docs"]
    for hook in hooks:
        assert hook["language"] == "system"
        assert hook["entry"].startswith((".venv/bin/", "make "))


def test_issue_forms_warn_of_secrets() -> None:
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))

    assert [form.stem for form in forms] == ["bug", "idea", "live-service"]
    for form in forms:
        content = yaml.safe_load(form.read_text(encoding="utf-8"))
        assert content["body"]
        if form.stem != "idea":
            assert "key" in content["body"][0]["attributes"]["value"]
