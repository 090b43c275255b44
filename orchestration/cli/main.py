"""The commands, and what they share: finding the deployment, and showing its errors."""

import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from orchestration.core.problems import ProjectChanged, ProjectError
from orchestration.core.settings import Settings, SettingsError
from orchestration.state.upgrade import RecordsTooNew, StateStoreUnavailable

app = typer.Typer(
    name="sluice",
    help="One Dagster asset graph, from landed file to destination."
    " Exit codes: 0 all is well, 1 somebody is needed, 2 it could not be asked so.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# A pipe has no width; a log file's reader has more than rich's 80 columns.
_WIDTH = None if sys.stdout.isatty() else 140
out = Console(width=_WIDTH, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)

Project = Annotated[
    Path | None,
    typer.Option("--project", help="Project directory (SLUICE_PROJECT_DIR; default: this repository)."),
]
DataDir = Annotated[
    Path | None, typer.Option("--data", help="Data directory (SLUICE_DATA_DIR; default: PROJECT/.sluice).")
]
DemoDestinations = Annotated[
    bool,
    typer.Option(
        "--demo-destinations",
        help="Start a Postgres and use a directory for connections that are not configured.",
    ),
]


Json = Annotated[bool, typer.Option("--json", help="For machines: JSON, all of it, with keys that stay.")]


@contextmanager
def settings_of(project: Path | None, data: Path | None) -> Generator[Settings]:
    """Yield the deployment's settings; a project or environment that does not hold ends with code 2."""
    try:
        yield Settings.load(project_dir=project, data_dir=data)
    except ProjectError as error:
        for told in error.told:
            err.print(told, style="red", markup=False)
        raise typer.Exit(2) from None
    except (SettingsError, ProjectChanged, RecordsTooNew, StateStoreUnavailable) as error:
        err.print(str(error), style="red", markup=False)
        raise typer.Exit(2) from None


@contextmanager
def usage_errors() -> Generator[None]:
    """Show what is wrong with a command's arguments, and end with code 2."""
    try:
        yield
    except ValueError as error:
        err.print(str(error), style="red", markup=False)
        raise typer.Exit(2) from None


def _print_json(data: object) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))


@app.command()
def check(project: Project = None, data: DataDir = None) -> None:
    """Check all four folders, the rules of the graph, and what holds for a time only."""
    with settings_of(project, data) as settings:
        from orchestration.graph.building import build_definitions
        from orchestration.project.loading import expired_in, load_project

        loaded = load_project(settings)
        build_definitions(settings, loaded).get_repository_def()
        # It keeps no graph from loading, but no pull request should go through with it.
        if found := expired_in(loaded, settings, datetime.now(UTC).date()):
            raise ProjectError(found)
    out.print(
        f"{len(loaded.contracts)} contracts, {len(loaded.manifest.nodes)} dbt tables,"
        f" {len(loaded.suites)} suites, {len(loaded.exports)} exports: no problem found"
    )


@app.command()
def land(
    source: Annotated[str, typer.Argument(help="The source's name, as its contract says.")],
    paths: Annotated[list[Path], typer.Argument(help="Files, or directories of them.", exists=True)],
    partition: Annotated[
        str | None, typer.Option(help="The partition of files whose names do not tell it, by its key.")
    ] = None,
    project: Project = None,
    data: DataDir = None,
) -> None:
    """Put files into staging as a provider would, marker last."""
    with settings_of(project, data) as settings:
        from orchestration.cli.landing import files_to_land
        from orchestration.contracts.load import load_contracts
        from orchestration.ingestion.landing import land as land_files
        from orchestration.state.deployment import Deployment

        contracts, problems = load_contracts(settings.project_dir)
        if problems:
            raise ProjectError(problems)
        files, complaint = files_to_land(contracts, source, paths, partition)
        if complaint:
            err.print(complaint, style="red", markup=False)
            raise typer.Exit(2)
        for key in land_files(contracts[source], Deployment(settings).staging_of(contracts[source]), files):
            out.print(f"landed {source} {key}")


@app.command()
def run(
    retry: Annotated[bool, typer.Option("--retry", help="Also run again what has failed.")] = False,
    demo_destinations: DemoDestinations = False,
    project: Project = None,
    data: DataDir = None,
) -> None:
    """Take everything that has landed through the graph, without a daemon; what failed is told at the end.

    Ends with code 1 if anything failed, was refused, is held, or is ready and was not sent.
    """
    with settings_of(project, data) as settings:
        from orchestration.cli.running import run_and_show

        healthy = run_and_show(settings, demo_destinations, out, retry=retry)
    raise typer.Exit(0 if healthy else 1)


@app.command()
def status(
    everything: Annotated[
        bool, typer.Option("--all", help="Every partition, not only the newest and the troubled.")
    ] = False,
    as_json: Json = False,
    project: Project = None,
    data: DataDir = None,
) -> None:
    """Show what needs somebody, then each source and export by partition: landed, validated, delivered, held.

    Ends with code 0, whatever it shows: `sluice run` ends with 1 if something needs somebody.
    """
    with settings_of(project, data) as settings:
        from orchestration.cli.story import show_trouble, skipped_lines
        from orchestration.cli.tables import status_as_data, status_tables
        from orchestration.operations.status import status as status_of
        from orchestration.project.loading import load_project
        from orchestration.state.deployment import Deployment

        rows = status_of(Deployment(settings), load_project(settings))
    if as_json:
        _print_json(status_as_data(rows))
        return
    show_trouble(rows, (), out, partitions_follow=True)
    for table in status_tables(rows, everything):
        out.print(table)
    for line in skipped_lines(rows):
        out.print(line, style="yellow", markup=False, soft_wrap=True)


Export = Annotated[str, typer.Argument(help="The export's name, as its file's.")]
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
    project: Project = None,
    data: DataDir = None,
) -> None:
    """Tell whether a partition of an export may go out: each reason why not, and below it what opens it.

    Ends with code 1 if the gate is closed.
    """
    with settings_of(project, data) as settings, usage_errors():
        from orchestration.cli.gates import export_and_day, gate_as_data, show_gate
        from orchestration.graph.releasing import gate_report
        from orchestration.project.loading import load_project
        from orchestration.state.deployment import Deployment

        loaded = load_project(settings)
        key = export_and_day(loaded, export, partition)
        report = gate_report(Deployment(settings), loaded, export, key)
    if as_json:
        _print_json(gate_as_data(report, export))
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
    by: Annotated[str | None, typer.Option(help="Who answers for it (default: your account).")] = None,
    project: Project = None,
    data: DataDir = None,
) -> None:
    """Break the glass: let one partition of one export pass on failed checks, once, on the record."""
    with settings_of(project, data) as settings, usage_errors():
        from orchestration.cli.gates import export_and_day, parse_until, show_release, whoever_asks
        from orchestration.graph.instance import open_instance
        from orchestration.graph.releasing import Request
        from orchestration.graph.releasing import release as record_release
        from orchestration.project.loading import load_project
        from orchestration.state.deployment import Deployment

        loaded = load_project(settings)
        key = export_and_day(loaded, export, partition)
        request = Request(
            export, key, reason, by or whoever_asks(), parse_until(until), tuple(check or ()), through
        )
        with open_instance(settings) as instance:
            recorded = record_release(Deployment(settings), loaded, instance, request)
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
) -> None:
    """Write a deterministic feed of the demo company, in the shape in which Iowa publishes it."""
    from orchestration.demo.faults import Fault
    from orchestration.demo.generate import generate_feed

    try:
        files = generate_feed(
            directory,
            start=date.fromisoformat(start),
            days=days,
            stores=stores,
            products=products,
            seed=seed,
            faults=[Fault.parse(text) for text in fault or []],
        )
    except ValueError as error:
        err.print(str(error), style="red", markup=False)
        raise typer.Exit(2) from None
    out.print(f"{len(files)} files in {directory}")


@app.command()
def docs(project: Project = None, data: DataDir = None) -> None:
    """Make GX Data Docs, a site of what was judged, in the data directory; print where they begin."""
    with settings_of(project, data) as settings:
        from orchestration.cli.docs import build

        out.print(str(build(settings)), soft_wrap=True)


@app.command()
def dev(
    port: Annotated[int, typer.Option(help="Port of the UI, on loopback.")] = 3000,
    demo_destinations: DemoDestinations = False,
    project: Project = None,
    data: DataDir = None,
) -> None:
    """Start the UI and the daemon with its sensor; stops on Ctrl-C and on SIGTERM."""
    with settings_of(project, data) as settings:
        from orchestration.cli.serving import serve

        code = serve(settings, port, demo_destinations, out)
    sys.exit(code)


@app.command()
def demo(data: DataDir = None) -> None:
    """Show the whole: four generated days, one of them broken, and its correction."""
    with settings_of(None, data) as settings:
        from orchestration.cli.running import run_equipped
        from orchestration.demo.story import tell

        healthy = tell(settings, out, run_equipped)
    raise typer.Exit(0 if healthy else 1)
