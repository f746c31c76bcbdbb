"""Options of a sandbox."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone

from crowdtwist_sandbox import deviations
from crowdtwist_sandbox.auth import DIGESTS, TIMESTAMPS
from crowdtwist_sandbox.faults.spec import parse
from crowdtwist_sandbox.world.profile_dates import WITH_POINTS, ProfileDates

DEFAULT_KEY = "sandbox-key"
_DAYS_BACK = 5
_MAX_DAILY_CHANGES = 0.2  # about the share without the option


def default_today() -> date:
    """Return the date five days ago in UTC, so that a few days can be advanced at once."""
    return datetime.now(timezone.utc).date() - timedelta(days=_DAYS_BACK)


@dataclass(frozen=True)
class SandboxOptions:
    """Settings of a sandbox; the defaults suit a first look.

    Attributes:
        members: size of the roster on day 0.
        seed: selects the world; the same seed gives the same world, byte for byte.
        today: the date of day 0.
        port: port of the main host; 0 for any free one.
        pos_port: port of the POS host; 0 for any free one.
        api_key: the key that both hosts accept.
        latency_ms: delay of every response, in milliseconds.
        requests_per_minute: limit for both hosts together; 0 for none.
        retry_after: value of Retry-After in a 429: "seconds" (the wait, rounded up), "none" (no
            such header), or a fixed number of seconds.
        drift: types, property names and optional properties vary as on the live service.
        quirks: paging and envelopes show oddities beyond the documented ones.
        expiration_rule: a points-expiration rule is configured.
        receipt_scanning: the program scans receipts.
        hmac_public_key: with `hmac_private_key`, the main host accepts signed requests only.
        hmac_private_key: see `hmac_public_key`.
        hmac_timestamp: unit of the signed timestamp: "milliseconds" or "seconds".
        hmac_digest: encoding of the signature: "base64_of_hex", "base64" or "hex".
        faults: faults to inject, in the grammar of the package `faults`; "" for none.
        deviations: names with commas; see the module `deviations`.
        daily_changes: share of members who change on a day; joins, moves and deletions scale with
            it. None for about a fifth. Month ends, when points expire, have more.
        profile_dates: what moves `date_last_updated` of a profile: "with_points" (everything that
            happens to the member), "without_points" (changes of the profile itself), or the
            minutes after which everything does. It then shows the time of what happened.
        late_rows: rows that arrive up to three days after their date, from day 1 on: "none",
            "move_profiles" (a quarter of all new rows; the profile's date is that of the arrival)
            or "leave_profiles" (the same, and the profile's date stays).
    """

    members: int = 300
    seed: int = 1
    today: date = field(default_factory=default_today)
    port: int = 0
    pos_port: int = 0
    api_key: str = field(default=DEFAULT_KEY, repr=False)
    latency_ms: float = 0
    requests_per_minute: int = 0
    retry_after: str = "none"
    drift: bool = True
    quirks: bool = False
    expiration_rule: bool = True
    receipt_scanning: bool = True
    hmac_public_key: str | None = None
    hmac_private_key: str | None = field(default=None, repr=False)
    hmac_timestamp: str = "milliseconds"
    hmac_digest: str = "base64_of_hex"
    faults: str = ""
    deviations: str = ""
    daily_changes: float | None = None
    profile_dates: str = WITH_POINTS
    late_rows: str = "none"

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            ValueError: an option is invalid; the message names it.
        """
        if self.members < 1:
            raise ValueError("members: a sandbox needs at least one member")
        if self.daily_changes is not None and not 0 < self.daily_changes <= _MAX_DAILY_CHANGES:
            raise ValueError(f"daily_changes: must be above 0, and {_MAX_DAILY_CHANGES} at most")
        if self.latency_ms < 0 or self.requests_per_minute < 0:
            raise ValueError("latency_ms and requests_per_minute: must not be negative")
        if self.retry_after not in {"seconds", "none"} and not self.retry_after.isdecimal():
            raise ValueError("retry_after: must be seconds, none or a number of seconds")
        if bool(self.hmac_public_key) != bool(self.hmac_private_key):
            raise ValueError("hmac_public_key and hmac_private_key: give both or none")
        if self.hmac_timestamp not in TIMESTAMPS:
            raise ValueError(f"hmac_timestamp: must be one of {', '.join(TIMESTAMPS)}")
        if self.hmac_digest not in DIGESTS:
            raise ValueError(f"hmac_digest: must be one of {', '.join(DIGESTS)}")
        if not self.api_key:
            raise ValueError("api_key: must not be empty")
        parse(self.faults)
        deviations.parse(self.deviations)
        ProfileDates.of(self.profile_dates, self.late_rows)
