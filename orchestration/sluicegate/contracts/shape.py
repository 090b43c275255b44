"""What to do when a drop's columns are not the contract's: a policy for each kind of change."""

from dataclasses import dataclass
from enum import StrEnum


class Policy(StrEnum):
    """What to do about a change of shape; each kind of change knows some of these.

    `ADD` takes a new column in as nullable text, and a lost one as NULL in every row.
    """

    REFUSE = "refuse"
    IGNORE = "ignore"
    ADD = "add"


@dataclass(frozen=True)
class ShapePolicies:
    """A policy a kind of change: refuse, but for a new column, which is left out and warned of.

    `new_column`: refuse, ignore or add. `lost_column`: refuse, or add (NULL in every row; only where it is
    not required). `renamed_column` (a name nearly the same): refuse, or ignore: it is read as the column
    meant. `changed_type` (no value of the column fits, or the file itself says another type): refuse, or
    ignore: every value is tried on its own. `changed_order`: refuse, or ignore: columns are told by name.
    """

    new_column: Policy = Policy.IGNORE
    lost_column: Policy = Policy.REFUSE
    renamed_column: Policy = Policy.REFUSE
    changed_type: Policy = Policy.REFUSE
    changed_order: Policy = Policy.REFUSE


ALLOWED: dict[str, tuple[Policy, ...]] = {
    "new_column": (Policy.REFUSE, Policy.IGNORE, Policy.ADD),
    "lost_column": (Policy.REFUSE, Policy.ADD),
    "renamed_column": (Policy.REFUSE, Policy.IGNORE),
    "changed_type": (Policy.REFUSE, Policy.IGNORE),
    "changed_order": (Policy.REFUSE, Policy.IGNORE),
}
