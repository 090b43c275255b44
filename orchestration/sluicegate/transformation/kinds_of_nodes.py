"""What dbt has kinds of, and which of them are built here as they say.

An allow-list: a kind that dbt will have one day is refused until somebody has thought of it. Belongs here:
resource types, languages, materializations. Does not belong here: names, hooks and tests.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sluicegate.core.problems import Problem
from sluicegate.core.settings import Settings
from sluicegate.transformation.code_lines import CodeLines
from sluicegate.transformation.manifest import DbtManifest, DbtNode, file_of
from sluicegate.transformation.slices import PARTITION_STRATEGY

_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What in a source's meta makes dbt-duckdb read it from elsewhere than from its table.
_READ_ELSEWHERE = ("external_location", "plugin")


def kind_problems(settings: Settings, manifest: DbtManifest) -> Iterator[Problem]:
    """Yield what would not be built, or not as it says; nothing that loads may fail at every run."""
    lines = CodeLines(settings.project_dir, manifest.content)
    for node in manifest.nodes.values():
        raw = manifest.content["nodes"][node.unique_id]
        yield from _table_problems(lines, node, raw)
    for function in manifest.content.get("functions", {}).values():
        yield Problem(
            file_of(manifest.content, function), 1, f"`{function['name']}` is a function of the database",
            "models, seeds and snapshots: a function has no version, so nobody can say by which one a table"
            " was built",
            "make it a macro",
        )  # fmt: skip
    for source in manifest.content["sources"].values():
        yield from _source_problems(manifest, source)


def _table_problems(lines: CodeLines, node: DbtNode, raw: Mapping[str, Any]) -> Iterator[Problem]:
    config = raw["config"]
    materialized, strategy = str(config.get("materialized")), config.get("incremental_strategy")
    if raw.get("language") == "python":
        yield Problem(
            node.file, 1, f"`{node.name}` is a Python model",
            "SQL: nobody sees what Python reads besides ref() and source(), and no gate stands before it",
            "write it in SQL, or compute it before it lands",
        )  # fmt: skip
    elif node.resource_type != "model":
        pass  # dbt takes seeds and snapshots for what they are, and nothing else
    elif materialized == "incremental" and strategy != PARTITION_STRATEGY:
        said = f"the strategy `{strategy}`" if strategy else "dbt's own strategy"
        yield Problem(
            *lines.of_config(raw, "incremental_strategy"), f"`{node.name}` is incremental with {said}",
            "incremental_strategy='partition' and partition_by, or materialized='table': rows of earlier runs"
            " stay otherwise, and nobody knows of which versions of its parents they were made",
            "set one of the two", cause=f"incremental {strategy}",
        )  # fmt: skip
    elif materialized == "incremental" and not _is_column(config.get("partition_by")):
        yield Problem(
            *lines.of_config(raw, "partition_by"),
            f"partition_by of `{node.name}` is {config.get('partition_by')!r}",
            "the name of the one column that cuts it, as partition_by='business_date'",
            "set partition_by, or materialized to table",
            cause=f"partition_by {config.get('partition_by')!r}",
        )  # fmt: skip
    elif materialized not in ("table", "incremental"):
        yield Problem(
            *lines.of_config(raw, "materialized"), f"`{node.name}` is {materialized}",
            "a table or an incremental model: only what is stored can be judged once and sent",
            "set materialized to table, or to incremental with the strategy `partition`",
            cause=f"materialized {materialized}",
        )  # fmt: skip
    if config.get("database"):
        yield Problem(
            *lines.of_config(raw, "database"),
            f"`{node.name}` is built in the database `{config['database']}`",
            "the warehouse: nothing else is judged", "take `database` away from it",
            cause=f"database {config['database']}",
        )  # fmt: skip


def _is_column(stated: object) -> bool:
    return isinstance(stated, str) and _COLUMN.fullmatch(stated) is not None


def _source_problems(manifest: DbtManifest, source: Mapping[str, Any]) -> Iterator[Problem]:
    file, name = file_of(manifest.content, source), f"{source['source_name']}.{source['name']}"
    metas = (source.get("source_meta"), source.get("meta"), (source.get("config") or {}).get("meta"))
    for word in _READ_ELSEWHERE:
        if any(word in (meta or {}) for meta in metas):
            yield Problem(
                file, 1, f"source `{name}` is read by dbt from elsewhere: its meta has `{word}`",
                "the raw table that its contract loads: what is read elsewhere, nobody has judged",
                f"take `{word}` away from it, and land the files", cause=f"source {word}",
            )  # fmt: skip
