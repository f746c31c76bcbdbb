"""Who a member of the roster is to CrowdTwist: the numeric id behind any other kind of id.

Learnt once per member from the profile (`GET /v2/users/{id}?id_type=…`), whichever stream comes
first, and kept in 8 bytes per member. With it every other resource is asked for by numeric id,
so the hosts' different lists of accepted id types do not matter.
"""

from __future__ import annotations

import threading
from array import array
from typing import TYPE_CHECKING, Any

from tap_crowdtwist import values
from tap_crowdtwist.api.endpoints import USER

if TYPE_CHECKING:
    from tap_crowdtwist.api.client import Client
    from tap_crowdtwist.roster import Member, Roster

_UNKNOWN = 0


class Identities:
    """The CrowdTwist ids of a roster's members, by position. Safe to share between threads."""

    def __init__(self, roster: Roster, client: Client) -> None:
        self._roster = roster
        self._client = client
        self._numeric = roster.id_type == "id"
        self._known = array("q", [] if self._numeric else [_UNKNOWN] * len(roster))
        self._turns: dict[int, threading.Lock] = {}
        self._guard = threading.Lock()

    def user_id(self, position: int) -> int:
        """Give the CrowdTwist id of a member, asking for it if need be.

        Whoever asks about a member first is waited for by the others.

        Raises:
            ApiError: the profile cannot be read; `MemberMissingError` if there is none.
        """
        if self._numeric:
            return int(self._roster[position])
        if known := self._known[position]:
            return known
        with self._guard:
            turn = self._turns.setdefault(position, threading.Lock())
        with turn:
            try:
                return self._known[position] or int(self.profile(position)["id"])
            finally:
                with self._guard:
                    self._turns.pop(position, None)

    def profile(self, position: int) -> dict[str, Any]:
        """Read a member's profile, by whatever kind of id the roster has.

        Returns:
            The profile, with `id` as an int.

        Raises:
            ApiError: as `user_id` does.
        """
        profile = profile_by(self._client, self._roster[position], self._roster.id_type)
        if not self._numeric:
            self._known[position] = profile["id"]
        return profile


def profile_by(client: Client, member: Member, id_type: str) -> dict[str, Any]:
    """Read the profile of a member by an id of any type.

    Returns:
        The profile, with `id` as an int.

    Raises:
        ApiError: it cannot be read; `MemberMissingError` if there is none.
    """
    params = () if id_type == "id" else (("id_type", id_type),)
    profile: dict[str, Any] = client.get(USER, member, params, _profile)
    return profile


def _profile(payload: Any) -> dict[str, Any] | None:
    """Accept an object with a usable id; anything else is not a profile."""
    if not isinstance(payload, dict):
        return None
    try:
        user_id = values.integer(payload["id"])
    except (KeyError, values.MisfitError):
        return None
    return {**payload, "id": user_id} if user_id else None
