"""The gate taken out: the one place where tests open it, whatever the records say.

A cell of the matrix in which nothing arrived proves little: perhaps nothing would have arrived anyway. So
each is run a second time with the gate taken out, and the rows must arrive then.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sluicegate.gate.gate import Gate, GateReport


@contextmanager
def gate_taken_out() -> Generator[None]:
    """Have the gate find nothing to say against anything, in this process."""
    judged, planned, built = Gate.report, Gate.report_from_records, Gate.parents_from_records

    def open_report(self: Gate, *asked: Any, **named: Any) -> GateReport:
        return replace(judged(self, *asked, **named), findings=())

    def open_plan(self: Gate, *asked: Any, **named: Any) -> GateReport:
        return replace(planned(self, *asked, **named), findings=())

    def open_build(self: Gate, *asked: Any, **named: Any) -> GateReport:
        return replace(built(self, *asked, **named), findings=())

    def open_parents(self: Gate, *asked: Any, **named: Any) -> None:
        del self, asked, named

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gate, "report", open_report)
        patch.setattr(Gate, "report_from_records", open_plan)
        patch.setattr(Gate, "parents_from_records", open_build)
        patch.setattr(Gate, "require_parents", open_parents)
        yield
