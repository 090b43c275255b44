"""`sluice env publish`: what is validated, for all who read Delta tables."""

from typing import Annotated

import typer

from sluicegate.cli.environments import app
from sluicegate.cli.exits import ended
from sluicegate.cli.opened import DataDir, Json, ProjectDir, err, opened, out, print_json


@app.command()
def publish(
    tables: Annotated[
        list[str] | None, typer.Argument(help="Tables, as marts.store_gaps (default: all).", metavar="TABLE…")
    ] = None,
    as_json: Json = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Publish what is validated as Delta tables, and take out what no longer is.

    A run does that for what it has touched. Ends with code 1 if a table could not be published.
    """
    with opened(project, data) as here:
        from sluicegate.operations.publishing import publish_tables

        done = publish_tables(here.site, tables or (), told=lambda text: err.print(text, markup=False))
    if as_json:
        print_json(
            {
                "catalogue": done.catalogue,
                "published": sorted(map(list, done.put)),
                "taken_out": sorted(map(list, done.taken_out)),
                "refused": done.refused,
            }
        )
    else:
        for relation, why in sorted(done.refused.items()):
            err.print(f"{relation}: {why}", style="red", markup=False)
        said = f"{len(done.put)} partitions published, {len(done.taken_out)} taken out"
        out.print(f"{said}; catalogue {done.catalogue}" if done.catalogue else f"{said}; nothing has changed")
    raise ended(done.refused)
