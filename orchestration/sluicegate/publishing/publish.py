"""Publishing: what the gate lets through is copied into Delta tables, and then named by a new catalogue.

On the shelf is what is validated now: a partition that was built anew is replaced, one that is no longer
validated is taken out. Nobody reads what no catalogue names, so a process may be killed anywhere: the next
one reads from the commits what was put in since the newest catalogue, and goes on from there.

Belongs here: the order in which it is done. Does not belong here: what is to be done (`changes`), Delta's own
ways (`delta_log`), the shelf's files (`shelf`), when (`graph`).
"""

import math
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from sluicegate.areas import storage_errors
from sluicegate.core.json_records import json_of
from sluicegate.core.partitions import UNPARTITIONED
from sluicegate.core.progress import Step, step
from sluicegate.core.scratch import scratch_directory
from sluicegate.core.stages import Stage
from sluicegate.delivery.productions_places import digests_of
from sluicegate.destinations.errors import DeliveryError
from sluicegate.destinations.registry import build
from sluicegate.kusto.feeds import ADX
from sluicegate.kusto.places import database_digest
from sluicegate.project.loading import Project
from sluicegate.publishing.catalogue import ALL, NOTHING_SEEN, Catalogue, PublishedTable
from sluicegate.publishing.changes import Budget, Change, Look, TooWide, closed
from sluicegate.publishing.cleaning import clean
from sluicegate.publishing.delta_log import Overtaken
from sluicegate.publishing.delta_types import delta_schema
from sluicegate.publishing.meaning import meanings
from sluicegate.publishing.shelf import NotPublished, Shelf
from sluicegate.state.deployment import Deployment

_COLOUR = re.compile(r"\x1b\[\d*m|↳")
LEASE = "published tables"
# So many tables are read with one opening of the warehouse, for which others wait.
_AT_ONCE = 20
_OVERTAKEN = "somebody else has written to it meanwhile; `sluice env publish` looks again"


class AnotherPublishes(NotPublished):
    """The shelf is another deployment's, or this one is a copy that is to send nothing."""


@dataclass
class Published:
    """What became of a publishing; places are (relation, partition key).

    `catalogue` is the new one's name, "" where nothing has changed. For `waiting` there was no time;
    `refused` is {relation: why nothing of it was published}.
    """

    catalogue: str = ""
    put: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    taken_out: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    waiting: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    refused: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Publishing:
    """What is published where, and by whom.

    `allowed` are the classes whose columns are published.
    """

    deployment: Deployment
    project: Project
    shelf: Shelf
    allowed: frozenset[str]

    @cached_property
    def _tables(self) -> Sequence[str]:
        """The tables that are published, parents before children: of work nobody else makes anything."""
        stages = self.project.stages
        return [name for name in self.project.lineage.tables if stages[name] is Stage.PRODUCTION]

    def publish(
        self,
        wanted: Collection[str] | None = None,
        *,
        since: bool = False,
        seconds: float = math.inf,
        wait_seconds: float = 60.0,
        told: Callable[[str], None] = lambda _: None,
    ) -> Published:
        """Publish what is validated of the wanted tables, or of all.

        `since`: only what may be another since the newest catalogue, and what was left then. After some
        `seconds` no partition is written any more, the first one aside, and what is no longer validated is
        taken out all the same; another publisher is waited for up to `wait_seconds`. `told` is told of each
        table.

        Raises:
            AnotherPublishes: the shelf was published to by another deployment, or this one is a copy.
            LeaseTimeout: another process publishes for longer than that.
            NotPublished: the shelf cannot be read or written.
        """
        try:
            return self._publish(wanted, since, seconds, wait_seconds, told)
        except _shelf_errors() as error:
            # delta-rs tells the cause last, with colours.
            why = _COLOUR.sub("", str(error)).strip() or type(error).__name__
            raise NotPublished(
                f"{self.shelf.area.url} cannot be published to ({why.splitlines()[-1].strip()}); expected"
                " a place that has room, and the right to read, write and remove; fix that, then `sluice"
                " env publish`: what was published is as it was"
            ) from None

    def _publish(
        self,
        wanted: Collection[str] | None,
        since: bool,
        seconds: float,
        wait_seconds: float,
        told: Callable[[str], None],
    ) -> Published:
        store, budget = self.deployment.store, Budget(time.monotonic() + seconds)
        with store.leases.hold(LEASE, wait_seconds=wait_seconds) as lease:
            newest = self.shelf.newest()
            self._require_ours(newest)
            # Records that came from a backup count from other numbers on; a restore raises the epoch.
            counting = newest is not None and newest.epoch == self.deployment.identity.epoch
            seen = store.newest() if wanted is None else newest.seen if newest and counting else NOTHING_SEEN
            if since and newest is not None and counting:
                todo = self._since(newest)
                if not todo:
                    return Published()
            else:
                todo = {relation: {ALL} for relation in self._tables if wanted is None or relation in wanted}
            done, result = dict[str, PublishedTable](), Published()
            with (
                scratch_directory(self.deployment.settings.data_dir / "scratch") as folder,
                step("publishing", len(todo), "tables") as under_way,
            ):
                for change in self._changes(todo, newest, folder, budget, result, under_way):
                    lease.still_held()
                    told(_in_words(change))
                    if table := self._carry_out(change, result):
                        done[table.relation] = table
            lease.still_held()
            after = self._add(newest, done, todo, seen, result.waiting)
            result.catalogue = after.name if after else ""
            if newest and after and self._loses_columns(newest, done) and newest.shows_more_than(after):
                keep = timedelta(days=self.project.environments.production.keep_published)
                clean(self.shelf, lease, self.deployment.clock(), keep)
        return result

    def _since(self, newest: Catalogue) -> dict[str, set[str]]:
        """Return {relation: keys} that may be others since a catalogue, and those it left; parents first.

        What is made of a partition is judged by it: of one that fails also what has it in its window, and all
        that reads a snapshot.
        """
        store, lineage = self.deployment.store, self.project.lineage
        failed = store.failed_after(newest.seen[2])
        found = {(relation, key) for relation, key in newest.waiting if relation in self._tables}
        for relation, key in store.touched_after(*newest.seen):
            table = lineage.tables.get(relation)
            if table is None or not table.partitioning.holds(key):
                continue
            found.add((relation, key))
            says_no = (relation, key) in failed
            reaches = lineage.affected([relation], key) if table.partitioning.grain.timed else {}
            for name in lineage.descendants(relation):
                below = lineage.tables[name].partitioning
                if reach := reaches.get(name):
                    end = reach.window_end if says_no else reach.end
                    found |= {(name, one) for one in below.overlapping(reach.start, end)}
                elif table.partitioning.partitioned or not below.partitioned:
                    found.add((name, key if below.partitioned else UNPARTITIONED))
                elif says_no:
                    found.add((name, ALL))
        todo: dict[str, set[str]] = {}
        for relation, key in found:
            todo.setdefault(relation, set()).add(key)
        todo |= self._closed_since(newest)
        return {relation: todo[relation] for relation in self._tables if relation in todo}

    def _closed_since(self, newest: Catalogue) -> dict[str, set[str]]:
        """Return {relation: all} of what shows columns that another project lets out no more."""
        if newest.project == self.project.identity.digest:
            return {}
        return {
            relation: {ALL}
            for relation in self._tables
            if (known := newest.tables.get(relation))
            and any(
                closed(self.project, self.allowed, self.project.lineage.tables[relation], name)
                for name in known.columns
            )
        }

    def _changes(
        self,
        todo: Mapping[str, Collection[str]],
        newest: Catalogue | None,
        folder: Path,
        budget: Budget,
        result: Published,
        under_way: Step,
    ) -> Iterator[Change]:
        """Yield what is to be done; whenever one is yielded the warehouse is closed.

        An error of the engine's ends its transaction, and with it a look: what follows is in the next one.
        """
        relations, as_text = list(todo), set[str]()
        while relations:
            with self.deployment.warehouse.session() as session, session.snapshot():
                look = Look(
                    self.deployment, self.project, self.shelf, newest, session, folder, self.allowed, budget,
                    as_text,
                )  # fmt: skip
                found, done = list[Change](), 0
                try:
                    for relation in relations[:_AT_ONCE]:
                        under_way.now = relation
                        change = look.at(relation, () if ALL in todo[relation] else todo[relation])
                        found += [change] if change else []
                        done += 1
                except TooWide:
                    as_text.add(relations[done])
                except session.errors as error:
                    # The engine's own words may quote a value.
                    why = f"the engine does not write its rows ({type(error).__name__})"
                    result.refused[relations[done]] = why
                    done += 1
                result.waiting |= look.waiting
            yield from found
            under_way.add(done)
            relations = relations[done:]

    def _carry_out(self, change: Change, result: Published) -> PublishedTable | None:
        """Put the files in their place and commit; None where somebody else has written there meanwhile."""
        if not change.commits:
            return change.after
        table = change.table
        for file, source in change.files:
            self.shelf.area.upload(f"{table.location}/{file.name}", source)
            source.unlink(missing_ok=True)
        note = {
            "deployment": self.deployment.identity.id,
            "epoch": self.deployment.identity.epoch,
            "table": json_of(replace(table, partitions={})),
            "whole": change.whole,
            "put": {key: json_of(item) for key, item in change.put.items()},
            "out": sorted(change.out),
        }
        replaced = None if change.whole or not table.key_column else {*change.put, *change.out}
        files = [file for file, _ in change.files]
        try:
            at = self.shelf.log(table.location).commit(
                delta_schema(table.stored, table.key_column), table.key_column, files, note, replaced,
                upon=change.before,
            )  # fmt: skip
        except Overtaken:
            result.refused[table.relation] = _OVERTAKEN
            result.waiting.add((table.relation, ALL))
            return None
        result.put += [(table.relation, key) for key in change.put]
        result.taken_out += [(table.relation, key) for key in change.out]
        return replace(change.after, at=at)

    def _add(
        self,
        newest: Catalogue | None,
        done: Mapping[str, PublishedTable],
        todo: Mapping[str, Collection[str]],
        seen: tuple[int, int, int, int],
        waiting: Collection[tuple[str, str]],
    ) -> Catalogue | None:
        """Write the catalogue after the newest, and return it; None where it would say the same."""
        there = newest.tables if newest else dict[str, PublishedTable]()
        left = {
            (relation, key)
            for relation, key in (newest.waiting if newest else ())
            if not {key, ALL} & set(todo.get(relation, ()))
        }
        project, own = self.project.identity.digest, self.deployment.identity
        made = Catalogue(
            f"{int(newest.name) + 1 if newest else 1:012d}",
            own.id,
            own.epoch,
            self.deployment.clock(),
            project,
            newest.meanings if newest and newest.project == project else meanings(self.project),
            places_of(self.deployment, self.project, newest.places if newest else ()),
            there,
            seen,
            frozenset({*left, *waiting}),
            {str(of): tuple(sorted(names)) for of, names in self.project.classified_columns.items() if names},
        )
        gone = there.keys() - set(self._tables)
        if newest is not None and not (done or gone) and _says_the_same(newest, made):
            return None
        made = self.shelf.with_tables(made, {**dict.fromkeys(gone), **done})
        try:
            self.shelf.add(made)
        except FileExistsError:
            raise AnotherPublishes(
                f"{self.shelf.area.url}: catalogue {made.name} was written meanwhile; expected one process"
                " that publishes at a time; `sluice env publish` does what is left"
            ) from None
        return made

    def _loses_columns(self, newest: Catalogue, done: Mapping[str, PublishedTable]) -> bool:
        """Whether something may be gone that was published: the tables that stay are not read for it."""
        there = newest.tables
        return bool(there.keys() - set(self._tables)) or any(
            name in there and there[name].columns.keys() - table.columns.keys()
            for name, table in done.items()
        )

    def _require_ours(self, newest: Catalogue | None) -> None:
        if kept_back := self.deployment.kept_back():
            raise AnotherPublishes(str(kept_back))
        own = self.deployment.identity
        if newest is None or (newest.deployment == own.id and newest.epoch <= own.epoch):
            return
        raise AnotherPublishes(
            f"{self.shelf.area.url}: catalogue {newest.name} is of deployment {newest.deployment[:8]}, epoch"
            f" {newest.epoch}; expected {own.id[:8]}, epoch {own.epoch} at most; name a place of its own in"
            " SLUICE_PUBLISHED_URL"
        )


def places_of(deployment: Deployment, project: Project, earlier: Collection[str] = ()) -> frozenset[str]:
    """Return digests of all objects that a deployment writes to, and of the databases that they are in.

    `earlier` are those of the catalogue before: they stay while this process cannot tell of each export.
    """
    found: set[str] = set()
    for export in (one for one in project.exports.values() if one.stage is Stage.PRODUCTION):
        said = export.spec.destination
        url = deployment.settings.connection(said.connection)
        try:
            if url is None:
                found.update(earlier)
            else:
                built = build(said.type, url, said.object, said.options)
                found |= digests_of(built)
                if said.type == ADX:
                    found.add(database_digest(url))
        except DeliveryError:  # a URL that does not hold is told when it is used
            found.update(earlier)
    return frozenset(found)


def _shelf_errors() -> tuple[type[Exception], ...]:
    from deltalake.exceptions import DeltaError

    return (*storage_errors(), DeltaError)


def _says_the_same(one: Catalogue, other: Catalogue) -> bool:
    """Whether nobody would miss the later one; where nothing was found, the next looks again."""
    same = replace(one, name="", published_at=other.published_at, seen=other.seen)
    return same == replace(other, name="")


def _in_words(change: Change) -> str:
    return f"{change.table.relation}: {len(change.put)} published, {len(change.out)} taken out"
