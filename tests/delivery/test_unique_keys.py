"""A key that stands twice, or is empty, is found whatever its type and however far its values lie apart."""

import duckdb
import pytest
from sluicegate.delivery.ledger.keys import KeyForm
from sluicegate.delivery.ledger.order import Order
from sluicegate.delivery.ledger.unique_keys import check_keys
from sluicegate.destinations.base import DeliveryError, Mode

# {what: (type, SQL of 1,000 different values)}
KEYS = {
    "close together": ("BIGINT", "range"),
    "below zero": ("SMALLINT", "(range - 1000)::smallint"),
    "far apart": ("BIGINT", "range * 9_000_000_000_000_000"),
    "from end to end": (
        "BIGINT",
        "case range when 0 then -9223372036854775808 when 1 then 9223372036854775807 else range end",
    ),
    "all of a byte, and more": ("USMALLINT", "range::usmallint"),
    "beyond BIGINT": ("UBIGINT", "18446744073709551615::ubigint - range::ubigint"),
    "text": ("VARCHAR", "'key ' || range"),
    "days": ("DATE", "date '2024-01-01' + range::integer"),
}


def check(values: str, kind: str) -> None:
    order = Order(
        export="exp", partition_key="2024-01-01", key=("id",), mode=Mode.UPSERT, partition_column=None
    )
    form = KeyForm.of(order.key, {})
    with duckdb.connect() as connection:
        connection.execute(
            f"create table compared as select id as {form.listed}, null::ubigint as _old from ({values})"
        )
        (count,) = connection.execute("select count(*) from compared").fetchone() or (0,)
        keyed = f"select id as {form.listed}, id from ({values})"
        check_keys(connection, order, form, keyed, {"id": kind}, "compared", matched=0, acknowledged=0)
        assert count == 1000


@pytest.mark.parametrize("what", KEYS)
def test_keys_are_told_apart(what: str) -> None:
    kind, value = KEYS[what]
    different = f"select {value} as id from range(1000)"
    check(different, kind)
    for place in (0, 1, 999):
        again = f"{different} union all select {value} from range({place}, {place + 1})"
        with pytest.raises(DeliveryError, match="1 rows stand twice, 0 have an empty part"):
            check(again, kind)
    with pytest.raises(DeliveryError, match="0 rows stand twice, 1 have an empty part"):
        check(f"{different} union all select null", kind)
