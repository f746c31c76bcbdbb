"""What a person reads when the tap cannot go on: one sentence that names what to change."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from singer_sdk.singerlib import Catalog
from support.harness import (
    API_KEY,
    STREAMS,
    Result,
    config_of,
    entry_of,
    process_untouched,
    run_cli,
    run_process,
    run_tap,
    select,
)

from tap_crowdtwist import schemas
from tap_crowdtwist.config.inputs import check_catalog
from tap_crowdtwist.errors import TapError
from tap_crowdtwist.tap import TapCrowdTwist

if TYPE_CHECKING:
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

SECRETS = ("sEcReT-kEy-1!", "sEcReT-hmac-public", "sEcReT-hmac-private")
NOWHERE = "http://127.0.0.1:1"
SETTINGS: dict[str, Any] = {
    "api_key": SECRETS[0],
    "hmac_public_key": SECRETS[1],
    "hmac_private_key": SECRETS[2],
    "api_url": NOWHERE,
    "pos_url": NOWHERE,
    "user_ids": [1000003],
    "max_retries": 0,
}


def run_with(folder: Path, *args: str, **settings: Any) -> Result:
    """Run with settings for which no request can succeed; one that is None is left out."""
    merged = {name: value for name, value in (SETTINGS | settings).items() if value is not None}
    config = folder / "config.json"
    config.write_text(json.dumps(merged), encoding="utf-8")
    return run_cli("--config", config, *args)


def sentence(result: Result) -> str:
    """The last line of a run that failed as it should: one sentence, no traceback, no secret."""
    assert result.exit_code == 1
    for text in (result.stdout, result.stderr):
        assert "Traceback" not in text
        assert not [secret for secret in (*SECRETS, API_KEY) if secret in text]
    assert "| CRITICAL |" in result.last_line
    assert result.stderr.count("| CRITICAL |") == 1
    return result.last_line.rpartition(" | ")[2]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"api_key": None}, "Setting `api_key`: is missing"),
        ({"api_key": ""}, "Setting `api_key`: is missing"),
        ({"api_key": "sEcReT-kEy-1!\nsEcReT-kEy-1!"}, "Setting `api_key`: contains characters"),
        ({"api_key": 5}, "Setting `api_key`: must be text"),
        ({"api_url": None, "pos_url": None}, "Setting `client_id`: is missing"),
        ({"pos_url": None}, "Setting `client_id`: is missing"),
        ({"api_url": None, "client_id": "a.b"}, "Setting `client_id`: must be the client number"),
        ({"environment": "prod"}, "Setting `environment`: must be one of production, sandbox"),
        (
            {"api_url": "http://api512.crowdtwist.com"},
            "Setting `api_url`: must begin with https://",
        ),
        ({"pos_url": "http://10.0.0.5:80"}, "Setting `pos_url`: must begin with https://"),
        ({"pos_url": "http://localhost.evil.test"}, "Setting `pos_url`: must begin with https://"),
        ({"api_url": "ftp://127.0.0.1"}, "Setting `api_url`: must be a plain URL"),
        (
            {"api_url": f"https://x.test/?api_key={SECRETS[0]}"},
            "Setting `api_url`: must be a plain",
        ),
        ({"auth_method": "basic"}, "Setting `auth_method`: must be one of query, header, hmac"),
        ({"auth_method": "hmac", "hmac_private_key": ""}, "Setting `hmac_private_key`: is missing"),
        ({"user_ids": None}, "Setting `user_ids_path`: no members are given"),
        ({"user_ids": []}, "Setting `user_ids_path`: no members are given"),
        ({"user_ids": [1000003, "x"]}, "Setting `user_ids`: entry 2 is not a numeric"),
        ({"user_ids": "1000003"}, "Setting `user_ids`: must be a list"),
        ({"id_type": "name"}, "Setting `id_type`: must be one of id, email"),
        ({"shard": "3/2"}, "Setting `shard`: must look like"),
        ({"start_date": "yesterday"}, "Setting `start_date`: must be a date such as"),
        ({"start_date": "2026-02-30"}, "Setting `start_date`: must be a date such as"),
        ({"start_date": 20260210}, "Setting `start_date`: must be text"),
        ({"requests_per_minute": -5}, "Setting `requests_per_minute`: must be at least 1"),
        ({"requests_per_minute": 0}, "Setting `requests_per_minute`: must be at least 1"),
        ({"requests_per_minute": "fast"}, "Setting `requests_per_minute`: must be a whole number"),
        ({"lookback_days": -1}, "Setting `lookback_days`: must be at least 0"),
        ({"max_concurrency": 0}, "Setting `max_concurrency`: must be at least 1"),
        ({"max_missing_ratio": 1.5}, "Setting `max_missing_ratio`: must be at most 1"),
    ],
)
def test_a_bad_setting_is_named(tmp_path: Path, settings: dict[str, Any], expected: str) -> None:
    assert sentence(run_with(tmp_path, **settings)).startswith(expected)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("none.txt", None, "there is no file"),
        ("empty.txt", "", "holds no ids"),
        ("blank.txt", "\n \n", "holds no ids"),
        ("text.txt", "1000003\n1000010\nAda\n", "line 3 of"),
        ("table.csv", "id,name\n1000003,Ada\n,Ben\n", "line 3 of"),
        ("rows.jsonl", '{"id": 1000003}\n{"id": 1000010}\n{"id":\n', "line 3 of"),
        ("bytes.txt", b"1000003\n\xff\xfe\n", "is not UTF-8 text"),
    ],
)
def test_a_roster_file_that_is_wrong_is_named_with_its_line(
    tmp_path: Path, name: str, content: str | bytes | None, expected: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = sentence(run_with(tmp_path, user_ids=None, user_ids_path=str(file)))
    assert said.startswith("Setting `user_ids_path`: ")
    assert expected in said
    assert name in said


def test_a_csv_of_several_columns_asks_which_one(tmp_path: Path) -> None:
    (tmp_path / "members.csv").write_text("number,name\n1000003,Ada\n", encoding="utf-8")
    path = str(tmp_path / "members.csv")
    said = sentence(run_with(tmp_path, user_ids=None, user_ids_path=path))
    assert said.startswith("Setting `user_ids_column`: ")
    assert "members.csv" in said


@pytest.mark.parametrize("streams", [["activities"], ["users"], ["purchases"], [*STREAMS]], ids=str)
def test_a_key_that_crowdtwist_refuses_is_told_once(world: Sandbox, streams: list[str]) -> None:
    result = run_tap(world, *streams, api_key=SECRETS[0], code=1)
    said = sentence(result)
    assert result.stderr.count("rejected the credentials") == 1
    assert said.startswith("CrowdTwist rejected the credentials: check `api_key`")
    assert "HTTP 403" in said


@pytest.mark.parametrize("stream", ["users", "redemptions"])
def test_an_id_type_that_finds_nobody(world: Sandbox, stream: str) -> None:
    result = run_tap(world, stream, id_type="username", user_ids=world.roster(), code=1)
    said = sentence(result)
    assert said.startswith("Setting `id_type`: CrowdTwist does not know 40 of 40 members")
    assert not result.records


def test_a_roster_that_is_mostly_unknown(world: Sandbox) -> None:
    unknown = [int(member) + 1 for member in world.roster()]
    roster = [*world.roster()[:20], *unknown]
    said = sentence(run_tap(world, "users", user_ids=roster, code=1))
    assert said.startswith("Setting `id_type`: CrowdTwist does not know 40 of 60 members")
    accepted = run_tap(world, "users", user_ids=roster, max_missing_ratio=1)
    assert len(accepted.records["users"]) == 20


@pytest.mark.parametrize(
    ("stream", "setting"),
    [("activities", "api_url"), ("users", "api_url"), ("purchases", "pos_url")],
)
def test_a_host_that_refuses_connections(world: Sandbox, stream: str, setting: str) -> None:
    elsewhere: dict[str, Any] = {setting: NOWHERE}
    said = sentence(run_tap(world, stream, code=1, **elsewhere))
    assert "the connection was refused" in said
    assert f"`{setting}`" in said


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "No such file"),
        ("", "does not hold a JSON object"),
        ('{"api_key": ', "does not hold a JSON object"),
        ("[]", "does not hold a JSON object"),
    ],
)
def test_a_config_file_that_cannot_be_read(
    tmp_path: Path, content: str | None, expected: str
) -> None:
    file = tmp_path / "settings.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    said = sentence(run_cli("--config", file))
    assert said.startswith("Option `--config`: ")
    assert expected in said
    assert "settings.json" in said


@pytest.mark.parametrize("option", ["state", "catalog"])
@pytest.mark.parametrize("content", ["", '{"a": ', "[]", "null"])
def test_a_state_or_catalog_that_is_not_json(tmp_path: Path, option: str, content: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(content, encoding="utf-8")
    said = sentence(run_with(tmp_path, f"--{option}", str(file)))
    assert said.startswith(f"Option `--{option}`: ")
    assert "other.json" in said


@pytest.mark.parametrize(
    ("stream", "key"),
    [("users", "id"), ("purchases", "purchase_total"), ("coupons", "expiration_date")],
)
def test_a_replication_key_that_cannot_be(world: Sandbox, stream: str, key: str) -> None:
    catalog = select(stream)
    entry_of(catalog, stream).update(replication_method="INCREMENTAL", replication_key=key)
    said = sentence(run_tap(world, catalog=catalog, code=1))
    assert said.startswith(f"Catalog: `{stream}` cannot be replicated incrementally by '{key}'")


def test_the_installed_command_fails_with_one_line_and_an_exit_code(tmp_path: Path) -> None:
    result = run_process("--config", tmp_path / "none.json", cwd=tmp_path)
    assert sentence(result).startswith("Option `--config`: ")
    assert result.stdout == ""


@pytest.mark.parametrize("option", ["config", "state", "catalog"])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"a": 1,\n "b": }', "Expecting value (line 2, column 7)"),
        (b'{\n"a": 1,}', "(line 2, column 8)"),
        (b"{'a': 1}", "(line 1, column 2)"),
        (b'{"a": "\xff\xff"}', ": it is not valid UTF-8"),
        (b'{"a":' + b"[" * 100_000, ": it is nested too deeply"),
    ],
    ids=["no value", "trailing comma", "quotes", "bytes", "deep"],
)
def test_broken_json_is_told_with_its_place(
    tmp_path: Path, option: str, content: bytes, expected: str
) -> None:
    file = tmp_path / "other.json"
    file.write_bytes(content)
    said = sentence(run_with(tmp_path, f"--{option}", str(file)))
    assert said.startswith(f"Option `--{option}`: ")
    assert "other.json" in said
    assert expected in said


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b" \n", "since it is empty; omit the option if there is nothing to pass yet"),
        (
            b'{"bookmarks": {}}\n{"bookmarks": {}}\n',
            ", but several; a target prints one state a line",
        ),
        (b'{"singer_state": {"bookmarks": {}}}', "pass only its `singer_state`"),
    ],
    ids=["blank", "all that a target printed", "of meltano state get"],
)
def test_a_state_in_another_form_is_told_with_the_way_out(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    file = tmp_path / "state.json"
    file.write_bytes(content)
    said = sentence(run_with(tmp_path, "--state", str(file)))
    assert said.startswith("Option `--state`: ")
    assert expected in said


def test_a_state_that_powershell_wrote_is_read(tmp_path: Path, world: Sandbox) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(config_of(world)), encoding="utf-16")
    state = tmp_path / "state.json"
    state.write_bytes('{"bookmarks": {}}\r\n'.encode("utf-16"))
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps(select("activities")), encoding="utf-16")
    result = run_cli("--config", config, "--state", state, "--catalog", catalog)
    assert result.exit_code == 0, result.stderr


def test_a_byte_order_mark_does_no_harm(tmp_path: Path, world: Sandbox) -> None:
    file = tmp_path / "catalog.json"
    file.write_text(json.dumps(select("activities")), encoding="utf-8-sig")
    config = tmp_path / "config.json"
    config.write_text(json.dumps(config_of(world)), encoding="utf-8-sig")
    assert run_cli("--config", config, "--catalog", file).exit_code == 0


NONSENSE = st.sampled_from([None, True, 7, "x", [None], [True], "decimal", {"type": "decimal"}])
PLACES = st.sampled_from(
    [
        ("tap_stream_id",),
        ("schema",),
        ("schema", "properties"),
        ("schema", "properties", "purchase_id"),
        ("schema", "properties", "purchase_id", "type"),
        ("schema", "properties", "items", "items"),
        ("schema", "properties", "items", "items", "properties"),
        ("schema", "properties", "items", "anyOf"),
        ("metadata",),
        ("metadata", 1),
        ("metadata", 1, "breadcrumb"),
        ("metadata", 1, "metadata"),
    ]
)


@hypothesis_settings(max_examples=60, deadline=None)
@given(place=PLACES, nonsense=st.none() | NONSENSE, remove=st.booleans())
def test_a_catalog_made_by_hand_is_read_or_told_in_one_sentence(
    place: tuple[Any, ...], nonsense: Any, *, remove: bool
) -> None:
    catalog = select("purchases")
    at: Any = entry_of(catalog, "purchases")
    for step in place[:-1]:
        at = at.setdefault(step, {}) if isinstance(at, dict) else at[step]
    if remove:
        at[place[-1]] = {}
        del at[place[-1]]
    else:
        at[place[-1]] = nonsense
    with process_untouched(), suppress(TapError):
        check_catalog(catalog, schemas.names(), logging.getLogger())
        Catalog.from_dict(catalog)
        TapCrowdTwist(config=SETTINGS, catalog=catalog)


def test_what_is_wrong_with_a_catalog_is_told_by_stream_and_place(tmp_path: Path) -> None:
    catalog = select("purchases")
    entry_of(catalog, "purchases")["schema"]["properties"]["purchase_id"]["type"] = "decimal"
    file = tmp_path / "catalog.json"
    file.write_text(json.dumps(catalog), encoding="utf-8")
    assert sentence(run_with(tmp_path, "--catalog", str(file))) == (
        "Option `--catalog`: `purchases`: schema.properties.purchase_id.type is not valid in a "
        "catalog; create the catalog again with `--discover`"
    )


@pytest.mark.parametrize("given", ["false", "true", "", 0, []])
@pytest.mark.parametrize("breadcrumb", [[], ["properties", "first_name"]])
def test_a_selection_that_is_neither_true_nor_false_is_refused(
    tmp_path: Path, breadcrumb: list[str], given: Any
) -> None:
    catalog = select("users")
    for each in entry_of(catalog, "users")["metadata"]:
        if each["breadcrumb"] == breadcrumb:
            each["metadata"]["selected"] = given
    file = tmp_path / "catalog.json"
    file.write_text(json.dumps(catalog), encoding="utf-8")
    said = sentence(run_with(tmp_path, "--catalog", str(file)))
    assert said.startswith("Option `--catalog`: `users`: metadata.")
    assert "metadata.selected is not valid in a catalog" in said


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_variable_is_a_setting_that_is_not_set(
    world: Sandbox, monkeypatch: pytest.MonkeyPatch, blank: str
) -> None:
    own = config_of(world)
    for name in TapCrowdTwist.config_jsonschema["properties"]:
        monkeypatch.setenv(f"TAP_CROWDTWIST_{name.upper()}", blank)
    for name in ("api_key", "api_url", "pos_url"):
        monkeypatch.setenv(f"TAP_CROWDTWIST_{name.upper()}", own[name])
    assert run_cli("--config", "ENV", "--discover").exit_code == 0
