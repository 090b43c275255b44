"""What each column that KQL makes or carries is made of: every operator, beside a statement of it.

Belongs here: one query a row, and random functions beside what the parser says once a column is gone. Does
not: what becomes of it in the graph (`test_columns`).
"""

import os
import random
from collections.abc import Iterator

import pytest
from sluicegate.core.column_origins import Kind
from sluicegate.kusto.language.engine import Database, Origins, Query

from tests.kql import shared_language

KINDS = list(Kind)
_SHORT = {
    "=": Kind.IDENTITY, "^": Kind.PICK, "~": Kind.TRANSFORMATION, "?": Kind.CONDITIONAL, "#": Kind.MEASURE,
    "s": Kind.SORT, "g": Kind.GROUP_BY, "j": Kind.JOIN, "f": Kind.FILTER,
}  # fmt: skip
DATABASE = Database(
    "db",
    [
        ("A", "(k: string, a: long, b: long, d: dynamic, t: datetime)"),
        ("B", "(k: string, b: long, c: string)"),
        ("C", "(k: string, b: string)"),
    ],
    [("V", "(k: string, n: long)", "A | summarize n=count() by k")],
    [
        ("F", "(x: long)", "{ A | where a == x | extend y = a + b | project-away d }"),
        ("G", "()", "{ F(3) | join kind=inner B on k }"),
        ("S", "(x: long)", "{ toscalar(A | where a == x | summarize max(b)) }"),
        ("P", "(T: (k: string))", "{ T | extend z = strlen(k) }"),
        ("Q", "(T: (*))", "{ T | extend z = 1 }"),
    ],
)
WHOLE = "k=A.k a=A.a b=A.b d=A.d t=A.t"
ALL = "A.a~ A.b~ A.d~ A.k~ A.t~"
EVERY = "A.af A.bf A.df A.kf A.tf"

# (query, "column=origins; …", each origin with its sign, "=" left out, "rows").
QUERIES: list[tuple[str, str, str]] = [
    ("A", WHOLE, ""),
    ("V", "k=V.k; n=V.n", ""),
    ("F(1)", "k=F.k; a=F.a; b=F.b; t=F.t; y=F.y", ""),
    ("F(1) | project y, b", "y=F.y; b=F.b", ""),
    # Columns chosen, renamed, worked out.
    ("A | project k, x=a, y=a+b, tostring(a)", "k=A.k; x=A.a; y=A.a~ A.b~; a=A.a~", ""),
    ("A | project-away d, t", "k=A.k; a=A.a; b=A.b", ""),
    ("A | project-away d*", "k=A.k; a=A.a; b=A.b; t=A.t", ""),
    ("A | project-keep k, a", "k=A.k; a=A.a", ""),
    ("A | project-keep k*", "k=A.k", ""),
    ("A | project-rename z=a | project z, k", "z=A.a; k=A.k", ""),
    ("A | project-rename a1=a, b1=b | project x=a1+b1", "x=A.a~ A.b~", ""),
    ("A | project-reorder t, * | project t", "t=A.t", ""),
    ("A | project-reorder t desc, a", "t=A.t; a=A.a; k=A.k; b=A.b; d=A.d", ""),
    ("A | extend a = b | project a, b", "a=A.b; b=A.b", ""),
    ("A | extend y = iff(a > 1, k, 'x') | project y", "y=A.a~ A.k~", ""),
    ("A | extend d.x | project d_x", "d_x=A.d~", ""),
    ("A | project d.x.y, d['z']", "d_x_y=A.d~; d_z=A.d~", ""),
    ("A | extend p = pack_all() | project p", f"p={ALL}", ""),
    ("A | extend p = column_ifexists('a', 1) | project p", "p=A.a~", ""),
    ("A | extend x = 1, n = now() | project x, n", "x=; n=", ""),
    ("A | extend y = a | extend z = y | where z > 1 | project w = z", "w=A.a", "A.af"),
    ("A | serialize r = row_number(), v = prev(a) | project r, v", "r=; v=A.a~", ""),
    ("A | as X | project a", "a=A.a", ""),
    ("A | getschema | project ColumnName", "ColumnName=", ""),
    ("A | count", "Count=", ""),
    ("print x = 1", "x=", ""),
    ("print x = S(1)", "x=S.value~", ""),
    ("range i from 1 to 3 step 1", "i=", ""),
    ("datatable(q: long) [1]", "q=", ""),
    # Rows.
    ("A | where a > 1 and isempty(k) | project b", "b=A.b", "A.af A.kf"),
    ("A | where * has 'x' | project b", "b=A.b", EVERY),
    ("A | where k in ((B | where b > 1 | project c)) | project a", "a=A.a", "A.kf B.bf B.cf"),
    ("A | where k in (B) | project a", "a=A.a", "A.kf B.bf B.cf B.kf"),
    ("A | where a == toscalar(B | summarize max(b)) | project k", "k=A.k", "A.af B.bf"),
    ("A | where a == S(1) | project k", "k=A.k", "A.af S.valuef"),
    ("A | top 3 by a | project k", "k=A.k", "A.as"),
    ("A | sort by a, b | project k", "k=A.k", "A.as A.bs"),
    ("A | order by a desc | take 3 | project k", "k=A.k", "A.as"),
    ("A | sample 3 | limit 2 | project k", "k=A.k", ""),
    ("A | distinct k, b", "k=A.k; b=A.b", "A.bg A.kg"),
    ("B | distinct *", "k=B.k; b=B.b; c=B.c", "B.bg B.cg B.kg"),
    ("A | sample-distinct 3 of k", "k=A.k", "A.kg"),
    # Summaries.
    ("A | summarize n=count(), s=sum(a), m=max(b) by k", "k=A.k; n=; s=A.a#; m=A.b^", "A.kg"),
    ("A | summarize avg(a) / count() by bin(t, 1d)", "t=A.t~; Column1=A.a#", "A.tg"),
    ("A | summarize s=sumif(a, b > 1) by z=k", "z=A.k; s=A.a# A.b#", "A.kg"),
    ("A | summarize make_list(k), dcount(a), take_any(t)", "list_k=A.k^; dcount_a=A.a#; t=A.t^", ""),
    ("A | summarize arg_max(t, a) by k", "k=A.k; t=A.t^ A.t?; a=A.a^ A.t?", "A.kg"),
    ("B | summarize arg_min(b, *) by k", "k=B.k; b=B.b^ B.b?; c=B.c^ B.b?", "B.kg"),
    ("B | summarize take_any(*) by k", "k=B.k; b=B.b^; c=B.c^", "B.kg"),
    ("A | summarize percentiles(a, 5, 95)", "percentile_a_5=A.a^; percentile_a_95=A.a^", ""),
    ("A | summarize by k", "k=A.k", "A.kg"),
    ("A | make-series s=sum(a) default=0 on t step 1d by k", "k=A.k; s=A.a#; t=A.t~", "A.kg A.tg"),
    ("A | top-nested 2 of k by sum(a)", "k=A.k; aggregated_k=A.a#", "A.ag A.kg"),
    ("A | top-hitters 2 of k by a", "k=A.k; approximate_sum_a=A.a#", "A.ag A.kg"),
    ("A | partition hint.strategy=native by k (summarize s=sum(a))", "s=A.a#", "A.kg"),
    ("A | partition by k (top 1 by a) | project b", "b=A.b", "A.as A.kg"),
    # Tables beside one another.
    ("A | join kind=inner B on k | project k, k1, a, b1, c",
     "k=A.k; k1=B.k A.kj; a=A.a; b1=B.b A.bj; c=B.c", "A.kj B.kj"),
    *(
        (f"A | join kind={kind} B on k | project a, c", "a=A.a; c=B.c", "A.kj B.kj")
        for kind in ("innerunique", "leftouter", "rightouter", "fullouter")
    ),
    *(
        (f"A | join kind={kind} B on k | project k", f"k={side}.k", "A.kj B.kj")
        for kind, side in (("leftsemi", "A"), ("leftanti", "A"), ("rightsemi", "B"), ("rightanti", "B"))
    ),
    ("A | join (B | project k, c) on $left.k == $right.c | project c, k1", "c=B.c; k1=B.k A.kj", "A.kj B.cj"),
    ("A | project bb = b | join (A | project bb = a) on $left.bb == $right.bb",
     "bb=A.b; bb1=A.a A.bj", "A.aj A.bj"),
    ("F(1) | join kind=inner A on k | project y, a1", "y=F.y; a1=A.a F.aj", "F.kj A.kj"),
    ("A | join kind=inner B on k | project-rename z = b1 | project z", "z=B.b A.bj", "A.kj B.kj"),
    ("A | as X | join kind=inner (X | project k, bb=b) on k | project bb", "bb=A.b", "A.kj"),
    ("A | lookup B on k | project a, b1, c", "a=A.a; b1=B.b A.bj; c=B.c", "A.kj B.kj"),
    ("A | union B | project k, b, c", "k=A.k B.k; b=A.b B.b; c=B.c", ""),
    ("union A, C | project b_long, b_string", "b_long=A.b C.bj; b_string=C.b A.bj", ""),
    ("union withsource=src A, B | project src, a", "src=; a=A.a", ""),
    ("union kind=inner A, B | project b", "b=A.b B.b", ""),
    ("union (A | where a > 1 | project k), (B | project k)", "k=A.k B.k", "A.af"),
    ("union A* | project a", "a=A.a", ""),
    # Values taken apart.
    ("A | mv-expand d | project d, a", "d=A.d~; a=A.a", "A.df"),
    ("A | mv-expand e=d to typeof(long) | project e, d", "e=A.d~; d=A.d", "A.df"),
    ("A | mv-expand with_itemindex=i d | project i, k", "i=; k=A.k", "A.df"),
    ("A | mv-apply e=d to typeof(long) on (top 1 by e | project e) | project e, k",
     "e=A.d~; k=A.k", "A.ds A.df"),
    ("A | parse k with * 'x=' p:long 'y=' q:string | project p, q, k", "p=A.k~; q=A.k~; k=A.k", ""),
    ("A | parse-where k with * 'x=' p:long | project p", "p=A.k~", "A.kf"),
    ("A | parse-kv k as (u: string) with (pair_delimiter=' ') | project u", "u=A.k~", ""),
    # What is named, and what is called.
    ("let L = A | where a > 1; L | project k", "k=A.k", "A.af"),
    ("let x = 1; A | where a > x | project k", "k=A.k", "A.af"),
    ("let m = toscalar(B | summarize max(b)); A | extend q = m | project q", "q=B.b~", ""),
    ("let m = materialize(A | where a > 1);"
     " m | join kind=inner (m | summarize c=count() by k) on k | project c",
     "c=", "A.kg A.kj A.af"),
    ("let f = (T: (k: string)) { T | extend w = strlen(k) }; f(B) | project w, k", "w=B.k~; k=B.k", ""),
    ("let f = (T: (*)) { T | extend z = 1 }; f((B | where b > 1)) | project c, z", "c=B.c; z=", "B.bf"),
    ("let f = (x: long) { x + toscalar(B | summarize max(b)) }; A | extend q = f(a) | project q",
     "q=A.a~ B.b~", ""),
    ("let f = (x: long) { A | where a > x }; f(2) | project k", "k=A.k", "A.af"),
    ("let f = view () { A | project k, b }; union f, B | project b", "b=A.b B.b", ""),
    ("B | invoke P() | project k, z", "k=P.k B.k; z=P.z B.b~ B.c~ B.k~", "B.bf B.cf B.kf"),
    ("Q((B | where b > 1)) | project z", "z=Q.z B.b~ B.c~ B.k~", "B.bf B.cf B.kf"),
    ("A | extend s = S(a) | project s", "s=S.value~ A.a~", ""),
    ("let SluiceAnalysed = (x: long) { A | where a == x | project k };", "k=A.k", "A.af"),
    ("let SluiceAnalysed = () { toscalar(A | summarize max(b)) };", "value=A.b~", ""),
    ("let SluiceAnalysed = (T: (k: string)) { T | join kind=inner B on k | project c };", "c=B.c", "B.kj"),
    ("table('A') | project a", "a=A.a", ""),
    ("materialized_view('V') | project n", "n=V.n", ""),
]  # fmt: skip


def analysed(query: str, database: Database = DATABASE) -> Query:
    language = shared_language()
    language.use_once(database)
    return language.query(query)


def stated(text: str) -> dict[str, set[str]]:
    parts = text.split("; ") if "; " in text or "=" not in text.partition("=")[2] else text.split(" ")
    return {name: set(of.split()) for name, _, of in (part.partition("=") for part in parts) if name}


def said(origins: Origins) -> tuple[dict[str, set[str]], set[str]]:
    sign = {KINDS.index(kind): "" if short == "=" else short for short, kind in _SHORT.items()}
    columns = {name: {f"{t}.{c}{sign[k]}" for _, t, c, k in of} for name, of in origins.columns}
    return columns, {f"{t}.{c}{sign[k]}" for _, t, c, k in origins.rows}


@pytest.mark.parametrize(("query", "columns", "rows"), QUERIES, ids=[one[0] for one in QUERIES])
@pytest.mark.sampled(4)
def test_every_operator_says_what_its_columns_are_made_of(query: str, columns: str, rows: str) -> None:
    found = analysed(query)
    assert not found.diagnostics
    assert said(found.origins) == (stated(columns), set(rows.split()))
    if found.columns is not None:
        assert [name for name, _ in found.origins.columns] == [name for name, _ in found.columns]


# Of these the parser's symbols do not tell, or a value comes of what no text names: all columns count.
BLIND: list[tuple[str, str, str]] = [
    ("A | evaluate bag_unpack(d)", "A", "EvaluateOperator"),
    ("A | evaluate pivot(k, sum(a)) | where b > 1", "A", "EvaluateOperator"),
    ("A | evaluate narrow()", "A", "EvaluateOperator"),
    ("A | reduce by k", "A", "ReduceByOperator"),
    ("A | scan with (step s: a > 1;)", "A", "ScanOperator"),
    ("A | search 'x'", "A", "SearchOperator"),
    ("search in (A, B) 'x'", "AB", "SearchOperator"),
    ("find in (A, B) where k == 'x'", "AB", "FindOperator"),
    ("A | make-graph k --> b with B on k | graph-match (x)-->(y) project x.k", "AB", "MakeGraphOperator"),
    ("A | make-graph k --> b with B on k | graph-to-table nodes", "AB", "MakeGraphOperator"),
    ("let f = (T: (*)) { T | evaluate bag_unpack(d) }; f(A) | project q = k", "A", "EvaluateOperator"),
]


@pytest.mark.parametrize(("query", "tables", "blind"), BLIND, ids=[one[0] for one in BLIND])
def test_where_the_parser_cannot_say_all_columns_count(query: str, tables: str, blind: str) -> None:
    found = analysed(query)
    assert blind in found.origins.blind
    columns = {
        (name, column.split(":")[0].strip("( "))
        for name, schema in DATABASE.tables if name in tables for column in schema.strip("()").split(",")
    }  # fmt: skip
    for name, of in found.origins.columns:
        assert {(table, column) for _, table, column, _ in of} >= columns, name
    assert {(table, column) for _, table, column, _ in found.origins.rows} >= columns


@pytest.mark.parametrize("query", ["union * | project k", "search 'x'", "find where k == 'x'"])
def test_what_reads_tables_that_it_does_not_name_reads_them_all(query: str) -> None:
    columns = dict(analysed(query).origins.columns)
    assert {table for _, table, _, _ in columns["k"]} >= {"A", "B", "C"}


# -- what a function cannot be without: random ones, beside the parser's own answer once a column is gone

SHARE = 10 * int(os.environ.get("SLUICE_TEST_KILLS", "1"))
_TABLES = {"R": ["p", "q", "s", "u"], "M": ["p", "q", "v", "w"], "N": ["q", "u", "x"]}
_NUMBERS = frozenset("pqsuvwx")


def step(rng: random.Random, columns: list[str], new: Iterator[str]) -> tuple[str, list[str]]:
    """An operator over columns, and the columns after it, as far as they are known here."""
    one, two = (rng.choice(columns) for _ in range(2))
    made = next(new)
    some = rng.sample(columns, rng.randint(1, len(columns)))
    without = [name for name in columns if name != one]
    side, right = rng.choice([(name, list(own)) for name, own in _TABLES.items()])
    key = [name for name in columns if name in right]
    steps = [
        (f"where {one} > {two}", columns),
        (f"extend {made} = {one} + {two}", [*columns, made]),
        (f"extend {one} = 1", columns),
        (f"project {', '.join(some)}", some),
        (f"project {', '.join([f'{made} = {one}', *without])}", [made, *without]),
        (f"project-rename {made} = {one}", [made, *without]),
        (f"summarize {made} = sum({one}) by {two}", [two, made]),
        (f"summarize arg_max({one}, *) by {two}", columns),
        (f"distinct {', '.join(some)}", some),
        (f"top 3 by {one}", columns),
        (f"sort by {one}", columns),
        (f"mv-expand {made} = pack_array({one}, {two}) to typeof(long)", [*columns, made]),
        (f"where {one} in (({side} | project {right[0]}))", columns),
        (f"extend {made} = toscalar({side} | summarize max({right[-1]}))", [*columns, made]),
        (f"as {made}_table | where {one} > 0", columns),
    ]  # fmt: skip
    if len(without) > 1:
        steps += [(f"project-away {one}", without), (f"project-keep {', '.join(without)}", without)]
        steps += [(f"project-reorder {one}, *", [one, *without])]
    if key:
        on = rng.choice(key)
        came = [name if name not in columns else f"{name}1" for name in right]
        if not set(came) & set(columns):
            steps += [(f"join kind=inner {side} on {on}", [*columns, *came])] * 3
            after = [name for name, own in zip(came, right, strict=True) if own != on]
            steps += [(f"lookup {side} on {on}", [*columns, *after])]
        steps += [(f"join kind=leftanti {side} on {on}", columns)]
    more = [*columns, *(name for name in right if name not in columns)]
    steps += [(f"union {side}", more)]
    return rng.choice(steps)


def written(tables: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(name, f"({', '.join(f'{one}: long' for one in columns)})") for name, columns in tables.items()]


@pytest.mark.parametrize("seed", range(SHARE))
def test_what_the_parser_refuses_once_a_column_is_gone_was_named(seed: int) -> None:
    rng = random.Random(seed)
    names = iter(f"n{number}" for number in range(100))
    table = rng.choice(list(_TABLES))
    columns, steps = list(_TABLES[table]), [table]
    for _ in range(rng.randint(1, 6)):
        text, columns = step(rng, columns, names)
        steps.append(text)
    query = " | ".join(steps)
    found = analysed(query, Database("random", written(_TABLES)))
    assert not found.diagnostics, query
    named = {(one, column) for _, one, column in found.origins.named}
    origins = {name: {(one, column) for _, one, column, _ in of} for name, of in found.origins.columns}
    for one, own in _TABLES.items():
        for column in own:
            without = {**_TABLES, one: [name for name in own if name != column]}
            then = analysed(query, Database("random", written(without)))
            told = (query, one, column, then.diagnostics)
            if then.diagnostics:
                assert (one, column) in named, told
                continue
            lost = {name for name, _ in found.columns or ()} - {name for name, _ in then.columns or ()}
            assert all((one, column) in origins[name] for name in lost), told
            # Where it is named and not missed, another table has a column of its name.
            others = [of for of, its in _TABLES.items() if of != one and column in its and of in query]
            assert (one, column) not in named or others or query.count(one) > 1, told
