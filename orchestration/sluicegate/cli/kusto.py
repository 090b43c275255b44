"""KQL in git: `sluice kusto check`, and the group of its commands.

Belongs here: the check of the files. Does not belong here: those that ask the
database (`kusto_database`).
"""

import typer

from sluicegate.cli.opened import DataDir, ProjectDir, err, opened, out
from sluicegate.core.problems import ProjectError

app = typer.Typer(help="KQL in git for a database of Azure Data Explorer.")


@app.callback()
def group() -> None:
    """KQL in git."""


@app.command()
def check(project: ProjectDir = None, data: DataDir = None) -> None:
    """Check `kusto/` by Microsoft's parser, against the exports that feed its tables."""
    with opened(project, data, typed=False) as here:
        from sluicegate.core.stages import Stage
        from sluicegate.kusto.files import FOLDER
        from sluicegate.project.loading import load_project

        try:
            loaded = load_project(here.settings, tuple(Stage))
        except ProjectError as error:
            own = [one for one in error.problems if one.file.partition("/")[0] == FOLDER]
            # Of a project that does not load for another reason, nobody knows the columns.
            raise ProjectError(own or error.problems) from None
        found = loaded.kusto
    if found is None:
        out.print("there is no kusto/: nothing to check")
        return
    for warning in found.warnings:
        err.print(f"warning: {warning}", style="yellow", markup=False)
    counted = {
        kind: sum(one.kind is kind for one in found.objects) for kind in {o.kind for o in found.objects}
    }
    listed = ", ".join(f"{counted[kind]} {kind}" for kind in sorted(counted))
    out.print(f"{listed or 'nothing'} of the connection {found.connection}: no problem found", markup=False)
