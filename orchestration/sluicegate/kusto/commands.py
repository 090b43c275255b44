"""Which commands a project may write, and in which folder: an allow-list, and everything else is refused.

Belongs here: the list, and a file's text taken apart into commands. Does not belong here: what is asked of a
command that is allowed (`file_rules`), queries (`analysis`).

What is deployed is the extent of each command alone. So nothing may stand between commands but blanks and
comments: neither a pipe, nor `;` with a query, nor a directive, nor what the parser skips without a word.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sluicegate.kusto.language.engine import Command, Diagnostic, Part, Span
from sluicegate.kusto.objects import Kind

# By Microsoft's names, `CommandKind`.
ALLOWED: Mapping[Kind, Sequence[str]] = {
    Kind.FUNCTION: ("CreateOrAlterFunction",),
    Kind.VIEW: ("CreateOrAlterMaterializedView", "CreateOrAlterMaterializedViewOverMaterializedView"),
    Kind.TABLE: (
        "CreateMergeTable",
        "CreateOrAlterTableIngestionMapping",
        "AlterTableDocString",
        "AlterTableFolder",
        "AlterMergeTableColumnDocStrings",
        "AlterTablePolicyRetention",
        "AlterMergeTablePolicyRetention",
        "AlterTablePolicyCaching",
        "AlterTablePolicyRowLevelSecurity",
        "AlterTablePolicyUpdate",
        "AlterMergeTablePolicyUpdate",
    ),
}
ALL_ALLOWED = tuple(kind for kinds in ALLOWED.values() for kind in kinds)
# What may stand between commands. No other blank is one: some programs take it for a part of a word.
_BETWEEN = re.compile(r"(?:[ \t\n]|//[^\n]*)*")


class CommandParser(Protocol):
    """What parses one command: Microsoft's parser, or what is kept of its answers."""

    def command(self, text: str, kinds: Sequence[str] = ()) -> Command:
        """Parse one management command."""
        ...


@dataclass(frozen=True)
class Commands:
    """A text taken apart. `rest` is where something begins that belongs to no command; None if all is known.

    Places are those of the whole text. The last command may be one with `diagnostics`, or of no kind.
    """

    commands: Sequence[Command]
    rest: int | None = None


def commands_of(text: str, parser: CommandParser) -> Commands:
    """Take a text apart into its commands."""
    found: list[Command] = []
    place = _after_blanks(text, 0)
    while place < len(text):
        if text[place] != ".":
            return Commands(found, place)
        command = parser.command(text[place:], ALL_ALLOWED)
        extent = command.extent
        if not command.kind or extent is None or errors(command):
            return Commands([*found, shifted(command, place)])
        end = place + extent.end
        following = _after_blanks(text, end)
        if following < len(text):
            # What follows may have been taken into account: what is deployed is the command alone.
            alone = parser.command(text[place:end], ALL_ALLOWED)
            if (alone.kind, alone.extent, alone.words) != (command.kind, extent, command.words):
                return Commands([*found, shifted(command, place)], following)
            command = alone
        if extent.start:
            return Commands([*found, shifted(command, place)], place)
        found.append(shifted(command, place))
        if following < len(text) and (text[following] != "." or "\n" not in text[end:following]):
            return Commands(found, following)
        place = following
    return Commands(found)


def part_of(command: Command, name: str) -> Part | None:
    """Return the first part of a name, as Microsoft's grammar calls it."""
    return next(iter(parts_of(command, name)), None)


def parts_of(command: Command, name: str) -> list[Part]:
    """Return the parts of a name, in the order of the text."""
    return [part for part in command.parts if part.name == name]


def errors(command: Command) -> list[Diagnostic]:
    """Return what is wrong within a command, or in the whole text where it is none."""
    end = command.extent.end if command.kind and command.extent else None
    return [
        one
        for one in command.diagnostics
        if one.severity == "Error" and (end is None or one.span.start <= end)
    ]


def shifted(command: Command, by: int) -> Command:
    """Return a command with the places of a longer text; what lies behind its extent is no part of it."""

    def moved(span: Span) -> Span:
        return Span(span.start + by, span.end + by)

    end = command.extent.end if command.extent else None
    return replace(
        command,
        extent=moved(command.extent) if command.extent else None,
        parts=[
            Part(part.name, moved(part.span), part.value)
            for part in command.parts
            if end is None or part.span.end <= end
        ],
        skipped=moved(command.skipped) if command.skipped else None,
        diagnostics=[replace(one, span=moved(one.span)) for one in command.diagnostics],
    )


def _after_blanks(text: str, place: int) -> int:
    found = _BETWEEN.match(text, place)
    return found.end() if found else place
