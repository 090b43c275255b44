"""Each part of the evidence is needed: with any one of them taken out, a sequence sends what must not go.

Belongs here: taking parts out, the one place that does it. Does not: what the parts are for (`sequences`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from sluicegate.delivery.ledger import MadeBy
from sluicegate.gate.findings import Finding, Verdict
from sluicegate.gate.walk import Walk

from tests.gate.model.conftest import Kiosks
from tests.gate.model.interpreter import run
from tests.gate.model.sequences import SEQUENCES

pytestmark = pytest.mark.long


def _blind_to(seen: Callable[[Finding], bool]) -> Callable[[pytest.MonkeyPatch], None]:
    """Have the gate overlook findings."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        find = Walk._find  # pyright: ignore[reportPrivateUsage]

        def overlook(self: Walk, finding: Finding) -> None:
            if not seen(finding):
                find(self, finding)

        monkeypatch.setattr(Walk, "_find", overlook)

    return patch


def _any_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take any plan on record for one that today's export file made."""
    monkeypatch.setattr(MadeBy, "made", lambda *_: True)


@dataclass(frozen=True)
class Part:
    """A part of the evidence, how it is taken out, and the sequence that tells."""

    name: str
    taken_out: Callable[[pytest.MonkeyPatch], None]
    sequence: tuple[str, str]


PARTS = (
    Part(
        "rules", _blind_to(lambda item: item.verdict is Verdict.OTHER_RULES),
        ("rules", "a tightened rule has not judged yet"),
    ),
    Part(
        "versions of parents", _blind_to(lambda item: item.verdict is Verdict.OTHER_PARENT),
        ("parents", "a day is corrected, and loaded alone"),
    ),
    Part(
        "what a window has read", _blind_to(lambda item: not item.own and item.verdict is Verdict.FAILED),
        ("windows", "an earlier day was judged bad since"),
    ),
    Part(
        "SQL", _blind_to(lambda item: item.verdict is Verdict.OLDER_SQL),
        ("SQL", "an export's model has other SQL"),
    ),
    Part(
        "the newest build", _blind_to(lambda item: item.verdict is Verdict.RESTORED),
        ("newest build", "an older copy of the warehouse"),
    ),
    Part("what made a plan", _any_plan, ("export files", "an approved plan, and another filter")),
)  # fmt: skip


@pytest.mark.parametrize("part", [pytest.param(part, id=part.name) for part in PARTS])
@pytest.mark.sampled(4)
def test_without_it_something_is_sent_that_must_not_be(
    kiosks: Kiosks, monkeypatch: pytest.MonkeyPatch, part: Part
) -> None:
    kind, name = part.sequence
    part.taken_out(monkeypatch)
    with kiosks.copy() as kiosk, pytest.raises(AssertionError, match=r"must not be|may be sent, so that"):
        run(kiosk, SEQUENCES[kind][name])
