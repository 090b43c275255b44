"""Whether the parts of a backup are of one moment: records, warehouse and shards tell of each other.

Belongs here: what is compared, in words. Does not belong here: whether each file is as it was written
(`verifying`).
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sluicegate.operations.backup.folder import BackupError, File, Folder, copied
from sluicegate.operations.backup.parts import DELIVERIES, RECORDS, WAREHOUSE
from sluicegate.state.copying import whole
from sluicegate.state.deployment import versions_in
from sluicegate.state.store import StateStore
from sluicegate.warehouse.base import CopyDamaged

# Where shards are taken to lie: their place within the folder is all that counts.
_ROOT = Path("/deliveries")
_NAMED = 3


def disagreements(folder: Folder, files: Sequence[File]) -> list[str]:
    """Return what does not agree in a backup, in words.

    A process that was killed between two writes leaves that behind, and so does a shard that was lost: the
    gate and the engine deal with it, before and after a restore.

    Raises:
        BackupError: a database in it cannot be opened.
    """
    found: list[str] = []
    with store_of(folder, files) as store:
        on_record = _builds(store, files, folder)
        found += _versions(on_record)
        held = {file.path for file in files if file.part == DELIVERIES}
        lost = [shard for shard in dict.fromkeys(_shards(store)) if shard not in held]
        if lost:
            found.append(f"{_counted(lost)} of the records: not in deliveries/")
    return found


@contextmanager
def store_of(folder: Folder, files: Sequence[File]) -> Generator[StateStore]:
    """Open the records of a backup, on a copy.

    Raises:
        BackupError: they are not there, or are no whole database.
    """
    file = next((file for file in files if file.part == RECORDS), None)
    if file is None or not folder.object(file.digest).is_file():
        raise BackupError("the records are not in the backup; take another")
    with TemporaryDirectory() as scratch:
        copy = Path(scratch) / "state.db"
        copied(folder.object(file.digest), copy)
        if problem := whole(copy):
            raise BackupError(f"the records of the backup are damaged: {problem}; take another")
        store = StateStore(f"sqlite:///{copy}", shards=_ROOT)
        try:
            yield store
        finally:
            store.close()


def _builds(
    store: StateStore, files: Sequence[File], folder: Folder
) -> dict[tuple[str, str], tuple[str, str]]:
    """Return {(table, partition): (version in the warehouse, version of the newest build on record)}."""
    file = next((file for file in files if file.part == WAREHOUSE), None)
    if file is None:
        return {}
    try:
        held = versions_in(folder.object(file.digest))
    except CopyDamaged as error:
        raise BackupError(f"the warehouse of the backup cannot be opened: {error}; take another") from None
    newest = {relation: store.latest_builds(relation) for relation in {item.relation for item in held}}
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for item in held:
        build = newest[item.relation].get(item.partition_key)
        found[(item.relation, item.partition_key)] = (item.version, build.version if build else "")
    return found


def _versions(held: dict[tuple[str, str], tuple[str, str]]) -> list[str]:
    other = [f"{relation} [{key}]" for (relation, key), (one, two) in held.items() if one != two]
    return [f"{_counted(other)} of the warehouse: another version than the newest build on record"] * bool(
        other
    )


def _shards(store: StateStore) -> Iterator[str]:
    """Yield the files that the records need to tell what destinations hold, and what is on its way there."""
    deliveries = store.deliveries
    for export, scope in deliveries.scopes():
        found = deliveries.layers(export, scope)
        base = deliveries.base(export, scope)
        if base is not None and found and base.after_id >= found[0].id:
            yield _within(base.shard)
            found = [item for item in found if item.id > base.after_id]
        under_way = deliveries.open_in(export, scope)
        for item in [*found, *([under_way] if under_way is not None else [])]:
            if item.shard_rows:
                yield _within(item.shard)


def _within(shard: str) -> str:
    path = Path(shard)
    return path.relative_to(_ROOT).as_posix() if path.is_relative_to(_ROOT) else shard


def _counted(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
