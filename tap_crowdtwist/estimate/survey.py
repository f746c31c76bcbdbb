"""The requests of an estimate: it reads members as a run does, and counts instead of writing."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from tap_crowdtwist.api import endpoints
from tap_crowdtwist.api.errors import MemberMissingError, NotConfiguredError
from tap_crowdtwist.errors import IncompleteError
from tap_crowdtwist.estimate.record_counter import counted_output
from tap_crowdtwist.estimate.sample import PAGED, PROFILES
from tap_crowdtwist.records.profile_dates import MARGIN, profile_date
from tap_crowdtwist.streams.users import Users

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from tap_crowdtwist.api.endpoints import Endpoint
    from tap_crowdtwist.estimate.record_counter import RecordCounter
    from tap_crowdtwist.estimate.sample import Sample
    from tap_crowdtwist.streams.member_request import MemberResult
    from tap_crowdtwist.streams.member_stream import MemberStream
    from tap_crowdtwist.streams.program import ProgramStream
    from tap_crowdtwist.sync.run import SyncRun

logger = logging.getLogger(__name__)

DAY = timedelta(days=1)
LOOK_UPS = "(look-up of ids)"
"""Name of the requests that find the CrowdTwist ids of members."""


class Cost(NamedTuple):
    """The cost of a member in one stream, or of a whole stream of the program.

    `bytes` are those of the RECORD messages.
    """

    requests: int = 0
    rows: int = 0
    bytes: int = 0


@dataclass
class StreamCosts:
    """The costs of the members of a sample in one stream.

    Attributes:
        name: the stream.
        size: how many members of a group are asked.
        is_profile: whether it reads profiles, which `sweep_members` updated reads of everybody.
        first: the cost in a first sync, by position in the roster of the sample.
        daily: the cost in a sync of all members a day after another one.
        failed: how many members could not be read.
        last_error: why the last one of them could not be read.
    """

    name: str
    size: int
    is_profile: bool
    first: dict[int, Cost] = field(default_factory=dict)
    daily: dict[int, Cost] = field(default_factory=dict)
    failed: int = 0
    last_error: str = ""


class Survey:
    """The costs of a sample of the members, once they have been asked.

    Args:
        run: the shared parts of the run.
        sample: who to ask.
        streams: the streams of members to read.

    Attributes:
        sample: who is asked.
        streams: what each stream costs that could be read.
        once: requests at the beginning of a first sync by which the tap tries several forms.
        updated: positions of members whose profile was updated within a day, or cannot be read;
            None if `users` is not read.
        missing: positions of members that CrowdTwist does not know.
    """

    def __init__(self, run: SyncRun, sample: Sample, streams: Sequence[MemberStream]) -> None:
        self._run = run
        self._streams = list(streams)
        self._by_member: Counter[tuple[str, int | str | None]] = Counter()
        # A daily sync is what a sync would read now if the last one had begun a day ago.
        self._bookmark = run.now() - DAY
        self._updated_since = int((self._bookmark - MARGIN).timestamp())
        self.sample = sample
        self.streams: list[StreamCosts] = []
        self.once = 0
        self.updated: set[int] | None = None
        self.missing: set[int] = set()
        self._look_ups: dict[int, Cost] = {}

    def updated_share(self, size: int = 0) -> float:
        """Return the part of the members whose profile was updated.

        Args:
            size: of the members in a sample of this size; of all that were asked if it is 0.
        """
        whole = self.sample.whole
        asked = whole.first(size or self.sample.size * PROFILES)
        return len((self.updated or set()).intersection(asked)) / len(asked)

    def ask(self) -> None:
        """Read the members, once as a first sync does and once as a daily one."""
        self._run.roster = self.sample.roster
        self._run.client.stats.by_member = self._by_member
        if any(isinstance(stream, Users) for stream in self._streams):
            self.updated = set()
        with counted_output() as counter:
            warm_up = self._warm_up(counter)
            read = {s: costs for s in self._streams if (costs := self._first(s, counter))}
            self._daily(read, counter)
        self.streams = list(read.values())
        self._add_look_ups()
        self.once = self._beyond_usual(warm_up)

    def _warm_up(self, counter: RecordCounter) -> int:
        """Read members that are not counted; return the requests that it took.

        The first requests of a run cost more: the tap finds out in which form CrowdTwist wants
        them, and whether it returns whole lists.
        """
        paged = [stream for stream in self._streams if stream.endpoint.is_paged]
        for stream in paged:
            for _ in self._read(stream, self.sample.warm_up, counter):
                pass
        names = [stream.endpoint.name for stream in paged]
        # Redemptions may take the profile, for the date on which a member joined. With ids of
        # another type, profiles are requested anyway, to look up the id.
        if self._run.roster.id_type == "id":
            names.append(endpoints.USER.name)
        return sum(self._run.client.stats.requests[name] for name in names)

    def _beyond_usual(self, requests: int) -> int:
        """Return by how many requests the warm-up exceeded what its members usually cost."""
        members = len(self.sample.warm_up)
        paged = {stream.name for stream in self._streams if stream.endpoint.is_paged}
        usual = sum(
            members * sum(cost.requests for cost in costs.first.values()) / len(costs.first)
            for costs in self.streams
            if costs.name in paged
        )
        return max(round(requests - usual), 0)

    def _first(self, stream: MemberStream, counter: RecordCounter) -> StreamCosts | None:
        """Read a stream as a first sync does; return None if it cannot be read."""
        is_profile = isinstance(stream, Users)
        costs = StreamCosts(stream.name, self._size(stream), is_profile)
        asked = self._asked(costs, changed=True)
        logger.info("%s: asking %d members", stream.name, len(asked))
        for position, result, cost in self._read(stream, asked, counter):
            costs.first[position] = cost
            if isinstance(result.error, MemberMissingError):
                self.missing.add(position)
            elif result.error and not isinstance(result.error, NotConfiguredError):
                costs.failed += 1
                costs.last_error = str(result.error)
            if self.updated is not None and is_profile and self._is_updated(result):
                self.updated.add(position)
        self._take_requests(stream, costs.first)
        if _is_given_up(stream):
            return None
        if costs.failed == len(asked):
            self._run.fail(f"{stream.name}: every member failed (last error: {costs.last_error})")
            return None
        return costs

    def _asked(self, costs: StreamCosts, *, changed: bool) -> list[int]:
        groups = [self.sample.whole]
        if changed and self.sample.changed:
            groups.append(self.sample.changed)
        return sorted({place for group in groups for place in group.first(costs.size)})

    def _size(self, stream: MemberStream) -> int:
        """Return how many members of a group are asked in a stream."""
        if isinstance(stream, Users):
            return self.sample.size * PROFILES
        return self.sample.size * (PAGED if stream.endpoint.is_paged else 1)

    def _daily(self, read: dict[MemberStream, StreamCosts], counter: RecordCounter) -> None:
        """Read the incremental streams from the bookmark; the others cost the same every day."""
        for stream, costs in read.items():
            costs.daily = dict(costs.first)
            if stream.is_incremental:
                asked = self._asked(costs, changed=False)
                read_again = self._read(stream, asked, counter, self._bookmark)
                of_a_day = {position: cost for position, _, cost in read_again}
                self._take_requests(stream, of_a_day)
                costs.daily |= of_a_day

    def _read(
        self,
        stream: MemberStream,
        positions: Iterable[int],
        counter: RecordCounter,
        bookmark: datetime | None = None,
    ) -> Iterator[tuple[int, MemberResult, Cost]]:
        """Yield some members with what they cost, requests excepted."""
        if _is_given_up(stream):
            return
        try:
            for position, result in stream.read_some(positions, bookmark):
                yield position, result, Cost(0, *counter.take())
        except IncompleteError as error:
            stream.give_up(error)

    def _is_updated(self, result: MemberResult) -> bool:
        """Return whether `sweep_members` updated would read the rest of a member today."""
        if result.error:
            return not isinstance(result.error, MemberMissingError)
        dates = [profile_date(row) for row in result.rows]
        return any(date is None or date >= self._updated_since for date in dates)

    def _take_requests(self, stream: MemberStream, costs: dict[int, Cost]) -> None:
        """Add the requests since the last call to the costs, and keep look-ups of ids apart."""
        for position, cost in costs.items():
            requests = self._sent(endpoints.USER, position)
            if requests and self._looks_up(stream) and position not in self._look_ups:
                self._look_ups[position] = Cost(1)
                requests -= 1
            if stream.endpoint is not endpoints.USER:
                requests += self._sent(stream.endpoint, position)
            # `users` also asks whether a member that it does not find was deleted.
            requests += self._sent(endpoints.DELETION, position)
            costs[position] = cost._replace(requests=requests)
        self._by_member.clear()

    def _looks_up(self, stream: MemberStream) -> bool:
        return self._run.roster.id_type != "id" and not isinstance(stream, Users)

    def _sent(self, endpoint: Endpoint, position: int) -> int:
        run = self._run
        given = run.roster[position]
        member = given if endpoint is endpoints.USER else run.user_ids.known_id(position)
        return self._by_member[endpoint.name, member]

    def _add_look_ups(self) -> None:
        """Add the look-ups of ids as if they were a stream, since any stream may send them."""
        if self._look_ups:
            size = max(self._size(stream) for stream in self._streams if self._looks_up(stream))
            costs = StreamCosts(LOOK_UPS, size, is_profile=False)
            asked = self._asked(costs, changed=True)
            costs.first = costs.daily = {p: self._look_ups.get(p, Cost()) for p in asked}
            self.streams.append(costs)


def _is_given_up(stream: MemberStream) -> bool:
    """Return whether no member can be read, since the program lacks the resource for example."""
    return bool(stream.stats.gap or stream.stats.skip_reason)


def read_program(run: SyncRun, streams: Sequence[ProgramStream]) -> dict[str, Cost]:
    """Read the streams of the program whole, and return what each costs."""
    costs = {}
    with counted_output() as counter:
        for stream in streams:
            stream.sync()
            rows, size = counter.take()
            requests = run.client.stats.requests[stream.endpoint.name]
            costs[stream.name] = Cost(requests, rows, size)
    return costs
