"""What a run leaves for the next one: where each sweep stands, what it owes, what it knew.

One entry per stream, whatever the number of members. `sweeps` is the cursor and its bounds;
`debts`, `known`, `notes` and `whose` are parts of its entry; `continuation` tells a run that was
cut short from the next day's.
"""

from tap_crowdtwist.state.compatibility import check_roster
from tap_crowdtwist.state.failed_members import LARGEST, MOST, lower_bound, room
from tap_crowdtwist.state.sweep import (
    Plan,
    Sweep,
    begin,
    finish,
    forget,
    found,
    members_of,
    note_files,
    save,
    shorten,
    starts_later,
    under_way,
)
from tap_crowdtwist.state.table_version import found_before, has_shrunk

__all__ = [
    "LARGEST",
    "MOST",
    "Plan",
    "Sweep",
    "begin",
    "check_roster",
    "finish",
    "forget",
    "found",
    "found_before",
    "has_shrunk",
    "lower_bound",
    "members_of",
    "note_files",
    "room",
    "save",
    "shorten",
    "starts_later",
    "under_way",
]
