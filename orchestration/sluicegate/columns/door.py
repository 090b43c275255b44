"""What may go where: the classes of an export's fields against those that its destination may receive.

Belongs here: the problems, the warnings, and on which exceptions an export rests. Does not belong here: how
classes travel (`classes`); the day (`delivery.export_files.expiry`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from sluicegate.columns.building import NOT_BOUND, column_graph
from sluicegate.columns.classes import ClassFlow, Misfit, shown
from sluicegate.columns.graph import DELIVERED, ColumnGraph
from sluicegate.columns.said import CLASSIFICATION, DECLASSIFIED, EXCEPTION, DbtWords, Said
from sluicegate.contracts.classes import ClassRules, Indirect
from sluicegate.contracts.model import SourceContract
from sluicegate.core.column_origins import Place
from sluicegate.core.problems import Problem
from sluicegate.core.relations import Relation
from sluicegate.core.settings import Settings
from sluicegate.delivery.export_files.exports import Export, RestsOn
from sluicegate.kusto.objects import KustoProject
from sluicegate.transformation.binding import BoundSql
from sluicegate.transformation.manifest import DbtManifest

_CLASSES = ("classes",)


@dataclass(frozen=True)
class Door:
    """The columns of a project with their classes, and what is said of them."""

    graph: ColumnGraph
    flow: ClassFlow
    rules: ClassRules
    words: DbtWords
    # Tables whose SQL is wrong, which is told: what is not known of them is no second problem.
    broken: frozenset[Relation] = frozenset()

    @classmethod
    def of(
        cls,
        settings: Settings,
        rules: ClassRules,
        contracts: Mapping[str, SourceContract],
        manifest: DbtManifest,
        bound: BoundSql,
        exports: Mapping[str, Export],
        kusto: KustoProject | None = None,
    ) -> "Door":
        """Let the classes of the contracts flow down a project, as its SQL was bound."""
        graph = column_graph(contracts, manifest, bound, exports, kusto)
        words = DbtWords(settings, manifest, rules)
        unknown = (table.relation for table in graph.tables.values() if NOT_BOUND in table.not_understood)
        broken = frozenset(unknown) if manifest.problems else frozenset[Relation]()
        return cls(graph, ClassFlow(graph, rules, contracts, words.of), rules, words, broken)

    def problems(self, exports: Iterable[Export], file_of: Callable[[Export], str]) -> Iterator[Problem]:
        """Yield what keeps a project from loading; `file_of` is the file of an export's model."""
        yield from self.words.problems
        for misfit in self.flow.misfits:
            if misfit.said.node.relation not in self.broken:
                yield self._misfit(misfit)
        for export in exports:
            if not self._is_known(export):
                continue
            yield from class_problems(export, self.flow, _fields(self.graph, export), file_of(export))
            yield from (
                export.file.problem(what, expected=expected, fix=fix, at=_CLASSES, code="SLU-P002")
                for what, expected, fix in self._deciding(export, Indirect.REFUSE)
            )

    def _is_known(self, export: Export) -> bool:
        """Whether all SQL is known that an export is made by."""
        waiting, seen = [Relation(DELIVERED, export.name)], set[Relation]()
        while waiting and self.broken:
            relation = waiting.pop()
            if relation in self.broken:
                return False
            if relation not in seen and relation in self.graph.tables:
                seen.add(relation)
                waiting += self.graph.tables[relation].reads
        return True

    def warnings(self, exports: Iterable[Export]) -> list[Problem]:
        """Return what a person should look at, and keeps nothing from loading."""
        return [
            export.file.problem(what, expected=expected, fix=fix, at=_CLASSES, code="SLU-P002")
            for export in exports
            for what, expected, fix in self._deciding(export, Indirect.WARN)
        ]

    def resting(
        self, exports: Mapping[str, Export], contracts: Mapping[str, SourceContract]
    ) -> dict[str, Export]:
        """Return the exports, each with the exceptions without which it may not be sent."""
        found: dict[str, list[RestsOn]] = {}
        for said in self.words.exceptions():
            flow = ClassFlow(self.graph, self.rules, contracts, self.words.of, without=(said,))
            for name, export in exports.items():
                needing = [
                    place.column
                    for place in _fields(self.graph, export).values()
                    if flow.of(place) - self.flow.of(place) - set(export.spec.classes)
                ]
                if needing:
                    found.setdefault(name, []).append(self._rests_on(said, needing))
        return {
            name: replace(export, rests_on=tuple(found.get(name, ()))) for name, export in exports.items()
        }

    def _rests_on(self, said: Said, needing: list[str]) -> RestsOn:
        exception = said.exception
        assert exception is not None
        return RestsOn(
            str(said), exception.from_, exception.to, exception.by, exception.until,
            *self.words.place(said, DECLASSIFIED, "until"), tuple(needing),
        )  # fmt: skip

    def _misfit(self, misfit: Misfit) -> Problem:
        said, exception = misfit.said, misfit.said.exception
        ways = "; ".join(f"it is {class_}: {way}" for class_, way in sorted(misfit.classes.items()))
        column = f"column `{said.column}` of `{said.node.name}`"
        if exception and exception.from_ not in misfit.classes:
            what = f"an exception lowers {column} from {exception.from_}, which it is not"
            return self.words.problem(
                said, "SLU-P069",
                f"{what}; {ways}" if ways else what, "an exception from a class that the column has",
                "take it away, or correct `from`", DECLASSIFIED, "from",
            )  # fmt: skip
        class_ = max(misfit.classes, key=self._rank)
        usual = EXCEPTION % (class_, said.classification)
        return self.words.problem(
            said, "SLU-P069", f"{column} is said to be {said.classification}, but {ways}",
            f"a class that is no more open than what comes in: `{CLASSIFICATION}` only raises",
            f"take it away, or write the exception beside it: `{usual}`", CLASSIFICATION,
        )  # fmt: skip

    def _rank(self, class_: str) -> int:
        return self.rules.classes.index(class_) if class_ in self.rules.classes else len(self.rules.classes)

    def _deciding(self, export: Export, asked: Indirect) -> Iterator[tuple[str, str, str]]:
        for one in self.flow.deciding(Relation(DELIVERED, export.name)):
            if one.class_ in export.spec.classes or self.rules.deciding(one.class_) is not asked:
                continue
            yield (
                f"what is {one.class_} decides which rows of `{export.name}` there are, or in which order:"
                f" {shown(one.way)} in {one.table}",
                f"rows by data of the classes that this destination may receive: {_listed(export)}",
                f"take it out of {one.table}, add {one.class_} to `classes` once its owner agrees, or say in"
                f" contracts/classes.yml `indirect: {{{one.class_}: allow}}`",
            )


def class_problems(
    export: Export, flow: ClassFlow, fields: Mapping[str, Place], file: str
) -> Iterator[Problem]:
    """Yield the fields whose classes the destination may not receive.

    `fields` is {field: its column in the graph}, `file` that of the model, which may be mended.
    """
    for field, place in fields.items():
        for class_ in sorted(flow.of(place) - set(export.spec.classes)):
            yield export.file.problem(
                f"field `{field}` is {class_}: {flow.shown(place, class_)}",
                expected=f"data of the classes that this destination may receive: {_listed(export)}",
                fix=f"take it out of {file}; mask it in its contract, or send a measure, where"
                f" contracts/classes.yml has a rule that lowers {class_}; add {class_} to `classes` once its"
                f" owner agrees; or write an exception in the column's meta: `{EXCEPTION % (class_, '…')}`",
                at=_CLASSES,
                code="SLU-P002",
            )


def _fields(graph: ColumnGraph, export: Export) -> dict[str, Place]:
    relation = Relation(DELIVERED, export.name)
    table = graph.tables.get(relation)  # not there, where it has no model: another rule tells it
    return {field: Place(relation, field) for field in table.columns} if table else {}


def _listed(export: Export) -> str:
    return ", ".join(export.spec.classes) or "none"
