"""Which local file is which partition's."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sluicegate.contracts.drops import DropTemplate
from sluicegate.contracts.model import SourceContract
from sluicegate.core.partitions import SNAPSHOT_PARTITION, Grain
from sluicegate.core.problems import did_you_mean
from sluicegate.ingestion.landing import place_files


def files_to_land(
    contracts: Mapping[str, SourceContract],
    source: str,
    paths: Sequence[Path],
    partition: str | None,
) -> tuple[dict[str, list[Path]], str]:
    """Return ({partition key: files}, complaint); the complaint is empty where all is clear.

    A file's partition is told by the end of its path, as much of it as the contract's path has fields in; or
    by `partition`, whose files these then are.
    """
    contract = contracts.get(source)
    if contract is None:
        return {}, f"no contract for source `{source}`; {did_you_mean(source, contracts)}"
    if partition is not None and (complaint := _no_partition(contract, partition)):
        return {}, complaint
    ending = _ending(contract.template)
    found: dict[str, list[Path]] = {}
    for file in (file for path in paths for file in (files_in(path) if path.is_dir() else [path])):
        key = _key(contract, ending, file, partition)
        if key is None or _too_early(contract, key):
            return {}, (
                f"{file}: its name does not tell the {contract.grain.unit}; expected"
                f" {ending.text}{_first(contract)}; rename it, or land it alone with --partition"
            )
        try:
            place_files(contract, key, [*found.get(key, []), file])
        except ValueError as error:
            return {}, str(error)
        found.setdefault(key, []).append(file)
    if not found:
        return {}, f"no file in {', '.join(map(str, paths))}; expected files named {ending.text}"
    return found, ""


def _key(contract: SourceContract, ending: DropTemplate, file: Path, partition: str | None) -> str | None:
    if contract.grain is Grain.SNAPSHOT:
        return SNAPSHOT_PARTITION
    if partition is not None:
        return partition
    parts = file.absolute().parts[-len(ending.text.split("/")) :]
    return ending.key_of("/".join(parts))


def _ending(template: DropTemplate) -> DropTemplate:
    """Return the shortest end of a template, in whole parts of the path, that has all its fields."""
    parts = template.text.split("/")
    for length in range(1, len(parts)):
        end = DropTemplate("/".join(parts[-length:]), template.partitioning)
        if end.fields == template.fields:
            return end
    return template


def _no_partition(contract: SourceContract, partition: str) -> str:
    if contract.grain is Grain.SNAPSHOT:
        return f"--partition {partition}: `{contract.name}` is a snapshot, without partitions; leave it out"
    if contract.partitioning.holds(partition) and not _too_early(contract, partition):
        return ""
    return (
        f"--partition {partition}: no {contract.grain} partition of `{contract.name}`; expected a key"
        f"{_first(contract) or ' of letters, digits, `_`, `.` and `-`'}; correct it"
    )


def _too_early(contract: SourceContract, key: str) -> bool:
    start = contract.partition_start
    return start is not None and contract.grain.timed and contract.partitioning.interval(key)[0] < start


def _first(contract: SourceContract) -> str:
    start = contract.partition_start
    return f" from {contract.partitioning.key_at(start)} on" if start and contract.grain.timed else ""


def files_in(folder: Path) -> list[Path]:
    """Return the files at any depth below a folder, hidden ones left out."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(
        path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
