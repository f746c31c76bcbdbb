"""Settings from environment variables and from `.env`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dotenv import find_dotenv
from singer_sdk.configuration._dict_config import parse_environment_config

from tap_crowdtwist.config.validation import blank_variables, check_environment, unknown_variables

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

_PREFIX = "TAP_CROWDTWIST_"
"""Prefix of the variables; the SDK derives the same from the tap's name."""


def check_variables(declaration: Mapping[str, Any], logger: logging.Logger) -> None:
    """Warn of variables, those in `.env` included, that look like settings but are not.

    Raises:
        SettingError: a variable that should hold a whole number does not.
    """
    _load_dotenv()
    check_environment(os.environ, _PREFIX, declaration)
    for name in unknown_variables(os.environ, _PREFIX, declaration):
        logger.warning("Environment: %s is not a setting of this tap", name)


def read_variables(declaration: Mapping[str, Any]) -> dict[str, Any]:
    """Read settings from environment variables and `.env`; a blank one becomes null."""
    dotenv = _load_dotenv()
    # Removed before the SDK converts: it fails on a blank number.
    blank = blank_variables(os.environ, _PREFIX, declaration)
    given = {n: s for n, s in declaration["properties"].items() if n not in blank}
    parsed: dict[str, Any] = parse_environment_config({"properties": given}, _PREFIX, dotenv)
    return {**parsed, **dict.fromkeys(blank)}


def _load_dotenv() -> str:
    """Load the `.env` of the working directory, or of its nearest parent, into the environment.

    Meltano reads the same file. Without a path the SDK would search upwards from its own
    installation (meltano/sdk#2836), where it may find the file of another project.

    Returns:
        Path of the file.
    """
    dotenv = find_dotenv(usecwd=True) or os.devnull
    parse_environment_config({}, _PREFIX, dotenv)
    return dotenv
