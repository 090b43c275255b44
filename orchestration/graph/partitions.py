"""How tables are cut, in Dagster's terms: partitions definitions, and the mappings between them.

Belongs here: translation. Does not belong here: what a partition is made of; the lineage knows that, and a
test compares the two.
"""

import math
from collections.abc import Callable, Mapping
from datetime import datetime

import dagster as dg

from orchestration.core.lineage import Lineage, Table
from orchestration.core.partitions import KEY_FORMATS, Grain, Partitioning

PartitionsOf = Callable[[Partitioning], dg.PartitionsDefinition[str] | None]
# An upper bound of a child's partition in days, for a window that is stated in days.
_DAYS = {Grain.HOURLY: 1 / 24, Grain.DAILY: 1, Grain.WEEKLY: 7, Grain.MONTHLY: 28}


def partitions_definitions(starts: Mapping[Partitioning, datetime]) -> PartitionsOf:
    """Return the definition of each partitioning; None for tables that are not partitioned.

    `starts` is when the first partition of a grain of time begins. A provider lands this hour's, or this
    day's, file before it is over: the partition that runs is there too.
    """
    known: dict[Partitioning, dg.PartitionsDefinition[str]] = {}

    def partitions_of(partitioning: Partitioning) -> dg.PartitionsDefinition[str] | None:
        if not partitioning.partitioned:
            return None
        if partitioning not in known:
            if partitioning.grain is Grain.DROP:
                known[partitioning] = dg.DynamicPartitionsDefinition(name=drops_name(partitioning))
            else:
                known[partitioning] = _time_definition(partitioning.grain, starts[partitioning])
        return known[partitioning]

    return partitions_of


def drops_name(partitioning: Partitioning) -> str:
    """Return the name under which Dagster keeps the ids of a source's drops."""
    return f"drops_of_{partitioning.source}"


def add_drop(instance: dg.DagsterInstance, partitioning: Partitioning, key: str) -> None:
    """Tell Dagster of a drop, before a run for it starts; of one that it knows is fine."""
    if partitioning.grain is Grain.DROP:
        instance.add_dynamic_partitions(drops_name(partitioning), [key])


def partition_mapping(child: Partitioning, parent: Partitioning, days: int = 1) -> dg.PartitionMapping | None:
    """Return what a child's partition reads of a parent, `days` of it; None where Dagster's default is right.

    Dagster counts a window in the child's partitions: for weeks and months it is rounded up to whole ones.
    """
    if not (child.grain.timed and parent.grain.timed):
        return None
    if child == parent and days == 1:
        return None
    return dg.TimeWindowPartitionMapping(
        start_offset=-math.ceil((days - 1) / _DAYS[child.grain]),
        allow_nonexistent_upstream_partitions=True,
    )


def asset_deps(lineage: Lineage, table: Table) -> list[dg.AssetDep]:
    """Return what comes before a table, with what a partition of it reads of each."""
    return [
        dg.AssetDep(
            earlier.split("."),
            partition_mapping=partition_mapping(
                table.partitioning, lineage.tables[earlier].partitioning, days
            ),
        )
        for earlier, days in table.comes_after.items()
    ]


def _time_definition(grain: Grain, start: datetime) -> dg.PartitionsDefinition[str]:
    form = KEY_FORMATS[grain]
    match grain:
        case Grain.HOURLY:
            return dg.HourlyPartitionsDefinition(start, fmt=form, end_offset=1)
        case Grain.WEEKLY:
            return dg.WeeklyPartitionsDefinition(start, day_offset=1, fmt=form, end_offset=1)
        case Grain.MONTHLY:
            return dg.MonthlyPartitionsDefinition(start, fmt=form, end_offset=1)
        case _:
            return dg.DailyPartitionsDefinition(start, fmt=form, end_offset=1)
