"""`sluice table …`: what people do about a gate that is closed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from sluicegate.cli.completion import tables
from sluicegate.cli.exits import ended
from sluicegate.cli.opened import (
    DataDir,
    DemoDestinations,
    Json,
    ProjectDir,
    opened,
    out,
    print_json,
)
from sluicegate.core.partitions import place

if TYPE_CHECKING:
    from sluicegate.graph.headless import JudgedCheck

app = typer.Typer(help="Build a table's partitions again, or judge them again.")
First = Annotated[str, typer.Option("--from", help="The first partition, as 2022-10-03.")]
Last = Annotated[str, typer.Option("--to", help="The last partition; --from alone is one.")]
_MOST_KEYS_SHOWN = 3


@app.command()
def rerun(
    table: Annotated[
        str, typer.Argument(help="The table, as staging.stg_sales.", autocompletion=tables)
    ] = "",
    partition: Annotated[str, typer.Option(help="The partition; none for a table that is not cut.")] = "",
    first: First = "",
    last: Last = "",
    outdated: Annotated[
        bool,
        typer.Option(
            "--outdated",
            help="What older SQL has built, or what lacks a day that has come since; of TABLE or of all.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be built, and stop.")] = False,
    demo_destinations: DemoDestinations = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Build partitions of a table anew, with their checks, all that is made of them, and the exports below.

    Says what that is first. Ends with code 1 if anything failed or is held.
    """
    with opened(project, data, demo_destinations) as here:
        from sluicegate.cli.running import rerun_and_show
        from sluicegate.operations.rebuilding import Wanted

        if not table and not outdated:
            raise ValueError("expected a TABLE, as staging.stg_sales, or --outdated")
        if partition and (first or last):
            raise ValueError("--partition is one, --from and --to are a range: expected one of the two")
        if last and not first:
            raise ValueError("--to without --from; expected both, or --partition")

        wanted = Wanted(table, partition, first, last, outdated)
        healthy = rerun_and_show(here.desk, wanted, out, only_say=dry_run)
    raise ended(not healthy)


@app.command()
def judge(
    table: Annotated[str, typer.Argument(help="The table, as staging.stg_sales.", autocompletion=tables)],
    first: First = "",
    last: Last = "",
    with_parents: Annotated[
        bool, typer.Option("--with-parents", help="Also all that it is made of, days of windows too.")
    ] = False,
    as_json: Json = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Judge what a table holds by today's rules, without building it.

    Ends with code 1 if a check that blocks says no, or something could not be judged.
    """
    with opened(project, data) as here:
        from sluicegate.graph.headless import judge as judge_now
        from sluicegate.operations.status import Standing, status

        judged = judge_now(here.desk, table, first, last, with_parents=with_parents)
        ready = [row for row in status(here.site) if row.kind == "export" and row.standing is Standing.READY]
    failed = [item for item in judged.checks if not item.passed]
    said_no = judged.failures or not judged.checks or any(item.blocking for item in failed)
    if as_json:
        print_json(
            {
                "checks": [
                    {
                        "table": item.relation, "partition": item.partition_key, "check": item.check,
                        "passed": item.passed, "blocking": item.blocking, "summary": item.summary,
                    }
                    for item in judged.checks
                ],
                "failures": list(judged.failures),
                "ready": [{"export": row.name, "partition": row.partition_key} for row in ready],
            }
        )  # fmt: skip
        raise ended(said_no)
    for item in failed:
        where = place(item.relation, item.partition_key)
        style = "red" if item.blocking else "yellow"
        out.print(f"{where} check `{item.check}`: {item.summary}", style=style, markup=False, soft_wrap=True)
    for text in judged.failures:
        out.print(text, style="red", markup=False, soft_wrap=True)
    if judged.checks or not judged.failures:
        out.print(_counted(judged.checks))
    if ready:
        names = ", ".join(place(row.name, row.partition_key) for row in ready[:_MOST_KEYS_SHOWN])
        more = f" and {len(ready) - _MOST_KEYS_SHOWN} more" if len(ready) > _MOST_KEYS_SHOWN else ""
        out.print(f"ready to be sent: {names}{more}; `sluice run --retry` sends them", markup=False)
    if not judged.checks and not judged.failures:
        out.print("nothing of it is there to be judged; `sluice table rerun` builds it", style="red")
    raise ended(said_no)


def _counted(checks: "Sequence[JudgedCheck]") -> str:
    places = {(item.relation, item.partition_key) for item in checks}
    passed = sum(item.passed for item in checks)
    return f"{len(checks)} checks of {len(places)} partitions judged by today's rules: {passed} passed"


@app.command()
def outdated(as_json: Json = False, project: ProjectDir = None, data: DataDir = None) -> None:
    """List what was built by older SQL than today's, or without a day that has come since.

    Ends with code 1 if there is any.
    """
    with opened(project, data, typed=False) as here:
        from sluicegate.operations.rebuilding import NOTHING_OUTDATED, built_without, span_of
        from sluicegate.operations.rebuilding import outdated as outdated_of

        found = outdated_of(here.site)
        lacking = built_without(here.site)
    if as_json:
        print_json(
            {
                "older_sql": [
                    {"table": item.relation, "partitions": list(item.partition_keys)} for item in found
                ],
                "lacking": [str(lack) for lack in lacking],
            }
        )
        raise ended(found or lacking)
    for item in found:
        out.print(f"{item.relation} {span_of(item.partition_keys)}: built by older SQL", markup=False)
    for lack in lacking:
        out.print(str(lack), markup=False, soft_wrap=True)
    if found or lacking:
        out.print("`sluice table rerun --outdated` builds them anew, after saying what that is")
    else:
        out.print(NOTHING_OUTDATED)
    raise ended(found or lacking)
