"""What the columns of a model, seed or snapshot are made of, in one step, and what is not understood.

Belongs here: a node of the manifest, its compiled SQL, and where in its file something stands. Does not
belong here: how SQL is read (`compute.column_plan`), what is kept (`binding`), a way through several tables.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sluicegate.compute.column_plan import origins_of
from sluicegate.compute.select_only import Statement
from sluicegate.core.column_origins import NotUnderstood, Origin, TableOrigins
from sluicegate.core.problems import Problem
from sluicegate.core.settings import Settings
from sluicegate.transformation.code_lines import CodeLines
from sluicegate.transformation.slices import relation_of

_BEFORE = "from (\n"


class KeptOrigins(Mapping[str, TableOrigins]):
    """{dbt's unique id: origins}, each read from its JSON when somebody asks: at most loads, nobody does."""

    def __init__(self, written: Mapping[str, str]) -> None:
        self._written = written
        self._read: dict[str, TableOrigins] = {}

    def __getitem__(self, unique_id: str) -> TableOrigins:
        if unique_id not in self._read:
            self._read[unique_id] = TableOrigins.of_json(json.loads(self._written[unique_id]))
        return self._read[unique_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._written)

    def __len__(self) -> int:
        return len(self._written)


def written_origins(
    statement: Statement,
    node: Mapping[str, Any],
    columns: Sequence[tuple[str, str]],
) -> str:
    """Return the JSON of a node's origins.

    Args:
        statement: the SQL as it was compiled, with the tables that the node reads.
        node: of the manifest: a model or snapshot.
        columns: name and type of each of its table's columns, in order.
    """
    return json.dumps(_origins(statement, node, [name for name, _ in columns]).as_json())


def written_seed(
    node: Mapping[str, Any], columns: Sequence[tuple[str, str]], digests: Mapping[str, str]
) -> str:
    """Return the JSON of a seed, which is made of nothing: {column: digest of what stands in its file}."""
    none = {name: frozenset[Origin]() for name, _ in columns}
    rows = json.dumps(sorted(digests.items())) if digests else ""
    return json.dumps(TableOrigins(relation_of(node), none, digests=digests, rows_digest=rows).as_json())


def _origins(statement: Statement, node: Mapping[str, Any], names: Sequence[str]) -> TableOrigins:
    relation, kind = relation_of(node), node["resource_type"]
    if kind != "snapshot":
        return origins_of(statement, relation, names)
    whole = _snapshot_sql(node["config"], statement.sql, names)
    found = origins_of(Statement(statement.connection, whole), relation, names)
    notes = [
        NotUnderstood(note.what, None if note.position is None else max(0, note.position - len(_BEFORE)))
        for note in found.not_understood
    ]
    # A row of what it selects is there once for each time that it changed.
    return replace(found, row_of=None, not_understood=tuple(notes))


def _snapshot_sql(config: Mapping[str, Any], sql: str, names: Sequence[str]) -> str:
    """Return SQL that says what dbt makes of a snapshot, as far as it can be said in one query.

    Its columns are those of `EmptyTables.snapshot_columns`. dbt's strategies: `snapshot_timestamp_strategy`
    and `snapshot_check_strategy` in its macros/materializations/snapshots/strategies.sql.
    """
    keys = _listed(config.get("unique_key"))
    checked = config.get("check_cols") or []
    changed = [f'"{name}"' for name in names[:-4]] if checked == "all" else _listed(checked)
    changed = changed if config.get("strategy") == "check" else []
    updated = str(config.get("updated_at") or "current_timestamp")
    ending = str(config.get("dbt_valid_to_current") or "null")
    decide = ", ".join([*keys, *changed, updated])
    alike = ", ".join(keys) or "1"
    return (
        f"{_BEFORE}{sql.strip().rstrip(';')}\n) as selected select selected.*,"
        f" md5(concat({', '.join([*keys, updated])})), {updated}, {updated},"
        f" coalesce(lead({updated}) over (partition by {alike} order by {updated}), {ending})"
        f" where row({decide}) is not null"
    )


def _listed(stated: Any) -> list[str]:
    return [str(item) for item in stated] if isinstance(stated, list) else [str(stated)] if stated else []


def origin_notes(
    settings: Settings,
    content: Mapping[str, Any],
    compiled: Mapping[str, str],
    origins: Mapping[str, TableOrigins],
) -> list[Problem]:
    """Return which line of which model is not understood, so that all that it reads counts for its columns.

    Nothing of it is wrong: it costs precision.

    Args:
        settings: the deployment.
        content: that of `manifest.json`.
        compiled: {dbt's unique id: its SQL} (`BoundSql.compiled`).
        origins: {dbt's unique id: what its columns are made of} (`BoundSql.origins`).
    """
    lines = CodeLines(settings.project_dir, content)
    found: list[Problem] = []
    for unique_id, table in origins.items():
        node = content["nodes"].get(unique_id)
        if node is None:
            continue
        for note in table.not_understood:
            file, line = lines.of_position(node, compiled.get(unique_id, ""), note.position, note.what)
            found.append(
                Problem(
                    file, line, f"`{node['name']}`: {note.what}: all columns that it reads count as origins",
                    "SQL of which the columns' origins can be told", "write it otherwise, if that matters",
                )
            )  # fmt: skip
    return found
