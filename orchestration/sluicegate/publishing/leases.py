"""Who reads from a shelf: an environment's lease names the catalogue that it was made from, for some days.

    leases/8b0c….json      which environment, which catalogue, for how long: written once
    leases/8b0c….ended     why it ended before its time

What a lease names stays on the shelf while it runs. It runs by the shelf's clock, which says when it was
written. Belongs here: that. Does not belong here: environments, and what is cleaned up.
"""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sluicegate.areas import Area

_LEASES, _ENDED = "leases", ".ended"


@dataclass(frozen=True)
class ShelfLease:
    """A lease: of the environment `name`, made by `holder` (`user@host`), on a catalogue, for `days`.

    `ended` is why it ended before its time; "" where it did not.
    """

    id: str
    name: str
    catalogue: str
    holder: str
    days: int
    taken_at: datetime
    ended: str = ""

    @property
    def expires_at(self) -> datetime:
        """When it ends by itself (UTC)."""
        return self.taken_at + timedelta(days=self.days)

    def runs_at(self, moment: datetime) -> bool:
        """Whether what it names must stay."""
        return not self.ended and moment < self.expires_at


def take_lease(area: Area, name: str, catalogue: str, holder: str, days: int) -> ShelfLease:
    """Write a lease, and return it as the shelf has it."""
    lease_id = uuid.uuid4().hex
    said = {"name": name, "catalogue": catalogue, "holder": holder, "days": days}
    area.create(f"{_LEASES}/{lease_id}.json", [json.dumps(said).encode()])
    return next(lease for lease in _read(area, lease_id))


def all_leases(area: Area) -> list[ShelfLease]:
    """Return all leases, oldest first, those that have ended too."""
    return sorted(_read(area), key=lambda lease: lease.taken_at)


def lease_of(area: Area, lease_id: str) -> ShelfLease | None:
    """Return a lease; None where the shelf has it no more."""
    return next(_read(area, lease_id), None)


def end_lease(area: Area, lease_id: str, why: str) -> None:
    """End a lease before its time: what it names may go, and its environment refuses to be used."""
    area.write(f"{_LEASES}/{lease_id}{_ENDED}", [why.encode()])


def end_all(area: Area, why: str) -> list[ShelfLease]:
    """End every lease that runs, and return those: what they name must go, as when a person is forgotten."""
    moment = clock_of(area)
    running = [lease for lease in all_leases(area) if lease.runs_at(moment)]
    for lease in running:
        end_lease(area, lease.id, why)
    return running


def clear_lease(area: Area, lease_id: str) -> None:
    """Take a lease away, when nothing is left of its environment."""
    area.remove_all([f"{_LEASES}/{lease_id}.json", f"{_LEASES}/{lease_id}{_ENDED}"])


def clock_of(area: Area) -> datetime:
    """Return what the shelf's clock says, as far as it has shown: when the newest of its leases was written.

    This machine's clock counts where it is later, so that none that stands still keeps a lease.
    """
    shown = (entry.modified for entry in area.listing(f"{_LEASES}/*"))
    return max([datetime.now(UTC), *(moment for moment in shown if moment is not None)])


def _read(area: Area, lease_id: str = "*") -> Iterator[ShelfLease]:
    ended: dict[str, str] = {}
    found: dict[str, ShelfLease] = {}
    for entry in area.listing(f"{_LEASES}/{lease_id}*"):
        stem, _, suffix = entry.path.rpartition("/")[2].partition(".")
        content = area.read(entry.path)
        if content is None or entry.modified is None:  # taken away meanwhile
            continue
        if suffix == _ENDED[1:]:
            ended[stem] = content.decode()
        elif suffix == "json":
            found[stem] = ShelfLease(stem, taken_at=entry.modified, **json.loads(content))
    yield from (replace(lease, ended=ended.get(stem, "")) for stem, lease in found.items())
