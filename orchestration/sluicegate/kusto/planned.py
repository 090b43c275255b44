"""What a deploy would do, as shapes: each object with what becomes of it.

Belongs here: shapes. Does not belong here: how they come about (`plan`), how they are told (`report`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sluicegate.kusto.objects import Kind, Statement
from sluicegate.state.kusto_objects import Deployed


class State(StrEnum):
    """What becomes of an object."""

    CREATE = "create"
    CHANGE = "change"
    UNCHANGED = "unchanged"
    WAITS = "waits"
    BLOCKED = "blocked"
    REMOVE = "remove"
    KEPT = "kept"


# What a deploy has something to do for, or cannot do.
_DIFFERS = (State.CREATE, State.CHANGE, State.BLOCKED, State.REMOVE)


@dataclass(frozen=True)
class Difference:
    """A fact that the database holds otherwise; None where it is not there. `diff` is that of texts."""

    what: str
    held: Any
    said: Any
    diff: str = ""


@dataclass(frozen=True)
class Item:
    """An object, and what becomes of it.

    Args:
        kind: which of them.
        name: as the database has it.
        file: that says it; "" of what git has no more.
        state: what becomes of it.
        commands: what would be sent, with the lines in the file.
        differences: what is another.
        notes: what somebody has to know.
        drifted: whether the database holds another thing than what was deployed last.
        digest: of what git says.
        said: all that git says, as facts.
        held: of what is unchanged, a digest of how the database shows it.
    """

    kind: Kind
    name: str
    file: str
    state: State
    commands: Sequence[Statement] = ()
    differences: Sequence[Difference] = ()
    notes: Sequence[str] = ()
    drifted: bool = False
    digest: str = ""
    said: Mapping[str, Any] = field(default_factory=dict[str, Any])
    held: str = ""

    @property
    def called(self) -> str:
        """Its kind and name, in one word each."""
        return called(self.kind, self.name)


@dataclass(frozen=True)
class Plan:
    """All of it; `items` are in the order in which they are done, what is removed after all else.

    `forgotten` is on record, git has it no more, and the database neither; or it was there before we came.
    """

    environment: str
    database: str
    items: Sequence[Item]
    forgotten: Sequence[Deployed] = ()

    @property
    def differs(self) -> bool:
        """Whether there is something to do."""
        return any(item.state in _DIFFERS for item in self.items)

    def of(self, *states: State) -> list[Item]:
        """Return the items of some states."""
        return [item for item in self.items if item.state in states]


def called(kind: Kind, name: str) -> str:
    """Return what people call an object: its kind and name."""
    return f"{kind.value.removesuffix('s')} {name}"
