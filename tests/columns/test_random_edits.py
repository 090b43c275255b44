"""A model of the bakery edited at random: what really moves in its exports is in what `--since` answers.

Both states are built from the same rows by the SQL that dbt compiles, in a DuckDB of the test's own: it
shares no opinion with the lineage. A longer run: `SLUICE_TEST_KILLS=10`.
"""

import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sluicegate.columns.changes import State
from sluicegate.columns.since import Since, since
from sluicegate.compute.sql import quoted
from sluicegate.core.settings import Settings
from sluicegate.project.compared import state_of
from sluicegate.project.loading import load_project
from sluicegate.transformation.binding import STAND_IN, bound_sql

from tests.company import BAKERY

EDITS = 6 * int(os.environ.get("SLUICE_TEST_KILLS", "1"))
DAY = STAND_IN.date()
MODELS = {
    name: f"dbt_project/models/{folder}/{name}.sql"
    for folder, names in {
        "staging": ("stg_orders", "stg_weather"),
        "marts": ("shop_orders",),
        "exports": ("exp_shop_orders", "exp_weather_report"),
    }.items()
    for name in names
}
# Another value of the same type, for one row and another differently.
OTHER = {
    "DATE": "{0}",  # what cuts a table stays: its rows would lie in no partition
    "VARCHAR": "cast({0} || 'x' as varchar)",
    "INTEGER": "cast({0} * 2 + 1 as integer)",
    "BIGINT": "cast({0} * 2 + 1 as bigint)",
    "DECIMAL(6,1)": "cast({0} + 1.5 as decimal(6, 1))",
}
# (model, text, another): inside of a model.
INSIDE = [
    ("shop_orders", "sum(loaves)", "max(loaves)"),
    ("shop_orders", "left join weather", "inner join weather"),
    ("shop_orders", "inner join {{ source", "left join {{ source"),
    ("shop_orders", "    shops.shop,", "    ordered.shop,"),
    ("shop_orders", "group by shop", "group by shop having count(*) > 1"),
    ("stg_weather", "coalesce(rain_mm, 0)", "coalesce(rain_mm, 7)"),
    ("stg_weather", "    town,", "    upper(town) as town,"),
    ("stg_orders", "    loaves\n", "    case when shop = 'a' then 0 else loaves end as loaves\n"),
]


@pytest.fixture(name="edited_bakery", scope="module")
def _edited_bakery(tmp_path_factory: pytest.TempPathFactory) -> "EditedBakery":
    folder = tmp_path_factory.mktemp("edited")
    return EditedBakery(Path(shutil.copytree(BAKERY, folder / "bakery")), folder / "data")


class EditedBakery:
    """A copy of the bakery, as it was at first and as it is edited."""

    def __init__(self, project: Path, data: Path) -> None:
        self.project, self.settings = project, Settings.load({}, project_dir=project, data_dir=data)
        self.first, self.sql = self._loaded()
        self.types = {
            relation: types for relation, types in self.first.types.items() if relation.schema != "raw"
        }

    def edit(self, model: str, text: str) -> tuple[State, Mapping[str, str]]:
        path = self.project / MODELS[model]
        before = path.read_text()
        path.write_text(text)
        try:
            return self._loaded()
        finally:
            path.write_text(before)

    def _loaded(self) -> tuple[State, Mapping[str, str]]:
        project = load_project(self.settings)
        bound = bound_sql(self.settings, project.manifest.digests)
        sql = {node.name: bound.compiled[name] for name, node in project.manifest.nodes.items()}
        return state_of(project, self.settings), sql


def random_edit(chance: random.Random, bakery: EditedBakery) -> tuple[str, str]:
    """Return a model, and another text of its file."""
    kind = chance.choice(["column", "column", "rows", "inside", "inside", "form"])
    if kind == "inside":
        model, old, new = chance.choice(INSIDE)
        text = (bakery.project / MODELS[model]).read_text()
        assert old in text
        return model, text.replace(old, new)
    model = chance.choice(sorted(MODELS))
    text = (bakery.project / MODELS[model]).read_text()
    if kind == "form":
        return model, f"-- Written otherwise.\nselect * from (\n{text.rstrip()}\n) as all_of_it\n"
    types = next(types for relation, types in bakery.types.items() if relation.name == model)
    column, type_ = chance.choice(sorted(item for item in types.items() if item[1] != "DATE"))
    if kind == "rows":
        kept = f"length(cast({column} as varchar)) % 2 = 0"
        return model, f"select * from (\n{text.rstrip()}\n) as all_of_it where {kept}\n"
    other = OTHER[type_].format(column)
    return model, f"select * replace ({other} as {column}) from (\n{text.rstrip()}\n) as all_of_it\n"


def raw_rows(chance: random.Random) -> dict[str, tuple[str, list[tuple[Any, ...]]]]:
    """Return {raw table: (its columns, rows)}: of the day that compiled SQL asks for, and two before it."""
    shops = "abcdefgh"
    towns = ["Ulm", "Aalen", "Heidenheim", None]
    days = [DAY.replace(day=DAY.day - back) for back in range(3)]
    return {
        "orders": (
            "order_number varchar, order_date date, shop varchar, loaves integer",
            [(str(n), chance.choice(days), chance.choice(shops), chance.randint(1, 200)) for n in range(60)],
        ),
        "weather": (
            "weather_date date, town varchar, rain_mm decimal(6, 1)",
            [(DAY, town, chance.choice([None, 0.5, 12.5])) for town in towns[:3]],
        ),
        "shops": ("shop varchar, town varchar", [(shop, chance.choice(towns)) for shop in shops[:6]]),
    }  # fmt: skip


def built(sql: Mapping[str, str], chance: random.Random) -> dict[str, list[dict[str, Any]]]:
    """Return {export: rows}, built in order from random rows."""
    connection = duckdb.connect(":memory:")
    connection.execute("attach ':memory:' as warehouse; use warehouse")
    for schema in ("raw", "staging", "marts", "exports"):
        connection.execute(f"create schema {schema}")
    for name, (columns, rows) in raw_rows(chance).items():
        connection.execute(f"create table raw.{name} ({columns}, _partition_key varchar)")
        keys = [str(row[1] if name == "orders" else DAY) for row in rows]
        marks = ", ".join("?" * (len(rows[0]) + 1))
        connection.executemany(
            f"insert into raw.{name} values ({marks})",
            [[*row, key] for row, key in zip(rows, keys, strict=True)],
        )
    # All partitions that a window reads, in one table each.
    for name, path in MODELS.items():
        schema = path.split("/")[2]
        text = sql[name]
        if name == "stg_orders":
            text = text.replace(f"'{DAY}'", f"'{DAY.replace(day=DAY.day - 2)}'")
        connection.execute(f"create table {schema}.{quoted(name)} as ({text.rstrip().rstrip(';')}\n)")
    found: dict[str, list[dict[str, Any]]] = {}
    for name in MODELS:
        if name.startswith("exp_"):
            cursor = connection.execute(f"select * from exports.{name}")
            names = [item[0] for item in cursor.description or []]
            found[name] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    connection.close()
    return found


def moved(before: list[dict[str, Any]], after: list[dict[str, Any]], key: tuple[str, ...]) -> Iterator[str]:
    """Yield the fields of which a value is another, and `rows` where there are others."""
    keys = [Counter(tuple(row[name] for name in key) for row in rows) for rows in (before, after)]
    if len(before) != len(after):
        yield "rows"
    beside = key if keys[0] == keys[1] else ()
    for name in before[0] if before else ():
        of = [Counter((*(row[one] for one in beside), row[name]) for row in rows) for rows in (before, after)]
        if len(before) == len(after) and of[0] != of[1]:
            yield name


def answered(found: Since, export: str) -> set[str]:
    """Return the fields of an export that are told, and `rows`."""
    fields = {one.field.column for effect in found.effects for one in effect.fields
              if one.field.relation.name == export}  # fmt: skip
    return fields | {"rows" for effect in found.effects for one in effect.rows if one.receiver.name == export}


def test_what_really_moves_is_in_the_answer(edited_bakery: EditedBakery) -> None:
    moving, spared = 0, 0
    for seed in range(EDITS):
        chance = random.Random(seed)
        model, text = random_edit(chance, edited_bakery)
        state, sql = edited_bakery.edit(model, text)

        found = since(edited_bakery.first, state)

        rows = [built(one, random.Random(seed)) for one in (edited_bakery.sql, sql)]
        for name, export in state.exports.items():
            really = set(moved(rows[0][name], rows[1][name], export.spec.key))
            told = answered(found, name)
            assert "rows" in told or really <= told, (seed, model, text, really, told)
            moving, spared = moving + bool(really), spared + (not told)
        if text.startswith("-- Written otherwise."):
            assert found == Since((), ())
    # Edits that move nothing would prove nothing, nor would an answer of everything.
    assert moving >= EDITS // 3
    assert spared >= EDITS // 3
