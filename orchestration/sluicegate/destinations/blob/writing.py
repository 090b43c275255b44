"""How parts and manifests of blob deliveries are written so that two writers neither lose nor mix.

Belongs here: create once and compare, swap and look again, a local copy to read. Does not: what manifests
say, the order of writing.
"""

import hashlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from sluicegate.areas import CHUNK_BYTES, Area, digest_of

from ..errors import DeliveryError
from ..permission import may_send
from . import manifests
from .manifests import Manifest
from .parts import Part

# So many others would have to come between a look and the swap, time after time.
_SWAPS = 100


def create_part(area: Area, folder: str, part: Part) -> Manifest:
    """Write a part once; return what the manifest says of it.

    The same part may be there already, of an attempt that died. Another one under its name (an engine of
    another version wrote it) is left to whoever wrote it: this one gets a name of its own.
    """
    sha256, size = _digest(part.path)
    name = part.path.name
    for attempt in (name, f"{part.path.stem}-{sha256[:16]}{part.path.suffix}"):
        name = attempt
        may_send()
        try:
            area.upload(f"{folder}/{name}", part.path, create=True)
            break
        except FileExistsError:
            if digest_of(area, f"{folder}/{name}") == (sha256, size):
                break
    return {"path": name, "bytes": size, "sha256": sha256, "rows": part.rows}


def create_manifest(area: Area, at: str, manifest: Manifest) -> Manifest:
    """Write a delivery's own manifest once; return the one that is there then."""
    may_send()
    try:
        area.create(at, [manifests.encode(manifest)])
    except FileExistsError:
        return manifests.read(area, at) or manifest
    return manifest


def swap_manifest(area: Area, at: str, change: Callable[[Manifest | None], Manifest | None]) -> Manifest:
    """Replace what a manifest says by what `change` makes of it, None: leave it; return what it says then.

    Raises:
        DeliveryError: others change it all the time.
    """
    for _ in range(_SWAPS):
        # The version first: should the content be newer than that, the swap says no.
        version = area.version(at)
        shown = manifests.read(area, at) if version is not None else None
        wanted = change(shown)
        if wanted is None and shown is not None:
            return shown
        if wanted is None:
            continue
        may_send()
        if area.swap(at, manifests.encode(wanted), version):
            return wanted
    raise DeliveryError(
        "SLU-V206",
        f"{area.path(at)} was changed by others {_SWAPS} times while it was to be changed",
        "few senders to one object at once",
        "look who else writes to the folder, then rerun the partition",
    )


@contextmanager
def local_copy(area: Area, at: str, scratch: Path) -> Generator[Path]:
    """A file of the area as a local one, to be read alone; a copy is gone afterwards."""
    if area.local:
        yield Path(area.engine_path(at))
        return
    copy = scratch / "copies" / at.rpartition("/")[2]
    copy.parent.mkdir(exist_ok=True)
    with copy.open("wb") as target:
        for chunk in area.chunks(at):
            target.write(chunk)
    try:
        yield copy
    finally:
        copy.unlink()


def _digest(path: Path) -> tuple[str, int]:
    sha256 = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            sha256.update(chunk)
        return sha256.hexdigest(), stream.tell()
