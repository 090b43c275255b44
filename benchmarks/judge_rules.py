"""How long ten rules take: one SQL aggregate written by hand, the platform, Great Expectations on pandas.

The table is a DuckDB file with 8 columns. The aggregate says the same as the rules do, as somebody who knows
the table would write it; the platform takes the rules as a suite has them. Each side is a fresh process,
timed from before it imports its engine to the last verdict, with its peak of resident memory; the best of
several, where Great Expectations runs once. It loads the table before it validates, decimals as floats: they
are faster. Uniqueness is cheap for the platform where ids lie close together, and costs more where they do
not (`--key-step`).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

from benchmarks.measuring import Side, show

GOAL = "1.1 x one aggregate by hand"
SMALLEST = ("--rows", "1000", "--rounds", "1", "--skip-pandas")
GENERATE = """
import duckdb, sys
with duckdb.connect(sys.argv[1]) as connection:
    connection.execute("set memory_limit = '1GB'; set enable_progress_bar = false")
    connection.execute(f'''create table sales as select
        range * {int(sys.argv[3])} as id,
        date '2022-10-03' as day,
        cast(hash(range) % 3000 as integer) as store,
        'item-' || hash(range + 1) % 50000 as item,
        cast(hash(range + 2) % 100000 / 100 as decimal(12, 2)) as price,
        cast(hash(range + 2) % 100000 / 100 + 1 as decimal(12, 2)) as retail,
        cast(hash(range + 3) % 1000 as double) / 10 as discount,
        case when range % 100 = 0 then null
             else ['Ames', 'Boone', 'Pella'][1 + cast(hash(range + 4) % 3 as integer)] end as city
        from range({int(sys.argv[2])})''')
"""
RULES = """
def rules(rows):
    def rule(kind, **kwargs):
        return {"type": "expect_" + kind, "kwargs": kwargs}
    return [
        rule("table_row_count_to_be_between", min_value=rows, max_value=rows),
        rule("column_values_to_not_be_null", column="id"),
        rule("column_values_to_be_unique", column="id"),
        rule("column_values_to_be_between", column="price", min_value=0, max_value=1000),
        rule("column_values_to_be_between", column="discount", min_value=0, max_value=100),
        rule("column_values_to_be_in_set", column="city", value_set=["Ames", "Boone", "Pella"]),
        rule("column_values_to_not_be_null", column="city", mostly=0.9),
        rule("column_values_to_match_regex", column="item", regex="^item-[0-9]+$"),
        rule("column_pair_values_a_to_be_greater_than_b", column_A="retail", column_B="price"),
        rule("column_mean_to_be_between", column="price", min_value=400, max_value=600),
    ]
"""
MEASURED = """
import json, resource, sys, time
path, rows = sys.argv[1], int(sys.argv[2])
began = time.perf_counter()
def done(passed, **more):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert passed == [True] * 10, passed
    print(json.dumps({"seconds": time.perf_counter() - began, "peak_mb": peak, **more}))
"""
AGGREGATE = """
import duckdb
with duckdb.connect(path, read_only=True) as connection:
    connection.execute("set enable_progress_bar = false")
    count, ids, different, prices, discounts, cities, towns, items, retails, mean = connection.execute('''
        select count(*), count(id), count(distinct id),
            count(*) filter (where not price between 0 and 1000),
            count(*) filter (where not discount between 0 and 100),
            count(*) filter (where city not in ('Ames', 'Boone', 'Pella')),
            count(city),
            count(*) filter (where not regexp_matches(item, '^item-[0-9]+$')),
            count(*) filter (where not retail > price),
            avg(price)
        from sales''').fetchone()
done([count == rows, ids == rows, different == rows, not prices, not discounts, not cities,
      towns >= 0.9 * rows, not items, not retails, 400 <= mean <= 600])
"""
OURS = """
import duckdb
from sluicegate.quality.judging import judge
from sluicegate.quality.suites import Rule
with duckdb.connect(path, read_only=True) as connection:
    connection.execute("set enable_progress_bar = false")
    results = judge(connection, "sales", None, [Rule(**rule) for rule in rules(rows)], key_columns=["id"])
done([item.passed for item in results])
"""
PANDAS = """
import logging, os, warnings
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
os.environ["GX_ANALYTICS_ENABLED"] = "false"
import duckdb
import great_expectations as gx
with duckdb.connect(path, read_only=True) as connection:
    connection.execute("set enable_progress_bar = false")
    frame = connection.execute(f"select * from sales limit {rows}").df()
loaded = time.perf_counter() - began
context = gx.get_context(mode="ephemeral")
context.variables.progress_bars = {"globally": False}
asset = context.data_sources.add_pandas("sales").add_dataframe_asset("rows")
batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
results = batch.validate(gx.ExpectationSuite(name="suite", expectations=rules(rows))).results
done([bool(item.success) for item in results], load_seconds=loaded)
"""
# Great Expectations takes about 4 GB for 10 million rows; on a smaller machine it gets fewer.
MB_A_MILLION_ROWS = 600


def measure(program: str, path: Path, rows: int, rounds: int) -> dict[str, Any]:
    """Return the figures of the fastest of `rounds` fresh processes."""
    command = [sys.executable, "-c", RULES + MEASURED + program, str(path), str(rows)]
    answers = [
        json.loads(
            subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]
        )
        for _ in range(rounds)
    ]
    return min(answers, key=lambda answer: answer["seconds"])


def main() -> None:
    """Print the figures as a table, and as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--key-step", type=int, default=1, help="how far apart the unique ids are")
    parser.add_argument("--skip-pandas", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sales.duckdb"
        generate = [sys.executable, "-c", GENERATE, str(path), str(options.rows), str(options.key_step)]
        subprocess.run(generate, check=True)
        measure(AGGREGATE, path, options.rows, rounds=1)  # the file is in the system's cache for all
        aggregate = measure(AGGREGATE, path, options.rows, options.rounds)
        ours = measure(OURS, path, options.rows, options.rounds)
        sides = [
            Side("one aggregate by hand", aggregate["seconds"], aggregate["peak_mb"]),
            Side("the platform", ours["seconds"], ours["peak_mb"]),
        ]
        ratio = ours["seconds"] / aggregate["seconds"]
        figures: dict[str, Any] = {"rows": options.rows, "ratio": round(ratio, 3), "peak_mb": ours["peak_mb"]}
        if not options.skip_pandas:
            room = psutil.virtual_memory().available / 2**20
            rows = min(options.rows, int(0.8 * room / MB_A_MILLION_ROWS) * 1_000_000)
            pandas = measure(PANDAS, path, rows, rounds=1)
            slower = pandas["seconds"] / aggregate["seconds"] * options.rows / rows
            told = f"{rows:,} rows, scaled to all; {pandas['load_seconds']:.2f} s of it to load"
            sides.append(Side("GX on pandas", slower * aggregate["seconds"], pandas["peak_mb"], told))
            figures |= {"pandas_ratio": round(slower, 3), "pandas_peak_mb": pandas["peak_mb"]}
    title = f"10 rules, {options.rows:,} rows of 8 columns, ids {options.key_step:,} apart"
    show(title, "s", sides, GOAL)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
