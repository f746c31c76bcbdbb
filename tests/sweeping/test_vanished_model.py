"""Whatever happens between and within runs, a target forgets nothing that is still there."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from support.vanished_rows import Target
from support.vanished_rows_machine import Vanishing

pytestmark = pytest.mark.slow

SETTINGS = settings(
    max_examples=10,
    stateful_step_count=16,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a failing run is short as it is
    suppress_health_check=[HealthCheck.too_slow],
)


def test_nothing_that_is_there_is_forgotten_and_nothing_else_is_left() -> None:
    machines: list[Vanishing] = []

    def machine() -> Vanishing:
        targets = [Target(hard=True), Target(), Target(hard=True, forgets_unversioned=False)]
        machines.append(Vanishing(targets))
        return machines[-1]

    run_state_machine_as_test(machine, settings=SETTINGS)  # type: ignore[arg-type]  # any callable
    assert any(machine.forgotten > 1 for machine in machines)
