"""The DAG's work besides Airflow: the roster, and the settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from support.airflow_project import CHECKOUT, dag_module
from support.pages import DOCS

from tap_crowdtwist.members.roster_files import located_in_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


CODE = dag_module("crowdtwist_shards")
PAGE = (DOCS / "airflow.md").read_text(encoding="utf-8")


# The roster


def test_a_roster_that_is_written_replaces_the_old_one_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "members.csv"

    assert CODE.write_roster(str(path), [3, 1], "id") == 2
    assert CODE.write_roster(f"file://{path}", ["7"], "id") == 1

    assert path.read_text(encoding="utf-8").split() == ["id", "7"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([], "`roster_sql` returned no rows"),
        ([5, None], "`roster_sql`: row 2 is empty"),
        (["Ann", " "], "`roster_sql`: row 2 is empty"),
    ],
)
def test_what_is_no_roster_never_replaces_a_good_one(
    tmp_path: Path, ids: list[Any], words: str
) -> None:
    path = tmp_path / "members.csv"
    path.write_text("id\n7\n")

    with pytest.raises(ValueError, match=f"{words}.*; the old file is kept"):
        CODE.write_roster(str(path), ids, "id")

    assert path.read_text(encoding="utf-8") == "id\n7\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_query_that_fails_in_the_middle_keeps_the_old_roster(tmp_path: Path) -> None:
    path = tmp_path / "members.csv"
    path.write_text("id\n7\n")

    def rows() -> Iterator[int]:
        yield 1
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        CODE.write_roster(str(path), rows(), "id")

    assert path.read_text(encoding="utf-8") == "id\n7\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
@pytest.mark.parametrize(
    ("id_type", "ids"), [("id", [3, "1"]), ("username", ["Ann, B.", 'C "D"', "005"])]
)
@pytest.mark.parametrize("column", [None, "member key"])
def test_the_tap_reads_every_member_of_a_roster_that_was_written(
    tmp_path: Path, ending: str, id_type: str, ids: list[Any], column: str | None
) -> None:
    """A first line that is taken for a header would lose a member."""
    path = str(tmp_path / f"members.{ending}")

    CODE.write_roster(path, ids, column or id_type)

    kept = int if id_type == "id" else str
    written = [member for _, member in located_in_files(path, id_type, column)]
    assert written == [kept(value) for value in ids]


@pytest.mark.parametrize(
    "path",
    ["", "*.csv", "members.txt", "members.csv.zip", "sftp://u:word@h/m.csv", "ssh://h/m.csv",
     "simplecache::sftp://u@h/m.csv"],
)  # fmt: skip
def test_a_roster_that_cannot_be_written_is_told_in_a_sentence(path: str) -> None:
    """Only the tap can check the host key of an SFTP server."""
    with pytest.raises(ValueError, match=r"`roster` has to end in \.csv or \.csv\.gz") as caught:
        CODE.write_roster(path, [1], "id")
    assert "word" not in str(caught.value)


# The settings


def test_the_page_has_every_setting_with_its_default() -> None:
    shown = re.findall(r"(?m)^`(\w+)`(?: = `(.+)`)?\n: ", PAGE)

    assert [(name, default or "None") for name, default in shown] == [
        (field.name, str(field.default)) for field in msgspec.structs.fields(CODE.Settings)
    ]


def test_the_variable_that_the_page_shows_is_valid() -> None:
    (variable,) = re.findall(r"airflow variables set crowdtwist[^']*'(\{.*\})'", PAGE)

    assert CODE.Settings.parse(variable, {}).roster == "s3://bucket/members.csv"


def test_the_page_names_the_airflow_that_the_tests_use() -> None:
    pins = (CHECKOUT / "orchestrate/airflow/constraints.txt").read_text(encoding="utf-8")
    (version,) = re.findall(r"(?m)^apache-airflow==(.+)$", pins)

    assert f"It is tested with Airflow {version} on" in PAGE
    assert f"FROM apache/airflow:{version}-" in PAGE


def test_what_the_variable_leaves_out_has_a_default() -> None:
    chosen = {"shards": 8, "requests_per_minute": None}
    settings = CODE.Settings.parse('{"shards": 2, "roster": "a"}', chosen)

    assert settings == CODE.Settings(shards=8, roster="a")
    assert CODE.Settings.parse("{}", {}) == CODE.Settings()
    assert CODE.Settings.parse('{"roster": null}', {"streams": ["users"]}).streams == ["users"]


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("", "truncated"),
        ("{", "truncated"),
        ("x", "malformed"),
        ("[]", "Expected `object`, got `array`"),
        ("null", "Expected `object`, got `null`"),
        ('{"shard": 4}', "unknown field `shard`"),
        ('{"shards": "4"}', r"Expected `int`, got `str` - at `\$.shards`"),
        ('{"shards": true}', r"\$.shards"),
        ('{"shards": 0}', r"`int` >= 1 - at `\$.shards`"),
        ('{"shards": null}', r"\$.shards"),
        ('{"requests_per_minute": 1000.5}', r"\$.requests_per_minute"),
        ('{"shards": 5, "requests_per_minute": 4}', "`requests_per_minute` .* at least `shards`"),
        ('{"streams": "users"}', r"\$.streams"),
        ('{"streams": []}', r"\$.streams"),
        ('{"streams": [1]}', r"\$.streams"),
        ('{"sweep_members": "some"}', r"\$.sweep_members"),
        ('{"project": null}', r"\$.project"),
        ('{"project": "~no-such-user/x"}', "`project` or `meltano` begins with ~ and an unknown"),
        ('{"roster": ["a.csv", "b.csv"]}', r"\$.roster"),
        ('{"roster": ""}', r"\$.roster"),
        ('{"roster_sql": "SELECT 1"}', "`roster_sql` needs `roster_conn_id`"),
        ('{"members_sql": "SELECT 1"}', "`members_sql` needs `target_conn_id`"),
    ],
)
def test_a_wrong_variable_is_told_in_a_sentence(variable: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        CODE.Settings.parse(variable, {})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("count", "rate"), [(1, 5000), (3, 5000), (4, 4), (7, 10_000)])
def test_parts_never_exceed_the_rate_together(count: int, rate: int) -> None:
    parts = CODE.Settings(shards=count, requests_per_minute=rate).parts(at_once=4)

    assert [part["shard"] for part in parts] == [f"{n + 1}/{count}" for n in range(count)]
    at_once = [part["requests_per_minute"] for part in parts][:4]
    assert rate - 4 < sum(at_once) <= rate
    assert {part["requests_per_minute"] for part in parts} == {at_once[0]}


def test_settings_are_spelled_as_meltano_reads_them() -> None:
    settings = {"client_id": "512", "lookback_days": 3, "flattening_enabled": True}
    settings |= {"max_retries": 0, "x": None, "y": "", "z": []}

    assert CODE.variables("TAP_", settings | {"_select": ["users.*"]}) == {
        "TAP_CLIENT_ID": "512",
        "TAP_LOOKBACK_DAYS": "3",
        "TAP_FLATTENING_ENABLED": "true",
        "TAP_MAX_RETRIES": "0",
        "TAP__SELECT": '["users.*"]',
    }
