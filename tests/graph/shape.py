"""The shape of a graph as plain data, to be kept in a file and compared.

Belongs here: what a reader of the graph would call its shape. Does not: texts and numbers that change
with every run.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
from sluicegate.core.settings import REPOSITORY, Settings
from sluicegate.graph.building import build_definitions

from tests.company import BAKERY

COMPANIES = {"demo": REPOSITORY, "bakery": BAKERY, "observatory": BAKERY.parent / "observatory"}


def snapshot_file(company: str) -> Path:
    """Return the file that pins a company's graph."""
    return Path(__file__).with_name(f"{company}.json")


def company_shape(company: str) -> dict[str, Any]:
    """Load a company's graph, whatever the environment says, and return its shape."""
    with TemporaryDirectory() as data_dir:
        settings = Settings.load({}, project_dir=COMPANIES[company], data_dir=Path(data_dir))
        return shape(build_definitions(settings))


def shape(definitions: dg.Definitions) -> dict[str, Any]:
    """Return assets and sensors of a graph by name."""
    graph = definitions.resolve_asset_graph()
    nodes = {key.to_user_string(): graph.get(key) for key in graph.get_all_asset_keys()}
    return {
        "assets": {name: _asset(graph, node) for name, node in sorted(nodes.items())},
        "sensors": {sensor.name: str(sensor.default_status.value) for sensor in definitions.sensors or []},
        "schedules": sorted(schedule.name for schedule in definitions.schedules or []),
    }


def _asset(graph: Any, node: Any) -> dict[str, Any]:
    return {
        "group": node.group_name,
        "kinds": sorted(node.kinds),
        "owners": sorted(node.owners),
        "partitions": _partitions(node.partitions_def),
        "described": bool(node.description),
        "columns": len(node.metadata["dagster/column_schema"].columns)
        if "dagster/column_schema" in node.metadata
        else 0,
        "pools": sorted(node.pools or ()),
        "automation": node.automation_condition is not None,
        "deps": {
            parent.to_user_string(): _mapping(node.partition_mappings.get(parent))
            for parent in sorted(node.parent_keys)
        },
        "checks": {
            key.name: {
                "blocking": graph.get(key).blocking,
                "partitions": _partitions(graph.get(key).partitions_def),
            }
            for key in sorted(node.check_keys)
        },
    }


def _partitions(definition: dg.PartitionsDefinition[str] | None) -> str:
    if definition is None:
        return "none"
    if isinstance(definition, dg.DynamicPartitionsDefinition):
        return str(definition.name)
    assert isinstance(definition, dg.TimeWindowPartitionsDefinition)
    start = definition.start.date().isoformat()
    if definition.start.hour:
        start = definition.start.isoformat()
    return f"{definition.schedule_type.value if definition.schedule_type else ''} from {start}"


def _mapping(mapping: dg.PartitionMapping | None) -> str:
    if isinstance(mapping, dg.TimeWindowPartitionMapping):
        back = 1 - mapping.start_offset
        return f"{back} days" if back > 1 else "what shares time with it"
    return "same day" if mapping is None else type(mapping).__name__
