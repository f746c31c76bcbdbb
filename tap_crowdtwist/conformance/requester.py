"""Sends the requests of a conformance run, and knows which members and forms to use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_crowdtwist.api.date_filters import DATE_END_MARGIN
from tap_crowdtwist.api.errors import ApiError, FatalApiError
from tap_crowdtwist.conformance.evidence import Evidence
from tap_crowdtwist.conformance.observations import Observation, page_params

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_crowdtwist.api.client import Client
    from tap_crowdtwist.api.date_filters import Params
    from tap_crowdtwist.api.endpoints import Endpoint, Form, Host
    from tap_crowdtwist.conformance.evidence import StreamEvidence
    from tap_crowdtwist.conformance.recorder import Recorder
    from tap_crowdtwist.sync.run import SyncRun


class Requester:
    """Sends requests and records the observations.

    Attributes:
        client: client of the tap.
        recorder: transport of the client.
        now: time of the run.
        tomorrow: end of date ranges, with the tap's margin for clocks that differ.
        member_ids: numeric ids of the members that exist; an index is a member's position.
        evidence: all observations so far.
    """

    def __init__(self, run: SyncRun, client: Client, recorder: Recorder) -> None:
        self.client = client
        self.recorder = recorder
        self.now = run.now()
        self.tomorrow = self.now + DATE_END_MARGIN
        self.member_ids: list[int] = []
        self.evidence = Evidence(run.settings.auth_method, int(self.now.timestamp()))
        self._rejecting_hosts: set[Host] = set()

    @property
    def positions(self) -> Sequence[int]:
        """Positions of the members that exist."""
        return range(len(self.member_ids))

    def request(self, endpoint: Endpoint, position: int | None, params: Params) -> Observation:
        """Send one request about a member that exists, or about the program if `position` is None.

        An error response is an observation, not a failure.
        """
        member = None if position is None else self.member_ids[position]
        return self.request_member(endpoint, member, params, position)

    def request_member(
        self,
        endpoint: Endpoint,
        member: int | str | None,
        params: Params = (),
        position: int | None = None,
    ) -> Observation:
        """Send one request about any member, as `request` does."""
        # Credentials that a host has rejected are not sent to it again.
        if endpoint.host in self._rejecting_hosts:
            return Observation(endpoint, position, params)
        recorder = self.recorder
        recorder.forget()
        try:
            # With `other_forms`, a rejection that may be about the form is not retried.
            self.client.get(endpoint, member, params, lambda body: (body,), other_forms=True)
        except FatalApiError:
            self._rejecting_hosts.add(endpoint.host)
        except ApiError:
            pass
        response = recorder.last
        observation = Observation(
            endpoint,
            position,
            params,
            response.status,
            response.headers,
            response.body,
            recorder.clock_offset,
        )
        self.evidence.observations.append(observation)
        return observation

    def forms_by_success(self, seen: StreamEvidence) -> list[Form]:
        """Return the forms of a resource, those that have worked first."""
        successful = [page.params for page in seen.first if page.is_data]
        # The sort is stable, so the order is otherwise the one in which the tap tries them.
        return sorted(seen.endpoint.forms, key=lambda form: page_params(form, 1) not in successful)
