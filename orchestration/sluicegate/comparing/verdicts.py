"""How each partition of an environment stands, before any row is looked at.

Belongs here: whether it is there, built with what the project means, let through by its checks, and of the
same inputs; in words, with what to type. Does not belong here: rows (`rows`), inputs (`inputs`).
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from functools import cached_property

from sluicegate.comparing.closed import Closed, closed
from sluicegate.comparing.inputs import Inputs, Place
from sluicegate.comparing.report import Stands
from sluicegate.comparing.words import places
from sluicegate.contracts.model import CONTRACT_CHECK
from sluicegate.core.partitions import place as named
from sluicegate.environments.changes import Building
from sluicegate.environments.spans import Spans
from sluicegate.gate.gate import Finding, Verdict
from sluicegate.gate.on_record import OnRecord
from sluicegate.publishing.catalogue import Catalogue
from sluicegate.publishing.meaning import check_of
from sluicegate.warehouse.base import Session


@dataclass(frozen=True)
class Standing:
    """How a partition stands, why, and whether its rows are to be looked at (`changed` until they are)."""

    stands: Stands
    why: str = ""
    rows: bool = False

    @property
    def validated(self) -> bool:
        """Whether it is built with what the project means now, and every check let it through."""
        return self.stands not in (Stands.NOT_BUILT, Stands.FAILED, Stands.REFUSED, Stands.NOT_JUDGED)


class Verdicts:
    """The partitions of an environment; `plan` is what is yet to be built in it, `session` its warehouse."""

    def __init__(self, plan: Building, catalogue: Catalogue, session: Session) -> None:
        self._plan, self._catalogue, self._session = plan, catalogue, session
        site = plan.site
        self._project, self._gate = site.project, site.gate
        self._lineage = site.project.lineage
        self._held = session.versions(list(self._lineage.tables))
        self._on_record = OnRecord(site.deployment.store)
        self.inputs = Inputs(site.project, plan.made, catalogue, self._held, self._on_record, plan.meanings)
        self._own = site.deployment.store.built_by_runs_other_than(f"inherited:{plan.made.catalogue}")
        self._known: dict[str, dict[str, Standing]] = {}
        self._build = f"type `sluice env build --name {plan.made.name}`"

    @cached_property
    def models(self) -> frozenset[str]:
        """All that the environment can build."""
        return frozenset(str(node.relation) for node in self._project.manifest.nodes.values())

    @cached_property
    def affected(self) -> frozenset[str]:
        """Tables that are built in it, or would be; that are gone from it; of which a check is another."""
        meanings, before = self._plan.meanings, self._catalogue.meanings
        published = frozenset(self._catalogue.tables)  # names alone: what each says is read when it is needed
        judged = {
            relation
            for relation in published & self._lineage.tables.keys()
            for check in self._lineage.tables[relation].rules
            if check != CONTRACT_CHECK and meanings[name := check_of(relation, check)] != before.get(name)
        }
        gone = published - {relation for relation, _ in self._held}
        return self.models & {*self._own, *self._plan.built, *judged, *gone}

    @cached_property
    def closed(self) -> Closed:
        """What is made of columns that are not published."""
        return closed(self._project, self._catalogue, self.models & self._own)

    def _published(self, relation: str) -> list[str]:
        """Return the keys of the asked days that production has published."""
        made, table = self._plan.made, self._catalogue.tables.get(relation)
        tables = {relation: table} if table else {}
        spans = Spans(self._lineage, made.first, made.last)
        return spans.published(replace(self._catalogue, tables=tables)).get(relation, [])

    def of(self, relation: str) -> Mapping[str, Standing]:
        """Return how each partition of a table stands, in the order of time."""
        if relation not in self._known:
            partitioning = self._lineage.tables[relation].partitioning
            here = sorted(key for name, key in self._held if name == relation and partitioning.holds(key))
            keys = dict.fromkeys([*self._published(relation), *here, *self._plan.built.get(relation, ())])
            ordered = sorted(keys) if partitioning.grain.timed else keys
            self._known[relation] = {key: self._of((relation, key)) for key in ordered}
        return self._known[relation]

    def unbuilt(self, relations: Set[str]) -> tuple[str, ...]:
        """Return what of tables is not built and validated with what the project means now, in words."""
        found: dict[tuple[str, str, str], list[str]] = {}
        for relation in (name for name in self._lineage.tables if name in relations & self.affected):
            standing = self.of(relation)
            if not standing:
                found[(relation, Stands.NOT_BUILT, f"no partition of it can be built; {self._build}")] = [""]
            for key, one in standing.items():
                if not one.validated:
                    found.setdefault((relation, one.stands, one.why), []).append(key)
        return tuple(
            f"{places(relation, keys)}: {stands.replace('_', ' ')}: {why}"
            for (relation, stands, why), keys in found.items()
        )

    def _of(self, place: Place) -> Standing:
        if place not in self._held:
            return self._missing(place)
        traced, published = self.inputs.of(place), self.inputs.published(place)
        if place[0] in self._plan.built and self.inputs.build(place) is None:
            return Standing(Stands.NOT_BUILT, self._to_build(place[0]))
        if traced.unbuilt:
            return Standing(Stands.NOT_BUILT, f"{traced.unbuilt}; {self._build}")
        other = traced.other or self.closed.rows.get(place[0], "")
        rows = not (other or traced.equal)
        if said := self._said(place):
            return Standing(said[0], said[1], rows)
        if other:
            return Standing(Stands.NOT_COMPARABLE, other)
        if published is None:
            return Standing(Stands.ONLY_HERE, "production has not published it", rows=True)
        return Standing(Stands.CHANGED if rows else Stands.EQUAL, rows=rows)

    def _missing(self, place: Place) -> Standing:
        relation, key = place
        if key not in self._plan.built.get(relation, ()):
            said = "not all that it is made of is in the environment"
            return Standing(Stands.ONLY_PUBLISHED, f"{said}; make one of more days (`sluice env new --days`)")
        if refusal := next(
            (one for one in self._findings(place) if one.says_no and one.relation != relation), None
        ):
            return Standing(Stands.NOT_BUILT, self._refused(refusal, place))
        if self._plan.tried(relation):
            return Standing(Stands.FAILED, f"its build did not come about; {self._build}, which says why")
        return Standing(Stands.NOT_BUILT, self._to_build(relation))

    def _to_build(self, relation: str) -> str:
        above = self._lineage.ancestors(relation) | {relation}
        changed = ", ".join(name for name in self._plan.changed if name in above) or relation
        return f"{changed} means something else, or is to be built anew; {self._build}"

    def _said(self, place: Place) -> tuple[Stands, str] | None:
        """Return what the gate says against a partition that is there; None where it is validated."""
        found = [*self._findings(place)]
        if refusal := next((one for one in found if one.says_no), None):
            return Stands.REFUSED, self._refused(refusal, place)
        if found:
            built = any(one.rebuilds or one.verdict is Verdict.NOT_BUILT for one in found)
            said = f"{_told(found[0], place)}; {self._build}"
            return (Stands.NOT_BUILT if built else Stands.NOT_JUDGED), said
        return None

    def _findings(self, place: Place) -> Iterator[Finding]:
        report = self._gate.standing(self._session, *place, self._held, self._on_record, rows=False)
        yield from report.reasons

    def _refused(self, refusal: Finding, place: Place) -> str:
        return f"{_told(refusal, place)}; fix the model or the rule, then {self._build}"


def _told(found: Finding, place: Place) -> str:
    """Return a finding of a place, or of what it is made of, without what a check has said of values."""
    where = named(found.relation, found.partition_key)
    if (found.relation, found.partition_key) == place:
        where = "it"
    return f"{f'check `{found.check}` of ' if found.check else ''}{where}: {found.verdict.value}"
