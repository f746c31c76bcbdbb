"""The tuned version: the textbook's streams, with everything the SDK offers to make them cheaper.

It has one bookmark per stream instead of one per member (`state_partitioning_keys`), no partitions,
messages encoded by msgspec, and a session that does not read the environment at each request. The
runner sets its log level to WARNING. It still sends one request at a time, as the SDK offers
nothing else.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import requests
from singer_sdk.contrib.msgspec import MsgSpecWriter
from typing_extensions import override

from benchmarks.contenders import textbook

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from singer_sdk.helpers.types import Context


class Users(textbook.Users):
    """Profiles, without partitions."""

    state_partitioning_keys = ()

    @property
    @override
    def partitions(self) -> None:
        return None

    @property
    @override
    def requests_session(self) -> requests.Session:
        return _session()

    @override
    def get_records(self, context: Context | None) -> Iterable[dict[str, Any]]:
        for user_id in self.config["user_ids"]:
            yield from super().get_records({"user_id": user_id})


def tuned(stream: type[textbook.UserStream]) -> type[textbook.UserStream]:
    """Return the tuned version of a child stream."""

    class Tuned(stream):  # type: ignore[misc, valid-type]
        __doc__ = stream.__doc__
        parent_stream_type = Users
        state_partitioning_keys = ()

        @property
        def requests_session(self) -> requests.Session:
            return _session()

    return Tuned


@cache
def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session


class TunedTap(textbook.TextbookTap):
    """A tap of REST streams, made cheaper."""

    name = "tap-tuned"
    message_writer_class = MsgSpecWriter

    @override
    def discover_streams(self) -> Sequence[textbook.ProgramStream]:
        streams: list[type[textbook.ProgramStream]] = [
            textbook.Activities,
            textbook.Rewards,
            Users,
            *map(tuned, textbook.CHILDREN),
        ]
        return [stream(self) for stream in streams]


if __name__ == "__main__":
    TunedTap.cli()
