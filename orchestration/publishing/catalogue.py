"""The catalogue of a shelf: which version of which Delta table holds which validated partitions.

A catalogue is never changed; a newer one takes its place. Belongs here: what it says. Does not belong here:
writing tables (`publish`), where it lies (`shelf`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestration.state.records import Build, Evidence


@dataclass(frozen=True)
class PublishedPartition:
    """One partition as the gate let it through: its version, rows, build and evidence."""

    version: str
    rows: int
    build: Build
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class PublishedTable:
    """One table, `schema.name`, at one version of its Delta table.

    `location` is relative to the shelf. `columns` is {name: the engine's type} of what is published, in the
    table's order; `left_out` {name: class} of what is not. `cut_by` is the column that cuts it, "" without.
    `partitions` maps keys ("" of a table that is not cut).
    """

    relation: str
    location: str
    at: int
    columns: Mapping[str, str]
    left_out: Mapping[str, str]
    cut_by: str
    partitions: Mapping[str, PublishedPartition]


@dataclass(frozen=True)
class Catalogue:
    """What production had published at a moment.

    `deployment` and `epoch` are production's. `project` is the digest of the project directory, `commit` that
    of git, "" without. `meanings` is {relation: digest of what its SQL and checks mean} (`meaning`). `places`
    are digests of the objects that production writes to.
    """

    name: str
    deployment: str
    epoch: int
    published_at: datetime
    project: str
    commit: str
    meanings: Mapping[str, str]
    places: frozenset[str]
    tables: Mapping[str, PublishedTable]
