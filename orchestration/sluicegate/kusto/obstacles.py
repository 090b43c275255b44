"""What a person has to know before anything is sent: what Kusto would refuse, and what would be lost.

Belongs here: an object's facts before and after. Does not belong here: what differs at all (`plan`).

"Limitations" of https://learn.microsoft.com/kusto/management/materialized-views/materialized-view-alter, and
".create-merge table": a column's type stays, a view keeps its source and keys, an alteration leaves what is
aggregated; ".alter-merge table policy update" adds to the list.
"""

import json
from collections.abc import Collection, Iterator
from typing import Any

from sluicegate.destinations.adx import kql
from sluicegate.kusto.facts import Facts
from sluicegate.kusto.objects import Kind, KustoObject
from sluicegate.kusto.removing import dropping
from sluicegate.kusto.spellings import string

_UPDATE = "update policy has "


def in_the_way(one: KustoObject, held: Facts, said: Facts, wrong: Collection[str]) -> Iterator[str]:
    """Yield what Kusto would refuse, or would make another thing of than git says."""
    for name in wrong:
        if name.startswith("column ") and name in held:
            yield (
                f"{name} is {held[name]} in the database, and git says {said[name]}; Kusto changes no"
                " column's type and keeps its data; say that type in the file, or make another table"
            )
        if name.startswith(_UPDATE) and _source(name) in map(_source, held.get("update policy", ())):
            yield (
                "the table has another update policy of the same source, and both would fill it; say the"
                f" whole list in the file: `.alter table {kql.name(one.name)} policy update`"
            )
    if one.kind is not Kind.VIEW:
        return
    changed = "source" if "source" in wrong else "keys" if _keys(held) != _keys(said) else ""
    if changed:
        yield (
            f"its {changed} would be another, which Kusto refuses for a view that is there; give the view"
            " another name, or drop it, with all that it has aggregated:"
            f" `{dropping(Kind.VIEW, one.name)}`; then deploy again"
        )


def losses(one: KustoObject, held: Facts, said: Facts, wrong: Collection[str]) -> Iterator[str]:
    """Yield what a change takes away, or does not do."""
    name = "retention SoftDeletePeriod"
    if name in wrong and isinstance(said[name], int):
        before = held.get(name)
        if not isinstance(before, int) or said[name] < before:
            yield "its rows are kept for a shorter time than now: older ones are deleted"
    if one.kind is Kind.VIEW and "query" in wrong:
        yield "what the view has aggregated stays as it is: the new query holds for rows that come"


def _source(one: str) -> str:
    return str(json.loads(one.removeprefix(_UPDATE))["Source"])


def _keys(facts: Facts) -> list[Any] | None:
    """The words of a view's query after its last `by`, `['day']` as `day`; None where there is none."""
    words: list[Any] = [string(word) for word in facts["query"] if word not in ("[", "]")]
    return words[len(words) - words[::-1].index("by") :] if "by" in words else None
