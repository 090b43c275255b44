"""Names: each table, asset, step and check has one of its own, in all four folders and the platform together.

DuckDB knows no case, and some file systems know none; so no two names differ by that alone. Belongs here:
what may be called how. Does not belong here: anything else that one file says.
"""

import re
from collections.abc import Iterator, Mapping

from sluicegate.columns.graph import KUSTO, KUSTO_TABLE
from sluicegate.contracts.model import CONTRACT_CHECK, SourceContract
from sluicegate.core.problems import Problem
from sluicegate.core.relations import QUARANTINE, RAW
from sluicegate.delivery.export_files.exports import Export
from sluicegate.quality.suites import CHECK_NAME
from sluicegate.transformation.manifest import DbtManifest, DbtNode, file_of, tested_relation

# What a table is called in SQL without quotes, and what Dagster takes for the name of a step or a check.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CHECK = re.compile(r"[A-Za-z0-9_]+")
# Schemas that are ours or DuckDB's, and `delivered`, where the assets of exports are.
_TAKEN_SCHEMAS = frozenset(
    {RAW, QUARANTINE, "sluice", "delivered", "information_schema", "pg_catalog", "system", "temp"}
)
# Dagster's names of the checks that an export has.
GATE_CHECK = "gate"
DELIVERY_CHECK = "delivery"
RECONCILED_CHECK = "reconciled"
_OUR_CHECKS = frozenset({CHECK_NAME, CONTRACT_CHECK, GATE_CHECK, DELIVERY_CHECK, RECONCILED_CHECK})


def name_problems(
    manifest: DbtManifest,
    contracts: Mapping[str, SourceContract],
    exports: Mapping[str, Export],
    kusto: bool = False,
) -> list[Problem]:
    """Return names that are taken already, or that no table, step or check can have.

    `kusto`: whether there is a folder `kusto/`, whose assets have schemas of their own.
    """
    schemas = _TAKEN_SCHEMAS | {KUSTO, KUSTO_TABLE} if kusto else _TAKEN_SCHEMAS
    return [
        *_relation_problems(manifest, contracts, schemas),
        *_word_problems(manifest, contracts),
        *_export_problems(exports),
        *_step_problems(manifest, contracts, exports),
        *_check_problems(manifest),
    ]


def _relation_problems(
    manifest: DbtManifest, contracts: Mapping[str, SourceContract], schemas: frozenset[str]
) -> Iterator[Problem]:
    taken = {contract.relation.casefold(): contract.file.name for contract in contracts.values()}
    for node in manifest.nodes.values():
        schema, alias = node.relation.parts
        for what, said in (("schema", schema), ("alias", alias)):
            if _NAME.fullmatch(said) is None:
                yield _problem(
                    node, f"the {what} of `{node.name}` is `{said}`",
                    "letters, digits and underscores, not a digit first",
                    f"set +schema to such a name (`{schema}` is taken from there)"
                    if what == "schema"
                    else "rename the file, or set such an alias",
                )  # fmt: skip
        other = taken.setdefault(node.relation.casefold(), node.file)
        if other is not node.file:
            yield _problem(
                node, f"`{node.relation}` is the table of `{node.name}` and of another",
                f"a table of its own, whatever the case of its letters ({other} has this one)",
                "give it another alias or schema, or take the alias away",
            )  # fmt: skip
        elif schema.casefold() in schemas:
            yield _problem(
                node, f"`{node.name}` lies in the schema `{schema}`, which is not the project's",
                f"none of: {', '.join(sorted(schemas))}", "set +schema to another name",
                cause=f"schema {schema}",
            )  # fmt: skip


def _word_problems(manifest: DbtManifest, contracts: Mapping[str, SourceContract]) -> Iterator[Problem]:
    """Suites, exports and windows name tables without their schema."""
    names = {contract.name.casefold(): contract.file.name for contract in contracts.values()}
    for node in manifest.nodes.values():
        other = names.setdefault(node.name.casefold(), node.file)
        if other is not node.file:
            yield _problem(
                node, f"`{node.name}` is the name of two tables",
                "a name of its own for every source, model and seed, whatever the case of its letters"
                f" ({other} has this one)",
                "rename one of them",
            )  # fmt: skip


def _export_problems(exports: Mapping[str, Export]) -> Iterator[Problem]:
    names: dict[str, Export] = {}
    for export in exports.values():
        if _NAME.fullmatch(export.name) is None:
            yield export.file.problem(
                f"the export is called `{export.name}`",
                expected="letters, digits and underscores, not a digit first",
                fix="rename its model and both files", at=("model",), code="SLU-P010",
            )  # fmt: skip
        other = names.setdefault(export.name.casefold(), export)
        if other is not export:
            yield export.file.problem(
                f"`{export.name}` is the name of two exports",
                expected="a name of its own, whatever the case of its letters"
                f" ({other.file.name} has this one)",
                fix="rename one of them, and its model", at=("model",), code="SLU-P010",
            )  # fmt: skip


def _step_problems(
    manifest: DbtManifest, contracts: Mapping[str, SourceContract], exports: Mapping[str, Export]
) -> Iterator[Problem]:
    """A step is called after its table, with two underscores for the dot; Dagster takes each name once."""
    taken = {f"load__{name}": contracts[name].file.name for name in contracts}
    taken |= {f"test__raw__{name}": contracts[name].file.name for name in contracts}
    taken |= {f"deliver__{name}": exports[name].file.name for name in exports}
    for node in manifest.nodes.values():
        step = "__".join(node.relation.parts)
        other = taken.setdefault(step, node.file)
        if other is not node.file:
            yield _problem(
                node, f"the step `{step}` that builds `{node.name}` has the name of another",
                f"a name of its own ({other} has this one)", "give it another alias or schema",
            )  # fmt: skip


def _check_problems(manifest: DbtManifest) -> Iterator[Problem]:
    """A dbt test is the check of a table, by its name, beside our own checks."""
    known: dict[tuple[str, str], tuple[str, str]] = {}
    # dbt has them in the order of a folder, which is another on each file system.
    for test in sorted(manifest.tests(), key=lambda one: (file_of(manifest.content, one), one["unique_id"])):
        file, name = file_of(manifest.content, test), str(test["name"])
        relation = tested_relation(manifest, test) or ""
        if name.casefold() in _OUR_CHECKS:
            yield Problem(
                file, 1, f"a test of `{relation}` is called `{name}`, as a check of the platform is",
                f"none of: {', '.join(sorted(_OUR_CHECKS))}", "rename it", code="SLU-P010",
            )  # fmt: skip
        elif _CHECK.fullmatch(name) is None:
            yield Problem(
                file, 1, f"test `{name}` has {'a dot' if '.' in name else 'more than letters'} in its name",
                "letters, digits and underscores: it is a check's name, and dbt takes a dot for a folder",
                "rename it", code="SLU-P010",
            )  # fmt: skip
        other = known.setdefault((relation, name.casefold()), (test["unique_id"], file))
        if other[0] != test["unique_id"]:
            yield Problem(
                file, 1, f"two tests of `{relation}` are called `{name}`, the other in {other[1]}",
                "a name of its own for each, whatever the case of its letters", "rename one of them",
                code="SLU-P010",
            )  # fmt: skip


def _problem(node: DbtNode, what: str, expected: str, fix: str, cause: str = "") -> Problem:
    return Problem(node.file, 1, what, expected, fix, cause, code="SLU-P010")
