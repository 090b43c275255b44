"""What a deploy would do: what git says against what the database holds and what is ours there.

Belongs here: the comparison, and what waits. Does not belong here: asking the database (`held`), what is in
the way (`obstacles`), what is to go (`removing`), doing it (`deploying`).

What is in the database and not in git is nobody's business here, unless it is ours: it is neither named nor
touched. What a command does not say is not compared, but for a function's folder and docstring: a command
without them makes a function without them. The order of a table's columns is not compared: a column is only
ever added at the end.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from difflib import unified_diff
from typing import Any

from sluicegate.core.environments import Environment
from sluicegate.core.problems import Mistyped
from sluicegate.kusto.facts import Facts, Words, facts_of, hides
from sluicegate.kusto.held import Held, is_policy
from sluicegate.kusto.objects import Kind, KustoObject, KustoProject
from sluicegate.kusto.obstacles import in_the_way, losses
from sluicegate.kusto.planned import Difference, Item, Plan, State, called
from sluicegate.kusto.removing import dropping, removed
from sluicegate.kusto.sending import of_existing
from sluicegate.kusto.tables_here import deployed_objects, made_here, making
from sluicegate.state.kusto_objects import Deployed

# How a note begins of what a deploy overwrites.
OTHERS = "somebody else"
# What an object of a kind is, beyond its properties.
_QUERY = {Kind.FUNCTION: ("parameters", "body"), Kind.VIEW: ("source", "query")}


def plan_of(
    project: KustoProject,
    kind: Environment,
    environment: str,
    held: Held,
    ours: Mapping[tuple[str, str], Deployed],
    words: Words,
    database: str,
) -> Plan:
    """Compare.

    Args:
        project: what git says.
        kind: of this deployment.
        environment: what it is called.
        held: the database.
        ours: what is on record of the database: {(kind, name): record}.
        words: Microsoft's parser, for the words of texts.
        database: the database as it is called in records.

    Raises:
        DeliveryError: the database does not answer.
        ValueError: a command says what nobody can compare.
    """
    objects = deployed_objects(project, kind)
    made = {fed.table: making(fed) for fed in made_here(project, objects, kind, held)}
    items = list(made.values())
    tables = {*held.tables, *made, *(one.name for one in objects if _creates(one))}
    waiting: dict[tuple[Kind, str], str] = {}
    for one in objects:
        if why := _waits(one, tables, project, waiting):
            waiting[one.key] = why
            waits = Item(one.kind, one.name, one.file, State.WAITS, notes=[f"waits for {why}"])
            items.append(replace(waits, digest=one.digest))
        else:
            record = ours.get((one.kind.value, one.name))
            items.append(_compared(one, held, record, words, new=one.name in made))
    named = {one.key for one in objects}
    gone = {(Kind(one.kind), one.name): one for one in ours.values() if (one.kind, one.name) not in named}
    standing = {key: held.facts(*key, {}) for key in gone if key[0] is not Kind.TABLE}
    there = {
        key: held_digest(facts, key[0])
        for key, facts in standing.items()
        if facts is not None and gone[key].environment
    }
    items += removed({key: gone[key] for key in there}, objects, held, words, there)
    return Plan(environment, database, items, [one for key, one in gone.items() if key not in there])


def held_digest(facts: Facts | None, kind: Kind) -> str:
    """Return a digest of what a database may spell in its own way: queries, parameters, policies, mappings.

    "" where there is nothing of it.
    """
    shown = [one for one in facts or () if _is_spelled(kind, one)]
    if not facts or not shown:
        return ""
    # What is on record of older deploys is of this form.
    listed = (
        [[one, facts[one]] for one in sorted(shown)]
        if kind is Kind.TABLE
        else list(map(facts.get, _QUERY[kind]))
    )
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def spelled_otherwise(one: KustoObject, found: Facts, record: Deployed | None, said: Facts) -> set[str]:
    """Return the facts that the service only spells otherwise: it shows them as once they were sent."""
    shown = held_digest(found, one.kind)
    if record is None or record.digest != one.digest or not shown or record.held != shown:
        return set()
    return {name for name in (*said, *found) if _is_spelled(one.kind, name)}


def _is_spelled(kind: Kind, fact: str) -> bool:
    return is_policy(fact) if kind is Kind.TABLE else fact in _QUERY[kind]


def _creates(one: KustoObject) -> bool:
    return any(statement.kind == "CreateMergeTable" for statement in one.statements)


def _waits(
    one: KustoObject,
    tables: Collection[str],
    project: KustoProject,
    waiting: Mapping[tuple[Kind, str], str],
) -> str:
    """Return what an object waits for, directly or through others; "" where it waits for nothing."""
    read = [name for kind, name in one.reads if kind is Kind.TABLE]
    for table in [*read, *([one.name] if one.kind is Kind.TABLE else [])]:
        if table not in tables:
            exports = sorted({fed.export for fed in project.feeds if fed.table == table})
            first = f"the first delivery of {' or '.join(exports)}, which makes" if exports else "what makes"
            return f"{first} the table {table}"
    return next((waiting[key] for key in one.reads if key in waiting), "")


def _compared(one: KustoObject, held: Held, record: Deployed | None, words: Words, *, new: bool) -> Item:
    said = [(statement, _facts(one, statement.line, statement, words)) for statement in one.statements]
    whole: dict[str, Any] = {name: fact for _, facts in said for name, fact in facts.items()}
    item = Item(one.kind, one.name, one.file, State.UNCHANGED, digest=one.digest, said=whole)
    if clash := _clash(one, held):
        return replace(item, state=State.BLOCKED, notes=[clash])
    found = {} if new else held.facts(one.kind, one.name, whole)
    if found is None:
        dropped = record is not None and record.digest == one.digest
        return replace(item, state=State.CREATE, commands=one.statements, drifted=dropped)
    shown = held_digest(found, one.kind)
    same = record is not None and record.digest == one.digest
    spelled = spelled_otherwise(one, found, record, whole)
    wrong = [name for name, fact in whole.items() if found.get(name, "") != fact and name not in spelled]
    if hides(whole) and not same:
        # What the database does not show: what was sent last is all that is known of it.
        wrong += [name for name in ("body", "query") if name in whole and name not in wrong]
    if not wrong:
        return replace(item, held=shown)
    drifted = record is not None and (same or bool(record.held and record.held != shown))
    differences = [Difference(name, found.get(name), whole[name], _diff(one, name, held)) for name in wrong]
    notes: list[str] = []
    if record is None or not record.environment:
        notes = [f"{OTHERS} made what stands there; it is replaced"] if one.kind is not Kind.TABLE else []
    elif drifted:
        notes = [f"{OTHERS} has changed it since it was deployed; it is replaced"]
    item = replace(item, differences=differences, drifted=drifted)
    if obstacles := list(in_the_way(one, found, whole, wrong)):
        return replace(item, state=State.BLOCKED, notes=[*notes, *obstacles])
    notes = [*notes, *losses(one, found, whole, wrong)]
    emptied = [name for name in ("folder", "docstring") if name in wrong and whole[name] == ""]
    sent = [
        replace(statement, text=of_existing(one, statement.text, emptied))
        for statement, facts in said
        if any(name in wrong and whole[name] == fact for name, fact in facts.items())
    ]
    return replace(item, state=State.CHANGE, commands=sent, notes=notes)


def _facts(one: KustoObject, line: int, statement: Any, words: Words) -> Facts:
    try:
        return facts_of(statement, words)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Mistyped(
            "SLU-K012",
            f"{one.file}:{line}: what the command says cannot be compared ({type(error).__name__}); expected"
            " a policy or mapping as Kusto's documentation has it; correct it",
        ) from None


def _clash(one: KustoObject, held: Held) -> str:
    """Say where the database has the name for an object of another kind."""
    others = {Kind.TABLE: held.tables, Kind.FUNCTION: held.functions, Kind.VIEW: held.views}
    for kind, there in others.items():
        if kind is not one.kind and one.name in there:
            drop = "" if kind is Kind.TABLE else f", or drop that one by hand: `{dropping(kind, one.name)}`"
            return (
                f"the database has the {called(kind, one.name)}; expected no other of that name;"
                f" rename one{drop}"
            )
    return ""


def _diff(one: KustoObject, name: str, held: Held) -> str:
    """A unified diff of bodies."""
    if name not in ("body", "query"):
        return ""
    before = held.functions[one.name].body if name == "body" else held.views[one.name].query
    after = one.body
    if name == "query" and not before.lstrip().startswith("{"):
        after = after.removeprefix("{").removesuffix("}")
    lines = [text.replace("\r\n", "\n").strip().split("\n") for text in (before, after)]
    return "\n".join(unified_diff(*lines, fromfile="the database", tofile=one.file, lineterm=""))
