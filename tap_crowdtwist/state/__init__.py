"""The state that a run leaves for the next one: one entry per stream.

`sweep` describes the entry; `sweep_storage` loads and saves it; `sweep_begin` decides where a sweep
begins, `sweep_finish` what it leaves. `failed_members`, `roster_digest`, `files_seen` and
`table_version` are parts of the entry; `compatibility` checks whether it fits the run. `resume`
decides whether a run resumes the last one.
"""

from tap_crowdtwist.state.compatibility import check_compatible
from tap_crowdtwist.state.failed_members import (
    MAX_FAILED_MEMBERS,
    MAX_STATE_BYTES,
    characters_left,
    lower_bound,
)
from tap_crowdtwist.state.sweep import SweepPlan, SweepState
from tap_crowdtwist.state.sweep_begin import ROSTER_CHANGED, begin, misses_earlier_rows
from tap_crowdtwist.state.sweep_finish import (
    end,
    finish,
    found_members,
    roster_size,
    swept_at,
    void_if_roster_changed,
)
from tap_crowdtwist.state.sweep_storage import forget, save, shorten, stored_sweep
from tap_crowdtwist.state.table_version import found_before, has_shrunk

__all__ = [
    "MAX_FAILED_MEMBERS",
    "MAX_STATE_BYTES",
    "ROSTER_CHANGED",
    "SweepPlan",
    "SweepState",
    "begin",
    "characters_left",
    "check_compatible",
    "end",
    "finish",
    "forget",
    "found_before",
    "found_members",
    "has_shrunk",
    "lower_bound",
    "misses_earlier_rows",
    "roster_size",
    "save",
    "shorten",
    "stored_sweep",
    "swept_at",
    "void_if_roster_changed",
]
