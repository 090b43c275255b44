"""dbt's manifest -> what exports need to know of their models.

Belongs here: columns, their types, the key and the owner, as dbt's files say them. Does not belong here: what
an export may do with them (`delivery.export_files`), their classes (`columns`).
"""

from collections.abc import Mapping
from typing import Any, cast

from sluicegate.core.problems import Mistyped, did_you_mean
from sluicegate.delivery.export_files.exported_model import ExportedModel
from sluicegate.transformation.manifest import DbtManifest, DbtNode

EXPORT_PREFIX = "exp_"
# dbt's own test, and the project's for several columns.
_UNIQUE, _UNIQUE_TOGETHER = "unique", "unique_combination_of_columns"


class ExportModels:
    """The export models of one manifest."""

    def __init__(self, manifest: DbtManifest) -> None:
        self._manifest = manifest
        self._keys = dict(_keys(manifest))

    def model(self, node: DbtNode) -> ExportedModel:
        """Return what exports need to know of a model."""
        raw = self._raw(node.unique_id)
        columns: Mapping[str, Mapping[str, Any]] = raw.get("columns") or {}
        return ExportedModel(
            name=node.name,
            file=node.file,
            described_in=node.described_in,
            types={name: str(column.get("data_type") or "") for name, column in columns.items()},
            partition_column=node.partition_column,
            key=self._keys.get(node.unique_id, ()),
            owner=self.owner(node),
            description=str(raw.get("description") or ""),
        )

    def _raw(self, unique_id: str) -> Mapping[str, Any]:
        content = self._manifest.content
        return content["nodes"].get(unique_id) or content["sources"].get(unique_id) or {}

    def owner(self, node: DbtNode) -> str:
        """Return who answers for a model, by its `meta`, or else the e-mail address of its group."""
        raw = self._raw(node.unique_id)
        config = cast("Mapping[str, Any]", raw.get("config") or {})
        named = (config.get("meta") or {}).get("owner")
        if named:
            return str(named)
        groups: Mapping[str, Any] = self._manifest.content.get("groups") or {}
        emails = {group["name"]: group["owner"].get("email") for group in groups.values()}
        return str(emails.get(config.get("group")) or "")


def export_node(manifest: DbtManifest, name: str) -> DbtNode:
    """Return the export model that a person names.

    Raises:
        ValueError: there is no such export model.
    """
    nodes = {node.name: node for node in manifest.nodes.values() if node.name.startswith(EXPORT_PREFIX)}
    if name not in nodes:
        raise Mistyped(
            "SLU-C007",
            f"`{name}` is no export model; expected a dbt model named {EXPORT_PREFIX}…;"
            f" {did_you_mean(name, nodes)}",
        )
    return nodes[name]


def _keys(manifest: DbtManifest) -> list[tuple[str, tuple[str, ...]]]:
    """Return (model, columns that a test says are unique); a test of several columns comes last, and wins."""
    single: list[tuple[str, tuple[str, ...]]] = []
    several: list[tuple[str, tuple[str, ...]]] = []
    for test in manifest.tests():
        metadata = test.get("test_metadata") or {}
        kwargs = metadata.get("kwargs") or {}
        node = str(test.get("attached_node") or "")
        if metadata.get("name") == _UNIQUE and kwargs.get("column_name"):
            single.append((node, (str(kwargs["column_name"]),)))
        elif metadata.get("name") == _UNIQUE_TOGETHER:
            columns = tuple(str(name) for name in kwargs.get("combination_of_columns") or ())
            several.append((node, columns))
    return [*single, *reversed(several)]
