"""The commands of every day: check, land, run, look, release, serve.

Belongs here: arguments, tables, exit codes. Does not belong here: work, and how a command opens its
deployment (`opened`).
"""

import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli.opened import (
    By,
    DataDir,
    DemoDestinations,
    Export,
    Json,
    ProjectDir,
    account,
    err,
    errors_told,
    opened,
    out,
    print_json,
)
from orchestration.cli.progress import Watched
from orchestration.core.problems import ProjectError

app = typer.Typer(
    cls=Watched,
    name="sluice",
    help="One Dagster asset graph, from landed file to destination."
    " Exit codes: 0 all is well, 1 somebody is needed, 2 it could not be asked so.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def check(project: ProjectDir = None, data: DataDir = None) -> None:
    """Check the folders, alerts.yaml, the rules of the graph, that no TODO is left, and what expires."""
    with opened(project, data, typed=False) as here:
        from orchestration.review.checking import checked

        found = checked(here.settings, here.now.date())
        for warning in found.warnings:
            err.print(warning, style="yellow", markup=False)
        if (wrong := [*found.problems, *found.expired]) or found.project is None:
            raise ProjectError(wrong)
        loaded = found.project
    out.print(
        f"{len(loaded.contracts)} contracts, {len(loaded.manifest.nodes)} dbt tables,"
        f" {len(loaded.suites)} suites, {len(loaded.exports)} exports"
        f"{f', {len(loaded.kusto.objects)} files of KQL' if loaded.kusto else ''}: no problem found"
    )


@app.command()
def land(
    source: Annotated[str, typer.Argument(help="The source's name, as its contract says.")],
    paths: Annotated[list[Path], typer.Argument(help="Files, or directories of them.", exists=True)],
    partition: Annotated[
        str | None, typer.Option(help="The partition of files whose names do not tell it, by its key.")
    ] = None,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Put files into staging as a provider would, marker last."""
    with opened(project, data) as here:
        from orchestration.areas import storage_errors, why_of
        from orchestration.ingestion.landing import land as land_files
        from orchestration.ingestion.local_files import files_to_land

        files, complaint = files_to_land(here.contracts, source, paths, partition)
        if complaint:
            raise ValueError(complaint)
        contract = here.contracts[source]
        staging = here.deployment.staging_of(contract)
        try:
            for key in land_files(contract, staging, files):
                out.print(f"landed {source} {key}")
        except storage_errors() as error:
            raise ValueError(
                f"{staging.url}: cannot be written to ({type(error).__name__}: {why_of(error)}); expected"
                " staging that this process may write; mend it, and land the files again"
            ) from None


@app.command()
def run(
    retry: Annotated[bool, typer.Option("--retry", help="Also run again what has failed.")] = False,
    demo_destinations: DemoDestinations = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Take everything that has landed through the graph, without a daemon; what failed is told at the end.

    Ends with code 1 if anything failed, was refused, is held, or is ready and was not sent.
    """
    with opened(project, data, demo_destinations, typed=False) as here:
        from orchestration.cli.running import run_and_show, tell

        healthy = run_and_show(here.desk, out, retry=retry)
        tell(here.desk, out)
    raise typer.Exit(0 if healthy else 1)


@app.command()
def status(
    everything: Annotated[
        bool, typer.Option("--all", help="Every partition, not only the newest and the troubled.")
    ] = False,
    as_json: Json = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Show what needs somebody, then each source and export by partition: landed, validated, delivered, held.

    It looks into staging, too, and says what is wrong there; it takes nothing in.

    Ends with code 0, whatever it shows: `sluice run` ends with 1 if something needs somebody.
    """
    with opened(project, data, typed=False) as here:
        from orchestration.cli.story import show_trouble, skipped_lines
        from orchestration.cli.tables import status_as_data, status_tables
        from orchestration.operations.status import staging_complaints
        from orchestration.operations.status import status as status_of

        rows = status_of(here.site)
        complaints = staging_complaints(here.site)
    if as_json:
        print_json(status_as_data(rows, complaints))
        return
    show_trouble(rows, complaints, out, partitions_follow=True)
    for table in status_tables(rows, everything):
        out.print(table)
    for line in skipped_lines(rows):
        out.print(line, style="yellow", markup=False, soft_wrap=True)


Day = Annotated[
    str | None,
    typer.Option("--partition", help="The day, as 2022-10-05; none of a model that is not partitioned."),
]


@app.command()
def gate(
    export: Export,
    partition: Day = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also each check that was asked for, a line each.")
    ] = False,
    as_json: Json = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Tell whether a partition of an export may go out: each reason why not, and below it what opens it.

    Ends with code 1 if the gate is closed.
    """
    with opened(project, data) as here:
        from orchestration.cli.gates import gate_as_data, show_gate
        from orchestration.operations.asking import key_to_send

        key = key_to_send(here.site.target(export), partition)
        report = here.site.gate_report(export, key)
    if as_json:
        print_json(gate_as_data(report, export))
    else:
        show_gate(report, export, out, everything=everything)
    raise typer.Exit(0 if report.open else 1)


@app.command()
def release(
    export: Export,
    reason: Annotated[str, typer.Option(help="Why it may go out although checks failed.")],
    until: Annotated[str, typer.Option(help="When this ends if it was not used, as 2026-05-01T06:00 (UTC).")],
    partition: Day = None,
    check: Annotated[
        list[str] | None,
        typer.Option(help="TABLE:CHECK to pass on, as staging.stg_sales:expectations; all failed, if none."),
    ] = None,
    through: Annotated[
        bool,
        typer.Option("--through", help="Also on what fails further down, on what is made of these data."),
    ] = False,
    by: By = None,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Break the glass: let one partition of one export pass on failed checks, once, on the record."""
    with opened(project, data) as here:
        from orchestration.cli.gates import parse_until, show_release
        from orchestration.graph.releasing import Request
        from orchestration.graph.releasing import release as record_release
        from orchestration.operations.asking import key_to_send

        key = key_to_send(here.site.target(export), partition)
        request = Request(export, key, reason, account(by), parse_until(until), tuple(check or ()), through)
        recorded = record_release(here.desk, request)
    show_release(recorded, out)


@app.command()
def generate(
    directory: Annotated[Path, typer.Argument(help="Where to write the feed.")],
    start: Annotated[str, typer.Option(help="First day.")] = "2022-10-03",
    days: Annotated[int, typer.Option(min=1, help="How many days.")] = 4,
    stores: Annotated[int, typer.Option(min=1, help="How many stores.")] = 60,
    products: Annotated[int, typer.Option(min=1, help="How many products.")] = 300,
    seed: Annotated[int, typer.Option(help="Another number makes another feed.")] = 1,
    fault: Annotated[
        list[str] | None, typer.Option(help="feed:day:fault, as inventory:2022-10-05:missing-stores.")
    ] = None,
    contacts: Annotated[
        bool, typer.Option("--contacts", help="With made-up people who answer for the stores.")
    ] = False,
) -> None:
    """Write a deterministic feed of the demo company, in the shape in which Iowa publishes it."""
    with errors_told():
        from orchestration.demo.faults import Fault
        from orchestration.demo.generate import generate_feed

        files = generate_feed(
            directory,
            start=date.fromisoformat(start),
            days=days,
            stores=stores,
            products=products,
            seed=seed,
            faults=[Fault.parse(text) for text in fault or []],
            contacts=contacts,
        )
    out.print(f"{len(files)} files in {directory}")


@app.command()
def docs(project: ProjectDir = None, data: DataDir = None) -> None:
    """Make GX Data Docs, a site of what was judged, in the data directory; print where they begin.

    Beside them is lineage.html: where each column comes from and where it goes, of the project as it is.
    """
    with opened(project, data, typed=False) as here:
        from orchestration.cli.docs import build

        path = build(here.settings, lambda text: err.print(text, style="yellow", markup=False))
        out.print(str(path), soft_wrap=True)


@app.command()
def dev(
    port: Annotated[int, typer.Option(help="Port of the UI, on loopback.")] = 3000,
    demo_destinations: DemoDestinations = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Start the UI and the daemon with its sensor; stops on Ctrl-C and on SIGTERM."""
    with opened(project, data, demo_destinations, typed=False) as here:
        from orchestration.cli.serving import serve

        code = serve(here, port)
    sys.exit(code)


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port of the UI, on loopback.")] = 3001,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Start the UI alone, read-only: for all who look, beside what the service runs."""
    with opened(project, data, typed=False) as here:
        from orchestration.cli.serving import show

        code = show(here, port)
    sys.exit(code)


@app.command()
def demo(data: DataDir = None) -> None:
    """Show the whole: four generated days, one of them broken, and its correction."""
    with opened(None, data, typed=False) as here:
        from orchestration.cli.running import run_site
        from orchestration.demo.story import tell

        healthy = tell(here.settings, out, run_site)
    raise typer.Exit(0 if healthy else 1)
