"""What it takes to find a thousandth of ten million rows that has changed: a bare join, the platform.

The bare join reads a DuckDB table and the Parquet file of what was sent, hashes the one, has the hashes of
the other, and counts what differs in one full outer join: no key is checked, nothing is written. The platform
also proves that keys are unique, finds which fields have changed, and writes the rows as a shard. Both are
fresh processes that take turns, timed after their imports, with the peak of resident memory; the best of
several.

Then the engine delivers again and again, each time another thousandth, to a destination that takes
everything: how long a plan takes with so many layers, and how many bytes each delivery leaves behind, a base
included.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks.generated_items import EVERY
from benchmarks.measuring import Side, show

GOAL = "1.5 x one bare join of keys and hashes"
SMALLEST = ("--keys", "2000", "--rounds", "1", "--deliveries", "1")
GENERATE = """
import duckdb, sys
from benchmarks.generated_items import items
folder, keys = sys.argv[1], int(sys.argv[2])
with duckdb.connect(folder + "/warehouse.duckdb") as connection:
    connection.execute("set memory_limit = '2GB'; set enable_progress_bar = false")
    connection.execute(f"create table items as {items(keys)}")
"""
MEASURED = """
import json, resource, sys, time
import duckdb, pyarrow
from contextlib import contextmanager
from pathlib import Path
from sluicegate.destinations.base import Capabilities, Destination, Mode, Receipt
from sluicegate.delivery.engine import DeliveryEngine
from sluicegate.delivery.ledger import Ledger, Opened, Order
from sluicegate.state.store import StateStore
folder, keys, every = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
def open_warehouse():
    connection = duckdb.connect(str(folder / "warehouse.duckdb"))
    connection.execute("set enable_progress_bar = false")
    return connection
def change(number):
    with open_warehouse() as connection:
        connection.execute(f"update items set name = 'changed {number}' where id % {every} = {number}")
class Taker(Destination):
    type_name, guarantee, kinds = "taker", "exactly once", frozenset()
    capabilities = Capabilities(modes=frozenset(Mode), read_back=False, delete=True)
    planned = 0.0
    @classmethod
    def canonical_name(cls, object_name):
        return object_name
    def canonical_object(self):
        return "taker"
    def check(self, shard):
        self.planned = time.perf_counter()
    def send(self, shard, journal):
        journal.acknowledge(0, shard.rows, (), journal.leaving([(0, shard.rows)]))
        return Receipt(shard.rows, "taker")
order = Order(export="exp_items", partition_key="2024-01-01", key=("id",), mode=Mode.MIRROR,
              partition_column=None)
store = StateStore(f"sqlite:///{folder}/state.db")
taker = Taker("", "items")
shards = folder / "shards"
ledger = Ledger(store, shards, "run")
def layers():
    base = store.deliveries.base(order.export, order.scope)
    found = store.deliveries.layers(order.export, order.scope)
    return found if base is None else [base, *(item for item in found if item.id > base.after_id)]
def deliver(version):
    @contextmanager
    def opening():
        with open_warehouse() as connection:
            connection.execute("begin")
            yield Opened(connection, "select * from items", version)
    began = time.perf_counter()
    outcome = DeliveryEngine(ledger, taker).deliver(order, opening)
    settled = time.perf_counter()
    return outcome.delivery, taker.planned - began, settled - taker.planned
def written():
    return {path.name: path.stat().st_size for path in shards.rglob("*.parquet")}
"""
FIRST = """
delivery, plan, settle = deliver("first")
assert delivery.shard_rows == keys
change(0)
print(json.dumps({"plan": plan, "settle": settle, "peak_mb": peak_mb(), "bytes": sum(written().values())}))
"""
BARE = """
[layer] = layers()
store.close()
began, cpu = time.perf_counter(), time.process_time()
with open_warehouse() as connection:
    found = connection.execute(f'''select
        count(*) filter (where old.id is null), count(*) filter (where new.id is null),
        count(*) filter (where new.hashed <> old._row_hash)
        from (select id, hash(amount, day, id, kind, name, quantity) as hashed from items) new
        full outer join (select id, _row_hash from read_parquet('{layer.shard}')) old using (id)
        ''').fetchone()
assert found == (0, 0, keys // every), found
print(json.dumps({"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu,
                  "peak_mb": peak_mb()}))
"""
OURS = """
began, cpu = time.perf_counter(), time.process_time()
with open_warehouse() as connection:
    connection.execute("begin")
    plan = ledger.plan(order, Opened(connection, "select * from items", "compared"))
taken = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu, "peak_mb": peak_mb()}
found = plan.difference
ledger.supersede(order, plan.delivery, "taker", arrived=False)
store.close()
assert (found.added, found.changed, found.removed, found.shard_rows) == (0, keys // every, 0, keys // every)
print(json.dumps(taken))
"""
NEXT = """
number = int(sys.argv[4])
if number:
    change(number)
before, known = written(), len(layers())
delivery, plan, settle = deliver(f"round {number}")
assert delivery.shard_rows == keys // every, delivery
new = {name: size for name, size in written().items() if before.get(name) != size}
base = sum(size for name, size in new.items() if name.startswith("base-"))
print(json.dumps({"layers": known, "plan": plan, "settle": settle, "peak_mb": peak_mb(),
                  "shard_bytes": sum(new.values()) - base, "base_bytes": base,
                  "state_bytes": (folder / "state.db").stat().st_size}))
"""


def run(program: str, *arguments: object) -> dict[str, Any]:
    """Return what a fresh process measured."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    written = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(written.splitlines()[-1])


def main() -> None:
    """Print the figures as a table, and as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--deliveries", type=int, default=14, help="how often a thousandth is sent")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        generate = [sys.executable, "-c", GENERATE, name, str(options.keys)]
        subprocess.run(generate, check=True)
        arguments = (name, options.keys, EVERY)
        first = run(MEASURED + FIRST, *arguments)
        figures = compare(arguments, options.rounds)
        figures["deliveries"] = deliver_again(arguments, options.deliveries, first)
    print(json.dumps(figures))


def compare(arguments: tuple[object, ...], rounds: int) -> dict[str, Any]:
    """Measure the bare join and the platform in turns; print a line for each."""
    taken: dict[str, list[dict[str, Any]]] = {"bare": [], "ours": []}
    for _ in range(rounds):
        taken["bare"].append(run(MEASURED + BARE, *arguments))
        taken["ours"].append(run(MEASURED + OURS, *arguments))
    bare, ours = (min(taken[name], key=lambda found: found["seconds"]) for name in ("bare", "ours"))
    cpu = {name: min(found["cpu"] for found in taken[name]) for name in taken}
    sides = [
        Side(label, cpu[name], found["peak_mb"], f"{found['seconds']:.2f} s of wall")
        for label, name, found in (("bare join", "bare", bare), ("the platform", "ours", ours))
    ]
    show(f"{arguments[1]:,} keys, 6 columns, a thousandth changed, by processor", "s", sides, GOAL)
    return {
        "ratio": round(ours["seconds"] / bare["seconds"], 3),
        "ratio_by_cpu": round(cpu["ours"] / cpu["bare"], 3),
        "peak_mb": ours["peak_mb"],
        "bare_peak_mb": bare["peak_mb"],
    }


def deliver_again(arguments: tuple[object, ...], times: int, first: dict[str, Any]) -> list[dict[str, Any]]:
    """Deliver another thousandth a few times; print a line for each."""
    print(
        f"first delivery: plan {first['plan']:.2f} s, shard {first['bytes'] / 1e6:,.1f} MB,"
        f" {first['peak_mb']:,.0f} MB"
    )
    taken: list[dict[str, Any]] = []
    for number in range(times):
        found = run(MEASURED + NEXT, *arguments, number)
        taken.append(found)
        base = f", base {found['base_bytes'] / 1e6:,.1f} MB" if found["base_bytes"] else ""
        print(
            f"{found['layers']:3} layers: plan {found['plan']:.2f} s, rest {found['settle']:.2f} s,"
            f" {found['peak_mb']:,.0f} MB; written: shard {found['shard_bytes'] / 1e6:.2f} MB{base},"
            f" state store {found['state_bytes'] / 1e3:,.0f} kB in all",
            flush=True,
        )
    return taken


if __name__ == "__main__":
    main()
