"""The table of resources on the page about the client library."""

from __future__ import annotations

from scripts.markdown import table
from tap_crowdtwist import api
from tap_crowdtwist.api.endpoints import DateFilter, Endpoint, Host

_DATES = {
    None: "",
    DateFilter.UNIX: "to the second",
    DateFilter.DAYS: "by day, no end",
    DateFilter.WINDOWS: "by day",
}


def resources_table() -> str:
    """Render one row per public endpoint: its name, its path, how it is read, its date filter."""
    rows = []
    for name in api.__all__:
        endpoint = getattr(api, name)
        if isinstance(endpoint, Endpoint):
            host = "" if endpoint.host is Host.MAIN else " (POS host)"
            method = "`rows`" if endpoint.envelope else "`get`"
            path = f"`{endpoint.path}`{host}"
            rows.append((f"`{name}`", path, method, _DATES[endpoint.dates]))
    return table(("Name", "Path", "Read it with", "Dates"), rows)
