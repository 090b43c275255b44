"""`sluice demo`, and the feed that it is made of.

Belongs here: arguments and what is printed. Does not belong here: the story, the feed (`demo`).
"""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from sluicegate.cli.exits import ended
from sluicegate.cli.opened import DataDir, errors_told, opened, out

app = typer.Typer()


@app.callback(invoke_without_command=True)
def demo(context: typer.Context, data: DataDir = None) -> None:
    """Show four generated days, one of them broken, and its correction."""
    if context.invoked_subcommand:
        return
    with opened(None, data, typed=False) as here:
        from sluicegate.cli.running import run_site
        from sluicegate.demo.story import tell

        healthy = tell(here.settings, out, run_site)
    raise ended(not healthy)


@app.command()
def generate(
    directory: Annotated[Path, typer.Argument(help="Where to write the feed.")],
    start: Annotated[str, typer.Option(help="First day.")] = "2022-10-03",
    days: Annotated[int, typer.Option(min=1, help="How many days.")] = 4,
    stores: Annotated[int, typer.Option(min=1, help="How many stores.")] = 60,
    products: Annotated[int, typer.Option(min=1, help="How many products.")] = 300,
    seed: Annotated[int, typer.Option(help="Another number makes another feed.")] = 1,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="FEED:DAY:FAULT, as inventory:2022-10-05:missing-stores; again for each. FAULT is one of"
            " negative-quantities, missing-stores, renamed-column, duplicate-rows, wrong-date,"
            " text-in-number, ten-times, yesterday-again, truncated."
        ),
    ] = None,
    contacts: Annotated[
        bool, typer.Option("--contacts", help="With made-up people who answer for the stores.")
    ] = False,
) -> None:
    """Write a deterministic feed of the demo company, in the shape in which Iowa publishes it."""
    with errors_told():
        from sluicegate.demo.faults import Fault
        from sluicegate.demo.generate import generate_feed

        files = generate_feed(
            directory,
            start=date.fromisoformat(start),
            days=days,
            stores=stores,
            products=products,
            seed=seed,
            faults=[Fault.parse(text) for text in fault or []],
            contacts=contacts,
        )
    out.print(f"{len(files)} files in {directory}")
