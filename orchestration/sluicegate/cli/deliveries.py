"""What people do with deliveries: look at plans, decide on them, send again, go back, forget, compare.

Belongs here: arguments and what is printed. Does not belong here: tables (`delivery_tables`), work.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluicegate.cli.completion import exports
from sluicegate.cli.exits import Code, ended
from sluicegate.cli.opened import (
    By,
    DataDir,
    DemoDestinations,
    Export,
    Json,
    ProjectDir,
    Reason,
    account,
    opened,
    out,
    print_json,
    table,
)
from sluicegate.core.partitions import place

if TYPE_CHECKING:
    from sluicegate.delivery.ledger import Outcome
    from sluicegate.state.records import Delivery

app = typer.Typer(help="What is sent: plan, decide, send again, read back, forget.")
Partition = Annotated[
    str | None, typer.Option("--partition", help="The partition, as 2022-10-05 (default: the newest).")
]
OneOrAll = Annotated[str | None, typer.Option("--partition", help="One partition alone, as 2022-10-05.")]
Named = Annotated[str, typer.Argument(help="The delivery's id, or a beginning of it that is unique.")]
On = Annotated[
    str, typer.Option("--on", help="A day (its end) or a moment, as 2026-05-01 or 2026-05-01T06:00 (UTC).")
]


@app.command()
def plan(
    export: Export,
    partition: Partition = None,
    as_json: Json = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Show what a delivery would add, change and remove now, and what would hold it; sends nothing."""
    with opened(project, data) as here:
        from sluicegate.cli.delivery_tables import plan_as_data, show_plan
        from sluicegate.delivery.preview import preview

        target = here.site.target(export)
        key = here.partition(target, partition)
        found = preview(here.deployment, here.site.gate, target, key, target.classified)
    if as_json:
        print_json(plan_as_data(found))
    else:
        show_plan(found, out)


@app.command()
def approve(
    delivery: Named,
    reason: Reason,
    by: By = None,
    no_run: Annotated[bool, typer.Option("--no-run", help="Leave the sending to the next run.")] = False,
    demo_destinations: DemoDestinations = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Let a held delivery go: that very plan, at once.

    Ends with code 1 if it did not go through.
    """
    with opened(project, data, demo_destinations) as here:
        from sluicegate.cli.running import show_finished
        from sluicegate.graph.headless import approve_and_send
        from sluicegate.operations.asking import delivery_of

        found = delivery_of(here.deployment, delivery)
        sent = approve_and_send(here.desk, found, account(by), reason, log=_say, send=not no_run)
        if sent.outcome is not None:
            _show_outcome(sent.outcome)
        elif sent.run is not None:
            show_finished(sent.run, out)
        else:
            out.print(
                f"{_named(sent.decided)} is approved; `sluice run`, or the sensor, sends it",
                soft_wrap=True,
                markup=False,
            )
    raise ended(not (sent.run is None or sent.run.success))


@app.command()
def reject(
    delivery: Named, reason: Reason, by: By = None, project: ProjectDir = None, data: DataDir = None
) -> None:
    """Let a held delivery never go: nothing of its partition is sent until the data are others."""
    with opened(project, data) as here:
        from sluicegate.graph.deciding import reject as decide
        from sluicegate.operations.asking import delivery_of

        decided = decide(here.desk, delivery_of(here.deployment, delivery), account(by), reason)
    said = f"{_named(decided)} is rejected; it is planned anew once the data are others"
    out.print(said, soft_wrap=True, markup=False)


@app.command("list")
def list_(
    export: Annotated[
        str | None, typer.Argument(help="One export: its last 20 deliveries.", autocompletion=exports)
    ] = None,
    as_json: Json = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """List deliveries: those of all exports that are held, under way or had rows refused, or one export's."""
    with opened(project, data) as here:
        from sluicegate.cli.delivery_tables import deliveries_as_data, deliveries_table
        from sluicegate.state.records import DeliveryStatus

        if export is not None:
            here.site.target(export)
        found = here.deployment.store.deliveries.newest(export)
        unsent = (DeliveryStatus.PLANNED, DeliveryStatus.HELD, DeliveryStatus.APPROVED)
        outdated = {
            item.delivery_id for item in found if item.status in unsent and not here.site.is_todays(item)
        }
    if as_json:
        print_json(deliveries_as_data(found, outdated))
        return
    if not found:
        out.print("no delivery" if export else "no delivery is held, under way, or had rows refused")
        return
    out.print(deliveries_table(found, outdated))


@app.command()
def refusals(
    export: Export,
    partition: OneOrAll = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try them again now, those given up too.")] = False,
    as_json: Json = False,
    demo_destinations: DemoDestinations = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Show the rows that a destination refuses, with the vendor's words; --retry tries them again now."""
    with opened(project, data, demo_destinations) as here:
        from sluicegate.cli.delivery_tables import refusals_as_data, rejected_table

        if retry and as_json:
            raise ValueError("--retry and --json do not go together; expected one of them")

        target = here.site.target(export)
        wanted = None if partition is None else here.partition(target, partition)
        scope = None if target.export.spec.latest_only else wanted
        refused = here.deployment.store.refused_keys
        found = refused.of(export, scope)
        hidden = {target.export.field(column) for column in target.classified}
        if as_json:
            print_json(refusals_as_data(found, target.export.key_fields, hidden))
            return
        if not found:
            out.print("no row is refused")
            return
        out.print(rejected_table(export, found, target.export.key_fields, hidden))
        if not retry:
            out.print(f"to try them now: sluice delivery refusals {export} --retry; or fix them in the model")
            return
        from sluicegate.cli.running import show_finished
        from sluicegate.graph.headless import retry_refused

        healthy = [show_finished(run, out) for run in retry_refused(here.desk, target, scope)]
        left = len(refused.of(export, scope))
        out.print(f"{len(found) - left:,} of {len(found):,} were taken")
    raise ended(not (all(healthy) and not left))


@app.command()
def resend(
    export: Export,
    partition: Partition = None,
    demo_destinations: DemoDestinations = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Send every row of a partition again, whatever the destination acknowledged.

    Ends with code 1 if it did not go through.
    """
    with opened(project, data, demo_destinations) as here:
        from sluicegate.cli.running import show_finished
        from sluicegate.graph.headless import resync

        target = here.site.target(export)
        key = here.partition(target, partition)
        done = resync(here.desk, target, key)
        show_finished(done, out)
    raise ended(not done.success)


@app.command()
def redeliver(
    export: Export,
    on: On,
    reason: Reason,
    partition: Partition = None,
    by: By = None,
    demo_destinations: DemoDestinations = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Make a destination hold again what it held at a moment: a partition, or all if it holds only one.

    The next delivery of new data goes on from there.
    """
    with opened(project, data, demo_destinations) as here:
        from sluicegate.delivery.travel import parse_moment
        from sluicegate.graph.redelivering import redeliver_and_show

        target = here.site.target(export)
        key = here.partition(target, partition)
        outcome = redeliver_and_show(
            here.desk, target, key, parse_moment(on, here.now),
            log=_say, by=account(by), reason=reason,
        )  # fmt: skip
        _show_outcome(outcome)


@app.command()
def content(
    export: Export,
    on: On,
    partition: OneOrAll = None,
    to: Annotated[
        Path | None, typer.Option(help="Write the rows, unmasked, to this .parquet or .csv file.")
    ] = None,
    as_json: Json = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Tell what a destination held at a moment, by our records: rows by partition, and the rows to a file."""
    with opened(project, data) as here:
        from sluicegate.delivery.deliver import ledger_of
        from sluicegate.delivery.travel import held_at, parse_moment, scopes_of, write_held

        target, ledger = here.site.target(export), ledger_of(here.deployment)
        moment, key = parse_moment(on, here.now), target.export.key_fields
        scopes = scopes_of(ledger.store, export)
        wanted = None if partition is None else here.partition(target, partition)
        if wanted is not None and not target.export.spec.latest_only:
            scopes = [wanted]
        found = held_at(ledger, export, key, moment, scopes)
        written = None if to is None else write_held(ledger, export, key, moment, scopes, to)
        if as_json:
            held = [
                {
                    "partition": item.scope or item.delivery.partition_key, "rows": item.rows,
                    "delivery": item.delivery.delivery_id,
                }
                for item in found
            ]  # fmt: skip
            print_json({"export": export, "at": moment.isoformat(), "partitions": held})
            return
        shown = table(f"{export} at {moment:%Y-%m-%d %H:%M:%S} UTC", "partition", "#rows", "last delivery")
        for item in found:
            shown.add_row(
                item.scope or item.delivery.partition_key, f"{item.rows:,}", item.delivery.delivery_id[:12]
            )
        out.print(shown)
        out.print(f"{sum(item.rows for item in found):,} rows")
        if written is not None:
            out.print(f"{written:,} rows in {to}", soft_wrap=True, markup=False)


@app.command()
def forget(
    values: Annotated[
        list[str], typer.Argument(help="COLUMN=VALUE of the rows to forget; several must all hold.")
    ],
    reason: Reason,
    by: By = None,
    as_json: Json = False,
    demo_destinations: DemoDestinations = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Take rows out of every destination and of our shards, and never send their keys again; on the record.

    Ends with code 1 if something is left to do; ask for the same again.
    """
    with opened(project, data, demo_destinations) as here:
        from sluicegate.cli.delivery_tables import pairs
        from sluicegate.graph.erasing import forget_everywhere
        from sluicegate.operations.fills import filled_from
        from sluicegate.operations.publishing import forget_published

        done = list(
            forget_everywhere(
                here.desk,
                pairs(values),
                by=account(by),
                reason=reason,
                log=(lambda _: None) if as_json else _say,
            )
        )
        published = forget_published(here.site, pairs(values), by=account(by), reason=reason.strip())
        kusto = here.project.kusto
        filled = filled_from(kusto.filled, {item.export for item in done if item.keys}) if kusto else []
    if as_json:
        print_json(
            {
                "exports": [
                    {
                        "export": item.export, "keys": len(item.keys), "done": item.said,
                        "by_hand": item.taken_out is None or bool(item.untouched), "problem": item.problem,
                    }
                    for item in done
                ],
                "published": published, "to_fill_again": list(filled),
            }
        )  # fmt: skip
        raise ended(any(item.problem for item in done))
    shown = table("forgotten", "export", "#keys", "what was done")
    for item in done:
        shown.add_row(item.export, f"{len(item.keys):,}", item.said.replace("[", r"\["))
    out.print(shown if done else "no export has these columns")
    for item in done:
        if item.taken_out is None or item.untouched:
            what = "; ".join(item.untouched) if item.taken_out is not None else item.export
            out.print(f"to be taken out by hand, of {what}:", style="yellow", soft_wrap=True, markup=False)
            for key in item.keys:
                out.print(f"  {', '.join(str(part) for part in key)}", markup=False)
    if published:
        out.print(published, soft_wrap=True, markup=False)
    if filled:
        out.print(
            f"made of these rows by functions, until `sluice run` or the daemon fills them anew:"
            f" {', '.join(filled)}",
            style="yellow", soft_wrap=True, markup=False,
        )  # fmt: skip
    out.print(
        "not touched: the warehouse, the originals, the quarantine, failing rows on record, Dagster's event"
        " log and backups;"
        " take the rows out of the source, and rerun it",
        style="yellow",
        soft_wrap=True,
    )
    raise ended(any(item.problem for item in done))


@app.command()
def reconcile(
    export: Annotated[str, typer.Argument(help="The export's name, as its file's.")] = "",
    partition: Partition = None,
    restored: Annotated[
        bool, typer.Option("--restored", help="All that waits since a restore; of EXPORT, or of all exports.")
    ] = False,
    looked_at: Annotated[
        bool,
        typer.Option(
            "--looked-at",
            help="After a restore: a person has looked at the destination, and it may be sent to again;"
            " without --partition, all of it.",
        ),
    ] = False,
    reason: Annotated[str, typer.Option(help="What was found and done there; it is kept.")] = "",
    by: By = None,
    demo_destinations: DemoDestinations = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Read a destination back, and compare it with what it acknowledged; shown on the asset, too.

    Ends with code 1 if they differ, or something waits for a person.
    """
    with opened(project, data, demo_destinations) as here:
        if looked_at or restored or not export:
            from sluicegate.cli.restored import reconcile_restored, take_persons_word

            if looked_at:
                take_persons_word(here, export, partition, reason, account(by))
                return
            if not restored:
                raise ValueError("expected an EXPORT, or --restored for all that waits since a restore")
            raise ended(not reconcile_restored(here, export))
        from sluicegate.cli.running import show_finished
        from sluicegate.graph.headless import reconcile_alone
        from sluicegate.graph.reconciled import readable

        target = here.site.target(export)
        if not readable(target):
            kind = target.export.spec.destination.type
            raise ValueError(
                f"`{export}`: a destination of type {kind} cannot be read back; after a restore, a person"
                f" looks there: `sluice delivery reconcile {export} --looked-at --reason …`"
            )
        key = here.partition(target, partition)
        done = reconcile_alone(here.desk, target, key)
        show_finished(done, out)
        for said in done.said:
            out.print(f"    {said}", markup=False, soft_wrap=True)
    raise ended(not (done.success and not done.failures and not done.warnings))


def _show_outcome(outcome: "Outcome") -> None:
    from sluicegate.graph.deliveries_shown import said_of

    out.print(f"{_named(outcome.delivery)}: {said_of(outcome)}", soft_wrap=True, markup=False)
    if outcome.refused:
        out.print(
            f"{len(outcome.refused):,} rows were refused: sluice delivery refusals {outcome.delivery.export}"
        )
    if outcome.too_many_refused:
        raise typer.Exit(Code.ATTENTION)


def _named(delivery: "Delivery") -> str:
    return place(f"delivery {delivery.delivery_id[:12]} of {delivery.export}", delivery.partition_key)


def _say(text: str) -> None:
    out.print(text, style="dim", markup=False)
