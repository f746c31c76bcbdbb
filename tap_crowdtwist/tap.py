"""The tap: checks its input, builds the streams, and runs a sync from first warning to summary."""

from __future__ import annotations

import copy
import signal
import time
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import click
from singer_sdk import Tap
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers._util import load_json
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from singer_sdk.plugin_base import _ConfigInput
from singer_sdk.tap_base import CliTestOptionValue
from typing_extensions import Self, override

from tap_crowdtwist import connection_test, schemas
from tap_crowdtwist.config.environment import check_variables, read_variables
from tap_crowdtwist.config.inputs import check_catalog, check_state
from tap_crowdtwist.config.schema import CONFIG_SCHEMA, SECRETS
from tap_crowdtwist.config.settings import Settings
from tap_crowdtwist.config.validation import validate
from tap_crowdtwist.errors import SettingError, TapError
from tap_crowdtwist.privacy import policy
from tap_crowdtwist.privacy.log_redaction import REDACTOR
from tap_crowdtwist.state import resume
from tap_crowdtwist.streams import FILE_STREAMS, STREAMS, runs, stream_maps, sweeps
from tap_crowdtwist.streams.file_stream import FileStream, check_file_streams
from tap_crowdtwist.streams.member_stream import MemberStream
from tap_crowdtwist.streams.runs import SyncRuns
from tap_crowdtwist.sync import summary
from tap_crowdtwist.sync.message_writer import MessageWriter, discard_output, lift_write_limit
from tap_crowdtwist.sync.run import SyncRun, utc_now
from tap_crowdtwist.sync.shutdown import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from types import FrameType
    from typing import IO

    from singer_sdk.streams import Stream

    from tap_crowdtwist.streams.base import CrowdTwistStream


class TapCrowdTwist(Tap):
    """A Singer tap for the loyalty program of a brand on Oracle CrowdTwist."""

    name = "tap-crowdtwist"
    config_jsonschema: ClassVar[dict[str, Any]] = copy.deepcopy(CONFIG_SCHEMA)  # the SDK adds to it
    message_writer_class = MessageWriter
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    now: Callable[[], datetime] = staticmethod(utc_now)
    """Returns the current UTC time."""

    clock: Callable[[], float] = staticmethod(time.monotonic)
    """Returns the seconds of a monotonic clock."""

    def __init__(self, *, parse_env_config: bool = False, **kwargs: Any) -> None:
        if parse_env_config:
            self.append_builtin_config(self.config_jsonschema)
            check_variables(self.config_jsonschema, self.logger)
        super().__init__(parse_env_config=parse_env_config, **kwargs)

    @classproperty
    @override
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 - a property of the class
        return read_variables(cls.config_jsonschema)

    @cached_property
    def policy(self) -> policy.Policy:
        """Treatment of sensitive properties, by the settings."""
        return policy.Policy.of(self.config)

    @override
    def setup_mapper(self) -> None:
        """Apply the privacy policy to the input catalog, then map the selected streams."""
        if self.input_catalog is not None:
            policy.enforce(self.input_catalog, self.policy)
        self.mapper = stream_maps.mapper(self.config, self.logger)
        for stream in self.streams.values():
            if stream.selected:
                stream_maps.maps_of(self.mapper, stream)

    @cached_property
    def run(self) -> SyncRun:
        """The shared parts of this run, built once."""
        user_agent = f"{self.name}/{self.plugin_version}"
        return SyncRun(Settings.from_config(self.config), user_agent, self.now, self.clock)

    @property
    def sweeps(self) -> list[MemberStream]:
        """The selected member streams, in the order in which they are read."""
        return [s for s in self.streams.values() if isinstance(s, MemberStream) and s.selected]

    @cached_property
    def _streams_in_order(self) -> dict[str, Stream]:
        return sweeps.in_order(super().streams, self.config)

    @property
    @override
    def streams(self) -> dict[str, Stream]:
        """All streams by name, in the order in which they are read."""
        return self._streams_in_order

    @override
    def discover_streams(self) -> list[CrowdTwistStream]:
        return [
            stream(self, lambda: self.run, self.policy)
            for stream in STREAMS
            if stream.is_configured(self.config)
        ]

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings. Unlike the SDK's, the messages never contain a value."""
        # First of all, so that no later message can show a secret, the SDK's own included.
        REDACTOR.learn(str(self._config.get(name) or "") for name in SECRETS)
        self.append_builtin_config(self.config_jsonschema)
        try:
            stream_maps.check(self._config)
            validate(self._config, self.config_jsonschema)
            Settings.from_config(self._config)
        except SettingError as error:
            if raise_errors:
                raise
            return [str(error)]
        return []

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Request a stop: the run ends at its next safe point, between rows, and writes a STATE.

        A second signal kills the process.
        """
        signal.signal(signum, signal.SIG_DFL)
        if "run" not in self.__dict__:  # cached property: no sync, for example `--discover`
            discard_output()  # flushing it could block for ever if nobody reads the pipe
            raise StoppedError(signum)
        self.run.stop.request_stop(signum)
        # The main thread may be blocked in a write to a target that has stopped reading; then no
        # safe point would ever come.
        if isinstance(self.message_writer, MessageWriter):
            self.message_writer.limit_writes(signum)

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """Check key, hosts, roster and streams, and print one line for each (`--test`)."""
        if value != CliTestOptionValue.All.value:
            super().cb_test(ctx, param, value)
            return
        config, catalog = ctx.params.get("config"), ctx.params.get("catalog")
        tap = cls.from_input(config, catalog, max_retries=0, request_timeout=20)
        failed = 0
        with closing(tap.run):
            for outcome in connection_test.run_checks(tap.run, tap.streams.values()):
                click.echo(str(outcome))
                failed += not outcome.has_passed
        tap.logger.info("%s", connection_test.CONFORMANCE_HINT)
        if failed:
            raise TapError(f"{failed} of the checks failed; the lines above say what to do")
        ctx.exit()

    @classmethod
    @override
    def invoke(
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Run the tap from the options of the command line; raise as `sync` does."""
        # Skip `Tap.invoke` of the SDK: it builds the tap itself, before state and catalog have
        # been checked.
        super(Tap, cls).invoke(about=about, about_format=about_format)
        cls.print_version(print_fn=cls.logger.info)
        initial_state = load_json(state.read()) if state else {}
        check_state(initial_state, schemas.names(), cls.logger)
        tap = cls.from_input(config, catalog, initial_state)
        if tap.sweeps and not tap.run.settings.only_changed:
            tap.logger.info("The roster has %d members", len(tap.run.roster))
        tap.sync()

    @classmethod
    def from_input(
        cls,
        config: _ConfigInput | None,
        catalog: IO[str] | None,
        state: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Self:
        """Build the tap from the options of the command line.

        Args:
            config: `--config`.
            catalog: `--catalog`, an open file.
            state: `--state`, parsed.
            settings: settings that override those of `config`.

        Raises:
            TapError: the catalog is of another tap or selects no stream, or a setting that its
                streams need is missing.
        """
        input_catalog = load_json(catalog.read()) if catalog else None
        if input_catalog is not None:
            check_catalog(input_catalog, schemas.names(), cls.logger)
        config = config or _ConfigInput()
        tap = cls(
            config={**config.config, **settings},
            state=state,
            catalog=input_catalog,
            parse_env_config=config.parse_env,
        )
        if tap.input_catalog is not None:
            check_file_streams(FILE_STREAMS, tap.input_catalog, tap.config)
        if not any(stream.selected for stream in tap.streams.values()):
            raise TapError(
                "No stream is selected, so there is nothing to read; check the catalog (a stream "
                "of files exists only if the setting with their path is set)"
            )
        keyless = (FileStream, SyncRuns)
        if not all(isinstance(s, keyless) for s in tap.streams.values() if s.selected):
            tap.run.settings.require_api()
        return tap

    def sync(self) -> None:
        """Read the selected streams, then log the summary.

        Raises:
            TapError: rows are missing from the output, or the run could not go on.
        """
        settings = self.run.settings
        is_sample = settings.sample_members is not None
        # Which profiles the interrupted run found updated is not known, so it starts over.
        starts_over = settings.only_updated or is_sample
        self.run.is_resumed = not starts_over and resume.is_resumable(self.state, self.now())
        if self.run.is_resumed:
            self.logger.info("Resuming the interrupted run")
        elif not is_sample:  # a run over a sample keeps the marks of an interrupted run
            resume.clear_marks(self.state)
        with closing(self.run):
            try:
                if self.sweeps:
                    sweeps.prepare(self.run, self.sweeps, self.logger)
                if not self.run.skip_reason:
                    self.run.pool.schedule({s.name: s.begin_early for s in self.sweeps})
                self.sync_all()
            except Exception as error:
                runs.write_rows(self, self.run, error)
                # Keep the marks of what is complete, so that the next run resumes this one. A run
                # that failed before it read anything has nothing to resume.
                if not isinstance(error, StoppedError) and not summary.has_progressed(self.run):
                    self._close_run()
                raise
            else:
                sweeps.finish(self.run, self.sweeps)
                self._close_run()
            finally:
                lift_write_limit()
                summary.report(self.run, self.logger)
        summary.check(self.run, self.state.get("bookmarks", {}))

    def _close_run(self) -> None:
        """Write the last STATE, without the marks by which the next run would resume this one."""
        if not self.run.settings.sample_members:
            resume.remove_marks(self.state)
        self.state_writer.write_state(self.state)
