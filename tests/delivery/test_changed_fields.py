"""The list of the fields that have changed: however many there are, and whatever they are called."""

import duckdb
import pytest
from sluicegate.compute.sql import quoted
from sluicegate.delivery.ledger.changed_fields import changed_fields

# Names of what stands in the SQL itself, and names that need quotes.
ODD = ("chosen", "name", "place", "range", 'a "b"', "it's", "[", "A")


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 16, 17, 60])
def test_the_fields_whose_condition_is_true_come_in_their_order(count: int) -> None:
    names = [*ODD, *(f"field {number}" for number in range(60))][:count]
    columns = ", ".join(f"hash(row, {number}) % 3 = 0 as {quoted(name)}" for number, name in enumerate(names))
    with duckdb.connect() as connection:
        connection.execute(
            f"create table held as select range as row{', ' * bool(names)}{columns} from range(500)"
        )
        listed = changed_fields({name: f"h.{quoted(name)}" for name in names})
        found = connection.execute(f"select {listed}, * from held h order by row").fetchall()
    for told, _, *held in found:
        assert told == [name for name, changed in zip(names, held, strict=True) if changed]
    assert len({tuple(told) for told, *_ in found}) >= min(2**count, 100)
