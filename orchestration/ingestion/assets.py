"""A contract -> the asset that loads its raw table, with the contract itself as its check."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from orchestration.contracts.model import CONTRACT_CHECK, SourceContract
from orchestration.dagster_partitions import PartitionsOf
from orchestration.deployment import Deployment
from orchestration.ingestion.load import Loaded, load_drop
from orchestration.ingestion.masking import MaskingKeyMissing
from orchestration.ingestion.refusal import DropRefused
from orchestration.ingestion.staging import register_landed
from orchestration.partitions import SNAPSHOT_PARTITION, UNPARTITIONED
from orchestration.project_identity import ProjectIdentity
from orchestration.state.records import Build, Drop, Evidence
from orchestration.steps import of_one_project
from orchestration.warehouse.engine import POOL

GROUP = "raw"


def ingestion_assets(
    deployment: Deployment,
    project: ProjectIdentity,
    contracts: Mapping[str, SourceContract],
    partitions_of: PartitionsOf,
) -> list[dg.AssetsDefinition]:
    """Return one asset a contract."""
    return [
        _ingestion_asset(deployment, project, contract, partitions_of(contract.partitioning))
        for contract in contracts.values()
    ]


def _ingestion_asset(
    deployment: Deployment,
    project: ProjectIdentity,
    contract: SourceContract,
    partitions: dg.PartitionsDefinition[str] | None,
) -> dg.AssetsDefinition:
    key = dg.AssetKey(["raw", contract.name])
    check = dg.AssetCheckSpec(
        CONTRACT_CHECK,
        asset=key,
        description=(
            f"The drop is as {contract.file.name} says: at most {contract.limit} may break it; with more,"
            " the drop is refused whole."
        ),
        blocking=True,
        partitions_def=partitions,
    )
    partitioned = contract.partitioning.partitioned

    @dg.multi_asset(
        name=f"load__{contract.name}",
        specs=[_spec(contract, key, partitions)],
        check_specs=[check],
        pool=POOL,
    )
    def load(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        partition_key = context.partition_key if partitioned else SNAPSHOT_PARTITION
        table_key = partition_key if partitioned else UNPARTITIONED
        with of_one_project(project):
            drop = _latest_drop(deployment, contract, partition_key)
        try:
            loaded = load_drop(deployment, contract, drop)
        except DropRefused as refused:
            record_contract(deployment, contract, table_key, drop.key, str(refused), context.run_id, False)
            yield dg.AssetCheckResult(
                check_name=CONTRACT_CHECK,
                asset_key=key,
                passed=False,
                description=str(refused),
                metadata={
                    "drop": drop.key,
                    "rules": "\n".join(refused.rules),
                    "quarantine": contract.quarantine,
                },
            )
            raise dg.Failure(description=str(refused), allow_retries=False) from None
        except MaskingKeyMissing as error:
            raise dg.Failure(description=str(error), allow_retries=False) from None
        warnings = [*loaded.warnings]
        if loaded.quarantined:
            warnings.append(
                f"{loaded.quarantined} of {loaded.read} rows are in {contract.quarantine}"
                f" (the contract allows {contract.limit})"
            )
        for warning in warnings:
            context.log.warning(f"{drop.file}: {warning}")
        summary = "; ".join(
            [f"drop {drop.ordinal} of {drop.partition_key}: {loaded.rows} rows as agreed", *warnings]
        )
        deployment.store.record_build(
            Build(
                contract.relation,
                table_key,
                loaded.version,
                context.run_id,
                drop.ordinal,
                loaded.rows,
                inputs={},
                project=project.digest,
            )
        )
        record_contract(deployment, contract, table_key, loaded.version, summary, context.run_id, True)
        yield dg.MaterializeResult(asset_key=key, metadata=_metadata(contract, drop, loaded))
        # A warning is yellow in the UI and holds nothing: what was taken in is as agreed.
        yield dg.AssetCheckResult(
            check_name=CONTRACT_CHECK,
            asset_key=key,
            passed=not warnings,
            severity=dg.AssetCheckSeverity.WARN,
            description=summary,
            metadata={
                "version of the table": loaded.version,
                "rows read": loaded.read,
                "rows quarantined": loaded.quarantined,
            },
        )

    return load


def _spec(
    contract: SourceContract, key: dg.AssetKey, partitions: dg.PartitionsDefinition[str] | None
) -> dg.AssetSpec:
    overdue = contract.overdue_after
    announced = contract.completion.template.text if contract.completion.template else "a time of rest"
    return dg.AssetSpec(
        key=key,
        description=f"{contract.description}\n\nContract {contract.version}: {contract.file.name}",
        group_name=GROUP,
        kinds={contract.reading.format.value, "duckdb"},
        owners=[contract.owner] if contract.owner else None,
        partitions_def=partitions,
        code_version=contract.version,
        freshness_policy=dg.FreshnessPolicy.time_window(overdue) if overdue else None,
        metadata={
            "contract": contract.file.name,
            "lands at": f"{contract.template.text}, then {announced}",
            **({"promised by": contract.provider} if contract.provider else {}),
            **({"channel": contract.channel} if contract.channel else {}),
            "quarantine": contract.quarantine,
            "dagster/table_name": contract.relation,
            "dagster/column_schema": dg.TableSchema(
                columns=[
                    dg.TableColumn(
                        column.name,
                        column.loaded_type.lower(),
                        description=column.description or None,
                        constraints=dg.TableColumnConstraints(
                            nullable=not column.required, unique=column.unique
                        ),
                    )
                    for column in contract.loaded_columns
                ]
            ),
        },
    )


def _latest_drop(deployment: Deployment, contract: SourceContract, partition_key: str) -> Drop:
    """Return the partition's newest drop, looking into staging for what no sensor has seen yet."""
    scan = register_landed(
        contract, deployment.staging_of(contract), deployment.store, partition_key=partition_key
    )
    drop = deployment.store.latest_drops(contract.name, [partition_key]).get(partition_key)
    if drop is None:
        said = "".join(f"\n- {complaint}" for complaint in scan.complaints)
        announced = contract.completion.template
        then = f" and {announced.of(partition_key)}" if announced else ""
        raise dg.Failure(
            description=(
                f"nothing has landed for {contract.name} [{partition_key}]; expected"
                f" {contract.template.of(partition_key)}{then} in the staging area; land them and"
                f" rerun{said}"
            ),
            allow_retries=False,
        )
    return drop


def record_contract(
    deployment: Deployment,
    contract: SourceContract,
    table_key: str,
    version: str,
    summary: str,
    run_id: str,
    passed: bool,
) -> None:
    """Record what a contract said of a version of its raw table, or of a drop that it refused."""
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
                rules=contract.rules_digest,
            )
        ]
    )


def _metadata(contract: SourceContract, drop: Drop, loaded: Loaded) -> dict[str, dg.MetadataValue]:
    return {
        "dagster/row_count": dg.MetadataValue.int(loaded.rows),
        "rows read": dg.MetadataValue.int(loaded.read),
        "rows quarantined": dg.MetadataValue.int(loaded.quarantined),
        "drop": dg.MetadataValue.text(f"{drop.ordinal} of {drop.partition_key}"),
        "file": dg.MetadataValue.text(drop.file or "no drop: a later one closed this partition"),
        "files": dg.MetadataValue.int(len(drop.files)),
        "digest": dg.MetadataValue.text(drop.digest),
        "contract version": dg.MetadataValue.text(contract.version),
        "version of the table": dg.MetadataValue.text(loaded.version),
    }
