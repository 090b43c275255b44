"""Constructs that make rows: filters, groups, joins, queries in queries, set operations.

Belongs here: SQL, and what is so of it. Does not belong here: what makes values (constructs_of_values.py).
"""

from collections.abc import Mapping

from tests.columns.case import Case

# So many that the engine works a pivot out in another way.
MANY = ", ".join(f"'k{number}'" for number in range(25))

ROWS: Mapping[str, Case] = {
    "where": Case(
        "select b from t where a > 3 and c < 4",
        "b: identity t.b",
        rows="filter t.a, filter t.c",
        row_of="t",
    ),
    "where with or": Case(
        "select b from t where a > 3 or d is null",
        "b: identity t.b",
        rows="filter t.a, filter t.d",
        row_of="t",
    ),
    "having": Case(
        "select b as k from t group by b having sum(c) > 10",
        "k: identity t.b",
        rows="group_by t.b, filter t.c",
    ),
    "rollup": Case(
        "select a as k, grouping(a) as g, sum(c) as x from t group by rollup (a, b)",
        "k: identity t.a; g; x: measure t.c",
        rows="group_by t.a, group_by t.b",
    ),
    "grouping sets": Case(
        "select a as k, sum(c) as x from t group by grouping sets ((a), (a, b), ())",
        "k: identity t.a; x: measure t.c",
        rows="group_by t.a, group_by t.b",
    ),
    "cube": Case(
        "select a as k, b as j, sum(c) as x from t group by cube (a, b)",
        "k: identity t.a; j: identity t.b; x: measure t.c",
        rows="group_by t.a, group_by t.b",
    ),
    "qualify": Case(
        "select a, b from t qualify row_number() over (partition by a order by c desc) = 1",
        "a: identity t.a; b: identity t.b",
        rows="filter t.a, filter t.c",
        row_of="t",
    ),
    "distinct": Case(
        "select distinct b from t",
        "b: identity t.b",
        rows="group_by t.b",
        row_of="t",
    ),
    "distinct on": Case(
        "select distinct on (a) a, b from t order by a, c",
        "a: identity t.a; b: identity t.b",
        rows="sort t.a, sort t.c, group_by t.a",
        row_of="t",
    ),
    "limit": Case(
        "select a from t limit 3",
        "a: identity t.a",
        row_of="t",
    ),
    "order and limit": Case(
        "select a from t order by c limit 3",
        "a: identity t.a",
        rows="sort t.c",
        row_of="t",
    ),
    "order": Case(
        "select a from t order by c",
        "a: identity t.a",
        rows="sort t.c",
        row_of="t",
    ),
    "a limit that is asked for": Case(
        "select a from t limit (select max(d) from s)",
        "a: identity t.a",
        rows="filter s.d",
        row_of="t",
    ),
    "a sample": Case(
        "select a from t using sample 10%",
        "a: identity t.a",
        row_of="t",
    ),
    "an inner join": Case(
        "select t.b, s.e from t join s on t.a = s.a",
        "b: identity t.b; e: identity s.e",
        rows="join s.a, join t.a",
    ),
    "using": Case(
        "select a, b, e from t join s using (a)",
        "a: identity t.a; b: identity t.b; e: identity s.e",
        rows="join s.a, join t.a",
    ),
    "a natural join": Case(
        "select b from t natural join s",
        "b: identity t.b",
        rows="join s.a, join s.d, join t.a, join t.d",
    ),
    "a left join": Case(
        "select t.b, s.e from t left join s on t.a = s.a and t.c > s.d",
        "b: identity t.b; e: identity s.e",
        rows="join s.a, join s.d, join t.a, join t.c",
    ),
    "a full join": Case(
        "select a, b, e from t full join s using (a)",
        "a: identity s.a, identity t.a; b: identity t.b; e: identity s.e",
        rows="join s.a, join t.a",
    ),
    "a right join": Case(
        "select t.b, s.e from t right join s on t.a = s.a",
        "b: identity t.b; e: identity s.e",
        rows="join s.a, join t.a",
    ),
    "a join on anything": Case(
        "select t.b from t join s on t.a > s.a or t.c = s.d",
        "b: identity t.b",
        rows="join s.a, join s.d, join t.a, join t.c",
    ),
    "a cross join": Case(
        "select t.b, s.e from t, s",
        "b: identity t.b; e: identity s.e",
    ),
    "a join of a table with itself": Case(
        "select x.a, y.b from t x join t y on x.a = y.l[1]",
        "a: identity t.a; b: identity t.b",
        rows="join t.a, join t.l",
    ),
    "a semi join": Case(
        "select b from t semi join s on t.a = s.a",
        "b: identity t.b",
        rows="join s.a, join t.a",
        row_of="t",
    ),
    "an anti join": Case(
        "select b from t anti join s using (a)",
        "b: identity t.b",
        rows="join s.a, join t.a",
        row_of="t",
    ),
    "an asof join": Case(
        "select t.b, s.e from t asof join s on t.a = s.a and t.c >= s.d",
        "b: identity t.b; e: identity s.e",
        rows="join s.a, join s.d, join t.a, join t.c",
    ),
    "a positional join": Case(
        "select t.b, s.e from t positional join s",
        "b: identity t.b; e: identity s.e",
    ),
    "in a query": Case(
        "select b from t where a in (select d from s where e = 'x')",
        "b: identity t.b",
        rows="filter s.d, filter s.e, filter t.a",
        row_of="t",
    ),
    "not in a query": Case(
        "select b from t where a not in (select d from s)",
        "b: identity t.b",
        rows="filter s.d, filter t.a",
        row_of="t",
    ),
    "several in a query": Case(
        "select c from t where (a, b) in (select a, e from s)",
        "c: identity t.c",
        rows="filter s.a, filter s.e, filter t.a, filter t.b",
        row_of="t",
    ),
    "compared with all": Case(
        "select b from t where a > all (select d from s)",
        "b: identity t.b",
        rows="filter s.d, filter t.a",
        row_of="t",
    ),
    "compared with any of a list": Case(
        "select b from t where a = any ([1, 2])",
        "b: identity t.b",
        rows="filter t.a",
        row_of="t",
    ),
    "exists": Case(
        "select b from t where exists (select 1 from s where s.a = t.a and s.d > 2)",
        "b: identity t.b",
        rows="filter s.a, filter s.d, filter t.a",
        row_of="t",
    ),
    "not exists": Case(
        "select b from t where not exists (from s where s.d = t.a)",
        "b: identity t.b",
        rows="filter s.d, filter t.a",
        row_of="t",
    ),
    "exists at all": Case(
        "select b from t where exists (select 1 from s where e = 'x')",
        "b: identity t.b",
        rows="filter s.e",
        row_of="t",
    ),
    "exists as a value": Case(
        "select exists (select 1 from s where s.d = t.a) as x, a in (select d from s) as y from t",
        "x: transformation t.a, conditional s.d, conditional t.a; y: transformation s.d, transformation t.a",
        row_of="t",
    ),
    "a scalar query": Case(
        "select b, (select max(d) from s where e = 'k') as x from t",
        "b: identity t.b; x: pick s.d, conditional s.e",
        row_of="t",
    ),
    "a correlated query": Case(
        "select b, (select max(d) from s where s.a = t.a) as x from t",
        "b: identity t.b; x: pick s.d, conditional s.a, conditional t.a",
        row_of="t",
    ),
    "a lookup": Case(
        "select (select e from s where s.d = t.a limit 1) as x from t",
        "x: identity s.e, conditional s.d, conditional t.a",
        row_of="t",
    ),
    "a list from a query": Case(
        "select array(select d from s where s.a = t.a order by e) as x from t",
        "x: pick s.d, conditional s.a, conditional s.d, conditional s.e, conditional t.a",
        row_of="t",
    ),
    "compared with a query": Case(
        "select a from t where b = (select max(b) from t)",
        "a: identity t.a",
        rows="filter t.b",
        row_of="t",
    ),
    "lateral": Case(
        "select t.b, q.m from t, lateral (select max(s.d) as m from s where s.a = t.a) q",
        "b: identity t.b; m: pick s.d",
        rows="group_by t.a, join t.a, filter s.a, filter t.a",
        row_of="t",
    ),
    "lateral with a limit": Case(
        "select t.b, q.d from t join lateral (select d from s where s.a > t.a order by d limit 1) q on true",
        "b: identity t.b; d: identity s.d",
        rows="join t.a, filter s.a, filter s.d, filter t.a",
    ),
    "union all": Case(
        "select a, b from t union all select d, e from s",
        "a: identity s.d, identity t.a; b: identity s.e, identity t.b",
    ),
    "union": Case(
        "select a from t union select d from s",
        "a: identity s.d, identity t.a",
        rows="group_by s.d, group_by t.a",
    ),
    "union by name": Case(
        "select a, b from t union all by name select e as b, a from s",
        "a: identity s.a, identity t.a; b: identity s.e, identity t.b",
    ),
    "except": Case(
        "select a from t except select d from s",
        "a: identity t.a",
        rows="group_by t.a, filter s.d, filter t.a",
    ),
    "intersect": Case(
        "select a from t intersect all select d from s",
        "a: identity s.d, identity t.a",
        rows="filter s.d, filter t.a",
    ),
    "a query by its name": Case(
        "with q as (select a as k, b from t where c > 1) select k, b from q",
        "k: identity t.a; b: identity t.b",
        rows="filter t.c",
        row_of="t",
    ),
    "a query that is kept": Case(
        "with q as materialized (select a, b from t) select x.a, y.b from q x join q y on x.a = y.a",
        "a: identity t.a; b: identity t.b",
        rows="join t.a",
    ),
    "a recursive query": Case(
        "with recursive r as (select a as n, b from t union all select n + 1, b from r where n < "
        "5) select * from r",
        "n: identity t.a, transformation t.a; b: identity t.b",
        rows="filter t.a",
    ),
    "a recursive join": Case(
        "with recursive r as (select a, 1 as n from t union select s.d, n + 1 from r join s on "
        "r.a = s.a) select a, n from r",
        "a: identity s.d, identity t.a; n",
        rows="group_by s.d, group_by t.a, join s.a, join s.d, join t.a",
    ),
    "a recursive query by key": Case(
        "with recursive r(a, b) using key (a) as (select a, b from t union select a + 1, b from "
        "r where a < 5) select * from r",
        "a: identity t.a, transformation t.a; b: identity t.b",
        rows="group_by t.a, filter t.a",
    ),
    "unnest": Case(
        "select a, unnest(l) as x from t",
        "a: identity t.a; x: identity t.l",
        rows="join t.l",
    ),
    "unnest beside": Case(
        "select t.b, u.x from t, unnest(t.l) as u(x)",
        "b: identity t.b; x: identity t.l",
        rows="join t.l",
    ),
    "unnest of structs": Case(
        "select unnest([{'x': a, 'y': b}], recursive := true) from t",
        "x: identity t.a, identity t.b; y: identity t.a, identity t.b",
        rows="join t.a, join t.b",
    ),
    "a series": Case(
        "select i as x, a from t, generate_series(1, t.a) as g(i)",
        "x: transformation t.a; a: identity t.a",
        rows="join t.a",
    ),
    "json of each row": Case(
        "select j.key as x, j.value as y from t, json_each(t.b) j",
        "x: transformation t.b; y: transformation t.b",
        rows="join t.b",
    ),
    "a join with values": Case(
        "select t.b, v.j as x from t join (values (1, 'x')) v(i, j) on v.i = t.a",
        "b: identity t.b; x: conditional t.a",
        rows="join t.a",
    ),
    "pivot": Case(
        "pivot (select a, b, c from t) on b in ('x', 'y') using sum(c) group by a",
        "a: identity t.a; x: conditional t.b, measure t.c; y: conditional t.b, measure t.c",
        rows="group_by t.a",
    ),
    "pivot of a pick": Case(
        "pivot (select a, b, d from t) on b in ('x', 'y') using max(d) group by a",
        "a: identity t.a; x: pick t.d, conditional t.b; y: pick t.d, conditional t.b",
        rows="group_by t.a",
    ),
    "a wide pivot": Case(
        f"select a, k1_s, k2_m from (pivot (select a, b, c, d from t) on b in ({MANY})"
        " using sum(c) as s, max(d) as m group by a)",
        "a: identity t.a; k1_s: conditional t.b, measure t.c; k2_m: pick t.d, conditional t.b",
        rows="group_by t.a, group_by t.b",
    ),
    "unpivot": Case(
        "unpivot (select a, d from s) on a, d into name k value v",
        "k; v: identity s.a, identity s.d",
        rows="join s.a, join s.d, filter s.a, filter s.d",
    ),
    "unpivot beside others": Case(
        "select e, k, v from (unpivot s on a, d into name k value v)",
        "e: identity s.e; k; v: identity s.a, identity s.d",
        rows="join s.a, join s.d, filter s.a, filter s.d",
    ),
    "a table macro": Case(
        "select k, v from of_table(3)",
        "k: identity t.a; v: pick t.b",
        rows="group_by t.a, filter t.c",
    ),
    "a view": Case(
        "select x, y from shown",
        "x: identity t.a; y: transformation t.b",
        rows="filter t.c",
        row_of="t",
    ),
    "one row beside all": Case(
        "select b, m from t, (select max(d) as m from s where e = 'x') q",
        "b: identity t.b; m: pick s.d, conditional s.e",
        row_of="t",
    ),
    "not in a list": Case(
        "select b from t where a not in (1, 2) and not (c is not null)",
        "b: identity t.b",
        rows="filter t.a, filter t.c",
        row_of="t",
    ),
    "a query in a query in a query": Case(
        "select (select max(d) from s where s.a = (select max(y.a) from t y where y.b = x.b)) as x from t x",
        "x: pick s.d, conditional s.a, conditional t.a, conditional t.b",
        row_of="t",
    ),
    "a lookup by a join": Case(
        "select t.b, q.m from t left join (select a, max(d) as m from s group by a) q on q.a = t.a",
        "b: identity t.b; m: pick s.d",
        rows="group_by s.a, join s.a, join t.a",
        row_of="t",
    ),
    "the newest of each by a join": Case(
        "select t.b, q.e from t join (select * from s qualify row_number() over (partition by a "
        "order by d) = 1) q using (a)",
        "b: identity t.b; e: identity s.e",
        rows="join s.a, join t.a, filter s.a, filter s.d",
        row_of="t",
    ),
}
