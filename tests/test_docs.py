"""What README.md, meltano.yml and .env.example say of the settings and streams is true."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from fnmatch import fnmatch
from importlib.metadata import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from meltano.core.setting_definition import SettingDefinition
from support.clocks import FakeClock
from support.harness import config_of, run_cli, run_tap, sandbox, select
from support.pages import DOCS, block, blocks, section

from scripts import parts, recording, settings
from tap_crowdtwist import schemas
from tap_crowdtwist.api.client import RequestStats
from tap_crowdtwist.config.schema import CONFIG_SCHEMA
from tap_crowdtwist.config.settings import Settings
from tap_crowdtwist.config.validation import validate
from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.privacy.policy import Policy, public_schema
from tap_crowdtwist.streams import API_STREAMS, FILE_STREAMS, STREAMS
from tap_crowdtwist.sync import summary
from tap_crowdtwist.sync.progress import Progress
from tap_crowdtwist.sync.shutdown import StoppedError
from tap_crowdtwist.sync.stats import StreamStats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crowdtwist_sandbox import Sandbox

ROOT = DOCS.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md")])
URLS = dict(url.split(", ") for url in metadata("tap-crowdtwist").get_all("Project-URL") or ())
REPOSITORY, SITE = URLS["Repository"], URLS["Documentation"]
RATE_LIMIT = (DOCS / "rate-limit.md").read_text(encoding="utf-8")
DEFAULT_STREAMS = [
    "activities",
    "rewards",
    "users",
    "user_activities",
    "user_activity_history",
    "purchases",
    "user_rewards",
    "redemptions",
    "points_expiration",
]
KINDS = {
    "string": "string",
    "integer": "integer",
    "number": "string",
    "boolean": "boolean",
    "array": "array",
    "object": "object",
}


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

    assert secrets == {"api_key", "hash_key", "hmac_public_key", "hmac_private_key"}


def test_extractor_has_the_capabilities_of_the_tap(about: Any, extractor: Any) -> None:
    assert extractor["capabilities"] == about["capabilities"]


def test_extractor_selects_the_streams_that_are_on_by_default(extractor: Any) -> None:
    rules = [rule.removesuffix(".*") for rule in extractor["select"]]
    names = sorted(stream.name for stream in STREAMS)
    selected = [name for name in names if any(fnmatch(name, rule) for rule in rules)]

    assert [rule for rule in rules if "*" not in rule] == DEFAULT_STREAMS
    assert selected == sorted([*DEFAULT_STREAMS, *(stream.name for stream in FILE_STREAMS)])


def test_the_log_on_the_page_is_what_the_tap_logs(tmp_path: Path) -> None:
    shown = re.findall(r"(?m)^(?:INFO|WARNING|CRITICAL) +\| (.*)$", RATE_LIMIT)
    transcript = ROOT / "tests" / "transcripts" / "first_run.txt"
    logged = transcript.read_text(encoding="utf-8").splitlines()
    logged += [progress_line(), str(StoppedError(signal.SIGINT))]
    roster = tmp_path / "members.csv"
    with sandbox(faults="bad_gateway@1") as running:
        roster.write_text(f"id\n{running.roster()[0]}\n", encoding="utf-8")
        failed = run_tap(running, "users", user_ids=None, user_ids_path=str(roster), code=1)
    logged.append(re.sub(r"last error: .*? \(", "last error: … (", failed.last_line))

    assert len(shown) > 1
    for sentence in shown:
        masked = re.sub(r"[\d.]+ s$", "… s", sentence)
        assert any(line.endswith(masked) for line in logged), sentence


def progress_line() -> str:
    """Return the line in the middle of a sweep of 100,000 members, ten seconds after the last."""
    clock, requests = FakeClock(), RequestStats()
    progress, stats = Progress(requests, clock), StreamStats(records=41_868, asked=41_900)
    with progress.of("users", stats, 100_000):
        clock.sleep(504)
        line = progress.line(stats, clock())
    return re.sub(r"[\d,]+ requests a minute", "4,990 requests a minute", line)


def test_the_json_summary_on_the_page_is_that_of_the_run_whose_log_it_shows(tmp_path: Path) -> None:
    log = (ROOT / "tests" / "transcripts" / "first_run.txt").read_text(encoding="utf-8")
    (tmp_path / "run.log").write_text(log, encoding="utf-8")
    printed = subprocess.run(
        ["sh", "-euc", block("The JSON summary", "console")],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )

    assert json.loads(block("The JSON summary", "json")) == json.loads(printed.stdout)


def test_the_page_explains_every_field_of_the_json_summary() -> None:
    shown = json.loads(block("The JSON summary", "json"))
    optional = StreamStats(texts={"push_users.extra": 1}, vanished_rows="forgotten")

    assert explained("### Fields of the run") == list(shown)
    assert explained("### Fields of a stream") == [*summary.public_stats(optional), "requests"]


def explained(title: str) -> list[str]:
    """Return the terms of the definition list under a title of the page."""
    _, _, section = RATE_LIMIT.partition(f"{title}\n")
    section, _, _ = section.partition("\n#")
    return re.findall(r"(?m)^`(\w+)`\n: ", section)


def test_the_page_has_every_exit_code() -> None:
    shown = [int(code) for code in re.findall(r"(?m)^\| (\d+) \|", RATE_LIMIT)]
    signals = (signal.SIGINT, signal.SIGKILL, signal.SIGTERM)
    failed = run_cli("--config", "there-is-no-such-file")

    codes = [run_cli("--version"), failed, run_cli("--no-such-option")]
    assert shown == [*(result.exit_code for result in codes), *(128 + sig for sig in signals)]


def test_every_plugin_is_defined_in_the_file_and_every_loader_is_pinned(project: Any) -> None:
    loaders = project["plugins"]["loaders"]

    assert [loader["name"] for loader in loaders] == [
        "target-jsonl",
        "target-duckdb",
        "target-postgres",
        "target-csv",
    ]
    for loader in loaders:
        assert loader["namespace"], loader["name"]
        assert all("==" in requirement for requirement in loader["pip_url"].split())
        settings = {setting["name"]: setting for setting in loader["settings"]}
        assert all(setting["kind"] and setting["description"] for setting in settings.values())
        assert set(loader["config"]) <= set(settings)
        for name in {"password", "token", "sqlalchemy_url"} & set(settings):
            assert settings[name]["sensitive"] is True


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


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_readme_shows_the_commands(command: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert re.search(rf"^{command}\b", readme, re.MULTILINE)
    assert f"\n{command.split()[1]}:" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_readme_fits_one_screen_and_names_every_stream() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = "".join(re.findall(r"^\| .*", readme, re.MULTILINE))

    assert len(readme.encode()) <= 9000
    assert set(re.findall(r"`(\w+)`(?!¹)", rows)) == {
        *DEFAULT_STREAMS,
        *(stream.name for stream in FILE_STREAMS),
    }
    assert set(re.findall(r"`(\w+)`¹", rows)) == {
        stream.name for stream in API_STREAMS if not stream.selected_by_default
    }


def test_readme_shows_lines_of_the_recording() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"(?ms)^```\n(\[4/8\].*?)^```$", readme)
    recorded = recording.text().splitlines()

    assert [line for line in shown.splitlines() if line not in recorded] == []


def test_links_of_the_readme_to_the_site_lead_to_a_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    addresses = set(re.findall(r"\]\((.*?)\)", readme))
    pages = {path[len(SITE) :].rstrip("/") for path in addresses if path.startswith(SITE)}

    assert len(pages) > 10
    for page in pages - {""}:
        assert (DOCS / f"{page}.md").exists(), page
    assert all(address.startswith("https://") for address in addresses)


def test_readme_shows_the_picture_of_the_repository() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    ((text, address),) = re.findall(r"!\[(.*?)\]\((.*?)\)", readme)
    raw = REPOSITORY.replace("//github.com/", "//raw.githubusercontent.com/")

    assert len(text) > 40
    assert address.startswith(f"{raw}main/")
    assert (ROOT / address.removeprefix(f"{raw}main/")).exists()


def test_the_page_names_every_stream_of_the_tap() -> None:
    streams = re.findall(r"(?m)^\* \[`(\w+)`\]\(columns\.md#\1\): ", read_page("streams"))

    assert sorted(streams) == sorted(schemas.names())


def test_the_columns_of_every_stream_are_those_of_its_catalog_entry() -> None:
    sections = re.split(r"(?m)^## `(\w+)`$", read_page("columns"))[1:]
    listed = {
        name: re.findall(r"(?m)^\* `(\w+)` \(", section)
        for name, section in zip(sections[::2], sections[1::2], strict=True)
    }

    assert set(listed) == set(schemas.names())
    for name, columns in listed.items():
        emitted = public_schema(name, Policy(spendable=True))["properties"]
        assert columns == list(emitted)


def read_page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


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


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_into_the_repository_lead_to_a_file(page: Path) -> None:
    link = re.compile(rf"{re.escape(REPOSITORY)}blob/main/([^)\s#]+)")

    for target in link.findall(page.read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_no_figure_is_still_to_be_filled_in(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert re.findall(r"\b(?:TODO|TBD|XXX|[A-Z]+_(?:TABLE|PERCENT))\b", text) == []
