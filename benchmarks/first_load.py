"""How long a project takes to load whose files have changed, beside dbt's own compile of it.

A generated company of N models (`graph_load`). Its first load parses the project, compiles all SQL and binds
it in the engine; then one model is changed, and it is loaded again. Beside it, in the same run: `dbt compile`
of the same project without a kept parse, and the load of an unchanged project. All in fresh processes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sluicegate.core.settings import Settings

from benchmarks.graph_load import generate_company
from benchmarks.measuring import Side, peak_of_children_mb, show

GOAL = "1.3 x dbt's own compile"
SMALLEST = ("--models", "3")
LOAD = """
import resource, sys, time
from sluicegate.core.settings import Settings
began = time.perf_counter()
from sluicegate.project.loading import load_project
load_project(Settings.load(project_dir=sys.argv[1], data_dir=sys.argv[2]))
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def load(company: Path, data: Path) -> tuple[float, float]:
    """Return the seconds of loading a project in a fresh process, and its peak of memory in MB."""
    command = [sys.executable, "-c", LOAD, str(company), str(data)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, peak = map(float, told.splitlines()[-1].split())
    return seconds, peak


def dbt_compile(company: Path, data: Path) -> float:
    """Return the seconds of dbt's own compile of a partition, whole."""
    settings = Settings.load({}, project_dir=company, data_dir=data)
    day = {"partition_key": "2024-01-31", "partition_start": "2024-01-31", "partition_end": "2024-02-01"}
    command = [
        Path(sys.executable).with_name("dbt"), "compile", "--no-partial-parse", "--no-introspect", "--quiet",
        "--no-populate-cache", "--vars", json.dumps(day), "--project-dir", company / "dbt_project",
        "--profiles-dir", company / "dbt_project", "--target-path", data / "own", "--log-path", data / "own",
    ]  # fmt: skip
    data.mkdir(exist_ok=True)
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=os.environ | settings.environment())
    return time.perf_counter() - began


def main() -> None:
    """Print the figures as a table, and as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        company, data = Path(folder) / "company", Path(folder) / "data"
        generate_company(company, options.models)
        own = dbt_compile(company, Path(folder) / "bare")
        own_peak = peak_of_children_mb()
        first = load(company, data)
        warm = min(load(company, data) for _ in range(3))
        model = company / f"dbt_project/models/exp_{options.models - 1}.sql"
        model.write_text(model.read_text().replace("id, amount", "abs(id) as id, amount"))
        changed = load(company, data)
        export = company / "dbt_project/models/_models.yml"
        export.write_text(export.read_text() + "# A word.\n")
        no_code = load(company, data)
    sides = [
        Side("dbt's own compile", own, own_peak),
        Side("first load", *first),
        Side("unchanged", *warm),
        Side("one model changed", *changed),
        Side("a description changed", *no_code, "dbt parses all of it"),
    ]
    ratio = show(f"{options.models} models", "s", sides, GOAL)
    print(json.dumps({"first_ratio": round(ratio, 2), "changed_more_s": round(changed[0] - no_code[0], 2)}))


if __name__ == "__main__":
    main()
