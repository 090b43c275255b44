"""Whether each row of what is planned has a key of its own, as the destination compares keys.

Belongs here: proving it, and what to say where it is not so. Does not belong here: the comparison with what
was acknowledged (`difference`), the form of a key (`keys`).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sluicegate.compute.bitmaps import WITHIN_BIGINT, bitmap_pays, different_numbers
from sluicegate.compute.sql import quoted
from sluicegate.core.shown_text import CLASSIFIED
from sluicegate.delivery.ledger.keys import KeyForm
from sluicegate.delivery.ledger.order import Order
from sluicegate.destinations.base import DeliveryError

if TYPE_CHECKING:
    import duckdb


def check_keys(
    connection: "duckdb.DuckDBPyConnection",
    order: Order,
    form: KeyForm,
    keyed: str,
    kinds: Mapping[str, str],
    difference: str,
    *,
    matched: int,
    acknowledged: int,
) -> None:
    """Raise where a key is empty or stands twice, in one spelling or in two.

    What was acknowledged has each key once: so if as many rows of the source found a partner as partners were
    found, none of them stands twice, and only added keys need be looked at.

    Args:
        connection: the local engine.
        order: whose key it is.
        form: of the key.
        keyed: SQL of the source's rows with their canonical keys.
        kinds: {field: SQL type} of the source.
        difference: the table of keys that differ.
        matched: how many rows of the source found a partner.
        acknowledged: how many partners were found.
    """
    added = f"{difference} where _old is null"
    empty = " or ".join(f"{name} is null" for name in form.columns)
    nulls, count = connection.execute(
        f"select count(*) filter (where {empty}), count(*) from {added}"
    ).fetchone() or (0, 0)
    twice = matched - acknowledged
    if nulls or not _all_differ(connection, form, kinds, added, count):
        (distinct,) = connection.execute(
            f"select count(*) from (select distinct {form.listed} from {added})"
        ).fetchone() or (0,)
        twice += count - distinct
    if nulls or twice:
        spelt = _spelt_twice(connection, order, form, keyed) if twice and not form.exact else ""
        raise DeliveryError(
            "SLU-E009",
            f"key ({', '.join(order.key)}) of `{order.export}`: {twice} rows stand twice,"
            f" {nulls} have an empty part{spelt}",
            "every row to have a key of its own",
            order.fix,
        )


def _all_differ(
    connection: "duckdb.DuckDBPyConnection",
    form: KeyForm,
    kinds: Mapping[str, str],
    added: str,
    count: int,
) -> bool:
    """Whether the added keys are proved to be different, cheaply; False is no proof that two are equal."""
    if count < 2:
        return True
    if form.exact and len(form.names) == 1 and kinds[form.names[0]] in WITHIN_BIGINT:
        low, high = connection.execute(
            f"select min({form.listed}), max({form.listed}) from {added}"
        ).fetchone() or (0, 0)
        if bitmap_pays(count, low, high):
            numbers = different_numbers(form.listed, low, high)
            return connection.execute(f"select {numbers} from {added}").fetchone() == (count,)
    hashes = f"select count(distinct hash({form.listed})) from {added}"
    return connection.execute(hashes).fetchone() == (count,)


def _spelt_twice(connection: "duckdb.DuckDBPyConnection", order: Order, form: KeyForm, keyed: str) -> str:
    """Say two spellings that the destination takes for one key; "" where all that stand twice are equal."""
    spelt = f"row({', '.join(map(quoted, form.names))})"
    sides = [f"{end}({spelt})" for end in ("min", "max")]
    found = connection.execute(
        f"select {', '.join(sides)} from (select * from ({keyed}) where"
        f" {' and '.join(f'{name} is not null' for name in form.columns)}) group by {form.listed}"
        f" having {sides[0]} <> {sides[1]} order by all limit 1"
    ).fetchone()
    if found is None:
        return ""
    one, other = (
        ", ".join(
            f"{name}={CLASSIFIED if name in order.hidden else repr(value)}"
            for name, value in zip(form.names, side.values() if isinstance(side, dict) else side, strict=True)
        )
        for side in found
    )
    return f"; the destination takes {one} and {other} for one key"
