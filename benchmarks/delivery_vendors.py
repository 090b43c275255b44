"""How much of the rate that a vendor allows is reached: HubSpot, Braze, Salesforce's bulk jobs, a webhook.

The vendors are the tests' doubles, each in a process of its own. They count requests as the vendor does,
refuse what is too many, and answer after a time that is stated for each. The platform sends through the whole
engine. HubSpot and Salesforce allow what they publish; Braze allows more than two cores can make and answer,
so it gets a lower limit. A share of 1 is a sender that fills each window as soon as it opens, counted at the
double from the first request that was taken to the last. A bulk job's is one that learns at once that the job
has ended.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import duckdb
from sluicegate.delivery.engine import DeliveryEngine
from sluicegate.delivery.ledger import Ledger, Opened, Order
from sluicegate.destinations.base import Mode
from sluicegate.destinations.batches import BatchDestination, Rate
from sluicegate.destinations.braze import BrazeDestination
from sluicegate.destinations.registry import destination_types
from sluicegate.state.store import StateStore

from benchmarks.measuring import Side, peak_mb, show
from tests.doubles.braze import API_KEY
from tests.doubles.hubspot import TOKEN
from tests.doubles.salesforce import CLIENT_ID, CLIENT_SECRET

GOAL = "95 % of the rate that is allowed, 1.05 x"
SMALLEST = ("--vendor", "webhook", "--windows", "1")
WEBHOOK_SECRET = "a secret of ours"
# What Salesforce publishes for 24 hours, as a rate. A job has 20,000 rows here, a fifth of the usual, and is
# first asked about after a fifth of the usual 2 s.
SALESFORCE_ROWS_A_SECOND = 150_000_000 / 86_400
SERVE = """
import asyncio, json, sys, time
from tests.doubles.serving import serve
name, requests, seconds, delay = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
def made():
    if name == "hubspot":
        from tests.doubles.hubspot import HubSpotDouble, Property
        properties = {"email": Property(hubspot_defined=True), "item": Property("number", unique=True),
                      "note": Property(), "amount": Property("number"), "day": Property("date")}
        return HubSpotDouble(properties, requests=requests, seconds=seconds)
    if name == "braze":
        from tests.doubles.braze import BrazeDouble
        return BrazeDouble(requests=requests, seconds=seconds)
    if name == "webhook":
        from tests.doubles.webhook import WebhookDouble
        return WebhookDouble(secret=sys.argv[5].encode(), rate=(requests, seconds))
    from tests.doubles.salesforce import SalesforceDouble
    from tests.doubles.salesforce_records import Field
    return SalesforceDouble("Item__c", {"Item__c": Field("double", external_id=True), "Note__c": Field(),
                                        "Amount__c": Field("double", scale=2), "Day__c": Field("date")})
double = made()
taken, ends = [], {}
async def timed(scope, receive, send):
    if scope["type"] != "http":
        return await double.app(scope, receive, send)
    await asyncio.sleep(delay / 2)
    arrived = time.monotonic()
    job = scope["path"].rpartition("/jobs/ingest/")[2]
    answer = {"status": 0, "body": b""}
    async def keep(message):
        answer["status"] = message.get("status", answer["status"])
        answer["body"] += message.get("body", b"")
        if message["type"] == "http.response.start":
            answer["start"] = message
    await double.app(scope, receive, keep)
    if job in ends and scope["method"] == "GET" and time.monotonic() < ends[job]:
        found = json.loads(answer["body"]) | {"state": "InProgress"}
        answer["body"] = json.dumps(found).encode()
        answer["start"]["headers"] = [(b"content-type", b"application/json")]
    if name == "salesforce" and scope["method"] == "PATCH" and answer["status"] == 200:
        # Its rows are worked through at once; that it has ended is said once its time has come.
        rows = double.jobs.jobs[job].data.count(b"\\n") - 1
        double.jobs.info(job)
        ends[job] = arrived + rows / seconds
    if "/oauth2/" not in scope["path"] and (scope["method"] != "GET" or taken) and answer["status"] < 300:
        taken.append(arrived)
    await asyncio.sleep(delay / 2)
    await send(answer["start"])
    await send({"type": "http.response.body", "body": answer["body"]})
with serve(timed) as address:
    print(address, flush=True)
    sys.stdin.read()
rows = double.table if name == "salesforce" else double
received = double.taken if name == "webhook" else rows.rows
import resource
print(json.dumps({"taken": len(taken), "seconds": taken[-1] - taken[0], "rows": received, "twice": rows.twice,
                  "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


@dataclass(frozen=True)
class Vendor:
    """One kind of destination, and what its double allows.

    `answer_seconds` is how long a request takes; `scaled` says how the allowed rate differs from what the
    vendor publishes. Of `columns` the first is the key.
    """

    name: str
    url: str
    object_name: str
    columns: tuple[str, str, str, str]
    batch_rows: int
    allowed: Rate
    answer_seconds: float
    scaled: str
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    mode: Mode = Mode.UPSERT


VENDORS = (
    Vendor(
        "hubspot", f"hubspot://:{TOKEN}@", "contacts", ("item", "note", "amount", "day"),
        100, Rate(190, 10.0), 0.3, "190 requests in 10 s, as published",
    ),
    Vendor(
        "braze", f"braze://:{API_KEY}@", "users", ("external_id", "note", "amount", "day"),
        75, Rate(225, 3.0), 0.1, "225 requests in 3 s, where Braze allows 3,000",
    ),
    Vendor(
        "salesforce", f"salesforce://{CLIENT_ID}:{quote(CLIENT_SECRET, safe='')}@", "Item__c",
        ("Item__c", "Note__c", "Amount__c", "Day__c"),
        20_000, Rate(1, SALESFORCE_ROWS_A_SECOND), 0.02, "150,000,000 rows in 24 hours, as published",
        {"bulk_from": 1, "job_rows": 20_000, "poll_seconds": 0.4},
    ),
    Vendor(
        "webhook", f"webhook://:{quote(WEBHOOK_SECRET)}@", "items", ("item", "note", "amount", "day"),
        10, Rate(60, 3.0), 0.1, "60 requests of 10 rows in 3 s",
        {"batch_rows": 10, "rate_requests": 60, "rate_seconds": 3.0},
    ),
)  # fmt: skip


class SlowBraze(BrazeDestination):
    """Braze, for a workspace that allows less."""

    rate = next(vendor.allowed for vendor in VENDORS if vendor.name == "braze")


@contextmanager
def doubled(vendor: Vendor) -> Generator[tuple[str, dict[str, Any]]]:
    """Run a double; yields its address, and a dictionary that is filled with what it counted."""
    command = [
        sys.executable, "-c", SERVE, vendor.name, str(vendor.allowed.requests), str(vendor.allowed.seconds),
        str(vendor.answer_seconds), WEBHOOK_SECRET,
    ]  # fmt: skip
    counted: dict[str, Any] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), counted
        # Ends its input, so that it stops.
        written, _ = process.communicate()
        counted.update(json.loads(written.splitlines()[-1]))


def deliver(vendor: Vendor, address: str, rows: int, folder: Path) -> int:
    """Send rows through the engine; return how many tries the vendor turned away."""
    kind = SlowBraze if vendor.name == "braze" else destination_types[vendor.name]
    options = kind.options_model.model_validate(vendor.options)
    destination = kind(f"{vendor.url}{address}", vendor.object_name, options)
    if isinstance(destination, BatchDestination):
        destination.rates = folder / "rates"

    @contextmanager
    def opening() -> Generator[Opened]:
        key, note, amount, day = vendor.columns
        with duckdb.connect() as connection:
            source = (
                f"select range as {key}, 'note ' || range as {note}, (range % 1000 / 4)::decimal(9, 2)"
                f" as {amount}, date '{date(2024, 1, 1)}' + (range % 300)::integer as {day}"
                f" from range({rows})"
            )
            yield Opened(connection, source, "first")

    store = StateStore(f"sqlite:///{folder / 'state.db'}")
    order = Order("exp_items", "2024-01-01", vendor.columns[:1], vendor.mode, None)
    ledger = Ledger(store, folder / "shards", "run")
    outcome = DeliveryEngine(ledger, destination).deliver(order, opening)
    store.close()
    assert outcome.receipt is not None
    assert not outcome.refused
    return cast("int", outcome.receipt.details.get("tried_again", 0))


def measure(vendor: Vendor, windows: int) -> dict[str, Any]:
    """Send for so many windows of the vendor's rate; print a table."""
    rows = vendor.batch_rows * (windows * vendor.allowed.requests + 1)
    ideal = windows * vendor.allowed.seconds
    if vendor.name == "salesforce":
        rows = vendor.batch_rows * windows
        ideal = rows / SALESFORCE_ROWS_A_SECOND
    with tempfile.TemporaryDirectory() as folder, doubled(vendor) as (address, counted):
        again = deliver(vendor, address, rows, Path(folder))
    assert (counted["rows"], counted["twice"]) == (rows, 0), counted
    share = ideal / counted["seconds"]
    sides = [
        Side("a sender that fills each window", ideal, counted["peak_mb"], "the peak is the double's"),
        Side("the platform", counted["seconds"], peak_mb(), f"{share:.1%} of the rate; {again} turned away"),
    ]
    show(f"{vendor.name}: {rows:,} rows, {vendor.scaled}", "s", sides, GOAL)
    return {"share": round(share, 4), "turned_away": again, "rows": rows}


def main() -> None:
    """Print a table for each vendor, and JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [vendor.name for vendor in VENDORS]
    parser.add_argument("--vendor", choices=names, action="append")
    parser.add_argument("--windows", type=int, help="of each vendor's rate; by default some seconds")
    options = parser.parse_args()
    usual = {"hubspot": 1, "braze": 1, "salesforce": 1, "webhook": 1}
    figures = {
        vendor.name: measure(vendor, options.windows or usual[vendor.name])
        for vendor in VENDORS
        if not options.vendor or vendor.name in options.vendor
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
