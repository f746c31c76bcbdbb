"""One call of an endpoint: its parameters, its member, and the shapes of responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from crowdtwist_sandbox import errors
from crowdtwist_sandbox.http_exchange import Refusal
from crowdtwist_sandbox.wire.paging import NONE, Pager, Quirks
from crowdtwist_sandbox.world.deterministic_random import seed_of
from crowdtwist_sandbox.world.identity import index_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from crowdtwist_sandbox.engine import Engine
    from crowdtwist_sandbox.http_exchange import Request
    from crowdtwist_sandbox.world.facts import Member
    from crowdtwist_sandbox.world.listing import Listing

MAIN_ID_TYPES = (
    "id",
    "email",
    "third_party_id",
    "mobile_phone_number",
    "username",
    "facebook_user_id",
    "twitter_user_id",
)
POS_ID_TYPES = ("id", "email", "third_party_id", "mobile_phone_number")
_NO_USER = "Unable to find user."


class Call:
    """A request to an endpoint, on the day on which it arrived."""

    __slots__ = ("day", "engine", "ident", "request", "world")

    def __init__(self, engine: Engine, request: Request, ident: str) -> None:
        self.engine = engine
        self.world = engine.world
        self.day = engine.clock.day  # read once: the clock may be advanced during the call
        self.request = request
        self.ident = ident

    def deviates(self, *names: str) -> bool:
        """Return whether one of these deviations is active."""
        return not self.engine.deviations.isdisjoint(names)

    def member(self, id_types: Collection[str] = MAIN_ID_TYPES) -> Member:
        """Return the member in the path of a request to the main host.

        Raises:
            Refusal: the id_type is invalid, or there is no such member.
        """
        id_type = self.request.params.get("id_type", "id")
        if id_type not in id_types:
            raise errors.param_error("Invalid id_type.")
        status = 400 if self.deviates("missing_as_400") else 404
        return self._find(id_type, Refusal(errors.flat(status, "page_not_found", _NO_USER)))

    def pos_member(self) -> Member:
        """Return the member in the path of a request to the POS host.

        Raises:
            Refusal: the id_type is invalid, or there is no such member.
        """
        id_type = self.request.params.get("id_type", "id")
        if id_type not in POS_ID_TYPES:
            raise errors.pos_error(400, "param_error", "Invalid id_type.")
        missing = errors.pos_error(404, "page_not_found", _NO_USER)
        if self.deviates("pos_errors_flat"):
            missing = Refusal(errors.flat(404, "page_not_found", _NO_USER))
        return self._find(id_type, missing)

    def _find(self, id_type: str, missing: Refusal) -> Member:
        index = index_of(id_type, self.ident)
        if index is None or not self.world.population.has(index, self.day):
            raise missing
        return self.world.member(index, self.day)

    def page_size(self, default: int, maximum: int) -> int:
        """Return the requested page size; the default if it is not a number, as for the page.

        Raises:
            Refusal: the size is out of range.
        """
        text = self.request.params.get("page_size", "")
        try:
            size = int(text)
        except ValueError:
            return default
        if not 1 <= size <= maximum:
            raise errors.param_error(f"page_size must be between 1 and {maximum}.")
        return size

    def array(self, stream: str, listing: Listing, member: Member) -> list[dict[str, Any]]:
        """Return all rows as they are sent, without an envelope."""
        encode = self.engine.encoders[stream].encode
        return [encode(row, seed, member) for row, seed in listing.rows()]

    def envelope(
        self,
        stream: str,
        key: str,
        listing: Listing,
        size: int,
        member: Member | None = None,
        page_name: str = "page",
    ) -> dict[str, Any]:
        """Return the requested page of rows and its paging object."""
        options = self.engine.options
        # The oddities of an envelope are the same on all pages of a listing.
        index = member.index if member else 0
        seed = seed_of(self.world.key, "envelope " + stream, index)
        params = self.request.params
        # Links repeat the host that the client used, as a proxy or another name may be in between.
        pager = Pager(
            f"http://{self.request.header(b'host')}{self.request.path}",
            {name: text for name, text in params.items() if name not in {page_name, "api_key"}},
            options.api_key,
            "previous_page" if options.drift and stream == "activities" else "prev_page",
            Quirks.of(seed) if options.quirks else NONE,
            page_name,
        )
        page = self.engine.faults.page(pager, listing.items, params.get(page_name), size)
        encode = self.engine.encoders[stream].encode
        # Only the rows of this page are built.
        rows = [encode(*listing.row(item), member) for item in page.items]
        paging: Any = page.paging
        if options.drift and stream in {"redemptions", "user_rewards"} and seed % 2:
            paging = [paging]
        if options.quirks and stream == "redemptions" and (seed >> 4) % 2:
            key = "redemptions"
        return {"paging": paging, key: rows}


def both_or_none(
    call: Call, names: tuple[str, str], reject: Callable[[str], NoReturn]
) -> tuple[str, str] | None:
    """Return two parameters that are valid together only; None if neither is given."""
    first, second = (call.request.params.get(name) for name in names)
    if first is None and second is None:
        return None
    if first is None or second is None:
        reject(f"{names[0]} and {names[1]} must be used together.")
    return first, second
