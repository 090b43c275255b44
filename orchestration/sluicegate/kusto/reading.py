"""`kusto/` -> `KustoProject`: everything that its files define, checked, in the order of a deploy.

Belongs here: the way from files to objects. Does not belong here: what each step finds wrong.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sluicegate.core.problems import Problem
from sluicegate.core.stages import Stage
from sluicegate.kusto.analysis import Analysis
from sluicegate.kusto.database_file import DatabaseFile, load_database_file
from sluicegate.kusto.definitions import Definition, definition_of
from sluicegate.kusto.files import FOLDER, kql_files
from sluicegate.kusto.flows import flow_problems, flow_warnings
from sluicegate.kusto.language.engine import KustoLanguage, ParserMissing
from sluicegate.kusto.objects import Fed, Kind, KustoObject, KustoProject
from sluicegate.kusto.parsed import Parses
from sluicegate.kusto.query_rules import query_problems, query_warnings
from sluicegate.kusto.rules import cycle_problems, names_problems, reading_problems, table_problems

KEPT = "kusto/parsed.json"


def load_kusto(
    project_dir: Path,
    kept: Path | None = None,
    feeds: Sequence[Fed] = (),
    stages: Collection[Stage] = tuple(Stage),
    start: Callable[[], KustoLanguage] | None = None,
    filled: Mapping[str, str] | None = None,
) -> tuple[KustoProject | None, list[Problem]]:
    """Read `kusto/`; return what it defines, None if there is no such folder, and every problem found.

    Args:
        project_dir: the project directory.
        kept: the file of what the parser answered before (`<data>/kusto/parsed.json`).
        feeds: the tables that exports to Azure Data Explorer feed, of all connections.
        stages: of which files are read.
        start: what starts Microsoft's parser, where something is not kept.
        filled: {table: the function that fills it}.
    """
    if not (project_dir / FOLDER).is_dir():
        return None, []
    said, problems = load_database_file(project_dir, {fed.connection for fed in feeds})
    files, found = kql_files(project_dir, stages)
    problems += found
    if said is None:
        return None, problems
    feeds = [fed for fed in feeds if fed.connection == said.connection]
    try:
        with Parses(kept, start) as parses:
            definitions: list[Definition] = []
            for file in files:
                read = definition_of(file, parses)
                if isinstance(read, Definition):
                    definitions.append(read)
                else:
                    problems += read
            if not problems:
                problems += names_problems(definitions, feeds, filled or {}, parses.builtins())
            if problems:  # of a file that does not read, nobody knows what others miss
                return None, problems
            analysis = Analysis(definitions, _tables(definitions, feeds), filled or {}, parses)
    except ParserMissing as error:
        fix = 'type `pip install "sluicegate[kusto]"`'
        return None, [Problem(FOLDER, 1, error.words, "the extra `kusto` of Sluice", fix, code="SLU-K018")]
    problems += _analysed_problems(definitions, analysis, feeds, filled or {})
    objects = [_object(one, analysis) for one in definitions]
    project = replace(
        _project(said, feeds, objects), warnings=[*_warnings(definitions, analysis, feeds, filled or {})]
    )
    return project, problems


def _tables(definitions: Sequence[Definition], feeds: Sequence[Fed]) -> dict[str, Sequence[tuple[str, str]]]:
    """Return {table: its columns}: a table that a file makes may have wider types than its export sends."""
    tables = {fed.table: fed.columns for fed in feeds}
    for one in definitions:
        if one.columns is not None:
            made = dict(one.columns)
            sent = tables.get(one.made.name, one.columns)
            tables[one.made.name] = [(name, made.get(name, kind)) for name, kind in sent]
    return tables


def _analysed_problems(
    definitions: Sequence[Definition], analysis: Analysis, feeds: Sequence[Fed], filled: Mapping[str, str]
) -> Iterator[Problem]:
    if circles := list(cycle_problems(definitions, analysis)):
        yield from circles  # what is analysed of one that reads itself is nothing
        return
    for one in definitions:
        for asked, query in analysis.found[one.made.key].queries:
            yield from query_problems(one, asked, query)
    yield from reading_problems(definitions, feeds, analysis)
    yield from table_problems(definitions, feeds, filled, analysis)
    yield from flow_problems(definitions, feeds, filled, analysis)


def _warnings(
    definitions: Sequence[Definition], analysis: Analysis, feeds: Sequence[Fed], filled: Mapping[str, str]
) -> Iterator[str]:
    for one in definitions:
        for asked, query in analysis.found[one.made.key].queries:
            yield from query_warnings(one, asked, query)
    yield from flow_warnings(definitions, feeds, filled, analysis)


def _object(of: Definition, analysis: Analysis) -> KustoObject:
    found, name = analysis.found[of.made.key], of.made.name
    columns = analysis.tables.get(name) if of.made.kind is Kind.TABLE else found.columns
    return replace(of.made, reads=list(found.places), columns=columns, origins=found.origins)


def _project(said: DatabaseFile, feeds: Sequence[Fed], objects: Sequence[KustoObject]) -> KustoProject:
    return KustoProject(
        said.connection, said.retention.said, said.caching.said, said.scratch or "", in_order(objects), feeds
    )


def in_order(objects: Sequence[KustoObject]) -> list[KustoObject]:
    """Return objects parents before children: tables first, then functions and views by what they read."""
    by_key = {one.key: one for one in objects}
    ordered: dict[tuple[Kind, str], KustoObject] = {}

    def add(one: KustoObject, above: frozenset[tuple[Kind, str]]) -> None:
        if one.key in ordered or one.key in above:
            return
        for key in one.reads:
            if one.kind is not Kind.TABLE and key in by_key:
                add(by_key[key], above | {one.key})
        ordered[one.key] = one

    for one in sorted(objects, key=lambda one: (list(Kind).index(one.kind), one.name)):
        add(one, frozenset())
    return list(ordered.values())
