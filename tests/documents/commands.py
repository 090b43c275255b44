"""The commands, as the parser has them, and the page of them: `docs/commands.md`.

Belongs here: what can be told of a command by itself. Does not: when to use it, which the runbook says.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import typer
from sluicegate.cli import app
from sluicegate.cli.exits import Code
from sluicegate.core.settings import REPOSITORY

from tests.documents.json_fields import ELSEWHERE, PRINTED

PAGE = REPOSITORY / "docs" / "commands.md"
# What is told once for all.
SHARED = ("--project", "--data", "--demo-destinations")
_HEAD = """# Commands

Made by `python -m tests.documents.renew` of what each command says with `--help`. When to use which: see the
[README](../README.md) and the [runbook](runbook/README.md).
"""
_JSON = """`--json` prints all that a table shows, and more, for scripts. Its keys stay: new ones may come,
none goes or changes its meaning without a line in the [changelog](../CHANGELOG.md). Moments are ISO 8601 in
UTC. Values of classified columns are never in it.

To complete commands, options and names of exports, sources and tables: `sluice --install-completion`, then
open a new shell."""


@dataclass(frozen=True)
class Command:
    """One command: `path` is what is typed for it, after `sluice`."""

    path: tuple[str, ...]
    help: str
    parameters: tuple[Any, ...]

    @property
    def options(self) -> frozenset[str]:
        """How its options are written."""
        return frozenset(["--help", *(one for item in self._options for one in item.opts)])

    @property
    def _options(self) -> list[Any]:
        return [item for item in self.parameters if item.opts[0].startswith("-")]

    def told(self) -> str:
        """Return its part of the page."""
        arguments = [item for item in self.parameters if item not in self._options]
        own = [item for item in self._options if item.opts[0] not in SHARED]
        required = [_option(item) for item in own if item.required]
        usage = " ".join(["sluice", *self.path, *map(_argument, arguments), *required])
        rows = [f"| `{_argument(item)}` | {_of(item)} |" for item in arguments]
        rows += [f"| `{_option(item)}` | {_of(item)} |" for item in own]
        shared = ", ".join(f"`{item.opts[0]}`" for item in self._options if item not in own)
        lines = [f"## {' '.join(self.path)}", "", f"`{usage}`", "", self.help]
        lines += ["", "| | |", "| --- | --- |", *rows] if rows else []
        lines += _printed(" ".join(self.path))
        return "\n".join([*lines, "", f"Also {shared}."] if shared else lines)


def _printed(name: str) -> Iterator[str]:
    """Yield what stands in the page of a command's `--json`."""
    if file := ELSEWHERE.get(name):
        yield from ("", f"What `--json` prints: [{file}]({file}).")
    if (printed := PRINTED.get(name)) is None:
        return
    yield from ("", f"`--json` prints {'a list of objects' if printed.many else 'an object'}:")
    yield from ("", "| Key | |", "| --- | --- |")
    for key, means in printed.keys.items():
        yield f"| `{key}` | {means} |"
        for inner, meant in (printed.rows or {}).get(key, {}).items():
            yield f"| `{key}[].{inner}` | {meant} |"


def commands() -> Mapping[tuple[str, ...], Command]:
    """Return all commands by what is typed for them."""
    return {command.path: command for command in _below(typer.main.get_command(app), ())}


def page() -> str:
    """Return the page of all commands, by name."""
    every = [command for _, command in sorted(commands().items())]
    shared = {
        item.opts[0]: item for command in every for item in command.parameters if item.opts[0] in SHARED
    }
    rows = [f"| `{_option(shared[name])}` | {_of(shared[name])} |" for name in SHARED]
    codes = [f"| {code.value} | {code.means} |" for code in Code]
    head = "\n".join(
        [_HEAD, str(app.info.help), "", "| Exit code | Means |", "| --- | --- |", *codes, "", _JSON, "",
         "| Of many commands | |", "| --- | --- |", *rows]
    )  # fmt: skip
    return "\n\n".join([head, *(command.told() for command in every)]) + "\n"


def _below(command: Any, path: tuple[str, ...]) -> Iterator[Command]:
    inside = getattr(command, "commands", {})
    if not inside or command.invoke_without_command:  # such a group is a command, too
        paragraphs = [" ".join(part.split()) for part in (command.help or "").split("\n\n")]
        yield Command(path, "\n\n".join(paragraphs), tuple(command.params))
    for name, inner in inside.items():
        yield from _below(inner, (*path, name))


def _argument(item: Any) -> str:
    name = str(item.metavar or item.name).upper() + ("…" if item.nargs == -1 else "")
    return name if item.required else f"[{name}]"


def _option(item: Any) -> str:
    name = item.opts[0]
    return name if item.is_flag else f"{name} {name.strip('-').upper()}"


def _of(item: Any) -> str:
    default = "" if isinstance(item.default, bool) or not item.default else f" Default: `{item.default}`."
    return str(item.help).replace("<", "\\<") + default
