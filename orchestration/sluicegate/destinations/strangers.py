"""Which of the keys that a destination holds a full shard does not have.

Belongs here: that question, asked with the form in which the plan compared keys. Does not belong here: which
records lie in a scope, taking them out.
"""

from collections.abc import Collection, Iterable, Mapping
from importlib import import_module

from sluicegate.compute.alike import Alike, canonical
from sluicegate.compute.engine import shared_engine


def strangers(ours: Iterable[str], held: Mapping[str, str], alike: Collection[Alike]) -> list[str]:
    """Return the ids of those records whose key none of ours is, in order.

    Args:
        ours: the texts of a shard's keys.
        held: {id: text of its key} of the records in the scope.
        alike: what makes two keys one.
    """
    arrow = import_module("pyarrow")
    form = canonical("key", "VARCHAR", alike)
    with shared_engine() as connection:
        connection.register("ours", arrow.table({"key": arrow.array(ours, arrow.string())}))
        ids, keys = (arrow.array(column, arrow.string()) for column in (held.keys(), held.values()))
        connection.register(
            "held", arrow.table({"id": ids, "key": keys, "place": arrow.array(range(len(held)))})
        )
        found = connection.execute(
            f"select id from (select id, place, {form} as form from held)"
            f" anti join (select {form} as form from ours) using (form) order by place"
        ).fetchall()
    return [row[0] for row in found]
