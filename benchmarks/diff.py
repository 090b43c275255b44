"""What it takes to tell a thousandth of ten million rows that is another: a bare join, `sluice env diff`.

Goal: 1.5 times the bare join, which reads the environment's table and the published Delta table, joins them
by key and counts rows that are added, removed and changed in any column. The comparison also counts by
column, sums up each number on both sides, proves that keys are unique, and picks keys to show. Both are fresh
processes that take turns, timed after their imports, with the peak of resident memory; the best of several.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks.generated_items import EVERY
from benchmarks.measuring import Side, show

GOAL = "1.5 x the bare join"
SMALLEST = ("--keys", "2000", "--rounds", "1")
COMMON = """
import json, resource, sys, time
from pathlib import Path
from sluicegate.areas import Area
from sluicegate.comparing.rows import compare_rows
from sluicegate.comparing.shapes import match
from sluicegate.delivery.ledger import KeyForm
from sluicegate.publishing.catalogue import PublishedTable
from sluicegate.warehouse.duckdb_file import DuckDBFile
folder, keys, every = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
shelf = Area(str(folder / "shelf"))
def opened():
    return DuckDBFile(folder / "warehouse.duckdb", shelf=shelf).session()
def told(began, cpu):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    taken = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    print(json.dumps(taken | {"peak_mb": peak}))
def was(session):
    return f"select * from {session.published(shelf.engine_path('items'), 0)} where _sluice_partition = 'day'"
"""
GENERATE = """
from benchmarks.generated_items import items
from deltalake import write_deltalake
import pyarrow.parquet as pq
with opened() as session:
    session.query("set preserve_insertion_order = false")
    session.query(f"create table items as {items(keys)}")
    session.write_parquet("select *, 'day' as _sluice_partition from items", folder / "items.parquet")
    batches = pq.ParquetFile(folder / "items.parquet")
    reader = batches.iter_batches(1_000_000)
    import pyarrow as pa
    whole = pa.RecordBatchReader.from_batches(batches.schema_arrow, reader)
    write_deltalake(shelf.engine_path("items"), whole, partition_by=["_sluice_partition"])
    session.query(f"update items set name = 'changed' where id % {every} = 0")
"""
BARE = """
with opened() as session:
    columns = [name for name in session.describe("select * from items") if name != "id"]
    other = " or ".join(f"n.{name} is distinct from o.{name}" for name in columns)
    began, cpu = time.perf_counter(), time.process_time()
    [found] = session.query(f'''select count(*) filter (where o.id is null),
        count(*) filter (where n.id is null), count(*) filter (where {other})
        from items n full join ({was(session)}) o on n.id = o.id''')
    told(began, cpu)
assert found == (0, 0, keys // every), found
"""
OURS = """
with opened() as session:
    types = session.describe("select * from items")
    published = PublishedTable("items", "items", 0, types, {}, "", {}, types, "_sluice_partition")
    began, cpu = time.perf_counter(), time.process_time()
    matched = match(session, types, published, {})
    sides = matched.was(was(session)), matched.now("select * from items")
    found = compare_rows(session, *sides, matched.pairs, KeyForm.of(("id",), {}), samples=20)
    told(began, cpu)
assert (found.added, found.removed, found.changed) == (0, 0, keys // every), found
assert found.columns == {"name": keys // every}, found
"""


def run(program: str, *arguments: object) -> dict[str, Any]:
    """Return what a fresh process measured; nothing where it measured nothing."""
    command = [sys.executable, "-c", COMMON + program, *map(str, arguments)]
    written = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(written.splitlines()[-1]) if written else {}


def main() -> None:
    """Print the figures as a table, and as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    taken: dict[str, list[dict[str, Any]]] = {"bare": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        arguments = (folder, options.keys, EVERY)
        run(GENERATE, *arguments)
        for _ in range(options.rounds):
            taken["bare"].append(run(BARE, *arguments))
            taken["ours"].append(run(OURS, *arguments))
    best = {
        name: {measure: min(one[measure] for one in found) for measure in found[0]}
        for name, found in taken.items()
    }
    sides = [
        Side(label, best[name]["cpu"], best[name]["peak_mb"], f"{best[name]['seconds']:.2f} s of wall")
        for label, name in (("bare join", "bare"), ("sluice env diff", "ours"))
    ]
    show(f"{options.keys:,} keys, 6 columns, a thousandth changed, by processor", "s", sides, GOAL)
    print(
        json.dumps(
            {
                "ratio": round(best["ours"]["seconds"] / best["bare"]["seconds"], 3),
                "ratio_by_cpu": round(best["ours"]["cpu"] / best["bare"]["cpu"], 3),
                "peak_mb": best["ours"]["peak_mb"],
            }
        )
    )


if __name__ == "__main__":
    main()
