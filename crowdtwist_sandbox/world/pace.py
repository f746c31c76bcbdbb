"""How much happens in the world on a day."""

from __future__ import annotations

from typing import NamedTuple

_USUAL_SHARE = 0.22
"""The sum of the chances that something happens to a member on a day at the usual pace.

Eager members are 15 %; a twelfth of them submit a receipt to which another one comes later, and a
ninth one that is scanned on the day after; 2 % move, 1 % join, 1 % are reminded of their points.
"""


class Pace(NamedTuple):
    """Chances of one member on one day, but for points that lapse at the end of a month.

    `eager`, of 65,536, do something; one in `move_every` moves; one in `remind_every` of the others
    hears that points lapse. `growth` members in a million join, the part `loss` leaves.
    """

    eager: int = 9830
    move_every: int = 50
    remind_every: int = 100
    growth: int = 10_000
    loss: float = 0.005

    @classmethod
    def of(cls, daily_changes: float | None) -> Pace:
        """The pace at which about that share of members has something happen on a day."""
        if daily_changes is None:
            return USUAL
        factor = daily_changes / _USUAL_SHARE
        return cls(
            eager=round(USUAL.eager * factor),
            move_every=round(USUAL.move_every / factor),
            remind_every=round(USUAL.remind_every / factor),
            growth=round(USUAL.growth * factor),
            loss=USUAL.loss * factor,
        )


USUAL = Pace()
