"""Versions of published tables that nobody may need any more go: the data first, then what names them.

Kept are the versions that a catalogue names which was the newest in the last days, or which a lease names;
but none with columns that are left out today by their class.
Belongs here: which those are, and the order. Does not belong here: leases themselves (`leases`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from sluicegate.publishing.catalogue import Catalogue
from sluicegate.publishing.leases import all_leases, end_lease
from sluicegate.publishing.shelf import Shelf
from sluicegate.state.held_lease import Lease


@dataclass(frozen=True)
class Cleaned:
    """What was removed: files of tables, and catalogues by name; `left` are files that are there still."""

    files: int
    catalogues: tuple[str, ...]
    left: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """It in words."""
        left = f"; still there: {', '.join(self.left)}" if self.left else ""
        return f"removed {self.files} files and {len(self.catalogues)} catalogues{left}"


def clean(shelf: Shelf, lease: Lease, now: datetime, keep: timedelta) -> Cleaned:
    """Remove what no catalogue of the last days and no lease names; `lease` is the publishers' own.

    A catalogue goes at once that has columns which the newest leaves out, and leases on it end.
    """
    names = shelf.names()
    catalogues = {name: shelf.catalogue(name) for name in names}
    leases = [one for one in all_leases(shelf.area) if one.runs_at(now)]
    kept = _kept(catalogues, {one.catalogue for one in leases}, now - keep)
    kept -= (closed := {name for name in kept if catalogues[name].shows_more_than(catalogues[names[-1]])})
    for one in leases:
        if one.catalogue in closed:
            end_lease(shelf.area, one.id, "it shows columns that are of a class which is not published now")
    versions: dict[str, set[int]] = {}
    for name in kept:
        for table in catalogues[name].whole_tables().values():
            versions.setdefault(table.location, set()).add(table.at)
    removed, left = 0, list[str]()
    for location in sorted(shelf.locations()):
        lease.still_held()
        log, area = shelf.log(location), shelf.area
        if location in versions:
            named = log.files_of(versions[location])
            gone = [f"{location}/{name}" for name in sorted(shelf.files_at(location) - named)]
            if gone:
                # A file may be there for a commit that is still to come, of a process that was stopped.
                log.raise_version()
            area.remove_all(gone)
        else:
            gone = [entry.path for entry in area.listing(f"{location}/**")]
            area.remove_tree(location)
        removed += len(gone)
        # What storage says that it has removed is looked for.
        left += [path for path in gone if area.exists(path)]
    lease.still_held()
    old = [name for name in names if name not in kept]
    if not left:
        shelf.remove(old, frozenset().union(*(shelf.sheets(catalogues[name]) for name in kept)))
    return Cleaned(removed, () if left else tuple(old), tuple(left))


def _kept(catalogues: dict[str, Catalogue], leased: Iterable[str], oldest: datetime) -> set[str]:
    """Return the names of those that were the newest at a moment since `oldest`, or are leased."""
    kept = {*leased} & catalogues.keys() | set(list(catalogues)[-1:])
    return kept | {
        name for name, following in pairwise(catalogues) if catalogues[following].published_at >= oldest
    }
