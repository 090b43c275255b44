"""Finding what a person names: a table, a partition or a range, a moment, a delivery.

Belongs here: names and their errors. Does not belong here: what is done with them.
"""

from datetime import UTC, datetime

from orchestration.core.lineage import Table
from orchestration.core.partitions import UNPARTITIONED, Grain, Partitioning
from orchestration.core.problems import did_you_mean
from orchestration.delivery.deliver import NotConfigured, Target
from orchestration.delivery.ledger import DeliveryHeld, DeliveryRejected
from orchestration.destinations.base import DeliveryError
from orchestration.project.loading import Project
from orchestration.state.deployment import Deployment
from orchestration.state.records import Delivery

# What a delivery ends with about which people can do something, as its message says.
NOT_SENT = (NotConfigured, DeliveryError, DeliveryHeld, DeliveryRejected)


def table_of(project: Project, relation: str) -> Table:
    """Return a table by its name.

    Raises:
        ValueError: there is no such table.
    """
    found = project.lineage.tables.get(relation)
    if found is None:
        raise ValueError(f"no table `{relation}`; {did_you_mean(relation, project.lineage.tables)}")
    return found


def keys_between(
    deployment: Deployment, table: Table, first: str, last: str, *, built: bool = True
) -> list[str]:
    """Return the partitions of a table from one to another, both included, in their order.

    With `built` those that are built. Where `last` is empty, `first` alone is meant. Both are empty for a
    table that is not partitioned.

    Raises:
        ValueError: the table has no such partitions.
    """
    cut, last = table.partitioning, last or first
    for key in (first, last):
        if not cut.holds(key):
            raise ValueError(f"{key!r} is no partition of `{table.relation}`; expected {key_expected(cut)}")
    if not cut.grain.timed:
        if first != last:
            raise ValueError(f"drops of `{cut.source}` have no order: expected one, not {first} to {last}")
        return [first]
    if cut.interval(last) < cut.interval(first):
        raise ValueError(f"from {first} to {last} goes backwards; expected the earlier one first")
    known = deployment.store.latest_builds(table.relation)
    between = cut.overlapping(cut.interval(first)[0], cut.interval(last)[1])
    return [key for key in between if not built or key in known]


def key_expected(partitioning: Partitioning) -> str:
    """Return in words what a partition's key is, with an example."""
    match partitioning.grain:
        case Grain.SNAPSHOT:
            return "none: it is not partitioned"
        case Grain.DROP:
            return f"the id of a drop of `{partitioning.source}`"
        case grain:
            return f"a key of its grain, {grain}, as {partitioning.key_at(_EXAMPLE)}"


def partition_of(deployment: Deployment, target: Target, key: str | None) -> str:
    """Return the partition that a person names; without a name, the newest that is built.

    Raises:
        ValueError: the table has no such partitions, or none is built yet.
    """
    partitioning, export = target.table.partitioning, target.export.name
    if not partitioning.partitioned:
        if key:
            raise ValueError(f"--partition {key!r}: `{export}` has no partitions; expected none")
        return UNPARTITIONED
    if key is None:
        built = [
            item for item in deployment.store.latest_builds(target.table.relation) if partitioning.holds(item)
        ]
        if not built:
            raise ValueError(
                f"no partition of `{export}` is built yet; `sluice status` shows what it waits for"
            )
        return max(built)
    if not partitioning.holds(key):
        raise ValueError(
            f"--partition {key!r} is no partition of `{export}`; expected {key_expected(partitioning)}"
        )
    return key


def key_to_send(target: Target, key: str | None) -> str:
    """Return the partition that a person names of an export; none is, of a model without any, and it is "".

    Raises:
        ValueError: its model has no such partition.
    """
    cut, export = target.table.partitioning, target.export.name
    key = key or UNPARTITIONED
    if cut.holds(key):
        return key
    if cut.grain is Grain.SNAPSHOT:
        expected = "no --partition: it is not partitioned"
    else:
        expected = f"--partition with {key_expected(cut)}"
    if not key:
        raise ValueError(f"`{export}` expects {expected}")
    if not cut.partitioned:
        raise ValueError(f"--partition {key!r}: `{export}` has no partitions; expected none")
    noun = {Grain.DAILY: "day", Grain.DROP: "id of a drop"}.get(cut.grain, "partition key")
    raise ValueError(f"--partition {key!r} is no {noun}; `{export}` expects {expected}")


def delivery_of(deployment: Deployment, name: str) -> Delivery:
    """Return a delivery by its id, or by the beginning of one that no other has.

    Raises:
        ValueError: no delivery is called so, or several.
    """
    found = deployment.store.deliveries.of(name) if len(name) >= _SHORTEST_NAME else None
    if found is None:
        raise ValueError(
            f"no delivery is called `{name}`, or several are; expected an id or a beginning of one that is"
            f" unique, {_SHORTEST_NAME} letters or more; `sluice delivery list` lists them"
        )
    return found


def moment_until(text: str) -> datetime:
    """Return a moment in UTC; `2026-05-01` is its midnight, a time without a zone is UTC.

    Raises:
        ValueError: it is no ISO 8601 date or time.
    """
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_SHORTEST_NAME = 4
_EXAMPLE = datetime(2022, 10, 5, tzinfo=UTC)
