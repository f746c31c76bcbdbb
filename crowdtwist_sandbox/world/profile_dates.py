"""How the `date_last_updated` of a profile follows what happens to its member.

It is documented nowhere whether points move it, so a program may do any of this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

WITH_POINTS, WITHOUT_POINTS = "with_points", "without_points"
LATE_ROWS = ("none", "move_profiles", "leave_profiles")
"""Values of the option `late_rows`."""


class ProfileDates(NamedTuple):
    """A program's rules for the dates of profiles.

    Attributes:
        with_points: whether events that move points move the date; a change of the profile always
            does.
        delay_seconds: how long after a change the profile shows it. The date is then that of the
            change, not of the moment when it shows.
        has_late_rows: whether some rows arrive days after their date, from day 1 on.
        with_late_rows: whether the arrival of such a row moves the date.
    """

    with_points: bool = True
    delay_seconds: int = 0
    has_late_rows: bool = False
    with_late_rows: bool = True

    @classmethod
    def of(cls, profile_dates: str, late_rows: str) -> ProfileDates:
        """Return the rules that two options ask for; see `SandboxOptions`.

        Raises:
            ValueError: a value is invalid; the message names the option.
        """
        is_delay = profile_dates.isascii() and profile_dates.isdecimal()
        if not is_delay and profile_dates not in {WITH_POINTS, WITHOUT_POINTS}:
            raise ValueError(
                f"profile_dates: must be {WITH_POINTS}, {WITHOUT_POINTS} or a number of minutes"
            )
        if late_rows not in LATE_ROWS:
            raise ValueError(f"late_rows: must be one of {', '.join(LATE_ROWS)}")
        return cls(
            with_points=profile_dates != WITHOUT_POINTS,
            delay_seconds=60 * int(profile_dates) if is_delay else 0,
            has_late_rows=late_rows != "none",
            with_late_rows=late_rows != "leave_profiles",
        )

    def date(self, changes: Sequence[int], events: Sequence[int], now: int) -> int:
        """Return the date that a profile shows.

        Args:
            changes: times of changes of the profile itself, that of joining first.
            events: times of events that move points.
            now: the present.
        """
        times = [*changes, *events] if self.with_points else changes
        return max((at for at in times if at <= now - self.delay_seconds), default=changes[0])


USUAL_DATES = ProfileDates()
