"""Taking a backup while work goes on.

Files that never change are copied first, with nobody kept waiting. Then comes the quiet moment: the
deployment is under maintenance, what is being sent is waited for, the warehouse is open here and nowhere
else; records and warehouse are copied, and the files that came or changed meanwhile. Then everybody goes on,
and what was copied is digested. `backup.json` is written last.

Belongs here: the order. Does not belong here: the folder's layout (`folder`), what agrees with what
(`agreement`).
"""

import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

from sluicegate.core.environments import made_from
from sluicegate.core.progress import each
from sluicegate.core.settings import Settings
from sluicegate.core.version import own_version
from sluicegate.destinations.registry import destination_types
from sluicegate.operations.backup.agreement import disagreements
from sluicegate.operations.backup.folder import (
    BackupError,
    File,
    Folder,
    Manifest,
    files_below,
    told,
)
from sluicegate.operations.backup.parts import (
    DAGSTER,
    NOT_KEPT,
    RECORDS,
    THE_FILE,
    WAREHOUSE,
    area_urls,
    folders,
    own_areas,
    places,
)
from sluicegate.state.deployment import Deployment
from sluicegate.state.leases import LeaseTimeout
from sluicegate.state.maintenance import MAINTENANCE
from sluicegate.state.upgrade import FORM
from sluicegate.warehouse.base import Session

Say = Callable[[str], None]
_LOOK_AGAIN_SECONDS = 0.2


def take(
    deployment: Deployment, folder: Folder, *, patience: float, say: Say, keep: int | None = None
) -> Manifest:
    """Take a backup of a deployment; work goes on but for a short while.

    Args:
        deployment: what is backed up.
        folder: where backups are.
        patience: seconds to wait for what is under way; nothing new begins meanwhile.
        say: is told how far it is.
        keep: how many backups stay, this one among them; None: all.

    Returns:
        What was taken.

    Raises:
        BackupError: the folder does not fit or is in use, or what is under way did not end in time. No backup
            was made, and all that there were are as they were.
        JournalError: the journal of erasures cannot be written.
    """
    fix = (
        f"expected room in {folder.path}, and the right to write there and to read the deployment; give it"
        " that, or name another folder, then type the same again"
    )
    if made_from(deployment.settings.data_dir) is not None:
        raise BackupError(
            f"{deployment.settings.data_dir} is an environment, which shows what production publishes until"
            " its end; expected one with data of its own; what is to stay is in git: `sluice env new`"
            " makes another one"
        )
    with told("no backup was made", fix):
        folder.require_fit(*places(deployment.settings))
        with folder.alone():
            try:
                return _take(deployment, folder, patience=patience, say=say, keep=keep)
            finally:
                folder.clear_scratch()


def _take(deployment: Deployment, folder: Folder, *, patience: float, say: Say, keep: int | None) -> Manifest:
    settings, store = deployment.settings, deployment.store
    began, taken = time.monotonic(), _Taken(folder, folder.newest(), say)
    # Before anything is copied: whoever is forgotten while it is, is written down after this mark.
    journal = store.forgotten_keys.journal
    assert journal is not None  # a deployment has one
    mark = journal.complete(store.forgotten_keys.of())
    for part, root in folders(settings).items():
        if part != DAGSTER:  # whose files change all the time
            taken.part(part, root)
    with _quiet(deployment, patience, say) as session:
        quiet = time.monotonic()
        at = deployment.clock()
        records, warehouse = folder.scratch(RECORDS), folder.scratch(WAREHOUSE)
        roots = folders(settings)
        # The daemon's sensors go on: what they have seen must not be newer than the records, in which they
        # would find nothing new then.
        taken.part(DAGSTER, roots.pop(DAGSTER))
        store.copy_out(records)
        if session is not None:
            session.copy_to(warehouse)
        for part, root in roots.items():
            taken.part(part, root)
        quiet = time.monotonic() - quiet
    say(f"work goes on; it was kept waiting for {quiet:.1f} s")
    taken.adopt(RECORDS, records)
    if session is not None:
        taken.adopt(WAREHOUSE, warehouse)
    files = taken.files()
    manifest = Manifest(
        name=folder.name_for(at),
        taken_at=at,
        seconds=round(time.monotonic() - began, 3),
        quiet_seconds=round(quiet, 3),
        code=own_version(),
        records_form=FORM,
        records=settings.state_url.get_secret_value().partition(":")[0].partition("+")[0],
        dagster=_dagster_is_in(settings),
        areas={name: name in own_areas(settings) for name in area_urls(settings)},
        erasures=asdict(mark),
        notes=disagreements(folder, files),
        files=files,
    )
    folder.complete(manifest)
    for name in folder.tidy(keep):
        say(f"the backup {name} cannot be read: as long as it is there, nothing is cleared away")
    return manifest


class _Taken:
    """The files of a backup, each copied where the folder lacks its content."""

    def __init__(self, folder: Folder, before: Manifest | None, say: Say) -> None:
        self._folder, self._say = folder, say
        self._known = {(file.part, file.path): file for file in (before.files if before else ())}
        self._found: dict[tuple[str, str], File] = {}

    def part(self, part: str, root: Path) -> None:
        """Take the files below a folder as they are now; those that went since an earlier call go."""
        there: set[tuple[str, str]] = set()
        copied = 0
        for path in each(f"copying {part}", list(files_below(root, NOT_KEPT.get(part, ()))), "files"):
            name = (part, path.relative_to(root).as_posix())
            try:
                file, new = self._file(name, path)
            except FileNotFoundError:  # it went while we looked
                continue
            if file is not None:
                there.add(name)
                self._found[name] = file
                copied += new
        for name in [name for name in self._found if name[0] == part and name not in there]:
            del self._found[name]
        if copied:
            self._say(f"{part}: {copied:,} of {len(there):,} files copied")

    def adopt(self, part: str, scratch: Path) -> None:
        """Take a copy that was made in the folder's scratch."""
        digest, size = self._folder.adopt(scratch)
        self._found[(part, THE_FILE)] = File(part, THE_FILE, digest, size)
        self._say(f"{part}: {size:,} bytes")

    def files(self) -> list[File]:
        """Return all files, in the order of their names."""
        return [self._found[name] for name in sorted(self._found)]

    def _file(self, name: tuple[str, str], path: Path) -> tuple[File | None, bool]:
        part, relative = name
        if part == DAGSTER and relative.endswith(("-wal", "-shm", "-journal")):
            return None, False
        stated = path.stat()
        is_open = Path(f"{path}-wal").exists()
        for known in (self._found.get(name), self._known.get(name)):
            same = known is not None and (known.size, known.changed) == (stated.st_size, stated.st_mtime_ns)
            if known is not None and same and not is_open and self._folder.has(known):
                return known, False
        if part == DAGSTER and path.suffix == ".db":
            digest, size = self._database(path)
            # Its own size and time: by them the next backup knows that nothing was written to it.
            changed = 0 if is_open or size != stated.st_size else stated.st_mtime_ns
            return File(part, relative, digest, size, changed), True
        digest, size = self._folder.keep(path)
        return File(part, relative, digest, size, stated.st_mtime_ns), True

    def _database(self, path: Path) -> tuple[str, int]:
        """Copy an SQLite file that others write to, as of one moment."""
        scratch = self._folder.scratch("database")
        scratch.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(scratch)) as target:
            source.backup(target)
        return self._folder.adopt(scratch)


@contextmanager
def _quiet(deployment: Deployment, patience: float, say: Say) -> Generator[Session | None]:
    """Keep all work away, once what is under way has ended; yield the warehouse, None where there is none."""
    leases, settings = deployment.store.leases, deployment.settings
    deadline = time.monotonic() + patience
    try:
        with leases.hold(MAINTENANCE, wait_seconds=patience, waiting=say):
            told = False
            while sending := _sending(deployment):
                if time.monotonic() > deadline:
                    name, holder = next(iter(sending.items()))
                    raise BackupError(
                        f"no backup was made: {holder} is at work on {name}, and did not end within"
                        f" {patience:g} s; expected an end of what is under way; look at that run, then type"
                        " the same again, with a longer `--wait`"
                    )
                if not told:
                    say(f"waiting for {len(sending)} deliveries under way")
                    told = True
                time.sleep(_LOOK_AGAIN_SECONDS)  # a database offers nothing to wait on
            if not settings.warehouse_path.exists():
                yield None
                return
            left = max(deadline - time.monotonic(), 1.0)
            with _opened(deployment, left) as session:
                yield session
    except LeaseTimeout as error:
        raise BackupError(
            f"no backup was made: {error}; expected one backup at a time; type the same again once that has"
            " ended"
        ) from None


@contextmanager
def _opened(deployment: Deployment, patience: float) -> Generator[Session]:
    opening = deployment.warehouse_within(patience).session()
    try:
        session = opening.__enter__()
    except Exception as error:
        if "lock" not in str(error).lower():
            raise
        raise BackupError(
            f"no backup was made: another process had the warehouse open for {patience:g} s; expected an end"
            " of the step that does; look at the runs, then type the same again, with a longer `--wait`"
        ) from None
    try:
        yield session
    finally:
        opening.__exit__(None, None, None)


def _sending(deployment: Deployment) -> dict[str, str]:
    """Return {object: who is at work on it}: other leases are no work at a destination."""
    held = deployment.store.leases.at_work()
    return {name: by for name, by in held.items() if name.partition(" ")[0] in destination_types}


def _dagster_is_in(settings: Settings) -> bool:
    return (settings.dagster_home / "history" / "runs.db").exists()
