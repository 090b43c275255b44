"""The staging area: where providers land files and finish with a `.done` marker.

Any URL that fsspec takes. A drop counts from its marker on, and is named by its content.
"""

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from orchestration.areas import CHUNK_BYTES, Area, digest_of
from orchestration.contracts.model import DATE_FIELD, SourceContract
from orchestration.state.records import Drop
from orchestration.state.store import StateStore

# Feasts and weekends make a few days in a row; a fortnight is a provider that has fallen silent.
_LONGEST_GAP_DAYS = 14
NO_DROP_DIGEST = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Scan:
    """What a look at the staging area found: new drops, and markers that could not be taken."""

    drops: tuple[Drop, ...]
    complaints: tuple[str, ...]


def register_landed(contract: SourceContract, staging: Area, store: StateStore) -> Scan:
    """Look for markers that are new since the last look and record their drops.

    A marker whose file is missing is complained about and looked at again next time.
    """
    known = store.latest_drops(contract.name)
    today = datetime.now(UTC).date().isoformat()
    drops: list[Drop] = []
    complaints: list[str] = []
    for marker, stamp in sorted(staging.stamps(contract.marker.replace(DATE_FIELD, "*")).items()):
        key = contract.partition_of(marker, contract.marker)
        if key is None:
            first = f" from {contract.partition_start} on" if contract.partition_start else ""
            complaints.append(
                f"{marker}: not a marker of `{contract.name}`; expected {contract.marker}"
                f"{first}; rename it or correct {contract.file.name}"
            )
            continue
        latest = known.get(key)
        if latest is not None and latest.marker_stamp == stamp:
            continue
        if contract.daily and key > today:
            complaints.append(f"{marker}: lies in the future; expected {today} (UTC) or earlier; rename it")
            continue
        path = contract.path_of(key)
        if not staging.exists(path):
            complaints.append(
                f"{marker}: marker without its file; expected {path}; land the file, then the marker"
            )
            continue
        digest, size = digest_of(staging, path)
        drop = store.register_drop(
            contract.name, key, digest=digest, file=path, size_bytes=size, marker_stamp=stamp
        )
        if latest is None or drop.ordinal != latest.ordinal:
            drops.append(drop)
            known[key] = drop
    if contract.gaps_allowed and drops:
        drops += _close_gaps(contract, store, known, complaints)
    return Scan(tuple(drops), tuple(complaints))


def _close_gaps(
    contract: SourceContract, store: StateStore, known: Mapping[str, Drop], complaints: list[str]
) -> list[Drop]:
    """Where the contract allows days without a drop, a later day's drop closes those before it.

    A long silence is not a row of days without business: it is left open and complained about.
    """
    closed: list[Drop] = []
    days = sorted(date.fromisoformat(key) for key in known)
    for before, after in itertools.pairwise(days):
        silent = (after - before).days - 1
        if silent > _LONGEST_GAP_DAYS:
            complaints.append(
                f"{contract.name}: {silent} days without a drop before {after}; expected at most"
                f" {_LONGEST_GAP_DAYS} in a row; land the missing days"
            )
            continue
        closed += [
            store.register_drop(
                contract.name,
                (before + timedelta(days=offset)).isoformat(),
                digest=NO_DROP_DIGEST,
                file=None,
                size_bytes=0,
                marker_stamp="",
            )
            for offset in range(1, silent + 1)
        ]
    return closed


def land(contract: SourceContract, staging: Area, files: Mapping[str, Path]) -> Iterator[str]:
    """Put files into staging as a provider would, marker last; yields each partition key landed.

    Args:
        contract: the source's contract.
        staging: the staging area.
        files: {partition key: local file}.
    """
    for key, file in sorted(files.items()):
        marker = contract.marker_of(key)
        # A marker that outlives its file would announce the new file before it is whole.
        staging.remove(marker)
        with file.open("rb") as stream:
            staging.write(contract.path_of(key), iter(lambda: stream.read(CHUNK_BYTES), b""))
        staging.write(marker, iter(()))
        yield key
