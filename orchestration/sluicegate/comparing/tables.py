"""The tables of an environment beside their published versions, partition by partition.

Belongs here: where the rows of both sides are, and the key that tells them apart. Does not belong here: how a
partition stands (`verdicts`), the comparison of rows (`rows`), what a destination would get (`sent`).
"""

from collections.abc import Iterable, Mapping
from functools import cached_property

from sluicegate.comparing.closed import never_shown
from sluicegate.comparing.report import PartitionDiff, Shape, Stands, TableDiff
from sluicegate.comparing.rows import RowsDiff, compare_rows
from sluicegate.comparing.shapes import Matched, match
from sluicegate.comparing.verdicts import Standing, Verdicts
from sluicegate.compute.sql import literal, quoted
from sluicegate.delivery.export_files.exports import Export
from sluicegate.delivery.ledger import KeyForm
from sluicegate.project.export_models import ExportModels
from sluicegate.project.loading import Project
from sluicegate.publishing.catalogue import Catalogue
from sluicegate.publishing.shelf import Shelf
from sluicegate.warehouse.base import Session
from sluicegate.warehouse.slices import partition_rows

_UNSEEN = "no row is another as far as it is compared, and a column of it is not (see `columns`)"


class Tables:
    """Tables of the environment that `session` has open; `newest` is what production has published by now.

    `samples` is how many keys are shown of each sort of rows.
    """

    def __init__(
        self,
        project: Project,
        shelf: Shelf,
        session: Session,
        verdicts: Verdicts,
        catalogue: Catalogue,
        newest: Catalogue,
        samples: int,
    ) -> None:
        self.project, self.session, self.verdicts, self.catalogue = project, session, verdicts, catalogue
        self._shelf, self._newest, self.samples = shelf, newest, samples
        self._lineage = project.lineage
        self._nodes = {str(node.relation): node for node in project.manifest.nodes.values()}
        self._matched: dict[str, Matched] = {}
        self._compared: dict[tuple[str, str], RowsDiff] = {}

    def table(self, relation: str, keys: Iterable[str]) -> TableDiff:
        """Return a table at some of its partitions."""
        standing = self.verdicts.of(relation)
        key, key_from = self.key_of(relation)
        partitions = [
            self.partition(
                (relation, one), standing[one], self.compared(relation, one) if standing[one].rows else None
            )
            for one in keys
        ]
        partitions += self._cut_otherwise(relation)
        return TableDiff(
            table=relation, key=key, key_from=key_from, columns=self.matched(relation).others,
            partitions=tuple(partitions), unbuilt=self.verdicts.unbuilt({relation}),
        )  # fmt: skip

    def _cut_otherwise(self, relation: str) -> Iterable[PartitionDiff]:
        """Yield what is published of a table in partitions of another grain than it has now."""
        published, partitioning = (
            self.catalogue.tables.get(relation),
            self._lineage.tables[relation].partitioning,
        )
        others = published.partitions.items() if published else ()
        rows = [one.rows for key, one in others if not partitioning.holds(key)]
        if rows:
            why = f"production has it cut otherwise, into {len(rows):,} partitions: nothing to compare with"
            yield PartitionDiff("", Stands.ONLY_PUBLISHED, why, sum(rows))

    def gone(self) -> Iterable[TableDiff]:
        """Yield the tables that the catalogue has, and the project has not."""
        for relation in self.catalogue.tables:
            if relation not in self._lineage.tables:
                rows = sum(one.rows for one in self.catalogue.tables[relation].partitions.values())
                why = "this project has no such table: it was removed, or is newer than the branch"
                diff = PartitionDiff("", Stands.ONLY_PUBLISHED, why, rows)
                yield TableDiff(table=relation, key=(), columns=(), partitions=(diff,), unbuilt=())

    def partition(self, place: tuple[str, str], standing: Standing, found: RowsDiff | None) -> PartitionDiff:
        """Return one partition; `found` is what is another of its rows, if they are looked at."""
        published = self.verdicts.inputs.published(place)
        was, notes = published.rows if published else None, self.verdicts.inputs.since(place, self._newest)
        if found is None:
            is_now = was if standing.stands is Stands.EQUAL else None
            return PartitionDiff(place[1], standing.stands, standing.why, was, is_now, notes=tuple(notes))
        stands, why = standing.stands, standing.why
        if stands is Stands.CHANGED and not (found.added or found.removed or found.changed):
            unseen = any(one.shape is Shape.CLOSED for one in self.matched(place[0]).others)
            stands, why = (Stands.NOT_COMPARABLE, _UNSEEN) if unseen else (Stands.EQUAL, why)
        return PartitionDiff(
            place[1], stands, why,
            found.was if published else None, found.is_now, found.added, found.removed, found.changed,
            sum(found.twice), found.columns, found.sums, found.keys, tuple(notes),
        )  # fmt: skip

    def compared(self, relation: str, key: str) -> RowsDiff:
        """Return what is another of the rows of a partition that is there."""
        place = (relation, key)
        if place not in self._compared:
            now, was = self.rows(relation, key), self.published_rows(relation, key)
            if was is None:
                [[rows]] = self.session.query(f"select count(*) from ({now})")
                self._compared[place] = RowsDiff(0, rows, rows, 0)
            else:
                matched = self.matched(relation)
                self._compared[place] = compare_rows(
                    self.session, matched.was(was), matched.now(now), matched.pairs,
                    KeyForm.of(self.key_of(relation)[0], {}), hidden=self.hidden(relation),
                    samples=self.samples,
                )  # fmt: skip
        return self._compared[place]

    def rows(self, relation: str, key: str) -> str:
        """Return SQL of the rows that the environment has of a partition."""
        table = self._lineage.tables[relation]
        return partition_rows(table.relation, table.cut_by, table.partitioning, key)

    def published_rows(self, relation: str, key: str) -> str | None:
        """Return SQL of those that production has published; None where it has none of the partition."""
        if self.verdicts.inputs.published((relation, key)) is None:
            return None
        table = self.catalogue.tables[relation]
        where = f" where {quoted(table.key_column)} = {literal(key)}" if table.key_column else ""
        return (
            f"select * from {self.session.published(self._shelf.scan_path(table.location), table.at)}{where}"
        )

    def matched(self, relation: str) -> Matched:
        """Return which columns are compared; none of a table that is not there, or not published."""
        if relation not in self._matched:
            published = self.catalogue.tables.get(relation)
            found = Matched((), (), {})
            if published is not None and self.session.has_table(relation):
                columns = self.session.describe(
                    f"select * from {self._lineage.tables[relation].relation.quoted}"
                )
                found = match(
                    self.session, columns, published, self.verdicts.closed.columns.get(relation, {})
                )
            self._matched[relation] = found
        return self._matched[relation]

    def key_of(self, relation: str) -> tuple[tuple[str, ...], str]:
        """Return the columns that tell rows apart, among those that are compared, and who says so."""
        node = self._nodes.get(relation)
        if node is None:
            return (), ""
        spelt = {pair.name.casefold(): pair.name for pair in self.matched(relation).pairs}
        export, suite = self.exports.get(node.name), self.project.suites.get(node.name)
        said = {
            "export": export.spec.key if export else (),
            "suite": suite.unique_columns if suite else (),
            "dbt test": ExportModels(self.project.manifest).model(node).key,
        }
        for from_, names in said.items():
            if names and all(name.casefold() in spelt for name in names):
                return tuple(spelt[name.casefold()] for name in names), from_
        return (), ""

    @cached_property
    def exports(self) -> Mapping[str, Export]:
        """{model: its export}."""
        return {export.spec.model: export for export in self.project.exports.values()}

    @cached_property
    def _never_shown(self) -> Mapping[str, frozenset[str]]:
        return never_shown(self.project, self.catalogue)

    def hidden(self, relation: str) -> frozenset[str]:
        """Return the columns that are compared, and of whose values nothing is shown."""
        closed = self._never_shown.get(relation, ())
        return frozenset(pair.name for pair in self.matched(relation).pairs if pair.name.casefold() in closed)
