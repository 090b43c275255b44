"""Run every benchmark, one process each, so that none warms up the next."""

import subprocess
import sys

NAMES = (
    "graph_load",
    "first_load",
    "column_lineage",
    "gate",
    "judge_rules",
    "judge_history",
    "ingestion",
    "ingestion_rows",
    "sensor_tick",
    "incidents_look",
    "operations",
    "page",
    "delivery_difference",
    "delivery_postgres",
    "delivery_vendors",
    "publish",
    "day_run",
    "done_to_delivered",
    "environments",
    "kusto_check",
    "diff",
)
for name in NAMES:
    print(f"\n## {name}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
