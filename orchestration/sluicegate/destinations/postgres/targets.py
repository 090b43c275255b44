"""The columns of a table that exists: which values they hold, and the SQL that asks, converts and reads.

Belongs here: what a type of Postgres does to a value. Does not: Arrow's types (`types`), statements,
rows that do not fit (`misfits`).

One rule: a value arrives exactly, or its row is refused. Postgres cuts and rounds where a cast is asked for
(https://www.postgresql.org/docs/current/typeconv-query.html), so what is narrower than what was sent is
cast, cast back and compared. A text goes into a type of another form (uuid, enum, inet, interval …) where
the type shows that very text again; that makes two spellings of one value two values, as for the plan.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sluicegate.compute.sql import quoted

from ..errors import DeliveryError
from .types import Column

# What a family may go into, as a person reads it.
_MEANT = {
    "number": "another number",
    "float": "real or double precision",
    "text": "a text, enum, uuid, json, jsonb, inet or interval",
    "uuid": "text",
    "list": "an array of what holds its values",
}
_INSTANTS = ("timestamp", "time")
# No key: without equality, or with one that takes different texts for equal.
_NO_KEY = ("json", "jsonb", "xml", "point", "box", "polygon", "interval")


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table that exists, as its catalogue describes it.

    Attributes:
        name: plain.
        type: as it was declared, a domain by its name.
        must_be_given: it may not be null, and has no default.
        generated: why nobody may write it, "" if anybody may.
        base: the type itself, below all domains.
        category: Postgres' category of the base type, or of an array's elements
            (https://www.postgresql.org/docs/current/catalog-pg-type.html).
        folds: different texts are equal there: citext, or a collation that is not deterministic.
    """

    name: str
    type: str
    must_be_given: bool
    generated: str
    base: str
    category: str
    folds: bool


@dataclass(frozen=True, slots=True)
class Target:
    """A column of the shard beside the table's column that takes it.

    `checked`: some values of the one may not fit into the other. `version` is the server's, as 160004.
    """

    column: Column
    type: str
    base: str
    checked: bool
    version: int = 0
    folds: bool = False

    @property
    def takes_as_sent(self) -> bool:
        """Whether the driver may write into the table's column itself."""
        texts = self.column.staged == "text" and self.type == "character varying"
        return not (self.checked or self.column.raw) and (self.type == self.column.staged or texts)

    def value(self, staged: str) -> str:
        """SQL of a staged value as the table gets it."""
        return self._cast(self._meant(staged))

    def holds(self, staged: str) -> str:
        """SQL that is true where a staged value arrives as it is; some casts raise where it does not."""
        if self.base in ("jsonb", "jsonb[]"):
            # From 16 on Postgres can tell that a name stands twice, of which jsonb keeps the last.
            unique = f"{staged} is json with unique keys and "
            if self.base == "jsonb[]":
                twice = f"select from unnest({staged}) e where e is not json with unique keys"
                unique = f"not exists ({twice}) and "
            unique = unique if self.version >= 160000 else ""
            return f"({staged} is null or ({unique}{self._cast(staged)} is not null))"
        meant = self._meant(staged)
        collate = ' collate "C"' if self.column.staged in ("text", "text[]") else ""
        return f"({self._back(self._cast(meant))}{collate} is not distinct from {meant})"

    def differs(self, held: str, staged: str) -> str:
        """SQL that is true where the table's value is another one than the staged."""
        new = self.value(staged)
        if self.column.family == "float":
            # As numbers a negative zero and zero are equal.
            sends = "float4send" if self.base == "real" else "float8send"
            return f"{sends}({held}) is distinct from {sends}({new})"
        if self.column.element is not None and self.column.element.family == "float":
            return f"array_send({held}) is distinct from array_send({new})"
        if self.base in ("jsonb", "jsonb[]"):
            return f"{held}::text is distinct from {new}::text"
        if self.column.staged in ("text", "text[]"):
            # citext, and collations that are not deterministic, take different texts for equal.
            return f'{self._back(held)} collate "C" is distinct from {self._back(new)}'
        return f"{held} is distinct from {new}"

    def _meant(self, staged: str) -> str:
        """SQL of what was sent, in its own type."""
        if not self.column.raw:
            return staged
        end = 2**31 - 1 if self.column.family == "date" else 2**63 - 1
        day, kind = 86_400_000_000, self.column.postgres_type
        finite = f"date '1970-01-01' + {staged}::integer"
        if self.column.family != "date":
            # In two steps, of days and what is left: an interval is multiplied as a float.
            finite = (
                f"cast('1970-01-01 00:00:00+00' as {kind}) + ({staged} / {day}) * interval '1 day'"
                f" + ({staged} % {day}) * interval '1 microsecond'"
            )
        return (
            f"(case {staged} when {end} then cast('infinity' as {kind})"
            f" when {-end} then cast('-infinity' as {kind}) else {finite} end)"
        )

    def _cast(self, expression: str) -> str:
        natural = self.column.postgres_type if self.column.raw else self.column.staged
        return expression if self.type == natural else f"cast({expression} as {self.type})"

    def _back(self, value: str) -> str:
        if self.column.staged == "text":
            return as_text(value, self.base)
        if self.column.staged == "text[]":
            return as_texts(value, self.base.removesuffix("[]"))
        return f"cast({value} as {self.column.postgres_type})"


def as_text(value: str, base: str) -> str:
    """SQL of a value's text, as the type's output has it; of an interval as the local engine writes it."""
    if base == "inet":
        return f"abbrev({value})"  # a cast would add the length of the network
    if base.startswith("interval"):
        text = f"replace(regexp_replace({value}::text, 'mon', 'month', 'g'), '+', '')"
        return f"regexp_replace({text}, '(^| )-1 (year|month|day)s', '\\1-1 \\2', 'g')"
    return f"cast({value} as text)"


def as_texts(value: str, element: str) -> str:
    """SQL of an array's values as texts."""
    if element != "inet" and not element.startswith("interval"):
        return f"cast({value} as text[])"
    each = f"select {as_text('u.e', element)} from unnest({value}) with ordinality u (e, n) order by u.n"
    return f"case when {value} is not null then array({each}) end"


def target(column: Column, found: TableColumn | None, version: int) -> Target | None:
    """Return how a column of a table takes one of the shard's; None where it cannot.

    `found` is None where the table is only to be made.
    """
    if found is None:
        kind = column.postgres_type
        return Target(column, kind, kind, checked=False, version=version)
    exact = _exact(column, found.base, found.category)
    if exact is None:
        return None
    checked = not exact or found.type != found.base
    return Target(column, found.type, found.base, checked=checked, version=version, folds=found.folds)


def targets(
    columns: Sequence[Column],
    found: Iterable[TableColumn] | None,
    *,
    table: str,
    export: str,
    key: Sequence[str],
    version: int,
) -> dict[str, Target]:
    """Return the target of each of the shard's columns by its name; without `found` those of a new table.

    Raises:
        DeliveryError: the table cannot take the columns; every difference is named at once.
    """
    there = {column.name: column for column in found or ()}
    taken: dict[str, Target] = {}
    problems: list[tuple[str, str]] = []
    for column in columns:
        name, kind = column.name, column.postgres_type
        other = there.get(name)
        fitting = target(column, other, version)
        if found is not None and other is None:
            add = f"alter table {table} add column {quoted(name)} {kind}"
            problems.append((f"{name}: expected {kind}, found none", add))
        elif other is not None and other.generated:
            problems.append(
                (
                    f"{name}: expected a plain column, found {other.generated}",
                    f"leave {name} out of the export's model",
                )
            )
        elif fitting is None or (name in key and _plain(fitting.base) in _NO_KEY):
            fit = kind if name in key else f"{kind} or {_MEANT.get(column.family, 'a domain of it')}"
            alter = f"alter table {table} alter column {quoted(name)} type {kind}"
            problems.append(
                (
                    f"{name}: expected {fit}, found {other.type if other else kind}",
                    f"cast it in the export's model, or {alter} using {quoted(name)}::{kind}",
                )
            )
        else:
            taken[name] = fitting
    sent = {column.name for column in columns}
    problems += [
        (
            f"{other.name}: expected a column of the export, found none, and it may not be null",
            f"add it to the export's model, or give it a default in {table}",
        )
        for other in there.values()
        if other.must_be_given and other.name not in sent
    ]
    if problems:
        raise DeliveryError(
            "SLU-V101",
            f"{table} cannot take {export}: " + "; ".join(problem for problem, _ in problems),
            "the columns and types of the export's model",
            "; ".join(fix for _, fix in problems),
        )
    return taken


def _exact(column: Column, base: str, category: str) -> bool | None:
    """Whether a type holds every value of the column: True, False for some, None for none at all."""
    if column.element is not None:
        element = base.removesuffix("[]")
        if element == base:
            return None
        return _exact(column.element, element, category)
    natural = column.postgres_type if column.raw else column.staged
    if base == natural:
        return True
    if column.family == "number":
        have, need = _precision(base, -1), _precision(column.staged, 0)
        if have is None or need is None:
            return None
        # Ten digits are needed for any integer, but an integer has room for any nine.
        return have[1] >= need[1] and have[0] - have[1] >= need[0] - need[1]
    if column.family == "float":
        return {"double precision": True, "real": False}.get(base)
    if column.family.startswith(_INSTANTS):
        # timestamp(3) with time zone: the same with fewer digits of a second.
        return False if re.sub(r"\(\d\)", "", base) == column.family else None
    if column.family == "uuid":
        return True if base in ("text", "character varying") else None
    if column.family != "text":
        return None
    if base == "character varying":
        return True
    texts = category in ("S", "E", "I", "U") and base != "bytea"
    return False if texts or base.startswith("interval") else None


def _plain(base: str) -> str:
    return base.removesuffix("[]").partition("(")[0]


def _precision(postgres_type: str, integers: int) -> tuple[int, int] | None:
    if postgres_type == "numeric":  # without limits: takes any number exactly
        return 100_000, 16_000
    match = re.fullmatch(r"numeric\((\d+),(\d+)\)", postgres_type)
    if match is not None:
        return int(match[1]), int(match[2])
    digits = {"smallint": 5, "integer": 10, "bigint": 19}.get(postgres_type)
    return None if digits is None else (digits + integers, 0)
