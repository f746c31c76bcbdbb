"""What a sweep owes: members whose rows it could not read, and from when on they are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist.state.instants import spell

if TYPE_CHECKING:
    from datetime import datetime

    from tap_crowdtwist.roster import Member
    from tap_crowdtwist.state.sweeps import Sweep


def failed(sweep: Sweep, member: Member, since: datetime | None) -> None:
    """Note that a member is owed its rows from a bound on."""
    if not sweep.retry:
        sweep.retry_since = since
    elif since is None or sweep.retry_since is None:
        sweep.retry_since = None
    else:
        sweep.retry_since = min(since, sweep.retry_since)
    if member not in sweep.retry:
        sweep.retry.append(member)


def earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """Give the lower of two bounds; None is below any."""
    return None if one is None or other is None else min(one, other)


def owed(sweep: Sweep) -> dict[str, Any]:
    """Give what the state of a sweep says of its debts."""
    if not sweep.retry:
        return {}
    debts: dict[str, Any] = {"retry": list(sweep.retry)}
    if sweep.retry_since is not None:
        debts["retry_since"] = spell(sweep.retry_since)
    return debts
