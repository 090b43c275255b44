"""Staging, emptied of what is loaded, where the contract says so.

Belongs here: what may be removed, and trying again what could not. Does not belong here: loading (`load`).
"""

from sluicegate.areas import digest_of, storage_errors, why_of
from sluicegate.contracts.model import SourceContract
from sluicegate.core.partitions import UNPARTITIONED
from sluicegate.core.shown_text import shown
from sluicegate.ingestion.originals import original_paths
from sluicegate.ingestion.staging import register_landed, taken_and_left
from sluicegate.state.deployment import Deployment
from sluicegate.state.records import Drop


def empty_staging(deployment: Deployment, contract: SourceContract, drop: Drop) -> str:
    """Remove a drop that is loaded from staging, what announces it first: a file alone is no drop.

    What has landed since is not touched: it is the next drop, whether or not anybody has seen it yet. Returns
    why something could not be removed, or nothing: the drop is loaded all the same.
    """
    staging = deployment.staging_of(contract)
    scan = register_landed(
        contract, staging, deployment.store, partition_key=drop.partition_key, now=deployment.clock
    )
    newest = deployment.store.drops.latest(drop.source, [drop.partition_key]).get(drop.partition_key)
    if scan.drops or newest is None or newest.key != drop.key:
        return ""
    announces = contract.completion.template
    try:
        if announces is not None:
            staging.remove(announces.of(drop.partition_key))
        for file in drop.files:
            if staging.exists(file.path) and digest_of(staging, file.path)[0] == file.digest:
                staging.remove(file.path)
    except FileNotFoundError:  # another process, at this very drop
        return ""
    except storage_errors() as error:
        said = shown(f"{type(error).__name__}: {why_of(error)}", contract.near)
        return (
            f"{drop.file}: loaded, and cannot be removed from {staging.url} ({said}); expected that this"
            f" process may remove what it has loaded; let it, or say `staging: keep` in {contract.file.name};"
            " it is tried again at each look"
        )
    return ""


def empty_of_loaded(deployment: Deployment, contract: SourceContract) -> str:
    """Remove what is loaded already and still lies in staging; stop where it cannot be.

    Returns why something could not be removed, or nothing.
    """
    if not contract.empties_staging:
        return ""
    store, cut = deployment.store, contract.partitioning.partitioned
    drops = taken_and_left(contract, deployment.staging_of(contract), store)
    places = [(contract.relation, drop.partition_key if cut else UNPARTITIONED) for drop in drops]
    newest = {(build.relation, build.partition_key): build for build in store.builds_of(places)}
    kept_in = [area for area in (deployment.originals, deployment.cold) if area is not None]
    for place, drop in zip(places, drops, strict=True):
        build = newest.get(place)
        if build is None or build.drop_ordinal != drop.ordinal:
            continue
        if not all(any(area.exists(path) for area in kept_in) for path in original_paths(drop).values()):
            continue  # what was loaded by other means may be nowhere else
        if left := empty_staging(deployment, contract, drop):
            return left
    return ""
