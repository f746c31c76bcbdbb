"""The forms of the HMAC signature, which the vendor's pages leave open: a trial of all of them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from http import HTTPStatus
from itertools import product
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.api.auth import HMAC_DIGESTS, HMAC_TIMESTAMPS
from tap_crowdtwist.api.endpoints import ACTIVITIES, POINTS_AWAITING_FULFILLMENT, PURCHASES
from tap_crowdtwist.api.errors import ApiError, NotConfiguredError, UnavailableError
from tap_crowdtwist.sync.run import SyncRun

if TYPE_CHECKING:
    from tap_crowdtwist.config.settings import Settings

_POS_ENDPOINTS = frozenset({PURCHASES.name, POINTS_AWAITING_FULFILLMENT.name})
_CREDENTIAL_STATUSES = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


def may_be_at_fault(error: Exception | None) -> bool:
    """Return whether an error may be due to the form of the signature.

    Only the main host takes one: requests to the POS host carry the key itself.
    """
    if not isinstance(error, ApiError) or isinstance(error, UnavailableError):
        return False
    is_about_credentials = error.status in _CREDENTIAL_STATUSES or error.code == "invalid_auth"
    return is_about_credentials and error.endpoint not in _POS_ENDPOINTS


def find_accepted(run: SyncRun) -> str:
    """Try the other forms of the signature, at most five requests.

    The vendor's pages contradict each other about the timestamp and the digest.

    Returns:
        Which settings to change to which values for a form that CrowdTwist accepts, or "" if it
        accepts none.
    """
    settings = run.settings
    for timestamp, digest in product(HMAC_TIMESTAMPS, HMAC_DIGESTS):
        form: dict[str, Any] = {"hmac_timestamp": timestamp, "hmac_digest": digest}
        changes = {name: new for name, new in form.items() if new != getattr(settings, name)}
        if changes and _is_accepted(run, replace(settings, **form)):
            return " and ".join(f"`{name}` to {new}" for name, new in changes.items())
    return ""


def _is_accepted(run: SyncRun, settings: Settings) -> bool:
    with closing(SyncRun(settings, run.user_agent, run.now, run.clock)) as other:
        try:
            other.client.get(ACTIVITIES)
        except (NotConfiguredError, UnavailableError):
            return True  # authenticated, though without the permission or the resource
        except ApiError:
            return False
    return True
