"""How long the graph takes to load: a generated company beside bare Dagster with as many assets.

The company has N sources and N exports, each with a contract, a dbt model and suites; three assets a
pair. Bare Dagster gets as many `@multi_asset` definitions with the same dependencies, partitions and
checks, and no files to read. dbt's manifest is parsed once before and timed apart: a deployment parses
it when a file has changed, not at every start. Each figure is the best of several fresh processes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sluicegate.contracts.dbt_sources import write_sources
from sluicegate.contracts.load import load_contracts

from benchmarks.measuring import Side, show

GOAL = "1.6 x bare Dagster, 1.3 x bare Dagster that imports dagster-dbt"
SMALLEST = ("--pairs", "2", "--rounds", "1")
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: source-{n}
name: source_{n}
version: 1.0.0
status: active
servers:
  - {{server: staging, type: local, path: "source_{n}/{{date}}.csv", format: csv}}
schema:
  - name: source_{n}
    physicalType: table
    logicalType: object
    properties:
      - {{name: day, physicalName: Day, logicalType: date, physicalType: DATE, required: true,
         partitioned: true, partitionKeyPosition: 1, primaryKey: true, primaryKeyPosition: 1}}
      - {{name: id, physicalName: Id, logicalType: integer, physicalType: INTEGER, required: true,
         primaryKey: true, primaryKeyPosition: 2}}
      - {{name: amount, physicalName: "Amount (USD)", logicalType: number, physicalType: "DECIMAL(12,2)"}}
customProperties:
  - {{property: partitionGrain, value: daily}}
  - {{property: partitionStart, value: "2024-01-01"}}
  - {{property: owner, value: data@example.com}}
  - {{property: provider, value: provider@example.com}}
"""
MODEL = (
    "select day, id, amount from {{{{ source('raw', 'source_{n}') }}}} where {{{{ in_partition('day') }}}}\n"
)
MODEL_YAML = """\
  - name: exp_{n}
    description: Export {n}.
    config: {{contract: {{enforced: true}}}}
    columns:
      - {{name: day, data_type: date, description: The day.}}
      - {{name: id, data_type: integer, description: The key.}}
      - {{name: amount, data_type: "decimal(12,2)", description: The amount.}}
"""
SUITE = """\
expectations:
  - type: expect_table_row_count_to_be_between
    kwargs: {min_value: 1}
    severity: critical
"""
EXPORT = """\
model: exp_{n}
destination: {{type: postgres, connection: app, object: shop.table_{n}}}
key: [day, id]
mode: mirror
partitions: each
owner: data@example.com
purpose: Shows the app table {n}.
"""
DBT_PROJECT = """\
name: generated
version: "1.0.0"
profile: sluice
macro-paths: ["{{ env_var('SLUICE_DBT_MACROS') }}"]
flags: {send_anonymous_usage_stats: false}
on-run-start: "{{ prepare_table_versions() }}"
models:
  generated:
    +materialized: incremental
    +incremental_strategy: partition
    +partition_by: day
    +on_schema_change: append_new_columns
    +full_refresh: false
    +schema: exports
    +post-hook: "{{ record_table_version() }}"
"""
PROFILES = """\
sluice:
  target: duckdb
  outputs:
    duckdb: {type: duckdb, path: "{{ env_var('SLUICE_WAREHOUSE') }}", schema: main}
"""

OURS = """
import resource, sys, time
from sluicegate.core.settings import Settings
settings = Settings.load(project_dir=sys.argv[1], data_dir=sys.argv[2])
began = time.perf_counter()
from sluicegate.graph.building import build_definitions
repository = build_definitions(settings).get_repository_def()
count = len(repository.asset_graph.get_all_asset_keys())
print(time.perf_counter() - began, count, len(repository.asset_graph.asset_check_keys),
      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
BARE = """
import resource, sys, time, warnings
warnings.simplefilter("ignore")
pairs = int(sys.argv[1])
began = time.perf_counter()
import dagster as dg
days = dg.DailyPartitionsDefinition("2024-01-01", end_offset=1)
assets, checks = [], []
def add(key, deps, check_names):
    spec = dg.AssetSpec(key, deps=deps, group_name=key[0], kinds={"duckdb"}, partitions_def=days,
                        owners=["data@example.com"], description="an asset", metadata={"file": "a.yml"})
    own = [dg.AssetCheckSpec(name, asset=key, partitions_def=days, blocking=True) for name in check_names]
    @dg.multi_asset(name="__".join(key), specs=[spec], check_specs=own, pool="warehouse")
    def build(): ...
    assets.append(build)
def judge(key, name="expectations"):
    @dg.asset_check(asset=dg.AssetKey(key), name=name, blocking=True, partitions_def=days,
                    pool="warehouse")
    def check(): ...
    checks.append(check)
for n in range(pairs):
    add(["raw", f"source_{n}"], [], ["contract"])
    judge(["raw", f"source_{n}"])
    add(["exports", f"exp_{n}"], [["raw", f"source_{n}"]], [])
    judge(["exports", f"exp_{n}"])
    add(["delivered", f"exp_{n}"], [["exports", f"exp_{n}"]], ["gate", "delivery"])
    judge(["delivered", f"exp_{n}"], "reconciled")
definitions = dg.Definitions(assets=assets, asset_checks=checks, executor=dg.in_process_executor)
repository = definitions.get_repository_def()
count = len(repository.asset_graph.get_all_asset_keys())
print(time.perf_counter() - began, count, len(repository.asset_graph.asset_check_keys),
      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
IMPORTS = """
import resource, time
import dagster
began = time.perf_counter()
import dagster_dbt
print(time.perf_counter() - began, 0, 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def generate_company(directory: Path, pairs: int) -> None:
    """Write a company of `pairs` sources and exports."""
    for folder in ("contracts", "dbt_project/models", "expectations", "exports"):
        (directory / folder).mkdir(parents=True)
    (directory / "dbt_project/dbt_project.yml").write_text(DBT_PROJECT)
    (directory / "dbt_project/profiles.yml").write_text(PROFILES)
    models = ["models:\n"]
    for n in range(pairs):
        (directory / f"contracts/source_{n}.odcs.yaml").write_text(CONTRACT.format(n=n))
        (directory / f"dbt_project/models/exp_{n}.sql").write_text(MODEL.format(n=n))
        (directory / f"expectations/source_{n}.yml").write_text(SUITE)
        (directory / f"expectations/exp_{n}.yml").write_text(SUITE)
        (directory / f"exports/exp_{n}.yml").write_text(EXPORT.format(n=n))
        models.append(MODEL_YAML.format(n=n))
    write_sources(directory, load_contracts(directory)[0])
    (directory / "dbt_project/models/_models.yml").write_text("".join(models))


def measure(program: str, *arguments: str, rounds: int) -> tuple[float, int, int, float]:
    """Return (best seconds, assets, checks, peak in MB) of a program run in fresh processes."""
    best, assets, checks, peak = float("inf"), 0, 0, 0.0
    for _ in range(rounds):
        command = [sys.executable, "-c", program, *arguments]
        answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        best, assets, checks = min(best, float(answer[0])), int(answer[1]), int(answer[2])
        peak = max(peak, float(answer[3]))
    return best, assets, checks, peak


def main() -> None:
    """Print the figures as a table, and as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        company, data = Path(folder) / "company", Path(folder) / "data"
        generate_company(company, options.pairs)
        began = time.perf_counter()
        *_, first_peak = measure(OURS, str(company), str(data), rounds=1)
        first = time.perf_counter() - began
        ours, assets, checks, peak = measure(OURS, str(company), str(data), rounds=options.rounds)
    bare, bare_assets, bare_checks, bare_peak = measure(BARE, str(options.pairs), rounds=options.rounds)
    imports, _, _, imports_peak = measure(IMPORTS, rounds=options.rounds)
    if (assets, checks) != (bare_assets, bare_checks):
        raise SystemExit(f"not alike: {assets} assets, {checks} checks; bare {bare_assets}, {bare_checks}")
    sides = [
        Side("bare Dagster", bare, bare_peak),
        Side("the platform", ours, peak, f"{ours / (bare + imports):.2f} x bare Dagster and dagster-dbt"),
        Side(
            "bare Dagster, dagster-dbt", bare + imports, imports_peak, "its import; the peak is of that alone"
        ),
        Side("the first load", first, first_peak, f"with dbt's parse of {options.pairs} models"),
    ]
    show(f"{assets} assets, {checks} checks", "s", sides, GOAL)
    ratios = {"ratio": round(ours / bare, 3), "ratio_with_dagster_dbt": round(ours / (bare + imports), 3)}
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()
