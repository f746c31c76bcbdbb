"""What the report says of the tap is true: it adapts where it says so, and only there."""

from __future__ import annotations

import pytest
from support.conformance import ADAPTS, FOUND, plain
from support.fake_clock_tap import sync
from support.harness import canonical, key_of

HASHED = {"history_without_ids", "redemptions_without_ids"}
"""Deviations after which the ids of rows are the tap's own."""

DATED = {"purchases_need_both_dates", "redemptions_refuse_days_ahead"}
"""Deviations that only a run with dates meets."""

STREAMS = {
    deviations: sorted({name.partition(".")[0] for name in found} - {"limits", "responses"})
    for deviations, found in FOUND.items()
}


@pytest.mark.parametrize("deviations", FOUND)
def test_the_tap_adapts_where_the_report_says_so(deviations: str) -> None:
    streams = STREAMS[deviations] or ["users"]
    with plain(deviations) as running:
        ids = running.roster()
        gone = "missing" in deviations or "pos_errors" in deviations or "users" in streams
        living = [str(row["id"]) for row in running.expected_rows("users")]
        start = "2025-06-01" if deviations in DATED else None
        result = sync(running, *streams, user_ids=ids if gone else living, start_date=start)
        lost = 0
        for stream in streams:
            if deviations in HASHED:
                lost += len(result.records[stream]) != len(list(running.expected_rows(stream)))
                continue
            read = {key_of(stream, row) for row in canonical(stream, result.records[stream])}
            true = {key_of(stream, row) for row in canonical(stream, running.expected_rows(stream))}
            lost += not true <= read
    adapts = set(FOUND[deviations].values()) == {ADAPTS}
    assert (result.exit_code == 0 and not lost) == adapts, result.last_line
