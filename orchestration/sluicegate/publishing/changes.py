"""What is to become of one published table: what the gate lets through, beside what is published.

Belongs here: the comparison, and the files of what comes in. Does not belong here: commits and catalogues
(`publish`).
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from sluicegate.compute.exact_parquet import cast_to
from sluicegate.core.column_origins import Place
from sluicegate.core.json_records import record_of
from sluicegate.core.lineage import Table
from sluicegate.delivery.ledger import of_a_person
from sluicegate.gate.gate import Gate
from sluicegate.gate.on_record import OnRecord
from sluicegate.project.loading import Project
from sluicegate.publishing.catalogue import ALL, UNKNOWN, Catalogue, PublishedPartition, PublishedTable
from sluicegate.publishing.delta_log import DataFile
from sluicegate.publishing.delta_types import TEXT, WIDE_DECIMAL, has_wide, written_as
from sluicegate.publishing.shelf import Shelf
from sluicegate.state.deployment import Deployment
from sluicegate.warehouse.base import Session
from sluicegate.warehouse.slices import partition_rows

_KEY_COLUMN = "_sluice_partition"
# Why a column is left out that has no class, but is masked.
_MASKED = "masked"


class TooWide(Exception):
    """A whole number of more than 38 digits."""


@dataclass
class Budget:
    """Until which moment, by the monotonic clock, files are written, the first one aside."""

    until: float
    written: int = 0

    @property
    def is_spent(self) -> bool:
        """Whether nothing more is written."""
        return self.written > 0 and time.monotonic() > self.until


@dataclass(frozen=True)
class Change:
    """What is to become of a table: `put` with its `files`, and `out`, upon version `before`.

    `whole`: all that is there goes, whatever it is. `newer` are partitions of which only what is said of them
    is another.
    """

    table: PublishedTable
    before: int
    whole: bool
    put: Mapping[str, PublishedPartition]
    out: frozenset[str]
    newer: Mapping[str, PublishedPartition]
    files: tuple[tuple[DataFile, Path], ...]

    @property
    def commits(self) -> bool:
        """Whether the Delta table is another after it."""
        return bool(self.whole or self.put or self.out)

    @property
    def after(self) -> PublishedTable:
        """The table once that is done, at the version before it."""
        kept = replace(self.table, partitions={}) if self.whole else self.table
        return kept.with_partitions({**self.newer, **self.put}, self.out, self.before)


def standing(
    shelf: Shelf, newest: Catalogue | None, table: Table, *, whole: bool = False
) -> tuple[int, PublishedTable | None]:
    """Return a table's version and what it holds: by the newest catalogue, and by the commits since.

    None: there is no table, it holds what we have not put in, or, if the `whole` is looked at, lacks a file.
    """
    location = shelf.location(table.relation)
    log = shelf.log(location)
    known = newest.tables.get(table.relation) if newest else None
    if known is not None and log.version < known.at:
        return log.version, None  # another table than the catalogue's
    for version, note in log.notes_after(known.at if known else -1):
        if note is None:
            known = None
            continue
        put = {key: record_of(PublishedPartition, item) for key, item in note["put"].items()}
        if note["whole"]:
            known = record_of(PublishedTable, note["table"])
        if known is not None:
            known = known.with_partitions(put, frozenset(note["out"]), version)
    if known is not None and whole and not log.files <= shelf.files_at(location):
        known = None
    return log.version, replace(known, at=log.version) if known else None


def closed(project: Project, allowed: Collection[str], table: Table, column: str) -> str:
    """Return the class for which a column is not published; "" where it is."""
    told = project.columns.tables[table.relation].columns
    name = next((name for name in told if name.casefold() == column.casefold()), None)
    if name is None:
        return UNKNOWN
    classes = project.classes.of(Place(table.relation, name))
    if not_allowed := sorted(classes.difference(allowed)):
        return not_allowed[0]
    return _MASKED if not classes and name in project.classes.hidden(table.relation) else ""


class Look:
    """One look into the warehouse, of one moment; `waiting` is what was left, as the budget was spent.

    After an error of the engine's it is over. Whole numbers of tables that are in `as_text` are written so.
    """

    def __init__(
        self,
        deployment: Deployment,
        project: Project,
        shelf: Shelf,
        newest: Catalogue | None,
        session: Session,
        folder: Path,
        allowed: Collection[str],
        budget: Budget,
        as_text: Collection[str],
    ) -> None:
        self._project, self._shelf, self._newest = project, shelf, newest
        self._session, self._folder, self._allowed, self._budget = session, folder, allowed, budget
        self.waiting, self._as_text = set[tuple[str, str]](), as_text
        self._gate = Gate(project.lineage, deployment.store, deployment.clock)
        self._held = session.versions(list(project.lineage.tables))
        self._on_record = OnRecord(deployment.store)
        self._forgotten = deployment.store.forgotten_keys.of()

    def at(self, relation: str, keys: Collection[str]) -> Change | None:
        """Return what is to become of a table, of all its partitions where no keys are named; None: nothing.

        Once it is late nothing is written any more, one file at least aside; what is no longer validated is
        taken out all the same.

        Raises:
            TooWide: it has numbers that no other type can have; look again, with the table in `as_text`.
        """
        table = self._project.lineage.tables[relation]
        before, known = standing(self._shelf, self._newest, table, whole=not keys)
        wide = relation in self._as_text or (
            known is not None
            and any(
                has_wide(kind) and known.stored.get(name) == written_as(kind, TEXT)
                for name, kind in known.columns.items()
            )
        )
        return self._change(table, keys, before, known, TEXT if wide else WIDE_DECIMAL)

    def _change(
        self, table: Table, keys: Collection[str], before: int, known: PublishedTable | None, wide: str
    ) -> Change | None:
        held = {
            key
            for relation, key in self._held
            if relation == table.relation and table.partitioning.holds(key)
        }
        if not self._session.has_table(table.relation):
            held = set()
        if known is None and not held:
            return None
        form = self._form(table, wide) if held or known is None else known
        gone, erasures = of_a_person(self._columns(table), self._forgotten) if held else ("", 0)
        whole = known is None or (bool(held) and known.form != form.form)
        there = {} if known is None or whole else known.partitions
        put, newer, files = dict[str, PublishedPartition](), dict[str, PublishedPartition](), []
        out = set[str]()
        for key in sorted(set(keys) if keys and not whole else held | there.keys()):
            published = there.get(key)
            version = self._held.get((table.relation, key)) if key in held else None
            same = published is not None and published.version == version
            if same and published is not None and published.erasures != erasures:
                same = not self._session.query(f"{self._rows(table, key, gone, there=True)} limit 1")
            late = not same and self._budget.is_spent
            if late and whole:
                return self._late(table, known, before, form)
            if version is None or not self._validated(table, key, compare_rows=not (same or late)):
                out |= {key} if published is not None else set()
                continue
            if late:
                self.waiting.add((table.relation, key))
                continue
            found = replace(self._partition(table, key, version), erasures=erasures)
            if same and published is not None:
                if published != (found := replace(found, rows=published.rows)):
                    newer[key] = found
                continue
            file = self._folder / f"{uuid4().hex}.parquet"
            rows = self._write(self._rows(table, key, gone), form, file, wide)
            put[key] = replace(found, rows=rows)
            if rows:
                files.append((DataFile(file.name, file.stat().st_size, rows, key), file))
        if known is None and before < 0 and not put:
            return None
        if not (whole or put or out or newer) and self._is_named(known):
            return None
        return Change(
            form if known is None or whole else known, before, whole, put, frozenset(out), newer,
            tuple(files),
        )  # fmt: skip

    def _is_named(self, known: PublishedTable | None) -> bool:
        """Whether the newest catalogue has a table as it stands: after a commit a process may have ended."""
        named = self._newest.tables.get(known.relation) if known and self._newest else None
        return known is None or (named is not None and replace(named, at=known.at) == known)

    def _late(
        self, table: Table, known: PublishedTable | None, before: int, form: PublishedTable
    ) -> Change | None:
        """Return what is to become of a table for which there is no time, as all of it has to be written."""
        self.waiting.add((table.relation, ALL))
        if known is None:
            return None
        if known.shows_more_than(form):  # what may not be there does not wait
            return Change(form, before, True, {}, frozenset(known.partitions), {}, ())
        out = {key for key in known.partitions if not self._validated(table, key, compare_rows=False)}
        return Change(known, before, False, {}, frozenset(out), {}, ()) if out else None

    def _form(self, table: Table, wide: str) -> PublishedTable:
        """Return a table without partitions, as the warehouse has it and the classes let it be published."""
        relation, all_columns = table.relation, self._columns(table)
        left_out = {
            name: class_
            for name in all_columns
            if (class_ := closed(self._project, self._allowed, table, name))
        }
        columns = {name: kind for name, kind in all_columns.items() if name not in left_out}
        taken = {name.casefold() for name in all_columns}
        key_column = _KEY_COLUMN if table.partitioning.partitioned else ""
        while key_column.casefold() in taken:
            key_column += "_"
        return PublishedTable(
            relation=relation,
            location=self._shelf.location(relation),
            at=-1,
            columns=columns,
            left_out=left_out,
            cut_by=table.cut_by,
            partitions={},
            stored={name: written_as(kind, wide) for name, kind in columns.items()},
            key_column=key_column,
        )

    def _columns(self, table: Table) -> dict[str, str]:
        return self._session.describe(f"select * from {table.relation.quoted}")

    def _validated(self, table: Table, key: str, *, compare_rows: bool) -> bool:
        return self._gate.standing(
            self._session, table.relation, key, self._held, self._on_record, rows=compare_rows
        ).validated

    def _partition(self, table: Table, key: str, version: str) -> PublishedPartition:
        place = (table.relation, key)
        build = self._on_record.build(place, version)
        assert build is not None  # the gate asks for it
        evidence = (item for item in self._on_record.last_words(place, version) if item.check in table.rules)
        return PublishedPartition(version, 0, build, tuple(sorted(evidence, key=lambda item: item.check)))

    def _rows(self, table: Table, key: str, gone: str, *, there: bool = False) -> str:
        """Return SQL of a partition's rows, without those that are `gone`; or, `there`, of those alone."""
        rows = partition_rows(table.relation, table.cut_by, table.partitioning, key)
        condition = f"coalesce(({gone}), false)" if gone else "false"
        return f"select * from ({rows}) where {condition if there else f'not {condition}'}"

    def _write(self, rows: str, form: PublishedTable, file: Path, wide: str) -> int:
        try:
            written = self._session.write_parquet(f"select {cast_to(form.stored)} from ({rows})", file)
        except self._session.errors:
            if wide == TEXT or not any(map(has_wide, form.columns.values())):
                raise
            raise TooWide from None
        self._budget.written += 1
        return written
