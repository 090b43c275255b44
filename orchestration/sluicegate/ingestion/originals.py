"""Originals: what came in, as it came, kept for good in a locked area.

Belongs here: copying a drop out of staging, checked by its digests, finding it again, and that what is read
of it is what was checked. Does not belong here: what is in the files. An original is written once and never
again; all else can be made anew from it.
"""

import hashlib
import posixpath
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

from sluicegate.areas import Area, Entry, digest_of
from sluicegate.areas.files import CHUNK_BYTES
from sluicegate.contracts.drops import CompleteOn
from sluicegate.ingestion.formats.plain import LandedFile
from sluicegate.ingestion.refusal import NotTheDrop
from sluicegate.state.records import Drop, DropFile

T = TypeVar("T")
_WORKERS = 8
# Somebody may copy or link originals, which changes what a disk says of them: then they are read once more.
_TRIES = 3
# Two changes of a file within one tick of its disk's clock look like one.
_TICK_NS = 2_000_000_000
_ANNOUNCE_AGAIN = {
    CompleteOn.MARKER: "write the marker again once the file is whole",
    CompleteOn.MANIFEST: "write the manifest again once the file is whole",
    CompleteOn.STABLE: "land the file again whole, or `touch` it; it is taken once it has rested",
}
# Files of a drop below this path are mended rows: comma-separated text.
MENDED = "mended"


def mended_path(source: str, file: DropFile) -> str:
    """Return where mended rows are kept until their drop is loaded for the first time."""
    return f"{source}/{file.path}"


def drop_folder(drop: Drop) -> str:
    """Return the folder of a drop, the same in originals and in processing.

    The colon of an hour's key is no character of every storage's paths.
    """
    key = drop.partition_key.replace(":", "")
    return f"{drop.source}/{key}/{drop.ordinal:06d}-{drop.digest[:16]}"


def original_paths(drop: Drop) -> dict[DropFile, str]:
    """Return where a drop's files are kept, relative to their area; files of one drop keep their folders."""
    paths = [item.path for item in drop.files]
    common = posixpath.commonpath([posixpath.dirname(path) for path in paths]) if paths else ""
    folder = drop_folder(drop)
    return {file: f"{folder}/{posixpath.relpath(file.path, common or '.')}" for file in drop.files}


def read_originals(
    drop: Drop, originals: Area, keep: Callable[[], list[LandedFile]], read: Callable[[list[LandedFile]], T]
) -> T:
    """Return what `read` makes of a drop's originals: of the very bytes that have the drop's digests.

    Nothing else is ever read of a drop. A digest is computed before or after, and that nothing has changed in
    between is told by what storage says of each file: on a disk a time that nobody can set back. What was
    made or changed just now is digested once more, as its time may still be the same.

    Args:
        drop: the drop.
        originals: where its originals are.
        keep: makes sure that they are there, and are the drop's; see `keep_originals`.
        read: reads them; called again if they have changed meanwhile, whatever it returned or raised.

    Raises:
        NotTheDrop: they are not the drop's, or change time and again.
    """
    digests = {place: file.digest for file, place in original_paths(drop).items()}

    def versions() -> dict[str, Entry]:
        return {entry.path: entry for entry in originals.listing(f"{drop_folder(drop)}/**")}

    def unchanged(before: Mapping[str, Entry], fresh: Iterable[str]) -> bool:
        after = versions()
        return all(
            place in after and after[place].version == before[place].version for place in digests
        ) and all(digest_of(originals, place)[0] == digests[place] for place in fresh)

    for _ in range(_TRIES):
        now_ns = time.time_ns()
        checked = versions()
        landed = keep()
        before = versions() | checked
        fresh = [
            place
            for place in digests
            if place not in checked or (originals.local and checked[place].changed > now_ns - _TICK_NS)
        ]
        with _settling(originals, list(digests)):
            try:
                result = read(landed)
            except Exception:
                if unchanged(before, fresh):
                    raise
            else:
                if unchanged(before, fresh):
                    return result
    rule = (
        f"the originals in {originals.path(drop_folder(drop))} change while they are read; expected them at"
        " rest; find out who writes there, and rerun"
    )
    raise NotTheDrop(str(drop.file), [rule])


@contextmanager
def _settling(originals: Area, places: Sequence[str]) -> Generator[None]:
    """Put originals onto the disk while they are read, and see to it that they are there afterwards.

    Also those that were there: whoever made them may have been killed before this.
    """
    with ThreadPoolExecutor(1) as worker:
        settled = worker.submit(originals.settle, places)
        yield
    settled.result()


def keep_originals(
    drop: Drop,
    staging: Area,
    originals: Area,
    cold: Area | None = None,
    earlier: Sequence[Drop] = (),
    completion: CompleteOn = CompleteOn.MARKER,
) -> list[LandedFile]:
    """Make sure that the originals hold a drop's files; return them, with their places there.

    A file that is not there yet is copied while its digest is computed again: from an earlier drop of the
    partition that had the very same file, or else from staging. A power cut may take it back until it is
    settled.

    Args:
        drop: the drop.
        staging: where it landed.
        originals: the locked area.
        cold: where old originals went.
        earlier: the partition's earlier drops.
        completion: what announces the source's drops.

    Raises:
        NotTheDrop: staging holds another content than the drop had when it was seen, or no file any more; or
            somebody has changed an original.
    """
    kept_in = [originals, *([cold] if cold else [])]
    places = original_paths(drop)
    known = _known_places((drop, *reversed(earlier)))
    landed = [LandedFile(place, file.path) for file, place in places.items()]

    def content(file: DropFile) -> Iterator[bytes]:
        source, path, fix = _source_of(drop, file, staging, kept_in, known)
        try:
            yield from _checked(source.chunks(path), file)
        except _OtherContent as other:
            fix = fix or _ANNOUNCE_AGAIN[completion]
            rule = f"{source.path(path)}: content changed: {other}; {fix}"
            raise NotTheDrop(str(drop.file), [rule]) from None

    def keep(file: DropFile) -> None:
        kept = places[file]
        if not originals.exists(kept):
            with suppress(FileExistsError):  # another process, at this very drop
                return originals.create(kept, content(file), settled=False)
        return _check(drop, file, originals, kept, staging)

    folder = drop_folder(drop)
    below = ((place.removeprefix(f"{folder}/"), content(file)) for file, place in places.items())
    if len(landed) > 1 and originals.create_folder(folder, below):
        return landed
    if originals.local:
        for file in drop.files:
            keep(file)
        return landed
    # Thousands of small files wait for storage, one after another; several at once wait together.
    with ThreadPoolExecutor(_WORKERS) as workers:
        list(workers.map(keep, drop.files))
    return landed


def _known_places(drops: Iterable[Drop]) -> dict[tuple[str, str], list[str]]:
    """Return {(path, digest) of a file: where an original of it may be}, of drops of one partition."""
    known: dict[tuple[str, str], list[str]] = {}
    for drop in drops:
        for file, place in original_paths(drop).items():
            known.setdefault((file.path, file.digest), []).append(place)
    return known


def _source_of(
    drop: Drop,
    file: DropFile,
    staging: Area,
    kept_in: Sequence[Area],
    known: Mapping[tuple[str, str], Sequence[str]],
) -> tuple[Area, str, str]:
    """Return the area and the path to copy a file from, and what to do if it is another by now.

    Of what lies in staging that depends on how the source announces its drops, and is left empty.
    """
    for path in known.get((file.path, file.digest), ()):
        for area in kept_in:
            if area.exists(path):
                return area, path, "restore the original, or land the drop again"
    kept = mended_path(drop.source, file)
    if file.path.startswith(f"{MENDED}/") and kept_in[0].exists(kept):
        return kept_in[0], kept, "replay the rows again"
    if staging.exists(file.path):
        return staging, file.path, ""
    rule = f"{file.path} is gone from staging and no original is kept; expected it there; land it again"
    raise NotTheDrop(str(drop.file), [rule])


def _check(drop: Drop, file: DropFile, originals: Area, kept: str, staging: Area) -> None:
    """Refuse an original that is another by now, unless staging still has the very file."""
    digest, _ = digest_of(originals, kept)
    if digest == file.digest:
        return
    if staging.exists(file.path) and digest_of(staging, file.path)[0] == file.digest:
        originals.write(kept, _checked(staging.chunks(file.path), file))
        return
    rule = (
        f"the original {originals.path(kept)} was changed: digest {digest[:16]}, expected"
        f" {file.digest[:16]}; restore it, or land the drop again"
    )
    raise NotTheDrop(str(drop.file), [rule])


class _OtherContent(Exception):
    """What came by was not what was expected."""


def _checked(chunks: Iterable[bytes], expected: DropFile) -> Iterator[bytes]:
    """Yield chunks; at their end raise `_OtherContent` if they were others, so that nothing wrong is kept."""
    sha256 = hashlib.sha256()
    if expected.size <= CHUNK_BYTES:
        for chunk in chunks:
            sha256.update(chunk)
            yield chunk
    else:
        # What is large is digested while it is written.
        with ThreadPoolExecutor(1) as worker:
            for chunk in chunks:
                digesting = worker.submit(sha256.update, chunk)
                yield chunk
                digesting.result()
    if sha256.hexdigest() != expected.digest:
        raise _OtherContent(f"digest {sha256.hexdigest()[:16]}, expected {expected.digest[:16]}")
