"""What rules said, as it is put on record (`state.results`): with samples, classified values masked.

Belongs here: the form on record, and masking. Does not belong here: writing it.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sluicegate.quality.rule_results import RuleResult
from sluicegate.state.results import KeptRule

MASK = "***"


def kept(results: Sequence[RuleResult]) -> tuple[KeptRule, ...]:
    """Return what rules said as it is put on record; `results` are masked already."""
    return tuple(
        KeptRule(
            type=item.rule.type,
            kwargs=item.rule.kwargs,
            severity=item.rule.severity,
            outcome=item.outcome.value,
            expected=item.expected,
            observed=item.observed,
            observed_value=item.observed_value,
            rows=item.rows,
            failing_rows=item.failing_rows,
            failing_share=item.failing_share,
            error=item.error,
            sample=tuple(json.dumps(row, default=str) for row in item.sample),
        )
        for item in results
    )


def masked(row: Mapping[str, Any], classified: Collection[str]) -> dict[str, Any]:
    """Return a sample row with what may be classified hidden; an empty value stays empty.

    That is every value of a classified column, and where there is one every text: where the fields of a row
    are shifted, a column has its neighbour's text. A number or a date is of its column's type, and stays.
    """
    return {
        name: value if value is None or (name not in classified and _stays(value, classified)) else MASK
        for name, value in row.items()
    }


def _stays(value: object, classified: Collection[str]) -> bool:
    return not classified or isinstance(value, bool | int | float | Decimal | date)
