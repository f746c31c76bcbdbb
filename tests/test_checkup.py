"""`--test` tells a newcomer in seconds what works, and what to do about what does not."""

from __future__ import annotations

import json
import re
from itertools import permutations, product
from typing import TYPE_CHECKING, Any

import pytest
from support.harness import (
    OFF_BY_DEFAULT,
    STREAMS,
    Result,
    config_of,
    queries,
    run_cli,
    run_tap,
    sandbox,
    select,
)

from tap_crowdtwist.api.auth import HMAC_DIGESTS, HMAC_TIMESTAMPS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

ON = sorted(set(STREAMS) - set(OFF_BY_DEFAULT))


def checked(
    world: Sandbox, folder: Path, catalog: Mapping[str, Any] | None = None, **settings: Any
) -> Result:
    config = folder / "config.json"
    config.write_text(json.dumps(config_of(world, **settings)), encoding="utf-8")
    selection: list[str | Path] = []
    if catalog is not None:
        selection = ["--catalog", folder / "catalog.json"]
        (folder / "catalog.json").write_text(json.dumps(catalog), encoding="utf-8")
    return run_cli("--config", config, *selection, "--test")


def table(result: Result) -> dict[str, str]:
    """What is said of each check, beginning with ok or FAIL."""
    rows = [line.split(maxsplit=2) for line in result.stdout.splitlines()]
    return {name: f"{works} {said}" for works, name, said in rows}


def test_a_line_for_the_roster_and_each_selected_stream(world: Sandbox, tmp_path: Path) -> None:
    result = checked(world, tmp_path)
    assert result.exit_code == 0
    assert list(table(result)) == ["roster", *ON]
    assert all(said.startswith("ok ") for said in table(result).values())
    assert table(result)["roster"] == f"ok {len(world.roster())} members to read"
    assert table(result)["users"] == "ok 1 rows for the first member known to CrowdTwist"


def test_it_names_the_longer_check_at_its_end(world: Sandbox, tmp_path: Path) -> None:
    assert "`crowdtwist-conformance --config … --report FILE`" in checked(world, tmp_path).last_line


def test_it_takes_a_handful_of_requests(world: Sandbox, tmp_path: Path) -> None:
    checked(world, tmp_path)
    assert len(world.requests()) <= 30


def test_a_wrong_key_is_told_for_what_it_is_once(world: Sandbox, tmp_path: Path) -> None:
    result = checked(world, tmp_path, api_key="not-the-key")
    assert result.exit_code == 1
    first, *others = (table(result)[name] for name in ON)
    assert first.startswith("FAIL CrowdTwist rejected the credentials: check `api_key`")
    assert result.stdout.count("`api_key`") == 1
    for said, name in zip(others, ON[1:], strict=True):
        assert said == f"FAIL as above ({name}, HTTP 403, invalid_auth)"
    assert "not-the-key" not in result.stdout + result.stderr
    assert "9 of the checks failed" in result.last_line


def test_a_missing_roster_fails_alone(world: Sandbox, tmp_path: Path) -> None:
    result = checked(world, tmp_path, user_ids=None)
    assert result.exit_code == 1
    assert list(table(result)) == ["roster", "activities", "rewards"]
    assert "FAIL Setting `user_ids_path`" in table(result)["roster"]
    assert table(result)["activities"].startswith("ok")


def test_a_wrong_id_type_is_told_for_what_it_is(world: Sandbox, tmp_path: Path) -> None:
    result = checked(world, tmp_path, user_ids=[1, 2, 3])
    assert result.exit_code == 1
    said = table(result)["purchases"]
    assert said.startswith("FAIL None of the 3 members tried is known to CrowdTwist as 'id'")
    assert "`id_type`" in said


def test_the_sample_is_spread_over_the_roster(world: Sandbox, tmp_path: Path) -> None:
    roster = world.roster()
    checked(world, tmp_path, select("users"))
    asked = [path.rpartition("/")[2] for _, path, _ in queries(world)]
    last = len(roster) - 1
    assert asked == [str(sorted(roster, key=int)[n * last // 4]) for n in range(5)]


@pytest.mark.parametrize(("missing", "ratio"), list(product(range(6), (0, 0.2, 0.5, 1))))
def test_it_fails_where_the_run_would_fail_and_warns_below_that(
    world: Sandbox, tmp_path: Path, missing: int, ratio: float
) -> None:
    known = [int(member) for member in world.roster() if int(member) > 1000][: 5 - missing]
    roster = [*range(1, missing + 1), *known]
    settings: dict[str, Any] = {"user_ids": roster, "max_missing_ratio": ratio}
    result = checked(world, tmp_path, select("users"), **settings)
    fails = missing > len(roster) * ratio
    assert result.exit_code == int(fails)
    run_tap(world, "users", code=int(fails), **settings)
    rows = table(result)
    if missing:
        assert rows["members"].startswith("FAIL" if fails else "WARN")
        assert f" {missing} of 5 members tried are not known to CrowdTwist" in rows["members"]
        assert f"entry {missing} of `user_ids`" in rows["members"]
    else:
        assert "members" not in rows


def test_later_streams_ask_only_about_members_that_were_found(
    world: Sandbox, tmp_path: Path
) -> None:
    checked(world, tmp_path, user_ids=[1, 2, 3, *world.roster()[:2]])
    asked = [path for _, path, _ in queries(world) if path.split("/")[3:4] in (["1"], ["2"], ["3"])]
    assert len(asked) == 3


@pytest.mark.parametrize("order", list(permutations(["config", "catalog", "test"])), ids=str)
def test_the_order_of_options_does_not_matter(
    world: Sandbox, tmp_path: Path, order: tuple[str, ...]
) -> None:
    for name, content in (("config", config_of(world)), ("catalog", select("rewards"))):
        (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    args: dict[str, list[str | Path]] = {
        "config": ["--config", tmp_path / "config.json"],
        "catalog": ["--catalog", tmp_path / "catalog.json"],
        "test": ["--test"],
    }
    result = run_cli(*(arg for name in order for arg in args[name]))
    assert result.exit_code == 0, result.stderr
    assert list(table(result)) == ["rewards"]


def test_a_shard_without_members_is_told(world: Sandbox, tmp_path: Path) -> None:
    result = checked(world, tmp_path, user_ids=[1_000_003], shard="2/900")
    assert table(result)["roster"].startswith("FAIL no member belongs to shard 2/900")


def test_a_host_that_is_down_fails_only_what_needs_it(world: Sandbox, tmp_path: Path) -> None:
    result = checked(world, tmp_path, pos_url="http://127.0.0.1:9")
    said = table(result)
    assert said.pop("purchases").startswith("FAIL No response from CrowdTwist")
    assert all(line.startswith("ok ") for line in said.values())


def test_what_the_program_lacks_is_no_failure(tmp_path: Path) -> None:
    with sandbox(members=5, expiration_rule=False) as world:
        result = checked(world, tmp_path)
    assert result.exit_code == 0
    assert table(result)["points_expiration"].startswith("ok has no rows: ")


@pytest.mark.parametrize("setting", ["api_key", "client_id"])
def test_settings_are_checked_before_anything_is_asked(
    world: Sandbox, tmp_path: Path, setting: str
) -> None:
    gone = {setting: None} | ({"api_url": None} if setting == "client_id" else {})
    result = checked(world, tmp_path, **gone)
    assert result.exit_code == 1
    assert f"Setting `{setting}`" in result.last_line
    assert result.stdout == ""


def test_only_what_the_catalog_selects_is_checked(world: Sandbox, tmp_path: Path) -> None:
    result = checked(world, tmp_path, select("rewards"))
    assert result.exit_code == 0
    assert list(table(result)) == ["rewards"]


def test_a_catalog_of_another_tap_is_refused(world: Sandbox, tmp_path: Path) -> None:
    foreign = {"streams": [{"tap_stream_id": "orders", "schema": {"type": "object"}}]}
    result = checked(world, tmp_path, foreign)
    assert result.exit_code == 1
    assert result.last_line.endswith(
        "Option `--catalog`: contains no stream of this tap; create one with `--discover`"
    )
    assert (result.stdout, world.requests()) == ("", [])


def test_a_strange_stream_in_the_catalog_is_told(world: Sandbox, tmp_path: Path) -> None:
    catalog = select("rewards")
    strange = {"tap_stream_id": "orders", "schema": {"type": "object"}}
    result = checked(world, tmp_path, {"streams": [*catalog["streams"], strange]})
    assert result.exit_code == 0
    assert "Catalog: streams that this tap does not have: orders" in result.stderr


def test_a_catalog_that_selects_nothing_is_no_success(world: Sandbox, tmp_path: Path) -> None:
    result = checked(world, tmp_path, select())
    assert result.exit_code == 1
    assert "No stream is selected, so there is nothing to read" in result.last_line
    assert (result.stdout, world.requests()) == ("", [])


KEYS: dict[str, Any] = {"hmac_public_key": "public-1", "hmac_private_key": "private-1"}
"""A client HMAC key."""

FORMS = list(product(HMAC_TIMESTAMPS, HMAC_DIGESTS))
BY_DEFAULT = {"hmac_timestamp": HMAC_TIMESTAMPS[0], "hmac_digest": HMAC_DIGESTS[0]}


@pytest.mark.parametrize(("timestamp", "digest"), FORMS[1:])
def test_the_form_of_signature_that_is_accepted_is_found(
    tmp_path: Path, timestamp: str, digest: str
) -> None:
    form: dict[str, Any] = {"hmac_timestamp": timestamp, "hmac_digest": digest}
    with sandbox(members=3, **KEYS, **form) as world:
        result = checked(world, tmp_path, auth_method="hmac", **KEYS)
        assert result.exit_code == 1
        said = table(result)["signature"]
        assert said.startswith("FAIL accepted in another form: set ")
        new: dict[str, Any] = dict(re.findall(r"`(\w+)` to (\w+)", said))
        assert new == {
            name: value for name, value in form.items() if (name, value) not in BY_DEFAULT.items()
        }
        assert "private-1" not in result.stdout + result.stderr

        again = checked(world, tmp_path, auth_method="hmac", **KEYS, **new)
    assert again.exit_code == 0, again.stdout
    assert "signature" not in table(again)


@pytest.mark.parametrize("form", [{}, {"hmac_timestamp": "seconds", "hmac_digest": "hex"}], ids=str)
def test_an_accepted_signature_is_left_alone(tmp_path: Path, form: dict[str, Any]) -> None:
    with sandbox(members=3, **KEYS, **form) as world:
        result = checked(world, tmp_path, auth_method="hmac", **KEYS, **form)
    assert result.exit_code == 0, result.stdout
    assert "signature" not in table(result)


def test_keys_that_are_refused_in_every_form_are_told_as_such(tmp_path: Path) -> None:
    with sandbox(members=3, **KEYS) as world:
        wrong = KEYS | {"hmac_private_key": "private-2"}
        result = checked(world, tmp_path, select("activities"), auth_method="hmac", **wrong)
        tried = len(world.requests())
    assert table(result)["signature"].startswith(
        "FAIL rejected in every form: check that both keys"
    )
    assert tried == len(FORMS)


@pytest.mark.parametrize("method", ["query", "header"])
def test_nothing_else_tries_other_ways_to_authenticate(tmp_path: Path, method: str) -> None:
    with sandbox(members=3, **KEYS) as world:
        result = checked(world, tmp_path, select("activities"), auth_method=method, **KEYS)
        asked = len(world.requests())
        run = run_tap(world, "activities", auth_method="hmac", hmac_digest="hex", code=1, **KEYS)
    assert list(table(result)) == ["activities"]
    assert asked == 1
    for other in ("query", "header", "hmac"):
        assert other in table(result)["activities"]
    assert "may read this" in run.last_line


def test_a_key_that_the_pos_host_refuses_says_nothing_of_signatures(tmp_path: Path) -> None:
    with sandbox(members=3, **KEYS) as world:
        result = checked(world, tmp_path, auth_method="hmac", api_key="not-the-key", **KEYS)
    assert table(result)["purchases"].startswith("FAIL CrowdTwist rejected the credentials")
    assert "signature" not in table(result)
