"""A drop -> its originals, kept -> converted rows with a manifest -> the raw table's partition.

The order is what makes it safe to be killed at any moment: originals first, then what can be made again
from them, then the table in one transaction, and only then may staging be emptied. A second try does the same
again and finds what is there already.
"""

import hashlib
import itertools
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sluicegate.areas import Area
from sluicegate.contracts.model import SourceContract
from sluicegate.core.progress import step
from sluicegate.core.scratch import scratch_directory
from sluicegate.ingestion.conversion import Conversion, convert_drop
from sluicegate.ingestion.convert import TooManyBadRows
from sluicegate.ingestion.emptying import empty_staging
from sluicegate.ingestion.formats.base import Unreadable
from sluicegate.ingestion.formats.engine_said import told_of_the_machine
from sluicegate.ingestion.formats.plain import LandedFile
from sluicegate.ingestion.masking import key_fingerprint
from sluicegate.ingestion.originals import drop_folder, keep_originals, read_originals
from sluicegate.ingestion.raw_table import replace_partition, show_refused
from sluicegate.ingestion.refusal import DropRefused
from sluicegate.state.deployment import Deployment
from sluicegate.state.records import Drop
from sluicegate.warehouse.base import Session

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Loaded:
    """What a load left in the raw table; `read` = `rows` + `quarantined`. `warnings` are for people.

    `left_in_staging` says why a drop that was to be removed from there is not.
    """

    version: str
    rows: int
    read: int
    quarantined: int
    warnings: tuple[str, ...] = ()
    left_in_staging: str = ""


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
    with (
        told_of_the_machine(lambda: deployment.settings.load_memory),
        step(f"{drop.source} {drop.partition_key}"),
    ):
        return _load(deployment, contract, drop, then)


def _load(
    deployment: Deployment, contract: SourceContract, drop: Drop, then: Callable[[Session, Loaded], None]
) -> Loaded:
    version = _version(deployment, contract, drop)
    if drop.file is None:
        with step("replacing its rows in the table"), deployment.warehouse.session() as session:
            replace_partition(session, contract, drop, version)
            loaded = Loaded(version, 0, 0, 0)
            then(session, loaded)
        return loaded
    with scratch_directory(deployment.settings.data_dir / "scratch") as scratch:
        try:
            converted = convert_kept(deployment, contract, drop, scratch)
        except TooManyBadRows as refused:
            with deployment.warehouse.session() as session:
                show_refused(session, contract, drop, refused.quarantined)
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
            )
            loaded = Loaded(
                version, converted.loaded, converted.read, len(converted.quarantined), converted.warnings
            )
            then(session, loaded)
    if contract.empties_staging and (left := empty_staging(deployment, contract, drop)):
        loaded = replace(loaded, left_in_staging=left)
    return loaded


def convert_kept(
    deployment: Deployment,
    contract: SourceContract,
    drop: Drop,
    scratch: Path,
    *,
    for_mending: bool = False,
) -> Conversion:
    """Convert a drop from its originals, which are kept first: staging may change, what is loaded must not.

    Raises as `convert_drop` and `keep_originals` do.
    """
    tries = itertools.count(1)

    def convert(landed: list[LandedFile]) -> Conversion:
        own = scratch / f"try{next(tries)}"
        with step("reading and checking its rows"):
            return convert_drop(
                deployment, contract, drop, deployment.originals, landed, own, for_mending=for_mending
            )

    def keep() -> list[LandedFile]:
        with step("keeping its originals"):
            return keep_drop(deployment, contract, drop)

    return read_originals(drop, deployment.originals, keep, convert)


def keep_drop(deployment: Deployment, contract: SourceContract, drop: Drop) -> list[LandedFile]:
    """Make sure that the originals hold a drop's files; see `keep_originals`."""
    drops = deployment.store.drops.of(drop.source, drop.partition_key)
    earlier = [other for other in drops if other.ordinal < drop.ordinal]
    staging = deployment.staging_of(contract)
    return keep_originals(
        drop, staging, deployment.originals, deployment.cold, earlier, contract.completion.on
    )


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


def _version(deployment: Deployment, contract: SourceContract, drop: Drop) -> str:
    """Return a version that is new when the drop, the contract or the key of its masking is."""
    told = f"{contract.file.digest} {key_fingerprint(contract.columns, deployment.settings.masking_key)}"
    mark = hashlib.sha256(told.encode()).hexdigest()[:8]
    return f"{drop.ordinal}.{drop.digest[:16]}.{contract.version}-{mark}"
