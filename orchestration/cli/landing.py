"""Which local file is which partition's."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from orchestration.contracts.model import SNAPSHOT_PARTITION, SourceContract
from orchestration.problems import did_you_mean


def files_to_land(
    contracts: Mapping[str, SourceContract],
    source: str,
    paths: Sequence[Path],
    partition: str | None,
) -> tuple[dict[str, Path], str]:
    """Return ({partition key: file}, complaint); the complaint is empty where all is clear."""
    contract = contracts.get(source)
    if contract is None:
        return {}, f"no contract for source `{source}`; {did_you_mean(source, contracts)}"
    files = [file for path in paths for file in (_files_in(path) if path.is_dir() else [path])]
    template = PurePosixPath(contract.path).name
    found: dict[str, Path] = {}
    for file in files:
        if not contract.daily:
            key = SNAPSHOT_PARTITION
        elif partition is not None and len(files) == 1:
            key = contract.partition_of(template.replace("{date}", partition), template)
        else:
            key = contract.partition_of(file.name, template)
        if key is None:
            first = f" from {contract.partition_start} on" if contract.partition_start else ""
            return {}, (
                f"{file}: its name does not tell the day; expected {template}{first};"
                " rename it, or land it alone with --partition"
            )
        if key in found:
            return {}, f"{file}: a second file for {key} ({found[key]} is the other); land one of them"
        found[key] = file
    if not found:
        return {}, f"no file in {', '.join(map(str, paths))}; expected files named {template}"
    return found, ""


def _files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
