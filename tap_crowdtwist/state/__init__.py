"""What a run leaves for the next one: where each sweep stands, what it owes, what it knew.

One entry per stream, whatever the number of members. `sweeps` is the cursor and its bounds;
`debts`, `known`, `notes` and `whose` are parts of its entry; `continuation` tells a run that was
cut short from the next day's.
"""

from tap_crowdtwist.state.debts import LARGEST, MOST, earlier, failed, room
from tap_crowdtwist.state.sweeps import (
    Plan,
    Sweep,
    begin,
    finish,
    forget,
    found,
    go_without,
    members_of,
    note_files,
    save,
    shorten,
    starts_later,
    under_way,
)
from tap_crowdtwist.state.tables import found_before, has_shrunk
from tap_crowdtwist.state.whose import check_roster

__all__ = [
    "LARGEST",
    "MOST",
    "Plan",
    "Sweep",
    "begin",
    "check_roster",
    "earlier",
    "failed",
    "finish",
    "forget",
    "found",
    "found_before",
    "go_without",
    "has_shrunk",
    "members_of",
    "note_files",
    "room",
    "save",
    "shorten",
    "starts_later",
    "under_way",
]
