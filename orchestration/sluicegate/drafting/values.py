"""The values of a sample's column -> a type that holds them all, and how they are written.

Belongs here: candidates, from the narrowest to text. Whether one fits is asked of the very SQL that judges
drops (`ingestion.values`), first of some values, then of all: a draft loads its own samples.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sluicegate.compute.sql import literal
from sluicegate.contracts.columns import Column, ValueFormat
from sluicegate.contracts.dates import UnknownDateFormat, strptime_format
from sluicegate.contracts.types import Kind, kind_of, type_problem
from sluicegate.drafting.dates import readings_of

if TYPE_CHECKING:
    import duckdb

_LOOKED_AT = 2000
_NULL_WORDS = (
    "NULL", "null", "Null", "N/A", "n/a", "NA", "#N/A", "NaN", "nan", "None", "none", "-", "--", "?", "\\N",
)  # fmt: skip
# In text these are what they say: NA is Namibia, and `-` a dash.
_NULL_WORDS_OF_TEXT = ("NULL", "null", "\\N")
_BOOLEANS = (
    ("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"), ("ja", "nein"), ("j", "n"), ("oui", "non"),
)  # fmt: skip
_COMPACT = "yyyyMMdd"
_DATE_NAME = re.compile(r"date|datum|day|tag|_on$|_at$")
_CURRENCY = re.compile(r"[€$£¥]|\b(?:EUR|USD|GBP|CHF)\b")
_CODE = re.compile(r"[+-]?0[0-9]")
# Of decimals, of thousands.
_SEPARATORS = (
    (".", ""), (".", ","), (",", ""), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "\u00a0"),
)  # fmt: skip
_COMMA_FIRST = tuple(sorted(_SEPARATORS, key=lambda pair: pair[0] != ","))
_PERSONAL = re.compile(
    r"e_?mail|phone|mobile|telefon|iban|birth|geburt|surname|first_?name|last_?name|full_?name|given_?name"
    r"|customer_?name|contact|passport|ssn|tax_id|ip_address|^name$"
)
_EMAIL = r"[^@\s]+@[^@\s]+\.[a-zA-Z]{2,}"
_PHONE = r"\+[0-9][0-9 ()/-]{7,}"
_IBAN = r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}"


@dataclass(frozen=True)
class Guess:
    """A column as the samples have it; `date_format` as ODCS writes it, `remarks` are for its author.

    `readings` are guesses that hold the samples as well, and mean other days; this one is the first of them.
    """

    column: Column
    date_format: str = ""
    remarks: tuple[str, ...] = ()
    readings: tuple["Guess", ...] = ()

    @property
    def kind(self) -> Kind:
        """What sort of values it has."""
        return kind_of(self.column.type)


@dataclass(frozen=True)
class _Candidate:
    column: Column
    date_format: str = ""
    remark: str = ""
    wrong: str = ""
    """SQL over `value`, true where the type would take it, and should not."""
    others: tuple["_Candidate", ...] = ()
    """Other readings of the same texts: where more than one fits, nobody but their author knows."""


def guess(
    connection: "duckdb.DuckDBPyConnection", table: str, place: str, column: Column, *, comma_first: bool
) -> Guess:
    """Return what a column of a table of samples is; `column` has its name, header and found type."""
    count, present = _counted(connection, f"select count(*), count({place}) from {table}")
    if not present:
        empty = replace(column, type="VARCHAR" if _is_text(column) else column.type, required=False)
        return Guess(empty, remarks=("TODO type: empty in all samples",))
    if not _is_text(column):
        if wrong := type_problem(column.type.upper()):
            raise ValueError(
                f"column `{column.header}` is {column.type} in the samples: {wrong}; expected a type that a"
                " contract may have; have the provider write another, or text"
            )
        return Guess(replace(column, required=present == count))
    few = [
        str(row[0])
        for row in connection.execute(
            f"select distinct {place} from"
            f" (select {place} from {table} where {place} is not null limit 200000) limit {_LOOKED_AT}"
        ).fetchall()
    ]
    personal = _personal(connection, table, place, column.name)
    for candidate in _candidates(column, few, comma_first=comma_first):
        fitting: list[Guess] = []
        for one in (candidate, *candidate.others):
            chosen = _fitted(connection, table, place, one, few)
            if chosen is not None:
                remarks = (*personal, *([one.remark] if one.remark else []))
                made = _with_required(connection, table, place, chosen)
                fitting.append(Guess(made, one.date_format, remarks))
        if fitting:
            return replace(fitting[0], readings=tuple(fitting) if len(fitting) > 1 else ())
    raise AssertionError(f"`{column.header}`: no value is no text")


def told_format(
    connection: "duckdb.DuckDBPyConnection", table: str, place: str, found: Guess, date_format: str
) -> Guess:
    """Return a column as dates of a format that somebody has told.

    Raises:
        ValueError: it is no format, a value is not written so, or the files give the column a type.
    """
    from sluicegate.ingestion.formats.base import TEXT
    from sluicegate.ingestion.values import typed_value

    (type_,) = connection.execute(f"select typeof({place}) from {table} limit 1").fetchone() or ("VARCHAR",)
    if kind_of(type_) is not Kind.TEXT:
        raise ValueError(f"the column is {type_} in the files; expected a column of text; leave it out")
    try:
        written = replace(found.column.written, dates=strptime_format(date_format))
    except UnknownDateFormat as error:
        raise ValueError(f"{error}; expected letters as in `dd/MM/yyyy`; correct it") from None
    days, times = set(date_format) & set("dMyuYDE"), set(date_format) & set("Hhm")
    type_ = ("TIMESTAMP" if times else "DATE") if days else "TIME"
    column = replace(found.column, type=type_, written=written)
    misfit = typed_value(column, place, TEXT).misfit
    wrong = connection.execute(
        f"select _file, _line from {table} where {misfit} order by all limit 1"
    ).fetchone()
    if wrong is not None:
        raise ValueError(
            f"{wrong[0]}: line {wrong[1]} is not written so; expected every value in that format;"
            " correct the format, or leave it out"
        )
    remarks = tuple(remark for remark in found.remarks if not remark.startswith("TODO"))
    return Guess(_with_required(connection, table, place, column), date_format, remarks)


def _is_text(column: Column) -> bool:
    return kind_of(column.type) is Kind.TEXT


def _counted(connection: "duckdb.DuckDBPyConnection", query: str) -> tuple[int, ...]:
    found = connection.execute(query).fetchone()
    assert found is not None
    return tuple(int(number or 0) for number in found)


def _candidates(column: Column, few: Sequence[str], *, comma_first: bool) -> Iterator[_Candidate]:
    words = tuple(word for word in _NULL_WORDS if word in few)
    values = [value for value in few if value not in words]
    base = replace(column, written=ValueFormat(null_words=words))
    lower = {value.lower() for value in values}
    for true, false in _BOOLEANS:
        if lower and lower <= {true, false} and ((true, false) == _BOOLEANS[0] or len(lower) == 2):
            usual = (true, false) == _BOOLEANS[0]
            written = replace(base.written, true_words=() if usual else (true,),
                              false_words=() if usual else (false,))  # fmt: skip
            yield _Candidate(replace(base, type="BOOLEAN", written=written))
    if values and not all(_CODE.match(value) and "." not in value and "," not in value for value in values):
        yield from _dates(base, values)
        yield from _numbers(base, values, comma_first=comma_first)
    elif values:
        yield from _dates(base, values)
    text_words = tuple(word for word in words if word in _NULL_WORDS_OF_TEXT)
    yield _Candidate(replace(column, type="VARCHAR", written=ValueFormat(null_words=text_words)))


def _dates(base: Column, values: Sequence[str]) -> Iterator[_Candidate]:
    first = values[0]
    yield _Candidate(replace(base, type="DATE"))
    yield _Candidate(replace(base, type="TIMESTAMP"))
    if ":" in first and len(first) <= 15:
        yield _Candidate(replace(base, type="TIME"))
    if _DATE_NAME.search(base.name) and all(re.fullmatch(r"(19|20)\d{6}", value) for value in values):
        written = replace(base.written, dates=strptime_format(_COMPACT))
        yield _Candidate(replace(base, type="DATE", written=written), _COMPACT)
    for readings in readings_of(values):
        first_of, *others = (_as_dates(base, one) for one in readings)
        yield replace(first_of, others=tuple(others))


def _as_dates(base: Column, date_format: str) -> _Candidate:
    written = replace(base.written, dates=strptime_format(date_format))
    type_ = "TIMESTAMP" if ":" in date_format else "DATE"
    return _Candidate(replace(base, type=type_, written=written), date_format)


def _numbers(base: Column, values: Sequence[str], *, comma_first: bool) -> Iterator[_Candidate]:
    signs = tuple(dict.fromkeys(match for value in values for match in _CURRENCY.findall(value)))
    for decimal, thousands in _COMMA_FIRST if comma_first else _SEPARATORS:
        written = replace(
            base.written, decimal_separator=decimal, thousands_separator=thousands, currency=signs
        )
        used = thousands and any(thousands in value for value in values)
        if thousands and not used:
            continue
        remark = ""
        if decimal == "," and not thousands and not any("," in value for value in values):
            written = replace(written, decimal_separator=".")
        if thousands in (",", ".") and used and not any(decimal in value for value in values):
            remark = f"TODO: is `{thousands}` between thousands, or before decimals? the samples fit both"
        whole = f"contains(value, {literal(decimal)}) or regexp_matches(value, '^[^0-9]*0[0-9]')"
        for type_ in ("INTEGER", "BIGINT"):
            yield _Candidate(replace(base, type=type_, written=written), "", remark, whole)
        code = "regexp_matches(value, '^[^0-9]*0[0-9]')"
        yield _Candidate(replace(base, type="DECIMAL", written=written), "", remark, code)
        # More digits than a double has would be lost without a word.
        long = "length(regexp_replace(value, '[eE].*|[^0-9]', '', 'g')) > 15"
        yield _Candidate(replace(base, type="DOUBLE", written=written), "", remark, f"{code} or {long}")


def _fitted(
    connection: "duckdb.DuckDBPyConnection", table: str, place: str, candidate: _Candidate, few: Sequence[str]
) -> Column | None:
    """Return the candidate's column if it holds some values, and then all."""
    from sluicegate.ingestion.formats.base import TEXT
    from sluicegate.ingestion.values import typed_value

    column = candidate.column
    wrong = f" or ({candidate.wrong})" if candidate.wrong else ""
    small = f"(select unnest([{', '.join(literal(value) for value in few)}]) as value)"
    whole = f"(select {place} as value from {table} where {place} is not null)"
    for relation in (small, whole):
        if column.type.startswith("DECIMAL"):
            sized = _sized(connection, relation, column)
            if sized is None:
                return None
            column = sized
        judged = typed_value(column, "value", TEXT)
        # A word for NULL is none of the values that a type must hold.
        unfit = f"({judged.misfit}) or ({judged.text} is not null and (false{wrong}))"
        if connection.execute(f"select 1 from {relation} where {unfit} limit 1").fetchone() is not None:
            return None
    return column


def _sized(connection: "duckdb.DuckDBPyConnection", relation: str, column: Column) -> Column | None:
    """Return the column with the digits that its values have: 9, 18 or 38 of them, as they are stored."""
    written = column.written
    decimal = literal(written.decimal_separator)
    point = "[" + written.decimal_separator + "]"
    listed = ", ".join(literal(word) for word in written.null_words) or "null"
    fraction = f"length(regexp_extract(value, {literal(f'{point}([0-9]*)')}, 1))"
    whole = f"length(regexp_replace(split_part(value, {decimal}, 1), '[^0-9]', '', 'g'))"
    digits, scale = _counted(
        connection,
        f"select max({whole}), max({fraction}) from {relation} where coalesce(value not in ({listed}), true)",
    )
    if scale > 9 or digits + scale > 38 or scale == 0:
        return None
    precision = next(size for size in (9, 18, 38) if size >= digits + scale)
    return replace(column, type=f"DECIMAL({precision},{scale})")


def _with_required(connection: "duckdb.DuckDBPyConnection", table: str, place: str, column: Column) -> Column:
    words = ", ".join(literal(word) for word in column.written.null_words) or "null"
    lacking = f"{place} is null or coalesce({place} in ({words}), false)"
    (nulls,) = _counted(connection, f"select count(*) from {table} where {lacking}")
    return replace(column, required=nulls == 0)


def _personal(connection: "duckdb.DuckDBPyConnection", table: str, place: str, name: str) -> tuple[str, ...]:
    """Return `personal?` where a column's name or most of its values look like somebody's."""
    if _PERSONAL.search(name):
        return ("personal?",)
    pattern = literal(f"{_EMAIL}|{_PHONE}|{_IBAN}")
    looks, all_ = _counted(
        connection,
        f"select count(*) filter (where regexp_full_match({place}, {pattern})), count({place}) from {table}",
    )
    return ("personal?",) if looks * 2 > all_ else ()
