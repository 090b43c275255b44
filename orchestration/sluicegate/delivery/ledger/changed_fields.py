"""Which fields of a changed row are others than those that the destination has.

Belongs here: the SQL of the list of their names. Does not: which rows have changed (`difference`).
"""

from collections.abc import Mapping

from sluicegate.compute.sql import literals

# Names are chosen from all lists that may come about, which are made once: 2 to the power of so many.
_FIELDS_A_LIST = 8


def changed_fields(conditions: Mapping[str, str]) -> str:
    """Return SQL for the list of the fields whose condition is true, in their order.

    To make a list of each row's own takes several times as long, for each row, as to look one up.

    Args:
        conditions: {field: SQL of a condition that is never NULL}.
    """
    names = list(conditions)
    starts = range(0, len(names), _FIELDS_A_LIST)
    lists = [_chosen({name: conditions[name] for name in names[at : at + _FIELDS_A_LIST]}) for at in starts]
    if len(lists) > 1:
        return f"list_concat({', '.join(lists)})"
    return lists[0] if lists else "[]::varchar[]"


def _chosen(conditions: Mapping[str, str]) -> str:
    # The engine works out this list of lists once, as no column stands in it.
    every = (
        f"list_transform(range({2 ** len(conditions)}), lambda chosen: list_filter({literals(conditions)},"
        " lambda name, place: (chosen >> (place - 1)) & 1 = 1))"
    )
    bits = " | ".join(f"(({held})::integer << {place})" for place, held in enumerate(conditions.values()))
    return f"{every}[1 + ({bits})]"
