"""The checks that an export needs above it: of rows and of values, and each of them able to fail.

Belongs here: what counts as such a check, of a contract, a suite and dbt's tests. Does not belong here:
trying a suite's rule (`quality.trials`), what else an export needs (`graph_rules`).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sluicegate.contracts.columns import Column
from sluicegate.contracts.model import SourceContract
from sluicegate.core.lineage import Lineage
from sluicegate.core.problems import Problem
from sluicegate.core.relations import RAW, Relation
from sluicegate.core.stages import folder_of
from sluicegate.delivery.export_files.exports import Export
from sluicegate.ingestion.value_rules import broken_rules
from sluicegate.project.guard_tables import GuardTables
from sluicegate.quality.suites import FOLDER, Suite
from sluicegate.quality.trials.found import Trials
from sluicegate.quality.trials.shapes import Shape
from sluicegate.quality.trials.trying import MOST_ROWS_EVER, NOTHING, About
from sluicegate.transformation.binding import BoundSql
from sluicegate.transformation.manifest import DbtManifest, DbtNode, blocks, tested_relation

# A dbt test's config as it is when nobody narrows what the test looks at or counts.
_USUAL: Mapping[str, tuple[object, ...]] = {
    "where": (None,),
    "limit": (None,),
    "fail_calc": (None, "count(*)"),
    "error_if": (None, "!= 0", ">0", "> 0"),
}
# Generic tests that look at rows; all others look at values.
_OF_ROWS = frozenset(
    {"unique", "unique_combination_of_columns", "equal_rowcount", "fewer_rows_than", "at_least_one"}
)  # fmt: skip
# It reads past its partition, where no made-up row is.
_UNTRIED = frozenset({"differs_from_previous_partition"})
# The one table and column that a contract's rule on a column is tried on.
_LANDED, _VALUE = Relation("main", "landed"), "landed_value"
_WANTED = {
    About.ROWS: "a check of rows, which fails on a table that is empty or has a row twice",
    About.VALUES: "a check of values, which fails on rows with bad values",
}


@dataclass(frozen=True)
class Guards:
    """What checks above an export can fail by; `bound` has the SQL of dbt's tests, as far as it is known."""

    manifest: DbtManifest
    contracts: Mapping[str, SourceContract]
    suites: Mapping[str, Suite]
    trials: Trials
    bound: BoundSql
    tables: GuardTables = field(init=False)
    _tests: dict[str, list[Mapping[str, Any]]] = field(
        default_factory=dict[str, list[Mapping[str, Any]]], init=False
    )
    _suites: dict[str, Suite] = field(default_factory=dict[str, Suite], init=False)
    _contracts: dict[str, SourceContract] = field(default_factory=dict[str, SourceContract], init=False)

    def __post_init__(self) -> None:
        """Sort the checks by their tables."""
        relations = {node.name: node.relation for node in self.manifest.nodes.values()}
        object.__setattr__(self, "tables", GuardTables(self.manifest, self.contracts, self.bound))
        self._contracts.update({contract.relation: contract for contract in self.contracts.values()})
        for suite in self.suites.values():
            self._suites[relations.get(suite.table, Relation(RAW, suite.table))] = suite
        for test in self.manifest.tests():
            usual = all(test["config"].get(name) in known for name, known in _USUAL.items())
            relation = tested_relation(self.manifest, test)
            if relation and usual and blocks(test):
                self._tests.setdefault(relation, []).append(test)

    def problems(self, lineage: Lineage, export: Export, node: DbtNode) -> Iterator[Problem]:
        """Yield what is missing above an export, in one problem."""
        relation = node.relation
        above = sorted(lineage.ancestors(relation))
        own = next((about for about in self._checks(relation) if about), NOTHING)
        if not own and not any(about for name in above for about in self._checks(name)):
            yield self._problem(
                export, node, f"nothing that `{node.name}` is made of has a blocking check",
                "at least one critical rule or dbt test of severity error upstream, which can fail",
                frozenset(About),
            )  # fmt: skip
            return
        if not own:
            yield self._problem(
                export, node, f"`{node.name}` itself has no blocking check",
                "one on the very table that is sent, which can fail: what its SQL leaves out, no other"
                " check sees",
self._missing(relation, above) or frozenset({About.VALUES}),
            )  # fmt: skip
            return
        if missing := self._missing(relation, above):
            yield self._problem(
                export, node,
                f"nothing that `{node.name}` is made of has a blocking check of"
                f" {' or of '.join(sorted(missing))} that can fail",
                "; ".join(_WANTED[about] for about in sorted(missing)), missing,
            )  # fmt: skip

    def _missing(self, relation: str, above: list[str]) -> frozenset[About]:
        """Return what no check in a chain can fail by; what costs no trial is asked first."""
        missing = frozenset(About)
        looks: tuple[Callable[[str], Iterator[frozenset[About]]], ...] = (
            self._of_contract, self._of_tests, self._of_suite
        )  # fmt: skip
        for look in looks:
            for name in (relation, *above):
                for about in look(name):
                    missing -= about
                    if not missing:
                        return missing
        return missing

    def _checks(self, relation: str) -> Iterator[frozenset[About]]:
        """What a table's suite and tests can fail by; a contract guards the door alone."""
        yield from self._of_tests(relation)
        yield from self._of_suite(relation)

    def _of_contract(self, relation: str) -> Iterator[frozenset[About]]:
        contract = self._contracts.get(relation)
        if contract is None:
            return
        least, most = contract.row_count
        bounded = bool(least) or (most is not None and most <= MOST_ROWS_EVER)
        unique = contract.key or any(column.unique for column in contract.columns)
        if unique or not contract.gaps_allowed or bounded:
            yield frozenset({About.ROWS})
        if any(column.required for column in contract.columns):
            yield frozenset({About.VALUES})
        for column in contract.columns:
            yield self._of_values(column)

    def _of_values(self, column: Column) -> frozenset[About]:
        """What a column's rules in a contract can fail by: each by itself, as the door asks them."""
        shapes = {_LANDED: Shape({_VALUE: column.type})}
        for broken, _ in broken_rules(column, _VALUE):
            sql = f"select 1 from {_LANDED} where {broken}"
            if self.trials.about_statement(sql, shapes, frozenset({About.VALUES})):
                return frozenset({About.VALUES})
        return NOTHING

    def _of_suite(self, relation: str) -> Iterator[frozenset[About]]:
        suite = self._suites.get(relation)
        for rule in suite.rules if suite else ():
            if rule.severity.blocks:
                query = str(rule.kwargs.get("unexpected_rows_query") or "")
                others = self.tables.named_in(query, without=relation)
                yield self.trials.about(rule, self.tables.of(relation), others)

    def _of_tests(self, relation: str) -> Iterator[frozenset[About]]:
        for test in self._tests.get(relation, ()):
            name = str((test.get("test_metadata") or {}).get("name") or "")
            kind = frozenset({About.ROWS if name in _OF_ROWS else About.VALUES})
            sql = self.bound.compiled.get(test["unique_id"])
            if sql is None or name in _UNTRIED:
                yield kind
            else:
                yield self.trials.about_statement(sql, self.tables.named_in(sql), kind)

    def _problem(
        self, export: Export, node: DbtNode, what: str, expected: str, missing: frozenset[About]
    ) -> Problem:
        shape = self.tables.of(node.relation)
        lines = _lines(export, self._suites.get(node.relation), missing, shape)
        return export.file.problem(what, expected=expected, fix=lines, at=("model",), code="SLU-P064")


def _lines(export: Export, suite: Suite | None, missing: frozenset[About], shape: Shape) -> str:
    """Return what to write, as it is typed: rules of the export's own table.

    No rule of values is of the column that cuts it, of which no partition has a wrong value.
    """
    names = [name for name in (*export.spec.key, *shape.columns) if name != shape.cut_by]
    if About.VALUES in missing and not names:
        return (
            f"select another column in `{export.spec.model}`, and write a rule on its values in"
            f" {folder_of(FOLDER, export.stage)}/{export.spec.model}.yml: `{shape.cut_by}`, which cuts it"
            " into partitions, is never null, and never outside the partition that is judged"
        )
    rules: list[str] = []
    least = 0 if export.spec.limits.empty == "send" else 1
    if suite is None or (least and About.ROWS in missing):  # each suite looks at the row count
        rules += _rule("expect_table_row_count_to_be_between", f"{{min_value: {least}}}")
    if About.ROWS in missing and not least:
        rules += _unique(export.spec.key)
    if About.VALUES in missing:
        rules += _rule("expect_column_values_to_not_be_null", f"{{column: {names[0]}}}")
    if suite is None:
        lines = ["expectations:", *(f"  {line}" for line in rules)]
        return "\n".join([f"write {folder_of(FOLDER, export.stage)}/{export.spec.model}.yml:", *lines])
    indent = re.search(
        r"(?m)^expectations:[^\n]*\n(?:\s*#[^\n]*\n)*( *)- ", suite.file.path.read_text("utf-8")
    )
    space = indent[1] if indent else "  "
    return "\n".join([f"add to {suite.file.name}, at its end:", *(f"{space}{line}" for line in rules)])


def _unique(key: tuple[str, ...]) -> list[str]:
    if len(key) == 1:
        return _rule("expect_column_values_to_be_unique", f"{{column: {key[0]}}}")
    return _rule("expect_compound_columns_to_be_unique", f"{{column_list: [{', '.join(key)}]}}")


def _rule(kind: str, kwargs: str) -> list[str]:
    return [f"- type: {kind}", f"  kwargs: {kwargs}", "  severity: critical"]
