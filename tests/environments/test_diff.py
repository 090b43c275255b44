"""`sluice env diff`: an environment beside production, of the same inputs or not at all.

Belongs here: partitions, tables and exports of real environments. Does not belong here: the rows of one
partition (`tests/comparing`).
"""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from orchestration.areas import Area
from orchestration.comparing.compare import compare
from orchestration.comparing.report import SCHEMA_FILE, schema_text
from orchestration.core.catalogues import path_of
from orchestration.core.partitions import Grain, grain_of
from orchestration.core.settings import REPOSITORY
from orchestration.environments.record import Made
from orchestration.operations.publishing import publish_tables
from orchestration.publishing.catalogue import Catalogue, PublishedTable
from orchestration.publishing.shelf import Shelf
from orchestration.warehouse.slices import partition_rows
from tests.company import FRI, THU, WED, Company
from tests.environments.conftest import Desk
from tests.observatory import DAY, HOURS, land_hour, land_recording, land_week, open_observatory
from tests.publishing.shelves import newest
from tests.sampled import part_of

pytestmark = pytest.mark.long
STG_ORDERS, STG_WEATHER = (f"dbt_project/models/staging/stg_{name}.sql" for name in ("orders", "weather"))
SHOP_ORDERS = "dbt_project/models/marts/shop_orders.sql"
MARTS = "dbt_project/models/marts/_marts.yml"
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
    code, said = desk.sluice("env", "diff", "--name", "ada", "--json", *arguments)
    assert said.startswith("{"), said
    report = json.loads(said)
    schema = (REPOSITORY / SCHEMA_FILE).read_text()
    assert schema == schema_text(), "python -m tests.documents.renew"
    jsonschema.validate(report, json.loads(schema))
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


@dataclass(frozen=True)
class Prepared:
    """An environment in which stg_weather was built as it was, and what is made of twice the orders."""

    desk: Desk
    shelf: Shelf
    was: Told

    @cached_property
    def ada(self) -> Company:
        """The environment with its project as it was built."""
        return self.desk.environment()

    def beside(
        self,
        change: Callable[[Catalogue], Mapping[str, PublishedTable | None]],
        edited: Company | None = None,
        **said: Any,
    ) -> Told:
        """Return what would be said if its catalogue had other tables, or said something else.

        `edited` is the environment with a project that was edited since.
        """
        ada = edited or self.ada
        made = Made.read(ada.settings.data_dir)
        assert made is not None
        file = Path(self.shelf.area.engine_path(path_of(made.catalogue)))
        before, catalogue = file.read_bytes(), self.shelf.catalogue(made.catalogue)
        file.unlink()
        try:
            self.shelf.add(replace(self.shelf.with_tables(catalogue, change(catalogue)), **said))
            report = compare(ada.site, made, self.shelf)
        finally:
            file.write_bytes(before)
        return Told(json.loads(json.dumps(asdict(report))), int(report.differs))


@pytest.fixture(scope="module")
def prepared(published_bakery: Company, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """Made once; two days, each with what its window reads."""
    own = Desk(published_bakery.with_own_project(), tmp_path_factory.mktemp("diff"))
    desk, shelf = on_own_shelf(own)
    desk.sluice("env", "new", "ada", "--days", "2")
    assert diff(desk) == Told(
        {"environment": "ada", "catalogue": newest(shelf).name, "tables": [], "exports": [], "version": 1}, 0
    )
    desk.edit(STG_ORDERS, TWICE, ("    shop,\n", "    shop,\n    upper(shop) as shop_name,\n"))
    desk.edit(SHOP_ORDERS, ("sum(loaves)', 'bigint'", "sum(loaves)', 'integer'"))
    desk.edit(MARTS, ("stg_orders: 3", "stg_orders: 2"))
    desk.edit(EXPORTED, ("    loaves,\n", "    cast(loaves as bigint) as loaves,\n"))
    was = diff(desk)
    build(desk, "stg_weather", "stg_orders")
    found = Prepared(desk, shelf, was)
    yield found
    found.ada.deployment.close()


def test_a_change_is_told_by_row_column_and_field(prepared: Prepared) -> None:
    """A column more, one of another type, twice the loaves; first that nothing of it is built."""
    desk, changed = prepared.desk, {"stg_orders", "shop_orders", "exp_shop_orders"}
    assert {name for (name, _), word in prepared.was.stands.items() if word == "not_built"} == changed
    assert prepared.was.code == 1
    assert [line.partition(": ")[0] for line in prepared.was.export()["unbuilt"]] == [
        f"staging.stg_orders [{WED}, {THU}, {FRI}]", f"marts.shop_orders [{THU}, {FRI}]",
        f"exports.exp_shop_orders [{THU}, {FRI}]",
    ]  # fmt: skip

    found = diff(desk)

    assert found.code == 1
    assert {place for place, word in found.stands.items() if word == "changed"} == {
        *(("stg_orders", day) for day in (WED, THU, FRI)),
        *((name, day) for name in ("shop_orders", "exp_shop_orders") for day in (THU, FRI)),
    }
    staging = found.table("stg_orders")
    assert (staging["key"], staging["key_from"]) == (["order_number"], "dbt test")
    assert [(one["name"], one["shape"]) for one in staging["columns"]] == [("shop_name", "added")]
    part = found.part("stg_orders")
    assert (part["added"], part["removed"], part["changed"], part["columns"]) == (0, 0, 2, {"loaves": 2})
    [total] = part["sums"]
    assert (total["name"], int(total["is_now"])) == ("loaves", 2 * int(total["was"]))
    assert part["keys"]["changed"] == [{"order_number": f"{FRI}-{number}"} for number in range(2)]
    # Without a key nobody can tell which row became which.
    whole = found.part("shop_orders")
    assert (whole["added"], whole["removed"], whole["changed"]) == (2, 2, 0)
    assert [(one["name"], one["shape"]) for one in found.table("shop_orders")["columns"]] == [
        ("loaves", "type")
    ]
    assert [one["columns"] for one in found.export()["partitions"]] == [{"loaves": 2}] * 2
    assert (found.export()["unbuilt"], found.export()["held_by"]) == ([], [])

    one_day = diff(desk, "stg_orders", "--partition", THU, "--rows", "1")
    assert [*one_day.stands] == [("stg_orders", THU)]
    assert len(one_day.part("stg_orders", THU)["keys"]["changed"]) == 1
    assert [part["partition_key"] for part in one_day.export()["partitions"]] == [THU]
    code, said = desk.sluice("env", "diff", "--name", "ada", "--markdown", "exp_shop_orders")
    line = "| `exp_shop_orders` | shop\\_screens `bakery.shop_orders` | 4 changed | `loaves` 4 |"
    assert (code, line in said) == (1, True), said
    assert "staging.stg_orders" in desk.sluice("env", "diff", "--name", "ada")[1]


def test_what_means_the_same_of_the_same_is_equal_without_a_scan(prepared: Prepared) -> None:
    """Built anew because somebody named it; whoever reads it fails."""
    found = prepared.beside(
        lambda catalogue: {
            name: replace(table, location="nowhere")
            for name, table in catalogue.tables.items()
            if "weather" in name
        }
    )
    assert found.part("stg_weather")["stands"] == found.part("exp_weather_report")["stands"] == "equal"
    assert found.part("stg_weather")["was"] == found.part("stg_weather")["is_now"] == 1
    assert all(part["stands"] == "equal" for part in found.export("exp_weather_report")["partitions"])


@pytest.mark.stories(5)
def test_each_way_not_to_be_right_has_its_own_word(desk: Desk) -> None:
    """Refused by a check, not judged, failed, and never built: with what to type."""
    desk.sluice("env", "new", "ada", "--days", "1")

    desk.edit(STG_ORDERS, ("    loaves\n", "    loaves * 1000 as loaves\n"))
    said = build(desk)
    found = diff(desk)
    refused = found.part("stg_orders")
    assert (refused["stands"], refused["changed"]) == ("refused", 2)
    assert refused["why"] == (
        "check `expectations` of it: failed; fix the model or the rule, then type `sluice env build --name"
        " ada`"
    )
    assert found.part("shop_orders")["stands"] == "not_built"
    assert f"check `expectations` of staging.stg_orders [{WED}]: failed" in found.part("shop_orders")["why"]
    assert [line.partition(": ")[0] for line in found.export()["unbuilt"]] == [
        f"staging.stg_orders [{WED}, {THU}, {FRI}]", f"marts.shop_orders [{FRI}]",
        f"exports.exp_shop_orders [{FRI}]",
    ]  # fmt: skip
    assert "is not built whole; `sluice env build` tries again" in said

    desk.edit(STG_ORDERS, ("loaves * 1000 as", "loaves + cast(shop as integer) as"))
    build(desk)
    found = diff(desk)
    assert found.part("stg_orders")["stands"] == "failed"
    assert found.part("stg_orders")["why"] == (
        "its build did not come about; type `sluice env build --name ada`, which says why"
    )

    desk.edit(STG_ORDERS, ("loaves + cast(shop as integer) as", "loaves * 2 as"))
    assert diff(desk).part("stg_orders")["stands"] == "not_built"
    build(desk)
    assert set(diff(desk).stands.values()) == {"changed"}

    desk.edit("expectations/shop_orders.yml", ("max_value: 1000", "max_value: 999"))
    found = diff(desk)
    assert found.part("shop_orders")["stands"] == "not_judged"


@pytest.mark.stories(5)
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
        f"a drop of raw.orders [{FRI}] was landed in the environment; type `sluice env drop ada`, then"
        " `sluice env new ada`, and land none"
    )
    assert [part["stands"] for part in found.export()["partitions"]] == ["changed", "not_comparable"]
    for command in ("drop ada", "new ada --days 1"):  # what it says is the way out
        assert desk.sluice("env", *command.split())[0] == 0
    assert set(diff(desk).stands.values()) == {"not_built"}


def without_thu(days: Mapping[str, str]) -> dict[str, str]:
    """Return what was read of all days but one in the middle."""
    return {day: version for day, version in days.items() if day != THU}


SHOPS = {"raw.shops": {"": "another"}}
OTHER_INPUTS: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "an earlier snapshot": (
        "marts.shop_orders", lambda inputs: inputs | SHOPS,
        f"production has built marts.shop_orders [{FRI}] from an earlier raw.shops than it has published",
    ),
    "a day of the window that came later": (
        "marts.shop_orders",
        lambda inputs: inputs | {"staging.stg_orders": without_thu(inputs["staging.stg_orders"])},
        f"production has built marts.shop_orders [{FRI}] without staging.stg_orders [{THU}]",
    ),
    "what was not kept": (
        "staging.stg_orders", lambda _: None,
        f"production did not keep what it has built staging.stg_orders [{FRI}] from",
    ),
    "an earlier day of its own": (
        "staging.stg_orders", lambda _: {"raw.orders": {FRI: "another"}},
        f"production has built staging.stg_orders [{FRI}] from an earlier raw.orders [{FRI}]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHER_INPUTS)
def test_what_production_has_built_of_other_inputs_is_not_compared(prepared: Prepared, case: str) -> None:
    """Nor what is made of it; every other partition is."""
    relation, inputs, said = OTHER_INPUTS[case]

    def change(catalogue: Catalogue) -> Mapping[str, PublishedTable]:
        before = catalogue.tables[relation].partitions[FRI].build.inputs
        return of_another(catalogue, relation, FRI, inputs=inputs(before))

    found = prepared.beside(change)

    name = relation.partition(".")[2]
    below = ["stg_orders", "shop_orders", "exp_shop_orders"]
    others = below[below.index(name) :]
    assert {place for place, word in found.stands.items() if word == "not_comparable"} == {
        (one, FRI) for one in others
    }
    assert found.part(name)["why"].startswith(said)
    assert found.part(name)["why"].endswith("then type `sluice env drop ada`, then `sluice env new ada`")
    assert [part["stands"] for part in found.export()["partitions"]] == ["changed", "not_comparable"]
    assert found.export()["partitions"][1]["changed"] == 0


def test_another_window_is_the_branchs_own(prepared: Prepared) -> None:
    """A day less, as it was built there, or one more than production has read: a change like any other."""

    def change(catalogue: Catalogue) -> Mapping[str, PublishedTable]:
        inputs = catalogue.tables["marts.shop_orders"].partitions[FRI].build.inputs
        assert inputs is not None
        last = {FRI: inputs["staging.stg_orders"][FRI]}
        return of_another(catalogue, "marts.shop_orders", FRI, inputs={**inputs, "staging.stg_orders": last})

    assert prepared.beside(change).part("shop_orders")["stands"] == "changed"


def test_where_production_has_gone_on_it_says_so(prepared: Prepared) -> None:
    """The comparison stands, as both sides are of one catalogue."""
    file = Path(prepared.shelf.area.engine_path(path_of(prepared.shelf.names()[-1])))
    publish(prepared.shelf, lambda last: of_another(last, "raw.orders", FRI, version="corrected"))
    publish(prepared.shelf, lambda _: {"raw.weather": None, "staging.stg_weather": None})
    try:
        found = prepared.beside(lambda _: {})
    finally:
        for name in prepared.shelf.names():
            if path_of(name) > path_of(file.stem):
                file.with_name(f"{name}.json").unlink()

    again = "type `sluice env drop ada`, then `sluice env new ada`"
    corrected = f"production has corrected raw.orders [{FRI}] since; {again}"
    assert found.part("stg_orders")["stands"] == "changed"
    assert found.part("stg_orders")["notes"] == [corrected]
    assert found.part("stg_orders", THU)["notes"] == []
    assert found.part("shop_orders")["notes"] == [
        corrected, f"production does not publish raw.weather [{FRI}] any more; {again}"
    ]  # fmt: skip


def without(catalogue: Catalogue, relation: str, column: str, class_: str = "personal") -> PublishedTable:
    """Return a table of which a column is not published."""
    table = catalogue.tables[relation]
    columns, stored = (
        {n: k for n, k in found.items() if n != column} for found in (table.columns, table.stored)
    )
    return replace(table, columns=columns, stored=stored, left_out={column: class_})


def test_columns_that_are_not_published_are_named_and_never_counted(prepared: Prepared) -> None:
    """Their own, and what is worked out of them; where they decide the rows nothing can be compared."""
    found = prepared.beside(
        lambda catalogue: {
            "raw.weather": without(catalogue, "raw.weather", "rain_mm"),
            "staging.stg_orders": without(catalogue, "staging.stg_orders", "loaves"),
            "raw.shops": without(catalogue, "raw.shops", "town"),
        }
    )

    orders, weather = found.table("stg_orders"), found.table("stg_weather")
    closed = [(one["name"], one["shape"], one["why"]) for one in [*orders["columns"], *weather["columns"]]]
    assert sorted(closed) == [
        ("loaves", "closed", "its class, personal, is not published"),
        ("rain_mm", "closed", "made of raw.weather.rain_mm, whose class, personal, is not published"),
        ("shop_name", "added", ""),
    ]
    # No other value is another; of these nobody knows, so nobody is told that they are the same.
    part = found.part("stg_orders")
    assert (part["stands"], part["changed"], part["was"], part["is_now"]) == ("not_comparable", 0, 2, 2)
    assert part["why"].startswith("no row is another as far as it is compared")
    assert not any(total["name"] == "loaves" for total in part["sums"])
    report = found.export("exp_weather_report")
    assert [(one["name"], one["shape"]) for one in report["columns"]] == [("rain_mm", "closed")]
    assert found.part("shop_orders")["stands"] == "not_comparable"
    assert (
        "made of raw.shops.town, whose class, personal, is not published" in found.part("shop_orders")["why"]
    )


def test_what_production_calls_classified_is_not_shown(prepared: Prepared) -> None:
    """Whatever the branch calls it: no key, and no sum, of it or of what is made of it, in no table."""
    closed = {"raw.orders": ("LOAVES",), "marts.shop_orders": ("shop",)}

    found = prepared.beside(lambda _: {}, classified=closed)

    every = [*found.report["tables"], *found.report["exports"]]
    parts = [part for one in every for part in one["partitions"] if part["changed"] or part["added"]]
    assert len(parts) == 9
    assert {total["name"] for part in parts for total in part["sums"]} == set()
    shown = {name for part in parts for keys in part["keys"].values() for key in keys for name in key}
    assert shown == {"order_number"}
    assert [part["changed"] for part in found.export()["partitions"]] == [2, 2]


def test_what_the_destination_does_not_take_is_not_counted_for_it(prepared: Prepared) -> None:
    """An older partition than the newest that it holds, and rows without a key."""
    file = prepared.desk.company.settings.project_dir / EXPORT
    before = file.read_text()
    key, each = "key: [business_date, shop]", "partitions: each"

    file.write_text(before.replace(key, "key: [shop]").replace(each, "partitions: latest"))
    later = prepared.beside(
        lambda catalogue: {
            "exports.exp_shop_orders": replace(
                table := catalogue.tables["exports.exp_shop_orders"],
                partitions={**table.partitions, "2024-01-06": table.partitions[FRI]},
            )
        },
        latest := prepared.desk.environment(),
    ).export()
    latest.deployment.close()
    file.write_text(before.replace(key, "key: [business_date, rain_mm]"))
    without_key = prepared.beside(lambda _: {}, rain := prepared.desk.environment()).export()
    rain.deployment.close()
    file.write_text(before)

    assert [(part["partition_key"], part["stands"]) for part in later["partitions"]] == [
        ("2024-01-06", "only_published")
    ]
    assert without_key["held_by"] == [
        f"[{day}] the key of 1 rows has an empty part: nothing is sent" for day in (THU, FRI)
    ]


def test_tables_and_columns_of_one_side_alone(prepared: Prepared) -> None:
    """A table that production has not, one that the branch has not, a column that is gone, a spelling."""

    def change(catalogue: Catalogue) -> dict[str, PublishedTable | None]:
        orders, mart = catalogue.tables["staging.stg_orders"], catalogue.tables["marts.shop_orders"]
        exported = catalogue.tables["exports.exp_shop_orders"]
        spelt = {"LOAVES" if name == "loaves" else name: kind for name, kind in orders.columns.items()}
        more = {**exported.columns, "oven": "ENUM('secret')"}
        return {
            "marts.shop_orders": None,
            "marts.gone": replace(mart, relation="marts.gone"),
            "staging.stg_orders": replace(orders, columns=spelt, stored=spelt),
            "exports.exp_shop_orders": replace(
                exported, columns=more, stored={**exported.stored, "oven": "VARCHAR"}
            ),
        }

    found = prepared.beside(change)

    assert found.part("shop_orders")["stands"] == "only_here"
    assert (found.part("shop_orders")["was"], found.part("shop_orders")["added"]) == (None, 2)
    assert found.part("gone", "")["stands"] == "only_published"
    new = prepared.beside(lambda _: {"exports.exp_shop_orders": None}).export()
    assert [(part["stands"], part["added"], part["was"]) for part in new["partitions"]] == [
        ("only_here", 2, None)
    ] * 2
    assert [(one["name"], one["shape"]) for one in found.table("stg_orders")["columns"]] == [
        ("shop_name", "added"), ("loaves", "spelt")
    ]  # fmt: skip
    assert found.part("stg_orders")["columns"] == {"loaves": 2}
    assert [(one["name"], one["shape"], one["was"]) for one in found.export()["columns"]] == [
        ("oven", "gone", "ENUM(…)")
    ]


EXPORT_FILES: dict[str, tuple[str, dict[str, Any]]] = {
    "the last mile leaves the changed rows out": (
        "last_mile: [{filter: {column: shop, drop: [Nord, Sued]}, RULE}]\nlimits: {empty: send}\n",
        {"changed": 0, "columns": {}, "held": []},
    ),
    "a mapping hides the change of one": (
        "last_mile: [{map: {column: loaves, values: {7: 0, 14: 0, 12: 1, 16: 1}}, RULE}]\n",
        {"changed": 1, "columns": {"loaves": 1}, "held": []},
    ),
    "the newest alone, without the day": (
        "partitions: latest\nkey: [shop]\n",
        {"changed": 2, "columns": {"loaves": 2}, "held": [], "days": [FRI]},
    ),
    "other names, and more changes than are let through": (
        "names: {loaves: Loaves}\nlimits: {changed_share: 0.1}\n",
        {"changed": 2, "columns": {"loaves": 2}, "held": ["limits.changed_share"] * 2},
    ),
    "a sum past its limit": (
        "limits: {sums: {loaves: {max: 10}}}\n",
        {"changed": 2, "columns": {"loaves": 2}, "held": ["limits.sums"] * 2},
    ),
    "rows": (
        "limits: {rows: {min: 3}}\n",
        {"changed": 2, "columns": {"loaves": 2}, "held": ["limits.rows"] * 2},
    ),
    "a key that two rows have": (
        "key: [business_date]\n",
        {
            "changed": 0,
            "columns": {},
            "held": ["the key of 2 rows stands more than once: nothing is sent"] * 2,
        },
    ),
    "what adds alone changes nothing there": (
        "mode: append\nlimits: {rows: {min: 3}}\n",
        {"changed": 2, "columns": {"loaves": 2}, "held": []},
    ),
}
RULE = (
    "owner: a@b.example, reason: r, issue: 'https://issues.example/1', declared: 2026-11-20,"
    " expires: 2026-12-20"
)


def test_an_export_is_told_in_its_destinations_words(prepared: Prepared) -> None:
    """The same rows, by what the export file says of them."""
    desk = prepared.desk
    file = desk.company.settings.project_dir / EXPORT
    before = file.read_text()
    for name, (more, expected) in part_of("export files", [*EXPORT_FILES.items()], 2):
        fields = {"loaves": "Loaves"} if "Loaves" in more else {}
        said = {line.partition(":")[0] for line in more.splitlines()}
        kept = [line for line in before.splitlines() if line.partition(":")[0] not in said]
        file.write_text("\n".join(kept) + "\n" + more.replace("RULE", RULE))

        found = diff(desk).export()

        days = expected.get("days", [THU, FRI])
        assert [part["partition_key"] for part in found["partitions"]] == days, name
        assert [part["changed"] for part in found["partitions"]] == [expected["changed"]] * len(days), name
        columns = {fields.get(column, column): rows for column, rows in expected["columns"].items()}
        assert [part["columns"] for part in found["partitions"]] == [columns] * len(days), name
        told = [line.partition("] ")[2].rpartition("(")[2].rstrip(")") for line in found["held_by"]]
        assert told == expected["held"], name
        assert found["stays"] == ("append" in more)
        assert found["key"] == [
            fields.get(one, one)
            for one in ("business_date", "shop")
            if f"key: [{one}" in more or "key:" not in more
        ]
    file.write_text(before)


def test_what_cannot_be_asked_is_refused_with_what_to_type(prepared: Prepared) -> None:
    """No environment, no such model, no such partition, two forms at once."""
    for arguments, said in (
        (["--name", "bob"], "type `sluice env new bob`"),
        (["--name", "ada", "stg_order"], "did you mean `stg_orders`?"),
        (
            ["--name", "ada", "stg_orders", "--partition", "2024-01-09"],
            "no partition `2024-01-09` is compared",
        ),
        (["--name", "ada", "--json", "--markdown"], "expected one of them"),
    ):
        code, told = prepared.desk.sluice("env", "diff", *arguments)
        assert (code, said in told) == (2, True), told


def in_plain_python(key: list[str], was: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[Any]:
    """Return how many rows are added, removed and changed, and how many changed in which column."""
    if not key:
        before, after = (Counter(json.dumps(row, default=repr) for row in side) for side in (was, now))
        return [(after - before).total(), (before - after).total(), 0, {}]
    old, new = ({tuple(row[name] for name in key): row for row in side} for side in (was, now))
    both = [(old[name], new[name]) for name in old.keys() & new.keys()]
    columns = Counter(name for one, other in both for name in one.keys() & other if one[name] != other[name])
    changed = sum(any(one[name] != other[name] for name in one.keys() & other) for one, other in both)
    return [len(new.keys() - old), len(old.keys() - new), changed, dict(columns)]


def rows_of(company: Company, relation: str, key: str) -> list[dict[str, Any]]:
    """Return the rows of a partition in a deployment's own warehouse."""
    table = company.project.lineage.tables[relation]
    query = partition_rows(table.relation, table.cut_by, table.partitioning, key)
    with company.deployment.warehouse.session() as session:
        names = [*session.describe(query)]
        return [dict(zip(names, row, strict=True)) for row in session.query(query)]


@pytest.mark.stories(5)
def test_partitions_of_every_grain_are_compared(tmp_path: Path) -> None:
    """Hours, days, weeks, months and recordings; each beside plain Python on the rows of both warehouses."""
    with pytest.MonkeyPatch.context() as patched, open_observatory(tmp_path) as first:
        settings = first.settings.model_copy(update={"published_url": str(tmp_path / "shelf")})
        production = replace(first, settings=settings)
        for number, hour in enumerate(HOURS):
            land_hour(production, hour, a=number + 0.5, b=7)
        land_recording(production, "one", 1, 2, 3)
        land_week(production, "2024-W01-1", "2024-01-03")
        production.run()
        assert publish_tables(production.site, ()).refused == {}
        desk = Desk(production.with_own_project(), tmp_path)
        patched.chdir(tmp_path)
        assert desk.sluice("env", "new", "ada", "--from", DAY, "--to", "2024-01-07")[0] == 0
        for name, before, after in (
            (
                "readings",
                "    field_nt\n",
                "    case station when 'a' then field_nt else field_nt + 1 end as field_nt\n",
            ),
            ("recordings", "    second,\n", "    second + 1 as second,\n"),
            ("plans", "readings_planned\n", "readings_planned + 1 as readings_planned\n"),
        ):
            desk.edit(f"dbt_project/models/staging/stg_{name}.sql", (before, after))
        said = build(desk)

        found, ada = diff(desk), desk.environment()

        kinds = {grain_of(key) for _, key in found.stands if key != "one"}
        assert kinds == {Grain.HOURLY, Grain.DAILY, Grain.WEEKLY, Grain.MONTHLY}, said
        assert ("stg_recordings", "one") in found.stands
        assert set(found.stands.values()) <= {"changed", "equal"}
        assert found.part("stg_recordings", "one")["added"] == 1
        for table in found.report["tables"]:
            for part in table["partitions"]:
                was, now = (rows_of(one, table["table"], part["partition_key"]) for one in (production, ada))
                told = [part[name] for name in ("added", "removed", "changed", "columns")]
                assert told == in_plain_python(table["key"], was, now), (
                    table["table"],
                    part["partition_key"],
                )
                assert (part["was"], part["is_now"]) == (len(was), len(now))
        ada.deployment.close()
