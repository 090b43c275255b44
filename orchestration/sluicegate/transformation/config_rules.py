"""What a model, seed, snapshot or data test may be configured with: what is known not to run SQL of its own.

dbt takes any key, and hands it to all macros: `sql_header` is run before the table is built, a key of
tomorrow may be as well. So keys are on an allow-list, `meta` aside, which is the user's; and of the values
that dbt writes into SQL none may end the statement, or read a table beside it.
Belongs here: configs of nodes. Does not belong here: the keys of dbt_project.yml (`project_file_rules`),
kinds (`kinds_of_nodes`), hooks.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from sluicegate.core.problems import Problem, nearest
from sluicegate.core.settings import Settings
from sluicegate.transformation.code_lines import CodeLines
from sluicegate.transformation.manifest import DbtManifest
from sluicegate.transformation.names_in_sql import is_type, outside_parentheses

_TABLE = frozenset(
    {
        "access", "alias", "batch_size", "begin", "column_types", "concurrent_batches", "contract",
        "database", "docs", "enabled", "event_time", "freshness", "full_refresh", "grants", "group",
        "incremental_strategy", "lookback", "materialized", "meta", "on_configuration_change",
        "on_schema_change", "packages", "partition_by", "persist_docs", "post-hook", "pre-hook", "quoting",
        "schema", "static_analysis", "tags", "unique_key",
    }
)  # fmt: skip
KEYS: Mapping[str, frozenset[str]] = {
    "model": _TABLE,
    "seed": _TABLE | {"delimiter", "fast", "quote_columns"},
    "snapshot": _TABLE | {
        "check_cols", "dbt_valid_to_current", "hard_deletes", "invalidate_hard_deletes",
        "snapshot_meta_column_names", "strategy", "target_database", "target_schema", "updated_at",
    },
    "test": frozenset(
        {
            "alias", "database", "enabled", "error_if", "fail_calc", "group", "limit", "materialized",
            "meta", "schema", "severity", "static_analysis", "store_failures", "store_failures_as", "tags",
            "warn_if", "where",
        }
    ),
}  # fmt: skip
# Why the best known of the rest are not on the list.
_WHY: Mapping[str, str] = {
    "sql_header": "it runs before the table is built, and may change what is judged already",
    "post-hook": "it may change what is judged already",
    "pre-hook": "it may change what is judged already",
    "indexes": "DuckDB refuses a key again that was deleted in the same transaction, as each repair does",
}
# What dbt writes into SQL as it stands.
_WRITTEN = (
    "check_cols", "column_types", "dbt_valid_to_current", "delimiter", "error_if", "fail_calc",
    "snapshot_meta_column_names", "unique_key", "updated_at", "warn_if", "where",
)  # fmt: skip
_TYPES = ("column_types", "data_type")
_THRESHOLDS = ("error_if", "warn_if")
_THRESHOLD = re.compile(
    r"\s*([<>]=?|!=|<>|==?)\s*\d+\s*|\s*(not\s+)?between\s+\d+\s+and\s+\d+\s*", re.IGNORECASE
)
# Of a snapshot, each is one column of a select.
_OF_SNAPSHOTS = (
    "check_cols", "dbt_valid_to_current", "snapshot_meta_column_names", "unique_key", "updated_at"
)  # fmt: skip
_HOOKS = frozenset({"post-hook", "pre-hook"})
_STRATEGIES = ("check", "timestamp")
# DuckDB has selects that begin otherwise.
_READS = re.compile(
    r"\bselect\b|\(\s*(from|table|with|pivot|unpivot|describe|show|summarize)\b", re.IGNORECASE
)
_FROM = re.compile(r"\bfrom\b", re.IGNORECASE)
_KEPT = ("table", "view")


def config_problems(settings: Settings, manifest: DbtManifest) -> Iterator[Problem]:
    """Yield the configs of tables and data tests that are not known, or whose values run SQL."""
    content = manifest.content
    lines = CodeLines(settings.project_dir, content)
    schemas = {"sluice", *(relation.schema for relation in manifest.source_names.values())}
    schemas |= {node.relation.schema for node in manifest.nodes.values()}
    for node in content["nodes"].values():
        known = KEYS.get(node["resource_type"])
        if known is None:
            continue
        config = cast("Mapping[str, Any]", node["config"])
        told = _Told(lines, node)
        # dbt takes hooks out of the config of a test, and keeps what was written.
        hooks = _HOOKS & {key.replace("_", "-") for key in node.get("unrendered_config") or {}}
        for key in sorted((config.keys() | hooks) - known):
            yield told.problem(
                key, f"is configured with `{key}`" + (f": {_WHY[key]}" if key in _WHY else ""),
                f"one of: {', '.join(sorted(known))}", _fix(key, known),
            )  # fmt: skip
        yield from _value_problems(told, node, config)
        if node["resource_type"] == "test":
            yield from _test_problems(told, node, config, schemas)
        else:
            yield from _constraint_problems(told, node)
    yield from _database_problems(manifest)


def _database_problems(manifest: DbtManifest) -> Iterator[Problem]:
    """A project's own generate_database_name may lead out of the warehouse, where the sources are."""
    content = manifest.content
    sources = {source["database"] for source in content["sources"].values()}
    for node in manifest.nodes.values():
        raw = content["nodes"][node.unique_id]
        stated = raw["config"].get("database") or raw["config"].get("target_database")
        if sources and raw["database"] not in sources and not stated:
            yield Problem(
                node.file, 1, f"`{node.name}` is built in the database `{raw['database']}`",
                "the warehouse: nothing else is judged", "let generate_database_name return target.database",
                cause=f"database {raw['database']}",
            )  # fmt: skip


def _fix(key: str, known: frozenset[str]) -> str:
    close = nearest(key, known)
    return (f"did you mean `{close}`? Else t" if close else "t") + (
        f"ake `{key}` away, or move it into meta, which is yours"
    )


def _value_problems(told: "_Told", node: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[Problem]:
    stated = {key: config.get(key) for key in _WRITTEN}
    if node["resource_type"] != "test":
        columns = cast("Mapping[str, Mapping[str, Any]]", node.get("columns") or {})
        stated["column_types"] = list((config.get("column_types") or {}).values())
        stated["data_type"] = [column.get("data_type") for column in columns.values()]
        stated["constraints"] = [
            node.get("constraints"), *(column.get("constraints") for column in columns.values())
        ]  # fmt: skip
    for key, value in stated.items():
        for text in _strings(value):
            if ends := _ending(key, text):
                kind, fix = "an expression of its columns", (
                    f"write `{key}` so; what another table decides goes into a model's or a test's own SQL"
                )  # fmt: skip
                if key in _TYPES:
                    kind, fix = "a type of DuckDB", f"write `{key}` so"
                elif key in _THRESHOLDS:
                    kind, fix = "a number to compare with", f"write `{key}` so; what is counted is fail_calc"
                yield told.problem(key, f"has `{key}: {text[:60]}`", f"{kind}{ends}", fix)
    if node["resource_type"] == "snapshot":
        if config.get("strategy") not in _STRATEGIES:
            yield told.problem(
                "strategy", f"is a snapshot with the strategy `{config.get('strategy')}`",
                "dbt's own: check or timestamp", "set strategy to one of the two",
            )  # fmt: skip
        if config.get("target_database"):
            yield told.problem(
                "target_database", f"is built in the database `{config['target_database']}`",
                "the warehouse: nothing else is judged", "take `target_database` away",
            )  # fmt: skip


def _ending(key: str, text: str) -> str:
    """Return what is wrong with a text that is written into SQL; "" if nothing is."""
    if key == "delimiter":
        return (
            ""
            if text in (r"\t", "\t") or (len(text) == 1 and text.isprintable() and text not in "'\"")
            else ": one character that separates, and no quote"
        )
    if ";" in text or "--" in text or "/*" in text:
        return ": no `;` and no comment, which would end the statement that it is part of"
    if _READS.search(text):
        return ": no select, as nobody has on record what it reads"
    if key in _TYPES:
        return "" if is_type(text) else ", as `decimal(18, 3)`"
    if key in _THRESHOLDS:
        return "" if _THRESHOLD.fullmatch(text) else ", as `> 10` or `between 1 and 10`"
    outside = outside_parentheses(text)
    if outside is None:
        return ": each quote and parenthesis closed, and none that is not open"
    if key in _OF_SNAPSHOTS and ("," in outside or _FROM.search(outside)):
        return ": one, without a `,` or `from` that would end it"
    return ""


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[object, object]", value).items():
            yield from (*_strings(key), *_strings(inner))
    elif isinstance(value, list | tuple):
        for inner in cast("list[object]", value):
            yield from _strings(inner)


def _constraint_problems(told: "_Told", node: Mapping[str, Any]) -> Iterator[Problem]:
    """A key into another table: the engine drops no table that one refers to, as each build does."""
    columns = cast("Mapping[str, Mapping[str, Any]]", node.get("columns") or {})
    stated = [(list(item.get("columns") or []), item) for item in node.get("constraints") or []]
    stated += [([name], item) for name, column in columns.items() for item in column.get("constraints") or []]
    for names, item in stated:
        if str(item.get("type")) != "foreign_key":
            continue
        to, fields = str(item.get("to") or "ref('…')"), [str(name) for name in item.get("to_columns") or []]
        tests = "; ".join(
            f'`relationships: {{arguments: {{to: "{to}", field: {field}}}}}` among the data_tests of `{name}`'
            for name, field in zip(names, fields or ["…"] * len(names), strict=False)
        )
        yield told.problem(
            "type: foreign_key", "has a constraint foreign_key",
            "a relationships test, which holds what is wrong: a constraint keeps tables from being rebuilt",
            f"take the constraint away, and write {tests or 'a relationships test'}",
        )  # fmt: skip


def _test_problems(
    told: "_Told", node: Mapping[str, Any], config: Mapping[str, Any], schemas: set[str]
) -> Iterator[Problem]:
    limit = config.get("limit")
    if limit is not None and not (isinstance(limit, int) and limit > 0):
        yield told.problem("limit", f"has `limit: {limit}`", "a whole number of rows, 1 or more", "write one")
    if config.get("materialized") not in (None, "test"):
        yield told.problem(
            "materialized", f"is a test with `materialized: {config['materialized']}`",
            "dbt's own way to run a test", "take `materialized` away from it",
        )  # fmt: skip
    keeps = config.get("store_failures") or config.get("store_failures_as") in _KEPT
    if keeps and node["schema"] in schemas:
        yield told.problem(
            "schema", f"keeps its failures in the schema `{node['schema']}`",
            "a schema without tables of the graph: it could take the place of one that is judged",
            "set `schema` of the test to another, as test_failures",
        )  # fmt: skip


class _Told:
    """Problems of one node, each where its key stands; those of one key are told once."""

    def __init__(self, lines: CodeLines, node: Mapping[str, Any]) -> None:
        self._lines = lines
        self._node = node

    def problem(self, key: str, what: str, expected: str, fix: str) -> Problem:
        file, line = self._lines.of_config(self._node, key)
        return Problem(
            file, line, f"`{self._node['name']}` {what}", expected, fix,
            cause=f"config {self._node['resource_type']} {what}",
        )  # fmt: skip
