"""Who a member of the roster is to CrowdTwist: the numeric id behind any other kind of id.

Learnt once per member from the profile (`GET /v2/users/{id}?id_type=…`), whichever stream comes
first, and kept in 8 bytes per member. With it every other resource is asked for by numeric id,
so the hosts' different lists of accepted id types do not matter.
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
"""Does several things at once, and gives what each gave."""

_AT_ONCE = 256
_NO_NAME = frozenset({400, 405, 414, 422})
"""Answers that say of a name that it can be nobody's."""

logger = logging.getLogger(__name__)

_UNKNOWN = 0

_ID_TYPES = {"email_address": "email", "username": "username", "third_party_id": "third_party_id"}
"""Under which `id_type` a property of a profile can be asked for."""


class UserIdLookup:
    """The CrowdTwist ids of a roster's members, by position. Safe to share between threads."""

    def __init__(self, roster: Roster, client: Client) -> None:
        self._roster = roster
        self._client = client
        self._numeric = roster.id_type == "id"
        self._known = array("q", [] if self._numeric else [_UNKNOWN] * len(roster))
        self._locks: dict[int, threading.Lock] = {}
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
            turn = self._locks.setdefault(position, threading.Lock())
        with turn:
            try:
                return self._known[position] or int(self.profile(position)["id"])
            finally:
                with self._guard:
                    self._locks.pop(position, None)

    def known_id(self, position: int) -> int | None:
        """Return the CrowdTwist id of a member without asking, or None where that takes asking."""
        return int(self._roster[position]) if self._numeric else self._known[position] or None

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


def look_up_ids(
    members: Iterable[MemberIdentifiers], client: Client, run_concurrently: RunConcurrently
) -> list[int]:
    """Ask who members are that files name by other names only, and tell of those nobody knows.

    Names may be shared, and change hands. So a member is asked for by one name after the other
    until a profile has all of them, and everybody who was found on the way may be the one.

    Args:
        members: the members' names.
        client: asks for profiles.
        run_concurrently: does several things at once.

    Raises:
        ApiError: a profile cannot be read.
    """
    ordered = sorted(members, key=lambda identifiers: tuple(name or "" for name in identifiers))
    found: list[int] = []
    unknown = 0
    for start in range(0, len(ordered), _AT_ONCE):
        batch = ordered[start : start + _AT_ONCE]
        for numbers in run_concurrently(
            [partial(_candidates, identifiers, client) for identifiers in batch]
        ):
            found += numbers
            unknown += not numbers
        if len(ordered) > _AT_ONCE:
            done = start + len(batch)
            logger.info("Members without a number: %d of %d asked for", done, len(ordered))
    if unknown:
        logger.warning(
            "%d members whom files name without a number are not known to CrowdTwist by any of "
            "their names, so they are not swept; they may be deleted, or have other names by now",
            unknown,
        )
    return found


def _candidates(identifiers: MemberIdentifiers, client: Client) -> list[int]:
    """Give the members who may be the one of an alias."""
    found: list[int] = []
    for name, value in identifiers._asdict().items():
        if not value or value in {".", ".."}:  # which no path can name
            continue
        try:
            profile = profile_by(client, value, _ID_TYPES[name])
        except MemberMissingError:
            continue
        except RejectedError as error:
            if error.status not in _NO_NAME:
                raise
            continue
        found.append(profile["id"])
        if identifiers.agrees(profile):
            break
    return found


def _profile(payload: Any) -> dict[str, Any] | None:
    """Accept an object with a usable id; anything else is not a profile."""
    if not isinstance(payload, dict):
        return None
    try:
        user_id = values.integer(payload["id"])
    except (KeyError, values.ConversionError):
        return None
    return {**payload, "id": user_id} if user_id else None
