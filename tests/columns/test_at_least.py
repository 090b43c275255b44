"""How many rows of a table a measure is proven to be made of; where nothing proves it, none.

Belongs here: groups, what is asked of their size, and joins. Does not belong here: what else a column is made
of (test_constructs.py).
"""

from collections.abc import Iterator

import duckdb
import pytest
from sluicegate.compute.column_plan import table_origins
from sluicegate.core.column_origins import Kind

from tests.columns.case import MADE

SCHEMA = """
    create table people (id int, region varchar, age int, pay double);
    create table regions (region varchar, country varchar, size int);
    create table visits (id int, seen date);
"""
BY = "select region, sum(pay) as x, count(pay) as n from people group by region"

# SQL of a column `x`, made of `people.pay` or `people.age`, and of how many people it is proven to be.
PROVEN = {
    "having at least": (f"{BY} having count(pay) >= 5", 5),
    "having more than": (f"{BY} having count(pay) > 5", 6),
    "having just": (f"{BY} having count(pay) = 7", 7),
    "the number first": (f"{BY} having 5 <= count(pay)", 5),
    "the number first, less": (f"{BY} having 5 < count(pay)", 6),
    "not fewer": (f"{BY} having not (count(pay) < 5)", 5),
    "between": (f"{BY} having count(pay) between 5 and 50", 5),
    "and something else": (f"{BY} having count(pay) >= 5 and sum(pay) > 3 and region <> 'x'", 5),
    "twice": (f"{BY} having count(pay) >= 5 and n >= 8", 8),
    "by its name": (f"{BY} having n >= 5", 5),
    "from outside": (f"select x from ({BY}) where n >= 5", 5),
    "from outside, by another name": (f"select k, x from (select x, n as k from ({BY})) where k > 4", 5),
    "from outside, cast": (f"select x from (select x, n::integer as k from ({BY})) where k >= 5::bigint", 5),
    "in a query by its name": (f"with q as ({BY}), r as (select * from q where n >= 5) select x from r", 5),
    "in a query that is kept": (f"with q as materialized ({BY}) select x from q where n >= 5", 5),
    "qualify": (f"{BY} qualify n >= 5 and row_number() over (order by region) > 0", 5),
    "after a window": (
        f"select x from (select *, rank() over (order by n) as k"
        f" from ({BY})) where n >= 5", 5,
    ),
    "after an order and a limit": (f"select x from ({BY} order by x limit 3) where n >= 5", 5),
    "asked beside a join": (f"select q.x from ({BY}) q join regions r using (region) where q.n >= 5", 5),
    "asked in a condition of a left join's result": (
        f"select q.x from regions r left join ({BY}) q using (region) where q.n >= 5", 5,
    ),
    "all people": ("select avg(pay) as x from people having count(pay) >= 100", 100),
    "counted of what is made of it": (f"{BY} having count(pay::decimal(9,2) * 2) >= 5", 5),
    "counted of what both are made of": ("select avg(pay + 1) as x from people having count(pay * 2) > 4", 5),
    "counted where it is there": (f"{BY} having count(*) filter (where pay is not null) >= 5", 5),
    "counted where it is there, and more": (
        f"{BY} having count(*) filter (where age > 3 and pay is not null) >= 5", 5,
    ),
    "counted of those where it is there": (
        "select sum(pay) as x from people where pay is not null having count(*) >= 5", 5,
    ),
    "counted of those where it is there, further down": (
        "with q as (select * from people where pay is not null and age > 3) select sum(pay) as x from q"
        " join (select distinct region from regions) r using (region) having count(*) >= 5", 5,
    ),
    "its values apart": (f"{BY} having count(distinct pay) >= 5", 5),
    "counted apart": (f"{BY} having count(distinct id) filter (where pay is not null) >= 5", 5),
    "counted apart, cast": (
        "select sum(pay) as x from people where pay is not null having count(distinct id::varchar) >= 5", 5,
    ),
    "counted apart in a join": (
        "select sum(p.pay) as x from people p join visits v on v.id = p.id group by region"
        " having count(distinct p.id) filter (where p.pay is not null) >= 5", 5,
    ),
    "calculated": (f"select round(x / n, 2) as x from ({BY}) where n >= 5", 5),
    "calculated before": ("select sum(pay * 2 + 1) as x from people having count(pay) >= 5", 5),
    "cast before": ("select sum(pay::int) as x from people having count(pay) >= 5", 5),
    "renamed before": (
        "with q as (select region as r, pay as p from people) select avg(p) as x from q group by r"
        " having count(p) >= 5", 5,
    ),
    "filtered before": (
        "select sum(pay) as x from people where age > 3"
        " group by region having count(pay) >= 5", 5,
    ),
    "with a filter on both": (
        "select sum(pay) filter (where age > 3) as x from people"
        " having count(pay) filter (where age > 3) >= 5", 5,
    ),
    "with a filter on the number alone": (
        "select sum(pay) as x from people having count(pay) filter (where age > 3) >= 5", 5,
    ),
    "shown only if enough": (
        "select case when count(pay) >= 5 then sum(pay) end as x from people"
        " group by region", 5,
    ),
    "shown if enough, or else": (
        "select if(count(pay) > 9, avg(pay), null) as x from people group by region", 10,
    ),
    "the more of two": (
        "select sum(pay) as x from people"
        " having count(pay) >= 5 and count(distinct pay) >= 7", 7,
    ),
    "a number apart": ("select count(distinct age) as x from people having count(age) >= 5", 5),
    "joined with one of each": (
        "select sum(pay) as x from people join (select region, max(size) as size from regions"
        " group by region) r"
        " using (region) group by region having count(pay) >= 5", 5,
    ),
    "joined with the newest of each": (
        "select sum(pay) as x from people left join (select * from regions"
        " qualify row_number() over (partition by region order by size) = 1) r using (region)"
        " group by region having count(pay) >= 5", 5,
    ),
    "joined with one row": (
        "select sum(pay) as x from people, (select max(size) as most from regions) where age < most"
        " group by region having count(pay) >= 5", 5,
    ),
    "those that are in another": (
        "select sum(pay) as x from people where id in (select id from visits)"
        " and exists (select 1 from regions r where r.region = people.region)"
        " group by region having count(pay) >= 5", 5,
    ),
    "with a correlated value": (
        "select sum(pay) as x from (select *, (select max(seen) from visits v where v.id = p.id) as last"
        " from people p) group by region having count(pay) >= 5", 5,
    ),
    "a sum of sums": (f"select sum(x) as x from ({BY} having count(pay) >= 5)", 5),
    "the greatest of sums": (f"select max(x) as x from ({BY} having count(pay) >= 5)", 5),
    "of groups and groups of groups": (
        "select sum(pay) as x from people group by rollup (region, age) having count(pay) >= 5", 5,
    ),
}  # fmt: skip
# What looks alike, and proves nothing.
NOT_PROVEN = {
    "nothing asked": BY,
    "counted where it is empty, too": f"{BY} having count(*) >= 5",
    "counted where another is there": f"{BY} having count(age) >= 5",
    "counted where another is there, in all": (
        "select sum(pay) as x from people where age is not null having count(*) >= 5"
    ),
    "counted where it is there or another": f"{BY} having count(coalesce(pay, age)) >= 5",
    "counted where it is there, or not": (
        f"{BY} having count(*) filter (where pay is not null or age > 3) >= 5"
    ),
    "counted where it is not there": f"{BY} having count(*) filter (where pay is null) >= 5",
    "counted of those that are apart": f"{BY} having count(distinct id) >= 5",
    "counted of rows that a join adds": (
        "select sum(pay) as x from regions r left join (select * from people where pay is not null) p"
        " using (region) having count(*) >= 5"
    ),
    "of one that is not divided by 0": "select sum(1 / pay::int) as x from people having count(pay) >= 5",
    "of one that is something in JSON": (
        "select sum(region::json::int * 1 + 0 * pay) as x from people having count(region) >= 5"
    ),
    "at most": f"{BY} having count(pay) <= 5",
    "the number first, at most": f"{BY} having 5 >= count(pay)",
    "or something else": f"{BY} having count(pay) >= 5 or region = 'x'",
    "another number": f"{BY} having sum(age) >= 5",
    "no number": f"{BY} having count(pay) >= max(age)",
    "with a fraction": f"{BY} having count(pay) >= 5.5",
    "asked of another group": f"select q.x from ({BY}) q, ({BY}) r where r.n >= 5",
    "asked of the same that is kept": (
        f"with q as materialized ({BY}) select a.x from q a join q b on a.region <> b.region where b.n >= 5"
    ),
    "asked before the group": "select sum(pay) as x from (select *, 9 as n from people) where n >= 5",
    "of a filter alone": "select sum(pay) filter (where id = 7) as x from people having count(pay) >= 5",
    "of another filter": (
        "select sum(pay) filter (where id = 7) as x from people having count(pay) filter (where id > 7) >= 5"
    ),
    "of one in a case": "select sum(case when id = 7 then pay end) as x from people having count(pay) >= 5",
    "of one by multiplication": "select sum(pay * (id = 7)::int) as x from people having count(pay) >= 5",
    "of one by another column": "select sum(pay * age) as x from people having count(pay) >= 5",
    "of those that can be cast": "select sum(try_cast(pay as int)) as x from people having count(pay) >= 5",
    "of those that are apart": "select sum(distinct pay) as x from people having count(pay) >= 5",
    "the difference of one": (
        "select sum(pay) - sum(pay) filter (where id <> 7) as x from people having count(pay) >= 5"
    ),
    "counted twice by a join": (
        "select sum(p.pay) as x from people p join visits v on v.id = p.id"
        " group by region having count(pay) >= 5"
    ),
    "counted twice by a product": "select sum(pay) as x from people, regions having count(pay) >= 5",
    "counted twice by a list": (
        "select sum(pay) as x from (select *, unnest([1, 2, 3]) as k from people) group by region"
        " having count(pay) >= 5"
    ),
    "counted twice by a series": "select sum(pay) as x from people, range(9) having count(pay) >= 5",
    "counted twice by a union": (
        "select sum(pay) as x from (from people union all from people) having count(pay) >= 5"
    ),
    "counted apart of the other table": (
        "select sum(p.pay) as x from people p join visits v on v.id = p.id where p.pay is not null"
        " group by region having count(distinct v.seen) >= 5"
    ),
    "counted apart of the same table read again": (
        "select sum(p.pay) as x from people p join people q on p.region = q.region group by p.id"
        " having count(distinct q.pay) >= 5"
    ),
    "counted apart of a calculation": (
        "select sum(pay) as x from people group by region having count(distinct pay * random()) >= 5"
    ),
    "numbered, then joined": (
        "select sum(pay) as x from people join (select q.region from (select region, row_number() over"
        " (partition by region) as k from regions) q join visits on true where q.k = 1) r using (region)"
        " having count(pay) >= 5"
    ),
    "joined with some of each": (
        "select sum(pay) as x from people join (select region, country from regions group by all) r"
        " using (region) having count(pay) >= 5"
    ),
    "of a window": (
        "select sum(pay) over (order by id) as x from people"
        " qualify count(pay) over (order by id) >= 5"
    ),
    "of a neighbour": f"select x from (select lag(x) over (order by n) as x, n from ({BY})) where n >= 5",
    "shown if few": (
        "select case when count(pay) >= 5 then 0 else sum(pay) end as x from people"
        " group by region"
    ),
    "of two columns": "select corr(pay, age) as x from people having count(pay) >= 5",
    "counted by two": "select count(pay) + 1 as n, sum(pay) as x from people group by region having n >= 5",
    "of the others": (
        "select (select sum(pay) from people) - sum(pay) as x from people"
        " group by region having count(pay) >= 5"
    ),
    "of what went over": (
        f"select max(x) as x from ({BY}) having max(n) >= 5"
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(SCHEMA)
        yield connection


def proven(connection: duckdb.DuckDBPyConnection, sql: str) -> set[int]:
    found = table_origins(connection, MADE, sql)
    assert found.not_understood == ()
    of_pay = [one for one in found.columns["x"] if one.place.column in ("pay", "age")]
    return {one.at_least for one in of_pay if one.kind in (Kind.MEASURE, Kind.PICK)}


@pytest.mark.parametrize(("sql", "number"), PROVEN.values(), ids=PROVEN)
def test_a_measure_is_made_of_so_many_rows(
    connection: duckdb.DuckDBPyConnection, sql: str, number: int
) -> None:
    assert proven(connection, sql) == {number}


@pytest.mark.parametrize("sql", NOT_PROVEN.values(), ids=NOT_PROVEN)
def test_what_proves_nothing_is_not_taken_for_a_proof(
    connection: duckdb.DuckDBPyConnection, sql: str
) -> None:
    assert proven(connection, sql) == {0}


@pytest.mark.parametrize("name", ["max", "min", "any_value", "first", "median", "mode", "list"])
def test_a_value_that_comes_out_itself_is_of_one_row(
    connection: duckdb.DuckDBPyConnection, name: str
) -> None:
    assert proven(connection, f"select {name}(pay) as x from people having count(pay) >= 5") == {0}
