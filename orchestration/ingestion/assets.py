"""A contract -> the asset that loads its raw table, with the contract itself as its check."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from orchestration.contracts.model import CONTRACT_CHECK, SNAPSHOT_PARTITION, SourceContract
from orchestration.deployment import Deployment
from orchestration.ingestion.load import DropRefused, Loaded, keep_original, load_drop
from orchestration.ingestion.staging import register_landed
from orchestration.lineage import UNPARTITIONED
from orchestration.state.records import Build, Drop, Evidence
from orchestration.warehouse.engine import POOL

GROUP = "raw"


def ingestion_assets(
    deployment: Deployment,
    contracts: Mapping[str, SourceContract],
    partitions: dg.PartitionsDefinition[str],
) -> list[dg.AssetsDefinition]:
    """Return one asset a contract."""
    return [
        _ingestion_asset(deployment, contract, partitions if contract.daily else None)
        for contract in contracts.values()
    ]


def _ingestion_asset(
    deployment: Deployment,
    contract: SourceContract,
    partitions: dg.PartitionsDefinition[str] | None,
) -> dg.AssetsDefinition:
    key = dg.AssetKey(["raw", contract.name])
    overdue = contract.overdue_after
    spec = dg.AssetSpec(
        key=key,
        description=f"{contract.description}\n\nContract {contract.version}: {contract.file.name}",
        group_name=GROUP,
        kinds={"csv", "duckdb"},
        owners=[contract.owner] if contract.owner else None,
        partitions_def=partitions,
        code_version=contract.version,
        freshness_policy=dg.FreshnessPolicy.time_window(overdue) if overdue else None,
        metadata={
            "contract": contract.file.name,
            "lands at": f"{contract.path}, then {contract.marker}",
            "dagster/table_name": contract.relation,
            "dagster/column_schema": dg.TableSchema(
                columns=[
                    dg.TableColumn(
                        column.name,
                        column.type.lower(),
                        description=column.description or None,
                        constraints=dg.TableColumnConstraints(nullable=not column.required),
                    )
                    for column in contract.columns
                ]
            ),
        },
    )
    check = dg.AssetCheckSpec(
        CONTRACT_CHECK,
        asset=key,
        description=f"The drop is as {contract.file.name} says; a drop that is not is refused whole.",
        blocking=True,
        partitions_def=partitions,
    )

    @dg.multi_asset(name=f"load__{contract.name}", specs=[spec], check_specs=[check], pool=POOL)
    def load(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        partition_key = context.partition_key if contract.daily else SNAPSHOT_PARTITION
        table_key = partition_key if contract.daily else UNPARTITIONED
        drop = _latest_drop(deployment, contract, partition_key)
        try:
            if drop.file is not None:
                keep_original(drop, deployment.staging, deployment.processing)
            with deployment.warehouse.connect() as connection:
                loaded = load_drop(connection, contract, drop, deployment.processing)
        except DropRefused as refused:
            _record(deployment, contract, table_key, drop.key, str(refused), context.run_id, False)
            yield dg.AssetCheckResult(
                check_name=CONTRACT_CHECK,
                asset_key=key,
                passed=False,
                description=str(refused),
                metadata={"drop": drop.key, "rules": "\n".join(refused.rules)},
            )
            raise dg.Failure(description=str(refused), allow_retries=False) from None
        summary = f"drop {drop.ordinal} of {drop.partition_key}: {loaded.rows} rows as agreed"
        deployment.store.record_build(
            Build(
                contract.relation,
                table_key,
                loaded.version,
                context.run_id,
                drop.ordinal,
                loaded.rows,
            )
        )
        _record(deployment, contract, table_key, loaded.version, summary, context.run_id, True)
        yield dg.MaterializeResult(asset_key=key, metadata=_metadata(drop, loaded))
        yield dg.AssetCheckResult(
            check_name=CONTRACT_CHECK,
            asset_key=key,
            passed=True,
            description=summary,
            metadata={"version of the table": loaded.version},
        )

    return load


def _latest_drop(deployment: Deployment, contract: SourceContract, partition_key: str) -> Drop:
    """Return the partition's newest drop, looking into staging for what no sensor has seen yet."""
    scan = register_landed(contract, deployment.staging, deployment.store)
    drop = deployment.store.latest_drops(contract.name, [partition_key]).get(partition_key)
    if drop is None:
        said = "".join(f"\n- {complaint}" for complaint in scan.complaints)
        raise dg.Failure(
            description=(
                f"nothing has landed for {contract.name} [{partition_key}]; expected"
                f" {contract.path_of(partition_key)} and {contract.marker_of(partition_key)} in the"
                f" staging area; land them and rerun{said}"
            ),
            allow_retries=False,
        )
    return drop


def _record(
    deployment: Deployment,
    contract: SourceContract,
    table_key: str,
    version: str,
    summary: str,
    run_id: str,
    passed: bool,
) -> None:
    deployment.store.record_evidence(
        [
            Evidence(
                relation=contract.relation,
                partition_key=table_key,
                check=CONTRACT_CHECK,
                version=version,
                passed=passed,
                summary=summary,
                run_id=run_id,
            )
        ]
    )


def _metadata(drop: Drop, loaded: Loaded) -> dict[str, dg.MetadataValue]:
    return {
        "dagster/row_count": dg.MetadataValue.int(loaded.rows),
        "drop": dg.MetadataValue.text(f"{drop.ordinal} of {drop.partition_key}"),
        "file": dg.MetadataValue.text(drop.file or "no drop: a later day closed this one"),
        "digest": dg.MetadataValue.text(drop.digest),
        "version of the table": dg.MetadataValue.text(loaded.version),
    }
