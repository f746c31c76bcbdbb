"""What a run leaves for the next one: where each sweep stands, what it owes, what it knew.

One entry per stream, whatever the number of members. `sweeps` is the cursor and its bounds;
`debts`, `known`, `notes` and `whose` are parts of its entry; `continuation` tells a run that was
cut short from the next day's.
"""

from tap_crowdtwist.state.compatibility import check_compatible
from tap_crowdtwist.state.failed_members import (
    MAX_FAILED_MEMBERS,
    MAX_STATE_BYTES,
    lower_bound,
    room,
)
from tap_crowdtwist.state.sweep import (
    SweepPlan,
    SweepState,
    begin,
    finish,
    forget,
    found_members,
    keep_complete,
    misses_earlier_rows,
    record_files,
    roster_size,
    save,
    shorten,
    stored_sweep,
)
from tap_crowdtwist.state.table_version import found_before, has_shrunk

__all__ = [
    "MAX_FAILED_MEMBERS",
    "MAX_STATE_BYTES",
    "SweepPlan",
    "SweepState",
    "begin",
    "check_compatible",
    "finish",
    "forget",
    "found_before",
    "found_members",
    "has_shrunk",
    "keep_complete",
    "lower_bound",
    "misses_earlier_rows",
    "record_files",
    "room",
    "roster_size",
    "save",
    "shorten",
    "stored_sweep",
]
