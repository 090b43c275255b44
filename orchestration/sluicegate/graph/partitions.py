"""How tables are cut, in Dagster's terms: partitions definitions, and the mappings between them.

Belongs here: translation. Does not belong here: what a partition is made of; the lineage knows that, and a
test compares the two.
"""

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import assert_never

import dagster as dg

from sluicegate.core.lineage import Lineage, Table
from sluicegate.core.partitions import Grain, Partitioning

PartitionsOf = Callable[[Partitioning], dg.PartitionsDefinition[str] | None]


def partitions_definitions(starts: Mapping[Partitioning, datetime]) -> PartitionsOf:
    """Return the definition of each partitioning; None for tables that are not partitioned.

    `starts` is when the first partition of a grain of time begins. A provider lands this hour's, or this
    day's, file before it is over: the partition that runs is there too.
    """
    known: dict[Partitioning, dg.PartitionsDefinition[str] | None] = {}

    def partitions_of(partitioning: Partitioning) -> dg.PartitionsDefinition[str] | None:
        if partitioning not in known:
            known[partitioning] = _definition(partitioning, starts)
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
        start_offset=-math.ceil(timedelta(days=days - 1) / child.grain.span.shortest),
        allow_nonexistent_upstream_partitions=True,
    )


def asset_deps(lineage: Lineage, table: Table) -> list[dg.AssetDep]:
    """Return what comes before a table, with what a partition of it reads of each."""
    return [
        dg.AssetDep(
            dg.AssetKey(lineage.tables[earlier].asset_key),
            partition_mapping=partition_mapping(
                table.partitioning, lineage.tables[earlier].partitioning, days
            ),
        )
        for earlier, days in table.comes_after.items()
    ]


def _definition(
    partitioning: Partitioning, starts: Mapping[Partitioning, datetime]
) -> dg.PartitionsDefinition[str] | None:
    match partitioning.grain:
        case Grain.HOURLY:
            made = dg.HourlyPartitionsDefinition
        case Grain.DAILY:
            made = dg.DailyPartitionsDefinition
        case Grain.WEEKLY:
            made = partial(dg.WeeklyPartitionsDefinition, day_offset=1)
        case Grain.MONTHLY:
            made = dg.MonthlyPartitionsDefinition
        case Grain.DROP:
            return dg.DynamicPartitionsDefinition(name=drops_name(partitioning))
        case Grain.SNAPSHOT:
            return None
        case _:
            assert_never(partitioning.grain)
    return made(starts[partitioning], fmt=partitioning.grain.span.key_format, end_offset=1)
