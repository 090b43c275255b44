"""`sluice impact`: which destination fields depend on a column, or change since a git revision.

Belongs here: arguments and exit codes. Does not belong here: the answer (`columns`), how it is written
(`impact_text`).
"""

from dataclasses import asdict
from typing import Annotated

import typer

from sluicegate.cli.exits import Code, ended
from sluicegate.cli.main import BESIDE, app
from sluicegate.cli.opened import DataDir, Json, ProjectDir, err, opened, out, print_json


@app.command(rich_help_panel=BESIDE)
def impact(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="SOURCE, MODEL, FUNCTION, or a column of one: SOURCE.COLUMN. Several may be given."
        ),
    ] = None,
    field: Annotated[
        str | None,
        typer.Option(
            help="EXPORT.FIELD, or FUNCTION.COLUMN: which columns of sources decide it; the other way round."
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="A git revision, as origin/main: what has changed since, by meaning, uncommitted edits too."
        ),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="For a pull request: Markdown, with owners and channels.")
    ] = False,
    as_json: Json = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Tell which destination fields depend on a column, and whose.

    How each of them changes, through what, and where its owner is told. Functions, views and tables of
    kusto/ are in it, and dashboards, as dbt's exposures name them. Ends with code 1 if some destination,
    function or dashboard sees a change, 0 if none does; `--field` ends with 0.
    """
    with opened(project, data, half_restored=True) as here:
        from sluicegate.cli.impact_text import markdown_of, show, show_origins
        from sluicegate.columns.asked import field_of, hanging_on
        from sluicegate.columns.impact import deciding
        from sluicegate.columns.report import ImpactReport
        from sluicegate.project.compared import impact_since, names_of

        asked = [bool(names), field is not None, since is not None]
        if sum(asked) != 1 or (markdown and as_json) or (markdown and field is not None):
            raise ValueError(
                "these options do not go together; expected names of sources or columns, or --field"
                " EXPORT.FIELD, or --since REVISION, and beside it --json, or --markdown (not with --field);"
                " type `sluice impact --help`"
            )
        if field is not None:
            known = names_of(here.project)
            place = field_of(known.graph, field)
            origins = known.origins(place, deciding(known.graph, place))
            if as_json:
                print_json(asdict(origins))
            else:
                show_origins(origins, out)
            return
        if since is not None:
            report = impact_since(here.settings, since)
        else:
            known = names_of(here.project)
            effects = [one for name in names or [] for one in hanging_on(known.graph, known.contracts, name)]
            report = ImpactReport("", known.told(effects))
    if as_json:
        print_json(asdict(report))
    elif markdown:
        typer.echo(markdown_of(report), nl=False)
    else:
        show(report, out)
    for problem in report.problems:
        err.print(problem, style="red", markup=False)
    raise typer.Exit(Code.NOT_DONE) if report.problems else ended(report.receivers)
