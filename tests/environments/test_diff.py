"""`sluice diff`: an environment beside production, of the same inputs or not at all.

Belongs here: partitions, tables and exports of real environments. Does not belong here: the rows of one
partition (`tests/comparing`).
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from orchestration.areas import Area
from orchestration.core.settings import REPOSITORY
from orchestration.publishing.catalogue import Catalogue, PublishedTable
from orchestration.publishing.shelf import Shelf
from tests.company import FRI, THU, WED
from tests.environments.conftest import Desk
from tests.publishing.shelves import newest

pytestmark = pytest.mark.long
STG_ORDERS, STG_WEATHER = (f"dbt_project/models/staging/stg_{name}.sql" for name in ("orders", "weather"))
SHOP_ORDERS = "dbt_project/models/marts/shop_orders.sql"
EXPORT, EXPORTED = "exports/exp_shop_orders.yml", "dbt_project/models/exports/exp_shop_orders.sql"
TWICE = ("    loaves\n", "    loaves * 2 as loaves\n")
Stands = dict[tuple[str, str], str]


@dataclass(frozen=True)
class Told:
    """What the command answered."""

    report: dict[str, Any]
    code: int

    @property
    def stands(self) -> Stands:
        """{(table, partition): how it stands}."""
        return {
            (table["table"].partition(".")[2], part["partition_key"]): part["stands"]
            for table in self.report["tables"]
            for part in table["partitions"]
        }

    def table(self, name: str) -> dict[str, Any]:
        """Return a table."""
        return next(one for one in self.report["tables"] if one["table"].endswith(f".{name}"))

    def export(self, name: str = "exp_shop_orders") -> dict[str, Any]:
        """Return an export."""
        return next(one for one in self.report["exports"] if one["export"] == name)

    def part(self, name: str, key: str = FRI) -> dict[str, Any]:
        """Return a partition of a table."""
        return next(one for one in self.table(name)["partitions"] if one["partition_key"] == key)


def diff(desk: Desk, *arguments: str) -> Told:
    """Return what the command says of environment `ada`; it must be what the schema says."""
    code, said = desk.sluice("diff", "--name", "ada", "--json", *arguments)
    assert said.startswith("{"), said
    report = json.loads(said)
    jsonschema.validate(report, json.loads((REPOSITORY / "docs" / "diff.schema.json").read_text()))
    return Told(report, code)


def build(desk: Desk, *arguments: str) -> str:
    """Build the environment `ada`; return what was said."""
    return desk.sluice("env", "build", "--name", "ada", *arguments)[1]


def on_own_shelf(
    desk: Desk, change: Callable[[Catalogue], Mapping[str, PublishedTable | None]] | None = None
) -> tuple[Desk, Shelf]:
    """Return a desk beside a copy of the shelf, of which a newer catalogue has other tables."""
    settings = desk.company.settings
    folder = desk.folder / "shelf"
    shutil.copytree(str(settings.published_url), folder)
    company = replace(desk.company, settings=settings.model_copy(update={"published_url": str(folder)}))
    shelf = Shelf(Area(str(folder)))
    if change:
        publish(shelf, change)
    return Desk(company, desk.folder), shelf


def publish(shelf: Shelf, change: Callable[[Catalogue], Mapping[str, PublishedTable | None]]) -> None:
    """Add a catalogue in which tables are others."""
    last = newest(shelf)
    found = shelf.with_tables(last, change(last))
    shelf.add(replace(found, name=f"{int(last.name) + 1:012d}"))


def of_another(catalogue: Catalogue, relation: str, key: str, **build: Any) -> dict[str, PublishedTable]:
    """Return a table of which one partition is another, by its build."""
    table = catalogue.tables[relation]
    before = table.partitions[key]
    after = replace(
        before, build=replace(before.build, **build), version=build.get("version", before.version)
    )
    return {relation: replace(table, partitions={**table.partitions, key: after})}


def test_a_change_is_told_by_row_column_and_field(desk: Desk) -> None:
    """A column more, one gone, one of another type; names, filters and limits of the export file."""
    desk.sluice("env", "new", "ada", "--days", "2")
    nothing = diff(desk)
    assert (nothing.code, nothing.report["tables"], nothing.report["exports"]) == (0, [], [])

    desk.edit(STG_ORDERS, TWICE, ("    shop,\n", "    shop,\n    upper(shop) as shop_name,\n"))
    desk.edit(SHOP_ORDERS, ("sum(loaves)', 'bigint'", "sum(loaves)', 'integer'"))
    desk.edit(EXPORTED, ("    loaves,\n", "    cast(loaves as bigint) as loaves,\n"))
    desk.edit(
        EXPORT,
        (
            "mode: mirror\n",
            "mode: mirror\nnames: {loaves: Loaves, shop: Shop}\nlimits: {changed_share: 0.1}\n",
        ),
    )
    before = diff(desk)
    assert set(before.stands.values()) == {"not_built"}
    assert before.code == 1
    assert len(before.export()["unbuilt"]) == 3
    build(desk)

    found = diff(desk)

    assert found.code == 1
    assert set(found.stands.values()) == {"changed"}
    assert found.stands.keys() == {
        *(("stg_orders", day) for day in (WED, THU, FRI)),
        *((name, day) for name in ("shop_orders", "exp_shop_orders") for day in (THU, FRI)),
    }
    staging = found.table("stg_orders")
    assert (staging["key"], staging["key_from"]) == (["order_number"], "dbt test")
    assert [(one["name"], one["shape"]) for one in staging["columns"]] == [("shop_name", "added")]
    part = found.part("stg_orders")
    assert (part["added"], part["removed"], part["changed"], part["columns"]) == (0, 0, 2, {"loaves": 2})
    assert part["sums"] == [{"name": "loaves", "was": "9", "is_now": "18"}]
    assert part["keys"]["changed"] == [{"order_number": f"{FRI}-{number}"} for number in range(2)]
    # Without a key nobody can tell which row became which.
    whole = found.part("shop_orders")
    assert (whole["added"], whole["removed"], whole["changed"]) == (2, 2, 0)
    assert [(one["name"], one["shape"]) for one in found.table("shop_orders")["columns"]] == [
        ("loaves", "type")
    ]
    export = found.export()
    assert export["key"] == ["business_date", "Shop"]
    assert [one["columns"] for one in export["partitions"]] == [{"Loaves": 2}] * 2
    assert export["partitions"][1]["keys"]["changed"][0] == {"business_date": FRI, "Shop": "Nord"}
    assert export["held_by"] == [
        f"[{day}] 2 of 2 rows changed (100.0%); expected at most 10.0% (limits.changed_share)"
        for day in (THU, FRI)
    ]
    assert export["unbuilt"] == []

    one_day = diff(desk, "stg_orders", "--partition", THU, "--rows", "1")
    assert [*one_day.stands] == [("stg_orders", THU)]
    assert len(one_day.part("stg_orders", THU)["keys"]["changed"]) == 1
    assert [part["partition_key"] for part in one_day.export()["partitions"]] == [THU]
    code, said = desk.sluice("diff", "--name", "ada", "--markdown")
    assert (code, "| `exp_shop_orders` | shop\\_screens `bakery.shop_orders` | 4 changed | Loaves 4 |" in said) == (
        1, True,
    )  # fmt: skip
    assert "exp_shop_orders" in desk.sluice("diff", "--name", "ada")[1]


def test_what_means_the_same_of_the_same_is_equal_without_a_scan(desk: Desk) -> None:
    """Built anew because somebody named it; nothing of it is read."""
    desk, shelf = on_own_shelf(desk)
    desk.sluice("env", "new", "ada", "--days", "1")
    build(desk, "stg_weather")
    published = newest(shelf).tables["staging.stg_weather"]
    shutil.rmtree(desk.folder / "shelf" / published.location)  # whoever reads it fails

    found = diff(desk)

    assert found.code == 0
    assert set(found.stands.values()) == {"equal"}
    assert ("stg_weather", FRI) in found.stands
    assert found.part("stg_weather")["was"] == found.part("stg_weather")["is_now"] == 1
    assert all(part["stands"] == "equal" for part in found.export("exp_weather_report")["partitions"])


def test_each_way_not_to_be_right_has_its_own_word(desk: Desk) -> None:
    """Refused by a check, not judged, failed, and never built: with what to type."""
    desk.sluice("env", "new", "ada", "--days", "1")

    desk.edit(STG_ORDERS, ("    loaves\n", "    loaves * 1000 as loaves\n"))
    build(desk)
    found = diff(desk)
    refused = found.part("stg_orders")
    assert (refused["stands"], refused["changed"]) == ("refused", 2)
    assert refused["why"] == (
        f"staging.stg_orders [{FRI}] check `expectations`: failed; mend the model or the rule, then type"
        " `sluice env build --name ada`"
    )
    assert found.part("shop_orders")["stands"] == "not_built"
    assert "check `expectations`: failed" in found.part("shop_orders")["why"]
    assert [line.partition(": ")[0] for line in found.export()["unbuilt"]] == [
        f"staging.stg_orders [{WED}, {THU}, {FRI}]"[: len("staging.stg_orders [")] + f"{WED}]",
        f"staging.stg_orders [{THU}]", f"staging.stg_orders [{FRI}]", f"marts.shop_orders [{FRI}]",
        f"exports.exp_shop_orders [{FRI}]",
    ]  # fmt: skip

    desk.edit(STG_ORDERS, ("loaves * 1000 as", "loaves + cast(shop as integer) as"))
    build(desk)
    found = diff(desk)
    assert found.part("stg_orders")["stands"] == "failed"
    assert found.part("stg_orders")["why"] == (
        "its build did not come about; type `sluice env build --name ada`, which says why"
    )

    desk.edit(STG_ORDERS, ("loaves + cast(shop as integer) as", "loaves * 2 as"))
    assert set(diff(desk).stands.values()) == {"not_built"}
    build(desk)
    assert set(diff(desk).stands.values()) == {"changed"}

    desk.edit("expectations/shop_orders.yml", ("max_value: 1000", "max_value: 999"))
    found = diff(desk)
    assert found.part("shop_orders")["stands"] == "not_judged"
    build(desk)
    assert set(diff(desk).stands.values()) == {"changed"}


def test_what_has_landed_there_is_not_compared(desk: Desk) -> None:
    """Nor what is made of it; the rest is."""
    desk.sluice("env", "new", "ada", "--days", "2")
    ada = desk.environment()
    ada.land_orders(FRI, Nord=50)
    ada.run()
    desk.edit(STG_ORDERS, TWICE)
    build(desk)

    found = diff(desk)

    assert {place for place, word in found.stands.items() if word == "not_comparable"} == {
        (name, FRI) for name in ("stg_orders", "shop_orders", "exp_shop_orders")
    }
    assert {word for word in found.stands.values() if word != "not_comparable"} == {"changed"}
    assert found.part("exp_shop_orders")["why"] == (
        f"a drop of raw.orders [{FRI}] was landed in the environment; type `sluice env drop ada`, then `sluice"
        " env new ada`, and land none"
    )
    assert [part["stands"] for part in found.export()["partitions"]] == ["changed", "not_comparable"]


@pytest.mark.parametrize(
    ("relation", "key", "build_", "said", "others"),
    [
        (
            "marts.shop_orders", FRI, {"inputs": "shops"},
            f"production has built marts.shop_orders [{FRI}] from an earlier raw.shops than it has published",
            {("shop_orders", FRI), ("exp_shop_orders", FRI)},
        ),
        (
            "marts.shop_orders", FRI, {"inputs": "hole"},
            f"production has built marts.shop_orders [{FRI}] without staging.stg_orders [{THU}]",
            {("shop_orders", FRI), ("exp_shop_orders", FRI)},
        ),
        (
            "staging.stg_orders", FRI, {"inputs": None},
            f"production did not keep what it has built staging.stg_orders [{FRI}] from",
            {("stg_orders", FRI), ("shop_orders", FRI), ("exp_shop_orders", FRI)},
        ),
    ],
)  # fmt: skip
def test_what_production_has_built_of_other_inputs_is_not_compared(
    desk: Desk, relation: str, key: str, build_: dict[str, Any], said: str, others: set[tuple[str, str]]
) -> None:
    """An earlier snapshot, a day of a window that came later, and what nobody knows."""

    def change(catalogue: Catalogue) -> dict[str, PublishedTable]:
        inputs = catalogue.tables[relation].partitions[key].build.inputs
        assert inputs is not None
        other: Any = None
        if build_["inputs"] == "shops":
            other = {**inputs, "raw.shops": {"": "another"}}
        elif build_["inputs"] == "hole":
            days = {day: version for day, version in inputs["staging.stg_orders"].items() if day != THU}
            other = {**inputs, "staging.stg_orders": days}
        return of_another(catalogue, relation, key, inputs=other)

    desk, _ = on_own_shelf(desk, change)
    desk.sluice("env", "new", "ada", "--days", "2")
    desk.edit(STG_ORDERS, TWICE)
    build(desk)

    found = diff(desk)

    assert {place for place, word in found.stands.items() if word == "not_comparable"} == others
    assert {word for word in found.stands.values() if word != "not_comparable"} == {"changed"}
    why = found.part(relation.partition(".")[2], key)["why"]
    assert why.startswith(said)
    assert why.endswith("then type `sluice env drop ada`, then `sluice env new ada`")
    assert all("production" in part["why"] for part in found.export()["partitions"][1:])


def test_another_window_is_the_branchs_own(desk: Desk) -> None:
    """A day more, or one less, is a change like any other."""
    desk.sluice("env", "new", "ada", "--days", "1")
    for days in (2, 4):
        desk.edit(
            "dbt_project/models/marts/_marts.yml",
            (f"stg_orders: {3 if days == 2 else 2}", f"stg_orders: {days}"),
        )
        build(desk)
        assert diff(desk).part("shop_orders")["stands"] in ("changed", "equal")


def test_where_production_has_gone_on_it_says_so(desk: Desk) -> None:
    """The comparison stands, as both sides are of one catalogue."""
    desk, shelf = on_own_shelf(desk)
    desk.sluice("env", "new", "ada", "--days", "1")
    desk.edit(STG_ORDERS, TWICE)
    build(desk)
    assert diff(desk).part("stg_orders")["notes"] == []
    publish(shelf, lambda last: of_another(last, "raw.orders", FRI, version="corrected"))
    publish(shelf, lambda last: {"raw.weather": None, "staging.stg_weather": None})

    found = diff(desk)

    again = "type `sluice env drop ada`, then `sluice env new ada`"
    assert found.part("stg_orders")["stands"] == "changed"
    assert found.part("stg_orders")["notes"] == [
        f"production has corrected raw.orders [{FRI}] since; {again}"
    ]
    assert found.part("stg_orders", THU)["notes"] == []
    assert found.part("shop_orders")["notes"] == [
        f"production has corrected raw.orders [{FRI}] since; {again}",
        f"production does not publish staging.stg_weather [{FRI}] any more; {again}",
    ]


def without(catalogue: Catalogue, relation: str, column: str, class_: str = "personal") -> PublishedTable:
    """Return a table of which a column is not published."""
    table = catalogue.tables[relation]
    columns, stored = (
        {n: k for n, k in found.items() if n != column} for found in (table.columns, table.stored)
    )
    return replace(table, columns=columns, stored=stored, left_out={column: class_})


def test_columns_that_are_not_published_are_named_and_never_counted(desk: Desk) -> None:
    """Their own, and what is worked out of them; where they decide the rows nothing can be compared."""

    def change(catalogue: Catalogue) -> dict[str, PublishedTable]:
        return {
            "raw.weather": without(catalogue, "raw.weather", "rain_mm"),
            "staging.stg_orders": without(catalogue, "staging.stg_orders", "loaves"),
            "raw.shops": without(catalogue, "raw.shops", "town"),
        }

    desk, _ = on_own_shelf(desk, change)
    desk.sluice("env", "new", "ada", "--days", "1")
    desk.edit(STG_ORDERS, TWICE)
    desk.edit(STG_WEATHER, ("    town,\n", "    town,\n    lower(town) as town_name,\n"))
    build(desk)

    found = diff(desk)

    orders, weather = found.table("stg_orders"), found.table("stg_weather")
    closed = [(one["name"], one["shape"], one["why"]) for one in [*orders["columns"], *weather["columns"]]]
    assert closed == [
        ("loaves", "closed", "its class, personal, is not published"),
        ("town_name", "added", ""),
        ("rain_mm", "closed", "made of raw.weather.rain_mm, whose class, personal, is not published"),
    ]
    assert found.part("stg_orders")["stands"] == found.part("stg_weather")["stands"] == "equal"
    assert not any(total["name"] == "loaves" for total in found.part("stg_orders")["sums"])
    report = found.export("exp_weather_report")
    assert [(one["name"], one["shape"]) for one in report["columns"]] == [("rain_mm", "closed")]
    assert found.part("shop_orders")["stands"] == "not_comparable"
    assert (
        "made of raw.shops.town, whose class, personal, is not published" in found.part("shop_orders")["why"]
    )


def test_tables_and_partitions_of_one_side_alone(desk: Desk) -> None:
    """A table that production has not, one that the branch has not, and a spelling."""

    def change(catalogue: Catalogue) -> dict[str, PublishedTable | None]:
        orders = catalogue.tables["staging.stg_orders"]
        spelt = {"LOAVES" if name == "loaves" else name: kind for name, kind in orders.columns.items()}
        return {
            "marts.shop_orders": None,
            "exports.exp_shop_orders": None,
            "marts.gone": replace(catalogue.tables["marts.shop_orders"], relation="marts.gone"),
            "staging.stg_orders": replace(orders, columns=spelt, stored={
                "LOAVES" if name == "loaves" else name: kind for name, kind in orders.stored.items()
            }),
        }  # fmt: skip

    desk, _ = on_own_shelf(desk, change)
    desk.edit(EXPORT, ("mode: mirror\n", "mode: mirror\nlimits: {first_load: 1}\n"))
    desk.sluice("env", "new", "ada", "--days", "1")
    build(desk, "stg_orders")

    found = diff(desk)

    assert found.part("shop_orders")["stands"] == "only_here"
    assert (found.part("shop_orders")["was"], found.part("shop_orders")["added"]) == (None, 2)
    assert found.part("gone", "")["stands"] == "only_published"
    assert [(one["name"], one["shape"]) for one in found.table("stg_orders")["columns"]] == [
        ("loaves", "spelt")
    ]
    assert found.export()["held_by"] == [
        f"[{FRI}] a first delivery of 2 rows; expected at most 1 (limits.first_load)"
    ]


EXPORT_FILES: dict[str, tuple[str, dict[str, Any]]] = {
    "the last mile leaves the changed rows out": (
        "last_mile: [{filter: {column: shop, drop: [Nord, Sued]}, RULE}]\nlimits: {empty: send}\n",
        {"changed": 0, "columns": {}, "held": []},
    ),
    "a mapping hides the change of one": (
        "last_mile: [{map: {column: loaves, values: {15: 0, 30: 0}}, RULE}]\n",
        {"changed": 2, "columns": {"loaves": 2}, "held": []},
    ),
    "the newest alone, without the day": (
        "partitions: latest\nkey: [shop]\n",
        {"changed": 2, "columns": {"loaves": 2}, "held": [], "days": [FRI]},
    ),
    "a sum past its limit": (
        "limits: {sums: {loaves: {max: 10}}}\n",
        {"changed": 2, "columns": {"loaves": 2}, "held": ["limits.sums"] * 2},
    ),
    "rows": (
        "limits: {rows: {min: 3}}\n",
        {"changed": 2, "columns": {"loaves": 2}, "held": ["limits.rows"] * 2},
    ),
    "what adds alone changes nothing there": (
        "mode: append\nlimits: {rows: {min: 3}}\n",
        {"changed": 2, "columns": {"loaves": 2}, "held": []},
    ),
}
RULE = "owner: a@b.example, reason: r, issue: 'https://issues.example/1', declared: 2026-11-20, expires: 2026-12-20"


def test_an_export_is_told_in_its_destinations_words(desk: Desk) -> None:
    """The same rows, by what the export file says of them."""
    desk.sluice("env", "new", "ada", "--days", "2")
    desk.edit(STG_ORDERS, TWICE)
    build(desk)
    file = desk.company.settings.project_dir / EXPORT
    before = file.read_text()
    for name, (more, expected) in EXPORT_FILES.items():
        said = {line.partition(":")[0] for line in more.splitlines()}
        kept = [line for line in before.splitlines() if line.partition(":")[0] not in said]
        file.write_text("\n".join(kept) + "\n" + more.replace("RULE", RULE))

        found = diff(desk).export()

        days = expected.get("days", [THU, FRI])
        assert [part["partition_key"] for part in found["partitions"]] == days, name
        assert [part["changed"] for part in found["partitions"]] == [expected["changed"]] * len(days), name
        assert [part["columns"] for part in found["partitions"]] == [expected["columns"]] * len(days), name
        assert [line.rpartition("(")[2].rstrip(")") for line in found["held_by"]] == expected["held"], name
        assert found["stays"] == ("append" in more)


def test_what_cannot_be_asked_is_refused_with_what_to_type(desk: Desk) -> None:
    """No environment, no such model, no such partition, two forms at once; and one that is being built."""
    assert "type `sluice env new ada`" in desk.sluice("diff", "--name", "ada")[1]
    desk.sluice("env", "new", "ada", "--days", "1")
    for arguments, said in (
        (["stg_order"], "did you mean `stg_orders`?"),
        (["stg_orders", "--partition", "2024-01-09"], "no partition `2024-01-09` is compared"),
        (["--json", "--markdown"], "expected one of them"),
    ):
        code, told = desk.sluice("diff", "--name", "ada", *arguments)
        assert (code, said in told) == (2, True), told
