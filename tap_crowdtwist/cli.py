"""The command line: the SDK's, with every failure told in one last line and an exit code."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from tap_crowdtwist.api.errors import ApiError
from tap_crowdtwist.errors import TapError
from tap_crowdtwist.redact import guard_logging
from tap_crowdtwist.stop import StoppedError
from tap_crowdtwist.tap import TapCrowdTwist

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(args: Sequence[str] | None = None, tap: type[TapCrowdTwist] = TapCrowdTwist) -> None:
    """Run the tap with the arguments of the command line, or with the given ones."""
    command = tap.cli
    guard_logging()
    logger = logging.getLogger(tap.name)
    try:
        command.main(args, prog_name=tap.name)
    except StoppedError as error:
        logger.critical("%s", error)
        sys.exit(128 + error.signum)
    except (TapError, ApiError) as error:
        logger.critical("%s", error)
    except BrokenPipeError:
        logger.critical("The target stopped reading; see its own messages")
    except Exception as error:
        logger.debug("Where it happened", exc_info=True)
        logger.critical("%s: %s (LOGLEVEL=DEBUG shows where)", type(error).__name__, error)
    else:
        return
    sys.exit(1)
