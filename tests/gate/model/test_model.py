"""Random sequences of what may happen to a company, against the rule in plain Python.

Belongs here: that nothing else is ever at a destination than what the oracle allows, and that what it allows
goes out. Does not: sequences that somebody thought of (`test_sequences`).

A longer run: `SLUICE_TEST_KILLS=100` makes it three hundred sequences, other ones each time; what fails is
kept in `.hypothesis` and tried first from then on.
"""

import os
import time

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings

from tests.gate.model.conftest import Kiosks
from tests.gate.model.interpreter import run
from tests.gate.model.steps import Step
from tests.gate.model.strategies import sequences

TIMES = int(os.environ.get("SLUICE_TEST_KILLS", "1"))
# What is left of a failing sequence after so long, in seconds, is short enough.
_SHRINKING = 180.0


class _Patience:
    """Ends the search for a shorter sequence: once it is over no other sequence is tried."""

    def __init__(self) -> None:
        self._failed: set[tuple[Step, ...]] = set()
        self._until: float | None = None

    def allows(self, steps: tuple[Step, ...]) -> bool:
        """Whether a sequence is tried still; what has failed is, as Hypothesis looks at it once more."""
        return self._until is None or time.monotonic() < self._until or steps in self._failed

    def failed(self, steps: tuple[Step, ...]) -> None:
        """Take note that a sequence fails."""
        self._failed.add(steps)
        self._until = self._until or time.monotonic() + _SHRINKING


@pytest.fixture(scope="module")
def patience() -> _Patience:
    return _Patience()


@pytest.mark.long
@pytest.mark.timeout(600 * TIMES)
@settings(
    max_examples=3 * TIMES,
    derandomize=TIMES == 1,
    deadline=None,
    report_multiple_bugs=False,
    phases=(Phase.reuse, Phase.generate, Phase.shrink),
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
        HealthCheck.filter_too_much,
    ],
)
@given(steps=sequences)
def test_random_sequence(kiosks: Kiosks, patience: _Patience, steps: tuple[Step, ...]) -> None:
    assume(patience.allows(steps))
    with kiosks.copy_of("built") as kiosk:
        try:
            run(kiosk, steps)
        except AssertionError:
            patience.failed(steps)
            raise
