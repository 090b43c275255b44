"""What the tables of a project look like to a trial: columns and types, and what cuts them.

Belongs here: who says so, contracts, dbt's files and the SQL that was bound. Does not belong here: what is
tried (`quality.trials`), and which checks an export needs (`guards`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast

from sluicegate.contracts.model import SourceContract
from sluicegate.core.partitions import Grain
from sluicegate.core.relations import Relation
from sluicegate.quality.trials.shapes import Shape
from sluicegate.transformation.binding import STAND_IN, BoundSql
from sluicegate.transformation.manifest import DbtManifest, DbtNode
from sluicegate.transformation.slices import Cuts
from sluicegate.warehouse.slices import RAW_PARTITION_COLUMN

# What a table's name is in SQL: the platform takes no other names.
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class GuardTables:
    """The shapes of a project's tables, by relation."""

    manifest: DbtManifest
    contracts: Mapping[str, SourceContract]
    bound: BoundSql
    _found: dict[str, Shape] = field(default_factory=dict[str, Shape], init=False)

    def __post_init__(self) -> None:
        """Look at each table once."""
        cuts = Cuts(self.manifest.content)
        for node in self.manifest.nodes.values():
            cut = cuts.of(node.unique_id)
            self._found[node.relation] = Shape(
                self._columns(node), cut.column if cut else "", cut.grain if cut else Grain.SNAPSHOT
            )
        for contract in self.contracts.values():
            columns = {column.name: column.loaded_type for column in contract.loaded_columns}
            columns |= {RAW_PARTITION_COLUMN: "varchar"}
            cut_by = RAW_PARTITION_COLUMN if contract.partitioning.partitioned else ""
            self._found[contract.relation] = Shape(columns, cut_by, contract.grain)

    def of(self, relation: str) -> Shape:
        """Return what a table looks like to its rules, of one partition."""
        return self._found.get(relation, Shape({}))

    def named_in(self, sql: str, *, without: str = "") -> dict[Relation, Shape]:
        """Return the tables whose names are in a text, as they look to SQL of their stand-in partition."""
        named = [
            relation for word in set(_WORD.findall(sql.lower())) for relation in self._named.get(word, ())
        ]
        return {
            relation: replace(shape.of(shape.columns), moment=STAND_IN, with_earlier=True)
            for relation in sorted(named)
            if (shape := self._found[relation]).columns and relation != without
        }

    @cached_property
    def _named(self) -> dict[str, list[Relation]]:
        """{name of a table, in small letters: relations}."""
        named: dict[str, list[Relation]] = {}
        for table in (*self.manifest.nodes.values(), *self.contracts.values()):
            named.setdefault(table.relation.name.lower(), []).append(table.relation)
        return named

    def _columns(self, node: DbtNode) -> dict[str, str]:
        described = cast(
            "Mapping[str, Mapping[str, Any]]",
            self.manifest.content["nodes"][node.unique_id].get("columns") or {},
        )
        said = {name: str(column.get("data_type") or "") for name, column in described.items()}
        selected = dict(self.bound.columns.get(node.unique_id, ()))
        known = {name.lower() for name in selected}
        return selected | {name: kind for name, kind in said.items() if name.lower() not in known}
