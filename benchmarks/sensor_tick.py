"""How long the sensor looks at one source's staging area, by how many old drops lie in it.

Measured are looks that find ten new drops, and looks that find none, among 1,000, 10,000 and 100,000 old
ones; in one folder, and in a folder a day. Also the first look of a process, which is at everything. The
ratio that counts: 100,000 old drops to 1,000, with ten new ones.

Run as `python -m benchmarks.sensor_tick`.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sluicegate.areas import Area
from sluicegate.contracts.drops import DropTemplate, default_completion
from sluicegate.contracts.load import load_contracts
from sluicegate.contracts.model import SourceContract
from sluicegate.ingestion.staging import Scan, register_landed
from sluicegate.state import schema
from sluicegate.state.store import StateStore

from benchmarks.measuring import Side, peak_mb, show

GOAL = "beside 100,000 old ones 4 x beside 1,000, in a folder a day"
SMALLEST = ("--old", "2", "4", "--rounds", "1")
PROJECT = Path(__file__).parent.parent
LAYOUTS = {"one folder": "sales/{date}.csv", "a folder a day": "sales/{date}/part-*.csv"}
CONTENT = b"a,b\n1,2\n"
NEW, BASE = 10, date(1700, 1, 1)
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC).timestamp()


def contract_at(path: str) -> SourceContract:
    """Return the demo company's sales, landed at another path."""
    contract = load_contracts(PROJECT)[0]["sales"]
    template = DropTemplate(path, contract.partitioning)
    completion = default_completion(template)
    return replace(
        contract, template=template, completion=completion, partition_start=None, gaps_allowed=False
    )


def put(contract: SourceContract, folder: Path, days: Sequence[str], at: float | None = None) -> None:
    """Land a file and its marker a day."""
    assert contract.completion.template is not None
    for day in days:
        for template, content in ((contract.template, CONTENT), (contract.completion.template, b"")):
            place = folder / template.of(day).replace("*", "1")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            if at is not None:
                os.utime(place, (at, at))
    if at is not None:
        for place in [folder, *(place for place in folder.rglob("*") if place.is_dir())]:
            os.utime(place, (at, at))


def record(contract: SourceContract, staging: Area, url: str) -> None:
    """Record all that has landed, as a look would: in one transaction, since this is not what is measured."""
    assert contract.completion.template is not None
    StateStore(url).close()
    rows = [
        {
            "source": contract.name, "partition_key": key, "ordinal": 1, "digest": "0" * 64,
            "file": contract.template.of(key).replace("*", "1"), "size_bytes": len(CONTENT),
            "marker_stamp": entry.stamp, "landed_at": datetime.now(UTC),
        }
        for entry in staging.listing(contract.completion.template.glob)
        if (key := contract.completion.template.key_of(entry.path)) is not None
    ]  # fmt: skip
    with sa.create_engine(url).begin() as connection:
        connection.execute(sa.insert(schema.drops), rows)


def measure(path: str, old: int, rounds: int) -> dict[str, float]:
    """Return {kind of look: milliseconds} among `old` drops; the best where a kind is repeated."""
    contract = contract_at(path)
    days = [(BASE + timedelta(days=n)).isoformat() for n in range(old + NEW * rounds)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        staging, url = Area(str(folder / "staging")), f"sqlite:///{folder / 'state.db'}"
        put(contract, folder / "staging", days[:old], LONG_AGO)
        record(contract, staging, url)
        store = StateStore(url)

        def look() -> tuple[float, Scan]:
            started = time.perf_counter()
            scan = register_landed(contract, staging, store)
            return (time.perf_counter() - started) * 1000, scan

        first, scan = look()
        assert scan == Scan((), ()), scan
        none: list[float] = []
        ten: list[float] = []
        for _ in range(rounds):
            none.append(look()[0])
        for number in range(rounds):
            put(contract, folder / "staging", days[old + NEW * number :][:NEW])
            took, scan = look()
            assert len(scan.drops) == NEW, scan
            ten.append(took)
        store.close()
    return {"ten new": min(ten), "none": min(none), "first": first, "peak": peak_mb()}


def main() -> None:
    """Print the figures as a table, and as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--old", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    ratios: dict[str, float] = {}
    for layout, path in LAYOUTS.items():
        figures = {old: measure(path, old, options.rounds) for old in sorted(options.old)}
        sides = [
            Side(
                f"beside {old:,} old ones", found["ten new"], found["peak"],
                f"none new {found['none']:,.1f} ms, the first look {found['first']:,.1f} ms",
            )
            for old, found in figures.items()
        ]  # fmt: skip
        show(f"{layout}: a look that finds ten new drops", "ms", sides, GOAL)
        few, many = figures[min(options.old)], figures[max(options.old)]
        ratios[layout] = round(many["ten new"] / few["ten new"], 2)
    print(json.dumps({"ratio_with_ten_new": ratios}))


if __name__ == "__main__":
    main()
