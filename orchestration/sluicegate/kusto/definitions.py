"""One file of `kusto/` -> what it defines, with the queries that it holds.

Belongs here: from commands to an object. Does not belong here: what a command may say (`commands`,
`properties`), what is wrong in a query or between files (`analysis`, `rules`).
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sluicegate.core.problems import Problem
from sluicegate.kusto.commands import commands_of, part_of, parts_of
from sluicegate.kusto.file_rules import NAMED, day_of, file_problems
from sluicegate.kusto.files import KqlFile
from sluicegate.kusto.language.engine import Command, ParserFailed, Part
from sluicegate.kusto.literals import Piece, pieces_of
from sluicegate.kusto.objects import Kind, KustoObject, Statement
from sluicegate.kusto.parsed import Parses, digest_of

SAMPLE = "sample"
_HEAD = "let SluiceAnalysed = "


@dataclass(frozen=True)
class Asked:
    """A query that a file holds, or that stands for what it holds.

    `anywhere` is the place of what has none of its own. `whole`: its columns are those of the object. A
    `sample` reads for nobody. `fills`: its rows go to the table of the file, by an update policy.
    """

    text: str
    pieces: Sequence[Piece]
    anywhere: int
    whole: bool = True
    sample: bool = False
    fills: bool = False

    def place(self, offset: int) -> int:
        """Return where in the file a character of the query stands."""
        for piece in self.pieces:
            if piece.query <= offset <= piece.query + piece.length:
                return piece.file + offset - piece.query
        return self.anywhere


@dataclass(frozen=True)
class Definition:
    """What a file defines: the object, as far as the file itself says it, and its queries.

    `columns` are those of a table that the file itself makes. `sources` are objects that it names outside of
    queries, each with its place.
    """

    file: KqlFile
    made: KustoObject
    commands: Sequence[Command]
    queries: Sequence[Asked] = ()
    columns: Sequence[tuple[str, str]] | None = None
    sources: Sequence[tuple[Kind, str, int]] = ()

    @property
    def name_at(self) -> int:
        """Where it is named."""
        name = part_of(self.commands[0], NAMED[self.file.kind])
        return name.span.start if name else 0


def definition_of(file: KqlFile, parses: Parses) -> Definition | list[Problem]:
    """Read one file."""
    try:
        read = commands_of(file.text, parses)
    except ParserFailed as error:
        return [
            file.problem(
                0,
                "SLU-K012",
                error.words,
                "a text of a form that people write",
                "cut it into several functions",
            )
        ]
    if problems := list(file_problems(file, read)):
        return problems
    statements = [
        Statement(
            one.kind, file.text[one.extent.start : one.extent.end], file.place(one.extent.start)[0],
            digest_of(*one.words),
        )
        for one in read.commands if one.extent
    ]  # fmt: skip
    sample, at = file.said.get(SAMPLE, ("", 0))
    if SAMPLE in file.said and (file.kind is not Kind.FUNCTION or parses.call(sample) != file.object_name):
        return [
            file.problem(
                at, "SLU-K012", "the sample is not one call of the function with literals",
                f'`// {SAMPLE}: {file.object_name}("AMES")`', "write the call and nothing else",
            )
        ]  # fmt: skip
    made = KustoObject(
        file.kind, file.object_name, file.name, file.stage, statements, sample=sample,
        owner=file.said.get("owner", ("", 0))[0], expires=day_of(file.said.get("expires", ("", 0))[0]),
    )  # fmt: skip
    first = read.commands[0]
    if file.kind is Kind.FUNCTION:
        parameters, body = _needed(first, "Parameters"), _needed(first, "Body")
        made = replace(made, parameters=_text(file, parameters), body=_text(file, body))
        return Definition(file, made, read.commands, list(_of_function(made, parameters, body, at)))
    if file.kind is Kind.VIEW:
        body = _needed(first, "SourceBody")
        made = replace(made, body=_text(file, body))
        query = Asked(made.body[1:-1], [Piece(0, body.span.start + 1, len(made.body) - 2)], body.span.start)
        return Definition(file, made, read.commands, [query], sources=list(_sources(first)))
    columns = [column for command in read.commands for column in table_columns(command)]
    policies = [_of_policy(file, command) for command in read.commands]
    return Definition(
        file, made, read.commands, [query for some, _ in policies for query in some], columns or None,
        [source for _, some in policies for source in some],
    )  # fmt: skip


def table_columns(command: Command) -> list[tuple[str, str]]:
    """Return the columns that a command gives a table, with their types."""
    if command.kind != "CreateMergeTable":
        return []
    names, types = parts_of(command, "ColumnName"), parts_of(command, "ColumnType")
    return [(name.value, type_.value) for name, type_ in zip(names, types, strict=True)]


def _of_function(made: KustoObject, parameters: Part, body: Part, sample_at: int) -> Iterator[Asked]:
    """A function is analysed as a local one: the diagnostics are those of a stored one."""
    pieces = [
        Piece(len(_HEAD), parameters.span.start, len(made.parameters)),
        Piece(len(_HEAD) + len(made.parameters) + 1, body.span.start, len(made.body)),
    ]
    yield Asked(f"{_HEAD}{made.parameters} {made.body};", pieces, body.span.start)
    if made.sample:  # whether it fits the parameters; what the body makes of it is not asked
        head, opening = f"{_HEAD}{made.parameters} {{ 0 }}; SluiceAnalysed", made.sample.find("(")
        given = made.sample[opening:]
        place = Piece(len(head), sample_at + opening, len(given))
        yield Asked(head + given, [place], sample_at, whole=False, sample=True)


def _sources(command: Command) -> Iterator[tuple[Kind, str, int]]:
    for name, kind in (("SourceTableName", Kind.TABLE), ("SourceMaterializedViewName", Kind.VIEW)):
        if part := part_of(command, name):
            yield kind, part.value, part.span.start


def _of_policy(file: KqlFile, command: Command) -> tuple[list[Asked], list[tuple[Kind, str, int]]]:
    """Return the queries of a policy, and the tables that it names."""
    if command.kind == "AlterTablePolicyRowLevelSecurity":
        return [_literal(file, _needed(command, "Query"))], []
    if part := part_of(command, "UpdatePolicy"):
        asked: list[Asked] = []
        sources: list[tuple[Kind, str, int]] = []
        for one in json.loads(part.value):
            query = str(one.get("Query", ""))
            asked.append(replace(_within(_literal(file, part), query), fills=True))
            sources.append((Kind.TABLE, str(one.get("Source", "")), part.span.start))
        return asked, sources
    return [], []


def _literal(file: KqlFile, part: Part) -> Asked:
    pieces = pieces_of(_text(file, part), part.value, part.span.start)
    return Asked(part.value, pieces, part.span.start, whole=False)


def _within(literal: Asked, query: str) -> Asked:
    """A query that JSON holds, itself in a literal; its places are known where JSON writes it as it is."""
    at, start = literal.text.find(json.dumps(query, ensure_ascii=False)), literal.anywhere
    pieces: list[Piece] = []
    if json.dumps(query, ensure_ascii=False) == f'"{query}"' and at >= 0 and literal.pieces:
        for piece in literal.pieces:
            first = max(piece.query, at + 1)
            last = min(piece.query + piece.length, at + 1 + len(query))
            if first < last:
                pieces.append(Piece(first - at - 1, piece.file + first - piece.query, last - first))
    return Asked(query, pieces, start, whole=False)


def _needed(command: Command, name: str) -> Part:
    part = part_of(command, name)
    assert part is not None  # the grammar of the kind has it, and nothing was wrong
    return part


def _text(file: KqlFile, part: Part) -> str:
    return file.text[part.span.start : part.span.end]
