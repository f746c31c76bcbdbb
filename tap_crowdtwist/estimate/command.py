"""The steps of `--estimate`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import click

from tap_crowdtwist.errors import IncompleteError, TapError
from tap_crowdtwist.estimate import sample, table
from tap_crowdtwist.estimate.survey import Survey, read_program
from tap_crowdtwist.streams.member_stream import MemberStream
from tap_crowdtwist.streams.program import ProgramStream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.streams import Stream

    from tap_crowdtwist.sync.run import SyncRun

logger = logging.getLogger(__name__)


def print_estimate(run: SyncRun, streams: Iterable[Stream]) -> None:
    """Ask a sample of the members, and print what a sync of all of them costs.

    Args:
        run: the shared parts of the run.
        streams: all streams of the tap; the selected ones that are read from the API count.

    Raises:
        TapError: there is nothing to estimate, or a stream could not be read.
    """
    selected = [stream for stream in streams if stream.selected]
    of_members = [stream for stream in selected if isinstance(stream, MemberStream)]
    of_program = [stream for stream in selected if isinstance(stream, ProgramStream)]
    if not of_members and not of_program:
        raise TapError("No stream of the API is selected, so there is nothing to estimate")
    survey = None
    if of_members:
        survey = Survey(run, sample.choose(run), of_members)
        asked = len(survey.sample.roster)
        logger.info("The roster has %d members; asking %d", survey.sample.whole.members, asked)
        survey.ask()
    for line in table.lines(survey, read_program(run, of_program), run.settings):
        click.echo(line)
    if run.failures:
        raise IncompleteError(f"Incomplete: {'. '.join(run.failures)}")
