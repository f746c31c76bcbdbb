"""Date parameters, whose format and meaning differ by endpoint."""

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


def _reject(message: str) -> NoReturn:
    raise errors.param_error(message)


def _day(text: str) -> int | None:
    """Return the days since 1970 of a `YYYY-MM-DD`, None if it is not one."""
    # fromisoformat() alone would accept 20260203 and week dates since Python 3.11.
    if _DATE.fullmatch(text) is None:
        return None
    try:
        return epoch_day(date.fromisoformat(text))
    except ValueError:
        return None


def unix_range(call: Call) -> tuple[int, int] | None:
    """Return the range in Unix seconds, both ends included ("User Activity History").

    Raises:
        Refusal: only one of the dates is given, or one is not a timestamp.
    """
    given = both_or_none(call, _NAMES, _reject)
    if given is None:
        return None
    if not all(_SECONDS.fullmatch(text) for text in given):
        _reject("date_start and date_end must be Unix timestamps.")
    return int(given[0]), int(given[1])


def year_range(call: Call) -> tuple[int, int] | None:
    """Return the range in epoch seconds, date_end excluded ("User Redemption History v2.2").

    The page demands a range of one year at most, and an end greater than the start. Excluding the
    end is the strict reading of the page.

    Raises:
        Refusal: only one of the dates is given, or they are invalid.
    """
    given = both_or_none(call, _NAMES, _reject)
    if given is None:
        return None
    start, end = (_day(text) for text in given)
    if start is None or end is None:
        _reject("date_start and date_end must be in the format YYYY-MM-DD.")
    if end <= start:
        _reject("date_end must be greater than date_start.")
    tomorrow = call.world.first_day + call.day + 1
    if end > tomorrow and call.deviates("redemptions_refuse_days_ahead"):
        _reject("date_end must not be in the future.")
    if end - start > _YEAR and not call.deviates("redemptions_of_any_range"):
        _reject("The date range must not exceed one year.")
    return start * DAY, (end + call.deviates("redemptions_end_included")) * DAY


def purchase_days(call: Call) -> tuple[int, int]:
    """Return the range in epoch seconds, both days included ("User Purchase History").

    Either end may be left open.

    Raises:
        Refusal: a date is invalid.
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
