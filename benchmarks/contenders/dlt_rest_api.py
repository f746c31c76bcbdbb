"""dlt's `rest_api` source, its resources parallelized, as its documentation configures them.

python -m benchmarks.contenders.dlt_rest_api CONFIG extract|load

`extract` stops once all rows are in dlt's intermediate files; `load` goes on to JSON lines in a
folder, its cheapest destination: no compression, no database, and only the column types that dlt
infers. The roster is a resource, and every resource of a member depends on it. This runs in a
virtual environment with dlt alone.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
from dlt.sources.rest_api import rest_api_resources

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = {"type": "page_number", "base_page": 1, "total_path": "paging.pages"}
SINGLE = {"type": "single_page"}
IGNORE_MISSING = [{"status_code": 404, "action": "ignore"}]


def pages(path: str, rows: str, size: int | None) -> dict[str, Any]:
    """Describe a resource in pages."""
    params = {} if size is None else {"page_size": size}
    return {"path": path, "data_selector": rows, "params": params, "paginator": PAGES}


def single(path: str, rows: str) -> dict[str, Any]:
    """Describe a resource without pages."""
    return {"path": path, "data_selector": rows, "paginator": SINGLE}


_USER = "users/{resources.members.id}"
PROGRAM = {
    "activities": pages("v2.1/activities/extended", "activities", 25),
    "rewards": pages("v2.1/rewards", "rewards", 25),
}
MEMBERS = {
    "users": single(f"v2/{_USER}", "$"),
    "user_activities": single(f"v2/{_USER}/activities", "$"),
    "user_activity_history": pages(f"v2.1/{_USER}/activity_history", "activities", 10),
    "user_rewards": pages(f"v2.1/{_USER}/rewards", "rewards", 10),
    "redemptions": pages(f"v2.2/{_USER}/redemption_history", "rewards", 10),
    "points_expiration": single(f"v2/{_USER}/points_expiration", "*.[*]"),
}
POS = {"purchases": pages(f"{_USER}/purchases", "purchases", None)}


def resources(config: dict[str, Any]) -> Iterator[Any]:
    """Yield the resources of both hosts."""
    roster = [{"id": member} for member in config["user_ids"]]
    members = dlt.resource([roster], name="members", selected=False)
    header = {
        "type": "api_key",
        "name": "X-CT-Authorization",
        "api_key": f"CTApiKey {config['api_key']}",
        "location": "header",
    }
    query = {
        "type": "api_key",
        "name": "api_key",
        "api_key": config["api_key"],
        "location": "query",
    }
    for url, auth, described in (
        (config["api_url"], query, {**PROGRAM, **MEMBERS}),
        (config["pos_url"], header, POS),
    ):
        wanted: list[Any] = [members]
        for name, endpoint in described.items():
            of_member = name not in PROGRAM
            actions = {"response_actions": IGNORE_MISSING} if of_member else {}
            resource = {"name": name, "endpoint": {**endpoint, **actions}}
            if of_member and name != "users":
                resource["include_from_parent"] = ["id"]
            wanted.append({**resource, "parallelized": True})
        made = rest_api_resources({"client": {"base_url": url, "auth": auth}, "resources": wanted})
        yield from (resource for resource in made if resource.name != "members")


def main(path: str, until: str) -> None:
    """Read every resource into a folder beside the configuration file."""
    config = json.loads(Path(path).read_text(encoding="utf-8"))
    folder = Path(path).parent / f"dlt-{until}"
    workers = str(config["max_concurrency"])
    os.environ |= {
        "DLT_DATA_DIR": str(folder / "data"),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
        "EXTRACT__WORKERS": workers,
        "EXTRACT__MAX_PARALLEL_ITEMS": str(2 * config["max_concurrency"]),
        "DATA_WRITER__DISABLE_COMPRESSION": "true",
    }
    pipeline = dlt.pipeline(
        "crowdtwist",
        pipelines_dir=str(folder / "pipelines"),
        destination=dlt.destinations.filesystem(bucket_url=(folder / "out").as_uri()),
        dataset_name="crowdtwist",
    )
    if until == "extract":
        pipeline.extract(list(resources(config)))
    else:
        pipeline.run(list(resources(config)), loader_file_format="jsonl")


if __name__ == "__main__":
    main(*sys.argv[1:])
