"""Look-up of the numeric CrowdTwist id of members that are known by another type of id.

The id is read once per member from the profile (`GET /v2/users/{id}?id_type=…`), by whichever
stream comes first, and kept in 8 bytes per member. Every other resource is then requested by
numeric id, so it does not matter that the hosts accept different id types.
"""

from __future__ import annotations

import logging
import threading
from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.api.endpoints import USER
from tap_crowdtwist.api.errors import MemberMissingError, RejectedError
from tap_crowdtwist.records import values

if TYPE_CHECKING:
    from tap_crowdtwist.api.client import Client
    from tap_crowdtwist.files.member_ids import MemberIdentifiers
    from tap_crowdtwist.members.roster import Roster
    from tap_crowdtwist.records.member_id import Member

RunConcurrently = Callable[[Sequence[Callable[[], list[int]]]], Iterable[list[int]]]
"""A function that runs several calls at the same time, and returns their results."""

_BATCH_SIZE = 256
_INVALID_ID_STATUSES = frozenset({400, 405, 414, 422})
"""HTTP statuses that mean that a text cannot be anybody's id."""

logger = logging.getLogger(__name__)

_UNKNOWN = 0

_ID_TYPES = {"email_address": "email", "username": "username", "third_party_id": "third_party_id"}
"""The `id_type` by which a profile can be requested, for each property that identifies members."""


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


def look_up_ids(
    members: Iterable[MemberIdentifiers], client: Client, run_concurrently: RunConcurrently
) -> list[int]:
    """Look up members that files name without a numeric id; warn of those that are not known.

    Several members may share an identifier, and identifiers change hands. So a member is looked up
    by one identifier after the other until a profile has all of them. Every profile found on the
    way may be the member, so all of their ids are returned.

    Args:
        members: the identifiers of the members.
        client: reads the profiles.
        run_concurrently: runs several calls at the same time.

    Returns:
        Numeric ids, in an order that does not depend on the order of `members`.

    Raises:
        ApiError: a profile cannot be read.
    """
    ordered = sorted(members, key=lambda identifiers: tuple(value or "" for value in identifiers))
    user_ids: list[int] = []
    unknown = 0
    for start in range(0, len(ordered), _BATCH_SIZE):
        batch = ordered[start : start + _BATCH_SIZE]
        calls = [partial(_candidates, identifiers, client) for identifiers in batch]
        for candidates in run_concurrently(calls):
            user_ids += candidates
            unknown += not candidates
        if len(ordered) > _BATCH_SIZE:
            done = start + len(batch)
            logger.info("Members without a numeric id: %d of %d looked up", done, len(ordered))
    if unknown:
        logger.warning(
            "CrowdTwist does not know %d members that files name without a numeric id, so they are "
            "not read; they may be deleted, or their identifiers may have changed",
            unknown,
        )
    return user_ids


def _candidates(identifiers: MemberIdentifiers, client: Client) -> list[int]:
    """Return the ids of all members that may be the one with some identifiers."""
    candidates: list[int] = []
    for name, value in identifiers._asdict().items():
        # "." and ".." would change the path of the URL.
        if value in {None, "", ".", ".."}:
            continue
        try:
            profile = profile_by(client, value, _ID_TYPES[name])
        except MemberMissingError:
            continue
        except RejectedError as error:
            if error.status not in _INVALID_ID_STATUSES:
                raise
            continue
        candidates.append(profile["id"])
        if identifiers.agrees(profile):
            break
    return candidates


def _profile(payload: Any) -> dict[str, Any] | None:
    """Return the profile with `id` as an int; None if the payload is no object with a valid id."""
    try:
        user_id = values.integer(payload["id"])
    except (TypeError, KeyError, values.ConversionError):  # TypeError: it is no object
        return None
    return {**payload, "id": user_id} if user_id else None
