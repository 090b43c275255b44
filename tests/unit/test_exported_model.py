"""What an export may say of its model's columns."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from sluicegate.delivery.export_files.exported_model import ExportedModel, column_problems, sent_columns
from sluicegate.delivery.export_files.exports import Export, load_exports

from tests.unit.conftest import Edit

FILE = "exports/exp_shop_orders.yml"
MODEL = ExportedModel(
    name="exp_shop_orders",
    file="dbt_project/models/exports/exp_shop_orders.sql",
    described_in="dbt_project/models/exports/_exports.yml",
    types={"business_date": "date", "shop": "varchar", "loaves": "integer", "note": "varchar"},
    partition_column="business_date",
)
LATEST = {"partitions: each": "partitions: latest", "[business_date, shop]": "[shop]"}


def rule(what: str) -> str:
    return (
        f"last_mile:\n  - {what}\n    owner: me@bakery.example\n    reason: soon\n"
        "    issue: https://x.example/1\n    declared: 2026-04-01\n    expires: 2026-05-01\n"
    )


def load(folder: Path, edit: Edit, changes: Mapping[str, str], added: str) -> Export:
    for old, new in changes.items():
        edit(FILE, old, new)
    path = folder / FILE
    path.write_text(path.read_text() + added)
    exports, problems = load_exports(folder)
    assert problems == []
    return exports["exp_shop_orders"]


WRONG: dict[str, tuple[Mapping[str, str], str, str, str, str]] = {
    # {what: (changes of the file, what is added to it, what its line says, what is told, the fix)}
    "a key column": (
        {"[business_date, shop]": "[business_date, shops]"}, "", "key: [business_date, shops]",
        "key column `shops` is not in `exp_shop_orders`", "did you mean `shop`?",
    ),
    "a renamed column": (
        {}, "names:\n  loaf: Loaves\n", "  loaf: Loaves", "column `loaf` is not in", "did you mean `loaves`?",
    ),
    "a summed column": (
        {}, "limits:\n  sums:\n    loafes: {max: 1}\n", "    loafes: {max: 1}", "column `loafes` is not in",
        "did you mean `loaves`?",
    ),
    "a filtered column": (
        {}, rule("filter: {column: shops, keep: [a]}"), "  - filter: {column: shops, keep: [a]}",
        "column `shops` is not in", "did you mean `shop`?",
    ),
    "a sum of texts": (
        {}, "limits:\n  sums:\n    shop: {max: 1}\n", "    shop: {max: 1}",
        "`shop` has the type varchar, and no sum", "name another",
    ),
    "a name that another column has": (
        {}, "names:\n  loaves: Shop\n", "  loaves: Shop", "columns `shop` and `loaves` would both be sent",
        "another name",
    ),
    "a name of the platform's": (
        {}, "names:\n  loaves: _ROW\n", "  loaves: _ROW", "column `loaves` would be sent as `_ROW`",
        "another name",
    ),
    "a number for a text": (
        {}, rule("filter: {column: shop, keep: [512]}"), "  - filter: {column: shop, keep: [512]}",
        "`512` is no value of `shop`", "correct the value",
    ),
    "a map to what the column cannot hold": (
        {}, rule("map: {column: loaves, values: {1: many}}"), "  - map: {column: loaves, values: {1: many}}",
        "`'many'` is no value of `loaves`", "correct the value",
    ),
    "two maps of a column": (
        {}, rule("map: {column: shop, values: {a: b}}")
        + rule("map: {column: shop, values: {b: c}}").removeprefix("last_mile:\n"),
        "  - map: {column: shop, values: {b: c}}", "`shop` is mapped twice", "into one",
    ),
    "the partition in the key of latest": (
        {"partitions: each": "partitions: latest"}, "", "key: [business_date, shop]",
        "`business_date` tells the partition, and is not sent", "`partitions: each`",
    ),
    "the partition renamed for latest": (
        LATEST, "names:\n  business_date: Day\n", "  business_date: Day",
        "`business_date` tells the", "take it",
    ),
    "the partition mapped for latest": (
        LATEST, rule("map: {column: business_date, values: {'2026-01-01': '2026-01-02'}}"),
        "  - map: {column: business_date, values: {'2026-01-01': '2026-01-02'}}",
        "`business_date` tells the", "take it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_each_problem_is_located(folder: Path, edit: Edit, case: str) -> None:
    changes, added, line, what, fix = WRONG[case]
    problems = column_problems(load(folder, edit, changes, added), MODEL)
    lines = (folder / FILE).read_text().splitlines()
    assert [(p.file, lines[p.line - 1], what in p.what, fix in p.fix) for p in problems] == [
        (FILE, line, True, True)
    ], problems


def test_the_partitions_column_stays_behind_with_latest(folder: Path, edit: Edit) -> None:
    each = load(folder, edit, {}, "")
    assert sent_columns(each, MODEL) == ["business_date", "shop", "loaves", "note"]
    latest = load(folder, edit, LATEST, "")
    assert sent_columns(latest, MODEL) == ["shop", "loaves", "note"]
    assert column_problems(latest, MODEL) == []


def test_columns_may_change_names(folder: Path, edit: Edit) -> None:
    export = load(folder, edit, {}, "names: {shop: note, note: shop, loaves: LOAVES}\n")
    assert column_problems(export, MODEL) == []


def test_of_a_model_without_described_columns_nothing_is_known(folder: Path, edit: Edit) -> None:
    export = load(folder, edit, {}, "names: {loaf: Loaves}\n")
    assert column_problems(export, replace(MODEL, types={})) == []
