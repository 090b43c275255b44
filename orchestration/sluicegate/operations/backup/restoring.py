"""A restore: a backup's files, the erasures since, and the word that nothing is sent before it was looked at.

The first thing that is written is a mark (`state.restore_mark`): while it is there, every command and
process refuses the data directory, and says how to go on. It goes last. In between each file is put in its
place whole; the records come after all others, and only once they know of the restore and of every erasure.
So after a crash anywhere the same is typed again, and begins anew. The mark says which places were empty
then: those alone are cleared, and no other one is gone over.

Belongs here: the order, and what is refused. Does not belong here: who may send afterwards
(`delivery.restored`), what is done for one export's erasures (`delivery.erasure`).
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sluicegate.core.progress import step
from sluicegate.core.settings import Settings
from sluicegate.delivery.erasure import erase_again
from sluicegate.delivery.ledger import Ledger
from sluicegate.operations.backup.folder import (
    BackupError,
    File,
    Folder,
    Manifest,
    copied,
    files_below,
    told,
)
from sluicegate.operations.backup.parts import RECORDS, WAREHOUSE, folders
from sluicegate.state.erasure_journal import ErasureJournal, Mark
from sluicegate.state.records import OPEN, DeliveryStatus, ForgottenKey
from sluicegate.state.restore_mark import (
    RestoreUnderWay,
    alone,
    begin_restore,
    end_restore,
    restore_begun,
)
from sluicegate.state.restores import Restore
from sluicegate.state.store import StateStore
from sluicegate.state.upgrade import FORM

Say = Callable[[str], None]
_PARTIAL = ".restoring"
_LOGS = ("", "-wal", "-shm", "-journal")
_REPLAYED = "replayed from the journal of erasures after a restore"


@dataclass(frozen=True)
class Restored:
    """What a restore has done: the exports that wait to be reconciled, erasures replayed, rows taken out."""

    manifest: Manifest
    exports: tuple[str, ...]
    erasures: int
    rows: int


def restore(
    settings: Settings,
    folder: Folder,
    manifest: Manifest,
    *,
    none_since: datetime | None,
    say: Say,
    journal_of: Path | None = None,
) -> Restored:
    """Bring a backup back into the places of a deployment, which are empty.

    Args:
        settings: the deployment; its journal of erasures is read.
        folder: where the backup is.
        manifest: which it is.
        none_since: since when nobody was forgotten, as a person states where the journal is lost.
        say: is told how far it is.
        journal_of: the journal of the deployment that was backed up, where this is another path.

    Raises:
        BackupError: something lives there, the backup is damaged, or the journal of erasures is not there.
        JournalError: that journal is another's, or was cut.
    """
    fix = (
        f"expected room in {settings.data_dir}, and the right to write there and to read {folder.path}; give"
        " it that, then type the same again"
    )
    with told("the restore did not end", fix):
        _require_fit(settings, manifest)
        _require_empty(settings)
        _require_journal(settings, manifest, none_since, journal_of)
        try:
            with alone(settings.data_dir):
                return _restore(settings, folder, manifest, none_since, say, journal_of)
        except RestoreUnderWay as error:
            raise BackupError(f"nothing was restored: {error}") from None


def _restore(
    settings: Settings,
    folder: Folder,
    manifest: Manifest,
    none_since: datetime | None,
    say: Say,
    journal_of: Path | None,
) -> Restored:
    _require_empty(settings)  # once more, as another restore may have ended meanwhile
    journal = _journal(settings, manifest, none_since, journal_of)
    again = restore_begun(settings.data_dir) is not None
    if again:
        say("a restore that did not end is cleared away")
        _clear(settings)
    begin_restore(settings.data_dir, folder.path, manifest.name, _places(settings))
    _bring_back(settings, folder, manifest, say)
    waiting = settings.data_dir / f"state.db{_PARTIAL}"
    store = StateStore(f"sqlite:///{waiting}", shards=settings.deliveries_dir)
    try:
        _end_plans(store)
        replayed = _replay(store, journal) if journal is not None else 0
        exports = tuple(dict.fromkeys(export for export, _ in store.deliveries.scopes()))
        ledger = Ledger(store, settings.deliveries_dir)
        erased = dict.fromkeys(item.export for item in store.forgotten_keys.of())
        rows = sum(erase_again(ledger, export) for export in erased)
        at = datetime.now(manifest.taken_at.tzinfo)
        store.restores.record(Restore(manifest.name, manifest.taken_at, at))
        store.identities.restored(settings.data_dir, f"restored from the backup {manifest.name}")
        forgotten = store.forgotten_keys.of()
    finally:
        store.close()
    if replayed or rows:
        say(f"{replayed:,} erasures replayed, {rows:,} rows taken out of deliveries/")
    if journal is None:
        ErasureJournal(settings.erasures_file).complete(forgotten)
    _place_records(settings, waiting)
    end_restore(settings.data_dir)
    return Restored(manifest, exports, replayed, rows)


# -- what is refused


def _require_fit(settings: Settings, manifest: Manifest) -> None:
    """Raise where this code, these settings or this machine's clock cannot bring a backup back."""
    if manifest.records_form > FORM:
        raise BackupError(
            f"nothing was restored: the records of the backup {manifest.name} are of form"
            f" {manifest.records_form}, of newer code (Sluice {manifest.code}); expected {FORM} or older;"
            " start that code"
        )
    elsewhere = {file.part for file in manifest.files} - {*folders(settings), RECORDS, WAREHOUSE}
    if elsewhere:
        raise BackupError(
            f"nothing was restored: the backup has the area {sorted(elsewhere)[0]}, which this deployment has"
            " elsewhere; expected the areas that it had when it was taken; unset its variable, or copy it"
            " back yourself"
        )
    # By the clock a partition is known that begins after the restore, and that nobody was sent before.
    clock = datetime.now(manifest.taken_at.tzinfo)
    if clock < manifest.taken_at:
        raise BackupError(
            f"nothing was restored: this machine's clock says {clock:%Y-%m-%d %H:%M:%S} UTC, and the backup"
            f" was taken at {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC; expected a later moment; set the"
            " clock, then type the same again"
        )


def _require_empty(settings: Settings) -> None:
    """Raise where a deployment lives in any of the places, but for what a restore that did not end made."""
    ours = _begun_in(settings)
    living = [str(path) for name, path in _homes(settings).items() if name not in ours and _lives(path)]
    state = _state_place(settings)
    if not living and not _on_sqlite(settings) and state not in ours:
        store = StateStore(settings.state_url.get_secret_value())
        try:
            counted = store.rows()
        finally:
            store.close()
        living = [
            f"the table {name} behind SLUICE_STATE_URL"
            for name, rows in counted.items()
            if rows and name not in ("records_form", "leases", "deployment")
        ]
    if living:
        raise BackupError(
            f"nothing was restored: {living[0]} is there, and a restore never goes over what lives; expected"
            f" an empty place; stop everything and move {settings.data_dir} and what belongs to it aside, or"
            " name an empty data directory in `--into`"
        )


def _begun_in(settings: Settings) -> frozenset[str]:
    """Return the places that a restore which did not end has found empty: what is there is its own."""
    begun = restore_begun(settings.data_dir)
    if begun is None:
        return frozenset()
    if begun.places is not None:
        return begun.places
    return frozenset(
        name for name, path in _homes(settings).items() if path.is_relative_to(settings.data_dir)
    )


def _lives(path: Path) -> bool:
    return bool(files_below(path)) if path.is_dir() else path.exists()


def _require_journal(
    settings: Settings, manifest: Manifest, none_since: datetime | None, journal_of: Path | None
) -> None:
    """Raise where no journal of erasures of this deployment is there, and nobody stated that none is needed.

    One that is there must have come as far as the backup says, or farther.
    """
    own, taken = ErasureJournal(settings.erasures_file), manifest.taken_at
    journals = [item for item in (own, ErasureJournal(journal_of or own.file)) if item.exists]
    for journal in journals:
        journal.require_after(Mark(**manifest.erasures))
    if not journals and (none_since is None or none_since > taken):
        raise BackupError(
            f"nothing was restored: the journal of erasures {journal_of or own.file} is not there, and"
            f" whoever was forgotten since {taken:%Y-%m-%dT%H:%M:%SZ} would come back; expected that file,"
            " which no"
            " backup holds; name it in SLUICE_ERASURES_FILE; or, if nobody was forgotten since,"
            f" `sluice backup restore … --no-erasures-since {taken:%Y-%m-%dT%H:%M:%SZ}`"
        )


def _journal(
    settings: Settings, manifest: Manifest, none_since: datetime | None, journal_of: Path | None
) -> ErasureJournal | None:
    """Return the journal of erasures; None where a person stated that nobody was forgotten.

    In another path it begins as a copy of that of the deployment, and has all that this knows.
    """
    _require_journal(settings, manifest, none_since, journal_of)
    own, other = ErasureJournal(settings.erasures_file), ErasureJournal(journal_of or settings.erasures_file)
    if other.file != own.file and other.exists:
        own.take_over(other)
    return own if own.exists else None


# -- files


def _bring_back(settings: Settings, folder: Folder, manifest: Manifest, say: Say) -> None:
    roots = folders(settings)
    with step("bringing back", manifest.size, "bytes") as under_way:
        for part in dict.fromkeys(file.part for file in manifest.files):
            files = [file for file in manifest.files if file.part == part]
            for file in files:
                under_way.now = f"{part}/{file.path}"
                _put(folder, file, _place(settings, roots, file))
                under_way.add(file.size)
            say(f"{part}: {len(files):,} files; {under_way.done:,} of {manifest.size:,} bytes")


def _place(settings: Settings, roots: dict[str, Path], file: File) -> Path:
    if file.part == RECORDS:
        return settings.data_dir / f"state.db{_PARTIAL}"
    return settings.warehouse_path if file.part == WAREHOUSE else roots[file.part] / file.path


def _put(folder: Folder, file: File, at: Path) -> None:
    """Put a file in its place, whole or not at all; its content is digested on the way."""
    at.parent.mkdir(parents=True, exist_ok=True)
    partial = at.with_name(f"{at.name}{_PARTIAL}.partial")
    content = folder.object(file.digest)
    try:
        digest, _ = copied(content, partial)
    except FileNotFoundError:
        digest = ""
    if digest != file.digest:
        partial.unlink(missing_ok=True)
        raise BackupError(
            f"{file.part}/{file.path} of the backup is not as it was written, or gone: {content}; expected"
            " what `sluice backup verify` finds in order; restore another: `--at NAME` names it"
        )
    if file.changed:
        os.utime(partial, ns=(file.changed, file.changed))
    partial.replace(at)


def _homes(settings: Settings) -> dict[str, Path]:
    """Return {place: path} of all that a restore writes on this machine; a place is known by its path.

    Beside the databases is what lies there of them: a log of another's would be read into ours.
    """
    warehouse = settings.warehouse_path
    files = [warehouse, warehouse.with_name(f"{warehouse.name}.wal")]
    if _on_sqlite(settings):
        state = _sqlite_file(settings)
        files += [state, *(state.with_name(f"{state.name}{end}") for end in _LOGS[1:])]
    return {str(path): path for path in (*files, *folders(settings).values())}


def _places(settings: Settings) -> list[str]:
    return [*_homes(settings), _state_place(settings)]


def _state_place(settings: Settings) -> str:
    """Return what a state store is known by, which has no secret in it."""
    url = settings.state_url.get_secret_value()
    return f"state {hashlib.sha256(url.encode()).hexdigest()[:16]}"


def _clear(settings: Settings) -> None:
    """Take away what an earlier try has left in the places that it found empty."""
    ours = _begun_in(settings)
    waiting = settings.data_dir / f"state.db{_PARTIAL}"
    paths = [path for name, path in _homes(settings).items() if name in ours]
    for path in [*paths, *(waiting.with_name(f"{waiting.name}{end}") for end in _LOGS)]:
        if path.is_dir():
            for item in path.iterdir():
                _remove(item)
        else:
            path.unlink(missing_ok=True)
            path.with_name(f"{path.name}{_PARTIAL}.partial").unlink(missing_ok=True)


def _remove(item: Path) -> None:
    if item.is_dir() and not item.is_symlink():
        shutil.rmtree(item)
    else:
        item.unlink()


def _on_sqlite(settings: Settings) -> bool:
    return settings.state_url.get_secret_value().startswith("sqlite")


def _sqlite_file(settings: Settings) -> Path:
    import sqlalchemy as sa

    return Path(sa.make_url(settings.state_url.get_secret_value()).database or "")


# -- records


def _end_plans(store: StateStore) -> None:
    """End what was planned and not settled: what the destination has of it, a look or a resync tells."""
    for export, _ in store.deliveries.scopes():
        for plan in store.deliveries.open_of(export):
            store.deliveries.move(plan.delivery_id, DeliveryStatus.SUPERSEDED, out_of=OPEN)


def _replay(store: StateStore, journal: ErasureJournal) -> int:
    """Put erasures on record that the backup does not know, or not as far; return how many."""
    known = {(item.export, item.salt, item.key_digest): item for item in store.forgotten_keys.of()}
    replayed = 0
    for item in journal.erasures():
        before = known.get((item.export, item.salt, item.key_digest))
        if before is None:
            store.forgotten_keys.record(
                ForgottenKey(
                    item.export, item.salt, item.key_digest, item.found, item.stage, _REPLAYED, "",
                    datetime.fromisoformat(item.at), item.fields,
                )
            )  # fmt: skip
        elif before.outcome != item.stage:
            store.forgotten_keys.conclude(item.export, item.salt, item.found, item.stage)
        replayed += before is None
    return replayed


def _place_records(settings: Settings, waiting: Path) -> None:
    if _on_sqlite(settings):
        file = _sqlite_file(settings)
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.parent.stat().st_dev == waiting.parent.stat().st_dev:
            waiting.replace(file)
            return
        copied(waiting, file)
    else:
        store = StateStore(settings.state_url.get_secret_value())
        try:
            store.copy_in(waiting)
        finally:
            store.close()
    waiting.unlink()
