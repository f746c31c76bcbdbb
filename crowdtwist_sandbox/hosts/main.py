"""Endpoints of the main host, each with the name of the API's page about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crowdtwist_sandbox import errors
from crowdtwist_sandbox.deviations import CUT
from crowdtwist_sandbox.hosts.call import MAIN_ID_TYPES
from crowdtwist_sandbox.hosts.dates import unix_range, year_range
from crowdtwist_sandbox.http_exchange import Refusal
from crowdtwist_sandbox.wire.paging import page_number
from crowdtwist_sandbox.world.identity import index_of, member_id
from crowdtwist_sandbox.world.member_rows import badge_counts
from crowdtwist_sandbox.world.redemption_rows import expires
from crowdtwist_sandbox.world.rewards import REWARDS
from crowdtwist_sandbox.world.timestamps import DAY, clock_text

if TYPE_CHECKING:
    from crowdtwist_sandbox.hosts.call import Call
    from crowdtwist_sandbox.hosts.routes import Handler
    from crowdtwist_sandbox.world.listing import Listing

_COUPON_ID_TYPES = ("id", "email", "third_party_id", "mobile_phone_number", "username")
_ANONYMOUS_ID_TYPES = ("id", "third_party_id")
_PERSONAL = frozenset(
    {
        "first_name",
        "middle_name",
        "last_name",
        "date_of_birth",
        "email_address",
        "username",
        "mobile_phone_number",
        "gender_id",
        "gender",
        "street_address_1",
        "street_address_2",
        "postal_code",
        "city",
        "state",
        "facebook_user_id",
        "pinterest_user_id",
        "inst_username",
        "inst_user_id",
        "referral_url",
        "custom_data",
    }
)
_TRUE = ("1", "true")
_PAGE_NAMES = ("page", "page_number", "page_size")
_YEAR = 365
_DELETION_STEPS = ("Deletion_initiated", "Deletion_in_progress", "Deletion_completed")


def _page(call: Call) -> int:
    return page_number(call.request.params.get("page"))


def _pages(listing: Listing, size: int) -> int:
    return max(1, -(-len(listing.items) // size))


def activities(call: Call) -> Any:
    """Return a page of activities ("Activities-Extended (v2.1)")."""
    listing = call.world.program_listing("activities", call.day)
    return call.envelope("activities", "activities", listing, call.page_size(10, 25))


def rewards(call: Call) -> Any:
    """Return a page of rewards ("Rewards").

    Inactive ones are included unless `active_only` is set; `sort_by` requires `order`.
    """
    listing = call.world.program_listing("rewards", call.day)
    params = call.request.params
    indexes = list(listing.items)
    if params.get("active_only") in _TRUE:
        indexes = [index for index in indexes if call.world.rewards.is_active(index)]
    if ("sort_by" in params) != ("order" in params):
        raise errors.param_error("sort_by and order must be used together.")
    if params.get("sort_by") == "points":
        indexes.sort(key=call.world.rewards.price, reverse=params["order"] == "desc")
    listing = listing._replace(items=indexes)
    size = call.page_size(25, 1000 if call.deviates("rewards_of_any_page_size") else 25)
    if call.deviates("rewards_on_small_pages", "rewards_on_large_pages"):
        size = 5 if call.deviates("rewards_on_small_pages") else 40
    return call.envelope("rewards", "rewards", listing, size)


def badges(call: Call) -> Any:
    """Return a page of badges ("Badges")."""
    listing = call.world.program_listing("badges", call.day)
    size = call.page_size(10, 25)
    if call.deviates("badges_refuse_pages_beyond") and _page(call) > _pages(listing, size):
        raise Refusal(errors.NOT_FOUND)
    return call.envelope("badges", "badges", listing, size)


def profile(call: Call) -> Any:
    """Return a member's profile ("User Profile"); `pii` without a value means false."""
    pii = call.request.params.get("pii", "true").lower() in _TRUE
    member = call.member(MAIN_ID_TYPES if pii else _ANONYMOUS_ID_TYPES)
    row, seed = call.world.profile(member)
    sent = call.engine.encoders["users"].encode(row, seed, member)
    return sent if pii else {name: sent[name] for name in sent if name not in _PERSONAL}


def user_activities(call: Call) -> Any:
    """Return the activities that a member may do, as a bare array ("User Activities")."""
    member = call.member()
    listing = call.world.listing("user_activities", member)
    return call.array("user_activities", listing, member)


def activity_history(call: Call) -> Any:
    """Return a page of what a member did ("User Activity History").

    The date range is on `date_created`.
    """
    member = call.member()
    listing = call.world.listing("user_activity_history", member)
    bounds = unix_range(call)
    if bounds and not call.deviates("history_ignores_dates"):
        by_award = call.deviates("history_by_date_of_award")
        lines = [
            line
            for line in listing.items
            if bounds[0] <= (line.awarded if by_award else line.created) <= bounds[1]
        ]
        listing = listing._replace(items=lines)
    pages = [name for name in _PAGE_NAMES if name in call.request.params]
    if call.deviates("history_ignores_pages", "history_without_pages"):
        if pages and call.deviates("history_without_pages"):
            raise errors.param_error(f"{pages[0]} is not a parameter of this resource.")
        if call.deviates("history_cut"):
            listing = listing._replace(items=listing.items[:CUT])
        return {"activities": call.array("user_activity_history", listing, member)}
    page_name = "page"
    if call.deviates("history_by_page_number"):
        page_name = "page_number"
        # `pages` is in the order of _PAGE_NAMES, so this is "none or exactly these two".
        if "page" in pages or pages not in ([], ["page_number", "page_size"]):
            raise errors.param_error("page_number and page_size must be used together.")
    size = call.page_size(10, 25)
    answer = call.envelope(
        "user_activity_history", "activities", listing, size, member, page_name=page_name
    )
    if call.deviates("history_without_paging"):
        del answer["paging"]
    return answer


def user_rewards(call: Call) -> Any:
    """Return a page of the rewards that a member can see ("User Rewards").

    Those that are sold out are included with `include_soldout=true` only.
    """
    member = call.member()
    size = call.page_size(10, 10)
    listing = call.world.listing("user_rewards", member)
    if call.request.params.get("include_soldout") == "true":
        rewards = call.world.rewards
        sold_out = [
            index
            for index in range(REWARDS)
            if rewards.is_active(index) and not rewards.is_in_stock(index, call.day)
        ]
        listing = listing._replace(items=sorted({*listing.items, *sold_out}))
    return call.envelope("user_rewards", "rewards", listing, size, member)


def redemption_history(call: Call) -> Any:
    """Return a page of a member's redemptions ("User Redemption History v2.2")."""
    member = call.member()
    size = call.page_size(10, 10)
    listing = call.world.listing("redemptions", member)
    bounds = year_range(call)
    if bounds is None and call.deviates("redemptions_of_a_year"):
        bounds = member.now - _YEAR * DAY, member.now + 1
    if bounds:
        orders = [order for order in listing.items if bounds[0] <= order.at < bounds[1]]
        listing = listing._replace(items=orders)
    return call.envelope("redemptions", "rewards", listing, size, member)


def points_expiration(call: Call) -> Any:
    """Return the expiration of a member's points ("Points Expiration").

    Without a configured rule it is an error body with status 200.
    """
    member = call.member()
    if not call.engine.options.expiration_rule:
        return {"error": "page_not_found", "message": "No expiration rule is configured."}
    encode = call.engine.encoders["points_expiration"].encode
    answer: dict[str, list[Any]] = {
        "redemption_period_points_expiration": [],
        "inactivity_points_expiration": [],
    }
    for row, seed in call.world.expirations(member):
        sent = encode(row, seed)
        del sent["entry"]
        answer[sent.pop("rule_type") + "_points_expiration"].append(sent)
    # Whether a rule without entries is an empty array or missing is not documented.
    if call.engine.options.drift and member.index % 2:
        answer = {name: entries for name, entries in answer.items() if entries}
    return answer


def receipts(call: Call) -> Any:
    """Return a page of a member's receipts ("User Receipt History")."""
    member = call.member()
    size = call.page_size(10, 25)
    if not call.engine.options.receipt_scanning:
        answer = errors.flat(400, "receipt_scanning_inactive", "Receipt scanning is not active.")
        raise Refusal(answer)
    listing = call.world.listing("receipts", member)
    if call.deviates("receipts_repeat_the_last_page"):
        number = min(_page(call), _pages(listing, size))
        # Changes the request itself, since `envelope` reads the page from there.
        call.request.params["page"] = str(number)
    return call.envelope("receipts", "submitted_receipts", listing, size, member)


def usable_coupons(call: Call) -> Any:
    """Return a member's unused coupons ("Usable Coupons"), with expired ones by default."""
    member = call.member(_COUPON_ID_TYPES)
    listing = call.world.listing("coupons", member)
    if call.request.params.get("expired", "true").lower() not in _TRUE:
        usable = [order for order in listing.items if expires(order) > member.now]
        listing = listing._replace(items=usable)
    return call.array("coupons", listing, member)


def user_badges(call: Call) -> Any:
    """Return a page of a member's badges ("User Badges"); the counts are sent once, beside them."""
    member = call.member()
    size = call.page_size(10, 25)
    listing = call.world.listing("user_badges", member)
    answer = call.envelope("user_badges", "badges", listing, size, member)
    # Rows carry the counts for `expected_rows`; the API sends them beside the list only.
    for badge in answer["badges"]:
        del badge["user_counts"]
    return {"user_counts": badge_counts(member), **answer}


def deletion(call: Call) -> Any:
    """Return the status of a member's deletion ("User Deletion Status").

    A deletion is completed two days after it was initiated.
    """
    index = index_of("id", call.ident)
    population = call.world.population
    known = index is not None and index < population.size(call.day)
    if index is None or not known or population.has(index, call.day):
        raise Refusal(errors.flat(404, "page_not_found", "User is not queued."))
    since = population.deletion_day(index)
    history = [
        {
            "status": step,
            "date": clock_text((call.world.first_day + since + number) * DAY + 36_000) + "+00:00",
        }
        for number, step in enumerate(_DELETION_STEPS)
        if since + number <= call.day
    ]
    return {
        "user_id": member_id(index),
        "initiated_by": "operator@example.test" if index % 2 else "Privacy key",
        "status": history[-1]["status"],
        "status_history": history,
    }


HANDLERS: dict[str, Handler] = {
    "/v2.1/activities/extended": activities,
    "/v2.1/rewards": rewards,
    "/v2.1/badges": badges,
    "/v2/users/{id}": profile,
    "/v2/users/{id}/activities": user_activities,
    "/v2.1/users/{id}/activity_history": activity_history,
    "/v2.1/users/{id}/rewards": user_rewards,
    "/v2.2/users/{id}/redemption_history": redemption_history,
    "/v2/users/{id}/points_expiration": points_expiration,
    "/v2/users/{id}/receipts": receipts,
    "/v2/users/{id}/usable_coupons": usable_coupons,
    "/v2.1/users/{id}/badges": user_badges,
    "/v2/users/delete/{id}": deletion,
}
