"""The checks that an export needs above it: of rows and of values, and each of them able to fail.

Belongs here: what counts as such a check, of a contract, a suite and dbt's tests. Does not belong here:
trying a suite's rule (`quality.trials`), what else an export needs (`graph_rules`).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from orchestration.contracts.columns import ValueRules
from orchestration.contracts.model import SourceContract
from orchestration.delivery.export_files.exports import Export
from orchestration.lineage import Lineage
from orchestration.problems import Problem
from orchestration.quality.suites import Suite
from orchestration.quality.trials.found import Trials
from orchestration.quality.trials.trying import NOTHING, About, laboratory
from orchestration.transformation.manifest import DbtManifest, DbtNode, blocks, tested_relation
from orchestration.warehouse.select_only import NotASelect, scans
from orchestration.warehouse.slices import RAW_PARTITION_COLUMN

Compiled = Callable[[Mapping[str, Any]], "str | None"]

# A dbt test's config as it is when nobody narrows what the test looks at or counts.
_USUAL: Mapping[str, tuple[object, ...]] = {
    "where": (None,),
    "limit": (None,),
    "fail_calc": (None, "count(*)"),
    "error_if": (None, "!= 0", ">0", "> 0"),
}
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/|\{#.*?#\}", re.DOTALL)
# Generic tests that look at rows; all others look at values.
_OF_ROWS = frozenset(
    {"unique", "unique_combination_of_columns", "equal_rowcount", "fewer_rows_than", "at_least_one"}
)  # fmt: skip
_WANTED = {
    About.ROWS: "a check of rows, which fails on a table that is empty or has a row twice",
    About.VALUES: "a check of values, which fails on rows with bad values",
}


def written_plainly(test: Mapping[str, Any]) -> str | None:
    """Return the SQL of a dbt test in which dbt has nothing to fill in, but in comments; None of others."""
    sql = _COMMENT.sub(" ", str(test.get("raw_code") or ""))
    return None if not sql or "{{" in sql or "{%" in sql else sql


@dataclass(frozen=True)
class Guards:
    """What checks above an export can fail by; `compiled` returns a dbt test's SQL, as far as it is known."""

    manifest: DbtManifest
    contracts: Mapping[str, SourceContract]
    suites: Mapping[str, Suite]
    trials: Trials
    compiled: Compiled = written_plainly
    _tests: dict[str, list[Mapping[str, Any]]] = field(
        default_factory=dict[str, list[Mapping[str, Any]]], init=False
    )
    _suites: dict[str, Suite] = field(default_factory=dict[str, Suite], init=False)
    _contracts: dict[str, SourceContract] = field(default_factory=dict[str, SourceContract], init=False)
    _nodes: dict[str, DbtNode] = field(default_factory=dict[str, DbtNode], init=False)

    def __post_init__(self) -> None:
        """Sort the checks by their tables."""
        relations = {node.name: node.relation for node in self.manifest.nodes.values()}
        self._nodes.update({node.relation: node for node in self.manifest.nodes.values()})
        self._contracts.update({contract.relation: contract for contract in self.contracts.values()})
        for suite in self.suites.values():
            self._suites[relations.get(suite.table, f"raw.{suite.table}")] = suite
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
        unique = contract.key or any(column.unique for column in contract.columns)
        if unique or not contract.gaps_allowed or least or most is not None:
            yield frozenset({About.ROWS})
        if any(column.required or column.rules != ValueRules() for column in contract.columns):
            yield frozenset({About.VALUES})

    def _of_suite(self, relation: str) -> Iterator[frozenset[About]]:
        suite = self._suites.get(relation)
        for rule in suite.rules if suite else ():
            if rule.severity == "critical":
                yield self.trials.about(rule, self._columns(relation))

    def _columns(self, relation: str) -> Mapping[str, str]:
        if contract := self._contracts.get(relation):
            loaded = {column.name: column.loaded_type for column in contract.loaded_columns}
            return loaded | {RAW_PARTITION_COLUMN: "varchar"}
        node = self._nodes.get(relation)
        described = self.manifest.content["nodes"][node.unique_id].get("columns") if node else None
        named = cast("Mapping[str, Mapping[str, Any]]", described or {})
        return {name: str(column.get("data_type") or "") for name, column in named.items()}

    def _of_tests(self, relation: str) -> Iterator[frozenset[About]]:
        for test in self._tests.get(relation, ()):
            metadata = cast("Mapping[str, Any] | None", test.get("test_metadata"))
            yield _of_generic(metadata) if metadata else self._of_singular(test)

    def _of_singular(self, test: Mapping[str, Any]) -> frozenset[About]:
        """It looks at values, for all that is known; SQL that reads no table is always of the same word."""
        sql = self.compiled(test)
        if sql is None:
            return frozenset({About.VALUES})
        with laboratory() as connection:
            try:
                fails = bool(scans(connection, sql)) or connection.execute(sql).fetchone() is not None
            except NotASelect:  # it names tables, which are not here
                fails = True
        return frozenset({About.VALUES}) if fails else NOTHING

    def _problem(
        self, export: Export, node: DbtNode, what: str, expected: str, missing: frozenset[About]
    ) -> Problem:
        lines = _lines(export, self._suites.get(node.relation), missing)
        return export.file.problem(what, expected=expected, mend=lines, at=("model",))


def _of_generic(metadata: Mapping[str, Any]) -> frozenset[About]:
    """By a test's kind; one that compares a column with itself, or with nothing, cannot fail."""
    name, said = str(metadata.get("name")), cast("Mapping[str, Any]", metadata.get("kwargs") or {})
    if name == "within" and said.get("at_least") is None and said.get("at_most") is None:
        return NOTHING
    if name == "relationships":
        model, other = _referred(said.get("model")), _referred(said.get("to"))
        if model == other and said.get("column_name") == said.get("field"):
            return NOTHING
    return frozenset({About.ROWS if name in _OF_ROWS else About.VALUES})


def _referred(text: object) -> str:
    found = re.search(r"(?:ref|source)\(([^)]*)\)", str(text))
    return re.sub(r"[\s'\"]", "", found[1]) if found else str(text)


def _lines(export: Export, suite: Suite | None, missing: frozenset[About]) -> str:
    """Return what to write, as it is typed: rules of the export's own table."""
    rules: list[str] = []
    least = 0 if export.spec.limits.empty == "send" else 1
    if suite is None or (least and About.ROWS in missing):  # each suite looks at the row count
        rules += _rule("expect_table_row_count_to_be_between", f"{{min_value: {least}}}")
    if About.ROWS in missing and not least:
        rules += _unique(export.spec.key)
    if About.VALUES in missing:
        rules += _rule("expect_column_values_to_not_be_null", f"{{column: {export.spec.key[0]}}}")
    if suite is None:
        lines = ["expectations:", *(f"  {line}" for line in rules)]
        return "\n".join([f"write expectations/{export.spec.model}.yml:", *lines])
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
