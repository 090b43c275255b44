"""Constructs that make values: columns, functions, aggregates, windows.

Belongs here: SQL, and what is so of it. Does not belong here: what makes rows (constructs_of_rows.py).
"""

from collections.abc import Mapping

from tests.columns.case import Case

VALUES: Mapping[str, Case] = {
    "a column": Case(
        "select a from t",
        "a: identity t.a",
        row_of="t",
    ),
    "a renamed column": Case(
        "select a as x from t",
        "x: identity t.a",
        row_of="t",
    ),
    "a cast": Case(
        "select a::varchar as x, try_cast(b as int) as y, c::decimal(9, 2) as z from t",
        "x: identity t.a; y: identity t.b; z: identity t.c",
        row_of="t",
    ),
    "a collation": Case(
        "select b collate nocase as x from t",
        "x: identity t.b",
        row_of="t",
    ),
    "arithmetic": Case(
        "select a + 1 as x, a * c as y from t",
        "x: transformation t.a; y: transformation t.a, transformation t.c",
        row_of="t",
    ),
    "text functions": Case(
        "select upper(b) as x, b || '!' as y, concat(b, a) as z, regexp_extract(b, '(x)', 1) as r from t",
        "x: transformation t.b; y: transformation t.b; z: transformation t.a, transformation "
        "t.b; r: transformation t.b",
        row_of="t",
    ),
    "dates": Case(
        "select date_trunc('month', d) as x, d + interval 1 day as y, extract(year from d) as z from t",
        "x: transformation t.d; y: transformation t.d; z: transformation t.d",
        row_of="t",
    ),
    "a constant": Case(
        "select 1 as x, 'k' as y from t",
        "x; y",
        row_of="t",
    ),
    "the clock and chance": Case(
        "select current_date as x, random() as y, a from t",
        "x; y; a: identity t.a",
        row_of="t",
    ),
    "star": Case(
        "select * from s",
        "a: identity s.a; d: identity s.d; e: identity s.e",
        row_of="s",
    ),
    "star with exclude and replace": Case(
        "select * exclude (a) replace (upper(e) as e) from s",
        "d: identity s.d; e: transformation s.e",
        row_of="s",
    ),
    "star renamed": Case(
        "select * rename (a as k) from s",
        "k: identity s.a; d: identity s.d; e: identity s.e",
        row_of="s",
    ),
    "columns by pattern": Case(
        "select columns('a|b') from t",
        "a: identity t.a; b: identity t.b",
        row_of="t",
    ),
    "from first": Case(
        "from s",
        "a: identity s.a; d: identity s.d; e: identity s.e",
        row_of="s",
    ),
    "a case": Case(
        "select case when a > 1 then b else c::varchar end as x from t",
        "x: identity t.b, identity t.c, conditional t.a",
        row_of="t",
    ),
    "a case of values": Case(
        "select case a when 1 then b else 'x' end as x from t",
        "x: identity t.b, conditional t.a",
        row_of="t",
    ),
    "if and nullif": Case(
        "select if(a > 1, b, 'x') as x, nullif(a, length(b)) as y from t",
        "x: identity t.b, conditional t.a; y: identity t.a, conditional t.a, conditional t.b",
        row_of="t",
    ),
    "coalesce": Case(
        "select coalesce(b, e) as x, ifnull(t.a, s.d) as y from t positional join s",
        "x: identity s.e, identity t.b; y: identity s.d, identity t.a",
    ),
    "greatest and least": Case(
        "select greatest(a, 3) as x, least(a, d) as y from s",
        "x: identity s.a; y: identity s.a, identity s.d",
        row_of="s",
    ),
    "comparisons as values": Case(
        "select a > 1 as x, b is null as y, a in (1, 2) as z, a between 1 and d as w, not (a = "
        "1) as v from s cross join (select 'k' as b)",
        "x: transformation s.a; y; z: transformation s.a; w: transformation s.a, transformation "
        "s.d; v: transformation s.a",
        row_of="s",
    ),
    "patterns as values": Case(
        "select b like 'x%' as x, b ~ 'x' as y from t",
        "x: transformation t.b; y: transformation t.b",
        row_of="t",
    ),
    "a value between values": Case(
        "select d between a and 3 as x, random() between 0 and a as y from s",
        "x: transformation s.a, transformation s.d; y: transformation s.a",
        row_of="s",
    ),
    "try": Case(
        "select try(a / d) as x from s",
        "x: transformation s.a, transformation s.d",
        row_of="s",
    ),
    "structs": Case(
        "select {'k': a, 'v': b} as x, struct_pack(k := a).k as y, row(a, b) as z from t",
        "x: identity t.a, identity t.b; y: identity t.a; z: identity t.a, identity t.b",
        row_of="t",
    ),
    "a field of a struct": Case(
        "select st.x as x, st.y as y from t",
        "x: identity t.st; y: identity t.st",
        row_of="t",
    ),
    "all fields of a struct": Case(
        "select st.* from t",
        "x: identity t.st; y: identity t.st",
        row_of="t",
    ),
    "lists": Case(
        "select [a, d] as x, l[1] as y, l[a] as z, list_sort(l) as w from (select a, a as d, l from t)",
        "x: identity t.a; y: identity t.l; z: identity t.l, conditional t.a; w: identity t.l",
        row_of="t",
    ),
    "maps": Case(
        "select map([a], [b]) as x, map([a], [b])[1] as y from t",
        "x: identity t.a, identity t.b; y: identity t.a, identity t.b",
        row_of="t",
    ),
    "json": Case(
        "select b::json->>'$.x' as x, to_json(a) as y from t",
        "x: transformation t.b; y: transformation t.a",
        row_of="t",
    ),
    "a whole row": Case(
        "select t as x from t",
        "x: identity t.a, identity t.b, identity t.c, identity t.d, identity t.l, identity t.st",
        row_of="t",
    ),
    "a whole row as json": Case(
        "select to_json(t) as x from t",
        "x: transformation t.a, transformation t.b, transformation t.c, transformation t.d, "
        "transformation t.l, transformation t.st",
        row_of="t",
    ),
    "a list transformed": Case(
        "select list_transform(l, x -> x + a) as x, list_transform(l, x -> b) as y, "
        "list_transform(l, x -> 1) as z from t",
        "x: transformation t.a, transformation t.l; y: identity t.b, identity t.l, "
        "transformation t.l; z: transformation t.l",
        row_of="t",
    ),
    "a list filtered": Case(
        "select list_filter(l, x -> x > a) as x from t",
        "x: identity t.l, conditional t.a, conditional t.l",
        row_of="t",
    ),
    "a list reduced": Case(
        "select list_reduce(l, (x, y) -> x + y) as x from t",
        "x: identity t.l, transformation t.l",
        row_of="t",
    ),
    "a list comprehension": Case(
        "select [x + 1 for x in l if x > a] as x from t",
        "x: transformation t.a, transformation t.l, conditional t.a, conditional t.l",
        row_of="t",
    ),
    "an aggregate of a list": Case(
        "select list_aggregate(l, 'sum') as x, list_sum(l) as y from t",
        "x: pick t.l; y: pick t.l",
        row_of="t",
    ),
    "group by": Case(
        "select a as k, sum(c) as x, count(*) as n from t group by a",
        "k: identity t.a; x: measure t.c; n",
        rows="group_by t.a",
    ),
    "group by all": Case(
        "select a as k, upper(b) as u, avg(c) as x from t group by all",
        "k: identity t.a; u: transformation t.b; x: measure t.c",
        rows="group_by t.a, group_by t.b",
    ),
    "no group": Case(
        "select sum(c) as x, max(b) as y from t where a > 1",
        "x: measure t.c; y: pick t.b",
        rows="filter t.a",
    ),
    "picks": Case(
        "select max(b) as x, any_value(b) as y, first(b) as z, mode(a) as m, median(c) as h, "
        "quantile_cont(c, 0.3) as q, list(a) as l, histogram(a) as i, max(c, 2) as two from t",
        "x: pick t.b; y: pick t.b; z: pick t.b; m: pick t.a; h: pick t.c; q: pick t.c; l: pick "
        "t.a; i: pick t.a; two: pick t.c",
    ),
    "measures": Case(
        "select count(b) as x, count(distinct b) as y, stddev(c) as z, count_if(a > 1) as w, "
        "approx_count_distinct(b) as v, corr(a, c) as u from t",
        "x: measure t.b; y: measure t.b; z: measure t.c; w: measure t.a; v: measure t.b; u: "
        "measure t.a, measure t.c",
    ),
    "picks by another column": Case(
        "select arg_max(b, c) as x, min_by(b, a) as y, string_agg(b, ',' order by c) as z from t",
        "x: pick t.b, conditional t.c; y: pick t.b, conditional t.a; z: pick t.b, conditional t.c",
    ),
    "an aggregate's filter": Case(
        "select sum(a) filter (where c > 1) as x from t",
        "x: conditional t.c, measure t.a",
    ),
    "an aggregate of a case": Case(
        "select max(case when a = 1 then b end) as x from t",
        "x: pick t.b, conditional t.a",
    ),
    "aggregates of aggregates": Case(
        "select sum(x) as y, max(x) as z from (select sum(c) as x, a from t group by a)",
        "y: measure t.c; z: measure t.c",
        rows="group_by t.a",
    ),
    "calculations with aggregates": Case(
        "select max(a) - min(a) as x, sum(c) / count(*) as y from t",
        "x: transformation t.a; y: measure t.c",
    ),
    "a window": Case(
        "select row_number() over (partition by b order by c) as x, sum(a) over (partition by b) as y from t",
        "x: window t.b, window t.c; y: measure t.a, window t.b",
        row_of="t",
    ),
    "a named window": Case(
        "select lag(a, 1, 7) over w as x, rank() over w as y from t window w as (partition by b order by d)",
        "x: pick t.a, window t.b, window t.d; y: window t.b, window t.d",
        row_of="t",
    ),
    "values of other rows": Case(
        "select first_value(b) over w as x, nth_value(b, 2) over w as y, lead(b, 1, 'q') over w "
        "as z, ntile(4) over w as n from t window w as (order by d)",
        "x: pick t.b, window t.d; y: pick t.b, window t.d; z: pick t.b, window t.d; n: window t.d",
        row_of="t",
    ),
    "a window's frame and filter": Case(
        "select sum(c) filter (where a > 1) over (order by d rows between 1 preceding and "
        "current row) as x from t",
        "x: conditional t.a, measure t.c, window t.d",
        row_of="t",
    ),
    "windows over picks": Case(
        "select max(b) over (order by d) as x, list(b) over () as y, first_value(b order by c) "
        "over () as z from t",
        "x: pick t.b, window t.d; y: pick t.b; z: pick t.b, window t.c",
        row_of="t",
    ),
    "a window over an aggregate": Case(
        "select a as k, sum(sum(c)) over (order by a) as x from t group by a",
        "k: identity t.a; x: measure t.c, window t.a",
        rows="group_by t.a",
    ),
    "a macro": Case(
        "select twice(a) as x from t",
        "x: transformation t.a",
        row_of="t",
    ),
    "hashes": Case(
        "select md5(b) as x, sha256(b) as y, hash(a) as z from t",
        "x: transformation t.b; y: transformation t.b; z: transformation t.a",
        row_of="t",
    ),
    "other numbers of rows": Case(
        "select dense_rank() over (order by c) as x, percent_rank() over (order by c) as y, "
        "cume_dist() over (order by c) as z from t",
        "x: window t.c; y: window t.c; z: window t.c",
        row_of="t",
    ),
    "filled between": Case(
        "select fill(c) over (order by d) as x, last_value(b ignore nulls) over (order by d) as y from t",
        "x: pick t.c, window t.d; y: pick t.b, window t.d",
        row_of="t",
    ),
    "a sum of a distinct": Case(
        "select sum(distinct c) as x, list(distinct b) as y from t",
        "x: measure t.c; y: pick t.b",
    ),
    "the number of a row": Case(
        "select rowid as x from t",
        "x: transformation t.a, transformation t.b, transformation t.c, transformation t.d, "
        "transformation t.l, transformation t.st",
        row_of="t",
    ),
    "a series of constants": Case(
        "select i as x from range(3) as r(i)",
        "x",
    ),
    "values": Case(
        "select i as x, j as y from (values (1, 'x'), (2, 'y')) v(i, j)",
        "x; y",
    ),
}
