"""`sluice ops show`, `ops publish`, `ops source`: what ran and what was promised.

Belongs here: arguments and what is printed. Does not belong here: work (`reporting`).
"""

from typing import Annotated, Any

import typer
from rich.markup import escape

from sluicegate.cli.opened import DataDir, Json, ProjectDir, err, opened, out, print_json, table

app = typer.Typer(help="What ran and what was promised: tables, Parquet, a source.")
_SHOWN = 100


@app.command()
def show(
    name: Annotated[
        str | None, typer.Argument(help="A table, as `sla`; without one: which there are.")
    ] = None,
    as_json: Json = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Print a table of operations data, as the records have it now; its columns: docs/operations-data.md."""
    with opened(project, data) as here:
        from sluicegate.core.problems import did_you_mean
        from sluicegate.state.ops_views import VIEWS

        if name is not None and name not in VIEWS:
            raise ValueError(f"no table `{name}`; {did_you_mean(name, VIEWS)}")
        if name is None:
            rows = [{"table": view.name, "about": view.about} for view in VIEWS.values()]
        else:
            rows = [_as_json(row) for row in here.deployment.store.operations.rows(VIEWS[name])]
    if as_json:
        print_json(rows)
        return
    shown = VIEWS[name].columns[1:] if name else ()
    headings = [f"#{column.name}" if column.unit else column.name for column in shown]
    made = table(name or "operations data", *(headings or ("table", "about")))
    for row in rows[-_SHOWN:]:
        cells = [row[heading.removeprefix("#")] for heading in headings or ("table", "about")]
        made.add_row(*("" if cell is None else escape(str(cell)) for cell in cells))
    out.print(made)
    if len(rows) > _SHOWN:
        out.print(f"the last {_SHOWN} of {len(rows):,} rows; `sluice ops show {name} --json` has all")


@app.command()
def publish(
    url: Annotated[
        str | None, typer.Argument(help="A folder, or a container or bucket (default: `ops` of the data).")
    ] = None,
    as_json: Json = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Write what is new of operations data as Parquet, and land what is a source (`sluice ops source`)."""
    with opened(project, data) as here:
        from sluicegate.areas import storage_errors, why_of
        from sluicegate.reporting.publish import area_to_publish
        from sluicegate.reporting.source import publish_and_land

        area = area_to_publish(here.deployment, url)
        try:
            done, landed = publish_and_land(here.site, area, here.now)
        except storage_errors() as error:
            raise ValueError(
                f"{area.url}: cannot be written to ({type(error).__name__}: {why_of(error)}); expected a"
                " place that this process may read and write; fix that, then type the same again"
            ) from None
        path = area.engine_path("*")[:-1] if area.local else area.url + "/"
    if as_json:
        print_json({"url": area.url, "written": list(done.written), "landed": landed})
        return
    for line in landed:
        out.print(f"landed {line}", markup=False)
    files = len(done.manifest.files)
    out.print(f"{len(done.written)} of {files} files written; they begin with {path}", soft_wrap=True)


@app.command()
def source(
    name: Annotated[str, typer.Argument(help="A table of facts, as deliveries.", metavar="FACT")],
    owner: Annotated[str, typer.Option(help="Who answers for the source: an e-mail address or a team.")],
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Make a fact a source: write its contract; `sluice ops publish` lands each day of it that is over."""
    with opened(project, data) as here:
        from sluicegate.core.owners import OWNER_EXPECTED, is_owner
        from sluicegate.reporting.source import PREFIX, fact_named, write_contract

        if not is_owner(owner):
            raise ValueError(f"`--owner {owner}`; expected {OWNER_EXPECTED}; name one")
        path = write_contract(here.deployment, fact_named(name), owner)
    out.print(f"contracts/{path.name} is written", markup=False)
    err.print(
        f"`sluice contract sources` names it to dbt; then write a model of source('raw', '{PREFIX}{name}')",
        markup=False,
    )


def _as_json(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str | int | float | None) else value.isoformat()
        for name, value in row.items()
    }
