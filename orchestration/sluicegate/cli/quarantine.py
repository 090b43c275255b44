"""`sluice source …`: rows that were not taken, and earlier drops."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from sluicegate.cli.completion import sources
from sluicegate.cli.opened import DataDir, Json, ProjectDir, opened, out, print_json, table
from sluicegate.core.partitions import as_option

if TYPE_CHECKING:
    from sluicegate.ingestion.raw_table import BadRow
    from sluicegate.state.records import Drop

app = typer.Typer(help="What came in: quarantined rows, fixed rows, earlier drops.")
Source = Annotated[
    str, typer.Argument(help="The source's name, as its contract says.", autocompletion=sources)
]
Partition = Annotated[
    str, typer.Option("--partition", help="The partition, as 2022-10-05; none for a snapshot.")
]


@app.command()
def quarantine(
    source: Source,
    partition: Partition = "",
    export: Annotated[
        Path | None,
        typer.Option(help="Write the rows as they came in, unmasked, to this CSV file, to be fixed."),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="How many to show.")] = 20,
    as_json: Json = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Show the rows of a source that break its contract: file, line, column, rule and text."""
    with opened(project, data) as here:
        contract = here.source(source)
        if export is not None:
            from sluicegate.operations import mending

            key = mending.key_of(contract, partition)
            written = mending.export_quarantined(here.deployment, contract, key, export)
            out.print(f"{written.rows} rows in {written.file}; fix the values, and then", soft_wrap=True)
            again = f"  sluice source replay {source} {written.file}{as_option(partition)}"
            out.print(again, soft_wrap=True, markup=False)
            return
        from sluicegate.ingestion.raw_table import bad_rows

        with here.deployment.warehouse.session() as session:
            found, total = bad_rows(session, contract, partition, rows)
    if as_json:
        print_json({"table": contract.quarantine, "total": total, "rows": [asdict(row) for row in found]})
    else:
        _show(found, total, contract.quarantine)


@app.command()
def replay(
    source: Source,
    file: Annotated[
        Path, typer.Argument(help="What `sluice source quarantine --export` wrote, fixed.", exists=True)
    ],
    partition: Partition = "",
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Put fixed rows in the place of quarantined ones: a new drop of the partition, judged as any is."""
    with opened(project, data) as here:
        from sluicegate.operations import mending

        contract = here.source(source)
        _registered(mending.replay(here.deployment, contract, mending.key_of(contract, partition), file))


@app.command()
def restore(
    source: Source,
    drop: Annotated[int, typer.Option(help="Which drop of the partition to take it back to, from 1.")],
    partition: Partition = "",
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Take a partition of a source back to an earlier drop of it, from the originals: a new drop."""
    with opened(project, data) as here:
        from sluicegate.operations import mending

        contract = here.source(source)
        _registered(mending.restore(here.deployment, contract, mending.key_of(contract, partition), drop))


def _registered(drop: "Drop") -> None:
    out.print(f"registered as {drop.key}; the sensor starts its run, or `sluice run`")


def _show(rows: "Sequence[BadRow]", total: int, title: str) -> None:
    if not rows:
        out.print("no row is in quarantine")
        return
    shown = table(title, "partition", "file", "#line", "rules", "row, masked", "drop")
    shown.caption = f"{total - len(rows)} more rows: --rows shows them" if total > len(rows) else None
    for row in rows:
        drop = "[red]refused[/]" if row.drop_refused else "taken"
        shown.add_row(row.partition_key, row.file, str(row.line), escape(row.rules), escape(row.raw), drop)
    out.print(shown)
