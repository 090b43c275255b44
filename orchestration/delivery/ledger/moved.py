"""Keys that a scope has no more, and that another scope of the same object holds: nothing is to be removed.

Where a removal finds its key in the whole object, a row that moves from one day to another would be taken out
by the old day after the new one has written it. Belongs here: telling such keys apart. Does not belong here:
reading the records of scopes (`standing`), settling such rows (`settling`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestration.delivery.ledger.content import Content
from orchestration.delivery.ledger.keys import KeyForm
from orchestration.delivery.ledger.layers import Layer
from orchestration.delivery.ledger.order import Order
from orchestration.delivery.ledger.standing import Known
from orchestration.destinations.base import ROW_HASH, DeliveryError

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
    later = [] if content.empty else list(known.written_since())
    doubtful = content.doubtful()
    parts = [f"select {form.listed} from ({doubtful})"] if doubtful else []
    if later:
        others = Content(connection, later, form, {}, "", overlay="_overlay_elsewhere")
        parts.append(
            f"select {form.listed}"
            f" from ({content.written()}) ours join ({others.touched()}) theirs using ({form.listed})"
            " where theirs._after > ours._after"
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

    def there(layers: Sequence[Layer]) -> str:
        content = Content(connection, layers, form, {}, "", overlay="_overlay_elsewhere")
        return f"{form.text} in (select {form.text} from ({content.hashes()}))"

    for scope, layer in known.on_their_way():
        if _any(connection, f"{gone} and {there([layer])}"):
            raise DeliveryError(
                f"rows that `{order.export}` [{order.scope}] has no more are on their way with [{scope}]",
                "that delivery at its end first, so that nothing is taken out that it has brought",
                f"rerun [{scope}] of `{order.export}`, then this partition",
            )
    for layers in known.elsewhere():
        connection.execute(
            f"insert into {MOVED} select * from {difference} where _new is null and {there(layers)}"
        )
        connection.execute(
            f"delete from {difference} where _new is null and ({form.listed}) in"
            f" (select ({form.listed}) from {MOVED})"
        )


def _any(connection: "duckdb.DuckDBPyConnection", query: str) -> bool:
    return connection.execute(f"{query} limit 1").fetchone() is not None
