"""Writes files as CrowdTwist and the brand would name them, and reads them with no API in sight."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator, FormatChecker

from support.harness import PRESENT, Result, run_cli, select
from tap_crowdtwist.config.file_settings import FEED_PATHS
from tap_crowdtwist.files.data_push import CsvTable
from tap_crowdtwist.files.folder import File

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

PUSH = ("push_users", "push_user_activities", "push_redemptions", "push_points_expiration")
FEEDS = dict(
    zip(PUSH, ("PROFILE", "USER_ACTIVITY", "USER_REDEMPTION", "POINTS_EXPIRATION"), strict=True)
)
BATCH = "batch_activity_credits"
FAR = 600
"""Seconds between checkpoints, when only the last STATE is wanted."""

ROWS: dict[str, dict[str, str]] = {
    "push_users": {
        "id": "1200001",
        "first_name": "Zoë",
        "date_of_birth": "1990-02-03",
        "postal_code": "00501",
    },
    "push_user_activities": {
        "user_activity_id": "77",
        "id": "1200001",
        "activity_id": "5",
        "num_points": "-250",
        "date_created": "1773100000",
    },
    "push_redemptions": {
        "order_id": "0088",
        "order_date": "2026-03-10 05:06:07",
        "quantity": "2",
        "codes": "SPEND-ME",
        "digital_download": "https://dl.test/SPEND-ME",
        "voucher_value": "SPEND-ME",
        "shipping_city": "Łódź",
    },
    "push_points_expiration": {
        "user_id": "1200001",
        "message_date": "1773100000",
        "inactivity_exp_date": "2026-04-01T00:00:00Z",
    },
}
"""A row of each feed."""

ANYWHERE = dict.fromkeys(FEED_PATHS, "files")
"""Discovery looks at no file, so one catalog does for every folder."""


def name_of(feed: str, day: int | str, ending: str = "zip", client: str = "512") -> str:
    """A file's name; days are of March 2026 unless spelled out."""
    date = f"202603{day:02}" if isinstance(day, int) else day
    return f"2_{client}_{feed}_{date}.{ending}"


def table(*rows: Mapping[str, Any], columns: Iterable[str] = (), ending: str = "\n") -> bytes:
    """A CSV of rows with the columns of the first."""
    names = list(columns) or list(rows[0])
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator=ending, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def zipped(content: bytes, name: str = "2_512_FEED.csv") -> bytes:
    """A zip that holds a CSV, or something else by another name."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name, (2026, 3, 10, 0, 0, 0)), content)
    return packed.getvalue()


def profiles(*numbers: int, **columns: Any) -> bytes:
    """A profile table with a row for each number."""
    rows = [{"id": number, "first_name": f"N{number}", **columns} for number in numbers]
    return table(*rows, columns=["id", "first_name", *columns])


def put(folder: Path, name: str, content: bytes) -> Path:
    """Write a file, zipped if its name says so and the content is none yet."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    wrap = name.lower().endswith(".zip") and not content.startswith(b"PK")
    path.write_bytes(zipped(content) if wrap else content)
    return path


def put_days(folder: Path, *days: int, ending: str = "zip") -> None:
    """Write a profile file per day; each tells of a member of its own, and of member 1."""
    for day in days:
        rows = ({"id": number, "first_name": f"day {day}"} for number in (1, 100 + day))
        put(folder, name_of("PROFILE", day, ending), table(*rows))


def read(
    path: Path | str,
    *streams: str,
    setting: str = "data_push_path",
    state: Mapping[str, Any] | None = None,
    catalog: Mapping[str, Any] | None = None,
    present: datetime = PRESENT,
    code: int | None = 0,
    option: str = "",
    **settings: Any,
) -> Result:
    """Run the tap over files alone: there is no key, no host and no roster.

    Args:
        path: where the files are.
        streams: what to select; profiles if none is named.
        setting: the setting that takes `path`.
        state: the state of an earlier run.
        catalog: a catalog, in place of `streams`.
        present: the tap's present.
        code: the exit code that is expected; None for any.
        option: another option for the command line.
        settings: further settings.
    """
    config = {setting: str(path), "checkpoint_interval": FAR, **settings}
    catalog = catalog or select(*(streams or ("push_users",)), paths=ANYWHERE)
    with tempfile.TemporaryDirectory() as folder:
        args: list[str] = []
        for name, content in (("config", config), ("state", state), ("catalog", catalog)):
            if content is not None:
                file = Path(folder, f"{name}.json")
                file.write_text(json.dumps(content), encoding="utf-8")
                args += [f"--{name}", str(file)]
        result = run_cli(*args, *([option] if option else []), present=present)
    assert code is None or result.exit_code == code, result.stderr
    return result


def rows_in(content: bytes, name: str = "2_512_PROFILE_20260310.zip") -> list[Any]:
    """The rows of a file, straight from where they are told apart."""
    file = File(name, name, "PROFILE", PRESENT, 0, len(content), "")
    with CsvTable(file, lambda _: io.BytesIO(content)) as rows:
        return [rows.columns, *rows]


def one(folder: Path, content: bytes, stream: str = "push_users", **settings: Any) -> Result:
    """Read one pushed file, and see that its records are valid."""
    put(folder, name_of(FEEDS[stream], 10), content)
    result = read(folder, stream, **settings)
    check_valid(result)
    return result


def with_method(method: str, *streams: str) -> dict[str, Any]:
    """A catalog that selects streams and sets how they are replicated."""
    catalog = select(*streams, paths=ANYWHERE)
    for entry in catalog["streams"]:
        entry["replication_method"] = method
        for each in entry["metadata"]:
            if not each["breadcrumb"]:
                each["metadata"]["forced-replication-method"] = method
                each["metadata"]["replication-method"] = method
    return catalog


def ids(result: Result, stream: str = "push_users") -> list[int]:
    """The ids of a stream's records, in order."""
    return [record["id"] for record in result.records[stream]]


def check_valid(result: Result) -> None:
    """Every record fits the SCHEMA message of its stream, and has values for its key."""
    for stream, records in result.records.items():
        (schema,) = result.schemas[stream]
        checker = Draft202012Validator(schema["schema"], format_checker=FormatChecker())
        for record in records:
            checker.validate(record)
            assert None not in [record[key] for key in schema["key_properties"]]


def run_without(package: str, place: str, folder: Path) -> Result:
    """Read the files of a place in a process in which a package cannot be imported."""
    given = {
        "config": {"data_push_path": place},
        "catalog": select("push_users", paths=ANYWHERE),
    }
    for name, content in given.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    code = f"import sys; sys.modules['{package}'] = None; "
    code += "from tap_crowdtwist.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--config", "config", "--catalog", "catalog"],
        cwd=folder,
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def check_failure(result: Result, *said: str) -> None:
    """The run ended in one clear line."""
    assert "Traceback" not in result.stderr, result.stderr
    for words in said:
        assert words in result.last_line, result.last_line
