"""How a plan is told: lines for people, data for machines.

Belongs here: words. Does not belong here: what is planned (`plan`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sluicegate.kusto.planned import Difference, Item, Plan, State

_SIGNS = {
    State.CREATE: "+", State.CHANGE: "~", State.WAITS: ".", State.BLOCKED: "!", State.REMOVE: "-",
    State.KEPT: "!",
}  # fmt: skip
_WORDS = {
    State.CREATE: "to create", State.CHANGE: "to change", State.WAITS: "waiting", State.BLOCKED: "in the way",
    State.REMOVE: "to remove (by --prune)", State.KEPT: "ours, and kept",
}  # fmt: skip


def lines_of(plan: Plan) -> Iterator[str]:
    """Yield a plan line by line."""
    told = [item for item in plan.items if item.state is not State.UNCHANGED]
    for item in told:
        yield f"{_SIGNS[item.state]} {item.called}  {item.file}".rstrip()
        yield from (f"    {note}" for note in item.notes)
        for difference in item.differences:
            yield from _difference(difference)
    count = {state: len(plan.of(state)) for state in _WORDS}
    said = ", ".join(f"{count[state]} {word}" for state, word in _WORDS.items() if count[state])
    same = len(plan.of(State.UNCHANGED))
    yield f"{plan.environment}, {plan.database}: {said or 'nothing to do'}; {same} unchanged"


def drift_lines(plan: Plan, who: Mapping[str, str]) -> Iterator[str]:
    """Yield what the database has otherwise than git, with who changed it, by the object's name."""
    for item in plan.items:
        if item.state in (State.UNCHANGED, State.WAITS):
            continue
        gone = item.state is State.CREATE
        why = "somebody has dropped it" if gone else "somebody has changed it there"
        if not item.drifted:
            why = "not deployed yet" if item.state is not State.REMOVE else "git has it no more"
        by = f", {who[item.name]}" if item.drifted and item.name in who else ""
        yield f"{item.called}  {item.file}: {why}{by}".replace("  :", ":")
        yield from (f"    {note}" for note in item.notes)
        for difference in item.differences:
            yield from _difference(difference)
    if plan.differs:
        yield (
            "`sluice kusto deploy` makes the database say what git says; `sluice kusto pull --force` writes"
            " what the database says into the files"
        )
    else:
        yield f"{plan.environment}, {plan.database}: what git says"


def as_data(plan: Plan) -> dict[str, Any]:
    """Return a plan for machines; its keys stay."""
    return {
        "environment": plan.environment,
        "database": plan.database,
        "differs": plan.differs,
        "objects": [_item(item) for item in plan.items],
    }


def _item(item: Item) -> dict[str, Any]:
    return {
        "kind": item.kind.value,
        "name": item.name,
        "file": item.file,
        "state": item.state.value,
        "drifted": item.drifted,
        "notes": list(item.notes),
        "commands": [{"line": one.line, "kind": one.kind} for one in item.commands],
        "differences": [
            {"what": one.what, "held": _shown(one.held), "said": _shown(one.said), "diff": one.diff}
            for one in item.differences
        ],
    }


def _difference(one: Difference) -> Iterator[str]:
    if one.diff:
        yield from (f"    {line}" for line in one.diff.split("\n"))
        return
    yield f"    {one.what}: {_shown(one.held)} -> {_shown(one.said)}"


def _shown(fact: Any) -> Any:
    """A fact as people read it: words with blanks between, time spans as they are counted in days."""
    if isinstance(fact, list) and all(isinstance(word, str) for word in fact):
        return " ".join(fact)
    return fact
