"""What an environment has to build: what means something else than what stands there, and all made of that.

Nothing stands between what is said beforehand and what is done: both are one plan. While a table is built its
standing is empty, so that a build that was killed is begun again. Belongs here: the plan, and its beginning
and end. Does not belong here: runs (`graph`), which partitions there are (`spans`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC

from sluicegate.contracts.model import CONTRACT_CHECK
from sluicegate.core.problems import did_you_mean
from sluicegate.environments.inheriting import told_anew
from sluicegate.environments.record import Made
from sluicegate.environments.spans import Spans
from sluicegate.operations.rebuilding import Rebuild, runs_of
from sluicegate.operations.site import Site
from sluicegate.publishing.meaning import as_code, as_tried, check_of, meanings


@dataclass(frozen=True)
class Building:
    """What is built in an environment: {table: keys}, and judged: {(table, check): keys}.

    `changed` are the tables that mean something else, or that a person has named; `ended` are work whose time
    is over, which stays out with all that is made of it.
    """

    site: Site
    made: Made
    meanings: Mapping[str, str]
    changed: tuple[str, ...]
    built: Mapping[str, Sequence[str]]
    judged: Mapping[tuple[str, str], Sequence[str]] = field(
        default_factory=dict[tuple[str, str], Sequence[str]]
    )
    ended: tuple[str, ...] = ()

    @property
    def runs(self) -> list[Rebuild]:
        """The runs that it takes, in their order."""
        return runs_of(self.site.project, self.built, self.judged)

    @property
    def said(self) -> list[str]:
        """What it is, in words; nothing where there is nothing to do."""
        left_out = [
            f"the time of {name}, which is work, is over: nothing is made of it" for name in self.ended
        ]
        if not self.built and not self.judged:
            return left_out
        made, days = self.made, self.made.days
        span = f"{days} day{'s' * (days > 1)}, {made.first} to {made.last}"
        partitions = sum(map(len, self.built.values()))
        others = len(self.built) - len(self.changed)
        lines: list[str] = []
        if self.built:
            lines.append(
                f"{_tables(len(self.changed))} changed ({', '.join(self.changed)}), {others} more are made of"
                f" that; {span}: {partitions} build{'s' * (partitions != 1)}"
            )
        lines += self._earlier()
        for (relation, check), keys in self.judged.items():
            lines.append(f"`{check}` of {relation} is another: partitions judged as they are: {len(keys)}")
        return lines + left_out

    def begin(self) -> None:
        """Take what is built anew out of the warehouse, and note that it does not stand."""
        tables = self.site.project.lineage.tables
        tried = {as_tried(relation): self.meanings[relation] for relation in self.built}
        self._note({**dict.fromkeys(self.built, ""), **tried})
        with self.site.deployment.warehouse.session() as session:
            session.take_out(tables[relation].relation for relation in self.built)

    def tried(self, relation: str) -> bool:
        """Whether a table was begun to be built with what it means now, and all that is built above it."""
        above = self.site.project.lineage.ancestors(relation) | {relation}
        return all(
            self.made.standing.get(as_tried(name)) == self.meanings[name]
            for name in self.built
            if name in above
        )

    def end(self) -> list[str]:
        """Note what stands now, and return the tables of which not all was built."""
        store, left = self.site.deployment.store, list[str]()
        with self.site.deployment.warehouse.session() as session:
            held = session.versions(list(self.built))
        stands = [check_of(relation, check) for relation, check in self.judged]
        for relation, keys in self.built.items():
            builds, code = store.latest_builds(relation), self.meanings[as_code(relation)]
            # What was taken out, and was not reached, has production's build on record still.
            stand = {key for key, one in builds.items() if held.get((relation, key)) == one.version}
            if all(key in stand and builds[key].code == code for key in keys):
                rules = self.site.project.lineage.tables[relation].rules
                stands += [relation, *(check_of(relation, check) for check in rules)]
            else:
                left.append(relation)
        self._note({of: self.meanings[of] for name in stands for of in (name, as_code(name))})
        return left

    def _note(self, stands: Mapping[str, str]) -> None:
        data_dir = self.site.deployment.settings.data_dir
        made = Made.read(data_dir) or self.made
        replace(made, standing={**made.standing, **stands}).write(data_dir)

    def _earlier(self) -> Iterator[str]:
        """Yield which tables are built of earlier days, too, and for whose sake."""
        tables, first = self.site.project.lineage.tables, self.made.first
        for relation in self.built:
            for parent, days in tables[relation].parents.items():
                keys = self.built.get(parent, ()) if days > 1 else ()
                grain = tables[parent].partitioning
                early = [key for key in keys if grain.grain.timed and grain.interval(key)[0].date() < first]
                if early:
                    more = f"{len(early)} earlier partition{'s come' if len(early) > 1 else ' comes'} with it"
                    yield f"{relation} reads {days} days of {parent}, which is built anew: {more}"


def building(site: Site, made: Made, wanted: Collection[str] = ()) -> Building:
    """Return what is to be built in an environment, or for the sake of the wanted tables alone.

    What means the same as what stands there is told anew in the records first.

    Raises:
        ValueError: a wanted table is no model, seed or snapshot.
    """
    project, now = site.project, meanings(site.project)
    lineage, models = project.lineage, {str(node.relation) for node in project.manifest.nodes.values()}
    stands = told_anew(site.deployment.store, made.standing, now)
    if stands != made.standing:
        made = replace(made, standing=stands)
        made.write(site.deployment.settings.data_dir)
    changed = [name for name in lineage.tables if name in models and stands.get(name, "") != now[name]]
    stale = _with_descendants(site, changed) & models
    if wanted:
        named = [named_table(models, name) for name in wanted]
        below = _with_descendants(site, named) & models
        above = set[str]().union(*(lineage.ancestors(name) for name in below))
        changed = [name for name in lineage.tables if name in named or (name in changed and name in above)]
        stale = below | (stale & above)
    today = site.deployment.clock().astimezone(UTC).date()
    ended = [name for name in sorted(stale) if name in project.work and project.work[name].ended(today)]
    stale -= _with_descendants(site, ended)
    changed = [name for name in changed if name in stale]
    with site.deployment.warehouse.session() as session:
        held: dict[str, list[str]] = {}
        for relation, key in session.versions(list(lineage.tables)):
            held.setdefault(relation, []).append(key)
    built = Spans(lineage, made.first, made.last).to_build(stale, held)
    judged = {
        (relation, check): sorted(held[relation])
        for relation, table in lineage.tables.items()
        for check in table.rules
        if relation in held
        and relation not in built
        and check != CONTRACT_CHECK
        and stands.get(name := check_of(relation, check), "") != now[name]
    }
    return Building(site, made, now, tuple(changed), built, judged, tuple(ended))


def _with_descendants(site: Site, relations: Collection[str]) -> set[str]:
    lineage = site.project.lineage
    return set(relations).union(*(lineage.descendants(name) for name in relations))


def named_table(models: Collection[str], name: str) -> str:
    """Return the table that a person names, by its relation or by its model.

    Raises:
        ValueError: there is none of this name.
    """
    known = {relation.partition(".")[2]: relation for relation in models} | {item: item for item in models}
    if name not in known:
        raise ValueError(f"no model `{name}`; {did_you_mean(name, known)}")
    return known[name]


def _tables(number: int) -> str:
    return "1 table has" if number == 1 else f"{number} tables have"
