"""What a promotion makes of files: as somebody wrote them, but for what is of work."""

import re

import pytest
import yaml
from sluicegate.project.promoted_texts import entry_of_production, export_of_production, sql_of_production

OF_WORK = "{owner: ada@bakery.example, expires: 2027-01-31, purpose: Finds out.}"
TYPES = {"shop": "VARCHAR", "rain mm": "DECIMAL(6,1)"}
# name: (the file, the entry's file, what is left).
MOVED = {
    "a block among others": (
        f"# All.\nmodels:\n  # A first.\n  - name: a   # a\n    config:\n      # Who.\n"
        f"      meta: {OF_WORK}   # for now\n"
        "      tags: [x]  # x\n    description: >\n      Long,  # no comment\n      and longer.\n\n"
        "  # B next.\n  - name: b\n"
        "unit_tests:\n  # Of a.\n  - {name: u, model: a}\n  - {name: v, model: b}\n",
        "version: 2\nmodels:\n  # A first.\n  - name: a   # a\n    config:\n      # Who.\n      # for now\n"
        "      tags: [x]  # x\n    description: >\n      Long,  # no comment\n      and longer.\n"
        "unit_tests:\n  # Of a.\n  - {name: u, model: a}\n",
        "# All.\nmodels:\n\n  # B next.\n  - name: b\nunit_tests:\n  - {name: v, model: b}\n",
    ),
    "a flow among others": (
        f"models: [{{name: b}}, # b\n  {{name: a, config: {{meta: {OF_WORK}}}, description: 'x'}}]\n",
        "version: 2\nmodels:\n  - {name: a, description: 'x'}\n",
        "models: [{name: b}, # b\n  ]\n",
    ),
    "the only model": (
        f"models:\n- name: a\n  meta: {OF_WORK}\n\nseeds:\n- name: b # b\n",
        "version: 2\nmodels:\n- name: a\n", "\nseeds:\n- name: b # b\n",
    ),
    "all of the file": (
        f"# Mine.\nmodels:\n  - meta: {OF_WORK}\n    # Named.\n    name: a\n"
        f"    config: {{schema: work, tags: [x]}}\n# End.\n",
        "# Mine.\nmodels:\n  - # Named.\n    name: a\n    config: {tags: [x]}\n# End.\n", "",
    ),
    "two last ones of a flow": (
        f"models:\n  - {{name: a, config: {{tags: [x], schema: work, meta: {OF_WORK}}}}}\n  - name: b\n",
        "version: 2\nmodels:\n  - {name: a, config: {tags: [x], }}\n", "models:\n  - name: b\n",
    ),
    "a dash of its own": (
        "models:\n  -\n    name: b\n  -\n    # Deep.\n    name: a\n    config:\n      meta:\n"
        "        owner: x\n        asked_by: Bo\n",
        "version: 2\nmodels:\n  -\n    # Deep.\n    name: a\n    config:\n      meta:\n"
        "        asked_by: Bo\n",
        "models:\n  -\n    name: b\n",
    ),
}  # fmt: skip
TYPED = {
    "nothing": ("  - name: a\n", "  - name: a\n    columns:\n      - {name: shop, data_type: varchar}\n"
        '      - {name: "rain mm", data_type: "decimal(6,1)"}\n    config: {contract: {enforced: true}}\n'),
    "a block": (
        "  - name: a\n    config:\n      tags: [x] # x\n    columns:\n      - name: shop # s\n"
        "        data_tests: [unique]\n",
        "  - name: a\n    config:\n      tags: [x] # x\n      contract: {enforced: true}\n    columns:\n"
        "      - name: shop # s\n        data_type: varchar\n        data_tests: [unique]\n"
        '      - {name: "rain mm", data_type: "decimal(6,1)"}\n',
    ),
    "a flow": (
        "  - {name: a, config: {}, columns: [{name: Shop}]}\n",
        "  - {name: a, config: {contract: {enforced: true}}, columns: [{name: Shop, data_type: varchar}, "
        '{name: "rain mm", data_type: "decimal(6,1)"}]}\n',
    ),
    "all of it": (
        "  - {name: a, config: {contract: {enforced: true}}, "
        "columns: [{name: shop, data_type: text}, {name: rain mm, data_type: int}]}\n",
        "  - {name: a, config: {contract: {enforced: true}}, "
        "columns: [{name: shop, data_type: text}, {name: rain mm, data_type: int}]}\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MOVED)
def test_an_entry_moves_as_it_is_written(case: str) -> None:
    text, moved, left = MOVED[case]
    assert entry_of_production(text, "models", "a", {}) == (moved, left)
    comments = re.compile(r"# .*")
    assert sorted(comments.findall(moved + left)) == sorted(comments.findall(text))


def test_an_entry_in_a_file_of_production_stays_there() -> None:
    text = "models:\n  - name: b # b\n  - name: a # a\n    config: {schema: work, tags: [x]}\n"
    there = text.replace("schema: work, ", "")
    assert entry_of_production(text, "models", "a", {}, stays=True) == (there, "")


@pytest.mark.parametrize("case", TYPED)
def test_a_contract_is_added_where_none_is(case: str) -> None:
    entry, typed = TYPED[case]
    assert entry_of_production(f"models:\n{entry}", "models", "a", TYPES) == (f"models:\n{typed}", "")
    said = yaml.safe_load(typed)[0]
    assert said["config"]["contract"] == {"enforced": True}
    assert [one["name"].lower() for one in said["columns"]] == list(TYPES)


@pytest.mark.parametrize("text", [
    f"models:\n  - name: a\n    config: &c\n      meta: {OF_WORK}\n  - name: b\n    config: *c\n",
    f"models:\n  - name: b\n    config: &c\n      meta: {OF_WORK}\n  - name: a\n    config: *c\n",
    f"x: &c {{meta: {OF_WORK}}}\nmodels:\n  - {{name: a, config: *c}}\n",
    f"x: &c {OF_WORK}\nmodels:\n  - name: a\n    config: {{meta: {{<<: *c, other: 1}}}}\n",
])  # fmt: skip
def test_what_is_shared_is_left_to_a_person(text: str) -> None:
    with pytest.raises(ValueError, match="write out what it shares"):
        entry_of_production(text, "models", "a", {})


SQL = {
    "{{ config(schema='work', meta={'owner': 'é', 'purpose': 'x'}) }}\nselect 1": "select 1",
    "-- é\n{{ config(\n  schema='work', tags=['a'],\n"
    "  meta={'owner': 'é', 'trailing_days': {'b': 1}}) }}\n":
        "-- é\n{{ config(\n  tags=['a'],\n  meta={'trailing_days': {'b': 1}}) }}\n",
    "{{ config(materialized='table', schema = 'work') }} select 1":
        "{{ config(materialized='table') }} select 1",
    "{{ config(materialized='table', schema='work', meta={'owner': 'x'}) }} select 1":
        "{{ config(materialized='table', ) }} select 1",
    "{{ config(schema='work' ~ x) }} select 1": "{{ config(schema='work' ~ x) }} select 1",
    "{{ config(tags=true) }}\nselect 1": "{{ config(tags=true) }}\nselect 1",
}  # fmt: skip


@pytest.mark.parametrize("sql", SQL)
def test_sql_says_no_more_that_it_is_work(sql: str) -> None:
    assert sql_of_production(sql) == SQL[sql]


@pytest.mark.parametrize("written", ["sandbox", "'sandbox'"])
def test_an_export_leaves_its_connection_open(written: str) -> None:
    for text in (
        "destination: {connection: %s, object: y} # é\n",
        "destination:\n  connection: %s   # mine\n",
    ):
        assert export_of_production(text % written) == text % "TODO"
