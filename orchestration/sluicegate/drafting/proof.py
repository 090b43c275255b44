"""A draft's text -> whether it loads the samples that it was made of, by loading them.

Belongs here: the draft in a project of its own, and the samples as drops of it. Does not belong here: any
idea of what a contract loads: ingestion is asked.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from sluicegate.contracts.connectors import load_connectors
from sluicegate.contracts.load import read_contract
from sluicegate.core.problems import Problem
from sluicegate.core.settings import Settings
from sluicegate.core.yaml_files import read_yaml

if TYPE_CHECKING:
    from sluicegate.contracts.model import SourceContract
    from sluicegate.state.deployment import Deployment

# Whom to ask, and which file to change, is for drops; here there are samples, and no file yet.
_ADVICE = re.compile(r"; ask .*$", re.DOTALL)


@dataclass(frozen=True)
class Proof:
    """What came of loading the samples: why some do not load, and how many rows of a drop were set apart.

    `of_rows`: some do not load for single rows of theirs, which a contract may allow for.
    """

    complaints: tuple[str, ...]
    rows: int = 0
    quarantined: int = 0
    of_rows: bool = False


def prove(text: str, keys: Mapping[Path, str]) -> Proof:
    """Load the samples with the contract; `keys` are their partitions.

    They are landed in a directory of their own, which is removed, and loaded as any drop is.
    """
    with TemporaryDirectory(prefix="sluice_proof_") as folder:
        project = Path(folder)
        path = project / "contracts" / "draft.odcs.yaml"
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
        file = read_yaml(path, project)
        if isinstance(file, Problem):
            return Proof((f"the draft is no YAML: {file.what}",))
        contract = read_contract(file, load_connectors(project / "none", project, []))
        if contract is None:
            return Proof(tuple(f"{one.what}; expected {one.expected}; {one.fix}" for one in file.problems))
        from sluicegate.state.deployment import Deployment

        settings = Settings.load({}, project_dir=project, data_dir=project / "data", declared="scratch")
        deployment = Deployment(settings)
        try:
            return _loaded(deployment, contract, keys)
        finally:
            deployment.close()


def _loaded(deployment: "Deployment", contract: "SourceContract", keys: Mapping[Path, str]) -> Proof:
    from sluicegate.ingestion.convert import TooManyBadRows
    from sluicegate.ingestion.landing import land, place_files
    from sluicegate.ingestion.load import load_drop
    from sluicegate.ingestion.local_files import files_to_land
    from sluicegate.ingestion.refusal import DropRefused
    from sluicegate.ingestion.staging import register_landed

    files, complaint = files_to_land({contract.name: contract}, contract.name, list(keys), None)
    if complaint:
        return Proof((complaint,))
    sample_of = {
        path: str(sample)
        for key, some in files.items()
        for path, sample in place_files(contract, key, some).items()
    }
    landed = list(land(contract, deployment.staging, files))
    scan = register_landed(contract, deployment.staging, deployment.store)
    drops = deployment.store.drops.latest(contract.name, landed)
    lacking = [key for key in landed if key not in drops]
    if lacking:
        names = ", ".join(str(file) for key in lacking for file in files[key])
        return Proof((f"{names}: landed, and no drop; {'; '.join(map(str, scan.complaints))}",))
    complaints: list[str] = []
    rows, quarantined, of_rows = 0, 0, False
    for key in landed:
        try:
            loaded = load_drop(deployment, contract, drops[key])
        except DropRefused as refused:
            of_rows |= isinstance(refused, TooManyBadRows)
            complaints += _told(refused.file, refused.rules, sample_of)
            continue
        rows += loaded.rows
        quarantined = max(quarantined, loaded.quarantined)
    return Proof(tuple(complaints), rows, quarantined, of_rows)


def _told(file: str, rules: tuple[str, ...], sample_of: Mapping[str, str]) -> list[str]:
    """Return the rules that a drop breaks, by the names of the samples."""
    said = [_ADVICE.sub("", rule) for rule in rules if not rule.startswith("ask ")]
    # A file in an archive is told with the archive's own path before it.
    own = next((sample for path, sample in sample_of.items() if file.startswith(path)), file)
    told: list[str] = []
    for rule in said:
        named = rule
        for path, sample in sorted(sample_of.items(), key=lambda item: -len(item[0])):
            named = named.replace(path, sample)
        told.append(named if own in named else f"{own}: {named}")
    return told
