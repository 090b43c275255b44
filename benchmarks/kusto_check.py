"""What checking 100 functions of KQL costs: at first, after a change of one, and where nothing has changed.

Each function joins a table with a summary of it, and four in five read the one before. Beside it stands the
bare parser: each body is analysed once, and nothing else is asked. Figures are of processor, of this process
and of the parser's own, in fresh processes.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from sluicegate.core.stages import Stage
from sluicegate.kusto.language.engine import Database, KustoLanguage
from sluicegate.kusto.objects import Fed
from sluicegate.kusto.reading import load_kusto

from benchmarks.measuring import Side, peak_mb, peak_of_children_mb, show

GOAL = "1.3 x the bare parser"
SMALLEST = ("--functions", "2")
COLUMNS = [("city", "string"), ("bottles", "long"), ("day", "datetime")]
BODY = """{{
  {source}
  | where city == c and bottles > {number}
  | extend share = 1.0 * bottles / toscalar(sales | summarize sum(bottles))
  | join kind=leftouter (sales | summarize total=sum(bottles), days=dcount(day) by city) on city
  | summarize bottles=sum(bottles), share=max(share), total=max(total) by city, day=bin(day, 1d)
  | order by bottles desc
}}"""


def main() -> None:
    """Print what each of the three costs, and the bare parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--functions", type=int, default=100)
    parser.add_argument("--only", default="")
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    if asked.only:
        taken = _bare(asked.functions) if asked.only == "bare" else _checked(asked.folder)
        print(json.dumps((taken, peak_mb() + peak_of_children_mb())))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(asked.functions):
            _write(folder, number)
        (folder / "kusto/database.yml").write_text("connection: telemetry\n")
        bare = _apart("bare", folder, asked.functions)
        first = _apart("check", folder, asked.functions)
        _write(folder, asked.functions - 1, more=1)
        one = _apart("check", folder, asked.functions)
        none = _apart("check", folder, asked.functions)
    sides = [
        Side("the bare parser", *bare),
        Side("at first", *first),
        Side("one has changed", *one),
        Side("nothing has changed", *none),
    ]
    ratio = show(f"{asked.functions} functions, by processor, with the parser's process", "s", sides, GOAL)
    print(json.dumps({"ratio": round(ratio, 2)}))


def _text(number: int, more: int = 0) -> tuple[str, str]:
    source = "sales" if number % 5 == 0 else f"F{number - 1}(c)"
    return f"F{number}", BODY.format(source=source, number=number + more)


def _write(folder: Path, number: int, more: int = 0) -> None:
    name, body = _text(number, more)
    file = folder / "kusto/functions" / f"{name}.kql"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'// sample: {name}("AMES")\n.create-or-alter function {name}(c: string) {body}\n')


def _apart(only: str, folder: Path, functions: int) -> tuple[float, float]:
    arguments = ["--only", only, "--folder", str(folder), "--functions", str(functions)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.kusto_check", *arguments], check=True, stdout=subprocess.PIPE
    )
    seconds, peak = json.loads(done.stdout)
    return seconds, peak


def _checked(folder: Path) -> float:
    before = _processor()
    fed = Fed("sales", "exp_sales", "telemetry", Stage.PRODUCTION, COLUMNS)
    project, problems = load_kusto(folder, folder / "data/parsed.json", [fed])
    assert project is not None, problems
    return _processor() - before


def _bare(functions: int) -> float:
    before = _processor()
    texts = [_text(number) for number in range(functions)]
    with KustoLanguage() as language:
        columns = "(city: string, bottles: long, day: datetime)"
        language.use(Database("d", [("sales", columns)], (), [(n, "(c: string)", body) for n, body in texts]))
        for _, body in texts:
            language.query(f"let F = (c: string) {body};")
    return _processor() - before


def _processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
