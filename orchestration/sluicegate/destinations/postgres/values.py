"""What Postgres cannot hold of a value whose type it has; see "Date/Time Types" and "Character Types" there.

Belongs here: values. Does not: which column takes which type (`types`).
"""

from collections.abc import Iterator

from sluicegate.compute.sql_types import SqlType

from ..exact_values import MOMENTS, Unfit, finer_moments, nested, zero_signs

_OF = "Postgres"


def unfit(field: str, value: str, kind: SqlType) -> Iterator[Unfit]:  # noqa: ARG001 - of every field the same
    """Yield what a column cannot hold: days out of its calendar, nanoseconds, infinity in a list."""
    yield from nested(value, kind, _unfit)
    if kind.members:
        yield from nested(value, kind, _infinite)


def _infinite(value: str, kind: SqlType) -> Iterator[Unfit]:
    # A column that has one is sent as numbers; in a list the driver would send a day that is another.
    if kind.name == "DATE" or kind.name in MOMENTS:
        yield Unfit(
            f"not isfinite({value})",
            "an infinite day in a list cannot be sent to Postgres",
            "make it null in the model, or a day that stands for it",
        )


def _unfit(value: str, kind: SqlType) -> Iterator[Unfit]:
    yield from zero_signs(value, kind, _OF)
    yield from finer_moments(value, kind, 6, _OF)
    if kind.name == "DATE" or (kind.name in MOMENTS and kind.name != "TIMESTAMP_NS"):
        last = "5874897-12-31" if kind.name == "DATE" else "294246-12-31"
        yield Unfit(
            f"isfinite({value}) and ({value} < '4713-01-01 (BC)'::date or {value} > '{last}'::date)",
            f"Postgres has the days from 4713 BC to {last[:-6]} alone",
            "make it null, or correct it, in the model",
        )
