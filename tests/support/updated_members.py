"""A program without files, which syncs only the members whose profile was updated."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from support.changed_members import Brand, Outcome
from support.harness import DEFAULT_STREAMS, MEMBER_STREAMS, PRESENT

TODAY_ENDS = PRESENT.replace(hour=0)
"""A second after the sandbox's present of day 0."""

STREAMS = tuple(stream for stream in DEFAULT_STREAMS if stream in MEMBER_STREAMS)
DATED = ("user_activity_history", "purchases", "redemptions")
"""The streams whose rows have dates, so that `updated` promises every row of them."""


class Program(Brand):
    """A program without files, of which the streams are read that are on by default."""

    def sync(
        self, members: str = "updated", *, later: timedelta = timedelta(), **settings: Any
    ) -> Outcome:
        """Run with a value of `sweep_members`.

        Args:
            members: that value.
            later: how long after midnight. At midnight, everything has happened that the sandbox
                shows, and nothing else; later, a profile of the next day may be older than the run.
            settings: other settings.
        """
        given = {"streams": STREAMS, "data_push_path": None} | settings
        return self.run(members, later=later + TODAY_ENDS - PRESENT, **given)

    def asked(self, stream: str) -> set[str]:
        """Return the members whose rows of a stream the last run requested."""
        end = {"users": "", "purchases": "purchases", "user_rewards": "rewards"}[stream]
        asked = set()
        for request in self.running.requests():
            member, _, rest = request["path"].partition("/users/")[2].partition("/")
            if rest == end:
                asked.add(unquote(member))
        return asked
