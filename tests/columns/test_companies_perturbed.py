"""All companies' column lineage against what moves: change a raw column, run the SQL, compare what is sent.

Belongs here: whole ways, from raw tables to destinations' fields. Does not: single queries
(`test_generated_sql`), which tables are read (`tests/dbt/test_perturbations`).
"""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from random import Random

import duckdb
import pytest
from sluicegate.columns.graph import DELIVERED, ColumnGraph
from sluicegate.core.column_origins import Origin, Place, TableOrigins
from sluicegate.core.relations import RAW, Relation
from sluicegate.core.settings import REPOSITORY, Settings

from tests.columns.replayed import Replayed, Rows
from tests.parses import loaded

SEED = os.environ.get("PYTEST_SAMPLED_SEED", "0")
ALL = int(os.environ.get("SLUICE_TEST_KILLS", "1")) > 1
COMPANIES = {
    "demo": REPOSITORY,
    **{name: REPOSITORY / "tests/companies" / name for name in ("bakery", "kiosk", "observatory")},
}
# Of the demo's columns so many are tried, other ones each time; of the others all.
SOME = 22


@dataclass(frozen=True)
class Company:
    """A company's lineage, and the fields that each of its raw columns has moved by some change."""

    graph: ColumnGraph
    moved: Mapping[Place, frozenset[Place]]

    @cached_property
    def listed(self) -> dict[Place, set[Place]]:
        """{raw column: fields of which it decides the value, whatever the way}."""
        return {
            place: {
                field
                for field, influence in self.graph.below(place).items()
                if field.relation.schema == DELIVERED and influence.kind.of_value
            }
            for place in self.moved
        }


@pytest.fixture(scope="module")
def companies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Company]:
    """Each company that there is."""
    return {name: _company(name, tmp_path_factory.mktemp(name)) for name in COMPANIES}


@pytest.fixture(params=COMPANIES)
def company(request: pytest.FixtureRequest, companies: Mapping[str, Company]) -> Company:
    """One of them."""
    return companies[request.param]


def _company(name: str, folder: Path) -> Company:
    settings = Settings.load({}, project_dir=COMPANIES[name], data_dir=folder / "data")
    project = loaded(settings)
    replayed = Replayed(project, settings, project.manifest.digests)
    if name == "demo":
        replayed.fill_demo(folder / "feed")
    else:
        replayed.fill(Random(SEED), rows=16)
    return Company(project.columns, _moved(replayed))


def _moved(replayed: Replayed) -> dict[Place, frozenset[Place]]:
    before = replayed.run()
    assert all(before.values())
    statements = {
        Place(Relation(RAW, name), column): changes
        for name in replayed.project.contracts
        for column, changes in replayed.changes(f"{RAW}.{name}").items()
    }
    places = list(statements)
    if not ALL:
        places = Random(SEED).sample(places, k=min(SOME, len(places)))
    found: dict[Place, frozenset[Place]] = {}
    below = {place: replayed.project.columns.below(place) for place in places}
    for place in places:
        fields = set[Place]()
        for statement in statements[place]:
            try:
                with replayed.changed(str(place.relation), statement):
                    after = replayed.run()
            except duckdb.Error:  # a sum that overflows
                continue
            for export, rows in before.items():
                if rows != after[export]:
                    names = replayed.fields(export)
                    relation, fields_of_key = (
                        Relation(DELIVERED, export),
                        replayed.project.exports[export].key_fields,
                    )
                    # Rows whose keys change places are others: nothing of theirs has moved.
                    of_key = {Place(relation, name) for name in fields_of_key} & below[place].keys()
                    key = [] if of_key else [names.index(name) for name in fields_of_key]
                    fields |= {Place(relation, names[at]) for at in _differing(rows, after[export], key)}
        found[place] = frozenset(fields)
    return found


def _differing(before: Rows, after: Rows, key: list[int]) -> set[int]:
    """Return the columns that differ: in rows of one key, if any, and as a whole."""
    many = range(len((before or after)[0]))
    found = {at for at in many if Counter(row[at] for row in before) != Counter(row[at] for row in after)}
    mine, theirs = ({tuple(row[at] for at in key): row for row in rows} for rows in (before, after))
    if key and len(mine) == len(before) and len(theirs) == len(after):
        found |= {
            at for one in mine.keys() & theirs.keys() for at in many if mine[one][at] != theirs[one][at]
        }
    return found


def unlisted(graph: ColumnGraph, moved: Mapping[Place, frozenset[Place]]) -> list[tuple[Place, Place]]:
    """Return pairs of a raw column and a field that moved with it, of which the graph does not know."""
    found: list[tuple[Place, Place]] = []
    for place, fields in moved.items():
        rows = graph.rows_below(place)
        found += [
            (place, field)
            for field in sorted(fields)
            if place not in graph.above(field) and field.relation not in rows
        ]
    return found


@pytest.mark.sampled(2)
def test_nothing_moves_that_is_not_listed(company: Company) -> None:
    assert unlisted(company.graph, company.moved) == []
    assert sum(map(len, company.moved.values())) > 3


def test_up_and_down_are_one(company: Company) -> None:
    """What is above a field has the field below it, by as much."""
    for place in company.moved:
        below = company.graph.below(place)
        for field in company.graph.fields():
            above = company.graph.above(field).get(place)
            assert (above and above.kind) == (below[field].kind if field in below else None)


def test_most_of_what_is_listed_moves(company: Company) -> None:
    pairs = {(place, field) for place, fields in company.listed.items() for field in fields}
    moved = {(place, field) for place, field in pairs if field in company.moved[place]}
    assert len(moved) >= 0.6 * len(pairs) > 3


@pytest.mark.parametrize("seed", range(5))
def test_a_twentieth_less_is_noticed(companies: Mapping[str, Company], seed: int) -> None:
    """The first test fails of lineages of which 5 % of the edges are left out."""
    random = Random(f"{SEED} {seed}")

    def some(origins: frozenset[Origin]) -> frozenset[Origin]:
        return frozenset(one for one in sorted(origins) if random.random() >= 0.05)

    def less(table: TableOrigins) -> TableOrigins:
        columns = {name: some(origins) for name, origins in table.columns.items()}
        return replace(table, columns=columns, rows=some(table.rows))

    assert any(
        unlisted(ColumnGraph(map(less, company.graph.tables.values())), company.moved)
        for company in companies.values()
    )
