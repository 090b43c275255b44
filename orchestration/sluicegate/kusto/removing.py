"""What is ours in a database and git has no more: what may go, in which order, and what stays.

Belongs here: who uses what. Does not belong here: what git says (`plan`), doing it (`deploying`).

Kusto refuses no drop of a function that others call: they break when they are asked next. So an object stays
as long as anything else names it, and a table is never dropped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sluicegate.destinations.adx import kql
from sluicegate.kusto.facts import Words
from sluicegate.kusto.held import Held, names
from sluicegate.kusto.objects import Kind, KustoObject
from sluicegate.kusto.planned import Item, State, called
from sluicegate.kusto.tables_here import command
from sluicegate.state.kusto_objects import Deployed

Key = tuple[Kind, str]


def removed(
    records: Mapping[Key, Deployed],
    objects: Sequence[KustoObject],
    held: Held,
    words: Words,
    digest: Mapping[Key, str],
) -> list[Item]:
    """Return what becomes of each: those first that use others.

    Args:
        records: what is on record as ours, stands in the database, and git has no more.
        objects: what git says.
        held: the database.
        words: the parser.
        digest: of what the database holds of each now.
    """
    if not records:
        return []
    texts: dict[Key, str] = {(Kind.FUNCTION, name): one.body for name, one in held.functions.items()}
    texts |= {(Kind.VIEW, name): f"{one.source} {one.query}" for name, one in held.views.items()}
    # What a deploy puts there before it removes anything.
    texts |= {one.key: one.body for one in objects if one.kind is not Kind.TABLE}
    users = {
        key: [other for other, text in texts.items() if other != key and names(words(text), key[1])]
        for key in records
    }
    items: dict[Key, Item] = {}

    def add(key: Key, above: frozenset[Key]) -> None:
        if key in items or key in above:
            return
        for user in users[key]:
            if user in records:
                add(user, above | {key})
        staying = [
            called(*user) for user in users[key]
            if user not in items or items[user].state is not State.REMOVE
        ]  # fmt: skip
        items[key] = _removal(key, records[key], staying, held, digest[key])

    for key in sorted(records):
        add(key, frozenset())
    return list(items.values())


def _removal(key: Key, record: Deployed, users: list[str], held: Held, digest: str) -> Item:
    kind, name = key
    item = Item(kind, name, "", State.KEPT)
    if kind is Kind.FUNCTION:
        users += held.policies_naming(name)
    if users:
        why = (
            f"git has it no more, and it is used by {', '.join(users)}; expected no use; change what uses it"
        )
        return replace(item, notes=[why])
    if record.held and record.held != digest:
        why = "git has it no more, and somebody has changed it since it was deployed; look at it, and drop it"
        return replace(item, notes=[why], drifted=True)
    ifexists = " ifexists" if kind is Kind.FUNCTION else ""
    return replace(item, state=State.REMOVE, commands=[command("Drop", dropping(kind, name) + ifexists)])


def dropping(kind: Kind, name: str) -> str:
    """Return the command that drops a function or view."""
    return f".drop {'function' if kind is Kind.FUNCTION else 'materialized-view'} {kql.name(name)}"
