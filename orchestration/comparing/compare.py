"""An environment beside production: what it has built, partition by partition, and each export below it.

Belongs here: which tables, partitions and exports are compared, and with which key. Does not belong here: how a
partition stands (`verdicts`), its rows (`rows`), what a destination would get (`sent`).
"""

from collections.abc import Collection, Mapping
from functools import cached_property

from orchestration.comparing.report import (
    DiffReport,
    ExportDiff,
    PartitionDiff,
    Stands,
    TableDiff,
)
from orchestration.comparing.rows import RowsDiff, compare_rows
from orchestration.comparing.sent import Sent
from orchestration.comparing.shapes import Matched, match
from orchestration.comparing.verdicts import Standing, Verdicts
from orchestration.compute.sql import literal, quoted
from orchestration.core.partitions import grain_of
from orchestration.core.problems import did_you_mean
from orchestration.delivery.deliver import order_of
from orchestration.delivery.export_files.exports import Export
from orchestration.delivery.ledger import KeyForm
from orchestration.destinations.base import Mode
from orchestration.environments.changes import building, named_table
from orchestration.environments.record import Made
from orchestration.operations.site import Site
from orchestration.project.export_models import ExportModels
from orchestration.publishing.catalogue import Catalogue
from orchestration.publishing.shelf import Shelf
from orchestration.warehouse.base import Session
from orchestration.warehouse.slices import partition_rows


def compare(
    site: Site,
    made: Made,
    shelf: Shelf,
    wanted: Collection[str] = (),
    *,
    partition_key: str | None = None,
    samples: int = 20,
) -> DiffReport:
    """Return what is another in an environment than in the catalogue that it was made from.

    Args:
        site: the environment's deployment, with the project as it is to become.
        made: what it was made from.
        shelf: where that catalogue lies.
        wanted: models, by name or as `schema.name`; all that are built or to be built if there are none.
        partition_key: of the one partition that is compared; all of the environment if None.
        samples: how many keys are shown of each sort of rows in a partition.

    Raises:
        ValueError: there is no model of a wanted name, or no such partition of any.
        NotPublished: the catalogue is of newer code.
    """
    plan, catalogue = building(site, made), shelf.catalogue(made.catalogue)
    newest = shelf.newest() or catalogue
    with site.deployment.warehouse.session() as session, session.snapshot():
        verdicts = Verdicts(plan, catalogue, session)
        asked = {named_table(verdicts.models, name) for name in wanted}
        one = _Comparing(site, shelf, session, verdicts, catalogue, newest, partition_key, samples)
        return one.report(made.name, asked)


class _Comparing:
    """One comparison, while the warehouse is open."""

    def __init__(
        self,
        site: Site,
        shelf: Shelf,
        session: Session,
        verdicts: Verdicts,
        catalogue: Catalogue,
        newest: Catalogue,
        partition_key: str | None,
        samples: int,
    ) -> None:
        self._project, self._site, self._shelf, self._session = site.project, site, shelf, session
        self._verdicts, self._catalogue, self._newest = verdicts, catalogue, newest
        self._key, self._samples = partition_key, samples
        self._lineage = self._project.lineage
        self._exports = {export.spec.model: export for export in self._project.exports.values()}
        self._nodes = {str(node.relation): node for node in self._project.manifest.nodes.values()}
        self._matches: dict[str, Matched | None] = {}
        self._rows: dict[tuple[str, str], RowsDiff] = {}

    def report(self, environment: str, asked: Collection[str]) -> DiffReport:
        """Return the whole answer."""
        affected = self._verdicts.affected
        about = frozenset(asked) or affected
        tables = [self._table(name) for name in self._lineage.tables if name in about]
        if self._key is not None and not any(self._partitions(name) for name in about):
            known = {key for name in about for key in self._verdicts.of(name)}
            raise ValueError(f"no partition `{self._key}` of these is compared; {did_you_mean(self._key, known)}")
        if not asked:
            tables += [self._gone(name) for name in self._catalogue.tables if self._is_gone(name)]
        exports = [
            self._export(export)
            for export in self._project.exports.values()
            if about & self._above(str(self._project.node_of(export).relation))
        ]
        return DiffReport(environment, self._catalogue.name, tuple(tables), tuple(exports))

    def _above(self, relation: str) -> set[str]:
        return self._lineage.ancestors(relation) | {relation}

    # -- tables

    def _partitions(self, relation: str) -> Mapping[str, Standing]:
        found = self._verdicts.of(relation)
        return found if self._key is None else {key: one for key, one in found.items() if key == self._key}

    def _table(self, relation: str) -> TableDiff:
        matched = self._matched(relation)
        key, from_ = self._key_of(relation)
        partitions = tuple(
            self._partition(relation, partition, one, self._of_table)
            for partition, one in self._partitions(relation).items()
        )
        others = matched.others if matched else ()
        return TableDiff(
            key, others, partitions, self._verdicts.unbuilt({relation}), table=relation, key_from=from_
        )

    def _is_gone(self, relation: str) -> bool:
        return relation not in self._lineage.tables

    def _gone(self, relation: str) -> TableDiff:
        """Return a table of the catalogue that the project has not: removed, or newer than the branch."""
        partitions = self._catalogue.tables[relation].partitions
        rows = sum(one.rows for one in partitions.values())
        why = "this project has no such table: it was removed, or is newer than the branch"
        diff = PartitionDiff("", Stands.ONLY_PUBLISHED, why, rows)
        return TableDiff((), (), (diff,), (), table=relation)
