"""Listing and removing environments: data first, then a second look, and only then what tells of it.

Belongs here: that order, and what is left. Does not belong here: whether one's time has ended (`record`).
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sluicegate.areas import Area
from sluicegate.core.environments import FILE
from sluicegate.core.settings import Settings
from sluicegate.environments.making import alone
from sluicegate.environments.record import (
    OF_ONE,
    Made,
    NotUsable,
    OtherForm,
    data_dirs,
    ended,
    holder,
    is_one,
    none_of_this_name,
    settings_of,
)
from sluicegate.publishing.leases import all_leases, clear_lease, clock_of, end_lease, lease_of
from sluicegate.state.identity import anchor_of
from sluicegate.state.store import StateStore


@dataclass
class Swept:
    """What a sweep has removed, by name, and the paths of what is left."""

    gone: list[str] = field(default_factory=list[str])
    left: list[str] = field(default_factory=list[str])


def rows(settings: Settings) -> Iterator[dict[str, str]]:
    """Yield all environments that are made here; `stands` tells whether one's time has ended."""
    for data_dir in data_dirs(settings):
        try:
            made = Made.read(data_dir)
            half = "half of one: `sluice env sweep` removes it"
            stands = (ended(made, settings) or "in its time") if made else half
        except NotUsable as error:
            made, stands = None, str(error)
        yield {
            "environment": data_dir.name,
            "made_by": made.holder if made else "",
            "days": f"{made.first} to {made.last}" if made else "",
            "as_of": made.catalogue if made else "",
            "until": f"{made.expires_at:%Y-%m-%d}" if made else "",
            "stands": stands,
        }


def shown(settings: Settings, made: Made) -> dict[str, Any]:
    """Return what an environment is, and which of its tables are built there and not production's."""
    store = StateStore(settings.state_url.get_secret_value())
    own = store.built_by_runs_other_than(f"inherited:{made.catalogue}")
    store.close()
    outbox = settings.data_dir / "outbox"
    return {
        "name": made.name,
        "made_by": made.holder,
        "data_directory": str(settings.data_dir),
        "catalogue": made.catalogue,
        "shelf": made.shelf,
        "days": f"{made.first} to {made.last}",
        "until": f"{made.expires_at:%Y-%m-%d %H:%M} UTC",
        "built_here": sorted(own),
        "outbox": sorted(path.name for path in outbox.iterdir()) if outbox.is_dir() else [],
    }


def drop(settings: Settings, name: str) -> list[str]:
    """Remove an environment, and return the paths of what is left of it.

    Raises:
        NotUsable: there is none, it is another's, or another process is at work on it.
        ValueError: no environment may be called so.
    """
    data_dir, made = settings_of(settings, name).data_dir, None
    if not is_one(data_dir):
        raise none_of_this_name(settings, name)
    with suppress(OtherForm):  # its lease ends by itself
        made = Made.read_or_half(data_dir)
    if made is not None and made.holder.partition("@")[0] != holder().partition("@")[0]:
        raise NotUsable(
            f"environment `{name}` is {made.holder}'s; expected one of your own; ask them to type `sluice env"
            f" drop {name}`, or wait for its end, {made.expires_at:%Y-%m-%d}"
        )
    with alone(settings, name):
        return _remove(settings, data_dir, made, "it was dropped")


def sweep(settings: Settings) -> Swept:
    """Remove the environments whose time has ended, halves of some, and leases that nobody needs."""
    done = Swept()
    for data_dir in data_dirs(settings):
        try:
            with alone(settings, data_dir.name):
                made = Made.read_or_half(data_dir)
                why = ended(made, settings) if made else "only half of it was made"
                if not why:
                    continue
                left = _remove(settings, data_dir, made, why)
        except OtherForm:  # nobody knows whether its time has ended
            left = [str(data_dir)]
        except NotUsable:  # somebody is at work on it
            continue
        done.left += left
        if not left:
            done.gone.append(data_dir.name)
    if settings.published_url is not None:
        area = Area(settings.published_url, settings.storage_access)
        moment = clock_of(area)
        for lease in all_leases(area):
            if moment >= lease.expires_at:
                clear_lease(area, lease.id)
    return done


def _remove(settings: Settings, data_dir: Path, made: Made | None, why: str) -> list[str]:
    """Remove the data, look again, then the record and the lease; return what is left.

    A copy's lease is the original's: it stays.
    """

    def there() -> list[Path]:
        journal = data_dir.with_name(f"{data_dir.name}.erasures.jsonl")
        return [
            path
            for path in (*sorted(data_dir.iterdir()), journal)
            if path.exists() and path.name not in OF_ONE
        ]

    for path in there():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):  # what is left is named
                path.unlink()
    if left := there():
        return list(map(str, left))
    area = (
        Area(made.shelf, settings.storage_access) if made and _holds_lease(made, data_dir, settings) else None
    )
    if made and area:
        end_lease(area, made.lease, why)
    with suppress(OSError):  # by the others it is still known for one, if this is killed between them
        (data_dir / FILE).unlink(missing_ok=True)
    shutil.rmtree(data_dir, ignore_errors=True)
    if data_dir.exists():
        return [str(data_dir)]
    if made and area:
        clear_lease(area, made.lease)
    return []


def _holds_lease(made: Made, data_dir: Path, settings: Settings) -> bool:
    """Whether the lease is this directory's, or was when a removal began that was stopped."""
    if not made.anchor or made.anchor == anchor_of(data_dir):
        return True
    lease = lease_of(Area(made.shelf, settings.storage_access), made.lease)
    return lease is not None and bool(lease.ended)
