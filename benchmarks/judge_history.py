"""How long 130 expressions over 685 earlier days take: cold, as nothing is measured yet, and when it is kept.

The table is a DuckDB file of 13 numbers a row; each of ten metrics of each of them is asked for the median of
all earlier days. Beside it one SQL aggregate by hand, which measures the same by day and keeps nothing. Each
side is a fresh process, timed without its imports, with its peak of resident memory; the best of several.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measuring import Side, show

GOAL = "cold 1.5 x one aggregate by hand, with less memory, below 250 MB"
SMALLEST = ("--days", "3", "--rows", "2", "--rounds", "1")
GENERATE = """
import sys
from datetime import date, timedelta
from pathlib import Path
from sluicegate.state.records import Evidence
from sluicegate.state.store import StateStore
from sluicegate.warehouse.duckdb_file import DuckDBFile, record_version
folder, days, rows = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
keys = [(date(2022, 1, 1) + timedelta(days=number)).isoformat() for number in range(days)]
store = StateStore(f"sqlite:///{folder / 'state.db'}")
with DuckDBFile(folder / "w.duckdb").session() as session:
    numbers = ", ".join(f"cast(hash(range, {n}) % 100000 as double) / 100 as n{n}" for n in range(13))
    session.native.execute(
        "create schema marts; create table marts.numbers as select date '2022-01-01'"
        f" + cast(range // {rows} as integer) as day, {numbers} from range({days * rows})"
    )
    for key in keys:
        record_version(session.native, "marts.numbers", key, f"v {key}")
said = [Evidence("marts.numbers", key, "expectations", f"v {key}", True, "", "run") for key in keys]
store.record_evidence(said)
store.close()
"""
MEASURED = """
import json, resource, sys, time
from datetime import date, timedelta
from pathlib import Path
import duckdb
folder, days = Path(sys.argv[1]), int(sys.argv[2])
metrics = "mean sum min max median stdev null_ratio distinct_count p5 p95".split()
def done(began, **more):
    print(json.dumps({
        "seconds": time.perf_counter() - began[0], "processor": time.process_time() - began[1],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, **more,
    }))
"""
BY_HAND = """
sql = {
    "mean": "avg({0})", "median": "median({0})", "stdev": "stddev_samp({0})",
    "p5": "quantile_cont({0}, 0.05)",
    "null_ratio": "1 - count({0}) / count(*)", "distinct_count": "count(distinct {0})",
    "p95": "quantile_cont({0}, 0.95)",
}
began = time.perf_counter(), time.process_time()
with duckdb.connect(str(folder / "w.duckdb"), read_only=True) as connection:
    connection.execute("set enable_progress_bar = false")
    asked = [sql.get(metric, metric + "({0})").format(f"n{n}") for n in range(13) for metric in metrics]
    rows = connection.execute(f"select day, {', '.join(asked)} from marts.numbers group by 1").fetchall()
assert len(rows) == days
done(began)
"""
OURS = """
from sluicegate.core.lineage import Table
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.core.relations import Relation
from sluicegate.quality import history
from sluicegate.quality.parameters import references
from sluicegate.state.store import StateStore
from sluicegate.warehouse.duckdb_file import DuckDBFile
daily, marts = Partitioning(Grain.DAILY), Relation("marts", "numbers")
table = Table(marts, ("marts", "numbers"), daily, parents={}, rules={"expectations": ""})
store = StateStore(f"sqlite:///{folder / 'state.db'}")
day = (date(2022, 1, 1) + timedelta(days=days)).isoformat()
texts = [f"n{n}.{metric}.median_{days}" for n in range(13) for metric in metrics]
with DuckDBFile(folder / "w.duckdb").session() as session:
    for _ in range(2):
        began = time.perf_counter(), time.process_time()
        past = history.validated_past(session, store, table, "day", day)
        assert len(past.partitions) == days
        wanted = [reference for text in texts for reference in references(text)]
        history.recall(session, store.metrics, past, wanted, day)
        found = [history.resolve(session, store.metrics, text, past, day)[0] for text in texts]
        assert len(found) == 130
        done(began)
store.close()
"""


def measure(program: str, folder: Path, days: int) -> list[dict[str, Any]]:
    """Return the figures that a fresh process prints."""
    command = [sys.executable, "-c", MEASURED + program, str(folder), str(days)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line) for line in told.splitlines()]


def main() -> None:
    """Print the figures as a table, and as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=685)
    parser.add_argument("--rows", type=int, default=200, help="of a day")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    hand: list[dict[str, Any]] = []
    ours: list[list[dict[str, Any]]] = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            told = [sys.executable, "-c", GENERATE, name, str(options.days), str(options.rows)]
            subprocess.run(told, check=True)
            hand += measure(BY_HAND, folder, options.days)
            ours.append(measure(OURS, folder, options.days))
    bare = min(hand, key=lambda figures: figures["processor"])
    cold, warm = (min((both[n] for both in ours), key=lambda figures: figures["processor"]) for n in range(2))
    sides = [
        Side(name, figures["processor"], figures["peak_mb"], f"{figures['seconds']:.2f} s of wall")
        for name, figures in (("one aggregate by hand", bare), ("cold", cold), ("kept", warm))
    ]
    title = f"130 expressions over {options.days} days of {options.rows:,} rows, by processor"
    ratio = round(show(title, "s", sides, GOAL), 2)
    told = {"cold_s": round(cold["processor"], 2), "peak_mb": round(cold["peak_mb"])}
    print(json.dumps({"ratio": ratio} | told))


if __name__ == "__main__":
    main()
