"""What a cell of a workbook says, by the type that the contract gives its column.

A workbook has numbers, and a format to show them in: a day is a number without a fraction, whatever its
format shows of hours. Belongs here: what of a cell's text is its format's alone. Does not belong here: the
text itself (`formats.excel`), and whether the type holds it (`values`).
"""

from sluicegate.compute.sql import literal
from sluicegate.contracts.columns import Column
from sluicegate.contracts.types import FLOATS, RANGES, Kind, base_of, kind_of

_MIDNIGHT = " 00:00:00"
_DATE_CELL = r"[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?)?"
# A fraction below 0.0001, as Python writes it.
_SMALL = r"-?[0-9](\.[0-9]+)?e-[0-9]+"
_ERRORS = (
    "#N/A", "#DIV/0!", "#REF!", "#NAME?", "#NULL!", "#NUM!", "#VALUE!", "#SPILL!", "#CALC!", "#GETTING_DATA",
    "#BLOCKED!", "#CONNECT!", "#FIELD!", "#UNKNOWN!", "#BUSY!", "#PYTHON!", "#EXTERNAL!",
)  # fmt: skip
IS_ERROR = "is an error of the workbook; expected a value; fix the formula, or name the error in `nullWords`"


def cell_text(column: Column, found: str) -> str:
    """Return SQL of a cell's text as the type of its column is written; `found` is SQL of the cell."""
    base, kind = base_of(column.type), kind_of(column.type)
    if column.written.dates:
        # A cell that is a date has no text to be written in any way.
        moment, written = f"try_cast({found} as timestamp)", literal(column.written.dates)
        same = f"try_strptime(strftime({moment}, {written}), {written}) = {moment}"
        is_date = f"regexp_full_match({found}, {literal(_DATE_CELL)}) and {same}"
        return f"(case when {is_date} then strftime({moment}, {written}) else {found} end)"
    if kind is Kind.DATE:
        day = f"left({found}, -{len(_MIDNIGHT)})"
        return f"(case when ends_with({found}, '{_MIDNIGHT}') then {day} else {found} end)"
    if kind is Kind.NUMBER and base not in FLOATS and base not in RANGES and _is_plain(column):
        digits = f"replace(regexp_extract({found}, '-?([0-9.]+)e', 1), '.', '')"
        zeros = f"repeat('0', try_cast(regexp_extract({found}, 'e-([0-9]+)', 1) as integer) - 1)"
        plain = f"if({found}[1] = '-', '-', '') || '0.' || {zeros} || {digits}"
        return f"(case when regexp_full_match({found}, {literal(_SMALL)}) then {plain} else {found} end)"
    return found


def _is_plain(column: Column) -> bool:
    return column.written.decimal_separator == "." and not column.written.thousands_separator


def is_error(text: str) -> str:
    """Return SQL that is true where a cell's text is that of an error, and not a value."""
    return f"{text} in ({', '.join(map(literal, _ERRORS))})"
