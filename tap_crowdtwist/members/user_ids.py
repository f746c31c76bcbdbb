"""Look-up of the numeric CrowdTwist id of members that are known by another type of id.

The id is read once per member from the profile (`GET /v2/users/{id}?id_type=…`), by whichever
stream comes first, and kept in 8 bytes per member. Every other resource is then requested by
numeric id, so it does not matter that the hosts accept different id types.
"""

from __future__ import annotations

import threading
from array import array
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.api.endpoints import USER
from tap_crowdtwist.records import values

if TYPE_CHECKING:
    from tap_crowdtwist.api.client import Client
    from tap_crowdtwist.members.roster import Roster

_UNKNOWN = 0


class UserIdLookup:
    """The numeric ids of a roster's members, by position. Safe to share between threads."""

    def __init__(self, roster: Roster, client: Client) -> None:
        self._roster = roster
        self._client = client
        self._numeric = roster.id_type == "id"
        self._known = array("q", [] if self._numeric else [_UNKNOWN] * len(roster))
        # One lock per member that is being looked up, so that others do not wait for its request.
        self._locks: dict[int, threading.Lock] = {}
        self._guard = threading.Lock()

    def user_id(self, position: int) -> int:
        """Return the numeric id of a member, and look it up if it is not known yet.

        If several threads need the same member, one sends the request and the others wait for it.

        Raises:
            ApiError: the profile cannot be read; `MemberMissingError` if there is none.
        """
        if self._numeric:
            return int(self._roster[position])
        if known := self._known[position]:
            return known
        with self._guard:
            member_lock = self._locks.setdefault(position, threading.Lock())
        with member_lock:
            try:
                # Another thread may have looked it up while this one waited.
                return self._known[position] or int(self.profile(position)["id"])
            finally:
                with self._guard:
                    self._locks.pop(position, None)

    def known_id(self, position: int) -> int | None:
        """Return the numeric id of a member if it is known, else None; never send a request."""
        return int(self._roster[position]) if self._numeric else self._known[position] or None

    def profile(self, position: int) -> dict[str, Any]:
        """Read a member's profile by the type of id that the roster has.

        Returns:
            The profile, with `id` as an int.

        Raises:
            ApiError: as `user_id` does.
        """
        params = () if self._numeric else (("id_type", self._roster.id_type),)
        profile: dict[str, Any] = self._client.get(USER, self._roster[position], params, _profile)
        if not self._numeric:
            self._known[position] = profile["id"]
        return profile


def _profile(payload: Any) -> dict[str, Any] | None:
    """Return the profile with `id` as an int; None if the payload is no object with a valid id."""
    try:
        user_id = values.integer(payload["id"])
    except (TypeError, KeyError, values.ConversionError):  # TypeError: it is no object
        return None
    return {**payload, "id": user_id} if user_id else None
