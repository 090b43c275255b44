"""Putting files into the staging area as a provider would, what announces them last.

Belongs here: the provider's part. Does not belong here: what is made of it (`staging`).
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sluicegate.areas import CHUNK_BYTES, Area, digest_of
from sluicegate.contracts.drops import CompleteOn
from sluicegate.contracts.model import SourceContract
from sluicegate.core.progress import each
from sluicegate.ingestion.manifests import manifest_of


def land(
    contract: SourceContract, staging: Area, files: Mapping[str, Path | Sequence[Path]]
) -> Iterator[str]:
    """Put files into staging; yields each partition key landed.

    What lay there for the partition is replaced: of an earlier drop of several files nothing stays.

    Args:
        contract: the source's contract.
        staging: the staging area of the contract's connector.
        files: {partition key: local file, or files}.

    Raises:
        ValueError: a file's name is not one that the contract's path has for the partition.
    """
    for key, given in each(
        f"landing {contract.name}", sorted(files.items()), "partitions", lambda one: one[0]
    ):
        placed = place_files(contract, key, [given] if isinstance(given, Path) else given)
        sign = contract.completion.template.of(key) if contract.completion.template else None
        if sign is not None:
            # A marker that outlives its files would announce the new ones before they are whole.
            staging.remove(sign)
        if contract.template.several:
            old = [entry.path for entry in staging.listing(contract.template.of(key))]
            staging.remove_all([path for path in old if path not in placed and path != sign])
        for path, file in placed.items():
            with file.open("rb") as stream:
                staging.write(path, iter(lambda: stream.read(CHUNK_BYTES), b""))
        if sign is not None and contract.completion.on is CompleteOn.MANIFEST:
            digests = [(path, digest_of(staging, path)) for path in placed]
            manifest = manifest_of(sign, [(path, size, digest) for path, (digest, size) in digests])
            staging.write(sign, [manifest])
        elif sign is not None:
            # S3 tells a file's time in whole seconds: an empty one, written again at once, looks the same.
            staging.write(sign, [uuid.uuid4().hex.encode()])
        yield key


def place_files(contract: SourceContract, key: str, files: Sequence[Path]) -> dict[str, Path]:
    """Return {path in staging: local file} of one partition.

    Raises:
        ValueError: there is no place for a file, or one place for two.
    """
    placed: dict[str, Path] = {}
    for file in files:
        path = _place(contract, key, file)
        if path is None:
            raise ValueError(
                f"{file}: its name does not fit; expected {contract.template.of(key)}; rename it"
            )
        if path in placed:
            raise ValueError(
                f"{file}: a second file for {path} ({placed[path]} is the other); land one of them"
            )
        placed[path] = file
    return placed


def _place(contract: SourceContract, key: str, file: Path) -> str | None:
    """Return where a local file goes: the pattern's folders, then the end of the file's own path."""
    pattern = contract.template.of(key)
    if not contract.template.several:
        return pattern
    parts, own = pattern.split("/"), file.absolute().parts
    open_from = next(at for at, part in enumerate(parts) if "*" in part or "?" in part)
    path = "/".join([*parts[:open_from], *own[open_from - len(parts) :]])
    return path if contract.template.key_of(path) == key else None
