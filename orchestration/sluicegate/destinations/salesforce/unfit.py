"""What a field of Salesforce cannot hold of a value whose type it takes; such rows are refused beforehand.

Belongs here: values. Does not: which field takes which type (`fields`).

Sources, on developer.salesforce.com: "Primitive Data Types" (object_reference/primitive_data_types.htm: a
number is a double), "Prepare CSV Files" (api_asynch/datafiles_prepare_csv.htm: `#N/A` is null); on
help.salesforce.com "Supported Date Formats": dates from 1700 to 4000.
"""

from collections.abc import Iterator

from sluicegate.compute.sql_types import SqlType

from ..exact_values import (
    FLOATS,
    TEXTS,
    WHOLE,
    Unfit,
    days_outside,
    end_of_day,
    finer_moments,
    folded_texts,
    no_doubles,
    no_numbers,
    zero_signs,
)
from .fields import MOST_DIGITS, NULL_IN_CSV, Field

_OF = "Salesforce"


def unfit(field: Field, value: str, kind: SqlType, *, is_key: bool = False) -> Iterator[Unfit]:
    """Yield what a field cannot hold of a value.

    A text that a bulk job takes for null is refused whichever way its row would take. A key may be written
    with white space around it: it is the same key there.
    """
    if not is_key:
        yield from folded_texts(value, kind, _OF)
    yield from no_numbers(value, kind, _OF)
    yield from end_of_day(value, kind, _OF)
    # Finer, the record would differ from the model for ever.
    whole_seconds = kind.name != "TIME" and not field.is_text
    yield from finer_moments(value, kind, 0 if whole_seconds else 3, _OF)
    if field.is_text:
        yield from zero_signs(value, kind, _OF)
        yield from days_outside(value, kind, 1, 9999, _OF)
        if kind.name in TEXTS:
            yield Unfit(
                f"{value}::varchar = '{NULL_IN_CSV}'",
                f"Salesforce takes {NULL_IN_CSV} for null in a bulk job",
                "write null, or another text, in the model",
            )
        return
    yield from days_outside(value, kind, 1700, 4000, _OF)
    yield from no_doubles(value, kind, _OF)
    if kind.name in WHOLE | FLOATS | {"DECIMAL"}:
        digits = (field.precision or MOST_DIGITS) - field.scale
        yield Unfit(
            f"isfinite({value}::double) and abs({value}::double) >= 1e{digits}::double",
            f"the field keeps {digits} digits before the point",
            "send smaller numbers, or choose a field of text",
        )
    if kind.name in FLOATS:
        yield Unfit(
            f"isfinite({value}) and round({value}::double, {field.scale})::{kind.name} <> {value}",
            f"the field keeps {field.scale} digits after the point",
            f"round(…, {field.scale}) in the model",
        )
