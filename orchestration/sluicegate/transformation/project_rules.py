"""The rules for the company's dbt project: its sources, and how its tables are stored and versioned.

The gate trusts that a table's version changes with its data, and with nothing else. So nothing but the
post-hook that records it may run beside a model.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sluicegate.contracts.model import SourceContract
from sluicegate.core.problems import Problem, did_you_mean
from sluicegate.core.settings import Settings
from sluicegate.transformation.code_lines import PROJECT_FILE, CodeLines
from sluicegate.transformation.config_rules import config_problems
from sluicegate.transformation.dbt_eased import VERSIONS_HOOK
from sluicegate.transformation.jinja_rules import jinja_problems
from sluicegate.transformation.kinds_of_nodes import kind_problems
from sluicegate.transformation.macro_rules import macro_problems
from sluicegate.transformation.manifest import DbtManifest, DbtNode, file_of, tested_relation
from sluicegate.transformation.names_in_sql import name_in_sql_problems
from sluicegate.transformation.project_file_rules import project_file_problems
from sluicegate.transformation.statement_rules import statement_problems
from sluicegate.transformation.unit_test_rules import unit_test_problems

_VERSION_HOOK = "{{ record_table_version() }}"


def dbt_problems(
    settings: Settings, manifest: DbtManifest, contracts: Mapping[str, SourceContract]
) -> Iterator[Problem]:
    """Yield what is wrong between dbt's tables and the contracts, and with how they are stored."""
    raw = {contract.relation for contract in contracts.values()}
    for unique_id, relation in manifest.source_names.items():
        if relation not in raw:
            source = manifest.content["sources"][unique_id]
            yield Problem(
                file_of(manifest.content, source), 1,
                f"source `{relation}` has no contract", "a contract for every source",
                did_you_mean(relation.name, contracts),
            )  # fmt: skip
    yield from kind_problems(settings, manifest)
    lines = CodeLines(settings.project_dir, manifest.content)
    for node in manifest.nodes.values():
        raw = manifest.content["nodes"][node.unique_id]
        config = raw["config"]
        yield from _hook_problems(lines, node, raw)
        if node.partition_column is not None and config.get("full_refresh") is not False:
            yield Problem(
                *lines.of_config(raw, "full_refresh"),
                f"`{node.name}` may be refreshed in full, which drops its other partitions",
                "full_refresh: false on every partitioned model", "set +full_refresh: false",
                cause="full_refresh",
            )  # fmt: skip
    yield from project_file_problems(settings)
    yield from config_problems(settings, manifest)
    yield from macro_problems(settings, manifest)
    yield from jinja_problems(settings, manifest)
    yield from statement_problems(settings, manifest)
    yield from name_in_sql_problems(settings, manifest.content)
    yield from unit_test_problems(settings, manifest.content)
    yield from _test_problems(manifest)
    yield from _operation_problems(manifest)


def _test_problems(manifest: DbtManifest) -> Iterator[Problem]:
    """A test is the check of a table: one without would say nothing."""
    for test in manifest.tests():
        if tested_relation(manifest, test) is None:
            yield Problem(
                file_of(manifest.content, test), 1, f"test `{test['name']}` reads no table",
                "a ref() or source() in its SQL: it is that table's check",
                "select from the table that it judges",
            )  # fmt: skip


def _hook_problems(lines: CodeLines, node: DbtNode, raw: Mapping[str, Any]) -> Iterator[Problem]:
    hooks = [
        (name, _sql(hook)) for name in ("pre-hook", "post-hook") for hook in raw["config"].get(name) or []
    ]
    if _VERSION_HOOK not in (hook for _, hook in hooks):
        yield Problem(
            node.file, 1, f"`{node.name}` does not record the version of its data",
            f'the post-hook "{_VERSION_HOOK}"', "set +post-hook in dbt_project.yml and leave it in place",
            cause="post-hook",
        )  # fmt: skip
    for name, hook in hooks:
        if hook != _VERSION_HOOK:
            yield Problem(
                *lines.of_config(raw, name), f"`{node.name}` has a hook of its own: {hook[:60]}",
                "no hook but the one that records the version: another could change what is judged already",
                "make it a model, or do it outside dbt",
            )  # fmt: skip


def _operation_problems(manifest: DbtManifest) -> Iterator[Problem]:
    operations = [node for node in manifest.content["nodes"].values() if node["resource_type"] == "operation"]
    for node in operations:
        if _one_line(node["raw_code"]) != VERSIONS_HOOK:
            yield Problem(
                PROJECT_FILE, 1, f"`{node['name']}` is an operation of its own: {node['raw_code'][:60]}",
                f'on-run-start: "{VERSIONS_HOOK}" and nothing else: it could change what is judged already',
                "make it a model, or do it outside dbt",
            )  # fmt: skip
    if not any(_one_line(node["raw_code"]) == VERSIONS_HOOK for node in operations):
        yield Problem(
            PROJECT_FILE, 1, "nothing makes the record of versions before a run",
            f'on-run-start: "{VERSIONS_HOOK}"', f'add the line on-run-start: "{VERSIONS_HOOK}"',
        )  # fmt: skip


def _sql(hook: object) -> str:
    return _one_line(str(hook["sql"] if isinstance(hook, dict) else hook))


def _one_line(text: str) -> str:
    return " ".join(text.split())
