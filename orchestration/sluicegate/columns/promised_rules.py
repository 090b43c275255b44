"""The checks that hold an export -> ODCS `quality`: what whoever receives it may rely on.

Only what blocks is promised, and only what is still so of what arrives: a rule on a column that is not sent,
or whose values a last-mile rule maps, says nothing of it, nor does a count of all rows where some are
filtered out. Rules whose arguments are SQL, or values of a classified column, are told in words.
Belongs here: suites' and dbt's rules in the standard's words. Does not belong here: the rest of the contract
(`delivered_contract`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sluicegate.delivery.export_files.exports import Export
from sluicegate.quality.suites import Rule, Suite
from sluicegate.transformation.manifest import blocks

NULLS, DUPLICATES, INVALID, ROWS = "nullValues", "duplicateValues", "invalidValues", "rowCount"
Quality = dict[str, Any]

_DIMENSIONS = {
    NULLS: "completeness", DUPLICATES: "uniqueness", INVALID: "conformity", ROWS: "completeness",
}  # fmt: skip
_OF_ROWS = (
    "expect_column_values_", "expect_column_pair_values_", "expect_compound_columns_",
    "expect_select_column_values_", "expect_multicolumn_",
)  # fmt: skip
_ONE_COLUMN, _TWO_COLUMNS, _COLUMN_LISTS = "column", ("column_A", "column_B"), ("column_list", "column_set")
# They speak of the model's table, which is not what arrives.
_OF_THE_TABLE = ("expect_table_column", "expect_table_row_count_to_equal_other")
# A dbt test's config as it is when nobody narrows what it looks at or counts.
_USUAL: Mapping[str, tuple[object, ...]] = {
    "where": (None,),
    "limit": (None,),
    "fail_calc": (None, "count(*)"),
    "error_if": (None, "!= 0", ">0", "> 0"),
}


@dataclass
class Promises:
    """Rules of the whole, and {field: its rules}; `required` are fields that are never null."""

    table: list[Quality] = field(default_factory=list[Quality])
    columns: dict[str, list[Quality]] = field(default_factory=dict[str, list[Quality]])
    required: set[str] = field(default_factory=set[str])

    def add(self, rule: Quality, fields: Sequence[str]) -> None:
        """Add a rule where it belongs: to its field, or to the whole; once, whoever says it again."""
        rules = self.columns.setdefault(fields[0], []) if len(fields) == 1 else self.table
        if not any(_said(rule) == _said(other) for other in rules):
            rules.append(rule)
        if rule.get("metric") == NULLS:
            self.required.update(fields)


def promises(
    export: Export,
    sent: Mapping[str, str],
    suite: Suite | None,
    tests: Iterable[Mapping[str, Any]],
    hidden: frozenset[str],
) -> Promises:
    """Return what the checks of an export's model promise of what arrives.

    Args:
        export: the export.
        sent: {model column: field} of what is sent.
        suite: the model's suite.
        tests: dbt's data tests of the model, as the manifest has them.
        hidden: the model's columns of whose values nothing is told.
    """
    return _Promising(export, sent, hidden).of(suite, tests)


@dataclass
class _Promising:
    export: Export
    sent: Mapping[str, str]
    hidden: frozenset[str]

    def of(self, suite: Suite | None, tests: Iterable[Mapping[str, Any]]) -> Promises:
        found = Promises()
        for rule in suite.rules if suite else ():
            if rule.severity.blocks and (columns := self._arriving(rule.kwargs)) is not None:
                for item in self._of_suite(rule, columns):
                    found.add(item, [self.sent[name] for name in columns])
        for test in tests:
            kwargs = cast("Mapping[str, Any]", (test.get("test_metadata") or {}).get("kwargs") or {})
            if blocks(test) and (columns := self._arriving(_of_dbt(kwargs))) is not None:
                for item in self._of_test(test, columns):
                    found.add(item, [self.sent[name] for name in columns])
        return found

    def _arriving(self, kwargs: Mapping[str, Any]) -> list[str] | None:
        """Return the columns that a rule names; None where it says nothing of what arrives."""
        columns = _named(kwargs)
        return None if any(name not in self.sent for name in columns) else columns

    @property
    def _mapped(self) -> dict[str, bool]:
        """{mapped column: whether null may be sent of it though the model has none}."""
        return {
            rule.map.column: None in rule.map.values.values()
            for rule in self.export.spec.last_mile
            if rule.map
        }

    @property
    def _filtered(self) -> bool:
        return any(rule.filter for rule in self.export.spec.last_mile)

    def _of_suite(self, rule: Rule, columns: Sequence[str]) -> Iterator[Quality]:
        kwargs = dict(rule.kwargs)
        mostly = kwargs.get("mostly") in (None, 1)
        if kwargs.get("mostly") == 1:
            del kwargs["mostly"]
        if rule.type.startswith(_OF_THE_TABLE):
            return
        notes = str(rule.meta.get("notes") or "").strip()
        known = _library(rule.type, kwargs)
        if self._untrue(columns, known):
            return
        if self._filtered and not (rule.type.startswith(_OF_ROWS) and mostly):
            most = kwargs.get("max_value")
            if rule.type != "expect_table_row_count_to_be_between" or not isinstance(most, int):
                return
            known = {"metric": ROWS, "mustBeLessOrEqualTo": most}
        if known is not None and self._may_tell(known, columns):
            yield self._rule(known, notes)
        elif self._tellable(kwargs, columns):
            told = {"type": rule.type, "kwargs": self._renamed(kwargs)}
            yield _with({"type": "custom", "engine": "great-expectations", "implementation": told}, notes)
        else:
            named = ", ".join(self.sent[name] for name in columns)
            yield {"type": "text", "description": notes or f"{rule.type}({named}) holds"}

    def _of_test(self, test: Mapping[str, Any], columns: Sequence[str]) -> Iterator[Quality]:
        metadata = cast("Mapping[str, Any]", test.get("test_metadata") or {})
        kwargs = _of_dbt(metadata.get("kwargs") or {})
        said = str(test.get("description") or "").strip()
        name, config = str(metadata.get("name") or ""), cast("Mapping[str, Any]", test["config"])
        whole = all(config.get(key) in values for key, values in _USUAL.items())
        known = _dbt_library(name, kwargs) if whole else None
        if self._untrue(columns, known) or (self._filtered and known is None):
            return
        if known is not None and self._may_tell(known, columns):
            yield self._rule(known, said)
        else:  # its SQL, and what its arguments refer to, are ours alone
            named = ", ".join(self.sent[name] for name in columns)
            yield {"type": "text", "description": said or f"dbt test {name or test['name']}({named}) passes"}

    def _untrue(self, columns: Sequence[str], known: Quality | None) -> bool:
        """Whether a rule's column has other values where it arrives than those that were judged."""
        mapped = self._mapped
        if not any(name in mapped for name in columns):
            return False
        nulls = known is not None and known["metric"] == NULLS
        return not nulls or any(mapped.get(name, False) for name in columns)

    def _may_tell(self, known: Quality, columns: Sequence[str]) -> bool:
        return "arguments" not in known or known["metric"] == DUPLICATES or self.hidden.isdisjoint(columns)

    def _tellable(self, kwargs: Mapping[str, Any], columns: Sequence[str]) -> bool:
        """Whether arguments are plain: no SQL, no other table's names, no bounds from history, no secret."""
        plain = not {"row_condition", "condition_parser", "query", "unexpected_rows_query"} & kwargs.keys()
        return plain and self.hidden.isdisjoint(columns) and "$PARAMETER" not in repr(kwargs)

    def _rule(self, known: Quality, notes: str) -> Quality:
        rule = {"type": "library", **known, "dimension": _DIMENSIONS[known["metric"]]}
        if properties := known.get("arguments", {}).get("properties"):
            rule["arguments"] = {"properties": [self.sent[name] for name in properties]}
        return _with(rule, notes)

    def _renamed(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Name fields as the destination does."""
        renamed = dict(kwargs)
        for name in (_ONE_COLUMN, *_TWO_COLUMNS):
            if name in renamed:
                renamed[name] = self.sent[renamed[name]]
        for name in _COLUMN_LISTS:
            if name in renamed:
                renamed[name] = [self.sent[column] for column in renamed[name]]
        return renamed


def _with(rule: Quality, notes: str) -> Quality:
    return {**rule, "severity": "error", **({"description": notes} if notes else {})}


def _said(rule: Quality) -> Quality:
    return {name: value for name, value in rule.items() if name != "description" or rule["type"] == "text"}


def _named(kwargs: Mapping[str, Any]) -> list[str]:
    found = [str(kwargs[name]) for name in (_ONE_COLUMN, *_TWO_COLUMNS) if kwargs.get(name)]
    for name in _COLUMN_LISTS:
        found += [str(column) for column in kwargs.get(name) or ()]
    return found


def _of_dbt(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Name the columns of a dbt test's arguments as an expectation does."""
    named = {"column_name": "column", "combination_of_columns": "column_list"}
    return {named.get(name, name): value for name, value in kwargs.items() if name != "model"}


def _library(type_: str, kwargs: Mapping[str, Any]) -> Quality | None:
    """Return an expectation as a metric of the standard's library; None where that has none for it."""
    given = sorted(kwargs)
    if type_ == "expect_column_values_to_not_be_null" and given == ["column"]:
        return {"metric": NULLS, "mustBe": 0}
    if type_ == "expect_column_values_to_be_unique" and given == ["column"]:
        return {"metric": DUPLICATES, "mustBe": 0}
    if type_ == "expect_compound_columns_to_be_unique" and given == ["column_list"]:
        return _unique_together(kwargs["column_list"])
    if type_ == "expect_column_values_to_be_in_set" and given == ["column", "value_set"]:
        return _one_of(kwargs["value_set"])
    if type_ == "expect_column_values_to_match_regex" and given == ["column", "regex"]:
        return {"metric": INVALID, "mustBe": 0, "arguments": {"pattern": kwargs["regex"]}}
    if type_ == "expect_table_row_count_to_equal" and isinstance(kwargs.get("value"), int):
        return {"metric": ROWS, "mustBe": kwargs["value"]}
    if type_ == "expect_table_row_count_to_be_between" and {*given} <= {"min_value", "max_value"}:
        return _between(kwargs.get("min_value"), kwargs.get("max_value"))
    return None


def _dbt_library(name: str, kwargs: Mapping[str, Any]) -> Quality | None:
    if name == "not_null":
        return {"metric": NULLS, "mustBe": 0}
    if name == "unique":
        return {"metric": DUPLICATES, "mustBe": 0}
    if name == "unique_combination_of_columns" and kwargs.get("column_list"):
        return _unique_together(kwargs["column_list"])
    if name == "accepted_values" and isinstance(kwargs.get("values"), list):
        return _one_of(kwargs["values"])
    return None


def _unique_together(columns: Iterable[str]) -> Quality:
    return {"metric": DUPLICATES, "mustBe": 0, "arguments": {"properties": list(columns)}}


def _one_of(values: Iterable[Any]) -> Quality | None:
    if not isinstance(values, list | tuple):
        return None
    return {"metric": INVALID, "mustBe": 0, "arguments": {"validValues": list(cast("list[Any]", values))}}


def _between(least: Any, most: Any) -> Quality | None:
    bounds = [value for value in (least, most) if value is not None]
    if not bounds or not all(isinstance(value, int) for value in bounds):
        return None
    if least is None or most is None:
        return {
            "metric": ROWS, "mustBeLessOrEqualTo" if least is None else "mustBeGreaterOrEqualTo": bounds[0],
        }  # fmt: skip
    return {"metric": ROWS, "mustBe": least} if least == most else {"metric": ROWS, "mustBeBetween": bounds}
