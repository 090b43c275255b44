"""How a change travels: each kind of it over each kind of step, on graphs made by hand."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from sluicegate.columns.asked import field_of, hanging_on
from sluicegate.columns.graph import DELIVERED, ColumnGraph
from sluicegate.columns.impact import Change, How, deciding, effect
from sluicegate.columns.receivers import EXPOSED, exposure_problems, receivers, with_exposures
from sluicegate.columns.report import FILE, ImpactReport, Names, schema_text
from sluicegate.core.column_origins import Kind, Origin, Place, TableOrigins
from sluicegate.core.relations import Relation
from sluicegate.core.settings import REPOSITORY
from sluicegate.transformation.manifest import DbtManifest

AGES, MART, SENT = Relation("raw", "ages"), Relation("marts", "people"), Relation(DELIVERED, "exp_people")
GONE, NEW, TYPE, CLASS, VALUES = How.GONE, How.NEW, How.TYPE, How.CLASS, How.VALUES


def table(
    relation: Relation,
    columns: Mapping[str, list[tuple[Relation, str, Kind]]],
    rows: list[tuple[Relation, str, Kind]] | None = None,
    reads: list[Relation] | None = None,
) -> TableOrigins:
    """A table of a graph; it reads what its columns and rows are of, and `reads`."""
    made = {name: origins(of) for name, of in columns.items()}
    deciding_rows = origins(rows or [])
    parents = {one.place.relation for of in [*made.values(), deciding_rows] for one in of} | set(reads or [])
    return TableOrigins(relation, made, frozenset(parents), deciding_rows)


def origins(of: list[tuple[Relation, str, Kind]]) -> frozenset[Origin]:
    return frozenset(Origin(Place(relation, column), kind) for relation, column, kind in of)


def identical(relation: Relation, *columns: str) -> dict[str, list[tuple[Relation, str, Kind]]]:
    return {name: [(relation, name, Kind.IDENTITY)] for name in columns}


def of_one_step(kind: Kind) -> ColumnGraph:
    """Age is in the mart's `x` by a step of this kind, or decides its rows; the export sends the mart."""
    of_rows = kind in (Kind.FILTER, Kind.JOIN, Kind.GROUP_BY, Kind.SORT)
    step = [(AGES, "age", kind)]
    return ColumnGraph(
        [
            table(AGES, {"age": [], "name": []}),
            table(
                MART,
                {"x": [] if of_rows else step, **identical(AGES, "name")},
                step if of_rows else None,
            ),
            table(SENT, identical(MART, "x", "name")),
        ]
    )


# {kind of step: what a change is at its end, by what it was: gone, new, type, class, values; None: nothing}
STEPS: dict[Kind, dict[How, How | None]] = {
    Kind.IDENTITY: {GONE: GONE, NEW: NEW, TYPE: TYPE, CLASS: CLASS, VALUES: VALUES},
    Kind.PICK: {GONE: VALUES, NEW: VALUES, TYPE: TYPE, CLASS: CLASS, VALUES: VALUES},
    Kind.TRANSFORMATION: {GONE: VALUES, NEW: VALUES, TYPE: VALUES, CLASS: CLASS, VALUES: VALUES},
    Kind.CONDITIONAL: {GONE: VALUES, NEW: VALUES, TYPE: VALUES, CLASS: CLASS, VALUES: VALUES},
    Kind.MEASURE: {GONE: VALUES, NEW: VALUES, TYPE: VALUES, CLASS: CLASS, VALUES: VALUES},
    Kind.WINDOW: {GONE: VALUES, NEW: VALUES, TYPE: VALUES, CLASS: None, VALUES: VALUES},
    **{kind: {} for kind in (Kind.SORT, Kind.GROUP_BY, Kind.JOIN, Kind.FILTER)},
}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("how", [GONE, NEW, TYPE, CLASS, VALUES])
def test_a_change_is_at_the_end_of_a_step_what_the_step_leaves_of_it(kind: Kind, how: How) -> None:
    found = effect(of_one_step(kind), Change(AGES, how, "", ("age",)))

    expected = STEPS[kind].get(how)
    assert [(one.field.column, one.how, one.through.kind) for one in found.fields] == (
        [("x", expected, kind)] if expected else []
    )
    of_rows = not STEPS[kind] and how is not CLASS
    assert [(one.receiver, one.by.kind if one.by else None) for one in found.rows] == (
        [(SENT, kind)] if of_rows else []
    )


@pytest.mark.parametrize("kind", Kind)
def test_other_rows_of_a_table_are_told_once_an_export_and_of_no_field(kind: Kind) -> None:
    found = effect(of_one_step(kind), Change(AGES, How.ROWS, ""))

    assert not found.fields
    assert [(one.receiver, one.way) for one in found.rows] == [(SENT, (AGES, MART, SENT))]


def test_a_change_in_an_export_is_seen_there_alone() -> None:
    graph = of_one_step(Kind.IDENTITY)

    values = effect(graph, Change(SENT, VALUES, "", ("x",)))
    assert [(one.field, one.through.way) for one in values.fields] == [
        (Place(SENT, "x"), (Place(SENT, "x"),))
    ]
    assert not values.rows
    rows = effect(graph, Change(SENT, How.ROWS, ""))
    assert [one.receiver for one in rows.rows] == [SENT]


def test_a_column_that_decides_rows_far_above_decides_those_of_the_export() -> None:
    joined, counted = Relation("marts", "joined"), Relation("marts", "counted")
    graph = ColumnGraph(
        [
            table(AGES, {"age": [], "name": []}),
            table(joined, identical(AGES, "name"), [(AGES, "age", Kind.JOIN)]),
            table(counted, {"n": []}, reads=[joined]),  # count(*) has no column of its own
            table(SENT, identical(counted, "n")),
        ]
    )

    found = effect(graph, Change(AGES, VALUES, "", ("age",)))

    assert not found.fields
    assert [(one.receiver, one.by.way[-1]) for one in found.rows if one.by] == [(SENT, Place(AGES, "age"))]


def test_of_several_columns_at_once_each_field_is_told_once_by_what_tells_most() -> None:
    graph = ColumnGraph(
        [
            table(AGES, {"age": [], "name": []}),
            table(MART, {"x": [(AGES, "age", Kind.MEASURE), (AGES, "name", Kind.PICK)]}),
            table(SENT, identical(MART, "x")),
        ]
    )

    found = effect(graph, Change(AGES, VALUES, "", ("age", "name")))

    assert [(one.field, one.through.kind) for one in found.fields] == [(Place(SENT, "x"), Kind.PICK)]
    assert found.fields[0].through.way[0] == Place(AGES, "name")


@pytest.mark.parametrize("kind", Kind)
def test_upwards_a_field_is_decided_by_sources_columns_of_values_and_of_rows(kind: Kind) -> None:
    graph = of_one_step(kind)

    found = deciding(graph, Place(SENT, "x"))

    age = Place(AGES, "age")
    of_rows = not STEPS[kind]
    assert {place: one.kind for place, one in found.values.items()} == ({} if of_rows else {age: kind})
    assert {place: one.kind for place, one in found.rows.items()} == ({age: kind} if of_rows else {})
    assert [one.way for one in found.values.values()] == (
        [] if of_rows else [(age, Place(MART, "x"), Place(SENT, "x"))]
    )


def test_upwards_a_row_is_decided_through_what_is_worked_out_of_a_column() -> None:
    graph = ColumnGraph(
        [
            table(AGES, {"age": [], "name": []}),
            table(MART, {"old": [(AGES, "age", Kind.TRANSFORMATION)], **identical(AGES, "name")}),
            table(SENT, identical(MART, "name"), [(MART, "old", Kind.FILTER)]),
        ]
    )

    found = deciding(graph, Place(SENT, "name"))

    assert set(found.values) == {Place(AGES, "name")}
    assert {place: one.kind for place, one in found.rows.items()} == {Place(AGES, "age"): Kind.FILTER}


def exposed(**fields: Any) -> DbtManifest:
    """A manifest with the mart as a model, and a dashboard that reads it."""
    node = {
        "unique_id": "model.p.people", "name": "people", "resource_type": "model", "schema": "marts",
        "alias": "people", "config": {}, "fqn": ["p", "people"], "original_file_path": "models/people.sql",
        "package_name": "p",
    }  # fmt: skip
    exposure = {
        "name": "board", "type": "dashboard", "owner": {"name": "Ann", "email": "ann@a.example"},
        "url": "https://bi.example/1", "maturity": "high", "original_file_path": "models/_exposures.yml",
        "depends_on": {"nodes": ["model.p.people"]}, **fields,
    }  # fmt: skip
    content = {
        "metadata": {"project_name": "p"}, "nodes": {"model.p.people": node}, "sources": {},
        "exposures": {"exposure.p.board": exposure},
    }  # fmt: skip
    return DbtManifest(content)


# (meta of the exposure, its columns in the graph, what `sluice check` names)
EXPOSURES: list[tuple[dict[str, Any], list[str], str]] = [
    ({}, ["people.name", "people.x"], ""),
    ({"meta": {"columns": {"people": ["x"]}}}, ["people.x"], ""),
    ({"config": {"meta": {"columns": {"people": ["X"]}}}}, ["people.x"], ""),
    ({"meta": {"columns": {"people": "x"}}}, ["people.x"], ""),
    # A name that is not there may be any of them.
    ({"meta": {"columns": {"people": ["x", "agee"]}}}, ["people.name", "people.x"], "people.agee"),
    ({"meta": {"columns": {"persons": ["x"]}}}, ["people.name", "people.x"], "persons"),
]


@pytest.mark.parametrize(("meta", "columns", "wrong"), EXPOSURES)
def test_a_dashboard_has_all_columns_of_what_it_reads_or_those_that_it_names(
    meta: dict[str, Any], columns: list[str], wrong: str
) -> None:
    manifest, graph = exposed(**meta), of_one_step(Kind.FILTER)

    whole = with_exposures(graph, manifest)

    board = Relation(EXPOSED, "board")
    assert sorted(whole.tables[board].columns) == columns
    assert [f"`{wrong}`" in one.what for one in exposure_problems(graph, manifest)] == (
        [True] if wrong else []
    )
    assert board in [one.receiver for one in effect(whole, Change(AGES, VALUES, "", ("age",))).rows]


def test_a_dashboard_of_a_metric_reads_what_the_metric_is_made_of() -> None:
    manifest = exposed(depends_on={"nodes": ["metric.p.ages"]})
    content = {
        **manifest.content,
        "metrics": {"metric.p.ages": {"depends_on": {"nodes": ["semantic_model.p.people", "metric.p.ages"]}}},
        "semantic_models": {"semantic_model.p.people": {"depends_on": {"nodes": ["model.p.people"]}}},
    }

    whole = with_exposures(of_one_step(Kind.PICK), DbtManifest(content))

    assert whole.tables[Relation(EXPOSED, "board")].reads == {MART}


def test_whose_a_dashboard_is_stands_in_the_answer() -> None:
    manifest = exposed(meta={"channel": "#bi"})
    graph = with_exposures(of_one_step(Kind.PICK), manifest)
    names = Names(graph, receivers({}, manifest))

    (change,) = names.told(hanging_on(graph, {}, "ages.age"))

    board = next(one.receiver for one in change.fields if one.receiver.kind == "dashboard")
    assert (board.name, board.owner, board.channel) == ("board", "ann@a.example", "#bi")
    assert (board.url, board.maturity) == ("https://bi.example/1", "high")


# (what is typed, the columns that are asked about, of which table)
TYPED = [
    ("ages.age", ("age",), AGES),
    ("AGES.AGE", ("age",), AGES),
    ("raw.ages.age", ("age",), AGES),
    ("people.x", ("x",), MART),
    ("people", ("x", "name"), MART),
    ("ages", ("age", "name"), AGES),
]


@pytest.mark.parametrize(("name", "columns", "relation"), TYPED)
def test_what_is_typed_is_found(name: str, columns: tuple[str, ...], relation: Relation) -> None:
    found = hanging_on(of_one_step(Kind.IDENTITY), {}, name)

    assert (found[0].change.relation, found[0].change.columns) == (relation, columns)
    assert [one.change.how for one in found] == [VALUES, How.ROWS] if len(columns) > 1 else [VALUES]


# (what is typed, what is said)
WRONG = [
    ("agess.age", "no source or model `agess`; did you mean `ages`?"),
    ("ages.agee", "`ages` has no column `agee`; did you mean `age`?"),
    ("exp_people.x", "no source or model `exp_people`"),
    ("", "no source or model ``"),
]


@pytest.mark.parametrize(("name", "said"), WRONG)
def test_a_name_that_is_not_there_is_told_with_the_nearest(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=".") as told:
        hanging_on(of_one_step(Kind.IDENTITY), {}, name)
    assert said in str(told.value)


def test_a_name_of_two_tables_wants_its_schema() -> None:
    other = Relation("staging", "ages")
    graph = ColumnGraph([table(AGES, {"age": []}), table(other, identical(AGES, "age"))])

    with pytest.raises(ValueError, match=r"may be raw\.ages or staging\.ages"):
        hanging_on(graph, {}, "ages.age")
    assert hanging_on(graph, {}, "staging.ages.age")[0].change.relation == other


@pytest.mark.parametrize("name", ["exp_people", "exp_people.y", "exp_peopl.x", "people.x"])
def test_a_field_that_is_not_there_is_told(name: str) -> None:
    graph = of_one_step(Kind.IDENTITY)

    with pytest.raises(ValueError, match=r"use one of|did you mean"):
        field_of(graph, name)
    assert field_of(graph, "exp_people.X") == Place(SENT, "x")


def test_the_schema_in_the_repository_is_the_one_that_the_answer_makes_and_the_answers_fit() -> None:
    manifest = exposed()
    graph = with_exposures(of_one_step(Kind.PICK), manifest)
    names = Names(graph, receivers({}, manifest))
    validator = Draft202012Validator(json.loads(schema_text()))

    told = ImpactReport("", names.told(hanging_on(graph, {}, "ages")))
    place = Place(SENT, "x")
    origin = names.origins(place, deciding(graph, place))

    for answer in (told, origin):
        as_json = json.loads(json.dumps(asdict(answer)))
        assert not list(validator.iter_errors(as_json))
        assert list(validator.iter_errors(as_json | {"version": "1"}))
    committed = (REPOSITORY / FILE).read_text(encoding="utf-8")
    assert committed == schema_text(), "run `python -m tests.documents.renew`"
