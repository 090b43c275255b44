"""Publishing: what the gate lets through is copied into Delta tables, and then named by a new catalogue.

On the shelf is what is validated now: a partition that was built anew is replaced, one that is no longer
validated is taken out. Nobody reads what no catalogue names, so a process may be killed anywhere: the next
one reads from the commits what was put in since the newest catalogue, and goes on from there.

Belongs here: the order in which it is done. Does not belong here: what is to be done (`changes`), Delta's own
ways (`delta_log`), the shelf's files (`shelf`), when (`graph`).
"""

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestration.core.environments import place_digest
from orchestration.core.scratch import scratch_directory
from orchestration.destinations.errors import DeliveryError
from orchestration.destinations.registry import build
from orchestration.project.loading import Project
from orchestration.publishing.catalogue import Catalogue, PublishedTable, form_data, partition_data
from orchestration.publishing.changes import Change, Look, OutOfTime
from orchestration.publishing.delta_log import Overtaken
from orchestration.publishing.delta_types import delta_schema
from orchestration.publishing.meaning import meanings
from orchestration.publishing.shelf import Shelf
from orchestration.state.deployment import Deployment
from orchestration.warehouse.base import Session

LEASE = "published tables"
# So many tables are read with one opening of the warehouse, for which others wait.
_AT_ONCE = 20
_TRIES = 20
_OVERTAKEN = "somebody else has written to it meanwhile; `sluice publish` looks again"

Places = Collection[tuple[str, str]]


class AnotherPublishes(Exception):
    """The shelf is another deployment's, or was taken over by a newer one."""


@dataclass(frozen=True)
class Publisher:
    """Who publishes: the deployment's id and epoch."""

    deployment: str
    epoch: int


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

    `allowed` are the classes whose columns are published; `commit` is git's, "" where there is none.
    """

    deployment: Deployment
    project: Project
    shelf: Shelf
    by: Publisher
    allowed: frozenset[str]
    commit: str = ""

    def publish(
        self,
        wanted: Mapping[str, Collection[str]] | None = None,
        *,
        seconds: float = math.inf,
        wait_seconds: float = 60.0,
        told: Callable[[str], None] = lambda _: None,
    ) -> Published:
        """Publish what is validated of all, or of what is wanted and of what earlier runs left.

        `wanted` is {relation: partition keys}, without keys all of a table.
        After some `seconds` nothing more is begun, but one partition at least is looked at; another publisher
        is waited for up to `wait_seconds`. `told` is told of each table.

        Raises:
            AnotherPublishes: the shelf was published to by another deployment, or by a newer epoch.
            LeaseTimeout: another process publishes for longer than that.
        """
        store, deadline = self.deployment.store, time.monotonic() + seconds
        with store.leases.hold(LEASE, wait_seconds=wait_seconds) as lease:
            newest = self.shelf.newest()
            self._require_ours(newest)
            todo = self._places(wanted, newest)
            done, result = dict[str, PublishedTable](), Published()
            with scratch_directory(self.deployment.settings.data_dir / "scratch") as folder:
                for change in self._changes(todo, newest, folder, deadline, result):
                    lease.still_held()
                    told(_in_words(change))
                    if table := self._carry_out(change, result):
                        done[table.relation] = table
            lease.still_held()
            looked_at = {(relation, key) for relation, keys in todo.items() for key in keys}
            result.catalogue = self._add(done, looked_at, result)
        return result

    def _places(
        self, wanted: Mapping[str, Collection[str]] | None, newest: Catalogue | None
    ) -> dict[str, set[str]]:
        """Return {relation: keys} to look at, parents first; without keys all of a table."""
        tables = self.project.lineage.tables
        if wanted is None:
            return {relation: set() for relation in tables}
        found = {relation: set(keys) for relation, keys in wanted.items()}
        for relation, key in newest.waiting if newest else ():
            if wanted.get(relation) != set():
                found.setdefault(relation, set()).add(key)
        return {relation: found[relation] for relation in tables if relation in found}

    def _changes(
        self,
        todo: Mapping[str, Collection[str]],
        newest: Catalogue | None,
        folder: Path,
        deadline: float,
        result: Published,
    ) -> Iterator[Change]:
        """Yield what is to be done; whenever one is yielded the warehouse is closed."""
        relations = list(todo)
        while relations:
            with self.deployment.warehouse.session() as session, session.snapshot():
                look = Look(
                    self.deployment, self.project, self.shelf, newest, session, folder, self.allowed, deadline
                )
                found: list[Change] = []
                for relation in relations[:_AT_ONCE]:
                    if time.monotonic() > deadline and relation != next(iter(todo)):
                        result.waiting |= {(relation, key) for key in todo[relation]}
                    elif change := self._looked(look, relation, todo[relation], session, result):
                        found.append(change)
                        result.waiting |= {(relation, key) for key in change.waiting}
            yield from found
            relations = relations[_AT_ONCE:]

    def _looked(
        self, look: Look, relation: str, keys: Collection[str], session: Session, result: Published
    ) -> Change | None:
        try:
            return look.at(relation, keys)
        except OutOfTime:
            result.waiting |= {(relation, key) for key in keys}
        except session.errors as error:
            # The engine's own words may quote a value.
            result.refused[relation] = f"the engine does not write its rows ({type(error).__name__})"
        return None

    def _carry_out(self, change: Change, result: Published) -> PublishedTable | None:
        """Put the files in their place and commit; None where somebody else has written there meanwhile."""
        if not change.commits:
            return change.after
        table = change.table
        for file, source in change.files:
            self.shelf.area.upload(f"{table.location}/{file.name}", source)
            source.unlink(missing_ok=True)
        note = {
            "deployment": self.by.deployment,
            "epoch": self.by.epoch,
            "table": form_data(table),
            "whole": change.whole,
            "put": {key: partition_data(item) for key, item in change.put.items()},
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
            return None
        result.put += [(table.relation, key) for key in change.put]
        result.taken_out += [(table.relation, key) for key in change.out]
        return replace(change.after, at=at)

    def _add(self, done: Mapping[str, PublishedTable], looked_at: Places, result: Published) -> str:
        """Write the next catalogue, unless it would say what the newest says; return its name, or ""."""
        for _ in range(_TRIES):
            newest = self.shelf.newest()
            self._require_ours(newest)
            there = newest.tables if newest else dict[str, PublishedTable]()
            gone = there.keys() - self.project.lineage.tables.keys()
            # Of a table that another process has published meanwhile, what is newer counts.
            mine = {
                relation: table
                for relation, table in done.items()
                if relation not in there or there[relation].at <= table.at
            }
            waiting = ((newest.waiting if newest else frozenset()) - set(looked_at)) | result.waiting
            made = self._catalogue(newest, frozenset(waiting))
            if newest is not None and not (mine or gone) and _says_the_same(newest, made):
                return ""
            made = self.shelf.with_tables(made, {**dict.fromkeys(gone), **mine})
            try:
                self.shelf.add(made)
            except FileExistsError:
                continue
            return made.name
        raise AnotherPublishes(
            f"{self.shelf.area.url}: {_TRIES} catalogues were written by others while this one was; expected"
            " one deployment that publishes here; `sluice publish` once it has ended"
        )

    def _catalogue(self, newest: Catalogue | None, waiting: frozenset[tuple[str, str]]) -> Catalogue:
        return Catalogue(
            f"{int(newest.name) + 1 if newest else 1:012d}",
            self.by.deployment,
            self.by.epoch,
            self.deployment.clock(),
            self.project.identity.digest,
            self.commit,
            meanings(self.project),
            places_of(self.deployment, self.project),
            newest.tables if newest else {},
            waiting,
        )

    def _require_ours(self, newest: Catalogue | None) -> None:
        if newest is None or (newest.deployment, newest.epoch) == (self.by.deployment, self.by.epoch):
            return
        if newest.deployment == self.by.deployment and newest.epoch < self.by.epoch:
            return
        raise AnotherPublishes(
            f"{self.shelf.area.url}: catalogue {newest.name} is of deployment `{newest.deployment[:8]}`,"
            f" epoch {newest.epoch}; expected `{self.by.deployment[:8]}`, epoch {self.by.epoch} at most; name"
            " another place in SLUICE_PUBLISHED_URL, or `sluice env adopt --reason …` if this deployment is"
            " to take over"
        )


def places_of(deployment: Deployment, project: Project) -> frozenset[str]:
    """Return digests of all objects that a deployment writes to."""
    found: set[str] = set()
    for export in project.exports.values():
        said = export.spec.destination
        url = deployment.settings.connection(said.connection)
        if url is None:
            continue
        try:
            found.add(place_digest(build(said.type, url, said.object, said.options).canonical_object()))
        except DeliveryError:  # a URL that does not hold is told when it is used
            continue
    return frozenset(found)


def _says_the_same(one: Catalogue, other: Catalogue) -> bool:
    return replace(one, name="", published_at=other.published_at) == replace(other, name="")


def _in_words(change: Change) -> str:
    return f"{change.table.relation}: {len(change.put)} published, {len(change.out)} taken out"
