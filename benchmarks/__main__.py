"""Run every benchmark, one process each, so that none warms up the next."""

import subprocess
import sys

for name in ("graph_load", "judge_rules", "ingestion", "sensor_tick", "done_to_delivered"):
    print(f"\n## {name}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
