"""Keys that a scope has no more, and that another scope of the same object holds: nothing is to be removed.

Where a removal finds its key in the whole object, a row that moves from one day to another would be taken out
by the old day after the new one has written it. So it is with a plan that waited, or broke off: the other day
may have been sent meanwhile. Belongs here: telling such keys apart. Does not belong here:
reading the records of scopes (`standing`), settling such rows (`settling`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from sluicegate.compute.engine import shared_engine
from sluicegate.compute.exact_parquet import exact_rows, write_exact
from sluicegate.core.ranges import Ranges, condition
from sluicegate.delivery.ledger.content import Content, shard_fields
from sluicegate.delivery.ledger.keys import KeyForm, read_alike
from sluicegate.delivery.ledger.layers import Layer, written
from sluicegate.delivery.ledger.order import Order
from sluicegate.delivery.ledger.others import Others
from sluicegate.delivery.ledger.standing import Known
from sluicegate.destinations.base import CHANGE, ROW, ROW_HASH, Change, DeliveryError
from sluicegate.state.records import Delivery
from sluicegate.state.store import StateStore

if TYPE_CHECKING:
    import duckdb

MOVED = "_moved"
OVERTAKEN = "_overtaken"


def with_overtaken(
    connection: "duckdb.DuckDBPyConnection", form: KeyForm, content: Content, known: Known
) -> tuple[str, bool]:
    """Return SQL of what a scope holds, as `Content.hashes`; what another wrote since counts as changed.

    There is one record of a key in the whole object: whichever scope wrote it last, it is as that one has it.
    So it is with what is in doubt: nobody knows what its fields are there.

    Returns:
        That, and whether there is any: their keys are in the table `OVERTAKEN` then.
    """
    oldest = min((layer.after for layer in known.layers), default=0)
    later = [] if content.empty else list(known.others.written_since(oldest))
    doubtful = content.doubtful()
    parts = [f"select {form.listed} from ({doubtful})"] if doubtful else []
    if later:
        others = Content(connection, later, form, {}, "", overlay="_overlay_elsewhere")
        parts.append(
            f"select {form.listed}"
            f" from ({content.written()}) ours join ({others.touched()}) theirs using ({form.listed})"
            " where theirs._written > ours._written"
        )
    if not parts:
        return content.hashes(), False
    connection.execute(f"create or replace temp table {OVERTAKEN} as {' union '.join(parts)}")
    found = connection.execute(f"select 1 from {OVERTAKEN} limit 1").fetchone() is not None
    hashes = (
        f"select {form.listed}, case when o._is then 0::ubigint else {ROW_HASH} end as {ROW_HASH}"
        f" from ({content.hashes()}) left join (select *, true as _is from {OVERTAKEN}) o"
        f" using ({form.listed})"
    )
    return (hashes, True) if found else (content.hashes(), False)


def set_moved_apart(
    connection: "duckdb.DuckDBPyConnection", order: Order, form: KeyForm, difference: str, known: Known | None
) -> None:
    """Take those keys out of what is removed that another scope of the object holds by now.

    They are in the table `MOVED` then. `difference` is the table of keys that differ; without `known` nothing
    is removed at all.

    Raises:
        DeliveryError: one of them may be on its way to another scope, and nobody knows whether it arrived.
    """
    connection.execute(f"create or replace temp table {MOVED} as select * from {difference} limit 0")
    gone = f"select {form.text} from {difference} where _new is null"
    if known is None or not _any(connection, gone):
        return

    for scope, layer in known.others.on_their_way():
        if _any(connection, f"{gone} and {_there(connection, form, [layer])}"):
            raise _on_its_way(order, scope)
    for layers in known.others.holdings():
        connection.execute(
            f"insert into {MOVED} select * from {difference}"
            f" where _new is null and {_there(connection, form, layers)}"
        )
        connection.execute(
            f"delete from {difference} where _new is null and ({form.listed}) in"
            f" (select ({form.listed}) from {MOVED})"
        )


def set_apart_again(store: StateStore, order: Order, plan: Delivery, pending: Ranges) -> list[int]:
    """Return the pending rows of a recorded plan that are not to be sent, as another scope has their keys.

    What was so when it was planned may be otherwise when it is sent, taken up or ended. A removal would hit
    what the other scope has brought, whenever that was; any other row what it has written later. Such a row
    becomes one that is `moved` in the plan's own file; but not one that may have left after the other scope
    had written its key: that one counts as done, so that the other scope writes its own again.

    Raises:
        DeliveryError: a key to be removed may be on its way to another scope.
        ShardLost: a file that tells what another scope holds is gone or cannot be read.
    """
    others = Others(store, order)
    later = list(others.written_since(plan.id)) if pending and plan.shard_rows else []
    if not later:
        return []
    with shared_engine() as connection:
        form = KeyForm.of(order.key, read_alike(plan.alike) or {})
        shard = exact_rows(connection, plan.shard)
        ours = written(plan, store.deliveries.sendings(plan.delivery_id))
        connection.execute(
            f"create temp table _open as select {ROW}, {CHANGE} = '{Change.REMOVED}' as _removed,"
            f" {ours} as _written, {form.selected(shard_fields(connection, plan.shard))} from {shard}"
            f" where ({condition(ROW, pending)}) and {CHANGE} <> '{Change.MOVED}'"
        )
        touched = Content(connection, later, form, {}, "", overlay="_overlay_elsewhere").touched()
        connection.execute(
            f"create temp table _hit as select o.*, t._written > o._written as _newer from _open o join"
            f" (select {form.listed}, max(_written) as _written from ({touched}) group by all) t"
            f" using ({form.listed}) where o._removed or _newer"
        )
        if not _any(connection, "select 1 from _hit"):
            return []
        removed = "select 1 from _hit where _removed"
        for scope, layer in others.on_their_way():
            if _any(connection, f"{removed} and {_there(connection, form, [layer])}"):
                raise _on_its_way(order, scope)
        connection.execute("create temp table _apart as select * from _hit limit 0")
        for layers in others.holdings():
            there = _there(connection, form, layers)
            connection.execute(f"insert into _apart select * from _hit where {there}")
        found = connection.execute(f"select {ROW}, bool_or(_newer) from _apart group by all").fetchall()
        moved = [row for row, newer in found if newer]
        if moved:
            _mark_as_moved(connection, plan, moved)
    return sorted(row for row, _ in found)


def _mark_as_moved(connection: "duckdb.DuckDBPyConnection", plan: Delivery, rows: Sequence[int]) -> None:
    """Write a plan's file anew, with some rows as moved; all keep their numbers."""
    file = Path(plan.shard)
    partial = file.with_suffix(f".{uuid4().hex}.partial")
    numbers = f"{ROW} in (select unnest({[*rows]}))"
    change = f"case when {numbers} then '{Change.MOVED}' else {CHANGE} end as {CHANGE}"
    read = exact_rows(connection, file)
    write_exact(connection, f"select * replace ({change}) from {read} order by {ROW}", partial)
    partial.replace(file)


def _there(connection: "duckdb.DuckDBPyConnection", form: KeyForm, layers: Sequence[Layer]) -> str:
    """Return the condition that a key is among those that some layers leave in a scope."""
    content = Content(connection, layers, form, {}, "", overlay="_overlay_elsewhere")
    return f"{form.text} in (select {form.text} from ({content.hashes()}))"


def _on_its_way(order: Order, scope: str) -> DeliveryError:
    return DeliveryError(
        "SLU-E010",
        f"rows that `{order.export}` [{order.scope}] has no more are on their way with [{scope}]",
        "that delivery at its end first, so that nothing is taken out that it has brought",
        f"{order.again(scope)}, then {order.again(order.scope)}",
    )


def _any(connection: "duckdb.DuckDBPyConnection", query: str) -> bool:
    return connection.execute(f"{query} limit 1").fetchone() is not None
