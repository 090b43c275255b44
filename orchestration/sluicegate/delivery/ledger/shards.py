"""Every file of ours that may hold rows of an export: old plans, bases, and what a crash left behind.

Belongs here: finding keys in them, and taking rows out of them. Does not belong here: the records of an
erasure, the destination (`delivery.erasure`).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sluicegate.compute.alike import EXACT, canonical, is_number, is_text
from sluicegate.compute.engine import shared_engine
from sluicegate.compute.exact_parquet import carried, exact_rows, write_exact
from sluicegate.compute.same_value import Family, family_of, plain_number
from sluicegate.compute.sql import literal, quoted
from sluicegate.core.problems import Mistyped
from sluicegate.delivery.ledger.content import shard_fields
from sluicegate.delivery.ledger.forgotten import Key, Row, is_forgotten
from sluicegate.delivery.ledger.keys import KeyForm
from sluicegate.delivery.ledger.lost import resync_of
from sluicegate.delivery.ledger.order import NO_MAPS, NO_NAMES, Maps, Names, Order
from sluicegate.delivery.ledger.readable import unreadable
from sluicegate.destinations.base import ROW, DeliveryError
from sluicegate.state.deliveries import Deliveries
from sluicegate.state.records import Delivery, ForgottenKey

if TYPE_CHECKING:
    import duckdb


def require_readable(files: Sequence[Path], plans: Sequence[Delivery]) -> None:
    """Raise DeliveryError where a file cannot be read, so that nobody can tell whose rows it has."""
    for path in files:
        if problem := unreadable(path):
            told = [f"; then {resync_of(plan)}" for plan in plans if plan.shard == str(path)]
            raise DeliveryError(
                "SLU-E028",
                f"the shard {path} {problem}: nobody can tell whether it has rows that are to be forgotten",
                "files of deliveries/ that can be read",
                f"put it back from a backup, or delete it{''.join(told[:1])}; then ask for the same again",
            )


def values_sent(text: str, maps: Sequence[tuple[str | None, str | None]]) -> list[str]:
    """Return what may have been sent of a value that a person names, what is sent today last.

    That is the value itself, as it was not mapped then or is what is sent; but not where it is mapped, and
    another value is sent as this one.
    """
    told = dict(maps)
    itself = [] if text in told and text in told.values() else [text]
    mapped = told.get(text)
    return [*itself, *([] if mapped is None else [mapped])] or [text]


def values_before(text: str, maps: Sequence[tuple[str | None, str | None]]) -> list[str]:
    """Return what the model may have of a value: itself, and what is sent as it."""
    return [text, *(old for old, new in maps if new == text and old is not None and old != text)]


def columns_of(plan: Delivery | None, fields: Iterable[str]) -> dict[str, str]:
    """Return {field: the model's column} of a plan; an older version's fields had the columns' names."""
    told: Names = json.loads(plan.columns) if plan is not None and plan.columns else {}
    return {name: told.get(name, name) for name in fields}


def fields_of(plans: Iterable[Delivery]) -> set[str]:
    """Return every field that plans have, and the model's columns of them."""
    of_shapes = {(item.shape, item.columns): item for item in plans if not unreadable(item.shard)}
    found: set[str] = set()
    with shared_engine() as connection:
        for item in of_shapes.values():
            told = columns_of(item, shard_fields(connection, item.shard))
            found |= told.keys() | set(told.values())
    return found


@dataclass(frozen=True)
class Found:
    """A key as text, by today's fields; `kinds` are the SQL types of them and of those that were named."""

    key: Key
    kinds: Mapping[str, str]


@dataclass(frozen=True)
class Shards:
    """The files of one export whose rows are told apart by a key of this form, within an open engine.

    `order` is one of today, if there is one; a file may have other names for the model's columns.
    """

    deliveries: Deliveries
    export: str
    form: KeyForm
    files: Sequence[Path]
    connection: "duckdb.DuckDBPyConnection"
    order: Order | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """The fields that tell rows apart."""
        return self.form.names

    @property
    def maps(self) -> Maps:
        """What is sent today in the place of a field's values."""
        return self.order.maps if self.order else NO_MAPS

    def found(self, values: Mapping[str, str]) -> list[Found]:
        """Return the keys of all rows that were ever planned with these values, as their types write them.

        A value is the model's, or what is sent where the last mile sends another; `007` of a number is 7. A
        key that is named whole and was never planned is returned as the newest type writes it.

        Raises:
            ValueError: a value of such a key is none of its field's type, of whatever time.
        """
        found: dict[Key, Found] = {}
        newest: dict[str, str] = {}
        fits: set[str] = set()
        for file in self._oldest_first:
            held, names = self._fields(file), self.names_in(file)
            kinds = {name: held[there] for name, there in names.items()}
            newest |= kinds
            same = {
                name: self._is(name, names[name], kinds[name], text)
                for name, text in values.items()
                if name in names
            }
            fits |= {name for name, condition in same.items() if condition}
            if not set(self.key) <= names.keys() or len(same) < len(values) or not all(same.values()):
                continue
            listed = ", ".join(f"{quoted(names[name])}::varchar" for name in self.key)
            rows = exact_rows(self.connection, file)
            selected = f"select distinct {listed} from {rows} where {' and '.join(same.values())}"
            of_key = {name: kinds[name] for name in {*self.key, *values}}
            for key in self.connection.execute(selected).fetchall():
                found[key] = Found(key, of_key)
        if not found and set(self.key) <= set(values):
            for name in sorted(set(self.key) & newest.keys() - fits):
                raise Mistyped(
                    "SLU-C004", f"{name}={values[name]}: expected a value of the type {newest[name]}"
                )
            return [self._never_planned(values, newest)]
        return sorted(found.values(), key=lambda item: [text or "" for text in item.key])

    def untold(self, scope: str, values: Mapping[str, str]) -> bool:
        """Whether a scope may have rows with these values that lack the key, which alone takes them out."""
        newest = self.newest_in(scope)
        if newest is None or set(self.key) <= self.names_in(newest).keys():
            return False
        of_scope = [file for file in self.files if (plan := self._plan_of(file)) and plan.scope == scope]
        return any(self._may_have(file, values) for file in of_scope)

    def _may_have(self, file: Path, values: Mapping[str, str]) -> bool:
        names, fields = self.names_in(file), self._fields(file)
        if not values.keys() <= names.keys():
            return True
        same = [self._is(name, names[name], fields[names[name]], text) for name, text in values.items()]
        if not all(same):
            return False
        found = f"select 1 from {exact_rows(self.connection, file)} where {' and '.join(same)} limit 1"
        return self.connection.execute(found).fetchone() is not None

    def _never_planned(self, values: Mapping[str, str], kinds: Mapping[str, str]) -> Found:
        of_key = {name: kinds.get(name, "") for name in {*self.key, *values}}
        sent = {name: values_sent(values[name], self.maps.get(name, ()))[-1] for name in self.key}
        texts = (self._as_type(sent[name], of_key[name]) or sent[name] for name in self.key)
        return Found(tuple(texts), of_key)

    def _is(self, name: str, there: str, kind: str, text: str) -> str:
        """The condition that a file's field has a value, as the destination compares keys; "" if none can."""
        alike = self.form.alike.get(name, EXACT)
        ways: list[str] = []
        for sent in values_sent(text, self.maps.get(name, ())):
            written = self._as_type(sent, kind)
            if written is None:
                continue
            ways.append(f"{quoted(there)}::varchar = {literal(written)}")
            if alike or is_number(kind):
                held, asked = (
                    canonical(value, kind, alike)
                    for value in (quoted(there), f"cast({literal(written)} as {kind})")
                )
                ways.append(f"{held} = {asked}")
        return f"({' or '.join(ways)})" if ways else ""

    def _as_type(self, text: str, kind: str) -> str | None:
        """Return a text as a type writes it; None where it is no value of the type, or not just that one."""
        import duckdb

        if not kind or is_text(kind):
            return text
        try:
            row = self.connection.execute(f"select try_cast({literal(text)} as {kind})::varchar").fetchone()
        except duckdb.Error:  # nothing is cast to some types as a file has them
            return text
        written = None if row is None else row[0]
        if written is None or family_of(kind) is not Family.NUMBER:
            return written
        # The engine rounds: 1.5 is no whole number.
        same = f"select {plain_number(literal(text))} = {plain_number(literal(written))}"
        kept = self.connection.execute(same).fetchone()
        return written if kept is not None and kept[0] else None

    def names_in(self, file: Path) -> dict[str, str]:
        """Return {today's field: the field that a file has of the same column of the model}."""
        today = {column: name for name, column in (self.order.columns if self.order else NO_NAMES).items()}
        there = columns_of(self._plan_of(file), self._fields(file))
        return {today.get(column, column): name for name, column in there.items()}

    def newest_in(self, scope: str) -> Path | None:
        """Return the file of what was last planned for a scope; None where there is none any more."""
        shards = [Path(item.shard) for item in self._plans if item.scope == scope]
        return next((path for path in reversed(shards) if path.exists()), None)

    def fields_of(self, file: Path) -> tuple[str, ...]:
        """Return the fields of a file, by their names there."""
        return tuple(self._fields(file))

    def typed(self, file: Path, keys: Sequence[Key]) -> list[dict[str, Any]]:
        """Return keys as values of a file's fields, by their names there, as destinations get them.

        What is no value of a field's type is in no row of it.
        """
        names, fields = self.names_in(file), self._fields(file)
        there = [names[name] for name in self.key]
        values = ", ".join(
            "(" + ", ".join("null" if text is None else literal(text) for text in item) + ")" for item in keys
        )
        cast = ", ".join(
            f"try_cast({quoted(name)} as {carried(fields[name], huge='HUGEINT')})" for name in there
        )
        listed = ", ".join(map(quoted, there))
        rows = self.connection.execute(f"select {cast} from (values {values}) as keys ({listed})").fetchall()
        return [dict(zip(there, row, strict=True)) for row in rows if None not in row]

    @cached_property
    def _plans(self) -> list[Delivery]:
        return self.deliveries.of_export(self.export)

    @cached_property
    def _oldest_first(self) -> list[Path]:
        numbers = {Path(item.shard): item.id for item in self._plans}
        return sorted(self.files, key=lambda file: numbers.get(file, 0))

    def _plan_of(self, file: Path) -> Delivery | None:
        """The plan of a file; of a base the newest one of its scope."""
        own = [item for item in self._plans if Path(item.shard) == file]
        beside = [item for item in self._plans if Path(item.shard).parent == file.parent]
        return (own or beside or [None])[-1]

    def take_out(self, forgotten: Sequence[ForgottenKey]) -> int:
        """Write the files anew without the rows of these keys, and return how many those were.

        The other rows keep their numbers. What the destination said of a row goes with it.
        """
        plans = {item.shard: item.delivery_id for item in self._plans}
        total = 0
        for file in self.files:
            fields, there = self._fields(file), self.names_in(file)
            names = [there.get(name, name) for name in self.key]
            alike = {there.get(name, name): found for name, found in self.form.alike.items()}
            mapped = frozenset(there.get(name, name) for name in self.maps)
            row = Row(fields, columns_of(self._plan_of(file), fields), mapped=mapped)
            condition = is_forgotten(names, row, alike, forgotten)
            if not condition:
                continue
            read = exact_rows(self.connection, file)
            found = self.connection.execute(f"select {ROW} from {read} where {condition}").fetchall()
            if not found:
                continue
            if str(file) in plans:
                self.deliveries.forget_words(plans[str(file)], [row[0] for row in found])
            partial = file.with_suffix(f".{uuid4().hex}.partial")
            kept = f"select * from {read} where not coalesce({condition}, false)"
            write_exact(self.connection, kept, partial)
            partial.replace(file)
            total += len(found)
        return total

    def _fields(self, file: Path) -> dict[str, str]:
        return shard_fields(self.connection, str(file))
