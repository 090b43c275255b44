"""The layers that a scope's content is made of: which rows of each shard the destination took, or may have.

Belongs here: reading the records of deliveries. Does not belong here: what the layers make together
(`content`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sluicegate.core.ranges import common, condition, joined, without
from sluicegate.delivery.ledger.journal import may_have_left
from sluicegate.delivery.ledger.lost import ShardLost
from sluicegate.delivery.ledger.readable import unreadable
from sluicegate.destinations.base import ROW, ROW_HASH, Mode, Ranges
from sluicegate.state.deliveries import Deliveries
from sluicegate.state.records import Delivery

# A base has what is in doubt with this hash, which no row has.
_DOUBT_IN_BASE = f"{ROW_HASH} = 0"


@dataclass(frozen=True)
class Layer:
    """One shard, and the SQL condition for those of its rows that the destination took.

    `alike` is what made two keys one when it was written: it has each key once by that. `written` is SQL
    of the number of the sending that wrote a row, `after` is one before it; of a base, whose rows are of
    several deliveries, nobody knows them: 0. `doubt` is the condition for rows of which nobody knows whether
    the destination has them.
    """

    shard: str
    condition: str
    shape: str
    hashed_by: str
    alike: str = ""
    after: int = 0
    doubt: str = ""
    written: str = "0"


def layers_of(
    deliveries: Deliveries, found: Sequence[Delivery], *, past: bool = False, every_byte: bool = False
) -> list[Layer]:
    """Return the layers of `found`, the deliveries that a scope's content is made of, oldest first.

    `past`: they are those of a moment ago, for which a base is too new. `every_byte`: see `unreadable`.

    Raises:
        ShardLost: a file that belongs to it is gone or cannot be read.
    """
    if not found:
        return []
    export, scope = found[0].export, found[0].scope
    base = None if past else deliveries.base(export, scope)
    layers, newest = list[Layer](), found[-1]
    if base is not None and base.after_id >= found[0].id:
        alike = next((item.alike for item in found if item.id == base.after_id), "")
        layers.append(Layer(base.shard, "true", base.shape, base.hashed_by, alike, doubt=_DOUBT_IN_BASE))
        found = [item for item in found if item.id > base.after_id]
    layers += [layer_of(deliveries, item) for item in found if item.shard_rows]
    for layer in layers:
        if problem := unreadable(layer.shard, every_byte=every_byte):
            raise ShardLost.of(newest, layer.shard, problem)
    return layers


def layer_of(deliveries: Deliveries, delivery: Delivery) -> Layer:
    """Return the layer that a delivery has put over what was there, as far as it is settled."""
    settled = deliveries.acknowledged(delivery.delivery_id)
    numbers = deliveries.sendings(delivery.delivery_id)
    taken = "true" if settled == [(0, delivery.shard_rows)] else condition(ROW, settled)
    refused = [row for row, _, _ in deliveries.refusals(delivery.delivery_id)] if delivery.refused else []
    if refused:
        taken = f"({taken}) and {ROW} not in ({', '.join(map(str, refused))})"
    doubt = joined(
        [*_unsettled(deliveries, delivery, settled), *_refused_late(deliveries, delivery, refused)]
    )
    return Layer(
        delivery.shard,
        taken,
        delivery.shape,
        delivery.hashed_by,
        delivery.alike,
        delivery.id,
        condition(ROW, doubt) if doubt else "",
        written(delivery, numbers),
    )


def written(delivery: Delivery, numbers: Mapping[int, Ranges]) -> str:
    """Return SQL of the number of the sending that brought a row last; the plan's id where none has one."""
    known = {number: rows for number, rows in numbers.items() if number}
    if [*known.values()] == [[(0, delivery.shard_rows)]]:
        return str(next(iter(known)))
    cases = [f"when {condition(ROW, rows)} then {number}" for number, rows in known.items()]
    return f"case {' '.join(cases)} else {delivery.id} end" if cases else str(delivery.id)


def _unsettled(deliveries: Deliveries, delivery: Delivery, settled: Ranges) -> Ranges:
    """Return the rows of an ended delivery that may have left and were not settled."""
    by_key = delivery.mode in (Mode.UPSERT, Mode.MIRROR)
    if not by_key or settled == [(0, delivery.shard_rows)]:
        return ()
    return without(common(may_have_left(deliveries, delivery), [(0, delivery.shard_rows)]), settled)


def _refused_late(
    deliveries: Deliveries, delivery: Delivery, refused: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Yield the refused rows that an earlier request may have brought all the same."""
    if not refused or delivery.mode not in (Mode.UPSERT, Mode.MIRROR):
        return
    left = joined(one for rows in deliveries.left(delivery.delivery_id) for one in rows)
    yield from common(joined((row, row + 1) for row in refused), left)
