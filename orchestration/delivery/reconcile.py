"""What a destination holds, read back, beside what it acknowledged: counts, a digest, keys that differ.

Belongs here: the comparison. Does not belong here: when it is made, what Dagster shows of it (`reconciled`).
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.compute.alike import EXACT, canonical, is_number
from orchestration.compute.exact_parquet import carried, loses
from orchestration.compute.row_hash import content_digest, fields_of
from orchestration.compute.sql import literal, quoted
from orchestration.core.partitions import as_option
from orchestration.core.shown_text import CLASSIFIED
from orchestration.delivery.engine import DeliveryEngine
from orchestration.delivery.json_text import FUNCTION, knowing_json
from orchestration.delivery.ledger import Held, KeyForm, Order
from orchestration.delivery.restored import UNREADABLE, Ways, note, waiting
from orchestration.destinations.base import DeliveryError, Mode
from orchestration.state.records import Delivery, DeliveryStatus

if TYPE_CHECKING:
    import duckdb

SHOWN_KEYS = 20
_MEMORY_LIMIT = "1GB"
_WHOLE_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_NUMBERS = (*_WHOLE_NUMBERS, *(f"U{name}" for name in _WHOLE_NUMBERS), "FLOAT", "DOUBLE", "DECIMAL")


@dataclass(frozen=True)
class Reconciled:
    """How a scope compares; keys are written `field=value`, the first `SHOWN_KEYS` of each sort.

    `ours` and `theirs` are rows; digests are of all fields as text, whatever the order of rows. `twice` are
    rows there whose key stands there already. `changed` is (key, field, ours, theirs). `strict` tells that
    the scope is ours alone, so that a foreign row is one too many. `under_way` is a delivery that is not
    settled: what it has sent so far differs; `again` is the command that ends it.
    """

    export: str
    scope: str
    ours: int
    theirs: int
    our_digest: str
    their_digest: str
    missing: int = 0
    foreign: int = 0
    differing: int = 0
    twice: int = 0
    missing_keys: tuple[str, ...] = ()
    foreign_keys: tuple[str, ...] = ()
    changed: tuple[tuple[str, str, str, str], ...] = ()
    strict: bool = True
    under_way: Delivery | None = None
    again: str = ""

    @property
    def equal(self) -> bool:
        """Whether the destination holds what it acknowledged."""
        return not (self.missing or self.differing or self.twice or (self.strict and self.foreign))

    @property
    def said(self) -> str:
        """The same in a sentence, with what to type."""
        where = f"{self.export} [{self.scope}]" if self.scope else self.export
        if self.under_way is not None:
            id_ = self.under_way.delivery_id
            return f"{where}: delivery {id_} is under way; bring it to its end: {self.again}; then reconcile"
        others = f", beside {self.foreign:,} rows that are not ours" if self.foreign else ""
        if self.equal:
            return f"{where}: the destination holds the {self.ours:,} rows that it acknowledged{others}"
        found = {
            "missing there": self.missing,
            "changed there": self.differing,
            "foreign there": self.foreign if self.strict else 0,
            "there twice": self.twice,
        }
        option = f" --partition {self.scope}" if self.scope else ""
        return (
            f"{where}: {', '.join(f'{count:,} {what}' for what, count in found.items() if count)}, of"
            f" {self.ours:,} acknowledged rows; find out who changes them, then"
            f" `sluice delivery resend {self.export}{option}`"
        )


def reconcile(
    engine: DeliveryEngine,
    order: Order,
    hidden: Collection[str] = (),
    fields: Callable[[], Collection[str]] | None = None,
) -> Reconciled | None:
    """Compare a scope; None if nothing was ever acknowledged there. `hidden` are fields not to be shown.

    Where the records were restored, what is found is put on record: it decides who may send (`restored`).
    Then a scope of which nothing is on record is looked at as well, by today's `fields`.

    Raises:
        DeliveryError: the destination cannot be read.
        NotImplementedError: this kind of destination cannot be read at all.
    """
    with engine.alone(sends=False):
        try:
            found = _read_and_compared(engine, order, hidden, fields)
        except OfNoUse as useless:
            note(engine.ledger.store, order.export, order.scope, useless.what, settled=False)
            raise
        except NotImplementedError:
            note(engine.ledger.store, order.export, order.scope, UNREADABLE, settled=False)
            raise
        if found is not None and found.under_way is None:
            # What was appended since would be appended a second time: others' rows may be that.
            settled = found.equal and not (order.mode is Mode.APPEND and found.foreign)
            note(engine.ledger.store, order.export, order.scope, found.said, settled=settled)
        return found


class OfNoUse(DeliveryError):
    """What is on record of a scope cannot be compared, so that only a resync helps."""


def _read_and_compared(
    engine: DeliveryEngine,
    order: Order,
    hidden: Collection[str],
    fields: Callable[[], Collection[str]] | None,
) -> Reconciled | None:
    ledger, destination = engine.ledger, engine.destination
    with ledger.reading(memory_limit=_MEMORY_LIMIT) as reading:
        try:
            held = reading.content(order.export, order.scope, order.key)
        except DeliveryError as lost:
            raise OfNoUse(lost.what, lost.expected, lost.mend) from None
        if held is None:
            ways = Ways.of(destination.capabilities, order.mode)
            if fields is None or not waiting(ledger.store, order.export, order.scope, order.bounds, ways):
                return None
            rows = sum(batch.num_rows for batch in destination.read_back(order.scope_with(fields())))
            strict = order.mode in (Mode.MIRROR, Mode.SNAPSHOT)
            return Reconciled(order.export, order.scope, 0, rows, "", "", foreign=rows, strict=strict)
        if held.key != order.key:
            again = f"sluice delivery resend {order.export}{as_option(order.scope)}"
            raise OfNoUse(
                f"`{order.export}` was delivered under the key ({', '.join(held.key)}), and its file says"
                f" ({', '.join(order.key)})",
                "rows that were sent under the key of today",
                f"`{again}`, then the same again",
            )
        under_way = ledger.open_in(order)
        if under_way is not None and under_way.status is DeliveryStatus.SENDING:
            again = order.again(under_way.partition_key)
            return Reconciled(order.export, order.scope, 0, 0, "", "", under_way=under_way, again=again)
        destination.begin(order.budget_seconds)
        back = destination.read_back(order.scope_with(held.fields))
        theirs = _kept(reading.connection, back, reading.folder / "read_back.parquet")
        return _compared(order, held, theirs, hidden, folds_text=destination.capabilities.folds_text)


def _kept(
    connection: "duckdb.DuckDBPyConnection", batches: Iterator[Any], file: Path
) -> tuple[str, Mapping[str, str]] | None:
    """Write batches to a file as they come; return SQL of the rows and their types, None without a batch."""
    parquet: Any = import_module("pyarrow.parquet")
    writer: Any = None
    try:
        for batch in batches:
            writer = writer or parquet.ParquetWriter(file, batch.schema)
            # A vendor that knows only text may find the type anew in each batch.
            writer.write_batch(batch if batch.schema == writer.schema else batch.cast(writer.schema))
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        return None
    rows = f"select * from read_parquet({literal(str(file))})"
    return rows, fields_of(connection, rows)


def _compared(
    order: Order,
    held: Held,
    theirs: tuple[str, Mapping[str, str]] | None,
    hidden: Collection[str],
    *,
    folds_text: bool,
) -> Reconciled:
    connection, fields = held.connection, held.fields
    rows, kinds = theirs or (f"select {', '.join(f'null as {quoted(n)}' for n in fields)} where false", {})
    normal = {
        name: normalised(name, kind, kinds.get(name, "VARCHAR"), folds_text=folds_text)
        for name, kind in fields.items()
    }
    has_json = {"JSON", "JSON[]"} & {*kinds.values(), *fields.values()}
    form = KeyForm.of(order.key, held.alike)
    # Both are texts by now, and one as the destination compares the values that they write.
    of_key = [
        canonical(_valued(f"whole.{quoted(name)}", fields[name]), fields[name], form.alike.get(name, EXACT))
        for name in order.key
    ]
    forms = ", ".join(f"({text})::varchar as {name}" for text, name in zip(of_key, form.columns, strict=True))
    in_doubt = held.in_doubt
    told = [("_doubtful", in_doubt, 0)] if in_doubt else []
    with knowing_json(connection) if has_json else nullcontext():
        for table, source, side in (("_ours", held.rows, 0), ("_theirs", rows, 1), *told):
            listed = ", ".join(f"{texts[side]} as {quoted(name)}" for name, texts in normal.items())
            connection.execute(
                f"create or replace temp table {table} as select {forms}, whole.*"
                f" from (select {listed} from ({source})) whole"
            )
    if in_doubt:  # the next delivery that has them settles it
        connection.execute(
            f"delete from _theirs where ({form.listed}) in (select ({form.listed}) from _doubtful)"
        )
    (ours,), (their_rows,) = (
        connection.execute(f"select count(*) from {table}").fetchone() or (0,)
        for table in ("_ours", "_theirs")
    )
    our_digest, their_digest = (
        content_digest(connection, f"select {', '.join(map(quoted, fields))} from {table}")
        for table in ("_ours", "_theirs")
    )
    strict = order.mode in (Mode.MIRROR, Mode.SNAPSHOT)
    same = Reconciled(order.export, order.scope, ours, their_rows, our_digest, their_digest, strict=strict)
    if our_digest == their_digest:
        return same
    (twice,) = connection.execute(
        f"select count(*) - count(distinct ({form.listed})) from _theirs"
    ).fetchone() or (0,)
    missing, missing_keys = _keys_without(connection, form, "_ours", "_theirs", hidden)
    foreign, foreign_keys = _keys_without(connection, form, "_theirs", "_ours", hidden)
    differing, changed = _changed(connection, form, list(fields), hidden)
    return Reconciled(
        export=order.export,
        scope=order.scope,
        ours=ours,
        theirs=their_rows,
        our_digest=our_digest,
        their_digest=their_digest,
        missing=missing,
        foreign=foreign,
        differing=differing,
        twice=twice,
        missing_keys=missing_keys,
        foreign_keys=foreign_keys,
        changed=changed,
        strict=strict,
    )


def _keys_without(
    connection: "duckdb.DuckDBPyConnection",
    form: KeyForm,
    one: str,
    other: str,
    hidden: Collection[str],
) -> tuple[int, tuple[str, ...]]:
    key, same = form.names, _same(form)
    listed = ", ".join(f"a.{quoted(name)}" for name in key)
    lacking = f"from {one} a where not exists (select 1 from {other} b where {same})"
    (count,) = connection.execute(f"select count(*) {lacking}").fetchone() or (0,)
    rows = connection.execute(f"select {listed} {lacking} order by all limit {SHOWN_KEYS}").fetchall()
    return int(count), tuple(_key(key, row, hidden) for row in rows)


def _changed(
    connection: "duckdb.DuckDBPyConnection",
    form: KeyForm,
    fields: Sequence[str],
    hidden: Collection[str],
) -> tuple[int, tuple[tuple[str, str, str, str], ...]]:
    key, same = form.names, _same(form)
    others = [name for name in fields if name not in key]
    if not others:
        return 0, ()
    differs = " or ".join(f"a.{quoted(name)} is distinct from b.{quoted(name)}" for name in others)
    both = f"from _ours a join _theirs b on {same} where {differs}"
    (count,) = connection.execute(f"select count(*) {both}").fetchone() or (0,)
    listed = ", ".join(
        [f"a.{quoted(name)}" for name in key]
        + [text for name in others for text in (f"a.{quoted(name)}", f"b.{quoted(name)}")]
    )
    keys = ", ".join(f"a.{quoted(name)}" for name in key)
    rows = connection.execute(f"select {listed} {both} order by {keys} limit {SHOWN_KEYS}").fetchall()
    found: list[tuple[str, str, str, str]] = []
    for row in rows:
        for place, name in enumerate(others):
            ours, theirs = row[len(key) + 2 * place : len(key) + 2 * place + 2]
            if ours != theirs:
                old, new = (CLASSIFIED, CLASSIFIED) if name in hidden else (_text(ours), _text(theirs))
                found.append((_key(key, row, hidden), name, old, new))
    return int(count), tuple(found)


def _same(form: KeyForm) -> str:
    return " and ".join(f"a.{name} = b.{name}" for name in form.columns)


def _valued(text: str, kind: str) -> str:
    """SQL of the value that a text writes, where it is to be compared as a number."""
    return f"try_cast({text} as {kind})" if is_number(kind) else text


def normalised(name: str, kind: str, other: str, *, folds_text: bool = False) -> tuple[str, str]:
    """Return SQL for a field as text on our side and on theirs, equal where the values mean the same.

    `kind` is the type that was sent, `other` the one that came back: the same, a wider one, or text. What is
    no value of the type stays as it is, and so differs. For `folds_text` see `Capabilities`.
    """
    column = quoted(name)
    plain = f"{column}::varchar"
    if folds_text and (kind == "VARCHAR" or kind.startswith("ENUM(")):
        folded = f"nullif(trim({plain}), '')"
        return folded, folded
    if kind == "JSON" or (other == "JSON" and kind == "VARCHAR"):
        # What keeps the value alone, as jsonb, has lost the order of names, blanks and zeros.
        same = f"{FUNCTION}({plain})"
        return same, same
    if kind == "JSON[]" or (other == "JSON[]" and kind == "VARCHAR[]"):
        same = f"list_transform({column}::varchar[], lambda one: {FUNCTION}(one))::varchar"
        return same, same
    if kind == other:
        return plain, plain
    ours, theirs = plain, plain
    is_text = other == "VARCHAR"
    nests = kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION"))
    if not is_text and nests and ("UNION(" in kind or loses(kind)):
        # As it is carried: what comes back has other types within.
        ours = theirs = f"try_cast({column} as {carried(kind)})::varchar"
    elif nests:
        ours = f"to_json({column})::varchar"
        theirs = plain if is_text else f"to_json(try_cast({column} as {kind}))::varchar"
    elif kind.startswith(_NUMBERS) and kind.endswith(_WHOLE_NUMBERS):
        ours = f"try_cast({column} as hugeint)::varchar"
        number = f"try_cast({column} as double)"
        # A cast rounds, and what is half a number more would be the same.
        theirs = f"case when {number} = round({number}) then {ours} end"
    elif kind == "FLOAT":
        ours = theirs = f"try_cast({column} as float)::varchar"
    elif kind.startswith(_NUMBERS):
        ours = theirs = f"try_cast({column} as double)::varchar"
    elif kind == "BOOLEAN":
        ours = theirs = f"try_cast({column} as boolean)::varchar"
    elif kind == "DATE":
        ours = theirs = f"try_cast({column} as date)::varchar"
    elif kind.startswith("TIMESTAMP"):
        # What knows only text may keep a moment to the millisecond.
        unit = "epoch_ms" if is_text else "epoch_us"
        theirs = f"{unit}(try_cast({column} as timestamptz))::varchar"
        ours = f"coalesce({theirs}, {plain})"  # an infinite one is no number
    elif kind == "TIME":
        ours = theirs = f"try_cast({column} as time)::varchar"
    return ours, f"coalesce({theirs}, {plain})"


def _key(key: Sequence[str], row: Sequence[str | None], hidden: Collection[str]) -> str:
    return ", ".join(
        f"{name}={CLASSIFIED if name in hidden else _text(value)}"
        for name, value in zip(key, row, strict=False)
    )


def _text(value: str | None) -> str:
    return "null" if value is None else value
