"""Two queries that mean the same have the same digests; where a value or the rows may differ, they differ.

Belongs here: digests. Does not belong here: what a change comes to further down.
"""

import re
from collections.abc import Iterator

import duckdb
import pytest
from sluicegate.compute.column_plan import table_origins
from sluicegate.core.column_origins import TableOrigins

from tests.columns.case import MADE, tables
from tests.columns.constructs_of_rows import ROWS
from tests.columns.constructs_of_values import VALUES

SAME = {
    "layout and comments": (
        "select a + 1 as x from t where b = 'k'",
        "SELECT\n a+1 -- more\n AS x\nFROM t WHERE (b='k')",
    ),
    "aliases of tables": (
        "select t.a from t join s on t.a = s.a",
        "select p.a from t p join s as q on p.a = q.a",
    ),
    "names of queries": (
        "with q as (select a from t) select a from q",
        "with r as (select a as z from t) select z as a from r",
    ),
    "a query by name, and within": (
        "with q as (select a, b from t where c > 1) select a from q",
        "select a from (select * from t where c > 1)",
    ),
    "a query that is kept": (
        "with q as (select a from t) select a from q",
        "with q as materialized (select a from t) select a from q",
    ),
    "columns in another order": (
        "select a, sum(c) as x, b from t group by a, b",
        "select b, a, sum(c) as x from t group by b, a",
    ),
    "a star, and by name": ("select * from s", "select e, d, a from s"),
    "columns that nobody reads": (
        "select a from (select a, b from t)",
        "select a from (select a, c + 1 as k from t)",
    ),
    "conditions in another order": (
        "select a from t where b = 'k' and c > 1",
        "select a from t where c > 1 and b = 'k'",
    ),
    "distinct of another order": ("select distinct a, d from s", "select distinct d, a from s"),
    "joined by two in another order": (
        "select t.a from t join s on t.a = s.a and t.c = s.d",
        "select t.a from t join s on t.c = s.d and t.a = s.a",
    ),
    "a window with a name": (
        "select sum(c) over (partition by a) as x from t",
        "select sum(c) over w as x from t window w as (partition by a)",
    ),
    "another schema's way to say it": (
        "select a::int as x from t",
        "select cast(a as integer) as x from main.t",
    ),
    "a case, and if": (
        "select case when a > 1 then b else 'x' end as x from t",
        "select if(a > 1, b, 'x') as x from t",
    ),
    "except in another order": (
        "select a, d from s except select d, a from s",
        "select d, a from s except select a, d from s",
    ),
}
# What differs: the values of `x`, or which rows there are.
VALUE, WHICH = "x", "rows"
OTHER = {
    "another column": ("select a as x from s", "select d as x from s", VALUE),
    "another table": ("select a as x from t", "select a as x from s", VALUE),
    "another function": ("select upper(b) as x from t", "select lower(b) as x from t", VALUE),
    "another type": ("select a::bigint as x from t", "select a::varchar as x from t", VALUE),
    "a cast that may fail": ("select b::int as x from t", "select try_cast(b as int) as x from t", VALUE),
    "json and its text": ("select b::json as x from t", "select b::json::varchar as x from t", VALUE),
    "another aggregate": ("select sum(c) as x from t", "select avg(c) as x from t", VALUE),
    "each value once": ("select sum(c) as x from t", "select sum(distinct c) as x from t", VALUE),
    "an aggregate's filter": (
        "select sum(c) as x from t",
        "select sum(c) filter (where a > 1) as x from t",
        VALUE,
    ),
    "an aggregate's order": (
        "select list(b order by c) as x from t",
        "select list(b order by c desc) as x from t",
        VALUE,
    ),
    "an aggregate of other rows": (
        "select sum(c) as x from t where a > 1",
        "select sum(c) as x from t where a > 2",
        VALUE,
    ),
    "an aggregate of other groups": (
        "select sum(c) as x from t group by a",
        "select sum(c) as x from t group by b",
        VALUE,
    ),
    "a number of other rows": (
        "select count(*) as x from t",
        "select count(*) as x from t where a > 1",
        VALUE,
    ),
    "a window's order": (
        "select rank() over (order by c) as x from t",
        "select rank() over (order by c desc) as x from t",
        VALUE,
    ),
    "a window's part": (
        "select rank() over (order by c) as x from t",
        "select rank() over (partition by a order by c) as x from t",
        VALUE,
    ),
    "a window's frame": (
        "select sum(c) over (order by a rows 1 preceding) as x from t",
        "select sum(c) over (order by a range 1 preceding) as x from t",
        VALUE,
    ),
    "a window of other rows": (
        "select rank() over (order by c) as x from t",
        "select rank() over (order by c) as x from t where a > 1",
        VALUE,
    ),
    "nulls first": (
        "select rank() over (order by c nulls first) as x from t",
        "select rank() over (order by c) as x from t",
        VALUE,
    ),
    "which of a table read twice": (
        "select p.c as x from t p join t q on p.a = q.l[1]",
        "select q.c as x from t p join t q on p.a = q.l[1]",
        VALUE,
    ),
    "which of a table read three times": (
        "select q.c as x from t p join t q on p.a = q.a join t r on r.a = q.a",
        "select r.c as x from t p join t q on p.a = q.a join t r on r.a = q.a",
        VALUE,
    ),
    "which of a query read twice": (
        "with q as materialized (select a, d from s) select m.a as x from q m join q n on m.a = n.d",
        "with q as materialized (select a, d from s) select n.a as x from q m join q n on m.a = n.d",
        VALUE,
    ),
    "how a table is joined with itself": (
        "select p.e as x from s p join s q on p.a = q.d",
        "select p.e as x from s p join s q on p.d = q.a",
        WHICH,
    ),
    "an outer query's column": (
        "select (select max(y.e) from s y where y.a = z.d) as x from s z",
        "select (select max(y.e) from s y where y.d = z.a) as x from s z",
        VALUE,
    ),
    "a lookup by another column": (
        "select (select max(e) from s where s.a = t.a) as x from t",
        "select (select max(e) from s where s.d = t.a) as x from t",
        VALUE,
    ),
    "a left join by another column": (
        "select s.e as x from t left join s on t.a = s.a",
        "select s.e as x from t left join s on t.a = s.d",
        VALUE,
    ),
    "a condition of a case": (
        "select case when a > 1 then b end as x from t",
        "select case when a > 2 then b end as x from t",
        VALUE,
    ),
    "a field's name": ("select {'k': a} as x from t", "select {'j': a} as x from t", VALUE),
    "a function of elements": (
        "select list_transform(l, e -> e + 1) as x from t",
        "select list_transform(l, e -> e + 2) as x from t",
        VALUE,
    ),
    "which argument of it": (
        "select list_reduce(l, (p, q) -> p - q) as x from t",
        "select list_reduce(l, (p, q) -> q - p) as x from t",
        VALUE,
    ),
    "columns crossed in a union": (
        "select a as x, d as y from s union all select a, d from s",
        "select a as x, d as y from s union all select d, a from s",
        VALUE,
    ),
    "lines of values": (
        "select x from (values (1, 2)) v(x, y)",
        "select x from (values (2, 1)) v(x, y)",
        VALUE,
    ),
    "what a recursion adds": (
        "with recursive r(x) as (select 1 union all select x + 1 from r where x < 5) select x from r",
        "with recursive r(x) as (select 1 union all select x + 2 from r where x < 5) select x from r",
        VALUE,
    ),
    "of what a pivot": (
        "pivot (select a, b, c from t) on b in ('x') using sum(c) group by a",
        "pivot (select a, b, c from t) on b in ('x') using max(c) group by a",
        VALUE,
    ),
    "a condition": ("select a as x from t where c > 1", "select a as x from t where c >= 1", WHICH),
    "no condition": ("select a as x from t where c > 1", "select a as x from t", WHICH),
    "another way to join": (
        "select t.a as x from t join s using (a)",
        "select t.a as x from t left join s using (a)",
        WHICH,
    ),
    "that there is, and is not": (
        "select a as x from t semi join s using (a)",
        "select a as x from t anti join s using (a)",
        WHICH,
    ),
    "in, and not in": (
        "select b as x from t where a in (select d from s)",
        "select b as x from t where a not in (select d from s)",
        WHICH,
    ),
    "in another query": (
        "select b as x from t where a in (select d from s)",
        "select b as x from t where a in (select a from s)",
        WHICH,
    ),
    "each once": ("select a as x from s", "select distinct a as x from s", WHICH),
    "each once of more": (
        "select distinct a as x from s",
        "select x from (select distinct a as x, d from s)",
        WHICH,
    ),
    "the first by another order": (
        "select distinct on (a) d as x from s order by a, e",
        "select distinct on (a) d as x from s order by a, e desc",
        WHICH,
    ),
    "how many": ("select a as x from t limit 3", "select a as x from t limit 4", WHICH),
    "from where on": (
        "select a as x from t limit 3 offset 1",
        "select a as x from t limit 3 offset 2",
        WHICH,
    ),
    "the first of another order": (
        "select a as x from t order by c limit 3",
        "select a as x from t order by c desc limit 3",
        WHICH,
    ),
    "union of all": (
        "select a as x from t union select a from s",
        "select a as x from t union all select a from s",
        WHICH,
    ),
    "what is taken away": (
        "select a as x from s except select a from t",
        "select a as x from s except select d from s",
        WHICH,
    ),
    "groups": ("select 1 as x from t group by a", "select 1 as x from t group by a, b", WHICH),
    "sets of groups": (
        "select 1 as x from t group by rollup (a, b)",
        "select 1 as x from t group by cube (a, b)",
        WHICH,
    ),
    "sets of groups, one of nothing": (
        "select 1 as x from t group by a",
        "select 1 as x from t group by rollup (a)",
        WHICH,
    ),
    "sets of groups, two of nothing": (
        "select 1 as x from t group by grouping sets ((a), ())",
        "select 1 as x from t group by grouping sets ((a), (), ())",
        WHICH,
    ),
    "sets of groups, of nothing alone": (
        "select count(*) as x from t group by ()",
        "select count(*) as x from t group by grouping sets ((), ())",
        VALUE,
    ),
    "how often each is there": ("select a as x from t", "select a as x from t, range(2)", WHICH),
    "how often, by another number": (
        "select a as x from t, range(2)",
        "select a as x from t, range(3)",
        WHICH,
    ),
    "elements of a list": ("select a as x from t, unnest(l)", "select a as x from t, unnest([a])", WHICH),
    "a sample": ("select a as x from t using sample 10%", "select a as x from t using sample 20%", WHICH),
}


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with tables() as connection:
        yield connection


def told(connection: duckdb.DuckDBPyConnection, sql: str) -> TableOrigins:
    found = table_origins(connection, MADE, sql)
    assert found.not_understood == ()
    return found


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_the_same_has_the_same_digests(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> None:
    first, second = told(connection, one), told(connection, other)
    assert first.digests == second.digests
    assert first.rows_digest == second.rows_digest


@pytest.mark.parametrize(("one", "other", "what"), OTHER.values(), ids=OTHER)
def test_what_may_differ_has_another_digest(
    connection: duckdb.DuckDBPyConnection, one: str, other: str, what: str
) -> None:
    first, second = told(connection, one), told(connection, other)
    if what == VALUE:
        assert first.digests["x"] != second.digests["x"]
    else:
        assert first.digests["x"] == second.digests["x"]
        assert first.rows_digest != second.rows_digest


CONSTANT = re.compile(r"'(?P<text>[^']*)'|(?<![\w.])(?P<number>\d+)(?![\w.])")
# Of an EXISTS it is the same what it selects, a pivot's value may be one that nobody reads, and there is no
# aggregate of a name like that.
SAYS_NOTHING = ("exists", "exists at all", "exists as a value", "a wide pivot", "an aggregate of a list")
SQL = {
    name: case.sql
    for name, case in {**VALUES, **ROWS}.items()
    if CONSTANT.search(case.sql) and name not in SAYS_NOTHING
}


@pytest.mark.parametrize("sql", SQL.values(), ids=SQL)
def test_each_constant_has_a_part_in_a_digest(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    before, tried = told(connection, sql), 0
    for constant in CONSTANT.finditer(sql):
        new = f"'{constant['text']}q'" if constant["number"] is None else str(int(constant["number"]) + 1)
        found = table_origins(connection, MADE, f"{sql[: constant.start()]}{new}{sql[constant.end() :]}")
        if found.not_understood:  # the engine takes no other there
            continue
        tried += 1
        after = [*found.digests.values(), found.rows_digest]
        assert after != [*before.digests.values(), before.rows_digest], new
    assert tried
