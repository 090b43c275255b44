"""Each part of the rule by hand (`sequences`), on the real platform and against the oracle."""

import pytest

from tests.gate.model.conftest import Kiosks
from tests.gate.model.interpreter import run
from tests.gate.model.sequences import SEQUENCES
from tests.gate.model.steps import Step


@pytest.mark.long
@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(steps, id=f"{part}: {name}")
        for part, sequences in SEQUENCES.items()
        for name, steps in sequences.items()
    ],
)
@pytest.mark.sampled(25)
def test_sequence(kiosks: Kiosks, steps: list[Step]) -> None:
    with kiosks.copy() as kiosk:
        run(kiosk, steps)
