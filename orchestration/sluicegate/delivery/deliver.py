"""One partition of one export: the gate, then the engine.

Read and judged in one snapshot of the warehouse, so what is sent is the version that was validated, even if
a rebuild starts in between. The rows are fetched from it, and all else is done in the local engine: the
warehouse is open until they are, and no longer.
"""

import json
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from sluicegate.codes import Coded
from sluicegate.compute.exact_parquet import reads_back
from sluicegate.compute.lent_engine import lent_engine
from sluicegate.compute.sql import quoted
from sluicegate.core.environments import Environment
from sluicegate.core.lineage import Lineage, Table
from sluicegate.core.partitions import place
from sluicegate.core.secrets import ByReference, SecretError
from sluicegate.core.settings import Settings
from sluicegate.core.shown_text import NOTHING_CLASSIFIED, Near
from sluicegate.delivery.discretion import discreet
from sluicegate.delivery.empty_days import rightly_empty
from sluicegate.delivery.engine import DeliveryEngine, place_of
from sluicegate.delivery.export_files.expiry import Expired, expired, work_ended
from sluicegate.delivery.export_files.exports import Export
from sluicegate.delivery.ledger import (
    BEFORE,
    Between,
    DeliveryHeld,
    DeliveryRejected,
    Ledger,
    Limits,
    MadeBy,
    Opened,
    Order,
    Outcome,
)
from sluicegate.delivery.named_command import naming_the_command
from sluicegate.delivery.productions_places import require_not_productions
from sluicegate.delivery.renewing import renewing
from sluicegate.destinations.base import DeliveryError, Destination, Mode
from sluicegate.destinations.batches import BatchDestination
from sluicegate.destinations.outbox import outbox_of
from sluicegate.destinations.registry import build, destination_types
from sluicegate.gate.gate import Gate, GateClosed, GateReport
from sluicegate.state.deployment import Deployment
from sluicegate.state.records import Delivery, DeliveryKind, Hold
from sluicegate.transformation.identity import ProjectIdentity
from sluicegate.warehouse.base import Session
from sluicegate.warehouse.slices import partition_bounds, partition_condition


class NotConfigured(Coded):
    """This deployment has no connection of an export's name, so nothing is sent there."""

    def __init__(self, export: Export, settings: Settings) -> None:
        name = export.spec.destination.connection
        self.connection, self.variable = name, settings.variable_of(name)
        super().__init__(
            "SLU-E001",
            f"{export.name} is not configured, nothing is sent: connection `{name}` has no URL; set"
            f" {self.variable} to the destination's, then `sluice run --retry`",
        )


class NotDelivered(Coded):
    """A delivery that did not come about, and what the gate had said; None if it was not asked yet."""

    def __init__(
        self, problem: DeliveryHeld | DeliveryRejected | DeliveryError, report: GateReport | None
    ) -> None:
        super().__init__(problem.code, problem.words)
        self.problem = problem
        self.report = report


@dataclass(frozen=True)
class Target:
    """An export and the table that it sends: its model, and the column that cuts it into partitions.

    `near` is what a destination may quote of the rows. Of values of `classified` columns nothing is shown.
    """

    export: Export
    table: Table
    partition_column: str
    near: Near = NOTHING_CLASSIFIED
    classified: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Delivered:
    """What became of a partition, and what the gate said of it."""

    outcome: Outcome
    report: GateReport


@dataclass
class _Judged:
    report: GateReport | None = field(default=None)


def deliver_partition(
    deployment: Deployment,
    gate: Gate,
    project: ProjectIdentity,
    target: Target,
    partition_key: str,
    run_id: str,
    log: Callable[[str], None],
    kind: DeliveryKind = DeliveryKind.CHANGE,
) -> Delivered:
    """Send one partition of an export's model to its destination, if the gate is open.

    Raises:
        NotConfigured: the deployment has no connection of that name.
        ProjectChanged: files of the project are others than those that the gate and the export are made of.
        GateClosed: something that the partition is made of is not validated; nothing was sent.
        NotDelivered: the plan went past a limit, or a person rejected it; a key does not hold; or the
            destination refused.
    """
    export, store = target.export, deployment.store
    judged = _Judged()

    @contextmanager
    def opening() -> Generator[Opened]:
        with ledger_of(deployment).scratch(export.name) as folder:
            with deployment.warehouse.session(waiting=log) as session, session.snapshot():
                project.require_unchanged()
                report = gate.report(session, target.table.relation, partition_key)
                judged.report = report
                if not report.open:
                    raise GateClosed(report)
                _use_releases(deployment, target, report, partition_key, log)
                _require_lasting(deployment, export)
                fetched = fetch(session, gate.lineage, report, target, partition_key, folder)
            with fetched.opened() as opened:
                yield opened

    try:
        engine = engine_for(deployment, target, run_id, log)
        order = order_of(target, partition_key, kind)
        with naming_the_command(order):
            outcome = engine.deliver(order, opening)
    except GateClosed as closed:
        reasons = tuple(str(finding) for finding in closed.report.reasons)
        waits_for = closed.report.waits_for
        store.hold(Hold(export.name, partition_key, reasons, run_id, waits_for))
        raise
    except DeliveryHeld as held:
        store.hold(Hold(export.name, partition_key, held.delivery.reasons, run_id))
        raise NotDelivered(held, judged.report) from None
    except (DeliveryRejected, DeliveryError) as problem:
        raise NotDelivered(problem, judged.report) from None
    assert judged.report is not None
    store.lift_hold(export.name, partition_key)
    return Delivered(outcome, judged.report)


def _version(report: GateReport, target: Target, partition_key: str) -> str:
    # What was never built has none: the gate is closed for it, and it can only be looked at.
    return report.versions.get((target.table.relation, target.table.partition(partition_key)), "")


def ledger_of(deployment: Deployment) -> Ledger:
    """Return the ledger of a deployment, to be read."""
    return Ledger(deployment.store, deployment.settings.deliveries_dir)


def engine_for(
    deployment: Deployment, target: Target, run_id: str, log: Callable[[str], None]
) -> DeliveryEngine:
    """Return what brings an export to its destination; nothing is opened yet.

    Raises:
        NotConfigured: the deployment has no connection of that name.
        DeliveryError: the connection's URL is none of the destination's type.
    """
    destination = _destination_of(deployment, target.export, target.near)
    require_not_productions(deployment, target.export, destination)
    ledger = replace(ledger_of(deployment), run_id=run_id, log=log)
    return DeliveryEngine(ledger, destination, deployment.kept_back)


def _destination_of(deployment: Deployment, export: Export, near: Near = NOTHING_CLASSIFIED) -> Destination:
    """`near` is what it may quote of the rows that are sent: it says what may be shown of them."""
    stated = export.spec.destination
    if deployment.identity.kind is Environment.SCRATCH:
        folder = deployment.settings.data_dir / "outbox" / export.name
        return discreet(outbox_of(stated.type, stated.object, stated.options, folder), near)
    try:
        url = deployment.settings.connection(stated.connection)
    except SecretError as error:
        raise DeliveryError(error.code, error.what, error.expected, error.fix, nothing_done=True) from None
    if url is None:
        raise NotConfigured(export, deployment.settings)
    destination = _built(deployment, export, url)
    if isinstance(deployment.settings.connections[stated.connection], ByReference):

        def another() -> Destination | None:
            new = deployment.settings.renewed(stated.connection, url)
            return _built(deployment, export, new) if new else None

        destination = renewing(destination, another)
    return discreet(destination, near)


def _built(deployment: Deployment, export: Export, url: str) -> Destination:
    stated = export.spec.destination
    destination = build(stated.type, url, stated.object, stated.options)
    if wrong := deployment.settings.led_elsewhere(stated.connection, destination.hosts()):
        raise DeliveryError("SLU-N008", *wrong)
    if isinstance(destination, BatchDestination):
        destination.rates = deployment.settings.data_dir / "rates"
    return destination


def record_connections(deployment: Deployment, exports: Iterable[Export], *, served: bool) -> None:
    """Put on record which connections this process has, so that whoever asks for a status says the same.

    `served`: the process is one that serves the graph, the daemon's and the UI's, and not a command.
    """
    names = {export.spec.destination.connection for export in exports}
    there = {name: deployment.settings.delivers(name) for name in names}
    deployment.store.record_connections(there, served=served)


def order_of(target: Target, partition_key: str, kind: DeliveryKind = DeliveryKind.CHANGE) -> Order:
    """Return what the engine is asked for a partition of an export."""
    export, spec = target.export, target.export.spec
    latest = spec.latest_only
    limits = spec.limits
    type_ = destination_types[spec.destination.type]
    capabilities = type_.capabilities
    return Order(
        export=export.name,
        partition_key=partition_key,
        key=export.key_fields,
        mode=Mode(spec.mode),
        partition_column=None if latest else export.field(target.partition_column),
        bounds=None if latest else partition_bounds(target.table.partitioning, partition_key),
        limits=Limits(
            rows=Between(limits.rows.min, limits.rows.max) if limits.rows else Between(),
            changed_share=limits.changed_share,
            removed_share=limits.removed_share,
            sums={
                export.field(column): Between(bounds.min, bounds.max)
                for column, bounds in limits.sums.items()
            },
            # Plans of when nobody said it are known by that, and it was to send then.
            empty=limits.empty == "send" if "empty" in limits.model_fields_set else None,
            first_load=limits.first_load,
        ),
        tolerated_share=spec.refusals.tolerated_share,
        attempts=spec.refusals.attempts,
        wait_seconds=spec.refusals.wait.span.total_seconds(),
        budget_seconds=spec.budget.span.total_seconds(),
        fix=f"fix the model, or the key in {PurePosixPath(export.file.name)}",
        kind=kind,
        stated=stated(target, kind),
        hidden=frozenset(map(export.field, target.classified)),
        replaces=Mode.SNAPSHOT in capabilities.modes,
        # As far as the kind of destination tells; the engine asks the object itself.
        alike=dict.fromkeys(export.key_fields, capabilities.keys.alike),
        columns=export.columns,
        maps=export.maps,
        whole_object=spec.mode in capabilities.keys.anywhere,
        model=target.table.relation,
        writes=partial(
            destination_types[spec.destination.type].key_written, options=spec.destination.options
        ),
    )


def stated(target: Target, kind: DeliveryKind) -> str:
    """Return what an export says of its plans besides what an order has in fields of its own, as text.

    A redelivery is made of no table: neither the model nor what is done to its rows on the way counts there.
    """
    spec, table = target.export.spec, target.table
    type_, _, name = target.export.place
    said: dict[str, Any] = {
        "classes": sorted(spec.classes),
        "destination": [type_, name],
        "options": spec.destination.options.model_dump(mode="json", exclude_defaults=True),
        "partitions": spec.partitions,
    }
    if kind is not DeliveryKind.REDELIVER:
        said |= {
            "table": [table.relation, target.partition_column, *asdict(table.partitioning).values()],
            "names": dict(spec.names),
            "last mile": [_rule(rule.filter, rule.map) for rule in spec.last_mile],
        }
    return json.dumps(said, sort_keys=True)


def _rule(filter_: Any, mapping: Any) -> list[Any]:
    """What a last-mile rule does, not who answers for it and until when."""
    if filter_:
        return ["filter", filter_.column, filter_.keep, filter_.drop]
    # As pairs: a JSON object would make texts of numbers and of null.
    return ["map", mapping.column, list(mapping.values.items())]


def order_today(
    deployment: Deployment, target: Target, partition_key: str, kind: DeliveryKind = DeliveryKind.CHANGE
) -> Order:
    """Return the same with the place to which it leads today, as far as is known without sending."""
    try:
        place = place_of(_destination_of(deployment, target.export))
    except (NotConfigured, DeliveryError):  # nobody can tell where it leads, and nothing is sent there
        place = ""
    return replace(order_of(target, partition_key, kind), place=place)


def is_todays(deployment: Deployment, target: Target, plan: Delivery) -> bool:
    """Whether today's export file makes a plan on record, as far as is known without the warehouse."""
    if not target.table.partitioning.holds(plan.partition_key):
        return False  # its model was cut otherwise then
    return MadeBy.of(order_today(deployment, target, plan.partition_key, plan.kind)).made(plan)


@dataclass(frozen=True)
class Fetched:
    """The rows of a partition as the gate judged them, in files of a folder.

    `made_of` is their SQL in the warehouse, `version` that of the model's data, "" where it was never built.
    """

    folder: Path
    source: str
    made_of: str
    version: str
    content: str
    rightly_empty: bool

    @contextmanager
    def opened(self) -> Generator[Opened]:
        """Open the local engine on them."""
        with lent_engine(spill_into=self.folder / "spilled") as connection:
            yield Opened(
                connection, self.source, self.version, self.content, self.rightly_empty, self.made_of
            )


def fetch(
    session: Session, lineage: Lineage, report: GateReport, target: Target, partition_key: str, folder: Path
) -> Fetched:
    """Fetch what is sent of a partition from the warehouse; call it in the snapshot of the gate's report."""
    made_of, relation = source_of(session, target, partition_key), target.table.relation
    for name, kind in session.describe(made_of).items():
        if name.startswith(BEFORE):
            raise DeliveryError(
                "SLU-E026",
                f"`{target.export.name}` has a field {name!r}",
                f"other names than {BEFORE}…, which are the engine's own",
                "rename the column in the model, or under `names` of the export",
            )
        if not reads_back(kind):
            raise DeliveryError(
                "SLU-E012",
                f"`{target.export.name}`: {name} is a UNION with a list or a map in it, or has a VARIANT"
                " in it, which cannot be kept",
                "plain values or structs in a UNION, and a VARIANT in nothing else",
                f"write to_json({name}) in the export's model",
            )
    return Fetched(
        folder,
        session.fetch(source_of(session, target, partition_key, before=True), folder),
        made_of,
        _version(report, target, partition_key),
        report.content,
        rightly_empty(session, lineage, relation, partition_key),
    )


def source_of(session: Session, target: Target, partition_key: str, *, before: bool = False) -> str:
    """Return SQL for what is sent of a partition: the whole model's slice, under the destination's names.

    Where the destination holds the newest partition alone, the column that tells the partition is no field:
    all rows would differ each day by it alone. `before`: beside the fields stands what the model has where
    something else is sent, or nothing: who is erased is known by that, too.
    """
    table = target.table
    relation = table.relation.quoted
    columns = session.describe(f"select * from {relation}")
    cut: list[str] = []
    if table.partitioning.partitioned:
        cut = [partition_condition(target.partition_column, table.partitioning, partition_key)]
    return sent_of(target, columns, relation, cut, before=before)


def sent_of(
    target: Target, columns: Mapping[str, str], source: str, cut: Sequence[str] = (), *, before: bool = False
) -> str:
    """Return SQL for what is sent of rows of the model, wherever they are: as `source_of` has it.

    `columns` is {column: type} of `source`, SQL to select from; `cut` has the partition's conditions.
    """
    export = target.export
    left_out = target.partition_column if export.spec.latest_only else ""
    conditions, expressions = export.last_mile_sql(columns, quoted)
    conditions = [*cut, *conditions]
    fields = ", ".join(
        f"{expressions.get(column, quoted(column))} as {quoted(export.field(column))}"
        for column in columns
        if column != left_out
    )
    where = f" where {' and '.join(f'({item})' for item in conditions)}" if conditions else ""
    if before:
        kept = (column for column in columns if column in expressions or column == left_out)
        fields += "".join(f", {quoted(column)} as {quoted(BEFORE + column)}" for column in kept)
    return f"select {fields} from {source}{where}"


def _require_lasting(deployment: Deployment, export: Export) -> None:
    """What an export file says for a time is asked when it is used: it holds this export, and no other."""
    _require(export, expired(export, deployment.settings.project_dir, datetime.now(UTC).date()))


def require_lasting_work(deployment: Deployment, export: Export) -> None:
    """Raise where an export is made of work that has ended: not even what it held before is sent again.

    Raises:
        DeliveryError: it is.
    """
    _require(export, list(work_ended(export.work, deployment.clock().astimezone(UTC).date())))


def _require(export: Export, found: Sequence[Expired]) -> None:
    if found:
        raise DeliveryError(
            "SLU-E015",
            f"`{export.name}` is held, nothing was sent: {'; '.join(item.what for item in found)}",
            found[0].expected,
            f"{'; '.join(item.fix for item in found)}; then reload the code",
        )


def _use_releases(
    deployment: Deployment,
    target: Target,
    report: GateReport,
    partition_key: str,
    log: Callable[[str], None],
) -> None:
    version = _version(report, target, partition_key)
    for release in report.releases:
        if not deployment.store.releases.use(release, version):
            raise DeliveryError(
                "SLU-G009",
                f"the release of {place(target.export.name, partition_key)} was used for another version"
                " meanwhile",
                "a release that nothing has gone out under",
                "look at what was sent, and release again if it must",
            )
        log(f"passes on failed checks, {release}")
