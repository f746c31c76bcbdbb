"""The DAG's work besides Airflow: its settings, the roster, and whether all shards are complete.

Nothing here imports Airflow or the tap, so it can be tested without either.
"""
# ruff: noqa: INP001 - a DAGs folder is not a package

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

import fsspec
import msgspec
from msgspec import Meta

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TAP_PREFIX = "TAP_CROWDTWIST_"

_WRITABLE = re.compile(r"(?!.*\b(sftp|ssh):)[^*]+\.csv(\.gz)?")
"""Rosters that `roster_sql` can write. fsspec would accept any host key of an SFTP server."""

Text = Annotated[str, Meta(min_length=1)]
Number = Annotated[int, Meta(ge=1)]


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The settings of the Variable; docs/airflow.md describes them."""

    project: Text = "/opt/meltano"
    meltano: Text = "meltano"
    environment: Text = "prod"
    target: Text = "target-postgres"
    target_conn_id: Text | None = None
    roster: Text | None = None
    roster_sql: Text | None = None
    roster_conn_id: Text | None = None
    members_sql: Text | None = None
    shards: Number = 16
    requests_per_minute: Number = 5000
    streams: Annotated[list[Text], Meta(min_length=1)] | None = None
    sweep_members: Literal["all", "changed", "updated"] | None = None
    transform: Text | None = None

    def __post_init__(self) -> None:
        for query, connection in (
            ("roster_sql", "roster_conn_id"),
            ("members_sql", "target_conn_id"),
        ):
            if getattr(self, query) and not getattr(self, connection):
                raise ValueError(f"`{query}` needs `{connection}`, the Connection to run it on")
        try:
            expand(self.project)
            expand(self.meltano)
        except RuntimeError:
            raise ValueError("`project` or `meltano` begins with ~ and an unknown user") from None
        if self.shards > self.requests_per_minute:
            raise ValueError("`requests_per_minute` has to be at least `shards`")

    @classmethod
    def parse(cls, variable: str, chosen: Mapping[str, Any]) -> Settings:
        """Parse the Variable; the parameters of a run, where they are not None, override it.

        Raises:
            ValueError: it is not a JSON object, or a setting is unknown or has a wrong value.
        """
        given = msgspec.json.decode(variable, type=dict[str, Any])
        overrides = {name: value for name, value in chosen.items() if value is not None}
        return msgspec.convert(given | overrides, cls)

    def parts(self, at_once: int) -> list[dict[str, Any]]:
        """Return the tap's settings of each shard.

        Args:
            at_once: how many shards run at the same time, at the most. The rates of so many are
                never more than the whole.
        """
        rate = self.requests_per_minute // min(self.shards, at_once)
        return [
            {"shard": f"{number}/{self.shards}", "requests_per_minute": rate}
            for number in range(1, self.shards + 1)
        ]


def expand(path: str) -> Path:
    """Return a path, in which a ~ in front is the home of whoever runs the worker.

    Raises:
        RuntimeError: it is that of a user who is unknown.
    """
    return Path(path).expanduser()


def variables(prefix: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that have a value, as environment variables of a Singer plugin."""
    return {
        f"{prefix}{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in settings.items()
        if value not in (None, "", [])
    }


def write_roster(path: str, ids: Iterable[Any], column: str) -> int:
    """Write a CSV of one column, and return the number of its ids.

    The old file stays until all ids are there. Whether they are ids, the tap checks.

    Raises:
        ValueError: there are no ids, one is missing, or the path is not that of one CSV file.
    """
    if not _WRITABLE.fullmatch(path):
        raise ValueError(
            "`roster_sql` writes one CSV file, so `roster` has to end in .csv or .csv.gz, without "
            "a *, and cannot be on SFTP, where the DAG cannot check the host key"
        )
    filesystem, target = fsspec.url_to_fs(path)
    part = f"{target}.part"
    number = 0
    with TemporaryDirectory() as folder:
        draft = f"{folder}/{path.rpartition('/')[2]}"
        with fsspec.open(draft, "wt", encoding="utf-8", newline="", compression="infer") as file:
            writer = csv.writer(file)
            writer.writerow([column])
            for number, member in enumerate(ids, start=1):
                if member is None or not str(member).strip():
                    raise ValueError(f"`roster_sql`: row {number} is empty; the old file is kept")
                writer.writerow([member])
        if not number:
            raise ValueError("`roster_sql` returned no rows; the old file is kept")
        filesystem.put_file(draft, part)
    filesystem.mv(part, target)
    return number


def find_problems(
    parts: Sequence[Mapping[str, Any]], results: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Return what is incomplete, as sentences with numbers; empty if nothing is.

    Args:
        parts: all shards.
        results: those of the shards that finished, from `Run.result`.
    """
    problems = []
    finished = {result["shard"] for result in results}
    if unfinished := [part["shard"] for part in parts if part["shard"] not in finished]:
        shards = ", ".join(unfinished)
        problems.append(f"{len(unfinished)} of {len(parts)} shards did not finish: {shards}")
    problems += [f"shard {row['shard']}: {row['problem']}" for row in results if row["problem"]]
    # The tap divides the members by a hash of their ids. So the shards add up to the roster if
    # all of them have read the same one.
    sizes = {result["roster_ids"] for result in results}
    if len(sizes) > 1:
        problems.append(
            f"the shards read different rosters, of {' and '.join(map(str, sorted(sizes)))} ids: "
            "it changed, or not every worker reads the same file"
        )
    return problems
