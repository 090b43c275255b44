"""Random sequences of what may happen to a company, against the rule in plain Python.

Belongs here: that nothing else is ever at a destination than what the oracle allows, and that what it allows
goes out. Does not: sequences that somebody thought of (`test_sequences`).

A longer run: `SLUICE_TEST_KILLS=100` makes it two hundred sequences, other ones each time; what fails is
kept in `.hypothesis` and tried first from then on.
"""

import os
import time

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.gate.model.conftest import Kiosks
from tests.gate.model.interpreter import Failed, run
from tests.gate.model.steps import Step
from tests.gate.model.strategies import sequences

TIMES = int(os.environ.get("SLUICE_TEST_KILLS", "1"))
# Seconds after which a failing sequence is short enough.
_SHORTENING = 120.0

Steps = tuple[Step, ...]


class Trials:
    """Runs sequences; one that fails is shortened once, whenever it is asked for again.

    Not by Hypothesis, which knows no end in time, and needs some minutes where each trial takes seconds.
    """

    def __init__(self, kiosks: Kiosks) -> None:
        self._kiosks = kiosks
        self._failed: dict[Steps, Failed] = {}

    def run(self, steps: Steps) -> None:
        """Run a sequence.

        Raises:
            Failed: it fails; tells of a shorter one that does.
        """
        if steps not in self._failed:
            failure = self._failure(steps)
            if failure is None:
                return
            self._failed[steps] = self._shortest(failure)
        raise self._failed[steps]

    def _failure(self, steps: Steps) -> Failed | None:
        with self._kiosks.copy() as kiosk:
            try:
                run(kiosk, steps)
            except Failed as failure:
                return failure
        return None

    def _shortest(self, failure: Failed) -> Failed:
        """Leave out one step after the other, as long as what is left fails."""
        until, place = time.monotonic() + _SHORTENING, len(failure.steps) - 1
        while place > 0 and time.monotonic() < until:
            place = min(place, len(failure.steps) - 1) - 1
            shorter = self._failure((*failure.steps[:place], *failure.steps[place + 1 :]))
            failure = shorter or failure
        return failure


@pytest.fixture(scope="module")
def trials(kiosks: Kiosks) -> Trials:
    return Trials(kiosks)


@pytest.mark.long
@pytest.mark.timeout(600 * TIMES)
@settings(
    max_examples=2 * TIMES,
    derandomize=TIMES == 1,
    deadline=None,
    report_multiple_bugs=False,
    phases=(Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(steps=sequences)
def test_random_sequence(trials: Trials, steps: Steps) -> None:
    trials.run(steps)
