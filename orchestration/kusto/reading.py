"""`kusto/` -> `KustoProject`: everything that its files define, checked, in the order of a deploy.

Belongs here: the way from files to objects. Does not belong here: what each step finds wrong.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from orchestration.core.problems import Problem
from orchestration.core.stages import Stage
from orchestration.kusto.analysis import Analysis
from orchestration.kusto.database_file import DatabaseFile, load_database_file
from orchestration.kusto.definitions import Definition, definition_of
from orchestration.kusto.files import FOLDER, kql_files
from orchestration.kusto.language.engine import KustoLanguage, ParserMissing
from orchestration.kusto.objects import Fed, Kind, KustoObject, KustoProject
from orchestration.kusto.parsed import Parses

KEPT = "kusto/parsed.json"


def load_kusto(
    project_dir: Path,
    kept: Path | None = None,
    feeds: Sequence[Fed] = (),
    stages: Collection[Stage] = tuple(Stage),
    start: Callable[[], KustoLanguage] | None = None,
) -> tuple[KustoProject | None, list[Problem]]:
    """Read `kusto/`; return what it defines, None if there is no such folder, and every problem found.

    Args:
        project_dir: the project directory.
        kept: the file of what the parser answered before (`<data>/kusto/parsed.json`).
        feeds: the tables that exports to Azure Data Explorer feed, of all connections.
        stages: of which files are read.
        start: what starts Microsoft's parser, where something is not kept.
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
            tables = {fed.table: fed.columns for fed in feeds}
            tables |= {
                one.made.name: one.columns
                for one in definitions
                if one.columns is not None and one.made.name not in tables
            }
            if problems:  # of a file that does not read, nobody knows what others miss
                return None, problems
            analysis = Analysis(definitions, tables, parses)
    except ParserMissing as error:
        return None, [
            Problem(
                FOLDER, 1, str(error), "the extra `kusto` of Sluice", 'type `pip install "sluice[kusto]"`',
            )
        ]  # fmt: skip
    problems += [problem for one in analysis.found.values() for problem in one.problems]
    objects = [
        replace(
            one.made, reads=analysis.found[one.made.key].reads,
            columns=tables.get(one.made.name) if one.made.kind is Kind.TABLE else analysis.found[one.made.key].columns,
        )
        for one in definitions
    ]  # fmt: skip
    return _project(said, feeds, in_order(objects)), problems


def _project(said: DatabaseFile, feeds: Sequence[Fed], objects: Sequence[KustoObject]) -> KustoProject:
    return KustoProject(
        said.connection, said.retention.said, said.caching.said, said.scratch or "", objects, feeds
    )


def in_order(objects: Sequence[KustoObject]) -> list[KustoObject]:
    """Return objects parents before children: tables first, then functions and views by what they read."""
    by_key: Mapping[object, KustoObject] = {one.key: one for one in objects}
    ordered: dict[object, KustoObject] = {}

    def add(one: KustoObject, above: frozenset[object]) -> None:
        if one.key in ordered or one.key in above:
            return
        for key in one.reads:
            if one.kind is not Kind.TABLE and key in by_key:
                add(by_key[key], above | {one.key})
        ordered[one.key] = one

    for one in sorted(objects, key=lambda one: (list(Kind).index(one.kind), one.name)):
        add(one, frozenset())
    return list(ordered.values())
