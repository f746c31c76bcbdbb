"""What the DAG does with shards: reads the roster, runs Meltano, checks completeness.

Nothing in this package imports Airflow or the tap, so it works, and is tested, without either.
"""

from crowdtwist_shards.completeness import Part, account, asked_before, find_problems, split, table
from crowdtwist_shards.errors import ShardError
from crowdtwist_shards.members import count_members, write_roster
from crowdtwist_shards.reading import place
from crowdtwist_shards.runs import Meltano, Run, variables
from crowdtwist_shards.settings import DEFAULTS, read_settings

__all__ = [
    "DEFAULTS",
    "Meltano",
    "Part",
    "Run",
    "ShardError",
    "account",
    "asked_before",
    "count_members",
    "find_problems",
    "place",
    "read_settings",
    "split",
    "table",
    "variables",
    "write_roster",
]
