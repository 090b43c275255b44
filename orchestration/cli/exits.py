"""How a command ends: the exit codes, which scripts and pipelines may rely on.

Belongs here: what each code means, for all commands. Does not belong here: which of them a command gives.
"""

from enum import IntEnum


class Exit(IntEnum):
    """An exit code; its value is what the shell sees."""

    WELL = 0, "all is well"
    ATTENTION = 1, "it worked, and something needs attention"
    NOT_DONE = 2, "it could not be done as typed, or in this state of the project and its data"
    APPROVAL = 3, "somebody named must approve (`sluice ci` alone)"

    means: str

    def __new__(cls, value: int, means: str) -> "Exit":
        """Make a code that says what it means."""
        made = int.__new__(cls, value)
        made._value_ = value
        made.means = means
        return made


CODES = ", ".join(f"{code.value} {code.means}" for code in Exit)
