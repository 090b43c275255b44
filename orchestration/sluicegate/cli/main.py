"""The commands of every day: check, land, run, look, serve.

Belongs here: arguments, tables, exit codes. Does not belong here: work, and how a command opens its
deployment (`opened`).
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from sluicegate.cli.completion import sources
from sluicegate.cli.exits import CODES, ended
from sluicegate.cli.opened import (
    DataDir,
    DemoDestinations,
    Export,
    Json,
    ProjectDir,
    SentPartition,
    err,
    opened,
    out,
    print_json,
)
from sluicegate.cli.progress import Watched
from sluicegate.core.problems import ProjectError

FIRST, BESIDE = "Begin with these five", "Around them"
app = typer.Typer(
    cls=Watched,
    name="sluice",
    help=f"From landed file to destination: nothing is sent that was not validated. Exit codes: {CODES}.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command(rich_help_panel=FIRST)
def check(project: ProjectDir = None, data: DataDir = None) -> None:
    """Check the whole project, before anything runs.

    The folders, alerts.yaml, the rules of the graph, that no TODO is left, and what expires.
    """
    with opened(project, data, typed=False) as here:
        from sluicegate.review.checking import checked

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


@app.command(rich_help_panel=FIRST)
def land(
    source: Annotated[
        str, typer.Argument(help="The source's name, as its contract says.", autocompletion=sources)
    ],
    paths: Annotated[list[Path], typer.Argument(help="Files, or directories of them.", exists=True)],
    partition: Annotated[
        str | None, typer.Option(help="The partition of files whose names do not tell it, by its key.")
    ] = None,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Put files into staging as a provider would, marker last."""
    with opened(project, data) as here:
        from sluicegate.areas import storage_errors, why_of
        from sluicegate.ingestion.landing import land as land_files
        from sluicegate.ingestion.local_files import files_to_land

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
                " staging that this process may write; fix that, and land the files again"
            ) from None


@app.command(rich_help_panel=FIRST)
def run(
    retry: Annotated[bool, typer.Option("--retry", help="Also run again what has failed.")] = False,
    demo_destinations: DemoDestinations = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Take everything that has landed through the graph, once.

    It needs no daemon; what failed is told at the end, each cause once. Ends with code 1 if anything failed,
    was refused, is held, or is ready and was not sent.
    """
    with opened(project, data, demo_destinations, typed=False) as here:
        from sluicegate.cli.running import run_and_show, tell

        healthy = run_and_show(here.desk, out, retry=retry)
        tell(here.desk, out)
    raise ended(not healthy)


@app.command(rich_help_panel=FIRST)
def status(
    everything: Annotated[
        bool, typer.Option("--all", help="Every partition, not only the newest and the troubled.")
    ] = False,
    as_json: Json = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Show what needs attention, then each source and export.

    By partition: landed, validated, delivered, held. It looks into staging, too, and says what is wrong
    there; it takes nothing in.

    Ends with code 0, whatever it shows: `sluice run` ends with 1 if something needs
    attention.
    """
    with opened(project, data, typed=False) as here:
        from sluicegate.cli.story import show_trouble, skipped_lines
        from sluicegate.cli.tables import status_as_data, status_tables
        from sluicegate.operations.status import staging_complaints
        from sluicegate.operations.status import status as status_of

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


@app.command(rich_help_panel=FIRST)
def why(
    export: Export,
    partition: SentPartition = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also each check that was asked for, a line each.")
    ] = False,
    as_json: Json = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Tell why a partition of an export is held, and what to type.

    Each reason once, and below it what opens the gate. Ends with code 1 if the gate is closed.
    """
    with opened(project, data) as here:
        from sluicegate.cli.gates import gate_as_data, show_gate
        from sluicegate.operations.asking import key_to_send

        key = key_to_send(here.site.target(export), partition)
        report = here.site.gate_report(export, key)
    if as_json:
        print_json(gate_as_data(report, export))
    else:
        show_gate(report, export, out, everything=everything)
    raise ended(not report.open)


@app.command(rich_help_panel=BESIDE)
def dev(
    port: Annotated[int, typer.Option(help="Port of the UI, on loopback.")] = 3000,
    demo_destinations: DemoDestinations = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Start the UI, the daemon and the page; Ctrl-C stops them."""
    with opened(project, data, demo_destinations, typed=False) as here:
        from sluicegate.cli.serving import serve

        code = serve(here, port)
    sys.exit(code)


@app.command(rich_help_panel=BESIDE)
def ui(
    port: Annotated[int, typer.Option(help="Port of the UI, on loopback.")] = 3001,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Start the UI alone, read-only.

    For all who look, beside what the service runs. Stops on Ctrl-C and on SIGTERM.
    """
    with opened(project, data, typed=False) as here:
        from sluicegate.cli.serving import show

        code = show(here, port)
    sys.exit(code)
