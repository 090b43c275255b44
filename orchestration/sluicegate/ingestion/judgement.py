"""Everything that a contract says of a row, as SQL: the typed values, and which rows break which rule.

Belongs here: putting shape, values, rules and masking together for a drop. Does not belong here: running it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sluicegate.compute.sql import literal, quoted
from sluicegate.contracts.columns import Column
from sluicegate.contracts.model import SourceContract
from sluicegate.contracts.reading import Format
from sluicegate.contracts.types import Kind, kind_of
from sluicegate.core.partitions import Grain
from sluicegate.ingestion.cells import IS_ERROR, cell_text, is_error
from sluicegate.ingestion.formats.base import TEXT
from sluicegate.ingestion.masking import REDACTED, masked
from sluicegate.ingestion.shape import OtherName, Shape
from sluicegate.ingestion.value_rules import broken_rules
from sluicegate.ingestion.values import TypedValue, typed_value

BREAKS = "_breaks_contract"
REPEATED_HEADER = "the header line once more"


@dataclass(frozen=True)
class RowRule:
    """One thing that a row must hold: `broken` is SQL over the reader's columns, true where it does not.

    `column` is the contract's name, empty for a rule of the whole row; `header` what the provider calls it.
    """

    column: str
    header: str
    words: str
    broken: str


class Judgement:
    """The SQL for one drop of a contract; `partition_key` is the drop's.

    With `for_mending` a bad row's text is given as it is, to who may read the originals.
    """

    def __init__(
        self, contract: SourceContract, shape: Shape, partition_key: str, *, for_mending: bool = False
    ) -> None:
        self._for_mending = for_mending
        self.contract = contract
        self.shape = shape
        self._partition_key = partition_key

    @cached_property
    def wanted(self) -> list[str | None]:
        """What to ask of the reader: the contract's columns in their order, new ones, then other names."""
        return [
            *(self.shape.found[column.name] for column in self.contract.columns),
            *self.shape.added.values(),
            *(other.name for other in self.shape.others),
        ]

    @cached_property
    def _other_names(self) -> Mapping[str, Sequence[tuple[str, OtherName]]]:
        """{column: SQL of what rows have by another name of it, and that name}."""
        first = len(self.contract.columns) + len(self.shape.added)
        found: dict[str, list[tuple[str, OtherName]]] = {}
        for place, other in enumerate(self.shape.others, first):
            found.setdefault(other.column, []).append((f"c{place}", other))
        return found

    def _found(self, place: int, column: Column) -> str:
        """Return SQL of a column's value as the file has it, by whatever name is meant."""
        meant = [sql for sql, other in self._other_names.get(column.name, ()) if other.meant]
        if self.contract.reading.format is Format.EXCEL:
            return cell_text(column, f"c{place}")
        return f"coalesce({', '.join([f'c{place}', *meant])})" if meant else f"c{place}"

    @cached_property
    def _values(self) -> Mapping[str, str]:
        """{column: SQL of its typed value}."""
        return {column.name: typed.value for column, typed in self._typed}

    @cached_property
    def _typed(self) -> list[tuple[Column, TypedValue]]:
        return [
            (column, typed_value(column, self._found(place, column), self._type_of(column)))
            for place, column in enumerate(self.contract.columns)
        ]

    def _type_of(self, column: Column) -> str:
        return self.shape.types.get(column.name, TEXT)

    @cached_property
    def rules(self) -> Sequence[RowRule]:
        """Every rule of the contract that one row can break."""
        return [*self._name_rules(), *self._column_rules(), *self._partition_rule()]

    def _name_rules(self) -> Iterator[RowRule]:
        """A row has each column by one name."""
        for place, column in enumerate(self.contract.columns):
            for sql, other in self._other_names.get(column.name, ()):
                if other.meant:
                    broken = f"c{place} <> {sql}"
                    words = f"is called {other.shown} as well, with another value; expected one of the two"
                else:
                    broken = f"c{place} is null and {sql} is not null"
                    words = f"is called {other.shown}; expected `{self.shape.found[column.name]}`"
                yield RowRule(column.name, column.header, words, broken)

    def _column_rules(self) -> Iterator[RowRule]:
        for column, typed in self._typed:
            if typed.misfit != "false":
                yield RowRule(column.name, column.header, typed.words, typed.misfit)
            if column.required:
                # Where a format tells an empty text from null, neither is a value.
                text = kind_of(self._type_of(column).upper()) is Kind.TEXT
                empty = f"coalesce({typed.text}, '') = ''" if text else f"{typed.text} is null"
                yield RowRule(column.name, column.header, "is empty", empty)
            if self.contract.reading.format is Format.EXCEL and kind_of(column.type) is Kind.TEXT:
                yield RowRule(column.name, column.header, IS_ERROR, is_error(typed.text))
            for broken, words in broken_rules(column, typed.value):
                yield RowRule(column.name, column.header, words, broken)

    def _partition_rule(self) -> Iterator[RowRule]:
        """The column that tells the partition must tell the drop's own."""
        name, partitioning = self.contract.partition_column, self.contract.partitioning
        if name is None or not partitioning.partitioned:
            return
        column = next(column for column in self.contract.columns if column.name == name)
        value, key = self._values[name], self._partition_key
        if partitioning.grain is Grain.DROP:
            broken = f"cast({value} as varchar) is distinct from {literal(key)}"
        else:
            start, end = partitioning.interval(key)
            if column.type == "TIMESTAMP_NS":  # which has fewer days than there are partitions
                value = f"cast({value} as timestamp)"
            broken = (
                f"coalesce({value} < timestamp {literal(f'{start:%Y-%m-%d %H:%M:%S}')}"
                f" or {value} >= timestamp {literal(f'{end:%Y-%m-%d %H:%M:%S}')}, true)"
            )
        yield RowRule(name, column.header, f"is not in {key}", broken)

    @cached_property
    def repeated_header(self) -> RowRule | None:
        """Files that were put together carry their header line again; it is no row."""
        named = [(place, name) for place, name in enumerate(self.wanted) if name is not None]
        if self.contract.reading.format is not Format.CSV or not self.contract.reading.header or not named:
            return None
        same = " and ".join(f"c{place} = {literal(name)}" for place, name in named)
        return RowRule("", "", REPEATED_HEADER, f"({same})")

    def converted(self, rows: str) -> str:
        """Return SQL of the rows as they may land, with `_breaks_contract` for those that may not.

        `rows` is the reader's relation.
        """
        columns = [
            f"{masked(column, self._values[column.name])} as {quoted(column.name)}"
            for column in self.contract.loaded_columns
        ]
        first = len(self.contract.columns)
        columns += [f"c{first + place} as {quoted(name)}" for place, name in enumerate(self.shape.added)]
        broken = [rule.broken for rule in self.rules]
        # Where any column is more than text the header line breaks its rule anyway.
        if self.repeated_header is not None and all(typed.misfit == "false" for _, typed in self._typed):
            broken.append(self.repeated_header.broken)
        breaks = f"coalesce({' or '.join(f'({sql})' for sql in broken)}, false)" if broken else "false"
        return f"select {', '.join(columns)}, {breaks} as {BREAKS} from ({rows})"

    @cached_property
    def keys(self) -> Sequence[tuple[str, ...]]:
        """The columns, together, of which no two rows may have the same values."""
        unique = [(column.name,) for column in self.contract.columns if column.unique]
        return list(dict.fromkeys([*([self.contract.key] if self.contract.key else []), *unique]))

    def key_values(self, key: Sequence[str]) -> str:
        """Return SQL of a key's values, as they land, over the reader's columns."""
        columns = {column.name: column for column in self.contract.columns}
        return ", ".join(masked(columns[name], self._values[name]) for name in key)

    def found_rules(self, rules: Sequence[RowRule]) -> str:
        """Return SQL of a list of {column, header, rule} of the rules that a row breaks."""
        cases = (
            f"case when {rule.broken} then {{'name': {literal(rule.column)},"
            f" 'header': {literal(rule.header)}, 'rule': {literal(rule.words)}}} end"
            for rule in rules
        )
        return f"list_filter([{', '.join(cases)}], lambda one: one is not null)"

    def raw(self) -> str:
        """Return SQL of a row as the file has it, as JSON by header.

        Where any column is classified, no value of any column is in it: a row that breaks a rule may be one
        whose values stand a column further, and then a classified value is another column's.
        """
        parts: list[str] = []
        for place, (column, name) in enumerate(zip(self.contract.columns, self.wanted, strict=False)):
            if name is None:
                continue
            found = self._found(place, column)
            if self._for_mending:
                # Who fixes a row looks for its value below the column that it is meant for.
                others = [sql for sql, _ in self._other_names.get(column.name, ())]
                found = f"coalesce({', '.join([f'c{place}', *others])})" if others else found
            text = f"cast({found} as varchar)"
            if self.hides:
                text = f"(case when {found} is not null then '{REDACTED}' end)"
                # What a file calls a column may be a value, too.
                name = name if name in (column.header, *column.aliases) else column.header
            parts += [literal(name), text]
        if not self.hides:
            for others in self._other_names.values():
                for sql, other in others:
                    if not other.meant:
                        parts += [literal(other.name), f"cast({sql} as varchar)"]
        return f"cast(json_object({', '.join(parts)}) as varchar)"

    @property
    def hides(self) -> bool:
        """Whether a row that breaks the contract may hold what must not be shown, in any column."""
        return not self._for_mending and bool(self.contract.classified)
