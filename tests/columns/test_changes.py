"""Two states compared by meaning: contracts, exports, what is judged, and tables as the engine has them.

The states are the bakery's with one file edited, or made by hand; what comes from git is in `test_since`.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from sluicegate.columns import contract_changes, export_changes
from sluicegate.columns.building import column_graph
from sluicegate.columns.changes import State
from sluicegate.columns.door import Door
from sluicegate.columns.graph import DELIVERED, ColumnGraph
from sluicegate.columns.since import Since, since
from sluicegate.compute.column_plan_rows import digest_of
from sluicegate.contracts.classes import load_classes
from sluicegate.contracts.columns import Column
from sluicegate.contracts.load import load_contracts
from sluicegate.contracts.model import SourceContract
from sluicegate.core.column_origins import Kind, NotUnderstood, Origin, Place, TableOrigins
from sluicegate.core.relations import Relation
from sluicegate.core.settings import Settings
from sluicegate.delivery.export_files.exports import load_exports
from sluicegate.delivery.export_files.spec import DestinationSpec, ExportSpec
from sluicegate.project.compared import state_of
from sluicegate.project.loading import Project, load_project
from sluicegate.quality.suites import load_suites
from sluicegate.transformation.binding import bound_sql
from sluicegate.transformation.manifest import DbtManifest

from tests.company import BAKERY

ORDERS, SHOPS = "contracts/orders.odcs.yaml", "contracts/shops.odcs.yaml"
SENT = "exports/exp_shop_orders.yml"
LOAVES = "        physicalType: INTEGER\n        description: Loaves ordered.\n        required: true\n"
SHOP = "        description: The shop, by its code.\n        required: true\n"
CUSTOM = "customProperties:\n"
RULE = "owner: a, reason: b, issue: 'https://x.example/1', declared: 2026-04-01, expires: 2026-05-01"


@pytest.fixture(name="project", scope="module")
def _project(parsed_bakery: Path) -> Project:
    return load_project(_settings(parsed_bakery))


@pytest.fixture(name="state", scope="module")
def _state(project: Project, parsed_bakery: Path) -> State:
    return state_of(project, _settings(parsed_bakery))


def _settings(data: Path) -> Settings:
    return Settings.load({}, project_dir=BAKERY, data_dir=data)


Edited = Callable[[str, str, str], State]


@pytest.fixture(name="edited")
def _edited(project: Project, state: State, parsed_bakery: Path, tmp_path: Path) -> Edited:
    """Return what makes the bakery's state with one text replaced in a contract, a suite or an export."""
    for folder in ("contracts", "expectations", "exports"):
        shutil.copytree(BAKERY / folder, tmp_path / folder)

    bound = bound_sql(_settings(parsed_bakery), project.manifest.digests)

    def edited(file: str, old: str, new: str) -> State:
        text = (tmp_path / file).read_text()
        assert old in text
        (tmp_path / file).write_text(text.replace(old, new, 1))
        contracts, problems = load_contracts(tmp_path)
        exports, wrong = load_exports(tmp_path)
        suites, bad = load_suites(tmp_path)
        assert not [*problems, *wrong, *bad]
        rules, _ = load_classes(tmp_path)
        door = Door.of(_settings(parsed_bakery), rules, contracts, project.manifest, bound, exports)
        classes = {place: door.flow.of(place) for place in door.graph.fields()}
        types = {
            **state.types,
            **{one.relation: {column.name: column.loaded_type for column in one.loaded_columns}
               for one in contracts.values()},
        }  # fmt: skip
        return replace(
            state, contracts=contracts, suites=suites, exports=exports, graph=door.graph, types=types,
            classes=classes,
        )  # fmt: skip

    return edited


def changes(found: Since) -> list[str]:
    """Return the changes at their places, as `values orders.loaves` and `rows orders`."""
    return sorted(
        f"{one.change.how} {'.'.join(filter(None, [one.change.relation.name, ','.join(one.change.columns)]))}"
        for one in found.effects
    )


def seen(found: Since) -> list[str]:
    """Return what receivers see: `values exp_shop_orders.loaves`, `rows exp_shop_orders`."""
    of_fields = {f"{one.how} {one.field.relation.name}.{one.field.column}" for effect in found.effects
                 for one in effect.fields}  # fmt: skip
    of_rows = {f"rows {one.receiver.name}" for effect in found.effects for one in effect.rows}
    return sorted(of_fields | of_rows)


BOTH = ["rows exp_shop_orders"]
LOAVES_SEEN = ["rows exp_shop_orders", "values exp_shop_orders.loaves"]


def custom(name: str, value: str) -> tuple[str, str]:
    return CUSTOM, f"{CUSTOM}  - {{property: {name}, value: {value}}}\n"


def of_column(column: str, said: str) -> tuple[str, str]:
    return column, f"{column}        {said}\n"


# (text before, text after, changes at their places, what receivers see); all in the contract of orders
CONTRACT_EDITS: list[tuple[str, str, list[str], list[str]]] = [
    # Nothing of it is in a column or a row.
    ("What shops ordered for a day.", "What shops order.", [], []),
    ("Loaves ordered.", "How many loaves.", [], []),
    ("ovens@bakery.example", "cakes@bakery.example", [], []),
    ("tills@bakery.example", "cash@bakery.example", [], []),
    ("version: 1.0.0", "version: 1.2.0", [], []),
    ("    value: 6\n", "    value: 8\n", [], []),
    (*custom("quarantineLimit", "{rows: 3}"), [], []),
    (*custom("shapeChanges", "{lostColumn: add}"), [], []),
    # Values, and with them which rows are taken.
    (*of_column(LOAVES, "logicalTypeOptions: {minimum: 1}"),
     ["rows orders", "values orders.loaves"], LOAVES_SEEN),
    (LOAVES, LOAVES.replace("required: true", "required: false"),
     ["rows orders", "values orders.loaves"], LOAVES_SEEN),
    (*of_column(LOAVES, "unique: true"), ["rows orders", "values orders.loaves"], LOAVES_SEEN),
    ("Loaves (pcs)", "Loaves", ["rows orders", "values orders.loaves"], LOAVES_SEEN),
    (*of_column(LOAVES, "customProperties: [{property: aliases, value: [Brote]}]"),
     ["rows orders", "values orders.loaves"], LOAVES_SEEN),
    (*of_column(LOAVES, "customProperties: [{property: thousandsSeparator, value: \"'\"}]"),
     ["rows orders", "values orders.loaves"], LOAVES_SEEN),
    # The sum of another integer is a sum: its type is cast, and stays.
    (LOAVES, LOAVES.replace("INTEGER", "BIGINT"), ["rows orders", "type orders.loaves"], LOAVES_SEEN),
    # What decides rows only.
    ("        primaryKeyPosition: 1\n", "        primaryKeyPosition: 1\n        unique: true\n",
     ["rows orders", "values orders.order_number"], BOTH),
    ("orders/{date}.csv.gz", "bakery/{date}.csv.gz", ["rows orders"], BOTH),
    ('value: "2024-01-01"', 'value: "2024-01-02"', ["rows orders"], BOTH),
    # How files are read is in every value.
    ("    format: csv\n", "    format: csv\n    delimiter: ';'\n",
     ["rows orders", "values orders.order_number,order_date,shop,loaves"],
     ["rows exp_shop_orders", "values exp_shop_orders.loaves"]),
    # The shop that is sent is that of `shops`; masked, those of orders are joined to none.
    (*of_column(SHOP, "customProperties: [{property: masking, value: hash}]"), ["values orders.shop"], BOTH),
    (*of_column(LOAVES, "classification: internal"),
     ["class orders.loaves"], ["class exp_shop_orders.loaves"]),
    ("The order, by its number.\n", "The order, by its number.\n        classification: internal\n",
     ["class orders.order_number"], []),
    # It is another table's shop that is sent: of that name, which counts too.
    (*of_column(SHOP, "classification: internal"),
     ["class exp_shop_orders.shop", "class orders.shop"], ["class exp_shop_orders.shop"]),
    # A column that nobody reads.
    (CUSTOM, "      - {name: paid, physicalType: BOOLEAN, logicalType: boolean}\n" + CUSTOM,
     ["new orders.paid"], []),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "at", "by"), CONTRACT_EDITS)
def test_an_edit_of_a_contract_is_what_it_is_to_columns_and_rows(
    state: State, edited: Edited, old: str, new: str, at: list[str], by: list[str]
) -> None:
    found = since(state, edited(ORDERS, old, new))

    assert (changes(found), seen(found)) == (at, by)


def test_what_a_contract_judges_by_is_a_guard_with_the_exports_below_it(state: State, edited: Edited) -> None:
    found = since(state, edited(ORDERS, *custom("quarantineLimit", "{rows: 3}")))

    ((guard, held),) = found.guards
    assert (guard.relation, guard.what) == ("raw.orders", "contract: what may be quarantined changed")
    assert held == ("delivered.exp_shop_orders",)


def test_a_critical_rule_of_a_suite_is_a_guard_and_a_warning_is_none(state: State, edited: Edited) -> None:
    suite = "expectations/exp_shop_orders.yml"
    rule = "  - type: expect_table_row_count_to_be_between\n    kwargs: {min_value: 1}\n"
    text = (BAKERY / suite).read_text()
    warned = since(state, edited(suite, text, f"{text.rstrip()}\n{rule}    severity: warning\n"))
    critical = since(state, edited(suite, f"{rule}    severity: warning\n", rule))

    assert (changes(warned), warned.guards, changes(critical)) == ([], (), [])
    ((guard, held),) = critical.guards
    assert guard.what == "expectations: critical rules changed"
    assert held == ("delivered.exp_shop_orders",)


KEY = "key: [business_date, shop]\n"
# (text before, after, what receivers see, guards, notes); all in one export file
EXPORT_EDITS: list[tuple[str, str, list[str], list[str], list[str]]] = [
    ("model: exp", "# Screens.\nmodel: exp", [], [], []),
    (KEY, f"names: {{rain_mm: rain}}\n{KEY}",
     ["gone exp_shop_orders.rain_mm", "new exp_shop_orders.rain"], [], []),
    (KEY, f"names: {{rain_mm: loaves, loaves: rain_mm}}\n{KEY}",
     ["values exp_shop_orders.loaves", "values exp_shop_orders.rain_mm"], [], []),
    (KEY, "key: [business_date, shop, loaves]\n", ["rows exp_shop_orders"], [], []),
    ("mode: mirror", "mode: upsert", ["rows exp_shop_orders"], [], []),
    (KEY + "mode: mirror\npartitions: each", "key: [shop]\nmode: mirror\npartitions: latest",
     ["gone exp_shop_orders.business_date", "rows exp_shop_orders"], [], []),
    ("object: bakery.shop_orders", "object: bakery.orders",
     [f"{how} exp_shop_orders.{name}" for how in ("gone", "new")
      for name in ("business_date", "loaves", "rain_mm", "shop")], [], []),
    (KEY, f"last_mile:\n  - {{filter: {{column: shop, drop: [a]}}, {RULE}}}\n{KEY}",
     ["rows exp_shop_orders"], [], []),
    (KEY, f"last_mile:\n  - {{map: {{column: shop, values: {{a: b}}}}, {RULE}}}\n{KEY}",
     ["values exp_shop_orders.shop"], [], []),
    (KEY, f"limits: {{rows: {{max: 9}}}}\n{KEY}", [], ["limits of the export changed"], []),
    (KEY, f"classes: [public]\n{KEY}", [], ["classes of the export changed"], []),
    ("counter@bakery.example", "till@bakery.example", [], [],
     ["exp_shop_orders: owner is till@bakery.example, was counter@bakery.example"]),
    ('"#counter"', '"#till"', [], [], ["exp_shop_orders: channel is #till, was #counter"]),
    ("latency: 12", "latency: 18", [], [], ["exp_shop_orders: deadline changed"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "by", "guards", "notes"), EXPORT_EDITS)
def test_an_edit_of_an_export_file_is_seen_in_its_own_fields(
    state: State, edited: Edited, old: str, new: str, by: list[str], guards: list[str], notes: list[str]
) -> None:
    found = since(state, edited(SENT, old, new))

    assert seen(found) == by
    assert [guard.what for guard, _ in found.guards] == guards
    assert list(found.notes) == notes
    for _, held in found.guards:
        assert held == ("delivered.exp_shop_orders",)


def test_an_export_that_comes_or_goes_has_all_its_fields_new_or_gone(
    state: State, project: Project, parsed_bakery: Path
) -> None:
    bound = bound_sql(_settings(parsed_bakery), project.manifest.digests)
    name = "exp_weather_report"
    exports = {one: export for one, export in state.exports.items() if one != name}
    graph = column_graph(state.contracts, project.manifest, bound, exports)
    without = replace(state, exports=exports, graph=graph)

    columns = ("business_date", "rain_mm", "town")
    assert seen(since(state, without)) == [f"gone {name}.{column}" for column in columns]
    assert seen(since(without, state)) == [f"new {name}.{column}" for column in columns]


def test_a_project_that_was_not_there_is_new_in_all_its_fields(state: State) -> None:
    found = since(State(), state)

    told = {line.split(" ")[0] for line in seen(found)}
    assert told == {"new"}
    assert len(seen(found)) == sum(1 for _ in state.graph.fields())


def test_what_is_as_it_was_is_no_change(state: State) -> None:
    assert since(state, state) == Since((), ())


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        (SourceContract, contract_changes.FIELDS),
        (Column, contract_changes.COLUMN_FIELDS),
    ],
)
def test_each_field_of_a_contract_is_thought_of(kind: Any, known: frozenset[str]) -> None:
    assert {item.name for item in fields(kind)} == known


def test_each_field_of_an_export_file_is_thought_of() -> None:
    assert set(ExportSpec.model_fields) == export_changes.SPEC_FIELDS
    assert set(DestinationSpec.model_fields) == export_changes.DESTINATION_FIELDS


# -- tables, made by hand

RAW, MART, EXPORTED = Relation("raw", "ages"), Relation("marts", "people"), Relation(DELIVERED, "exp_people")
NODE = "model.p.people"


def of_raw(column: str) -> frozenset[Origin]:
    return frozenset([Origin(Place(RAW, column), Kind.IDENTITY)])


def hand_made(
    digests: Mapping[str, str],
    rows: str = "all",
    *,
    code: str = "1",
    kind: str = "model",
    config: Mapping[str, Any] | None = None,
    types: Mapping[str, str] | None = None,
    not_understood: bool = False,
    session: str = "",
    origins: Mapping[str, frozenset[Origin]] | None = None,
) -> State:
    """A state of one table, whose columns have these digests, and an export of all of them."""
    node = {
        "unique_id": NODE, "name": "people", "resource_type": kind, "schema": "marts", "alias": "people",
        "config": config or {}, "fqn": ["p", "people"], "original_file_path": "models/people.sql",
        "package_name": "p",
    }  # fmt: skip
    manifest = DbtManifest(
        {"metadata": {"project_name": "p"}, "nodes": {NODE: node}, "sources": {}}, {NODE: code}
    )
    columns = {name: (origins or {}).get(name, of_raw("age")) for name in digests}
    notes = (NotUnderstood("pivot"),) if not_understood else ()
    graph = ColumnGraph(
        [
            TableOrigins(RAW, {"age": frozenset(), "years": frozenset()}),
            TableOrigins(
                MART, columns, frozenset([RAW]), digests=dict(digests), rows_digest=rows, not_understood=notes
            ),
            TableOrigins(
                EXPORTED,
                {name: frozenset([Origin(Place(MART, name), Kind.IDENTITY)]) for name in digests},
                frozenset([MART]),
            ),
        ]
    )
    return State(manifest=manifest, graph=graph, types={MART: types or {}}, session=session)


AB = {"a": "1", "b": "2"}
# (before, after, changes at their places, what the export sees)
TABLES: list[tuple[State, State, list[str], list[str]]] = [
    # Reformatted: another text, of the same meaning.
    (hand_made(AB), hand_made(AB, code="2"), [], []),
    (hand_made(AB), hand_made({"b": "2", "a": "1"}, code="2"), [], []),
    (hand_made(AB), hand_made({"a": "1", "b": "3"}, code="2"), ["values people.b"], ["values exp_people.b"]),
    (hand_made(AB), hand_made(AB, "some", code="2"), ["rows people"], ["rows exp_people"]),
    (hand_made(AB), hand_made({"a": "1"}, code="2"), ["gone people.b"], ["gone exp_people.b"]),
    (hand_made({"a": "1"}), hand_made(AB, code="2"), ["new people.b"], ["new exp_people.b"]),
    # Renamed, and made as before.
    (hand_made(AB), hand_made({"a": "1", "c": "2"}, code="2"), ["gone people.b", "new people.c"],
     ["gone exp_people.b", "new exp_people.c"]),
    (hand_made(AB, types={"b": "DATE"}), hand_made({"a": "1", "b": "3"}, types={"b": "VARCHAR"}, code="2"),
     ["type people.b"], ["type exp_people.b"]),
    # The type of what is above is told above.
    (hand_made(AB, types={"b": "DATE"}), hand_made(AB, types={"b": "VARCHAR"}, code="2"), [], []),
    # What is not understood, or has no digest, is what its code is.
    (hand_made(AB, not_understood=True), hand_made(AB, not_understood=True), [], []),
    (hand_made(AB, not_understood=True), hand_made(AB, not_understood=True, code="2"),
     ["rows people", "values people.a,b"], ["rows exp_people", "values exp_people.a", "values exp_people.b"]),
    (hand_made({"a": ""}, ""), hand_made({"a": ""}, ""), [], []),
    (hand_made({"a": ""}, "", kind="seed"), hand_made({"a": ""}, "", kind="seed", code="2"),
     ["rows people", "values people.a"], ["rows exp_people", "values exp_people.a"]),
    # What of a config is in no SQL.
    (hand_made(AB), hand_made(AB, config={"tags": ["x"], "group": "g", "meta": {"owner": "o"}}), [], []),
    (hand_made(AB), hand_made(AB, config={"materialized": "incremental"}), ["rows people"],
     ["rows exp_people"]),
    (hand_made(AB), hand_made(AB, config={"meta": {"trailing_days": {"ages": 3}}}), ["rows people"],
     ["rows exp_people"]),
    # No plan shows it: values change, of a column that is made of nothing as well.
    (hand_made(AB, origins={"b": frozenset()}),
     hand_made(AB, origins={"b": frozenset()}, session='{"TimeZone": "UTC"}'),
     ["rows people", "values people.a,b"], ["rows exp_people", "values exp_people.a", "values exp_people.b"]),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "at", "by"), TABLES)
def test_a_table_is_compared_by_what_it_means(
    before: State, after: State, at: list[str], by: list[str]
) -> None:
    found = since(before, after)

    assert (changes(found), seen(found)) == (at, by)


def test_a_column_that_is_taken_through_models_is_one_change_at_the_top() -> None:
    found = since(hand_made(AB), hand_made({}, code="2"))

    assert changes(found) == ["gone people.a", "gone people.b"]


def test_what_is_renamed_above_and_taken_by_its_new_name_is_no_change_below(
    state: State, edited: Edited
) -> None:
    taken = [digest_of(("raw", "orders"), name) for name in ("loaves", "pieces")]
    stg = Relation("staging", "stg_orders")
    assert state.graph.tables[stg].digests["loaves"] == taken[0]
    after = edited(ORDERS, "name: loaves", "name: pieces")
    table = after.graph.tables[stg]
    renamed = replace(
        table,
        columns={**table.columns, "loaves": frozenset([Origin(Place(Relation("raw", "orders"), "pieces"),
                                                              Kind.IDENTITY)])},
        digests={**table.digests, "loaves": taken[1]},
    )  # fmt: skip
    graph = ColumnGraph([renamed if one is table else one for one in after.graph.tables.values()])

    found = since(state, replace(after, graph=graph))

    assert changes(found) == ["gone orders.loaves", "new orders.pieces"]
    assert seen(found) == []


# (what a test comes to before and after, its config after, whether it is told)
TESTS: list[tuple[str, str, dict[str, Any], bool]] = [
    ("select 1", "select 2", {"severity": "error"}, True),
    ("select 1", "select 1", {"severity": "error"}, False),  # its digest is another, as its meta is
    ("select 1", "select 1", {"severity": "error", "error_if": "> 9"}, True),
    ("", "", {"severity": "error"}, True),
]


@pytest.mark.parametrize(("before", "after", "config", "told"), TESTS)
def test_a_test_of_dbt_is_compared_by_the_sql_that_it_comes_to(
    before: str, after: str, config: dict[str, Any], told: bool
) -> None:
    def tested(sql: str, code: str, config: dict[str, Any]) -> State:
        state = hand_made(AB)
        test = {
            "unique_id": "test.p.t", "name": "t", "resource_type": "test", "attached_node": NODE,
            "config": config, "depends_on": {"nodes": [NODE]},
        }  # fmt: skip
        content = {**state.manifest.content, "nodes": {**state.manifest.content["nodes"], "test.p.t": test}}
        manifest = DbtManifest(content, {**state.manifest.digests, "test.p.t": code})
        return replace(state, manifest=manifest, compiled={"test.p.t": sql})

    first = tested(before, "1", {"severity": "error"})
    found = since(first, tested(after, "2", config))

    assert [guard.what for guard, _ in found.guards] == (["dbt test `t` changed"] if told else [])
    ((guard, held),) = since(first, hand_made(AB)).guards
    assert (guard.what, held) == ("dbt test `t` gone", (EXPORTED,))
