"""Checks of the streams of a sweep that reads only some members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.state import stored_sweep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MAX_SHOWN = 3
"""Streams that an error names."""


def check_none_begun(states: Mapping[str, Mapping[str, Any]], mode: str) -> None:
    """Check that no sweep of all members is under way.

    Args:
        states: the states of the streams, by name.
        mode: the value of `sweep_members`.

    Raises:
        SettingError: one is.
    """
    sweeps = {name: stored_sweep(entry) for name, entry in states.items()}
    begun = [
        name
        for name, sweep in sweeps.items()
        if "started_at" in sweep and sweep.get("members", "all") == "all"
    ]
    if begun:
        raise SettingError(
            "sweep_members",
            f"`{mode}` is possible only when the sweep of all members that has begun for "
            f"{quoted(begun)} is complete; continue with `sweep_members` all until then",
        )


def quoted(streams: Sequence[str]) -> str:
    """Return the names of the first streams, and how many more there are."""
    shown = ", ".join(f"`{stream}`" for stream in streams[:_MAX_SHOWN])
    more = len(streams) - _MAX_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
