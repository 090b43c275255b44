"""One partition of a table that a function fills: the gate, then the commands, then the record.

Belongs here: their order, and what is asked again before the partition is replaced. Does not belong here:
what may be filled (`fills`), the commands (`destinations.adx`).

The gate is asked before the function is called and once more before its rows take the place of what was
there: a delivery marks itself before anything of it leaves, so what the function has read is what both
answers tell. All of it is done again by whoever comes after a process that died: what replaces the partition
has a tag that is made of what it was filled from.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from time import monotonic

from orchestration.core.partitions import place
from orchestration.delivery.deliver import ledger_of
from orchestration.delivery.engine import DeliveryEngine
from orchestration.destinations.adx import AdxDestination, AdxOptions
from orchestration.destinations.adx.cluster import Cluster, EntityMissing
from orchestration.destinations.adx.filling import Call, rows_of_others, stage
from orchestration.destinations.adx.replacing import Replacing
from orchestration.destinations.base import DeliveryError
from orchestration.kusto.held import Held
from orchestration.kusto.objects import FilledTable
from orchestration.kusto.parsed import Parses
from orchestration.kusto.places import Place
from orchestration.operations.fills import FillHeld, FillReport, Fills
from orchestration.operations.kusto_database import database_of, unlike_git, writes_to_an_outbox
from orchestration.operations.site import Site
from orchestration.state.kusto_fills import Fill

# The service ends a command after ten minutes; each may be given four times, with others around it.
_BUDGET_SECONDS = 2_700.0
# After so many calls during which something else was delivered, the next run is to do it.
_CALLS = 3
_OUTBOX = "kusto"
# With what the tags of all that fills have brought into a table begin.
_OWN = "kusto/{}/"


@dataclass(frozen=True)
class Filled:
    """What became of a fill; `said` in words. `called`: the function was called, or the rows were there."""

    fill: Fill
    said: str
    called: bool


class NoDatabase(Exception):
    """This deployment has no database in which functions could fill a table."""

    def __init__(self, table: str, why: str) -> None:
        super().__init__(f"{table} is not filled: {why}")


def fill_partition(
    site: Site, table: FilledTable, key: str, run_id: str, log: Callable[[str], None]
) -> Filled:
    """Fill a partition of a table by its function, if the gate is open.

    Raises:
        NoDatabase: the deployment has none.
        ProjectChanged: files of the project are others than those that the table is made of.
        FillHeld: something that it is filled from is not there as it was validated; nothing was changed.
        DeliveryError: the cluster refused, or could not be reached; run again, it ends in the same state.
    """
    deployment = site.deployment
    site.project.identity.require_unchanged()
    database, why = database_of(site)
    if database is None:
        if writes_to_an_outbox(site):
            return _to_the_outbox(site, table, key, run_id)
        raise NoDatabase(table.table, why)
    destination = AdxDestination(database.url, table.table, AdxOptions())
    began = monotonic()

    def left() -> float:
        return max(0.0, _BUDGET_SECONDS - (monotonic() - began))

    engine = DeliveryEngine(ledger_of(deployment), destination, deployment.kept_back)
    with engine.alone(log) as lease, Cluster(database.url, left, _too_late) as cluster:
        for _ in range(_CALLS):
            report = _require_open(site, table, key, database, cluster)
            filled = _filled(site, cluster, database, report, run_id, log)
            if filled is not None:
                if filled.called:
                    deployment.store.kusto_fills.record(filled.fill, lease.token)
                return filled
            log("what feeds it was delivered anew meanwhile: the function is called again")
    raise DeliveryError(
        f"{place(table.table, key)}: whenever its function was called, what feeds it was delivered anew",
        "deliveries that rest while it is filled",
        "look at `sluice delivery list`; it is tried again by itself, or by `sluice run`",
        nothing_done=True,
    )


def _require_open(site: Site, table: FilledTable, key: str, database: Place, cluster: Cluster) -> FillReport:
    report = Fills(site, database).report(table, key)
    if not report.open:
        raise FillHeld(report)
    kusto = site.project.kusto
    assert kusto is not None
    objects = [one for one in kusto.objects if one.key in table.reads]
    ledger = site.deployment.store.kusto_objects.of(database.name)
    with Parses(site.deployment.settings.data_dir / "kusto" / f"words_of_{table.table}.json") as parses:
        unlike = list(unlike_git(Held(cluster, parses.words), objects, ledger))
    unlike += _rows_beside(cluster, table)
    if unlike:
        raise FillHeld(replace(report, reasons=tuple(unlike)))
    return report


def _rows_beside(cluster: Cluster, table: FilledTable) -> Iterator[str]:
    """Yield why the table's rows would stand there twice: some are of no partition that a fill replaces.

    They are of another cut than the table has now, or somebody's: whoever wrote them is to say what they are.
    """
    # A whole table is replaced whole, and so what its partitions were before goes with it.
    ours = _scope(table, "") if _is_cut(table) else _OWN.format(table.table)
    others = rows_of_others(cluster, table.table, ours)
    if others.rows:
        yield (
            f"{table.table} has {others.rows:,} rows that no fill brought as it is cut now: of another"
            f" `grain:`, or somebody's; `.drop extents <| {others.command}` takes them out, then"
            " `sluice run --retry`"
        )


def _scope(table: FilledTable, key: str) -> str:
    """The value of the tag of a partition; all of one cut begin alike."""
    return f"{_OWN.format(table.table)}{table.partitioning.grain}/{key}"


def _is_cut(table: FilledTable) -> bool:
    return table.partitioning.partitioned


def _filled(
    site: Site,
    cluster: Cluster,
    database: Place,
    report: FillReport,
    run_id: str,
    log: Callable[[str], None],
) -> Filled | None:
    """Have the table hold what a report tells; None where it tells another thing by now: nothing changed."""
    table, key = report.table, report.partition_key
    scope = _scope(table, key)
    last = Fills(site, database).latest(table.table).get(key)
    same = last if last is not None and last.fill_id == report.fill_id else None

    def replacing(tag: str) -> Replacing:
        return Replacing(cluster, table.table, scope, tag, whole=not _is_cut(table))

    def fill(tag: str, rows: int) -> Fill:
        return Fill(
            table.table, key, report.fill_id, table.function, table.code, report.inputs, rows, tag,
            report.place, run_id,
        )  # fmt: skip

    tag = same.tag if same is not None else f"{scope}/{report.fill_id}"
    there = _rows_there(replacing(tag))
    if same is not None and same.rows == there and there:
        return Filled(same, f"the table has these {there:,} rows", called=False)
    if same is not None:
        # Some of its rows are gone, or it gave none: what takes its place needs a tag of its own.
        tag = f"{scope}/{report.fill_id}/{same.id}"
        there = _rows_there(replacing(tag))
    if there:  # a process that was stopped has replaced the partition, and not recorded it
        return Filled(fill(tag, there), f"{there:,} rows, which were there already", called=True)
    interval = table.partitioning.interval(key) if _is_cut(table) else None
    call = Call(table.function, interval, table.columns)
    log(f"calls {call.text} for {place(table.table, key)}")
    staged = stage(cluster, table.table, scope, tag, call, replacing(tag))
    after = _require_open(site, table, key, database, cluster)
    if after.fill_id != report.fill_id:
        replacing(tag).drop_staged()
        return None
    if staged.rows:
        replacing(tag).swap(staged.by)
    else:
        replacing(tag).empty()
    return Filled(fill(tag, staged.rows), f"{staged.rows:,} rows by {call.text}", called=True)


def _rows_there(replacing: Replacing) -> int:
    try:
        return replacing.rows_there()
    except EntityMissing:  # it was never filled
        return 0


def _to_the_outbox(site: Site, table: FilledTable, key: str, run_id: str) -> Filled:
    """Write down what would be filled, in a deployment that has no database."""
    report = Fills(site, None).report(table, key)
    if not report.open:
        raise FillHeld(report)
    interval = table.partitioning.interval(key) if _is_cut(table) else None
    text = Call(table.function, interval, table.columns).text
    folder = site.deployment.settings.data_dir / "outbox" / _OUTBOX / table.table
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{key or 'whole'}.json"
    said = {"table": table.table, "partition": key, "call": text, "from": report.inputs}
    file.write_text(json.dumps(said, indent=2, sort_keys=True) + "\n")
    made = Fill(
        table.table, key, report.fill_id, table.function, table.code, report.inputs, 0, "",
        f"outbox/{_OUTBOX}/{table.table}", run_id,
    )  # fmt: skip
    with site.deployment.store.leases.hold(f"fill {table.table}", wait_seconds=60) as lease:
        site.deployment.store.kusto_fills.record(made, lease.token)
    return Filled(made, f"would be filled by {text}; {file.name} of the outbox says so", called=True)


def _too_late(doing: str, waited_for: str) -> DeliveryError:
    return DeliveryError(
        f"{doing}: the time for one fill, {_BUDGET_SECONDS:g} s, is spent in waiting for {waited_for}",
        "a cluster that answers, and a function that is done in ten minutes",
        "look at `.show queries` and `.show commands` of the cluster; let the function read less for a"
        " partition; then run it again",
    )
