"""`sluice env diff`: an environment beside production, in rows, columns and destination fields.

Belongs here: arguments and exit codes. Does not belong here: the answer, and how it is written (`comparing`).
"""

from dataclasses import asdict
from typing import Annotated

import typer

from sluicegate.cli.environments import app
from sluicegate.cli.environments_made import Named, inside
from sluicegate.cli.exits import ended
from sluicegate.cli.opened import Json, ProjectDir, opened, out, print_json


@app.command()
def diff(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="Models (default: all that are built there, or would be).", metavar="MODEL…"),
    ] = None,
    name: Named = None,
    partition: Annotated[
        str | None, typer.Option(help="One partition alone, by its key (default: all of the environment).")
    ] = None,
    rows: Annotated[
        int, typer.Option(min=0, help="How many keys are shown of each sort of rows in a partition.")
    ] = 20,
    markdown: Annotated[bool, typer.Option("--markdown", help="For a pull request: Markdown.")] = False,
    as_json: Json = False,
    project: ProjectDir = None,
) -> None:
    """Tell what differs between an environment and production: rows, columns, and what destinations get.

    What is made of the same inputs is compared; of all else it is said why not, and what to type.
    Ends with code 0 if nothing differs, 1 if something does, or is not known to be the same.
    """
    with opened(project, None, ended=True) as outer, inside(outer, name) as (here, made):
        from sluicegate.areas import Area
        from sluicegate.comparing.compare import compare
        from sluicegate.comparing.markdown import markdown_of
        from sluicegate.environments.making import alone
        from sluicegate.publishing.shelf import Shelf

        if markdown and as_json:
            raise ValueError("both --markdown and --json; expected one of them; leave one out")
        access = here.settings.storage_access
        shelf = Shelf(Area(made.shelf, access), access)
        with alone(outer.settings, made.name):
            report = compare(here.site, made, shelf, models or (), partition_key=partition, samples=rows)
    if as_json:
        print_json(asdict(report))
    elif markdown:
        typer.echo(markdown_of(report), nl=False)
    else:
        from rich.markdown import Markdown

        out.print(Markdown(markdown_of(report)))
    raise ended(report.differs)
