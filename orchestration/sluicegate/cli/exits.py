"""How a command ends: the exit codes, which scripts and pipelines may rely on.

Belongs here: what each code means, for all commands. Does not belong here: which of them a command gives.
"""

from enum import IntEnum

import typer


class Code(IntEnum):
    """An exit code; its value is what the shell sees."""

    WELL = 0
    ATTENTION = 1
    NOT_DONE = 2
    APPROVAL = 3

    @property
    def means(self) -> str:
        """What the code says, of any command."""
        return _MEANS[self]


_MEANS = {
    Code.WELL: "all is well",
    Code.ATTENTION: "something needs attention",
    Code.NOT_DONE: "it could not be done as typed",
    Code.APPROVAL: "somebody must approve (ci)",
}
CODES = ", ".join(f"{code.value} {code.means}" for code in Code)


def ended(attention: object) -> typer.Exit:
    """Return the end of a command that did its work: is there something that needs attention?"""
    return typer.Exit(Code.ATTENTION if attention else Code.WELL)
