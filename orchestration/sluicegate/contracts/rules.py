"""`logicalTypeOptions` and `quality` of a column -> its rules, and what is wrong with them.

Belongs here: rules that the engine could not hold, or would hold otherwise than they are written. Does not
belong here: holding them (`ingestion.values`).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sluicegate.contracts.columns import ValueRules
from sluicegate.contracts.patterns import pattern_problem
from sluicegate.contracts.quality import valid_values
from sluicegate.contracts.types import Kind, kind_of, value_of
from sluicegate.core.yaml_files import YamlFile

_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_LENGTHS = ("minLength", "maxLength")
_TEXTS = ("pattern", "format")
_ORDERED = (Kind.NUMBER, Kind.DATE, Kind.MOMENT, Kind.TIME)
_EXAMPLES = {
    Kind.NUMBER: "a number that {type} holds as it is written",
    Kind.DATE: "a date, as `'2022-08-01'`",
    Kind.MOMENT: "a date or a moment, as `'2022-08-01T06:00:00'`",
    Kind.TIME: "a time, as `'06:00:00'`",
    Kind.BOOLEAN: "true or false",
}


class RulesOf:
    """The rules of the column at `at` in a file; `type_` is its type, in capitals."""

    def __init__(
        self, file: YamlFile, at: tuple[str | int, ...], item: Mapping[str, Any], type_: str,
    ) -> None:  # fmt: skip
        self._file = file
        self._at = at
        self._item = item
        self._options: Mapping[str, Any] = item.get("logicalTypeOptions") or {}
        self._type = type_
        self._kind = kind_of(type_)

    def read(self) -> ValueRules:
        """Return the rules, after complaining of what is wrong with them."""
        self._check_yaml()
        values, pattern = valid_values(
            self._file, self._item, self._at, of_text=self._kind in (Kind.TEXT, Kind.OTHER)
        )
        pattern = self._pattern(pattern)
        for value in values:
            self._value("quality", value, "one of `validValues`")
        lengths = {name: self._length(name) for name in _LENGTHS}
        bounds = {name: self._bound(name) for name in _BOUNDS}
        self._check_order(bounds, lengths)
        return ValueRules(
            pattern=pattern,
            min_length=lengths["minLength"],
            max_length=lengths["maxLength"],
            minimum=bounds["minimum"],
            maximum=bounds["maximum"],
            exclusive_minimum=bounds["exclusiveMinimum"],
            exclusive_maximum=bounds["exclusiveMaximum"],
            multiple_of=self._multiple_of(),
            valid_values=values,
        )

    def _problem(self, name: str, what: str, expected: str, fix: str) -> None:
        at = (*self._at, "logicalTypeOptions", name) if name in self._options else (*self._at, name)
        self._file.complain(what, expected=expected, fix=fix, at=at, code="SLU-P025")

    def _check_yaml(self) -> None:
        """What YAML reads as something else than is written, and what it reads as nothing, is no rule."""
        for name, value in self._options.items():
            written = self._file.read_otherwise(value, *self._at, "logicalTypeOptions", name)
            if value is not None and not written and (name not in _TEXTS or isinstance(value, str)):
                continue
            written = written or self._file.written(*self._at, "logicalTypeOptions", name)
            what = f"`{name}` is `{written}`, which YAML reads as `{value}`"
            self._problem(name, what, "a value as it is written", "write it in quotes, or remove it")

    def _of_text(self, name: str) -> bool:
        if self._kind is Kind.TEXT:
            return True
        self._problem(name, f"`{name}` on a column of {self._type}", "a column of text", "remove it")
        return False

    def _pattern(self, of_quality: str) -> str:
        pattern = str(self._options.get("pattern") or of_quality)
        name = "pattern" if self._options.get("pattern") else "quality"
        if not pattern or not self._of_text(name):
            return ""
        if wrong := pattern_problem(pattern):
            self._problem(
                name, f"pattern `{pattern}` {wrong}", "a regular expression of RE2: without look-around and"
                " back-references", "write it without, or as an expectation of the source's suite",
            )  # fmt: skip
        return pattern

    def _length(self, name: str) -> int | None:
        value = self._options.get(name)
        if value is None or not self._of_text(name):
            return None
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        self._problem(name, f"`{name}` is `{value}`", "a whole number, 0 or more", "correct the value")
        return None

    def _bound(self, name: str) -> str | None:
        value = self._options.get(name)
        if value is None:
            return None
        if self._kind not in _ORDERED:
            expected = "a column of numbers, dates or times"
            self._problem(name, f"`{name}` on a column of {self._type}", expected, "remove it")
            return None
        return str(value) if self._value(name, str(value), f"`{name}`") else None

    def _value(self, name: str, text: str, what: str) -> bool:
        try:
            value_of(self._type, text)
        except ValueError:
            expected = _EXAMPLES.get(self._kind, "a value of {type}").format(type=self._type)
            self._problem(
                name, f"{what} is `{text}`, which is no {self._type}", expected, "correct the value"
            )
            return False
        return True

    def _multiple_of(self) -> str | None:
        value = self._options.get("multipleOf")
        if value is None:
            return None
        if self._kind is not Kind.NUMBER:
            what = f"`multipleOf` on a column of {self._type}"
            self._problem("multipleOf", what, "a column of numbers", "remove it")
            return None
        text = str(value)
        try:
            # The engine divides with nine decimals.
            positive = value_of("DECIMAL(38,9)", text) > Decimal(0)  # type: ignore[operator]
        except ValueError:
            positive = False
        if not positive:
            expected = "a number above 0 with nine decimals or fewer"
            self._problem("multipleOf", f"`multipleOf` is `{text}`", expected, "correct the value")
            return None
        return text

    def _check_order(self, bounds: Mapping[str, str | None], lengths: Mapping[str, int | None]) -> None:
        """Bounds between which nothing lies would quarantine every row."""
        pairs = [(low, high) for low in ("minimum", "exclusiveMinimum")
                 for high in ("maximum", "exclusiveMaximum")]  # fmt: skip
        for low, high in pairs:
            least, most = bounds[low], bounds[high]
            if least is None or most is None:
                continue
            try:
                apart: Any = value_of(self._type, least), value_of(self._type, most)
                nothing = apart[0] > apart[1] or (apart[0] == apart[1] and (low, high) != pairs[0])
            except TypeError:  # one with a time zone, the other without
                continue
            if nothing:
                self._nothing(low, least, high, most)
        shortest, longest = lengths["minLength"], lengths["maxLength"]
        if shortest is not None and longest is not None and shortest > longest:
            self._nothing("minLength", shortest, "maxLength", longest)

    def _nothing(self, low: str, least: object, high: str, most: object) -> None:
        self._problem(
            high, f"no value lies between `{low}` {least} and `{high}` {most}",
            f"`{low}` below `{high}`", "correct one of them",
        )  # fmt: skip
