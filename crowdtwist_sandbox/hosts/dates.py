"""Date parameters, each endpoint in its own fashion."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, NoReturn

from crowdtwist_sandbox import errors
from crowdtwist_sandbox.hosts.call import both_or_none
from crowdtwist_sandbox.world.timestamps import DAY, epoch_day

if TYPE_CHECKING:
    from crowdtwist_sandbox.hosts.call import Call

_YEAR = 365
_NAMES = ("date_start", "date_end")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_SECONDS = re.compile(r"-?[0-9]{1,12}", re.ASCII)


def _refuse(message: str) -> NoReturn:
    raise errors.param_error(message)


def _day(text: str) -> int | None:
    """Days since 1970 of a `YYYY-MM-DD`, None where it is not one."""
    if _DATE.fullmatch(text) is None:
        return None
    try:
        return epoch_day(date.fromisoformat(text))
    except ValueError:
        return None


def unix_range(call: Call) -> tuple[int, int] | None:
    """Unix seconds, both or neither, both ends included ("User Activity History")."""
    given = both_or_none(call, _NAMES, _refuse)
    if given is None:
        return None
    if not all(_SECONDS.fullmatch(text) for text in given):
        _refuse("date_start and date_end must be Unix timestamps.")
    return int(given[0]), int(given[1])


def year_range(call: Call) -> tuple[int, int] | None:
    """Instants from date_start up to, not including, date_end ("User Redemption History v2.2").

    The page demands a range of one year at most, and an end greater than the start; that the end
    is excluded is the strict reading of it.
    """
    given = both_or_none(call, _NAMES, _refuse)
    if given is None:
        return None
    start, end = (_day(text) for text in given)
    if start is None or end is None:
        _refuse("date_start and date_end must be in the format YYYY-MM-DD.")
    if end <= start:
        _refuse("date_end must be greater than date_start.")
    tomorrow = call.world.first_day + call.day + 1
    if end > tomorrow and call.deviates("redemptions_refuse_days_ahead"):
        _refuse("date_end must not be in the future.")
    if end - start > _YEAR and not call.deviates("redemptions_of_any_range"):
        _refuse("The date range must not exceed one year.")
    return start * DAY, (end + call.deviates("redemptions_end_included")) * DAY


def purchase_days(call: Call) -> tuple[int, int]:
    """Instants of whole days, both included ("User Purchase History").

    Either end may be left open.
    """
    params = call.request.params
    if call.deviates("purchases_need_both_dates") and len(params.keys() & {*_NAMES}) == 1:
        raise errors.pos_error(400, "param_error", "Both dates are needed.")
    bounds = []
    for name, default in zip(_NAMES, (-(10**12), 10**12), strict=True):
        text = params.get(name)
        day = default if text is None else _day(text)
        if day is None:
            raise errors.pos_error(400, "param_error", f"{name} must be in the format YYYY-MM-DD.")
        bounds.append(day * DAY)
    return bounds[0], bounds[1] + (0 if call.deviates("purchases_end_excluded") else DAY)
