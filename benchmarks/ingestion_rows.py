"""What a row costs that is JSON, or that is bad: a load from its marker to the raw table beside bare DuckDB.

A file of JSON is compared with one `read_json` of it, whose types are told, into a table of a new database
file; a CSV file with bad rows with one `read_csv` of the same file without them. Each side is a fresh
process, timed after its imports; the sides of a case take turns, and each shows the median of its rounds, by
the clock and by the processor, and its peak of resident memory.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DAY = "2022-10-03"
MEASURED = """
import json, resource, time
def spent():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
def began():
    return time.perf_counter(), spent()
def ended(since, rows, bad=0):
    print(json.dumps({"seconds": time.perf_counter() - since[0], "cpu": spent() - since[1], "rows": rows,
                      "bad": bad, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""
BARE = """
import sys
import duckdb
target, query = sys.argv[1:3]
connection = duckdb.connect(target)
connection.execute("set enable_progress_bar = false")
since = began()
connection.execute(f"create table rows as {query}")
rows = connection.execute("select count(*) from rows").fetchone()[0]
connection.close()
ended(since, rows)
"""
OURS = """
import sys
from pathlib import Path
import duckdb, pyarrow
from sluicegate.contracts.load import load_contracts
from sluicegate.core.settings import Settings
from sluicegate.ingestion.load import load_drop
from sluicegate.ingestion.staging import register_landed
from sluicegate.state.deployment import Deployment
target, project, staging = sys.argv[1:4]
settings = Settings.load({}, project_dir=Path(project), data_dir=Path(target), staging_url=staging)
deployment = Deployment(settings)
contracts, problems = load_contracts(Path(project))
assert not problems, problems
contract = contracts["rows"]
deployment.store
since = began()
[drop] = register_landed(contract, deployment.staging_of(contract), deployment.store).drops
loaded = load_drop(deployment, contract, drop)
ended(since, loaded.rows, loaded.quarantined)
"""
NUMBERS = {
    "id": ("BIGINT", "range"),
    "amount": ("DECIMAL(12,2)", "cast(hash(range + 1) % 100000 / 100 as decimal(12, 2))"),
    "pieces": ("INTEGER", "cast(1 + hash(range + 2) % 48 as integer)"),
    "weight": ("DOUBLE", "cast(hash(range + 3) % 1000000 as double) / 1000"),
    "place": ("INTEGER", "cast(2000 + hash(range + 4) % 3000 as integer)"),
    "item": ("BIGINT", "cast(10000 + hash(range + 5) % 90000 as bigint)"),
}
TEXTS = {
    "id": ("VARCHAR", "'INV-' || lpad(cast(range as varchar), 11, '0')"),
    "day": ("DATE", "date '2022-10-03'"),
    "shop": ("VARCHAR", "cast(2000 + hash(range) % 3000 as varchar)"),
    "item": ("VARCHAR", "'item ' || (10000 + hash(range + 1) % 90000)"),
    "note": ("VARCHAR", "'Lieferung ' || hash(range + 2) % 1000 || ' für Müller'"),
    "state": ("VARCHAR", "['open', 'sent', 'paid'][1 + range % 3]"),
}
SALES = {
    "id": ("VARCHAR", "'INV-' || lpad(cast(range as varchar), 11, '0')"),
    "day": ("VARCHAR", "'2022-10-03'"),
    "shop": ("VARCHAR", "cast(2000 + hash(range) % 3000 as varchar)"),
    "item": ("VARCHAR", "cast(10000 + hash(range + 1) % 90000 as varchar)"),
    "pieces": ("INTEGER", "cast(1 + hash(range + 2) % 48 as integer)"),
    "amount": ("DECIMAL(12,2)", "cast(hash(range + 3) % 100000 / 100 as decimal(12, 2))"),
}
BAD_DAY = "case when {} then '2022-13-03' else '2022-10-03' end"


@dataclass(frozen=True)
class Case:
    """Rows of one kind; `bad` is SQL of the day where some are bad, `ending` is put behind them."""

    format: str
    columns: dict[str, tuple[str, str]]
    goal: float
    bad: str = ""
    ending: str = ""


CASES = {
    "JSON array, numbers": Case("json", NUMBERS, 1.5),
    "JSON array, texts": Case("json", TEXTS, 1.5),
    "JSON lines, numbers": Case("jsonl", NUMBERS, 1.5),
    "JSON lines, texts": Case("jsonl", TEXTS, 1.5),
    "CSV, all good": Case("csv", SALES, 2),
    "CSV, one bad row": Case("csv", SALES, 2, BAD_DAY.format("range = {rows} // 2")),
    "CSV, a tenth bad": Case("csv", SALES, 2, BAD_DAY.format("range % 10 = 3")),
    "CSV, one bad quote": Case("csv", SALES, 2, ending='INV-x,2022-10-03,"20"01,10000,1,2.50\n'),
}


def contract(case: Case) -> str:
    """Return the contract of the rows, which may all be bad."""
    types = {name: "DATE" if name == "day" else kind for name, (kind, _) in case.columns.items()}
    properties = [
        {"name": name, "physicalType": kind, "required": True, "primaryKey": name == "id",
         "partitioned": name == "day"}
        for name, kind in types.items()
    ]  # fmt: skip
    custom = {
        "partitionGrain": "daily", "partitionStart": "2022-08-01", "provider": "the generator",
        "quarantineLimit": {"percent": 50},
    }  # fmt: skip
    return yaml.safe_dump(
        {
            "apiVersion": "v3.1.0", "kind": "DataContract", "id": "rows", "version": "1.0.0",
            "status": "active",
            "servers": [
                {"server": "staging", "type": "local", "path": "{date}/rows", "format": case.format}
            ],
            "schema": [{"name": "rows", "properties": properties}],
            "customProperties": [{"property": name, "value": value} for name, value in custom.items()],
        }
    )  # fmt: skip


def write(case: Case, path: Path, rows: int, *, bad: bool) -> None:
    """Write the rows of a case, with or without its bad ones."""
    import duckdb

    columns = {name: sql for name, (_, sql) in case.columns.items()}
    if bad and case.bad:
        columns["day"] = case.bad.replace("{rows}", str(rows))
    selected = ", ".join(f'{sql} as "{name}"' for name, sql in columns.items())
    how = {"csv": "header", "json": "format json, array true", "jsonl": "format json"}[case.format]
    with duckdb.connect() as connection:
        connection.execute("set enable_progress_bar = false")
        connection.execute(f"copy (select {selected} from range({rows})) to '{path}' ({how})")
    if bad and case.ending:
        with path.open("a", encoding="utf-8") as file:
            file.write(case.ending)


def bare_query(case: Case, path: Path) -> str:
    """Return the query of bare DuckDB."""
    types = {name: "DATE" if name == "day" else kind for name, (kind, _) in case.columns.items()}
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
    if case.format == "csv":
        return (
            f"select * from read_csv('{path}', columns = {{{columns}}}, header = true, auto_detect = false,"
            " delim = ',', quote = '\"', escape = '\"')"
        )
    kind = {"json": "array", "jsonl": "newline_delimited"}[case.format]
    return f"select * from read_json('{path}', columns = {{{columns}}}, format = '{kind}')"


def run(program: str, target: Path, *arguments: str) -> dict[str, Any]:
    """Return what a fresh process measured; its target is removed."""
    command = [sys.executable, "-c", MEASURED + program, str(target), *arguments]
    written = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    subprocess.run(["rm", "-rf", str(target)], check=True)
    return json.loads(written.splitlines()[-1])


def measure(name: str, rows: int, rounds: int, folder: Path) -> dict[str, Any]:
    """Measure both sides of a case in turn; print a line for each."""
    case, staging, project = CASES[name], folder / "staging", folder / "project"
    (staging / DAY).mkdir(parents=True)
    (project / "contracts").mkdir(parents=True)
    (project / "contracts" / "rows.odcs.yaml").write_text(contract(case), encoding="utf-8")
    landed, good = staging / DAY / "rows", folder / "good"
    write(case, landed, rows, bad=True)
    write(case, good, rows, bad=False)
    (staging / DAY / "rows.done").touch()
    query = bare_query(case, good)
    print(f"\n{name}: {rows:,} rows, {landed.stat().st_size / 1e6:,.0f} MB", flush=True)
    sides: list[list[dict[str, Any]]] = [[], []]
    for _ in range(rounds):
        sides[0].append(run(BARE, folder / "bare.duckdb", query))
        sides[1].append(run(OURS, folder / "ours", str(project), str(staging)))
    assert all(one["rows"] + one["bad"] == rows + bool(case.ending) for one in sides[1])
    bare, ours = ({of: statistics.median(one[of] for one in side) for of in side[0]} for side in sides)
    figures = {"ratio": ours["seconds"] / bare["seconds"], "cpu_ratio": ours["cpu"] / bare["cpu"]}
    for who, one in (("bare DuckDB", bare), ("the platform", ours)):
        print(
            f"{who:13} {one['seconds']:6.2f} s, {one['cpu']:6.2f} s of processor, {one['peak_mb']:6,.0f} MB,"
            f" {one['bad']:,.0f} bad"
        )
    print(
        f"ratio         {figures['ratio']:6.2f}    {figures['cpu_ratio']:6.2f}    goal {case.goal}",
        flush=True,
    )
    subprocess.run(["rm", "-rf", str(folder)], check=True)
    return {of: round(figure, 2) for of, figure in figures.items()} | {"peak_mb": round(ours["peak_mb"])}


def main() -> None:
    """Print the figures, and as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--case", choices=[*CASES], action="append")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        figures = {
            case: measure(case, options.rows, options.rounds, Path(name) / "case")
            for case in options.case or CASES
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
