"""Whether a partition of an environment is made of the same inputs as production's, and what came since.

The inputs of a build are followed up to what the environment did not build: that is a published version of
the catalogue that it was made from. Where production's build has read another one, a difference would not be
the branch's. Belongs here: that. Does not belong here: rows (`rows`), whether a check said no (`compare`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from orchestration.core.lineage import Table
from orchestration.core.partitions import as_option
from orchestration.core.partitions import place as named
from orchestration.environments.record import Made
from orchestration.gate.on_record import OnRecord
from orchestration.project.loading import Project
from orchestration.publishing.catalogue import Catalogue, PublishedPartition
from orchestration.state.records import Build

_OTHER_MEANING = "{} means something else, and is not built with that"
Place = tuple[str, str]
"""(relation, partition key)."""


@dataclass(frozen=True)
class Traced:
    """What a partition is made of: `bases` are the published partitions, {place: version}, at the top of it.

    `unbuilt` says why it is not built with what the project means now, `other` why it is not made of what
    production's is; "" where it is. `equal`: it means the same, and is made of the same.
    """

    bases: Mapping[Place, str]
    equal: bool = False
    unbuilt: str = ""
    other: str = ""


class Inputs:
    """What the partitions of an environment are made of, each looked at once.

    Args:
        project: as it is to become.
        made: what the environment was made from.
        catalogue: the one that it was made from.
        held: what its warehouse holds.
        on_record: its records.
        meanings: those of the project.
    """

    def __init__(
        self,
        project: Project,
        made: Made,
        catalogue: Catalogue,
        held: Mapping[Place, str],
        on_record: OnRecord,
        meanings: Mapping[str, str],
    ) -> None:
        self._lineage, self._made, self._catalogue = project.lineage, made, catalogue
        self._held, self._on_record, self._meanings = held, on_record, meanings
        self._models = {str(node.relation) for node in project.manifest.nodes.values()}
        self._known: dict[Place, Traced] = {}

    @cached_property
    def _anew(self) -> str:
        name = self._made.name
        return f"type `sluice env drop {name}`, then `sluice env new {name}`"

    def published(self, place: Place) -> PublishedPartition | None:
        """Return a partition of the catalogue."""
        table = self._catalogue.tables.get(place[0])
        return table.partitions.get(place[1]) if table else None

    def build(self, place: Place) -> Build | None:
        """Return the environment's own build of what it holds; None of what it has from the catalogue."""
        version = self._held.get(place)
        build = self._on_record.build(place, version) if version else None
        return build if build and build.run_id != f"inherited:{self._made.catalogue}" else None

    def of(self, place: Place) -> Traced:
        """Return what a partition that is there is made of."""
        if place not in self._known:
            self._known[place] = self._of(place)
        return self._known[place]

    def _of(self, place: Place) -> Traced:
        relation, build, published = place[0], self.build(place), self.published(place)
        table, version = self._lineage.tables.get(relation), self._held.get(place)
        if table is None or version is None:
            return Traced({}, unbuilt=f"{named(*place)} is not there any more")
        if build is None:
            if relation in self._models and not self._means_the_same(relation):
                return Traced({}, unbuilt=_OTHER_MEANING.format(relation))
            if published is None or published.version != version:
                return Traced({}, other=f"{named(*place)} is not what the catalogue has; {self._anew}")
            return Traced({place: version}, equal=True)
        if relation not in self._models:
            said = f"a drop of {named(*place)} was landed in the environment; {self._anew}, and land none"
            return Traced({}, other=said)
        if build.code != table.code:
            return Traced({}, unbuilt=_OTHER_MEANING.format(relation))
        return self._built(place, table, build, published)

    def _built(
        self, place: Place, table: Table, build: Build, published: PublishedPartition | None
    ) -> Traced:
        if build.inputs is None:
            return Traced({}, unbuilt=f"it is not on record what {named(*place)} was built from")
        read = {(name, key): version for name, keys in build.inputs.items() for key, version in keys.items()}
        bases, equal = dict[Place, str](), self._means_the_same(place[0])
        for parent, version in read.items():
            if self._held.get(parent) != version:
                return Traced({}, unbuilt=f"{named(*parent)} was built anew after {named(*place)}")
            above = self.of(parent)
            if above.unbuilt or above.other:
                return above
            bases |= above.bases
            equal = equal and above.equal
        if published is None:
            return Traced(bases)
        other = next(self._other_inputs(place, table, read, published), "")
        return Traced(bases, equal=equal and not other, other=other)

    def _means_the_same(self, relation: str) -> bool:
        return self._catalogue.meanings.get(relation) == self._meanings[relation]

    def _other_inputs(
        self, place: Place, table: Table, read: Mapping[Place, str], published: PublishedPartition
    ) -> Iterator[str]:
        """Yield what production's build of a partition has read and this one has not, or the other way round.

        What another query reads, or another window, is the branch's: only of what both read it is asked.
        """
        what, again = (
            named(*place),
            f"in production type `sluice table rerun {place[0]}{as_option(place[1])}`, then",
        )
        if published.build.inputs is None:
            yield f"production did not keep what it has built {what} from; {again} {self._anew}"
            return
        wanted = {(one.relation, one.partition_key) for one in self._lineage.reads(*place)}
        for parent in table.parents:
            versions = published.build.inputs.get(parent, {})
            for key, version in versions.items():
                there = self.published((parent, key))
                if (parent, key) in read and (there is None or there.version != version):
                    yield (
                        f"production has built {what} from an earlier {named(parent, key)} than it has"
                        f" published; {again} {self._anew}"
                    )
                elif (parent, key) in wanted and (parent, key) not in read:
                    yield f"{named(parent, key)} is read in production, and not there; {self._more_days(key)}"
            mine = [key for name, key in read if name == parent and key not in versions]
            same = self._means_the_same(place[0])
            if since := [key for key in mine if same or min(versions, default=key) < key < max(versions)]:
                yield f"production has built {what} without {named(parent, since[0])}; {again} {self._anew}"

    def _more_days(self, key: str) -> str:
        name = self._made.name
        return (
            f"type `sluice env drop {name}`, then `sluice env new {name} --from` a day before {key or 'it'}"
        )

    def since(self, place: Place, newest: Catalogue) -> list[str]:
        """Return what production has other by now of what a partition is made of."""
        if newest.name == self._catalogue.name:
            return []
        found = list[str]()
        for base, version in self.of(place).bases.items():
            table = newest.tables.get(base[0])
            there = table.partitions.get(base[1]) if table else None
            if there is None:
                found.append(f"production does not publish {named(*base)} any more; {self._anew}")
            elif there.version != version:
                found.append(f"production has corrected {named(*base)} since; {self._anew}")
        before, after = (one.meanings.get(place[0]) for one in (self._catalogue, newest))
        if before is not None and before != after:
            found.append(f"{place[0]} means something else in production since; {self._anew}")
        return _shortened(found)


def _shortened(found: list[str]) -> list[str]:
    return found if len(found) < 3 else [*found[:2], f"and {len(found) - 2} more inputs are others since"]
