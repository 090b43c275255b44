"""One partition of one export: gate, plan, send, acknowledge.

Read and judged in one transaction of the warehouse, so what is sent is the version that was validated,
even if a rebuild starts in between. What is sent is an immutable Parquet shard; what is remembered of it
is a row in the state store.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.delivery.destinations.base import DeliveryError, Receipt, Shard
from orchestration.delivery.destinations.registry import build
from orchestration.delivery.exports import Export
from orchestration.deployment import Deployment
from orchestration.lineage import Table
from orchestration.quality.gate import Gate, GateClosed, GateReport
from orchestration.state.records import Delivery, Hold
from orchestration.warehouse.engine import literal, quoted
from orchestration.warehouse.slices import partition_bounds, partition_condition

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Delivered:
    """What became of a partition: `sent` is False where the destination had these very rows already."""

    delivery: Delivery
    report: GateReport
    receipt: Receipt | None

    @property
    def sent(self) -> bool:
        """Whether anything went to the destination."""
        return self.receipt is not None and not self.receipt.already_delivered


def deliver_partition(
    deployment: Deployment,
    gate: Gate,
    export: Export,
    table: Table,
    partition_column: str,
    partition_key: str,
    run_id: str,
    log: Callable[[str], None],
) -> Delivered:
    """Send one partition of an export's model to its destination, if the gate is open.

    Raises:
        GateClosed: something that the partition is made of is not validated; nothing was sent.
        DeliveryError: no connection, a key that does not hold, or the destination refused.
    """
    url = deployment.settings.connection(export.spec.destination.connection)
    if url is None:
        name = export.spec.destination.connection
        raise DeliveryError(
            f"connection `{name}` of export `{export.name}` is not configured",
            f"environment variable SLUICE_CONNECTION_{name.upper()}",
            "set it to the destination's URL and rerun the partition",
        )
    try:
        delivery, report = _plan(deployment, gate, export, table, partition_column, partition_key, run_id)
    except GateClosed as closed:
        reasons = tuple(str(finding) for finding in closed.report.reasons)
        deployment.store.hold(Hold(export.name, partition_key, reasons, run_id))
        raise
    store = deployment.store
    for release in report.releases:
        if not store.releases.use(release, delivery.version):
            raise DeliveryError(
                f"the release of `{export.name}` [{partition_key}] was used for another version meanwhile",
                "a release that nothing has gone out under",
                "look at what was sent, and release again if it must",
            )
        log(f"passes on failed checks, {release}")
    held = store.latest_deliveries(export.name, acknowledged=True).get(partition_key)
    if held is not None and held.digest == delivery.digest:
        log(f"{delivery.rows} rows are what the destination acknowledged before; nothing to send")
        store.plan_delivery(delivery)
        store.acknowledge_delivery(delivery.delivery_id, held.location)
        store.lift_hold(export.name, partition_key)
        return Delivered(replace(delivery, location=held.location), report, None)
    store.plan_delivery(delivery)
    log(f"sending {delivery.rows} rows as delivery {delivery.delivery_id}")
    shard = Shard(
        export=export.name,
        partition_key=partition_key,
        delivery_id=delivery.delivery_id,
        path=Path(delivery.shard),
        rows=delivery.rows,
        key=export.spec.key,
        partition_column=partition_column,
        digest=delivery.digest,
        bounds=partition_bounds(table.partitioning, partition_key),
    )
    destination = build(export.spec.destination.type, url, export.spec.destination.object)
    receipt = destination.deliver(shard)
    store.acknowledge_delivery(delivery.delivery_id, receipt.location)
    store.lift_hold(export.name, partition_key)
    return Delivered(delivery, report, receipt)


def _plan(
    deployment: Deployment,
    gate: Gate,
    export: Export,
    table: Table,
    partition_column: str,
    partition_key: str,
    run_id: str,
) -> tuple[Delivery, GateReport]:
    """Judge and freeze the partition's rows in one read transaction."""
    with deployment.warehouse.connect() as connection:
        connection.execute("begin")
        report = gate.report(connection, table.relation, partition_key)
        if not report.open:
            raise GateClosed(report)
        version = report.versions[(table.relation, table.partition(partition_key))]
        delivery_id = hashlib.sha256(f"{export.name}\n{partition_key}\n{version}".encode()).hexdigest()[:32]
        selected = _selected(table, partition_column, partition_key)
        _check_key(connection, export, selected)
        rows, digest = _digest(connection, selected)
        shard = _write_shard(connection, deployment, export, partition_key, delivery_id, selected)
        connection.execute("rollback")
    return (
        Delivery(
            delivery_id=delivery_id,
            export=export.name,
            partition_key=partition_key,
            version=version,
            digest=digest,
            rows=rows,
            shard=str(shard),
            run_id=run_id,
        ),
        report,
    )


def _selected(table: Table, partition_column: str, partition_key: str) -> str:
    """The whole model, the partition's slice of it, and nothing else: `select *`."""
    schema, _, name = table.relation.partition(".")
    relation = f"{quoted(schema)}.{quoted(name)}"
    return f"select * from {relation} where " + partition_condition(
        partition_column, table.partitioning, partition_key
    )


def _check_key(connection: "duckdb.DuckDBPyConnection", export: Export, selected: str) -> None:
    key = ", ".join(quoted(name) for name in export.spec.key)
    empty = " or ".join(f"{quoted(name)} is null" for name in export.spec.key)
    counted = connection.execute(
        f"select count(*) - count(distinct ({key})), count(*) filter (where {empty}) from ({selected})"
    ).fetchone()
    assert counted is not None
    if any(counted):
        raise DeliveryError(
            f"key ({', '.join(export.spec.key)}) of `{export.name}`: {counted[0]} rows stand twice,"
            f" {counted[1]} have an empty part",
            "every row to have a key of its own",
            f"mend the model, or the key in {export.file.name}",
        )


def _digest(connection: "duckdb.DuckDBPyConnection", selected: str) -> tuple[int, str]:
    """Return the number of rows and a digest of them that no order of rows changes.

    DuckDB's `hash` may change between its versions, so the version is part of the digest: after an
    upgrade a partition is sent once more, which `mirror` allows, rather than missed.
    """
    row = connection.execute(
        "select count(*), sum(hash(t)), bit_xor(hash(t)), version() from (" + selected + ") t"
    ).fetchone()
    assert row is not None
    return int(row[0]), f"duckdb-{row[3]}:{row[0]}:{row[1]}:{row[2]}"


def _write_shard(
    connection: "duckdb.DuckDBPyConnection",
    deployment: Deployment,
    export: Export,
    partition_key: str,
    delivery_id: str,
    selected: str,
) -> Path:
    folder = deployment.settings.deliveries_dir / export.name / partition_key
    folder.mkdir(parents=True, exist_ok=True)
    shard = folder / f"{delivery_id}.parquet"
    partial = shard.with_suffix(f".{os.getpid()}.partial")
    order = ", ".join(quoted(name) for name in export.spec.key)
    connection.execute(
        f"copy (select * from ({selected}) order by {order}) to {literal(str(partial))} (format parquet)"
    )
    partial.replace(shard)
    return shard
