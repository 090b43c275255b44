"""What `sluice impact` answers, in words and names alone: what people read and what machines read.

Its fields are the JSON that the command prints, with a schema in docs/impact.schema.json: one is added, none
is taken away or renamed without a new `version`. Belongs here: that form. Does not belong here: how it is
printed (`cli`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ConfigDict, TypeAdapter, with_config

from sluicegate.columns.changes import Classes
from sluicegate.columns.graph import ColumnGraph
from sluicegate.columns.impact import Deciding, Effect, How, is_source
from sluicegate.columns.receivers import Receiver
from sluicegate.columns.since import Since
from sluicegate.contracts.model import SourceContract
from sluicegate.core.column_origins import Place
from sluicegate.core.json_schemas import schema_text_of
from sluicegate.core.relations import RAW, Relation

FILE = "docs/impact.schema.json"
_VERSION = 1
# What stands below a field is its description in the schema.
_DESCRIBED = ConfigDict(use_attribute_docstrings=True)


@with_config(_DESCRIBED)
@dataclass(frozen=True)
class ReceiverReport:
    """Who receives a field: an export, a function, view or filled table of Kusto, or an exposure."""

    kind: str
    """`export`, `function`, `view`, `table`, or the exposure's type, as `dashboard`."""
    name: str
    """The export's name, the function's, or the exposure's."""
    connection: str
    """The connection of an export, or of a function's database; empty of an exposure, as is `object`."""
    object: str
    """The table, folder or object type there."""
    owner: str
    """Who answers for it."""
    channel: str
    """Where they want to hear of it."""
    purpose: str
    """What it is for."""
    url: str
    """Where an exposure is looked at."""
    maturity: str
    """What dbt says of an exposure: low, medium, high."""


@with_config(_DESCRIBED)
@dataclass(frozen=True)
class FieldReport:
    """A field that changes."""

    receiver: ReceiverReport
    """Whose field it is."""
    field: str
    """The field, as the destination calls it; of an exposure `MODEL.COLUMN`."""
    change: str
    """What becomes of it: gone, new, type, class or values."""
    influence: str
    """How it is made of what changes: identity, pick, transformation, conditional, measure or window."""
    way: tuple[str, ...]
    """The columns from the one that changes to the field, as SCHEMA.TABLE.COLUMN."""
    classes: tuple[str, ...]
    """Its data classes."""


@with_config(_DESCRIBED)
@dataclass(frozen=True)
class RowsReport:
    """Who gets other rows, or gets them in another order."""

    receiver: ReceiverReport
    """Whose rows they are."""
    influence: str
    """How the column decides: filter, join, group_by, sort or window; `rows` of the table's own."""
    way: tuple[str, ...]
    """The columns to the one that decides; or the tables from the one whose rows change."""


@with_config(_DESCRIBED)
@dataclass(frozen=True)
class ReaderReport:
    """What names a column that changes, and does not run without it: a function, or what reads such a one."""

    receiver: ReceiverReport
    """Which function, view or filled table."""
    way: tuple[str, ...]
    """The columns from the one that changes to the one that is named."""
    through: tuple[str, ...]
    """From the function that names it to this one, both included, as SCHEMA.NAME."""


@with_config(_DESCRIBED)
@dataclass(frozen=True)
class ChangeReport:
    """A change, and what it does."""

    table: str
    """The source, model or export that changes."""
    relation: str
    """The same with its schema: `raw.SOURCE`, `delivered.EXPORT`."""
    columns: tuple[str, ...]
    """The columns that the change is about; none where it is about rows."""
    change: str
    """gone, new, type, class, values or rows."""
    what: str
    """The change in words."""
    fields: tuple[FieldReport, ...]
    """The fields that change."""
    rows: tuple[RowsReport, ...]
    """Who gets other rows."""
    reads: tuple[ReaderReport, ...] = ()
    """What reads it, and breaks where it is gone or called otherwise."""


@with_config(_DESCRIBED)
@dataclass(frozen=True)
class GuardReport:
    """What judges otherwise than before; it changes no field, but may hold a partition, or no longer does."""

    table: str
    """The table that is judged, or the export."""
    what: str
    """What changed."""
    receivers: tuple[str, ...]
    """The exports and exposures below it."""


@with_config(_DESCRIBED)
@dataclass(frozen=True)
class ImpactReport:
    """The answer of `sluice impact SOURCE` and `sluice impact --since REV`."""

    since: str
    """The commit that was compared with; empty where nothing was."""
    changes: tuple[ChangeReport, ...]
    """What changes, and what it does."""
    guards: tuple[GuardReport, ...] = ()
    """What is judged otherwise."""
    notes: tuple[str, ...] = ()
    """What is said otherwise of exports and exposures: owners, deadlines."""
    problems: tuple[str, ...] = ()
    """Why the project does not load: then only contracts were compared, by what hung on them."""
    version: int = _VERSION
    """The version of this form."""

    @property
    def fields(self) -> list[FieldReport]:
        """Every field that changes."""
        return [one for change in self.changes for one in change.fields]

    @property
    def rows(self) -> list[RowsReport]:
        """Everybody who gets other rows."""
        return [one for change in self.changes for one in change.rows]

    @property
    def receivers(self) -> list[ReceiverReport]:
        """Who sees any of it, each once."""
        reads = [one for change in self.changes for one in change.reads]
        return list(dict.fromkeys(one.receiver for one in [*self.fields, *self.rows, *reads]))


@with_config(_DESCRIBED)
@dataclass(frozen=True)
class OriginReport:
    """A column of a source that has a part in a field."""

    table: str
    """The source, or a seed."""
    column: str
    """Its column."""
    influence: str
    """How it has a part."""
    way: tuple[str, ...]
    """The columns from it: to the field, or to the one that decides which rows there are."""
    classes: tuple[str, ...]
    """Its data classes."""
    owner: str
    """Who answers for the contract; empty of a seed, as are the other two."""
    provider: str
    """Who lands the files."""
    channel: str
    """Where the contract's people talk."""


@with_config(_DESCRIBED)
@dataclass(frozen=True)
class FieldOrigins:
    """The answer of `sluice impact --field EXPORT.FIELD`."""

    receiver: ReceiverReport
    """Whose field it is."""
    field: str
    """The field."""
    classes: tuple[str, ...]
    """Its data classes."""
    values: tuple[OriginReport, ...]
    """What decides its values."""
    rows: tuple[OriginReport, ...]
    """What decides which rows there are, or in which order."""
    version: int = _VERSION
    """The version of this form."""


@dataclass(frozen=True)
class Names:
    """What is needed to write an answer in names; `earlier` are receivers as they were, of what is gone."""

    graph: ColumnGraph
    receivers: Mapping[Relation, Receiver]
    contracts: Mapping[str, SourceContract] = field(default_factory=dict[str, SourceContract])
    classes: Classes = field(default_factory=dict[Place, frozenset[str]])
    earlier: Mapping[Relation, Receiver] = field(default_factory=dict[Relation, Receiver])

    def told(self, effects: Iterable[Effect]) -> tuple[ChangeReport, ...]:
        """Return changes and what they do."""
        return tuple(self._change(one) for one in effects)

    def since(self, found: Since, commit: str, problems: Sequence[str] = ()) -> ImpactReport:
        """Return the answer to `--since`."""
        guards = tuple(
            GuardReport(guard.relation.name, guard.what, tuple(one.name for one in held))
            for guard, held in found.guards
        )
        return ImpactReport(commit, self.told(found.effects), guards, found.notes, tuple(problems))

    def origins(self, place: Place, found: Deciding) -> FieldOrigins:
        """Return the answer to `--field`."""
        values, rows = (
            tuple(
                self._origin(one, through.kind, through.way)
                for one, through in part.items()
                if is_source(self.graph, one.relation) and self._stated(one)
            )
            for part in (found.values, found.rows)
        )
        receiver = self._receiver(place.relation)
        return FieldOrigins(receiver, place.column, self._classes(place), values, rows)

    def _stated(self, place: Place) -> bool:
        """Whether a column is a contract's, or of no contract: what the platform adds is nobody's."""
        contract = self.contracts.get(place.relation.name) if place.relation.schema == RAW else None
        return contract is None or any(column.name == place.column for column in contract.loaded_columns)

    def _change(self, found: Effect) -> ChangeReport:
        change = found.change
        fields = tuple(
            FieldReport(
                self._receiver(one.field.relation, gone=one.how is How.GONE), one.field.column,
                str(one.how), str(one.through.kind), _way(one.through.way), self._classes(one.field),
            )
            for one in found.fields
        )  # fmt: skip
        rows = tuple(
            RowsReport(
                self._receiver(one.receiver),
                str(one.by.kind) if one.by else "rows",
                _way(one.by.way) if one.by else tuple(map(str, one.way)),
            )
            for one in found.rows
        )
        reads = tuple(
            ReaderReport(self._receiver(one.receiver), _way(one.way), tuple(map(str, one.through)))
            for one in found.readers
        )
        return ChangeReport(
            change.relation.name, str(change.relation), change.columns, str(change.how), change.what, fields,
            rows, reads,
        )  # fmt: skip

    def _origin(self, place: Place, kind: str, way: Sequence[Place]) -> OriginReport:
        contract = self.contracts.get(place.relation.name) if place.relation.schema == RAW else None
        owner, provider, channel = (
            (contract.owner, contract.provider, contract.channel) if contract else [""] * 3
        )
        return OriginReport(
            place.relation.name, place.column, str(kind), _way(way), self._classes(place), owner, provider,
            channel,
        )  # fmt: skip

    def _receiver(self, relation: Relation, *, gone: bool = False) -> ReceiverReport:
        known = {**self.receivers, **self.earlier} if gone else {**self.earlier, **self.receivers}
        one = known.get(relation) or Receiver(relation, "export", relation.name)
        return ReceiverReport(
            one.kind, one.name, one.connection, one.object, one.owner, one.channel, one.purpose, one.url,
            one.maturity,
        )  # fmt: skip

    def _classes(self, place: Place) -> tuple[str, ...]:
        return tuple(sorted(self.classes.get(place, ())))


def _way(places: Sequence[Place]) -> tuple[str, ...]:
    return tuple(map(str, places))


def schema_text() -> str:
    """Return the text of the schema of both answers (JSON Schema, draft 2020-12)."""
    return schema_text_of(TypeAdapter[Any](ImpactReport | FieldOrigins).json_schema())
