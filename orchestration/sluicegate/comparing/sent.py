"""What a destination would get of an environment, beside what it gets of production's rows.

Both sides go through the same export file, the branch's: names, last mile, key and mode. What the branch
changes in that file itself is told by `sluice impact` and `sluice export contract`. Belongs here: an export's
words and limits. Does not belong here: the table that it sends (`tables`).
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from sluicegate.comparing.report import ColumnDiff, ExportDiff, Key, Keys, PartitionDiff, Shape, Stands
from sluicegate.comparing.rows import RowsDiff, compare_rows
from sluicegate.comparing.shapes import Pair
from sluicegate.comparing.tables import Tables
from sluicegate.comparing.verdicts import Standing
from sluicegate.compute.sql import quoted
from sluicegate.delivery.deliver import Target, order_of, sent_of, source_of
from sluicegate.delivery.empty_days import rightly_empty
from sluicegate.delivery.ledger import KeyForm, limits_past, told_as_sent
from sluicegate.destinations.base import Change, Mode
from sluicegate.operations.site import Site

_NOT_NEWEST = (
    "the destination holds the newest partition alone, and the environment has not got it; make one of"
    " newer days (`sluice env new` without `--to`)"
)


class Sent:
    """Exports of the environment whose tables these are."""

    def __init__(self, site: Site, tables: Tables) -> None:
        self._site, self._tables = site, tables
        self._lineage = site.project.lineage

    def export(self, name: str, keys: Iterable[str]) -> ExportDiff:
        """Return an export at some partitions of its model, of one that holds the newest alone at that."""
        target = self._site.target(name)
        relation, export = str(target.table.relation), target.export
        standing, keys = self._tables.verdicts.of(relation), list(keys)
        partitions, held = list[PartitionDiff](), list[str]()
        if export.spec.latest_only:
            there = self._tables.catalogue.tables.get(relation)
            newest = max([*standing, *(there.partitions if there else ())], default="")
            if newest not in standing:
                partitions = [PartitionDiff(newest, Stands.ONLY_PUBLISHED, _NOT_NEWEST)]
            keys = [key for key in keys if key == newest]
        for key in keys:
            one = self._comparable(target, standing[key])
            found = self._compared(target, key) if one.rows else None
            diff = self._tables.partition((relation, key), one, found)
            # How many rows the last mile lets through nobody has counted then.
            partitions.append(diff if found else replace(diff, was=None, is_now=None))
            if found and one.validated:
                held += [f"[{key}] {said}" if key else said for said in self._held_by(target, key, found)]
        stated = export.spec.destination
        return ExportDiff(
            export=export.name, table=relation, type=stated.type, connection=stated.connection,
            object=stated.object, mode=str(export.spec.mode), owner=export.spec.owner,
            channel=export.spec.channel or "", key=export.key_fields, columns=self._fields(target),
            partitions=tuple(partitions), held_by=tuple(held),
            unbuilt=self._tables.verdicts.unbuilt(self._lineage.ancestors(relation) | {relation}),
            stays=export.spec.mode in (Mode.APPEND, Mode.UPSERT),
        )  # fmt: skip

    def _comparable(self, target: Target, standing: Standing) -> Standing:
        """Return how a partition stands, if both sides have the columns that the export file asks for."""
        pairs = {pair.name for pair in self._tables.matched(str(target.table.relation)).pairs}
        spec = target.export.spec
        asked = [*spec.key, *(rule.column for rule in spec.last_mile if rule.filter)]
        lacking = [name for name in asked if name not in pairs]
        if not (standing.rows and lacking) or standing.stands is Stands.ONLY_HERE:
            return standing
        why = f"the export file asks for `{lacking[0]}`, which is not compared (see `columns`)"
        return replace(standing, stands=Stands.NOT_COMPARABLE, why=why, rows=False)

    def _compared(self, target: Target, key: str) -> RowsDiff:
        """Compare what is sent; where that is the table's rows under other names, it is done already."""
        relation, spec = str(target.table.relation), target.export.spec
        pairs = self._sent_pairs(target)
        form = KeyForm.of(
            target.export.key_fields,
            told_as_sent(order_of(target, key).alike, {pair.name: pair.common for pair in pairs}),
        )
        own_key, _ = self._tables.key_of(relation)
        if form.exact and own_key == spec.key and not spec.last_mile and not spec.latest_only:
            return _renamed(self._tables.compared(relation, key), target.export.field)
        was = self._tables.published_rows(relation, key)
        if was is None:
            sent = source_of(self._tables.session, target, key)
            [[rows]] = self._tables.session.query(f"select count(*) from ({sent})")
            return RowsDiff(0, rows, rows, 0)
        matched = self._tables.matched(relation)
        before, after = (
            sent_of(
                target,
                {pair.name: kind for pair, kind in zip(matched.pairs, kinds, strict=True)},
                f"({rows})",
            )
            for rows, kinds in (
                (matched.was(was), [pair.was for pair in matched.pairs]),
                (matched.now(self._tables.rows(relation, key)), [pair.now for pair in matched.pairs]),
            )
        )
        return compare_rows(
            self._tables.session, before, after, pairs, form, hidden=self._hidden(target),
            samples=self._tables.samples,
        )  # fmt: skip

    def _hidden(self, target: Target) -> frozenset[str]:
        relation = str(target.table.relation)
        return frozenset(target.export.field(name) for name in self._tables.hidden(relation))

    def _sent_pairs(self, target: Target) -> list[Pair]:
        left_out = target.partition_column if target.export.spec.latest_only else ""
        matched = self._tables.matched(str(target.table.relation))
        return [
            replace(pair, name=target.export.field(pair.name))
            for pair in matched.pairs
            if pair.name != left_out
        ]

    def _fields(self, target: Target) -> tuple[ColumnDiff, ...]:
        """Return which fields are others as such."""
        left_out = target.partition_column if target.export.spec.latest_only else ""
        matched = self._tables.matched(str(target.table.relation))
        spelt = target.export.spec.names
        return tuple(
            replace(one, name=spelt.get(one.name, one.name))
            for one in matched.others
            if one.name != left_out and not (one.shape is Shape.SPELT and one.name in spelt)
        )

    def _held_by(self, target: Target, key: str, found: RowsDiff) -> list[str]:
        """Return the limits of the export file that a delivery upon production's rows would pass."""
        session = self._tables.session
        order = replace(order_of(target, key), hidden=self._hidden(target))
        source = source_of(session, target, key)
        empty = " or ".join(f"{quoted(name)} is null" for name in order.key) or "false"
        asked = ["count(*)", f"count(*) filter (where {empty})"]
        asked += [f"sum({quoted(name)})" for name in order.limits.sums]
        [[rows, nulls, *totals]] = session.query(f"select {', '.join(asked)} from ({source})")
        changes = {Change.ADDED: found.added, Change.CHANGED: found.changed, Change.REMOVED: found.removed}
        relation = target.table.relation
        said = limits_past(
            order, rows, found.was, changes, dict(zip(order.limits.sums, totals, strict=True)),
            first=str(relation) not in self._tables.catalogue.tables,
            rightly_empty=rightly_empty(session, self._lineage, relation, key),
        )  # fmt: skip
        wrong = ((found.twice[0], "stands more than once"), (nulls, "has an empty part"))
        return [*said] + [
            f"the key of {count:,} rows {how}: nothing is sent" for count, how in wrong if count
        ]


def _renamed(found: RowsDiff, field: Callable[[str], str]) -> RowsDiff:
    """Return what was found of a table's columns under the names of a destination's fields."""

    def keys(of_sort: Iterable[Key]) -> tuple[Key, ...]:
        return tuple({field(name): text for name, text in one.items()} for one in of_sort)

    return replace(
        found,
        columns={field(name): rows for name, rows in found.columns.items()},
        sums=tuple(replace(one, name=field(one.name)) for one in found.sums),
        keys=Keys(keys(found.keys.added), keys(found.keys.removed), keys(found.keys.changed)),
    )
