"""Last-mile rules: a filter or a fixed mapping in an export file, for a time.

Belongs here: what such a rule may say, how long it holds, and its SQL. Does not belong here: rules that
last; they are the dbt model's, where they are tested. The clock is an argument.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from sluicegate.compute.sql import value_literal
from sluicegate.contracts.types import Kind, kind_of, value_of
from sluicegate.delivery.export_files.strict import Strict

# A rule that lasts longer is one that nobody means to move where it is tested.
LONGEST = timedelta(days=90)
WARNED_BEFORE = timedelta(days=14)
_SHOWN_VALUES = 5


def _scalar(value: Any) -> Any:
    sound = value is None or isinstance(value, (bool, int, str))
    if not sound and not (isinstance(value, float) and math.isfinite(value)):
        raise ValueError("a text, a number, true, false or null")
    return value


def _day(value: Any) -> date:
    if type(value) is date:
        return value
    # Stricter than `fromisoformat`, which takes 20260430 as well.
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        raise ValueError("a date, as 2026-04-30")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("a date that the calendar has") from None


Value = Annotated[
    Any,
    AfterValidator(_scalar),
    WithJsonSchema({"type": ["string", "number", "boolean", "null"]}),
]
Day = Annotated[date, BeforeValidator(_day)]


class Filter(Strict):
    """Rows that are sent (`keep`) or not (`drop`), by a column's value in the model; null is a value."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["keep"]}, {"required": ["drop"]}]})

    column: str
    keep: tuple[Value, ...] | None = None
    drop: tuple[Value, ...] | None = Field(default=None, validate_default=True)

    @field_validator("keep", "drop")
    @classmethod
    def _some(cls, values: tuple[Value, ...] | None) -> tuple[Value, ...] | None:
        if values == ():
            raise ValueError("at least one value; null is one")
        return values

    @field_validator("drop")
    @classmethod
    def _one_of_two(cls, drop: tuple[Value, ...] | None, info: ValidationInfo) -> tuple[Value, ...] | None:
        if "keep" in info.data and (drop is None) == (info.data["keep"] is None):
            raise ValueError("values under either `keep` or `drop`")
        return drop

    @property
    def values(self) -> tuple[Value, ...]:
        """The values that it names."""
        return self.keep or self.drop or ()

    def __str__(self) -> str:
        return f"{'keep' if self.keep else 'drop'} {self.column}: {_shown(self.values)}"


class ValueMap(Strict):
    """A column's values and what is sent in their place; others go as they are."""

    column: str
    values: Mapping[Value, Value] = Field(min_length=1)

    def __str__(self) -> str:
        said = [f"{_text(old)} → {_text(new)}" for old, new in self.values.items()]
        return f"map {self.column}: {_listed(said)}"


class LastMileRule(Strict):
    """A filter or a mapping, who answers for it and until when."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["filter"]}, {"required": ["map"]}]})

    filter: Filter | None = None
    """Leaves rows out, by a column's values."""
    map: ValueMap | None = Field(default=None, validate_default=True)
    """Sends other values of a column than the model has."""
    owner: str = Field(min_length=1)
    """Who takes it away again, or moves it into dbt."""
    reason: str = Field(min_length=1)
    """Why it cannot wait for the model."""
    issue: str = Field(pattern=r"^https?://[^\s/]+\S*$")
    """Where that is being done, as a URL."""
    declared: Day
    """The day on which it was written, as 2026-04-30."""
    expires: Day
    """The last day that it holds, at most 90 days after `declared`; after it the export is held."""

    @field_validator("map")
    @classmethod
    def _one_of_two(cls, mapping: ValueMap | None, info: ValidationInfo) -> ValueMap | None:
        if "filter" in info.data and (mapping is None) == (info.data["filter"] is None):
            raise ValueError("either a `filter` or a `map`, in a rule of its own each")
        return mapping

    @field_validator("expires")
    @classmethod
    def _in_time(cls, expires: date, info: ValidationInfo) -> date:
        declared: date | None = info.data.get("declared")
        if declared is not None and not declared <= expires <= declared + LONGEST:
            last = declared + LONGEST
            raise ValueError(f"a date from `declared` to {LONGEST.days} days after it, {last}")
        return expires

    @property
    def column(self) -> str:
        """The model's column that it looks at."""
        rule = self.filter or self.map
        return rule.column if rule else ""

    @property
    def named_values(self) -> tuple[Value, ...]:
        """Every value that it names, whether looked for or sent instead."""
        if self.filter:
            return self.filter.values
        return (*self.map.values.keys(), *self.map.values.values()) if self.map else ()

    @property
    def kind(self) -> str:
        """The field that it stands under: `filter` or `map`."""
        return "filter" if self.filter else "map"

    def days_left(self, today: date) -> int:
        """Return how many days it will still hold, 0 on the last; negative once it has expired."""
        return (self.expires - today).days

    def __str__(self) -> str:
        return str(self.filter or self.map)


def value_problem(sql_type: str, value: Value) -> str:
    """Return what a column of this type (as dbt says it) expects in the place of a value, "" if it fits."""
    type_ = sql_type.upper()
    kind = kind_of(type_)
    if value is None:
        return ""
    written = {
        Kind.NUMBER: isinstance(value, (int, float)) and not isinstance(value, bool),
        Kind.BOOLEAN: isinstance(value, bool),
        Kind.OTHER: False,
    }.get(kind, isinstance(value, str))
    if kind is Kind.OTHER:
        return "a column of texts, numbers, dates, times or booleans"
    try:
        if written:
            value_of(type_, str(value))
            return ""
    except ValueError:
        pass
    words = {Kind.TEXT: "a text, in quotes", Kind.NUMBER: "a number", Kind.BOOLEAN: "true or false"}
    said = words.get(kind, f"a {kind.value} in ISO 8601, in quotes")
    return f"{said}, of type {sql_type}"


def last_mile_sql(
    rules: Sequence[LastMileRule], columns: Mapping[str, str], quoted: Callable[[str], str]
) -> tuple[list[str], dict[str, str]]:
    """Return the conditions that every row to send meets, and {column: what to send in its place}.

    Both speak of the model's values: a filter never sees what a map makes of them. An expression has the
    type that the column has. `columns` is {column: SQL type}.
    """
    conditions: list[str] = []
    expressions: dict[str, str] = {}
    for rule in rules:
        name, type_ = quoted(rule.column), columns[rule.column]
        if rule.filter:
            among = _among(name, type_, rule.filter.values)
            conditions.append(among if rule.filter.keep else f"not {among}")
        elif rule.map:
            cases = " ".join(
                f"when {name} is not distinct from {_typed(old, type_)} then {_typed(new, type_)}"
                for old, new in rule.map.values.items()
            )
            expressions[rule.column] = f"case {cases} else {name} end"
    return conditions, expressions


def _among(name: str, type_: str, values: Sequence[Value]) -> str:
    """Return a condition that is true or false, never null: `not in` would lose every null unasked."""
    known = ", ".join(_typed(value, type_) for value in values if value is not None)
    parts = [f"{name} in ({known})"] if known else []
    parts += [f"{name} is null"] if None in values else []
    return f"coalesce({' or '.join(parts)}, false)"


def _typed(value: Value, type_: str) -> str:
    return f"cast({value_literal(value)} as {type_})"


def _text(value: Value) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _shown(values: Sequence[Value]) -> str:
    return _listed([_text(value) for value in values])


def _listed(texts: Sequence[str]) -> str:
    more = [f"and {len(texts) - _SHOWN_VALUES} more"] if len(texts) > _SHOWN_VALUES else []
    return ", ".join([*texts[:_SHOWN_VALUES], *more])
