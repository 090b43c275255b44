"""`sluice contract`: what comes from a contract besides loading, and how one is begun and changed.

Belongs here: arguments, output and exit codes. Does not belong here: the work (`orchestration.contracts`).
"""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli.opened import ProjectDir, err, opened, out, print_json

app = typer.Typer(help="Draft a contract, compare it with another version, generate what comes from it.")


class Form(StrEnum):
    """How a difference is written."""

    TEXT = "text"
    JSON = "json"


@app.command()
def sources(project: ProjectDir = None) -> None:
    """Write dbt's sources, generated from the contracts."""
    with opened(project, None, typed=False) as here:
        from orchestration.contracts.dbt_sources import SOURCES_FILE, write_sources

        written = write_sources(here.settings.project_dir, here.contracts)
    out.print(f"{'wrote' if written else 'unchanged:'} {SOURCES_FILE}", soft_wrap=True)


@app.command()
def new(
    files: Annotated[list[Path], typer.Argument(help="Sample files.", exists=True, dir_okay=False)],
    source: Annotated[
        str | None, typer.Option(help="The source's name (default: what the samples are called).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="The file to write (default: contracts/SOURCE.odcs.yaml).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    project: ProjectDir = None,
) -> None:
    """Draft a contract from sample files."""
    with opened(project, None) as here:
        from orchestration.drafting.contract import draft
        from orchestration.drafting.text import contract_text

        made = draft(files, source)
        path = output or here.settings.project_dir / "contracts" / f"{made.placed.source}.odcs.yaml"
        if path.exists() and not force:
            raise ValueError(
                f"{path}: there is a file; expected none; name another with --output, or --force"
            )
        text = contract_text(made)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    out.print(str(path), markup=False, soft_wrap=True)
    if made.broken:
        err.print(
            f"{made.broken} rows of the samples cannot be split into columns", style="red", markup=False
        )
    out.print(
        f"drafted from {made.rows} rows; {text.count('TODO')} TODOs are left. Then: sluice contract sources,"
        " sluice check",
        soft_wrap=True,
    )


@app.command()
def diff(
    against: Annotated[
        str | None,
        typer.Option(help="A git ref, a contract file, or a directory (default: origin/main, main or HEAD)."),
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="text for people, json for CI.")] = Form.TEXT,
    project: ProjectDir = None,
) -> None:
    """List what has changed in the contracts, and for whom it breaks.

    Ends with code 1 if a contract's version does not say so: breaking is a new major version, compatible a
    new minor, a note a new patch.
    """
    with opened(project, None) as here:
        from orchestration.contracts.diff import difference

        found = difference(here.settings.project_dir, against)
    if form is Form.JSON:
        said = {
            "against": found.against,
            "changes": [asdict(change) for change in found.changes],
            "problems": [
                {name: value for name, value in asdict(problem).items() if name != "cause"}
                for problem in found.problems
            ],
        }
        print_json(said)
    else:
        for change in found.changes:
            affects = f" for {change.affects}" if change.affects else ""
            out.print(
                f"{change.file}:{change.line}: {change.weight}{affects}: {change.what}",
                markup=False, soft_wrap=True,
            )  # fmt: skip
        if not found.changes:
            out.print(f"no change since {found.against}", markup=False, soft_wrap=True)
        for problem in found.problems:
            err.print(str(problem), style="red", markup=False)
    raise typer.Exit(1 if found.problems else 0)
