"""Sends the requests of a conformance run, and knows which members and forms to use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_crowdtwist.api.date_filters import DATE_END_MARGIN
from tap_crowdtwist.api.errors import ApiError, FatalApiError
from tap_crowdtwist.conformance.evidence import Evidence
from tap_crowdtwist.conformance.observations import Observation, page_params

if TYPE_CHECKING:
    from tap_crowdtwist.api.client import Client
    from tap_crowdtwist.api.date_filters import Params
    from tap_crowdtwist.api.endpoints import Endpoint, Form, Host
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
        self.evidence = Evidence(run.settings.auth_method)
        self._rejecting_hosts: set[Host] = set()

    def request(
        self,
        endpoint: Endpoint,
        member: int | str | None,
        params: Params,
        position: int | None = None,
    ) -> Observation:
        """Send one request; an error response is an observation, not a failure."""
        # Credentials that a host has rejected are not sent to it again.
        if endpoint.host in self._rejecting_hosts:
            return Observation(endpoint, position, params)
        recorder = self.recorder
        recorder.last = None
        try:
            # With `other_forms`, a rejection that may be about the form is not retried.
            self.client.get(endpoint, member, params, lambda body: (body,), other_forms=True)
        except FatalApiError:
            self._rejecting_hosts.add(endpoint.host)
        except ApiError:
            pass
        response = recorder.last
        if response is None:
            observation = Observation(endpoint, position, params)
        else:
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

    def forms_by_success(self, name: str, endpoint: Endpoint) -> list[Form]:
        """Return the forms of a resource, those that have worked first."""
        forms = list(endpoint.forms)
        successful = [page.params for page in self.evidence.first.get(name, ()) if page.is_data]
        # The sort is stable, so the order is otherwise the one in which the tap tries them.
        return sorted(forms, key=lambda form: page_params(form, 1) not in successful)

    def longest_list(self, name: str) -> Observation | None:
        """Return the first page of the longest list of a stream."""
        pages = [page for page in self.evidence.first.get(name, ()) if page.rows]
        return max(pages, key=lambda page: page.row_count, default=None)

    def member_id(self, observation: Observation) -> int | None:
        """Return the id of the member that was requested; None for a program stream."""
        if not observation.endpoint.is_per_member:
            return None
        return self.member_ids[observation.member or 0]
