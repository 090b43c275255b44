"""Rows of the quarantine, mended by a person and replayed; and drops that are taken back to.

Both make a new drop of the partition, of files that are kept already, so that whoever starts runs finds it as
any other. Its originals stand by themselves: a mended day can be made again like every day.
"""

import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sluicegate.contracts.model import SourceContract
from sluicegate.core.partitions import SNAPSHOT_PARTITION
from sluicegate.core.scratch import scratch_directory
from sluicegate.ingestion.bad_rows import QuarantinedRow
from sluicegate.ingestion.convert import TooManyBadRows
from sluicegate.ingestion.load import convert_kept
from sluicegate.ingestion.mended import PLACE_HEADERS, mended_in, mended_name
from sluicegate.ingestion.originals import mended_path
from sluicegate.ingestion.staging import digest_of_several
from sluicegate.state.deployment import Deployment
from sluicegate.state.records import Drop, DropFile

RULE_HEADER = "_rule"
RAW_HEADER = "_raw"


class CannotMend(ValueError):
    """There is nothing to fix, or no such drop; the message says what there is."""


@dataclass(frozen=True)
class Exported:
    """What was written to be mended."""

    file: Path
    rows: int


def export_quarantined(
    deployment: Deployment, contract: SourceContract, partition_key: str, target: Path
) -> Exported:
    """Write the quarantined rows of a partition's newest drop, as they came in, to a CSV file to be mended.

    The text is the originals' own, unmasked: the file is for who may read those. Fix the values, leave
    `_file` and `_line`, and give it to `replay`. A row that could not be split has its text in `_raw`.

    Raises:
        CannotMend: no row of the partition is in quarantine.
    """
    drop = _newest(deployment, contract, partition_key)
    rows = _bad_rows(deployment, contract, drop)
    if not rows:
        raise CannotMend(f"no row of {contract.name} [{partition_key}] is in quarantine")
    headers = [column.header for column in contract.columns]
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(
            stream, [*PLACE_HEADERS, RULE_HEADER, *headers, RAW_HEADER], extrasaction="ignore"
        )
        writer.writeheader()
        for row in rows:
            said = {"_file": row.file, "_line": row.line, RULE_HEADER: "; ".join(row.rules)}
            writer.writerow(said | _values(row))
    return Exported(target, len(rows))


def key_of(contract: SourceContract, key: str) -> str:
    """Return the partition that a person names of a source; of a snapshot none is.

    Raises:
        ValueError: the source has no such partition.
    """
    if not contract.partitioning.partitioned:
        if key not in ("", SNAPSHOT_PARTITION):
            raise ValueError(f"--partition {key!r}: `{contract.name}` has no partitions; expected none")
        return SNAPSHOT_PARTITION
    if not contract.partitioning.holds(key):
        raise ValueError(f"--partition {key!r} is no {contract.grain} partition of `{contract.name}`")
    return key


def _values(row: QuarantinedRow) -> dict[str, str]:
    try:
        values = json.loads(row.raw)
    except ValueError:
        return {RAW_HEADER: row.raw}
    return values if isinstance(values, dict) else {RAW_HEADER: row.raw}


def _bad_rows(deployment: Deployment, contract: SourceContract, drop: Drop) -> Sequence[QuarantinedRow]:
    with scratch_directory(deployment.settings.data_dir / "scratch") as scratch:
        try:
            return tuple(convert_kept(deployment, contract, drop, scratch, for_mending=True).quarantined)
        except TooManyBadRows as refused:
            return tuple(refused.quarantined)


def replay(deployment: Deployment, contract: SourceContract, partition_key: str, mended: Path) -> Drop:
    """Register a new drop of a partition: the newest one, with mended rows in the place of quarantined ones.

    The contract judges mended rows like any other when the drop is loaded.

    Raises:
        CannotMend: the file lacks `_file` or `_line`, or nothing has landed for the partition.
    """
    newest = _newest(deployment, contract, partition_key)
    with mended.open(encoding="utf-8-sig", newline="") as stream:
        header = next(csv.reader(stream), [])
    if lacking := [name for name in PLACE_HEADERS if name not in header]:
        raise CannotMend(
            f"{mended}:1: column `{lacking[0]}` is missing; expected the columns of"
            " `sluice source quarantine --export`; export the rows anew and fix that file"
        )
    content = mended.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    last = max(newest.files, key=lambda known: mended_in(known.path))
    file = DropFile(mended_name(newest.ordinal + 1, digest), digest, len(content))
    if mended_in(last.path) and last.digest == digest:
        file = last  # the same once more is the same drop
    # Kept first, as an original of its own: the drop must not name what could be lost.
    deployment.originals.write(mended_path(contract.name, file), [content])
    files = (*(known for known in newest.files if known.path != file.path), file)
    return _register(deployment, newest, files, newest.file)


def restore(deployment: Deployment, contract: SourceContract, partition_key: str, ordinal: int) -> Drop:
    """Register a new drop of a partition with the content of an earlier one, `ordinal` from 1.

    Raises:
        CannotMend: there is no such drop, or it is the newest.
    """
    drops = {drop.ordinal: drop for drop in deployment.store.drops.of(contract.name, partition_key)}
    if ordinal not in drops or ordinal == max(drops):
        earlier = ", ".join(str(number) for number in sorted(drops)[:-1]) or "none"
        raise CannotMend(
            f"{contract.name} [{partition_key}] has no earlier drop {ordinal}; expected one of: {earlier}"
        )
    return _register(deployment, drops[max(drops)], drops[ordinal].files, drops[ordinal].file)


def _register(deployment: Deployment, newest: Drop, files: Sequence[DropFile], label: str | None) -> Drop:
    digest = files[0].digest if len(files) == 1 else digest_of_several(files)
    return deployment.store.drops.register(
        newest.source,
        newest.partition_key,
        digest=digest,
        file=label,
        size_bytes=sum(file.size for file in files),
        marker_stamp=newest.marker_stamp,  # what lies in staging is known, and is not this
        files=files,
    )


def _newest(deployment: Deployment, contract: SourceContract, partition_key: str) -> Drop:
    drop = deployment.store.drops.latest(contract.name, [partition_key]).get(partition_key)
    if drop is None or drop.file is None:
        raise CannotMend(f"nothing has landed for {contract.name} [{partition_key}]")
    return drop
