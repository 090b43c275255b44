"""What is old: originals that go to the cold tier when their contract says so.

Belongs here: what is moved, and in which order, so that a drop is whole in one of the two areas at any
moment. Does not belong here: where an original is looked for (`ingestion.originals`), or anything that
forgets one: nothing does. When it is called is said in `upkeep`.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from sluicegate.areas import Area, digest_of
from sluicegate.contracts.model import SourceContract
from sluicegate.ingestion.originals import drop_folder, original_paths
from sluicegate.state.deployment import Deployment
from sluicegate.state.records import Drop


class OriginalChanged(Exception):
    """Originals that are not what was taken in, or cold copies that are not: they stay where they are."""


def move_to_cold(deployment: Deployment, contracts: Iterable[SourceContract], now: datetime) -> list[str]:
    """Move the originals that are older than their contract's `cold_after_days` to the cold tier.

    A drop's files are copied, read back and compared, and only then removed, so a move that was killed at any
    moment is finished by the next. Nothing happens where there is no cold tier.

    Args:
        deployment: the deployment.
        contracts: the contracts whose originals are looked at.
        now: the moment against which a drop's landing is compared, with its time zone.

    Returns:
        The folders of the drops that were moved, the same in both areas.

    Raises:
        OriginalChanged: once all others are moved, if a file is not what its drop's record says.
    """
    moved: list[str] = []
    changed: list[str] = []
    cold = deployment.cold
    if cold is None:
        return moved
    for contract in contracts:
        if contract.cold_after_days is None:
            continue
        oldest_kept = now - timedelta(days=contract.cold_after_days)
        for drop, warm in _warm_drops(deployment, contract):
            if drop.landed_at is None or drop.landed_at > oldest_kept:
                continue
            wrong = _move(drop, warm, deployment.originals, cold)
            if wrong:
                changed += wrong
            elif wrong is not None:
                moved.append(drop_folder(drop))
    if changed:
        raise OriginalChanged(
            f"{'; '.join(changed)}; expected the content that was taken in; restore it, or land the drop"
            " again"
        )
    return moved


def _warm_drops(deployment: Deployment, contract: SourceContract) -> Iterator[tuple[Drop, set[str]]]:
    """Yield the drops of which the originals' area still holds files, and the paths of these."""
    warm: dict[str, set[str]] = {}
    for entry in deployment.originals.listing(f"{contract.name}/**"):
        warm.setdefault("/".join(entry.path.split("/")[:2]), set()).add(entry.path)
    store = deployment.store
    for key, latest in sorted(store.drops.latest(contract.name).items()):
        paths = warm.get(drop_folder(latest).rpartition("/")[0])
        if not paths:
            continue
        for drop in store.drops.of(contract.name, key):
            held = {path for path in paths if path.startswith(f"{drop_folder(drop)}/")}
            if held:
                yield drop, held


def _move(drop: Drop, warm: set[str], originals: Area, cold: Area) -> list[str] | None:
    """Move one drop's files; return what is wrong with them, or None if they are not all there."""
    digests = {path: file.digest for file, path in original_paths(drop).items()}
    if not all(path in warm or cold.exists(path) for path in digests):
        return None  # it is being taken in, or never was: staging may still hold the rest
    for path in sorted(digests.keys() & warm):
        if not cold.exists(path):
            # Read before it is copied: what is wrong must not become what is kept.
            if digest_of(originals, path)[0] != digests[path]:
                return [f"the original {originals.path(path)} was changed"]
            cold.write(path, originals.chunks(path))
    wrong = [path for path, digest in digests.items() if digest_of(cold, path)[0] != digest]
    if wrong:
        return [f"the cold copy {cold.path(path)} is not its original" for path in wrong]
    originals.remove_tree(drop_folder(drop))
    return []
