"""Sandboxes that tests share, since asking one changes nothing about it; the examples they try."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from support.harness import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crowdtwist_sandbox import Sandbox

# The same examples each time, however slow the machine: what has to pass must not fail by chance.
# Set HYPOTHESIS_PROFILE to random to look for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("random", derandomize=False, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


# Settings in the shell of whoever runs the tests would otherwise reach the taps that tests start.
for _name in [name for name in os.environ if name.startswith(("TAP_", "TARGET_", "MELTANO_"))]:
    del os.environ[_name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start what takes minutes first, so that no worker is left with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def _world() -> Iterator[Sandbox]:
    with sandbox() as running:
        yield running


@pytest.fixture
def world(_world: Sandbox) -> Sandbox:
    """A sandbox that stays on its first day, with no request in its books yet."""
    _world.reset()
    return _world
