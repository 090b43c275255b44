"""Ways in which a pull request might get a value past its class, each one tried: none is open.

Written from the promises alone: a column's class is that of its origins; only masking, a measure of enough
rows and a written exception lower it; what is personal does not even decide which rows are sent.
Belongs here: SQL that somebody writes on purpose. Does not: how a class travels usually (`test_classes`), SQL
that is another one in a run (`tests/run/test_other_columns`).
"""

import shutil

import duckdb
import pytest
from sluicegate.columns.classes import ClassFlow
from sluicegate.columns.graph import ColumnGraph
from sluicegate.compute.column_plan import table_origins
from sluicegate.contracts.classes import load_classes
from sluicegate.contracts.load import load_contracts
from sluicegate.core.column_origins import Origin, Place, TableOrigins
from sluicegate.core.relations import Relation

from tests.columns.conftest import CLASSES, Edited
from tests.company import BAKERY

W = "staging.stg_weather"
BY_DAY = "group by business_date having count"
FIVE = f"{BY_DAY}(wet) >= 5"
BY_TOWN = "group by business_date, town having count(wet) >= 5"
# Of `wet`, which is restricted; `m` stands for a measure that is low enough, and so for none of these.
MEASURES = {
    "of one": f"select sum(wet) as m from {W} group by business_date, town",
    "of one, filtered": f"select sum(wet) filter (where town = 'Ulm') as m from {W} {FIVE}",
    "of one, by a case": f"select sum(case when town = 'Ulm' then wet end) as m from {W} {FIVE}",
    "of one, by a factor": f"select sum(wet * cast(town = 'Ulm' as integer)) as m from {W} {FIVE}",
    "of one, below": f"select sum(w) as m from (select business_date, if(town = 'Ulm', wet, 0) as w"
        f" from {W}) {BY_DAY}(w) >= 5",
    "of one, a model below": f"select sum(only_ulm) as m from {W} {BY_DAY}(only_ulm) >= 5",
    "of one, a factor in a model below": f"select sum(ulm_factor) as m from {W} {BY_DAY}(ulm_factor) >= 5",
    "of a large one alone": f"select sum(flood) as m from {W} {BY_DAY}(flood) >= 5",
    "of what one is above others": f"select sum(above) as m from {W} {BY_DAY}(above) >= 5",
    "of one, several times": f"select avg(wet) as m from {W} cross join range(5) {BY_TOWN}",
    "of one, joined with itself":
        f"select avg(a.wet) as m from {W} as a inner join {W} as b on true group by a.town having"
        f" count(a.wet) >= 5",
    "of one, put together": f"select avg(wet) as m from (select * from {W} union all select * from {W})"
        f" {BY_TOWN}",
    "of one, unnested": f"select avg(wet) as m from (select *, unnest([1, 2, 3, 4, 5]) from {W}) {BY_TOWN}",
    "of one beside many":
        f"select avg(w.wet) as m from {W} as r left join {W} as w on w.town = r.town and r.town = 'Ulm'"
        " group by r.business_date having count(w.wet) >= 5",
    "or of one": f"select sum(wet) as m from {W} {FIVE} or max(town) = 'Ulm'",
    "of enough constants": f"select sum(wet) as m from {W} group by town having count(wet) >= 5 - 5",
    "with a number beside": f"select m from (select sum(wet) as m, 5 as n from {W} group by town) where"
        f" n >= 5",
    "that picks": f"select median(wet) as m from {W} {FIVE}",
    "that picks the most frequent": f"select mode(wet) as m from {W} {FIVE}",
    "that lists": f"select list_sum(map_keys(histogram(wet))) as m from {W} {FIVE}",
    "of one, where others have none":
        f"select sum(wet) as m from {W} {BY_DAY}(*) >= 5",
    "of one, beside those of whom it is known":
        f"select sum(wet) as m from {W} where town = 'Ulm' or wet = 0 {FIVE}",
    "of one, beside those, by a join":
        f"select sum(wet) as m from {W} join (values (0)) as z (v) on wet = v or town = 'Ulm' {FIVE}",
    "of one, beside those, by its group":
        f"select sum(wet) as m from {W} group by business_date, (town = 'Ulm' or wet = 0) having"
        f" count(wet) >= 5",
    "of one, beside those, by a limit":
        f"select sum(wet) as m from (select * from {W} order by town <> 'Ulm', wet limit 5) {FIVE}",
    "of one, beside those, by a list":
        f"select sum(wet) as m from {W} where wet in (select min(wet) from {W}) or town = 'Ulm' {FIVE}",
    "of one, beside those, in a model below": f"select sum(wet) as m from marts.ulm_and_dry {FIVE}",
    "of one, beside those, two models below": f"select sum(wet) as m from marts.ulm_and_dry_again {FIVE}",
    "of one, beside days that were chosen":
        f"select sum(wet) as m from {W} where business_date in (select business_date from"
        f" marts.ulm_and_dry) {FIVE}",
    "by a window": f"select avg(wet) over (partition by town) as m from {W} qualify count(*) over () >= 5",
    "of a hash": f"select min(md5(cast(wet as varchar))) as m from {W} {FIVE}",
}  # fmt: skip
FAIR = {
    "a sum": f"select sum(wet) as m from {W} {FIVE}",
    "a sum of what is there":
        f"select sum(wet) as m from {W} where wet is not null group by town having count(*) >= 5",
    "a sum beside days with enough":
        f"select sum(wet) as m from {W} semi join (select business_date as d from {W} {FIVE}) on d ="
        f" business_date {FIVE}",
    "a sum of what is there, a model below": f"select sum(wet) as m from marts.there {FIVE}",
    "a mean, rounded": f"select round(avg(wet), 1) as m from {W} group by town having count(wet) > 4",
    "asked above":
        f"select m from (select avg(wet) as m, count(wet) as n from {W} group by town) where n >= 5",
}  # fmt: skip
# Of `town`, which is personal: neither it nor what it decides may pass.
VALUES = {
    "a whole row": f"select w as m from {W} as w",
    "as JSON": f"select json_extract(to_json(w), '$.town') as m from {W} as w",
    "by a pattern of names": f"select columns(c -> c like 'to_n') as m from {W}",
    "spelled otherwise": f'select "TOWN" as m from {W}',
    "its length": f"select length(town) as m from {W}",
    "whether it is there": f"select town is null as m from {W}",
    "told in an error": f"select error(town) as m from {W}",
    "by a dictionary": f"select g.n as m from {W} as w inner join range(100) as g(n) on g.n = length(w.town)",
    "looked up": f"select (select max(n) from range(100) as g(n) where g.n <= length(w.town)) as m from"
        f" {W} as w",
    "counted out": f"select count(*) as m from (select wet, unnest(range(length(town))) from {W}) group"
        f" by wet",
    "by a frame": f"select count(*) over (order by wet rows between length(town) preceding and current"
        f" row) as m from {W}",
    "by a place": f"select lag(1, length(town)) over (order by wet) as m from {W}",
    "by the order": f"select row_number() over (order by town) as m from {W}",
    "by how many": f"select 1 as m from {W} limit (select length(max(town)) from {W})",
    "by which group": f"select count(*) as m from {W} group by town",
    "by which rows": f"select 1 as m from {W} where town < 'M'",
    "by what is not there": f"select g.n as m from range(9) as g(n) where g.n not in (select"
        f" length(town) from {W})",
    "by a set": f"select 1 as m from (select town from {W} intersect select 'Ulm')",
    "by recursion":
        "with recursive up as (select 1 as m union all"
        f" select m + 1 from up where m < (select length(max(town)) from {W})) select m from up",
    "by a pivot": f"select ulm as m from (select * from (select town, wet from {W}) pivot (count(*) for"
        f" town in ('Ulm' as ulm)))",
    "by an unpivot": f"select m from (select town as a, 'x' as b from {W}) unpivot (m for n in (a, b))",
    "by a list": f"select list_filter([1, 2, 3], lambda e: e < length(town)) as m from {W}",
    "by distinct on": f"select distinct on (wet) 1 as m from {W} order by wet, town",
}  # fmt: skip
# Of `wet`, which is restricted: a number that is none of its own, and says which it is.
EQUALS = {
    "a series": f"select n as m from range(100) as g(n) inner join {W} on n = wet",
    "a series, in a where": f"select n as m from range(100) as g(n), {W} where wet = n",
    "a series, up to it":
        f"select max(n) as m from range(100) as g(n) inner join {W} on n <= wet group by town",
    "a series, between": f"select n as m from range(100) as g(n) inner join {W} on n between wet and wet",
    "a series, kept beside":
        f"select n as m from range(100) as g(n) left join {W} on n = wet where town = 'Ulm'",
    "a series, calculated": f"select n as m from range(100) as g(n) inner join {W} on n + 1 = wet * 2",
    "a series, or nothing": f"select n as m from range(100) as g(n) inner join {W} on n = wet or n is null",
    "a series, in a list": f"select n as m from range(100) as g(n) where n in (select wet from {W})",
    "a series, not in a list": f"select n as m from range(100) as g(n) where n not in (select wet from {W})",
    "a series, that is there":
        f"select n as m from range(100) as g(n) where exists (select 1 from {W} where wet = n)",
    "a series, without it":
        f"select n::decimal(6, 1) as m from range(100) as g(n) except select wet from {W}",
    "a series, looked up":
        f"select (select max(n) from range(100) as g(n) where n <= wet) as m from {W}",
    "as many of a series": f"select count(*) as m from {W}, range(100) as g(n) where n < wet group by town",
    "as many of a series, over": f"select count(*) over () as m from {W}, range(100) as g(n) where n < wet",
    "as many of a series, of another column":
        f"select sum(size) as m from {W}, range(100) as g(n) where n < wet group by town",
    "as many as it says": f"select count(*) as m from {W}, range(wet::int) as g(n) group by town",
    "as many elements as it says":
        f"select count(*) as m from (select town, unnest(range(wet::int)) from {W}) group by town",
    "as many of a seed":
        f"select count(*) as m from {W} inner join reference.numbers on n < wet group by town",
    "as many, a model below": "select count(*) as m from marts.repeated group by town",
    "as many, two models below": "select count(*) as m from marts.repeated_again group by town",
    "values": f"select n as m from (values (1), (2)) as v(n) inner join {W} on n = wet",
    "values, their other column":
        f"select k as m from (values (1, 'a')) as v(n, k) inner join {W} on n = wet",
    "elements": f"select n as m from (select unnest([1, 2]) as n) inner join {W} on n = wet",
    "numbers of rows":
        f"select n as m from (select row_number() over () as n from {W}) inner join {W} on n = wet",
    "numbers by recursion": "with recursive r as (select 1 as n union all select n + 1 from r where n < 99)"
        f" select n as m from r inner join {W} on n = wet",
    "a seed": f"select n as m from reference.numbers inner join {W} on n = wet",
    "a seed's other column": f"select label as m from reference.numbers inner join {W} on n = wet",
    "a seed's other column, up to it":
        f"select max(label) as m from reference.numbers inner join {W} on n <= wet group by town",
    "a seed's other column, a model below": f"select label as m from marts.numbers inner join {W} on n = wet",
    "a series of a model below": f"select n as m from marts.series inner join {W} on n = wet",
    "ranks of a model below": f"select max(k) as m from marts.ranks inner join {W} on k <= wet group by town",
    "a seed, intersected":
        f"select n::decimal(6, 1) as m from reference.numbers intersect select wet from {W}",
    "a column of a source": f"select amount as m from raw.bills inner join {W} on amount = wet",
    "a column of a source, in a list":
        f"select amount as m from raw.bills where amount in (select wet from {W})",
    "a column of the same table": f"select size as m from {W} where size = wet",
}  # fmt: skip
# What is joined as in any company, and says nothing of `wet`.
ORDINARY = {
    "by another key": f"select label as m from reference.numbers inner join {W} on label = size",
    "by another key, of what has enough":
        f"select label as m from reference.numbers inner join {W} on label = size where wet is not null",
    "by another key, of what is wet":
        f"select label as m from reference.numbers inner join {W} on label = size where wet > 5",
    "by another key, in the order of it":
        f"select label as m from reference.numbers inner join {W} on label = size order by wet",
    "ranks, by another column": f"select k as m from marts.ranks inner join {W} on s = wet",
    "another column of a source": f"select bill as m from raw.bills inner join {W} on amount = wet",
    "days of a calendar":
        f"select n as m from range(date '2024-01-01', date '2025-01-01', interval 1 day) as d(n)"
        f" left join {W} on n = business_date",
    "a number of rows": f"select count(*) as m from {W} group by town having sum(wet) > 5 * count(*)",
    "how many": f"select count(*) as m from {W} where wet > 5 group by town",
    "how many of a seed":
        f"select count(*) as m from {W} inner join reference.numbers on n = size group by town",
    "a column of rows that are repeated": "select size as m from marts.repeated",
    "a constant": f"select 'rain' as m from {W} where wet > 5",
    "a number of the rows that are": f"select row_number() over (order by size) as m from {W} where wet > 5",
}  # fmt: skip
# `only_ulm` and the like are what a model below makes, in the tables above.
STAGED = """\
select weather_date as business_date, town, rain_mm as wet, 1 + day(weather_date) as size,
case when town = 'Ulm' then rain_mm end as only_ulm,
    rain_mm * cast(town = 'Ulm' as integer) as ulm_factor, case when rain_mm > 99 then rain_mm end as flood,
    greatest(rain_mm - 99, 0) as above
from raw.weather
"""
# Models below, between the staging and the ways.
BELOW = {
    "marts.numbers": "select n, label from reference.numbers",
    "marts.ranks": f"select row_number() over (order by size) as k, size as s from {W}",
    "marts.repeated": f"select town, size from {W} inner join reference.numbers on n < wet",
    "marts.repeated_again": "select town from marts.repeated",
    "marts.series": "select n from range(100) as g(n)",
    "marts.ulm_and_dry": f"select * from {W} where town = 'Ulm' or wet = 0",
    "marts.ulm_and_dry_again": "select business_date, town, wet from marts.ulm_and_dry",
    "marts.there": f"select business_date, town, wet from {W} where wet is not null",
}
RAW, STAGING = Relation("raw", "weather"), Relation("staging", "stg_weather")


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> ClassFlow:
    """The classes of a table for each way, as the engine binds it."""
    edited = Edited(
        shutil.copytree(BAKERY, tmp_path_factory.mktemp("ways") / "project"), tmp_path_factory.mktemp("data")
    ).write("contracts/classes.yml", CLASSES)
    edited.classify("weather", "Rain in millimetres; empty where the gauge was dry or broken.", "restricted")
    edited.edit(
        "contracts/weather.odcs.yaml",
        ("description: The town.\n", "description: The town.\n        classification: personal\n"),
        ("{restricted: keep}", "{restricted: keep, personal: keep}"),
    )
    rules, problems = load_classes(edited.folder)
    contracts, more = load_contracts(edited.folder)
    assert [*problems, *more] == []
    connection = duckdb.connect()
    connection.execute("create schema raw; create schema staging; create schema marts")
    connection.execute("create schema reference; create table reference.numbers (n integer, label varchar)")
    connection.execute("create table raw.bills (bill varchar, amount decimal(6, 1))")
    connection.execute("create table raw.weather (weather_date date, town varchar, rain_mm decimal(6, 1))")
    staged = table_origins(connection, STAGING, STAGED)
    connection.execute(f"create table {STAGING} as {STAGED}")
    weather = contracts["weather"]
    source = TableOrigins(RAW, {column.name: frozenset[Origin]() for column in weather.columns})
    seed = TableOrigins(Relation("reference", "numbers"), dict.fromkeys(("n", "label"), frozenset[Origin]()))
    below: list[TableOrigins] = []
    for name, sql in BELOW.items():
        below.append(table_origins(connection, Relation(*name.split(".")), sql))
        connection.execute(f"create table {name} as {sql}")
    ways = [
        table_origins(connection, _table(name), sql)
        for name, sql in (MEASURES | FAIR | VALUES | EQUALS | ORDINARY).items()
    ]
    assert {way.relation: way.not_understood for way in ways if way.not_understood} == {}
    return ClassFlow(ColumnGraph([source, seed, staged, *below, *ways]), rules, {"weather": weather}, {})


def _table(name: str) -> Relation:
    return Relation("marts", name.replace(" ", "_").replace(",", "").replace("'", ""))


@pytest.mark.parametrize("name", MEASURES)
def test_no_measure_of_fewer_rows_is_lower(flow: ClassFlow, name: str) -> None:
    assert "restricted" in flow.of(Place(_table(name), "m"))


@pytest.mark.parametrize("name", FAIR)
def test_a_measure_of_enough_rows_is(flow: ClassFlow, name: str) -> None:
    assert flow.of(Place(_table(name), "m")) == {"internal"}


@pytest.mark.parametrize("name", VALUES)
def test_what_is_personal_neither_passes_nor_decides(flow: ClassFlow, name: str) -> None:
    decides = {one.class_ for one in flow.deciding(_table(name))}
    assert "personal" in flow.of(Place(_table(name), "m")) | decides


@pytest.mark.parametrize("name", EQUALS)
def test_what_is_equal_to_a_value_has_its_class(flow: ClassFlow, name: str) -> None:
    assert "restricted" in flow.of(Place(_table(name), "m"))


@pytest.mark.parametrize("name", ORDINARY)
def test_what_is_joined_by_another_column_has_not(flow: ClassFlow, name: str) -> None:
    assert flow.of(Place(_table(name), "m")) == frozenset()
