"""How long a drop takes from its marker to the raw table: bare DuckDB, the platform, dlt.

The feed has the columns of the demo company's sales. Bare DuckDB is told every type and reads the files into
a table of a new database file with one `read_csv`: it checks nothing. The platform does all that its contract
says: digests, an original, types, patterns, required values, a unique key, converted Parquet with a manifest,
and the raw table. dlt has the same schema, with its DuckDB/Arrow reader and with its usual one. Each side is
a fresh process, timed after its imports, with its peak of resident memory; the best of several.

dlt is no dependency: it is installed into a virtual environment of its own for this, and passed over aloud
where that cannot be done. dlt's usual reader takes minutes for a million rows: it gets fewer, and its figure
is scaled.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

import yaml

DLT = "dlt[duckdb]==1.31.0"
COLUMNS = {
    "Invoice/Item Number": ("invoice_item_number", "VARCHAR", "^R?INV-[0-9]{11}$"),
    "Date": ("sale_date", "DATE", ""),
    "Store Number": ("store_number", "VARCHAR", "^[0-9]{4,5}$"),
    "Item Number": ("item_number", "VARCHAR", "^[0-9]{3,7}$"),
    "Bottles Sold": ("bottles_sold", "INTEGER", ""),
    "Sale (Dollars)": ("sale_dollars", "DECIMAL(12,2)", ""),
}
DAY = "2022-10-03"
GENERATE = """
import duckdb, sys
folder, rows, files = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with duckdb.connect() as connection:
    connection.execute("set enable_progress_bar = false")
    for number in range(files):
        first, last = rows * number // files, rows * (number + 1) // files
        connection.execute(f'''copy (select
            'INV-' || lpad(cast(range as varchar), 11, '0') as "Invoice/Item Number",
            date '2022-10-03' as "Date",
            cast(2000 + hash(range) % 3000 as varchar) as "Store Number",
            cast(10000 + hash(range + 1) % 90000 as varchar) as "Item Number",
            cast(1 + hash(range + 2) % 48 as integer) as "Bottles Sold",
            cast(hash(range + 3) % 100000 / 100 as decimal(12, 2)) as "Sale (Dollars)"
            from range({first}, {last})) to '{folder}/part-{number:05d}.csv' (header)''')
"""
BARE = """
import json, resource, sys, time
import duckdb
folder, target, columns = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
connection = duckdb.connect(target)
connection.execute("set enable_progress_bar = false")
began = time.perf_counter()
types = ", ".join(f"'{name}': '{kind}'" for name, (_, kind, _) in columns.items())
connection.execute(f"create table sales as select * from read_csv('{folder}/*.csv', columns = {{{types}}},"
                   " header = true, auto_detect = false, delim = ',', quote = '\\"', escape = '\\"')")
rows = connection.execute("select count(*) from sales").fetchone()[0]
connection.close()
print(json.dumps({"seconds": time.perf_counter() - began, "rows": rows,
                  "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""
OURS = """
import json, resource, sys, time
from pathlib import Path
import duckdb, pyarrow
from sluicegate.contracts.load import load_contracts
from sluicegate.state.deployment import Deployment
from sluicegate.ingestion.load import load_drop
from sluicegate.ingestion.staging import register_landed
from sluicegate.core.settings import Settings
project, staging, target = sys.argv[1:4]
settings = Settings.load({}, project_dir=Path(project), data_dir=Path(target), staging_url=staging)
deployment = Deployment(settings)
contracts, problems = load_contracts(Path(project))
assert not problems, problems
contract = contracts["sales"]
deployment.store
began = time.perf_counter()
[drop] = register_landed(contract, deployment.staging_of(contract), deployment.store).drops
registered = time.perf_counter()
loaded = load_drop(deployment, contract, drop)
print(json.dumps({"seconds": time.perf_counter() - began, "rows": loaded.rows,
                  "register_seconds": registered - began,
                  "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""
PEER = """
import json, os, resource, sys, time
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
import dlt
from dlt.sources.filesystem import filesystem, read_csv, read_csv_duckdb
folder, target, columns, reader = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4]
kinds = {"VARCHAR": {"data_type": "text"}, "DATE": {"data_type": "date"}, "INTEGER": {"data_type": "bigint"},
         "DECIMAL(12,2)": {"data_type": "decimal", "precision": 12, "scale": 2}}
hints = {name: {"name": name, **kinds[kind]} for name, (_, kind, _) in columns.items()}
types = {name: kind for name, (_, kind, _) in columns.items()}
pipeline = dlt.pipeline("sales", destination=dlt.destinations.duckdb(target), dataset_name="raw",
                        pipelines_dir=target + ".pipelines")
files = filesystem(bucket_url=folder, file_glob="*.csv")
if reader == "arrow":
    rows = files | read_csv_duckdb(use_pyarrow=True, chunk_size=200_000, columns=types, auto_detect=False,
                                   header=True, delimiter=",")
else:
    rows = files | read_csv(chunksize=10_000)
resource_ = rows.with_name("sales")
resource_.apply_hints(columns=hints)
began = time.perf_counter()
pipeline.run(resource_)
seconds = time.perf_counter() - began
import duckdb
with duckdb.connect(target) as connection:
    loaded = connection.execute("select count(*) from raw.sales").fetchone()[0]
print(json.dumps({"seconds": seconds, "rows": loaded,
                  "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""
# About 47 bytes a row, header and all.
CASES = {"100 MB": (2_100_000, 1), "2 GB": (42_000_000, 1), "5,000 files": (2_100_000, 5_000)}
MEMORY_CASE = {"5 GB": (106_000_000, 1)}
ROWS_FOR_USUAL_DLT = 50_000


def contract() -> str:
    """Return the contract of the feed: the demo company's rules, in as many files as there are."""
    properties = [
        {
            "name": name, "physicalName": header, "physicalType": kind, "required": True,
            "primaryKey": name == "invoice_item_number", "partitioned": name == "sale_date",
            **({"logicalTypeOptions": {"pattern": pattern}} if pattern else {}),
        }
        for header, (name, kind, pattern) in COLUMNS.items()
    ]  # fmt: skip
    custom = {"partitionGrain": "daily", "partitionStart": "2022-08-01", "provider": "the generator"}
    return yaml.safe_dump(
        {
            "apiVersion": "v3.1.0", "kind": "DataContract", "id": "sales", "version": "1.0.0",
            "status": "active",
            "servers": [
                {"server": "staging", "type": "local", "path": "{date}/part-*.csv", "format": "csv"}
            ],
            "schema": [{"name": "sales", "properties": properties}],
            "customProperties": [{"property": name, "value": value} for name, value in custom.items()],
        }
    )  # fmt: skip


def run(program: str, *arguments: str, python: str = sys.executable) -> dict[str, Any]:
    """Return what a fresh process measured."""
    command = [python, "-c", program, *arguments]
    written = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(written.splitlines()[-1])


def best(
    rounds: int, program: str, *arguments: str, folder: Path, python: str = sys.executable
) -> dict[str, Any]:
    """Return the fastest of some runs, each with a target of its own as the second argument."""
    answers: list[dict[str, Any]] = []
    for number in range(rounds):
        target = folder / f"{abs(hash(program)):x}-{number}"
        first, *others = arguments
        answers.append(run(program, first, *_with_target(program, target, others), python=python))
        subprocess.run(["rm", "-rf", str(target), f"{target}.pipelines"], check=True)
    return min(answers, key=lambda answer: answer["seconds"])


def _with_target(program: str, target: Path, others: list[str]) -> list[str]:
    return [others[0], str(target)] if program is OURS else [str(target), *others]


def peer_python(folder: Path) -> str | None:
    """Return a Python that has dlt, in a virtual environment made for it; None where it cannot be had."""
    venv.create(folder / "dlt", with_pip=True)
    python = folder / "dlt" / "bin" / "python"
    command = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        DLT,
        "pyarrow",
        "pandas",
    ]
    if subprocess.run(command, check=False).returncode == 0:
        return str(python)
    print(f"dlt is passed over: {DLT} could not be installed")
    return None


def main() -> None:
    """Print the figures as a table, and as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", choices=[*CASES, *MEMORY_CASE], action="append")
    parser.add_argument("--skip-dlt", action="store_true")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = folder / "project"
        (project / "contracts").mkdir(parents=True)
        (project / "contracts" / "sales.odcs.yaml").write_text(contract())
        python = None if options.skip_dlt else peer_python(folder)
        for case in options.case or CASES:
            rows, files = {**CASES, **MEMORY_CASE}[case]
            figures[case] = measure(case, rows, files, options.rounds, folder, project, python)
    print(json.dumps(figures))


def measure(
    case: str, rows: int, files: int, rounds: int, folder: Path, project: Path, python: str | None
) -> dict[str, Any]:
    """Measure every side on one feed; print a line for each."""
    staging = folder / "staging"
    day = staging / DAY
    day.mkdir(parents=True)
    subprocess.run([sys.executable, "-c", GENERATE, str(day), str(rows), str(files)], check=True)
    (day / ".done").touch()
    size = sum(path.stat().st_size for path in day.glob("*.csv"))
    print(f"\n{case}: {rows:,} rows, {files:,} files, {size / 1e6:,.0f} MB")
    columns = json.dumps(COLUMNS)
    rounds = rounds if rows < 10_000_000 else 1
    bare = best(rounds, BARE, str(day), columns, folder=folder)
    print(f"bare DuckDB read_csv   {_line(bare)}    1.00 x", flush=True)
    ours = best(rounds, OURS, str(project), str(staging), folder=folder)
    assert ours["rows"] == bare["rows"] == rows
    ratio = ours["seconds"] / bare["seconds"]
    print(f"the platform           {_line(ours)}   {ratio:5.2f} x", flush=True)
    figures = {"ratio": round(ratio, 3), "peak_mb": ours["peak_mb"], "seconds": ours["seconds"]}
    if python is not None and rows < 10_000_000:
        arrow = best(1, PEER, str(day), columns, "arrow", folder=folder, python=python)
        figures["dlt_arrow_ratio"] = round(arrow["seconds"] / bare["seconds"], 3)
        print(f"dlt, DuckDB and Arrow  {_line(arrow)}   {figures['dlt_arrow_ratio']:5.2f} x", flush=True)
        if files == 1:
            few = folder / "few"
            few.mkdir()
            subprocess.run(
                [sys.executable, "-c", GENERATE, str(few), str(ROWS_FOR_USUAL_DLT), "1"], check=True
            )
            usual = best(1, PEER, str(few), columns, "usual", folder=folder, python=python)
            scaled = usual["seconds"] / bare["seconds"] * rows / ROWS_FOR_USUAL_DLT
            figures["dlt_ratio"] = round(scaled, 1)
            print(
                f"dlt, as it comes       {_line(usual)}   {scaled:5.0f} x"
                f"   {ROWS_FOR_USUAL_DLT:,} rows, scaled"
            )
            subprocess.run(["rm", "-rf", str(few)], check=True)
    subprocess.run(["rm", "-rf", str(staging)], check=True)
    return figures


def _line(figures: dict[str, Any]) -> str:
    return f"{figures['seconds']:7.2f} s {figures['peak_mb']:7,.0f} MB"


if __name__ == "__main__":
    main()
