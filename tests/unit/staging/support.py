"""What lands in these tests, and how.

Belongs here: playing the provider and the clock. Does not: any expectation.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import BinaryIO

from fsspec.implementations.memory import MemoryFileSystem  # pyright: ignore[reportMissingTypeStubs]
from sluicegate.areas import Area
from sluicegate.contracts.drops import CompleteOn, Completion, DropTemplate, default_completion
from sluicegate.contracts.load import load_contracts
from sluicegate.contracts.model import SourceContract
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.ingestion.staging import Scan

from tests.company import BAKERY

CONTRACTS = load_contracts(BAKERY)[0]
ORDERS, SHOPS, WEATHER = (CONTRACTS[name] for name in ("orders", "shops", "weather"))
NOON = datetime(2024, 1, 5, 12, tzinfo=UTC)


def cut_by(grain: Grain, path: str, contract: SourceContract = ORDERS) -> SourceContract:
    """The bakery's orders, landed at another path and grain."""
    partitioning = Partitioning(grain, contract.name if grain is Grain.DROP else "")
    template = DropTemplate(path, partitioning)
    assert template.problem() == ""
    start = contract.partition_start if grain.timed else None
    return replace(
        contract,
        partitioning=partitioning,
        template=template,
        completion=default_completion(template),
        partition_start=start,
    )


PARTS = cut_by(Grain.DAILY, "parts/{date}/part-*.csv")
LISTED = replace(
    PARTS,
    completion=Completion(
        CompleteOn.MANIFEST, DropTemplate("parts/{date}/manifest.json", PARTS.partitioning)
    ),
)
RESTING = replace(PARTS, completion=Completion(CompleteOn.STABLE, seconds=600))


def write(area: Area, path: str, text: str = "", at: datetime | None = None) -> None:
    """Write a file; `at` is when storage says that it was."""
    area.write(path, [text.encode()])
    if at is not None and area.local:
        os.utime(area.engine_path(path), (at.timestamp(), at.timestamp()))
    elif at is not None:
        MemoryFileSystem.store[f"/{area.place.container}/{area.place.root}/{path}"].modified = at


def clock(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def said(scan: Scan) -> list[str]:
    """What is wrong, without what was expected."""
    assert scan.drops == ()
    return [text.partition("; ")[0] for text in scan.complaints]


def announce(staging: Area, contract: SourceContract, key: str) -> None:
    """Land a drop of one small file, and its marker."""
    assert contract.completion.template is not None
    write(staging, contract.template.of(key), key)
    write(staging, contract.completion.template.of(key))


class CountingArea(Area):
    """An area that tells which files were read."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.opened: list[str] = []

    def open(self, relative: str) -> BinaryIO:
        self.opened.append(relative)
        return super().open(relative)
