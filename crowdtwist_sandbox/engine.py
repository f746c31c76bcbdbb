"""The state that both hosts of a sandbox share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdtwist_sandbox import deviations
from crowdtwist_sandbox.clock import Clock
from crowdtwist_sandbox.faults.faults import Faults
from crowdtwist_sandbox.limits import Bucket
from crowdtwist_sandbox.request_log import RequestLog
from crowdtwist_sandbox.wire.encoder import Encoder
from crowdtwist_sandbox.wire.fields import FIELDS
from crowdtwist_sandbox.world.pace import Pace
from crowdtwist_sandbox.world.profile_dates import ProfileDates
from crowdtwist_sandbox.world.world import World

if TYPE_CHECKING:
    from crowdtwist_sandbox.options import SandboxOptions


class Engine:
    """The state of one sandbox."""

    def __init__(self, options: SandboxOptions) -> None:
        self.options = options
        self.deviations = deviations.parse(options.deviations)
        pace = Pace.of(options.daily_changes)
        dates = ProfileDates.of(options.profile_dates, options.late_rows)
        self.world = World(options.seed, options.members, options.today, pace, dates)
        self.clock = Clock(options.today)
        self.request_log = RequestLog()
        self.faults = Faults(options.seed, options.api_key, self.request_log)
        self.faults.set(options.faults)
        per_minute = options.requests_per_minute
        self.bucket = Bucket(per_minute) if per_minute else None
        self.encoders = {stream: Encoder(stream, drift=options.drift) for stream in FIELDS}
