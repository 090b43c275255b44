"""Every file of ours that may hold rows of an export: old plans, bases, and what a crash left behind.

Belongs here: finding keys in them, and taking rows out of them. Does not belong here: the records of an
erasure, the destination (`delivery.erasure`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from orchestration.compute.alike import EXACT, canonical
from orchestration.compute.exact_parquet import carried, exact_rows, write_exact
from orchestration.compute.sql import literal, quoted
from orchestration.delivery.ledger.content import shard_fields
from orchestration.delivery.ledger.forgotten import Key, is_forgotten
from orchestration.delivery.ledger.keys import KeyForm
from orchestration.delivery.ledger.lost import resync_of
from orchestration.delivery.ledger.readable import unreadable
from orchestration.destinations.base import ROW, DeliveryError
from orchestration.state.deliveries import Deliveries
from orchestration.state.records import Delivery, ForgottenKey

if TYPE_CHECKING:
    import duckdb


def require_readable(files: Sequence[Path], plans: Sequence[Delivery]) -> None:
    """Raise DeliveryError where a file cannot be read, so that nobody can tell whose rows it has."""
    for path in files:
        if problem := unreadable(path):
            told = [f"; then {resync_of(plan)}" for plan in plans if plan.shard == str(path)]
            raise DeliveryError(
                f"the shard {path} {problem}: nobody can tell whether it has rows that are to be forgotten",
                "files of deliveries/ that can be read",
                f"put it back from a backup, or delete it{''.join(told[:1])}; then ask for the same again",
            )


@dataclass(frozen=True)
class Shards:
    """The files of one export whose rows are told apart by a key of this form, within an open engine."""

    deliveries: Deliveries
    export: str
    form: KeyForm
    files: Sequence[Path]
    connection: "duckdb.DuckDBPyConnection"

    @property
    def key(self) -> tuple[str, ...]:
        """The fields that tell rows apart."""
        return self.form.names

    def keys(self, values: Mapping[str, str]) -> list[Key]:
        """Return the keys of all rows that were ever planned with these values as text.

        A key that is named whole is returned as its fields' types write it: `007` of a number is `7`.

        Raises:
            ValueError: a value is none of its field's type.
        """
        if set(self.key) <= set(values):
            return [tuple(self._as_written(name, values[name]) for name in self.key)]
        found: set[Key] = set()
        listed = ", ".join(f"{quoted(name)}::varchar" for name in self.key)
        for file in self.files:
            fields = self._fields(file)
            if {*self.key, *values} <= fields.keys():
                same = " and ".join(self._is(name, fields[name], text) for name, text in values.items())
                selected = f"select distinct {listed} from {exact_rows(self.connection, file)} where {same}"
                found.update(self.connection.execute(selected).fetchall())
        return sorted(found, key=lambda item: [text or "" for text in item])

    def _is(self, name: str, kind: str, text: str) -> str:
        """The condition that a field has a value of this text, as the destination compares it in a key."""
        alike = self.form.alike.get(name, EXACT)
        held = f"{canonical(quoted(name), kind, alike)}::varchar"
        return f"{held} = {canonical(literal(text), 'VARCHAR', alike)}"

    def kinds(self) -> dict[str, str]:
        """Return {field: SQL type} of every field that was ever sent; the type is the newest file's."""
        plans = self.deliveries.of_export(self.export)
        newest_last = [Path(item.shard) for item in plans if Path(item.shard) in self.files]
        return {name: kind for file in newest_last for name, kind in self._fields(file).items()}

    def fields_in(self, scope: str) -> dict[str, str]:
        """Return {field: SQL type} of what was last planned for a scope."""
        for delivery in reversed(self.deliveries.of_export(self.export, scope)):
            if Path(delivery.shard).exists():
                return shard_fields(self.connection, delivery.shard)
        return {}

    def typed(self, fields: Mapping[str, str], keys: Sequence[Key]) -> list[dict[str, Any]]:
        """Return keys as values of their fields' types, as destinations get them in a shard."""
        values = ", ".join(
            "(" + ", ".join("null" if text is None else literal(text) for text in item) + ")" for item in keys
        )
        names = ", ".join(quoted(name) for name in self.key)
        kinds = {name: carried(fields[name], huge="HUGEINT") for name in self.key}
        cast = ", ".join(f"cast({quoted(name)} as {kind})" for name, kind in kinds.items())
        rows = self.connection.execute(f"select {cast} from (values {values}) as keys ({names})").fetchall()
        return [dict(zip(self.key, row, strict=True)) for row in rows]

    def take_out(self, forgotten: Sequence[ForgottenKey]) -> int:
        """Write the files anew without the rows of these keys, and return how many those were.

        The other rows keep their numbers. What the destination said of a row goes with it.
        """
        plans = {item.shard: item.delivery_id for item in self.deliveries.of_export(self.export)}
        total = 0
        for file in self.files:
            condition = is_forgotten(self.key, self._fields(file), self.form.alike, forgotten)
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

    def _as_written(self, name: str, value: str) -> str:
        kinds = [fields[name] for file in self.files if name in (fields := self._fields(file))]
        if not kinds:
            return value
        row = self.connection.execute(f"select try_cast({literal(value)} as {kinds[-1]})::varchar").fetchone()
        if row is None or row[0] is None:
            raise ValueError(f"{name}={value}: expected a value of the type {kinds[-1]}")
        return str(row[0])

    def _fields(self, file: Path) -> dict[str, str]:
        return shard_fields(self.connection, str(file))
