"""How long it takes to know where each column comes from: 1,000 models after a change of everything.

Generated: 200 sources of 20 columns, and models on them with CTEs, joins, windows, aggregates, unions and
`select *`, as they come out of dbt's compile, which is not counted. Timed is binding with the walk through
each plan, and what of it is the walk; beside it sqlglot, which qualifies and follows each column of the same
SQL. Warm is what a start pays in which nothing has changed: what is kept read, and the graph made of it.
Each in a fresh process; the best of several, sqlglot once.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.measuring import Side, show

GOAL = "1.3 x binding alone"
SMALLEST = ("--models", "12", "--rounds", "1")
SOURCES, WIDTH = 200, 20
# What is generated is told as JSON: {schema.name: {column: type}} of sources, {schema.name: SQL} of models.
TYPES = ("varchar", "integer", "date", "decimal(12,2)", "timestamp", "boolean")

BOUND = """
import json, resource, sys, time
from pathlib import Path
from sluicegate.core.settings import Settings
from sluicegate.transformation.binding import bind_project, bound_sql
import sluicegate.transformation.node_origins as node_origins

told = json.loads(Path(sys.argv[1]).read_text())
settings = Settings.load({}, project_dir=sys.argv[1].rpartition("/")[0], data_dir=sys.argv[2])
settings.dbt_target_dir.mkdir(parents=True, exist_ok=True)

class Compiled:
    def compiled_without_data(self, selectors, variables):
        names = [selector.removeprefix("fqn:") for selector in selectors]
        return {f"model.{name}": told["models"][name]["sql"] for name in names}, {}

walked = [0.0, 0]
def timed(*arguments, **more):
    began = time.process_time()
    found = walk(*arguments, **more)
    walked[0] += time.process_time() - began
    walked[1] += len(found.columns)
    assert not found.not_understood, found
    return found

digests = {f"model.{name}": name for name in told["models"]}
if sys.argv[3] == "changed":
    (settings.dbt_target_dir / "bound.json").unlink(missing_ok=True)
    walk, node_origins.origins_of = node_origins.origins_of, timed
    began = time.process_time()
    problems = bind_project(settings, Compiled(), told["content"], digests)
    whole = time.process_time() - began
    assert not problems, problems[:3]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(whole, walked[0], walked[1], memory)
else:
    from sluicegate.columns.graph import ColumnGraph
    began = time.process_time()
    bound = bound_sql(settings, digests)
    kept = time.process_time() - began
    began = time.process_time()
    graph = ColumnGraph(bound.origins.values())
    ways = [graph.above(place) for place in graph.fields()]
    made = time.process_time() - began
    print(kept, made, len(graph.tables), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
SQLGLOT = """
import json, resource, sys, time
from pathlib import Path
import sqlglot
from sqlglot.lineage import lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope
from sqlglot.schema import MappingSchema

told = json.loads(Path(sys.argv[1]).read_text())
schema = MappingSchema({}, dialect="duckdb")
for name, columns in told["sources"].items():
    schema.add_table(name, columns)
began, count = time.process_time(), 0
for name, model in told["models"].items():
    tree = qualify(sqlglot.parse_one(model["sql"], read="duckdb"), schema=schema, dialect="duckdb")
    scope = build_scope(tree)
    columns = tree.named_selects
    for column in columns:
        lineage(column, tree, schema, scope=scope, dialect="duckdb", trim_selects=False, copy=False)
        count += 1
    schema.add_table(name, dict.fromkeys(columns, "varchar"))
print(time.process_time() - began, 0, count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def generate(models: int) -> dict[str, Any]:
    """Return what is generated: sources, models with SQL and parents, and a manifest's content of both."""
    random = Random(1)
    sources = {
        f"raw.s{n}": {f"c{at}": TYPES[(n + at) % len(TYPES)] if at else "integer" for at in range(WIDTH)}
        for n in range(SOURCES)
    }
    columns = {name: list(of) for name, of in sources.items()}
    made: dict[str, dict[str, Any]] = {}
    for n in range(models):
        known = list(columns)
        name = f"staging.m{n}" if n < SOURCES else f"marts.m{n}"
        # Most models read what came shortly before them, as layers do.
        parents = [f"raw.s{n}"] if n < SOURCES else random.sample(known[-300:], k=2)
        sql, columns[name] = _model(n, parents, columns, random)
        made[name] = {"sql": sql, "parents": parents if n % 5 not in (0, 2) or n < SOURCES else parents[:1]}
    return {"sources": sources, "models": made, "content": _content(sources, made)}


def _model(
    n: int, parents: list[str], columns: Mapping[str, list[str]], random: Random
) -> tuple[str, list[str]]:
    one, other = parents[0], parents[-1]
    mine, theirs = columns[one], columns[other]
    if n < SOURCES:
        listed = [f"{c} as m{n}_{at}" if at else f"{c} as id" for at, c in enumerate(mine)]
        return f"select {', '.join(listed)} from {one} where {mine[1]} is not null", [
            f"m{n}_{at}" if at else "id" for at in range(len(mine))
        ]
    key, their_key = mine[0], theirs[0]
    some, few = (
        random.sample(mine[1:], k=min(8, len(mine) - 1)),
        random.sample(theirs[1:], k=min(6, len(theirs) - 1)),
    )
    if n % 5 == 0:  # deduplicated
        return (
            f"with ranked as (select *, row_number() over (partition by {key} order by {some[0]} desc)"
            f" as n{n}"
            f" from {one}) select * exclude (n{n}) from ranked where n{n} = 1",
            list(mine),
        )
    if n % 5 == 1:  # joined, by CTEs
        left, right = [f"l{n}_{at}" for at in range(len(some))], [f"r{n}_{at}" for at in range(len(few))]
        return (
            f"with a as (select {key} as id, {_renamed(some, left)} from {one}),"
            f" b as (select {their_key} as id, {_renamed(few, right)} from {other} where {their_key} > 3)"
            f" select a.id, {', '.join(left)}, {', '.join(right)}, case when a.id > 10 then 'many' else"
            f" cast({left[0]} as varchar) end as label{n} from a left join b on a.id = b.id",
            ["id", *left, *right, f"label{n}"],
        )
    if n % 5 == 2:  # counted
        measures = [f"x{n}_{at}" for at in range(len(some))]
        listed = ", ".join(f"max({c}) as {m}" for c, m in zip(some, measures, strict=True))
        return (
            f"select {key} as id, count(*) as n{n}, count(distinct {some[0]}) as d{n}, {listed} from {one}"
            f" where {key} is not null group by {key} having count(*) > 1",
            ["id", f"n{n}", f"d{n}", *measures],
        )
    if n % 5 == 3:  # one above the other
        names = [f"u{n}_{at}" for at in range(min(len(some), len(few)))]
        halves = [
            f"select cast({k} as bigint) as id, "
            + ", ".join(f"cast({c} as varchar) as {name}" for c, name in zip(of, names, strict=False))
            + f" from {table}"
            for k, of, table in ((key, some, one), (their_key, few, other))
        ]
        return " union all ".join(halves), ["id", *names]
    windows = ", ".join(
        f"lag({c}) over (partition by a.{some[0]} order by a.{key}) as w{n}_{at}"
        for at, c in enumerate(f"a.{c}" for c in some[:4])
    )
    return (
        f"select a.*, {windows}, (select count(*) from {other} as b where b.{their_key} = a.{key}) as k{n}"
        f" from {one} as a where exists (select 1 from {other} as b where b.{their_key} = a.{key})",
        [*mine, *(f"w{n}_{at}" for at in range(len(some[:4]))), f"k{n}"],
    )


def _renamed(columns: list[str], names: list[str]) -> str:
    return ", ".join(f"{column} as {name}" for column, name in zip(columns, names, strict=True))


def _content(sources: Mapping[str, Any], models: Mapping[str, Any]) -> dict[str, Any]:
    def place(name: str) -> dict[str, Any]:
        schema, _, table = name.partition(".")
        return {"schema": schema, "name": table, "alias": table, "identifier": table, "fqn": [name]} | {
            "relation_name": f'"warehouse"."{schema}"."{table}"', "original_file_path": f"models/{name}.sql",
            "package_name": "generated", "database": "warehouse",
        }  # fmt: skip

    def unique(name: str) -> str:
        return f"{'source' if name in sources else 'model'}.{name}"

    return {
        "metadata": {"project_name": "generated"},
        "sources": {
            unique(name): place(name)
            | {"resource_type": "source", "config": {}, "columns": {c: {"name": c, "data_type": t} for c,
            t in columns.items()}}
            for name, columns in sources.items()
        },
        "nodes": {
            unique(name): place(name)
            | {
                "resource_type": "model", "config": {"materialized": "table"}, "columns": {}, "meta": {},
                "depends_on": {"nodes": [unique(parent) for parent in model["parents"]]},
                "unique_id": unique(name),
            }
            for name, model in models.items()
        },
    }  # fmt: skip


def measure(program: str, *arguments: str, rounds: int) -> list[float]:
    """Return what a program prints that takes the least time of several fresh processes."""
    command = [sys.executable, "-c", program, *arguments]
    answers = [
        [
            float(word)
            for word in subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
        ]
        for _ in range(rounds)
    ]
    return min(answers)


def main() -> None:
    """Print the figures as a table, and as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        told, data = f"{folder}/told.json", f"{folder}/data"
        Path(told).write_text(json.dumps(generate(options.models)))
        whole, walk, columns, memory = measure(BOUND, told, data, "changed", rounds=options.rounds)
        kept, made, _, warm_memory = measure(BOUND, told, data, "warm", rounds=options.rounds)
        size = Path(data, "dbt/target/bound.json").stat().st_size
        peer, _, peer_columns, peer_memory = measure(SQLGLOT, told, rounds=1)
    sides = [
        Side("bound alone", whole - walk, memory, "the peak is of both"),
        Side("bound and walked", whole, memory, f"{walk:.2f} s of it the walk"),
        Side("sqlglot", peer, peer_memory, f"{peer / walk:.2f} x the walk, {peer_columns:.0f} columns"),
        Side("warm", kept + made, warm_memory, f"{kept:.2f} s to read {size / 1e6:.1f} MB"),
    ]
    show(f"{options.models} models, {columns:.0f} columns, by processor", "s", sides, GOAL)
    print(json.dumps({"whole_s": round(whole, 2), "walk_s": round(walk, 2), "warm_s": round(kept + made, 3)}))


if __name__ == "__main__":
    main()
