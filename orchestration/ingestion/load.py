"""A drop -> its originals, kept -> converted rows with a manifest -> the raw table's partition.

The order is what makes it safe to be killed at any moment: originals first, then what can be made again
from them, then the table in one transaction, and only then may staging be emptied. A second try does the same
again and finds what is there already.
"""

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from orchestration.areas import Area, digest_of
from orchestration.contracts.model import SourceContract
from orchestration.core.scratch import scratch_directory
from orchestration.ingestion.conversion import Conversion, convert_drop
from orchestration.ingestion.convert import TooManyBadRows
from orchestration.ingestion.formats.base import Unreadable
from orchestration.ingestion.formats.engine_said import told_of_the_machine
from orchestration.ingestion.formats.plain import LandedFile
from orchestration.ingestion.masking import key_fingerprint
from orchestration.ingestion.originals import drop_folder, keep_originals
from orchestration.ingestion.raw_table import replace_partition, show_refused
from orchestration.ingestion.refusal import DropRefused
from orchestration.ingestion.staging import register_landed
from orchestration.state.deployment import Deployment
from orchestration.state.records import Drop
from orchestration.warehouse.base import Session

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Loaded:
    """What a load left in the raw table; `read` = `rows` + `quarantined`. `warnings` are for people."""

    version: str
    rows: int
    read: int
    quarantined: int
    warnings: tuple[str, ...] = ()


def load_drop(
    deployment: Deployment,
    contract: SourceContract,
    drop: Drop,
    then: Callable[[Session, Loaded], None] = lambda _, __: None,
) -> Loaded:
    """Take a drop in: replace its partition of the raw table; readers see the old rows or the new ones.

    `then` is called with the warehouse still open, once the rows are in.

    Raises:
        DropRefused: the drop breaks the contract; the table is as it was.
        MachineLimit: memory or the disk ended before the drop did; the table is as it was.
        MaskingKeyMissing: the contract hashes values, and this deployment has no key.
    """
    with told_of_the_machine(lambda: deployment.settings.load_memory):
        return _load(deployment, contract, drop, then)


def _load(
    deployment: Deployment, contract: SourceContract, drop: Drop, then: Callable[[Session, Loaded], None]
) -> Loaded:
    version = _version(deployment, contract, drop)
    if drop.file is None:
        with deployment.warehouse.session() as session:
            replace_partition(session, contract, drop, version, scratch=None)
            loaded = Loaded(version, 0, 0, 0)
            then(session, loaded)
        return loaded
    with scratch_directory(deployment.settings.data_dir / "scratch") as scratch:
        try:
            converted = _converted(deployment, contract, drop, scratch)
        except TooManyBadRows as refused:
            with deployment.warehouse.session() as session:
                show_refused(session, contract, drop, refused.quarantined, scratch)
            raise
        except Unreadable as error:
            raise DropRefused(error.file, [error.rule, f"ask {contract.asked} for it again"]) from error
        _keep_converted(deployment.processing, contract, drop, version, converted)
        with deployment.warehouse.session() as session:
            replace_partition(
                session,
                contract,
                drop,
                version,
                converted.rows,
                converted.added,
                converted.quarantined,
                scratch,
            )
            loaded = Loaded(
                version, converted.loaded, converted.read, len(converted.quarantined), converted.warnings
            )
            then(session, loaded)
    if contract.empties_staging:
        empty_staging(deployment, contract, drop)
    return loaded


def _converted(deployment: Deployment, contract: SourceContract, drop: Drop, scratch: Path) -> Conversion:
    """Keep a drop's originals and convert it; both at once where it lies on a local disk, still the same."""
    staging = deployment.staging_of(contract)
    # Of a partition's first drop nothing is kept elsewhere: what there is lies in staging.
    before = _stamps(staging, drop) if staging.local and drop.ordinal == 1 else None
    if before is not None:
        landed = [LandedFile(file.path, file.path) for file in drop.files]
        with ThreadPoolExecutor(1) as keeper:
            keeping = keeper.submit(keep_drop, deployment, contract, drop)
            try:
                converted = convert_drop(deployment, contract, drop, staging, landed, scratch / "at_once")
            finally:
                keeping.result()  # a drop whose content has changed is told as that, and as nothing else
        # What was read is what was kept only if nobody has touched it in the meantime.
        if _stamps(staging, drop) == before:
            return converted
    landed = keep_drop(deployment, contract, drop)
    return convert_drop(deployment, contract, drop, deployment.originals, landed, scratch)


def keep_drop(deployment: Deployment, contract: SourceContract, drop: Drop) -> list[LandedFile]:
    """Make sure that the originals hold a drop's files; see `keep_originals`."""
    drops = deployment.store.drops.of(drop.source, drop.partition_key)
    earlier = [other for other in drops if other.ordinal < drop.ordinal]
    staging = deployment.staging_of(contract)
    return keep_originals(drop, staging, deployment.originals, deployment.cold, earlier)


def _stamps(staging: Area, drop: Drop) -> list[str] | None:
    """Return what changes when a drop's files in staging do; None if they are not all there."""
    entries = [next(staging.listing(file.path), None) for file in drop.files]
    return None if None in entries else [entry.stamp for entry in entries if entry is not None]


def _keep_converted(
    processing: Area, contract: SourceContract, drop: Drop, version: str, converted: Conversion
) -> None:
    """Put the converted rows and their manifest beside each other; the manifest last."""
    folder, mark = drop_folder(drop), version.rpartition("-")[2]
    rows = [f"rows-{mark}-{number}.parquet" for number in range(1, len(converted.rows) + 1)]
    for name, path in zip(rows, converted.rows, strict=True):
        processing.upload(f"{folder}/{name}", path)
    manifest = {
        "source": drop.source,
        "partition": drop.partition_key,
        "drop": drop.ordinal,
        "version": version,
        "contract": {"file": contract.file.name, "version": contract.version},
        "files": [asdict(file) for file in drop.files],
        "rows": {
            "read": converted.read,
            "loaded": converted.loaded,
            "quarantined": len(converted.quarantined),
        },
        "converted": [_sized(name, path) for name, path in zip(rows, converted.rows, strict=True)],
        "converted_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    text = json.dumps(manifest, indent=2) + "\n"
    processing.write(f"{folder}/{MANIFEST}", [text.encode()])
    # What an earlier version of the contract, or a killed load, left behind.
    current = {f"{folder}/{name}" for name in (*rows, MANIFEST)}
    stale = [entry.path for entry in processing.listing(f"{folder}/*") if entry.path not in current]
    processing.remove_all(stale)


def _sized(name: str, path: Path) -> dict[str, object]:
    return {"file": name, "size": path.stat().st_size}


def empty_staging(deployment: Deployment, contract: SourceContract, drop: Drop) -> None:
    """Remove a drop that is loaded from staging, what announces it first: a file alone is no drop.

    What has landed since is not touched: it is the next drop, whether or not anybody has seen it yet.
    """
    staging = deployment.staging_of(contract)
    scan = register_landed(
        contract, staging, deployment.store, partition_key=drop.partition_key, now=deployment.clock
    )
    newest = deployment.store.drops.latest(drop.source, [drop.partition_key]).get(drop.partition_key)
    if scan.drops or newest is None or newest.key != drop.key:
        return
    announces = contract.completion.template
    if announces is not None:
        staging.remove(announces.of(drop.partition_key))
    digests = {file.path: file.digest for file in drop.files if staging.exists(file.path)}
    staging.remove_all([path for path, digest in digests.items() if digest_of(staging, path)[0] == digest])


def _version(deployment: Deployment, contract: SourceContract, drop: Drop) -> str:
    """Return a version that is new when the drop, the contract or the key of its masking is."""
    told = f"{contract.file.digest} {key_fingerprint(contract.columns, deployment.settings.masking_key)}"
    mark = hashlib.sha256(told.encode()).hexdigest()[:8]
    return f"{drop.ordinal}.{drop.digest[:16]}.{contract.version}-{mark}"
