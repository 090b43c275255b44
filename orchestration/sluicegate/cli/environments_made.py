"""`sluice env new`, `build`, `list`, `show`, `drop` and `sweep`: environments from what production publishes.

Belongs here: arguments and what is printed. Does not belong here: work (`environments`, `graph.headless`).
"""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from sluicegate.cli.environments import app
from sluicegate.cli.exits import Code, ended
from sluicegate.cli.opened import Json, Opened, ProjectDir, opened, out, print_json

if TYPE_CHECKING:
    from sluicegate.environments.record import Made

Name = Annotated[str | None, typer.Argument(help="The environment's name (default: you and git's branch).")]
Named = Annotated[str | None, typer.Option("--name", help="The environment's name (default: as `new`).")]


@app.command()
def new(
    name: Name = None,
    days: Annotated[
        int | None,
        typer.Option(min=1, help="How many days, to the newest that is published (environments.yml; or 7)."),
    ] = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day, instead.")
    ] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="The last day.")] = None,
    project: ProjectDir = None,
) -> None:
    """Make an environment of what production has published: all tables, at one moment, in seconds.

    It is yours alone, sends nothing, holds nothing of production's up, and ends by itself after 30 days.
    """
    with opened(project, None, ended=True) as here:
        from sluicegate.environments.making import make
        from sluicegate.environments.record import settings_of, usual_name

        called = name or usual_name(here.settings.project_dir)
        first_day, last_day = (moment.date() if moment else None for moment in (first, last))
        made = make(here.settings, here.project, called, days=days, first=first_day, last=last_day)
        data_dir = settings_of(here.settings, called).data_dir
    out.print(
        f"environment `{made.name}`: {made.first} to {made.last}, as of catalogue {made.catalogue}; until"
        f" {made.expires_at:%Y-%m-%d}", markup=False, soft_wrap=True,
    )  # fmt: skip
    out.print("what has changed in the project is built by `sluice env build`; other commands see it with")
    out.print(f"  export SLUICE_ENVIRONMENT=scratch:{made.name} SLUICE_DATA_DIR={data_dir}", soft_wrap=True)


@app.command()
def build(
    models: Annotated[
        list[str] | None, typer.Argument(help="Models (default: all that have changed).", metavar="MODEL…")
    ] = None,
    name: Named = None,
    only_say: Annotated[bool, typer.Option("--dry-run", help="Say what would be built, and end.")] = False,
    project: ProjectDir = None,
) -> None:
    """Build what has changed in the project, by what it means, and all that is made of it.

    Suites and dbt tests judge it, and what would be delivered goes to the environment's outbox. Ends with
    code 1 if something failed.
    """
    with opened(project, None, ended=True) as outer, inside(outer, name) as (here, made):
        from sluicegate.cli.running import show_finished
        from sluicegate.environments.changes import building
        from sluicegate.environments.making import alone
        from sluicegate.graph.trying import try_out

        with alone(outer.settings, made.name):
            plan = building(here.site, made, models or ())
            for line in plan.said or ["nothing has changed that means anything else"]:
                out.print(line, markup=False, soft_wrap=True)
            if only_say or not plan.said:
                return
            healthy, left = True, list[str]()
            for number, event in enumerate(try_out(here.desk, plan, left), start=1):
                out.print(f"run {number} of {len(plan.runs)}", style="dim")
                healthy &= show_finished(event, out)
        for relation in left:
            out.print(f"{relation} is not built whole; `sluice env build` tries again", style="red")
    raise ended(not (healthy and not left))


@app.command(name="list")
def list_(as_json: Json = False, project: ProjectDir = None) -> None:
    """Show the environments that are made here, and whether their time has ended."""
    with opened(project, None, typed=False, ended=True) as here:
        from sluicegate.cli.opened import table
        from sluicegate.environments.sweeping import rows

        found = list(rows(here.settings))
    if as_json:
        print_json(found)
        return
    shown = table("", *(name.replace("_", " ") for name in (found[0] if found else ())))
    for row in found:
        shown.add_row(*row.values())
    out.print(shown if found else "there is none; `sluice env new` makes one")


@app.command()
def show(name: Name = None, as_json: Json = False, project: ProjectDir = None) -> None:
    """Show what an environment was made from, and what in it is built by itself."""
    with opened(project, None, ended=True) as outer, inside(outer, name) as (here, made):
        from sluicegate.environments.sweeping import shown

        said = shown(here.settings, made)
    if as_json:
        print_json(said)
        return
    for heading, text in said.items():
        told = ", ".join(text) if isinstance(text, list) else str(text)
        out.print(f"{heading.replace('_', ' ')}: {told}", markup=False, soft_wrap=True)


@app.command()
def drop(name: Name = None, project: ProjectDir = None) -> None:
    """Remove an environment, all that is in it, and its lease. Ends with code 1 if something is left."""
    with opened(project, None, ended=True) as here:
        from sluicegate.environments.record import usual_name
        from sluicegate.environments.sweeping import drop as drop_one

        called = name or usual_name(here.settings.project_dir)
        left = drop_one(here.settings, called)
    _told_left(left)
    out.print(f"environment `{called}` is gone", markup=False)


@app.command()
def sweep(project: ProjectDir = None) -> None:
    """Remove what has ended, and halves of environments; ends with code 1 if something is left."""
    with opened(project, None, typed=False, ended=True) as here:
        from sluicegate.environments.sweeping import sweep as sweep_all

        done = sweep_all(here.settings)
    for gone in done.gone:
        out.print(f"removed `{gone}`", markup=False)
    _told_left(done.left)
    if not done.gone:
        out.print("nothing to remove")


def _told_left(left: list[str]) -> None:
    for path in left:
        out.print(f"{path} is left: remove it, then type `sluice env sweep`", style="red", soft_wrap=True)
    if left:
        raise typer.Exit(Code.ATTENTION)


@contextmanager
def inside(outer: Opened, name: str | None) -> "Generator[tuple[Opened, Made]]":
    """Yield an environment's deployment, and what it was made from.

    Raises:
        NotUsable: there is none of this name, or its time has ended.
    """
    from contextlib import ExitStack

    from sluicegate.environments.record import require_made, settings_of, usual_name

    settings = settings_of(outer.settings, name or usual_name(outer.settings.project_dir))
    made = require_made(settings)
    with ExitStack() as stack:
        yield Opened(settings, stack), made
