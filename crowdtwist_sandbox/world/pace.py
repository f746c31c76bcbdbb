"""The rate at which members change."""

from __future__ import annotations

from typing import NamedTuple

_USUAL_SHARE = 0.22
"""The probability that something happens to a member on a day at the usual pace.

15 % of the members are active. One in twelve of them submits a receipt that a later one follows,
and one in nine a receipt that is scanned on the next day. 2 % move, 1 % join, 1 % get a reminder.
"""


class Pace(NamedTuple):
    """Rates per member and day; points that expire at the end of a month are separate.

    `eager` of 65,536 members do something; one in `move_every` moves; one in `remind_every` of the
    others gets a reminder. `growth` members in a million join, and the share `loss` is deleted.
    """

    eager: int = 9830
    move_every: int = 50
    remind_every: int = 100
    growth: int = 10_000
    loss: float = 0.005

    @classmethod
    def of(cls, daily_changes: float | None) -> Pace:
        """Return the pace at which about this share of members changes on a day."""
        if daily_changes is None:
            return USUAL
        # Probabilities scale with the factor, and intervals such as `move_every` inversely.
        factor = daily_changes / _USUAL_SHARE
        return cls(
            eager=round(USUAL.eager * factor),
            move_every=round(USUAL.move_every / factor),
            remind_every=round(USUAL.remind_every / factor),
            growth=round(USUAL.growth * factor),
            loss=USUAL.loss * factor,
        )


USUAL = Pace()
