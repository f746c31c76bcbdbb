"""The work of the DAG: read the roster, run Meltano for each shard, check for completeness.

Nothing in this package imports Airflow or the tap, so it can be tested without either.
"""

from crowdtwist_shards.completeness import (
    Part,
    asked_before,
    find_problems,
    shard_result,
    split,
    table,
)
from crowdtwist_shards.errors import ShardError
from crowdtwist_shards.members import count_members, write_roster
from crowdtwist_shards.reading import redact_url
from crowdtwist_shards.runs import Meltano, Run, variables
from crowdtwist_shards.settings import DEFAULTS, read_settings

__all__ = [
    "DEFAULTS",
    "Meltano",
    "Part",
    "Run",
    "ShardError",
    "asked_before",
    "count_members",
    "find_problems",
    "read_settings",
    "redact_url",
    "shard_result",
    "split",
    "table",
    "variables",
    "write_roster",
]
