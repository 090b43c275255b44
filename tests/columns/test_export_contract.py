"""`sluice export contract`: what a destination is promised, and which changes of it break the receiver."""

import copy
import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from sluicegate.cli import app
from sluicegate.columns.delivered_changes import delivered_changes, raised_version, read_contract
from sluicegate.columns.delivered_contract import contract_yaml, delivered_contract, logical_type
from sluicegate.columns.promised_rules import Promises, promises
from sluicegate.compute.type_text import type_text
from sluicegate.contracts.changes import Weight
from sluicegate.contracts.classes import ClassRules
from sluicegate.core.severity import Severity
from sluicegate.core.yaml_files import YamlFile
from sluicegate.delivery.export_files.exports import Export, read_export
from sluicegate.quality.suites import Rule, Suite
from typer.testing import CliRunner

from tests.columns.companies import ALL, project_of
from tests.columns.conftest import RENAMED, REPORT, Edited

CRM = "exp_store_gaps_crm"
Contract = dict[str, Any]


@cache
def _standard() -> Any:
    schema = json.loads((files("open_data_contract_standard") / "schema.json").read_text())
    return jsonschema.Draft201909Validator(schema)


def contract_of(company: str, export: str) -> Contract:
    return delivered_contract(project_of(company).delivered(export))


def table(contract: Contract) -> dict[str, Any]:
    return contract["schema"][0]


def fields(contract: Contract) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in table(contract)["properties"]}


def custom(holder: dict[str, Any]) -> dict[str, Any]:
    return {item["property"]: item["value"] for item in holder["customProperties"]}


@pytest.mark.parametrize("company", sorted(ALL))
@pytest.mark.sampled(2)
def test_each_exports_contract_is_valid_by_the_standard_and_by_our_own_checks(
    company: str, tmp_path: Path
) -> None:
    project = project_of(company)
    assert project.exports
    for name in project.exports:
        contract = delivered_contract(project.delivered(name))
        text = contract_yaml(contract)
        problems = [error.message for error in _standard().iter_errors(yaml.safe_load(text))]
        assert problems == [], name
        assert yaml.safe_load(text) == contract == json.loads(json.dumps(contract)), name
        file = tmp_path / f"{name}.odcs.yaml"
        file.write_text(text)
        assert read_contract(file, name) == contract, "our own checks take it"
        assert text == contract_yaml(delivered_contract(project.delivered(name))), "the same each time"
        export = project.exports[name]
        assert delivered_changes(contract, contract, export, ClassRules()) == [], name


def test_the_contract_has_the_fields_as_the_destination_gets_them() -> None:
    contract = contract_of("demo", CRM)
    assert list(fields(contract)) == [
        "Store_Number__c", "Name", "Licensee_Key__c", "Market__c", "Top_Items__c", "Top_Items_Missing__c",
    ], "by `names`, and without the partition's column, which is not sent"  # fmt: skip
    key = fields(contract)["Store_Number__c"]
    assert (key["primaryKey"], key["primaryKeyPosition"], key["required"]) == (True, 1, True)
    assert (key["logicalType"], key["physicalType"], key["classification"]) == ("string", "VARCHAR", "public")
    assert key["description"] == "The store, by its number at the state."
    assert key["transformSourceObjects"] == ["stores.store_number"]
    assert key["transformLogic"] == "identity: stores.store_number"
    assert custom(key) == {"modelColumn": "store_number"}
    assert fields(contract)["Name"]["required"], "a blocking test says so"
    assert not fields(contract)["Market__c"]["required"]
    masked = fields(contract)["Licensee_Key__c"]
    assert (masked["classification"], masked["transformSourceObjects"]) == ("internal", ["stores.licensee"])
    missing = fields(contract)["Top_Items_Missing__c"]
    assert missing["logicalType"] == "integer"
    assert missing["quality"][0]["implementation"] == {
        "type": "expect_column_values_to_be_between",
        "kwargs": {"column": "Top_Items_Missing__c", "min_value": 0, "max_value": 1000},
    }
    assert table(contract)["physicalName"] == "Account"
    assert table(contract)["quality"][0]["mustBeBetween"] == [1, 100000]
    assert "stores.store_status" in custom(table(contract))["rowsDecidedBy"]
    assert contract["team"]["members"] == [{"username": "partnerships@marketplace.example", "role": "owner"}]
    assert contract["support"] == [{"channel": "#partnerships"}]
    assert {item["property"]: (item["value"], item["unit"]) for item in contract["slaProperties"]} == {
        "frequency": (1, "d"), "latency": (36, "h"),
    }  # fmt: skip
    said = custom(contract)
    assert (said["mode"], said["partitions"], said["partitionGrain"]) == ("upsert", "latest", "daily")
    assert said["limits"] == {"rows": {"min": 1, "max": 20000}, "changed_share": 0.95}


def test_a_key_of_several_columns_has_its_order_and_the_partition_is_named() -> None:
    contract = contract_of("demo", "exp_top_items_retailer_app")
    keys = [
        (item["primaryKeyPosition"], name) for name, item in fields(contract).items() if "primaryKey" in item
    ]
    assert sorted(keys) == [(1, "business_date"), (2, "store_number"), (3, "item_number")]
    assert "unique" not in fields(contract)["store_number"]
    assert fields(contract)["business_date"]["partitioned"]
    together = next(rule for rule in table(contract)["quality"] if rule["metric"] == "duplicateValues")
    assert together["arguments"] == {"properties": ["business_date", "store_number", "item_number"]}
    assert "each day by itself" in contract["description"]["usage"].replace("for each day", "each day")


LOGICAL = {
    "VARCHAR": "string", "text": "string", "UUID": "string", "ENUM('a', 'b')": "string", "BLOB": "string",
    "INTEGER": "integer", "int": "integer", "UHUGEINT": "integer", "DECIMAL(12,2)": "number",
    "numeric(9, 3)": "number", "double": "number", "real": "number", "BOOLEAN": "boolean", "bool": "boolean",
    "DATE": "date", "TIMESTAMP": "timestamp", "timestamptz": "timestamp", "TIMESTAMP_NS": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamp", "TIME": "time", "TIME WITH TIME ZONE": "time",
    "INTERVAL": "string", "JSON": "object", "MAP(VARCHAR, INTEGER)": "object",
    "INTEGER[]": "array", "VARCHAR[3]": "array", "STRUCT(a INTEGER, b VARCHAR[])": "object",
}  # fmt: skip


@pytest.mark.parametrize("type_", LOGICAL)
def test_each_type_has_the_standards_word_and_what_is_in_it(type_: str) -> None:
    item = {"name": "x", **logical_type(type_text(type_))}
    assert item["logicalType"] == LOGICAL[type_]
    contract = copy.deepcopy(contract_of("demo", CRM))
    table(contract)["properties"] = [item]
    assert [error.message for error in _standard().iter_errors(contract)] == []
    if type_ == "STRUCT(a INTEGER, b VARCHAR[])":
        assert item["properties"] == [
            {"name": "a", "logicalType": "integer"},
            {"name": "b", "logicalType": "array", "items": {"logicalType": "string"}},
        ]


# -- what may be told, and what is still so where it arrives


def _rule(type_: str, severity: str = "critical", **kwargs: Any) -> Rule:
    return Rule(type=type_, kwargs=kwargs, severity=Severity(severity))


LAST_MILE = (
    "owner: me@x.example, reason: x, issue: 'https://x.example/1', declared: 2026-01-01, expires: 2026-02-01"
)
MAPS = f"[{{map: {{column: a, values: {{x: y}}}}, {LAST_MILE}}}]"
NULLS = f"[{{map: {{column: a, values: {{x: null}}}}, {LAST_MILE}}}]"
FILTERS = f"[{{filter: {{column: b, keep: [x]}}, {LAST_MILE}}}]"
NOT_NULL = _rule("expect_column_values_to_not_be_null", column="a")
ONE_OF = _rule("expect_column_values_to_be_in_set", column="a", value_set=["x", "y"])
BETWEEN = _rule("expect_column_values_to_be_between", column="a", min_value=1, max_value=2)
ROWS = _rule("expect_table_row_count_to_be_between", min_value=1, max_value=9)
MEAN = _rule("expect_column_mean_to_be_between", column="a", min_value=1)
MOSTLY = _rule("expect_column_values_to_not_be_null", column="a", mostly=0.9)
SQL = _rule("unexpected_rows_expectation", unexpected_rows_query="select 1 from {batch} where a = 'x'")
HISTORY = _rule("expect_column_mean_to_be_between", column="a", min_value={"$PARAMETER": "a.mean.previous"})
PAIR = _rule("expect_column_pair_values_to_be_equal", column_A="a", column_B="b")
UNSENT = _rule("expect_column_values_to_be_unique", column="day")
# {case: (the rule, last-mile rules, hidden columns, the rules that are promised)}.
TOLD: dict[str, tuple[Rule, str, set[str], list[str]]] = {
    "never null": (NOT_NULL, "[]", set(), ["nullValues"]),
    "never null of a classified column": (NOT_NULL, "[]", {"a"}, ["nullValues"]),
    "never null, mapped": (NOT_NULL, MAPS, set(), ["nullValues"]),
    "never null, mapped to null": (NOT_NULL, NULLS, set(), []),
    "never null of those that are sent": (NOT_NULL, FILTERS, set(), ["nullValues"]),
    "mostly not null": (MOSTLY, "[]", set(), ["custom"]),
    "mostly not null of all, some not sent": (MOSTLY, FILTERS, set(), []),
    "one of some": (ONE_OF, "[]", set(), ["invalidValues"]),
    "one of some, classified": (ONE_OF, "[]", {"a"}, ["text"]),
    "one of some, mapped": (ONE_OF, MAPS, set(), []),
    "between": (BETWEEN, "[]", set(), ["custom"]),
    "between, classified": (BETWEEN, "[]", {"a"}, ["text"]),
    "rows": (ROWS, "[]", set(), ["rowCount"]),
    "rows, some not sent": (ROWS, FILTERS, set(), ["rowCount"]),
    "a mean": (MEAN, "[]", set(), ["custom"]),
    "a mean of all, some not sent": (MEAN, FILTERS, set(), []),
    "SQL": (SQL, "[]", set(), ["text"]),
    "bounds from history": (HISTORY, "[]", set(), ["text"]),
    "two columns": (PAIR, "[]", set(), ["custom"]),
    "a column that is not sent": (UNSENT, "[]", set(), []),
    "what only warns": (_rule("expect_column_values_to_be_unique", "warning", column="a"), "[]", set(), []),
}  # fmt: skip


def _export(tmp_path: Path, last_mile: str) -> Export:
    text = (
        "model: exp_x\ndestination: {type: postgres, connection: app, object: a.b}\nkey: [k]\nmode: mirror\n"
        f"partitions: latest\nowner: me@x.example\npurpose: x\nlast_mile: {last_mile}\n"
    )
    path = tmp_path / "exp_x.yml"
    path.write_text(text)
    export, problems = read_export(YamlFile(path, tmp_path, yaml.safe_load(text)))
    assert export is not None, problems
    return export


@pytest.mark.parametrize("case", TOLD)
def test_only_what_blocks_and_holds_of_what_arrives_is_promised(case: str, tmp_path: Path) -> None:
    rule, last_mile, hidden, kinds = TOLD[case]
    suite = Suite("exp_x", "", (rule,), YamlFile(tmp_path / "x.yml", tmp_path, {}))
    sent = {"a": "A__c", "b": "B__c", "k": "k"}
    found = promises(_export(tmp_path, last_mile), sent, suite, (), frozenset(hidden))
    rules = [*found.table, *(one for of_field in found.columns.values() for one in of_field)]
    assert [one.get("metric", one["type"]) for one in rules] == kinds
    told = json.dumps(rules)
    assert '"a"' not in told, "fields are named as the destination does"
    if hidden or rule is SQL:
        assert '"x"' not in told
        assert "= 'x'" not in told
        assert "max_value" not in told
    if "some not sent" in case and kinds == ["rowCount"]:
        assert rules[0]["mustBeLessOrEqualTo"] == 9
        assert "mustBeBetween" not in rules[0]


def _test(name: str, kwargs: dict[str, Any], **config: Any) -> dict[str, Any]:
    return {"name": f"{name}_x", "test_metadata": {"name": name, "kwargs": kwargs}, "config": config}


def test_dbts_blocking_tests_are_promised_and_what_two_say_stands_once(tmp_path: Path) -> None:
    suite = Suite("exp_x", "", (NOT_NULL,), YamlFile(tmp_path / "x.yml", tmp_path, {}))
    tests = [
        _test("not_null", {"column_name": "a", "model": "{{ ref('exp_x') }}"}),
        _test("unique", {"column_name": "k"}),
        _test("accepted_values", {"column_name": "b", "values": ["x", 1]}),
        _test("accepted_values", {"column_name": "a", "values": ["y"]}, where="b = 'x'"),
        _test("relationships", {"column_name": "b", "to": "ref('secret_table')", "field": "id"}),
        _test("not_null", {"column_name": "b"}, severity="warn"),
    ]
    sent = {"a": "A__c", "b": "B__c", "k": "k"}
    found: Promises = promises(_export(tmp_path, "[]"), sent, suite, tests, frozenset())
    told = {
        name: [rule.get("metric", rule["type"]) for rule in rules] for name, rules in found.columns.items()
    }
    assert told == {
        "A__c": ["nullValues", "text"], "k": ["duplicateValues"], "B__c": ["invalidValues", "text"],
    }  # fmt: skip
    assert found.required == {"A__c"}
    assert "secret_table" not in json.dumps(found.columns)
    assert "'x'" not in json.dumps(found.columns)


def test_the_class_is_that_which_flows_and_values_of_closed_ones_are_not_told(bakery: Edited) -> None:
    bakery.edit_all(RENAMED).edit(REPORT, ("purpose:", "classes: [public, internal, restricted]\npurpose:"))
    bakery.edit("expectations/exp_weather_report.yml", ("expectations:\n", (
        "expectations:\n  - {type: expect_column_values_to_be_in_set, severity: critical,"
        " kwargs: {column: damp, value_set: [31.5, 47.25]}}\n"
    )))  # fmt: skip
    project = bakery.load()
    contract = delivered_contract(project.delivered("exp_weather_report"))
    field = fields(contract)["damp"]
    assert field["classification"] == "restricted"
    assert field["transformSourceObjects"] == ["weather.rain_mm"]
    assert "31.5" not in contract_yaml(contract)
    assert [rule["type"] for rule in field["quality"]] == ["text"]
    assert "classification" not in fields(contract)["town"]


# -- changes, as whoever receives it has them

Edit = Callable[[Contract], None]


def _field(name: str, **said: Any) -> Edit:
    def edit(contract: Contract) -> None:
        fields(contract)[name].update(said)

    return edit


def _of(holder: Callable[[Contract], Any], name: str, value: Any) -> Edit:
    def edit(contract: Contract) -> None:
        listed: list[dict[str, Any]] = holder(contract)
        found = next((item for item in listed if item["property"] == name), None)
        if found is None:
            listed.append(found := {"property": name})
        found["value"] = value

    return edit


def _custom(name: str, value: Any) -> Edit:
    return _of(lambda contract: contract["customProperties"], name, value)


def _without(name: str) -> Edit:
    return lambda contract: table(contract)["properties"].remove(fields(contract)[name])


def _new(contract: Contract) -> None:
    table(contract)["properties"].append({"name": "Note__c", "physicalType": "VARCHAR", "required": False})


def _renamed(contract: Contract) -> None:
    fields(contract)["Market__c"]["name"] = "City__c"


def _key(contract: Contract) -> None:
    fields(contract)["Name"].update(primaryKey=True, primaryKeyPosition=2)


def _rules(contract: Contract, field: str = "Market__c") -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = fields(contract)[field].setdefault("quality", [])
    return rules


def _valid(*values: str) -> Edit:
    rule = {
        "type": "library", "metric": "invalidValues", "mustBe": 0, "arguments": {"validValues": [*values]},
    }  # fmt: skip
    return lambda contract: _rules(contract).append(rule)


def _rows(least: int, most: int) -> Edit:
    def edit(contract: Contract) -> None:
        table(contract)["quality"][0]["mustBeBetween"] = [least, most]

    return edit


def _top(**bounds: int) -> Edit:
    def edit(contract: Contract) -> None:
        _rules(contract, "Top_Items_Missing__c")[0]["implementation"]["kwargs"].update(bounds)

    return edit


def _deadline(hours: float | None) -> Edit:
    def edit(contract: Contract) -> None:
        kept = [item for item in contract["slaProperties"] if item["property"] != "latency"]
        contract["slaProperties"] = kept + (
            [] if hours is None else [{"property": "latency", "value": hours, "unit": "h"}]
        )

    return edit


def _server(name: str, value: str) -> Edit:
    return _of(lambda contract: contract["servers"][0]["customProperties"], name, value)


def _same(_: Contract) -> None: ...


BREAKS, COMES, NOTED = Weight.BREAKING, Weight.COMPATIBLE, Weight.NOTE
# {case: (edit of the earlier one, edit of the later one, weight, weight the other way round, words)}.
CHANGES: dict[str, tuple[Edit, Edit, Weight, Weight, str]] = {
    "gone": (_same, _without("Market__c"), BREAKS, COMES, "field `Market__c` is gone"),
    "renamed": (_same, _renamed, BREAKS, BREAKS, "field `Market__c` is now named `City__c`"),
    "new": (_same, _new, COMES, BREAKS, "field `Note__c` is new"),
    "type": (_same, _field("Top_Items__c", physicalType="BIGINT"), BREAKS, BREAKS, "type is `BIGINT`"),
    "null": (_field("Market__c", required=True), _same, BREAKS, COMES, "field `Market__c`: may be null now"),
    "repeats": (_same, _field("Store_Number__c", unique=False), BREAKS, COMES, "may repeat now"),
    "wider key": (_same, _key, BREAKS, BREAKS, "key is `Store_Number__c, Name`, was `Store_Number__c`"),
    "class up": (_same, _field("Name", classification="restricted"), BREAKS, COMES, "class is `restricted`"),
    "a class of its own": (
        _same, _field("Name", classification="payroll"), BREAKS, BREAKS, "class is `payroll`, was `public`",
    ),
    "mode": (_same, _custom("mode", "mirror"), BREAKS, BREAKS, "mode is `mirror`, was `upsert`"),
    "partitions": (_same, _custom("partitions", "each"), BREAKS, BREAKS, "partitions is `each`"),
    "grain": (_same, _custom("partitionGrain", "weekly"), BREAKS, BREAKS, "partitionGrain is `weekly`"),
    "object": (_same, _server("object", "Lead"), BREAKS, BREAKS, "object is `Lead`, was `Account`"),
    "later": (_same, _deadline(48), BREAKS, COMES, "deadline is `2 d`, was `36 h`"),
    "no deadline": (_same, _deadline(None), BREAKS, COMES, "deadline is nothing, was `36 h`"),
    "new value": (_valid("a"), _valid("a", "b"), BREAKS, COMES, "was `invalidValues("),
    "no rule": (_valid("a"), _same, BREAKS, COMES, "no longer promised: invalidValues("),
    "more rows": (_same, _rows(1, 200_000), BREAKS, COMES, "most 200000"),
    "fewer rows": (_same, _rows(5, 100_000), COMES, BREAKS, "least 5"),
    "greater": (_same, _top(max_value=2000), BREAKS, COMES, "max_value 2000"),
    "bounds that moved": (_same, _top(min_value=5, max_value=2000), BREAKS, BREAKS, "min_value 5"),
    "filtered": (
        _same, _custom("lastMile", [{"rule": "rows are left out by `Name`", "until": "2026-02-01"}]),
        BREAKS, COMES, "rows are left out by `Name`, until 2026-02-01",
    ),
    "refused": (
        _same, _custom("refusals", {"tolerated_share": 0.5}), BREAKS, COMES,
        "may be refused is `0.5`, was `0.01`",
    ),
    "limits": (_same, _custom("limits", {}), NOTED, NOTED, "limits"),
    "description": (_same, _field("Name", description="x"), NOTED, NOTED, "`Name`: `description` changed"),
    "origin": (
        _same, _field("Name", transformLogic="identity: stores.city"), NOTED, NOTED,
        "comes from `identity: stores.city`, was `transformation: stores.store_name`",
    ),
    "owner": (_same, lambda contract: contract.update(team={"name": "x"}), NOTED, NOTED, "team changed"),
    "channel": (_same, lambda contract: contract.update(support=[]), NOTED, NOTED, "support changed"),
}  # fmt: skip
NEXT = {BREAKS: "2.0.0", COMES: "1.1.0", NOTED: "1.0.1"}


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_is_told_as_whoever_receives_it_has_it(case: str) -> None:
    before_edit, after_edit, weight, back, words = CHANGES[case]
    export = project_of("demo").exports[CRM]
    before, after = (copy.deepcopy(contract_of("demo", CRM)) for _ in range(2))
    before_edit(before)
    after_edit(after)

    def told(old: Contract, new: Contract) -> tuple[Weight, str, str, set[str]]:
        changes = delivered_changes(old, new, export, ClassRules())
        assert {change.source for change in changes} == {CRM}
        said = " | ".join(change.what for change in changes)
        affected = {change.affects for change in changes if change.weight is not NOTED}
        return changes[0].weight, said, raised_version(old, changes), affected

    first, said, version, affected = told(before, after)
    assert (first, version) == (weight, NEXT[weight])
    assert words in said
    assert affected <= {"receivers"}
    assert affected or weight is NOTED
    first, _, version, _ = told(after, before)
    assert (first, version) == (back, NEXT[back])


def test_a_change_stands_at_the_line_of_the_export_file_that_makes_it() -> None:
    export = project_of("demo").exports[CRM]
    before, after = (copy.deepcopy(contract_of("demo", CRM)) for _ in range(2))
    _renamed(before)
    _deadline(48)(after)
    lines = export.file.path.read_text().splitlines()
    told = {
        change.what: lines[change.line - 1]
        for change in delivered_changes(before, after, export, ClassRules())
    }
    assert told == {
        "field `City__c` is now named `Market__c`": "  city: Market__c",
        "deadline is `2 d`, was `36 h`": "deadline:",
    }


# -- the command


def typed(folder: Path, data: Path, *arguments: str) -> tuple[int, str, str]:
    environment: dict[str, str | None] = {
        "SLUICE_PROJECT_DIR": str(folder), "SLUICE_DATA_DIR": str(data), "COLUMNS": "250",
        "SLUICE_CONNECTION_MILLER": "https://user:hunter2@miller.example/x",
        "SLUICE_CONNECTION_SHOP_SCREENS": "postgresql://user:hunter2@db.example/x",
    }  # fmt: skip
    told = CliRunner().invoke(app, arguments, env=environment)
    assert told.exception is None or isinstance(told.exception, SystemExit), told.exception
    return told.exit_code, told.stdout, told.stderr


def test_the_command_prints_writes_compares_and_its_fix_works(bakery: Edited) -> None:
    where = bakery.folder, bakery.settings.data_dir
    bakery.edit(REPORT, ("purpose:", "classes: [public, internal, restricted]\npurpose:"))
    bakery.edit(
        "exports/exp_shop_orders.yml", ("purpose:", "classes: [public, internal, restricted]\npurpose:")
    )
    kept = bakery.folder.parent / "kept" / "report.odcs.yaml"
    code, printed, told = typed(*where, "export", "contract", "exp_weather_report")
    assert (code, told) == (0, "")
    assert "hunter2" not in printed
    assert "miller.example" not in printed
    assert yaml.safe_load(printed)["version"] == "1.0.0"

    assert typed(*where, "export", "contract", "exp_weather_report", "--output", str(kept))[0] == 0
    assert kept.read_text() == printed
    since = ("export", "contract", "exp_weather_report", "--since", str(kept))
    assert typed(*where, *since) == (0, f"no change since {kept}\n", "")

    bakery.edit(REPORT, ("purpose:", "names: {rain_mm: millimetres}\npurpose:"))
    code, printed, told = typed(*where, *since)
    line = bakery.line(REPORT, "names:")
    assert code == 1
    assert printed.splitlines()[0] == (
        f"{REPORT}:{line}: breaking for receivers: field `rain_mm` is now named `millimetres`"
    )
    assert kept.read_text().count("version: 1.0.0") == 1, "it is only asked"
    command = told.strip().rpartition(": ")[2]
    assert command.startswith("sluice export contract exp_weather_report")
    code, printed, told = typed(*where, *command.split()[1:])
    assert (code, told) == (0, "")
    assert yaml.safe_load(kept.read_text())["version"] == "2.0.0"
    assert typed(*where, *since) == (0, f"no change since {kept}\n", "")
    said = json.loads(typed(*where, *since, "--json")[1])
    assert (said["contract"]["version"], said["changes"]) == ("2.0.0", [])

    other = kept.with_name("other.odcs.yaml")
    assert typed(*where, "export", "contract", "exp_shop_orders", "--output", str(other))[0] == 0
    code, _, told = typed(*where, "export", "contract", "exp_weather_report", "--since", str(other))
    assert code == 2
    assert "the contract of `exp_shop_orders`; expected that of `exp_weather_report`" in told
    code, _, told = typed(*where, "export", "contract", "exp_weather_repot")
    assert code == 2
    assert "did you mean `exp_weather_report`?" in told
    kept.write_text("version: 1.0.0\n")
    code, _, told = typed(*where, *since)
    assert code == 2
    assert "no `schema`" in told
