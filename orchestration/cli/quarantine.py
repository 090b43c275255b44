"""`sluice quarantine`, `sluice replay` and `sluice restore`: rows that were not taken, and earlier drops."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from orchestration.cli.main import DataDir, Project, app, out, settings_of, usage_errors
from orchestration.core.problems import ProjectError, did_you_mean
from orchestration.core.settings import Settings

if TYPE_CHECKING:
    from orchestration.contracts.model import SourceContract
    from orchestration.state.deployment import Deployment

Source = Annotated[str, typer.Argument(help="The source's name, as its contract says.")]
Partition = Annotated[
    str, typer.Option("--partition", help="The partition, as 2022-10-05; none for a snapshot.")
]


@app.command()
def quarantine(
    source: Source,
    partition: Partition = "",
    export: Annotated[
        Path | None,
        typer.Option(help="Write the rows as they came in, unmasked, to this CSV file, to be mended."),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="How many to show.")] = 20,
    project: Project = None,
    data: DataDir = None,
) -> None:
    """Show the rows of a source that break its contract: file, line, column, rule and text."""
    with settings_of(project, data) as settings, _source(settings, source) as (deployment, contract):
        from orchestration.operations.mending import export_quarantined

        if export is not None:
            written = export_quarantined(deployment, contract, _key(contract, partition), export)
            out.print(f"{written.rows} rows in {written.file}; mend the values, and then", soft_wrap=True)
            option = f" --partition {partition}" if partition else ""
            out.print(f"  sluice replay {source} {written.file}{option}", soft_wrap=True, markup=False)
            return
        _show(deployment, contract, partition, rows)


@app.command()
def replay(
    source: Source,
    file: Annotated[
        Path, typer.Argument(help="What `sluice quarantine --export` wrote, mended.", exists=True)
    ],
    partition: Partition = "",
    project: Project = None,
    data: DataDir = None,
) -> None:
    """Put mended rows in the place of quarantined ones: a new drop of the partition, judged as any is."""
    with settings_of(project, data) as settings, _source(settings, source) as (deployment, contract):
        from orchestration.operations import mending

        drop = mending.replay(deployment, contract, _key(contract, partition), file)
        _registered(drop.key)


@app.command()
def restore(
    source: Source,
    drop: Annotated[int, typer.Option(help="Which drop of the partition to take back to, from 1.")],
    partition: Partition = "",
    project: Project = None,
    data: DataDir = None,
) -> None:
    """Take a partition back to an earlier drop of it, from the originals."""
    with settings_of(project, data) as settings, _source(settings, source) as (deployment, contract):
        from orchestration.operations import mending

        _registered(mending.restore(deployment, contract, _key(contract, partition), drop).key)


@contextmanager
def _source(settings: Settings, source: str) -> Generator[tuple["Deployment", "SourceContract"]]:
    from orchestration.contracts.load import load_contracts
    from orchestration.state.deployment import Deployment

    contracts, problems = load_contracts(settings.project_dir)
    if problems:
        raise ProjectError(problems)
    with usage_errors():
        if source not in contracts:
            raise ValueError(f"no contract for source `{source}`; {did_you_mean(source, contracts)}")
        yield Deployment(settings), contracts[source]


def _key(contract: "SourceContract", partition: str) -> str:
    from orchestration.core.partitions import SNAPSHOT_PARTITION

    if not contract.partitioning.partitioned:
        if partition not in ("", SNAPSHOT_PARTITION):
            raise ValueError(f"--partition {partition!r}: `{contract.name}` has no partitions; expected none")
        return SNAPSHOT_PARTITION
    if not contract.partitioning.holds(partition):
        raise ValueError(f"--partition {partition!r} is no {contract.grain} partition of `{contract.name}`")
    return partition


def _registered(key: str) -> None:
    out.print(f"registered as {key}; the sensor starts its run, or `sluice run`")


def _show(deployment: "Deployment", contract: "SourceContract", partition: str, at_most: int) -> None:
    from orchestration.compute.sql import literal

    where = f" where _partition_key = {literal(partition)}" if partition else ""
    with deployment.warehouse.session() as session:
        found = (
            session.query(
                "select _partition_key, file, line, array_to_string(rules, '; '), raw, drop_refused,"
                f" count(*) over () from {contract.quarantine}{where}"
                f" order by _partition_key desc, file, line limit {at_most}"
            )
            if session.has_table(contract.quarantine)
            else []
        )
    if not found:
        out.print("no row is in quarantine")
        return
    total = found[0][-1]
    caption = f"{total - len(found)} more rows: --rows shows them" if total > len(found) else None
    table = Table(title=contract.quarantine, title_justify="left", caption=caption, caption_justify="left")
    for heading in ("partition", "file", "line", "rules", "row, masked", "drop"):
        table.add_column(heading, justify="right" if heading == "line" else "left", overflow="fold")
    for key, file, line, rules, raw, refused, _ in found:
        table.add_row(
            key, file, str(line), escape(rules), escape(raw), "[red]refused[/]" if refused else "taken"
        )
    out.print(table)
