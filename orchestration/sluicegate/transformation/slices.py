"""Which rows `ref()` and `source()` give in the run of a partition: how nodes are cut, and the slice.

The same as the macros in `dbt_macros/slices.sql`, by which SQL is compiled, from the other side: what it has
to read then. Belongs here: a node of the manifest, its table and a partition. Does not belong here: which
partitions must be in order before another is built (`lineage`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.core.relations import Relation
from sluicegate.warehouse.slices import RAW_PARTITION_COLUMN, partition_bounds

PARTITION_STRATEGY = "partition"


@dataclass(frozen=True)
class Cut:
    """How the table of a node or source is cut: by which column, and into partitions of which grain."""

    column: str
    grain: Grain
    of_source: bool = False


def relation_of(node: Mapping[str, Any]) -> Relation:
    """Return the table of a node or source, without its database, which a backup calls otherwise."""
    name = node.get("alias") or node.get("identifier") or node.get("name")
    return Relation(str(node.get("schema")), str(name))


def windows_of(config: Mapping[str, Any]) -> dict[str, int]:
    """Return {parent: days of it that one day reads}, by the config of a node.

    What is no number of days is 1 here: the macro `slice_of` says what is wrong with it.
    """
    stated = (config.get("meta") or {}).get("trailing_days")
    found: Mapping[Any, Any] = stated if isinstance(stated, Mapping) else {}
    return {str(name): days if isinstance(days, int) else 1 for name, days in found.items()}


def partition_column(config: Mapping[str, Any]) -> str | None:
    """Return the column that cuts a table, by the config of its node; None where it is whole.

    The macro `partition_column_of` says the same: what dbt rewrites whole inherits a folder's settings, too.
    """
    cut = (
        config.get("materialized") == "incremental"
        and config.get("incremental_strategy") == PARTITION_STRATEGY
    )
    return str(config["partition_by"]) if cut and config.get("partition_by") else None


def partition_variables(partitioning: Partitioning, partition_key: str) -> dict[str, str]:
    """Return the dbt variables of a partition; none for a table that is not partitioned.

    They are its key and grain, and of a span of time its half-open interval in UTC, in ISO 8601.
    """
    if not partitioning.partitioned:
        return {}
    variables = {"partition_key": partition_key, "partition_grain": partitioning.grain.value}
    bounds = partition_bounds(partitioning, partition_key)
    return variables | (
        dict(zip(("partition_start", "partition_end"), bounds, strict=True)) if bounds else {}
    )


class Cuts:
    """How the nodes and sources of a manifest are cut; `content` is that of `manifest.json`."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content
        self._found: dict[str, Cut | None] = {}

    def of(self, unique_id: str) -> Cut | None:
        """Return how a node or source is cut: by its own word, or as the first of what it reads that is cut.

        None for what is whole, and for what says a grain that there is not; another names that.
        """
        if unique_id not in self._found:
            self._found[unique_id] = None  # what reads itself in a circle, dbt refuses
            self._found[unique_id] = self._cut(unique_id)
        return self._found[unique_id]

    def _cut(self, unique_id: str) -> Cut | None:
        source = self._content["sources"].get(unique_id)
        if source is not None:
            grain = _grain(source["config"])
            return Cut(RAW_PARTITION_COLUMN, grain, of_source=True) if grain else None
        node = self._content["nodes"].get(unique_id)
        column = partition_column(node["config"]) if node else None
        if node is None or column is None:
            return None
        own = _grain(node["config"])
        parents = (self.of(parent) for parent in node.get("depends_on", {}).get("nodes", []))
        grain = own or next((cut.grain for cut in parents if cut is not None), None)
        return Cut(column, grain) if grain else None


def _grain(config: Mapping[str, Any]) -> Grain | None:
    said = str((config.get("meta") or {}).get("partition_grain") or "")
    return Grain(said) if said in set(Grain) - {Grain.SNAPSHOT} else None


def slice_condition(cut: Cut, partitioning: Partitioning, key: str, days: int = 1) -> str:
    """Return the SQL condition of the rows that the reader of a partition gets of a table cut so.

    Args:
        cut: how the table that is read is cut.
        partitioning: how the reader is cut.
        key: the reader's partition.
        days: the window, in days, the partition's last among them.
    """
    if cut.grain is Grain.DROP:
        return f"{cut.column} = '{key}'"
    start, end = partitioning.interval(key)
    first = cut.grain.span.floor(start - timedelta(days=days - 1))
    after = cut.grain.span.ceiling(end)
    return " and ".join(
        f"{cut.column} {sign} {_bound(cut, moment)}" for sign, moment in ((">=", first), ("<", after))
    )


def _bound(cut: Cut, moment: datetime) -> str:
    if cut.of_source:
        return f"'{Partitioning(cut.grain).key_at(moment)}'"
    return f"cast('{cut.grain.span.written(moment)}' as {cut.grain.column_type})"
