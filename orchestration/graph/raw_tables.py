"""A contract -> the asset that loads its raw table, with the contract itself as its check."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg

from orchestration.contracts.model import CONTRACT_CHECK, SourceContract
from orchestration.core.lineage import Lineage, Table
from orchestration.core.partitions import SNAPSHOT_PARTITION, UNPARTITIONED
from orchestration.core.settings import SettingsError
from orchestration.core.shown_text import showing_errors
from orchestration.graph.owners import asset_owners
from orchestration.graph.partitions import PartitionsOf, asset_deps
from orchestration.graph.steps import POOL, SaysNothing, of_one_project
from orchestration.graph.table_checks import Said, TableChecks
from orchestration.ingestion.formats.base import MachineLimit
from orchestration.ingestion.judging import judge_by_contract
from orchestration.ingestion.load import Loaded, load_drop
from orchestration.ingestion.masking import MaskingKeyMissing
from orchestration.ingestion.refusal import DropRefused
from orchestration.ingestion.staging import register_landed
from orchestration.operations.site import Site
from orchestration.state.deployment import Deployment
from orchestration.state.records import Build, Drop, Evidence
from orchestration.warehouse.base import Session

GROUP = "raw"


def ingestion_assets(
    site: Site, checks: TableChecks, partitions_of: PartitionsOf
) -> list[dg.AssetsDefinition]:
    """Return one asset a contract, with the checks of its raw table."""
    lineage = site.project.lineage
    return [
        _ingestion_asset(
            _Loader(site, checks, contract, lineage.tables[contract.relation]),
            _spec(contract, lineage.tables[contract.relation], lineage, partitions_of),
            [_contract_check(contract, partitions_of), *checks.specs(contract.relation, partitions_of)],
        )
        for contract in site.project.contracts.values()
    ]


@dataclass(frozen=True)
class _TakenIn:
    """A drop in the raw table, and what its contract and its checks said."""

    drop: Drop
    loaded: Loaded
    contract: dg.AssetCheckResult
    said: Said


class _Loader:
    """Takes the drops of a source in, and judges its raw table."""

    def __init__(
        self,
        site: Site,
        checks: TableChecks,
        contract: SourceContract,
        table: Table,
    ) -> None:
        self.deployment = site.deployment
        self.project = site.project.identity
        self.contract = contract
        self.table = table
        self._checks = checks
        # What a run has taken in, for a second try of its step: that judges only.
        self._taken_in: dict[str, tuple[Drop, Loaded, dg.AssetCheckResult]] = {}

    def take_in(
        self, drop: Drop, key: str, names: Collection[str], run_id: str, warn: Callable[[str], None]
    ) -> _TakenIn:
        """Load a drop and judge the table, in one opening of the warehouse.

        Raises:
            DropRefused: the drop breaks the contract; the table is as it was.
            MaskingKeyMissing: the contract hashes values, and this deployment has no key.
            MachineLimit: memory or the disk ended before the drop did.
        """
        said: list[Said] = []

        def judge(session: Session, loaded: Loaded) -> None:
            self._taken_in = {run_id: (drop, loaded, self._record(drop, loaded, key, run_id, warn))}
            said.append(self._checks.judge(session, self.table, key, names, run_id))

        if run_id in self._taken_in:
            with self.deployment.warehouse.session() as session:
                said.append(self._checks.judge(session, self.table, key, names, run_id))
        else:
            loaded = load_drop(self.deployment, self.contract, drop, judge)
            if loaded.left_in_staging:
                warn(loaded.left_in_staging)
        return _TakenIn(*self._taken_in[run_id], said[0])

    def judge(self, key: str, names: Collection[str], run_id: str) -> Said:
        """Judge what the raw table holds; see `judge_raw_table`."""
        return judge_raw_table(self.deployment, self._checks, self.contract, self.table, key, names, run_id)

    def _record(
        self, drop: Drop, loaded: Loaded, key: str, run_id: str, warn: Callable[[str], None]
    ) -> dg.AssetCheckResult:
        contract = self.contract
        warnings = [*loaded.warnings]
        if loaded.quarantined:
            warnings.append(
                f"{loaded.quarantined} of {loaded.read} rows are in {contract.quarantine}"
                f" (the contract allows {contract.limit})"
            )
        for warning in warnings:
            warn(f"{drop.file}: {warning}")
        summary = "; ".join(
            [f"drop {drop.ordinal} of {drop.partition_key}: {loaded.rows} rows as agreed", *warnings]
        )
        self.deployment.store.record_build(
            Build(
                contract.relation, key, loaded.version, run_id, drop.ordinal, loaded.rows,
                inputs={}, project=self.project.digest,
            )
        )  # fmt: skip
        record_contract(self.deployment, contract, key, loaded.version, summary, run_id, True)
        # A warning is yellow in the UI and holds nothing: what was taken in is as agreed.
        return dg.AssetCheckResult(
            check_name=CONTRACT_CHECK,
            asset_key=dg.AssetKey(self.table.asset_key),
            passed=not warnings,
            severity=dg.AssetCheckSeverity.WARN,
            description=summary,
            metadata={
                "version of the table": loaded.version,
                "rows read": loaded.read,
                "rows quarantined": loaded.quarantined,
            },
        )


def _contract_check(contract: SourceContract, partitions_of: PartitionsOf) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        CONTRACT_CHECK,
        asset=dg.AssetKey(contract.relation.parts),
        description=(
            f"The drop is as {contract.file.name} says: at most {contract.limit} may break it; with more,"
            " the drop is refused whole."
        ),
        blocking=True,
        partitions_def=partitions_of(contract.partitioning),
    )


def _ingestion_asset(
    loader: _Loader, spec: dg.AssetSpec, checks: Sequence[dg.AssetCheckSpec]
) -> dg.AssetsDefinition:
    deployment, contract = loader.deployment, loader.contract
    partitioned = contract.partitioning.partitioned
    patience = deployment.settings.check_retry_seconds

    @dg.multi_asset(
        name=f"load__{contract.name}", specs=[spec], check_specs=checks, can_subset=True, pool=POOL
    )
    def load(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        with showing_errors(contract.near):
            yield from steps(context)

    def steps(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        partition_key = context.partition_key if partitioned else SNAPSHOT_PARTITION
        table_key = partition_key if partitioned else UNPARTITIONED
        names = {check.name for check in context.selected_asset_check_keys}
        if spec.key not in context.selected_asset_keys:  # the checks alone, from the UI
            with of_one_project(loader.project):
                said = loader.judge(table_key, names, context.run_id)
            said.or_try_again(context.op_execution_context, patience)
            yield from said.told()
            return
        with of_one_project(loader.project):
            drop = _latest_drop(deployment, contract, partition_key)
        try:
            taken_in = loader.take_in(drop, table_key, names, context.run_id, context.log.warning)
        except DropRefused as refused:
            record_contract(deployment, contract, table_key, drop.key, str(refused), context.run_id, False)
            yield dg.AssetCheckResult(
                check_name=CONTRACT_CHECK,
                asset_key=spec.key,
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
        except (MachineLimit, SettingsError) as error:  # a secret whose store does not answer, among others
            raise SaysNothing(description=str(error), allow_retries=False) from None
        taken_in.said.or_try_again(context.op_execution_context, patience)
        yield dg.MaterializeResult(
            asset_key=spec.key, metadata=_metadata(contract, taken_in.drop, taken_in.loaded)
        )
        if CONTRACT_CHECK in names:
            yield taken_in.contract
        yield from taken_in.said.told()

    return load


def _spec(
    contract: SourceContract, table: Table, lineage: Lineage, partitions_of: PartitionsOf
) -> dg.AssetSpec:
    overdue = contract.overdue_after
    announced = contract.completion.template.text if contract.completion.template else "a time of rest"
    return dg.AssetSpec(
        key=dg.AssetKey(table.asset_key),
        deps=asset_deps(lineage, table),
        description=f"{contract.description}\n\nContract {contract.version}: {contract.file.name}",
        group_name=GROUP,
        kinds={contract.reading.format.value, "duckdb"},
        owners=asset_owners(contract.owner),
        partitions_def=partitions_of(contract.partitioning),
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
        contract, deployment.staging_of(contract), deployment.store, partition_key=partition_key,
        now=deployment.clock,
    )  # fmt: skip
    drop = deployment.store.drops.latest(contract.name, [partition_key]).get(partition_key)
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


def held_build(deployment: Deployment, table: Table, key: str) -> Build:
    """Return the build of a partition that the warehouse holds.

    Raises:
        dagster.Failure: it holds none, or one that is not on record.
    """
    place = (table.relation, key)
    with deployment.warehouse.session() as session:
        version = session.versions([table.relation]).get(place)
    newest = [item for item in deployment.store.builds_of([place]) if item.version == version]
    if not newest:
        where = f" --partition {key}" if key else ""
        raise dg.Failure(
            "the warehouse does not hold what is on record of it; `sluice table rerun"
            f" {table.relation}{where}`",
            allow_retries=False,
        )
    return newest[-1]


def judge_raw_table(
    deployment: Deployment,
    checks: TableChecks,
    contract: SourceContract,
    table: Table,
    key: str,
    names: Collection[str],
    run_id: str,
) -> Said:
    """Judge what a raw table holds by these checks, by its contract as well, if that is among them.

    Raises:
        dagster.Failure: it holds nothing, or its contract could not be asked.
    """
    results: list[dg.AssetCheckResult] = []
    if CONTRACT_CHECK in names:
        build = held_build(deployment, table, key)
        try:
            results.append(_judge_contract(deployment, contract, key, build, run_id))
        except (DropRefused, MaskingKeyMissing, MachineLimit, SettingsError) as error:
            raise dg.Failure(description=str(error), allow_retries=False) from None
    with deployment.warehouse.session() as session:
        said = checks.judge(session, table, key, names, run_id)
    return replace(said, results=(*results, *said.results))


def _judge_contract(
    deployment: Deployment, contract: SourceContract, key: str, build: Build, run_id: str
) -> dg.AssetCheckResult:
    """Judge a build of a raw table by today's contract, record that, and return it as Dagster shows it.

    Raises:
        DropRefused: the drop's originals are not what they were.
        MaskingKeyMissing: the contract hashes values, and this deployment has no key.
    """
    said = judge_by_contract(deployment, contract, key, build)
    record_contract(deployment, contract, key, build.version, said.summary, run_id, said.passed)
    return dg.AssetCheckResult(
        check_name=CONTRACT_CHECK,
        asset_key=dg.AssetKey(contract.relation.parts),
        passed=said.passed,
        description=said.summary,
        metadata={"version of the table": build.version},
    )


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
