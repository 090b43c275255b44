"""One file of `kusto/` -> what it defines, with the queries that it holds.

Belongs here: what one file may say, command by command. Does not belong here: which commands there may be
(`commands`), what is wrong in a query or between files (`analysis`, `rules`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from orchestration.core.problems import Problem
from orchestration.kusto.commands import ALLOWED, Commands, commands_of, errors
from orchestration.kusto.files import FOLDER, KqlFile
from orchestration.kusto.language.engine import Command, Part
from orchestration.kusto.objects import Kind, KustoObject, Statement
from orchestration.kusto.parsed import Parses, digest_of

_NAMED = {
    Kind.FUNCTION: "FunctionName",
    Kind.VIEW: "MaterializedViewName",
    Kind.TABLE: "TableName",
}
_WORDS = {
    Kind.FUNCTION: ".create-or-alter function",
    Kind.VIEW: ".create-or-alter materialized-view",
    Kind.TABLE: ".create-merge table, .alter table, .alter-merge table",
}
_SHOWN = 40


@dataclass(frozen=True)
class Piece:
    """A part of a query's text that stands in a file: it begins at `query` there, and at `file` here."""

    query: int
    file: int
    length: int


@dataclass(frozen=True)
class Asked:
    """A query that a file holds, or that stands for what it holds; `whole` if it gives the object's columns."""

    text: str
    pieces: Sequence[Piece]
    whole: bool = True

    def place(self, offset: int) -> int | None:
        """Return where in the file a character of the query stands; None where nobody wrote it."""
        for piece in self.pieces:
            if piece.query <= offset <= piece.query + piece.length:
                return piece.file + offset - piece.query
        return None


@dataclass(frozen=True)
class Definition:
    """What a file defines: the object, as far as the file itself says it, and its queries."""

    file: KqlFile
    made: KustoObject
    commands: Sequence[Command]
    queries: Sequence[Asked] = ()
    # Of a table that the file itself makes.
    columns: Sequence[tuple[str, str]] | None = None
    problems: Sequence[Problem] = field(default=())


def definition_of(file: KqlFile, parses: Parses) -> Definition | list[Problem]:
    """Read one file."""
    try:
        read = commands_of(file.text, parses)
    except RuntimeError as error:
        return [
            file.problem(
                0, f"Microsoft's parser cannot read it ({error})", "a text of a form that people write",
                "cut it into several functions",
            )
        ]  # fmt: skip
    if problems := list(_wrong(file, read)):
        return problems
    first = read.commands[0]
    name = _part(first, _NAMED[file.kind])
    assert name is not None
    statements = [
        Statement(
            one.kind, file.text[one.extent.start : one.extent.end], file.place(one.extent.start)[0],
            digest_of(*one.words),
        )
        for one in read.commands if one.extent
    ]  # fmt: skip
    sample = file.said.get("sample", ("", 0))[0]
    made = KustoObject(file.kind, name.value, file.name, file.stage, statements, sample=sample)
    if file.kind is Kind.FUNCTION:
        parameters, body = _part(first, "Parameters"), _part(first, "Body")
        assert parameters is not None
        assert body is not None
        made = replace(made, parameters=_text(file, parameters), body=_text(file, body))
        return Definition(file, made, read.commands, [_of_function(made, parameters, body)])
    if file.kind is Kind.VIEW:
        body = _part(first, "SourceBody")
        assert body is not None
        made = replace(made, body=_text(file, body))
        query = Asked(made.body[1:-1], [Piece(0, body.span.start + 1, len(made.body) - 2)])
        return Definition(file, made, read.commands, [query])
    columns = [
        (one.value, kind.value)
        for command in read.commands
        if command.kind == "CreateMergeTable"
        for one, kind in zip(
            [part for part in command.parts if part.name == "ColumnName"],
            [part for part in command.parts if part.name == "ColumnType"], strict=True,
        )
    ]  # fmt: skip
    return Definition(file, made, read.commands, columns=columns or None)


def _of_function(made: KustoObject, parameters: Part, body: Part) -> Asked:
    """A function analysed as a local one has the diagnostics of a stored one, for a quarter of the time."""
    head = "let SluiceAnalysed = "
    text = f"{head}{made.parameters} {made.body}; SluiceAnalysed()"
    pieces = [
        Piece(len(head), parameters.span.start, len(made.parameters)),
        Piece(len(head) + len(made.parameters) + 1, body.span.start, len(made.body)),
    ]
    return Asked(text, pieces)


def _wrong(file: KqlFile, read: Commands) -> Iterator[Problem]:
    expected = f"`{_WORDS[file.kind]} …` alone"
    for command in read.commands:
        if told := errors(command):
            for one in told:
                yield file.problem(
                    one.span.start, f"{one.code}: {one.message.rstrip('.')}", "KQL as Microsoft's parser reads it",
                    "correct it",
                )  # fmt: skip
            return
        if command.kind not in ALLOWED[file.kind]:
            place = command.extent.start if command.extent else 0
            yield file.problem(
                place, f"has {f'the command {command.kind}' if command.kind else 'no command that is known'}",
                f"in {file.name.rpartition('/')[0]}/ {expected}", "take it away",
            )  # fmt: skip
            return
    if read.rest is not None:
        shown = file.text[read.rest :].split("\n")[0][:_SHOWN]
        yield file.problem(
            read.rest, f"`{shown}` belongs to no command", expected,
            "take it away; what is not one command of its own is not looked at",
        )  # fmt: skip
        return
    if not read.commands:
        yield file.problem(0, "has no command", expected, "write it, or take the file away")
        return
    if file.kind is not Kind.TABLE and len(read.commands) > 1:
        yield file.problem(
            read.commands[1].extent.start if read.commands[1].extent else 0, "has a second command",
            f"one `{_WORDS[file.kind]}`", f"move it to a file of its own in {FOLDER}/",
        )  # fmt: skip
        return
    for command in read.commands:
        name = _part(command, _NAMED[file.kind])
        if name is None or name.value != file.object_name:
            said = name.value if name else ""
            yield file.problem(
                name.span.start if name else 0, f"defines `{said}`", f"`{file.object_name}`, as the file is named",
                f"rename the file to `{said}.kql`, or what it defines",
            )  # fmt: skip


def _part(command: Command, name: str) -> Part | None:
    return next((part for part in command.parts if part.name == name), None)


def _text(file: KqlFile, part: Part) -> str:
    return file.text[part.span.start : part.span.end]
