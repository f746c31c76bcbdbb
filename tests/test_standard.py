"""The SDK's standard suite for taps, against a sandbox, for all streams.

What it leaves unchecked (keys that are null or repeat, values of most columns) is in test_contract.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from support.harness import PRESENT, STREAMS, config_of, process_untouched, sandbox, select, tap_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crowdtwist_sandbox import Sandbox

# Tests are made when this module is imported; where the sandbox listens is known when they run.
CONFIG: dict[str, Any] = {
    "api_key": "later",
    "api_url": "http://127.0.0.1:1",
    "pos_url": "http://127.0.0.1:1",
}

with process_untouched():
    _Suite: Any = get_tap_test_class(
        tap_at(PRESENT),
        config=CONFIG,
        suite_config=SuiteConfig(max_records_limit=None),
        parse_env_config=False,
        catalog=select(*STREAMS, "sync_runs"),
    )


@pytest.fixture(scope="module")
def rich() -> Iterator[Sandbox]:
    """A sandbox with members enough for every stream to have rows."""
    with sandbox(members=60) as running:
        CONFIG.update(config_of(running, checkpoint_interval=0))
        yield running


@pytest.fixture(autouse=True)
def _untouched() -> Iterator[None]:
    with process_untouched():
        yield


@pytest.mark.usefixtures("rich")
class TestTapCrowdTwist(_Suite):  # type: ignore[misc]
    pass
