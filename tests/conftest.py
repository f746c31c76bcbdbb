"""Sandboxes that tests share, since asking one changes nothing about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from harness import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crowdtwist_sandbox import Sandbox


@pytest.fixture(scope="session")
def _world() -> Iterator[Sandbox]:
    with sandbox() as running:
        yield running


@pytest.fixture
def world(_world: Sandbox) -> Sandbox:
    """A sandbox that stays on its first day, with no request in its books yet."""
    _world.reset()
    return _world
