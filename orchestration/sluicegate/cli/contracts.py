"""`sluice contract`: what comes from a contract besides loading, and how one is begun and changed.

Belongs here: arguments, output and exit codes. Does not belong here: the work (`sluicegate.contracts`).
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluicegate.cli.exits import ended
from sluicegate.cli.opened import Json, ProjectDir, err, opened, out, print_json
from sluicegate.core.progress import unseen

if TYPE_CHECKING:
    from sluicegate.contracts.changes import Change
    from sluicegate.drafting.contract import Draft, Question

app = typer.Typer(help="Draft a contract, compare versions, write dbt's sources.")


@app.command()
def sources(project: ProjectDir = None) -> None:
    """Write dbt's sources, generated from the contracts."""
    with opened(project, None, typed=False) as here:
        from sluicegate.contracts.dbt_sources import SOURCES_FILE, write_sources

        written = write_sources(here.settings.project_dir, here.contracts)
    out.print(f"{'wrote' if written else 'unchanged:'} {SOURCES_FILE}", soft_wrap=True)


@app.command()
def new(
    files: Annotated[list[Path], typer.Argument(help="Sample files, or directories of them.", exists=True)],
    source: Annotated[
        str | None, typer.Option(help="The source's name (default: what the samples are called).")
    ] = None,
    path: Annotated[
        str, typer.Option(help="Where it lands, as sales/{date}.csv (default: as the samples are called).")
    ] = "",
    date_format: Annotated[
        list[str] | None,
        typer.Option(
            help="COLUMN=FORMAT, as day=dd/MM/yyyy, where dates can be read in two ways; repeatable."
        ),
    ] = None,
    topic: Annotated[str, typer.Option(help="The topic of ROS bags that have several.")] = "",
    purpose: Annotated[str, typer.Option(help="What the feed is, in one sentence.")] = "",
    provider: Annotated[str, typer.Option(help="Who promises the feed, and how to reach them.")] = "",
    owner: Annotated[str, typer.Option(help="The e-mail address of who answers for it here.")] = "",
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Allow for as many bad rows as the samples have.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="The file to write (default: contracts/SOURCE.odcs.yaml).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    project: ProjectDir = None,
) -> None:
    """Draft a contract from sample files; it is written once they have been loaded with it.

    Where dates can be read in two ways it asks, on a terminal; anywhere else it writes nothing, and says what
    to add.
    """
    with opened(project, None) as here:
        from sluicegate.drafting.contract import Request, draft, proved
        from sluicegate.drafting.text import contract_text
        from sluicegate.project.unfinished import unfinished_of

        formats = dict(_pair("--date-format", text) for text in date_format or [])
        known = {"purpose": purpose, "provider": provider, "owner": owner}
        ask = _ask if sys.stdin.isatty() and sys.stdout.isatty() else None
        made = draft(
            Request(_samples(files), source=source, date_formats=formats, topic=topic, path=path, ask=ask)
        )
        target = output or here.settings.project_dir / "contracts" / f"{made.placed.source}.odcs.yaml"
        if target.exists() and not force:
            raise ValueError(
                f"{target}: there is a file; expected none; name another with --output, or --force"
            )
        made, text = proved(made, lambda some: contract_text(some, known), quarantine=quarantine)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        left = sum(1 for _ in unfinished_of(target, here.settings.project_dir))
    out.print(str(target), markup=False, soft_wrap=True)
    for line in _told(made):
        out.print(line, markup=False, soft_wrap=True)
    out.print(
        f"{left} TODOs are left, which `sluice check` names. Then: sluice contract sources, sluice check",
        soft_wrap=True, markup=False,
    )  # fmt: skip


def _samples(paths: Sequence[Path]) -> list[Path]:
    """Return the files at and below the paths; markers are none."""
    from sluicegate.ingestion.local_files import files_in

    found = [file for path in paths for file in (files_in(path) if path.is_dir() else [path])]
    samples = [file for file in found if file.suffix != ".done"]
    if not samples:
        raise ValueError(f"no file in {', '.join(map(str, paths))}; expected samples; name others")
    return samples


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ValueError(f"{option} is `{text}`; expected COLUMN=FORMAT, as day=dd/MM/yyyy; write it so")
    return name, value


def _ask(question: "Question") -> str:
    """Let the person at the terminal say how something is to be read."""
    if question.column:
        shown = f": `{question.value}`" if question.value else ""
        out.print(
            f"{question.file}: column `{question.header}`{shown} can be read in more than one way:",
            markup=False,
        )
    else:
        out.print(
            f"{question.file}: the name can be read in more than one way:", markup=False, soft_wrap=True
        )
    readings = list(question.readings.items())
    for number, (form, meaning) in enumerate(readings, 1):
        out.print(
            f"  {number}  {form}{f', which is {meaning}' if meaning else ''}", markup=False, soft_wrap=True
        )
    answer = 0
    with unseen():
        while not 1 <= answer <= len(readings):
            answer = typer.prompt(f"Which is it? 1 to {len(readings)}", type=int)
    return readings[answer - 1][0]


def _told(made: "Draft") -> Iterator[str]:
    """Say what was found out, for a person to see whether it is so."""
    grain, samples = made.placed.grain, made.samples
    yield f"drafted from {samples.rows} rows, which load with it; {grain}, path {made.placed.template.text}"
    yield f"key: {', '.join(made.key) or 'none found'}" + (
        f"; the {grain.unit} of a row: {made.partition_column or 'its path, see the comment in the file'}"
        if grain.timed
        else ""
    )
    for file in samples.empty:
        yield f"{file}: no rows; the draft lets a {grain.unit} be empty"
    if samples.shape or any(one.column.aliases for one in made.guesses):
        yield "the samples differ in their columns: see shapeChanges and aliases in the file"
    if samples.nameless:
        yield f"columns without a name are left out, in {samples.nameless} samples"
    if made.quarantined:
        yield f"bad rows: up to {made.quarantined} of a sample go to quarantine"


@app.command()
def diff(
    against: Annotated[
        str | None,
        typer.Option(help="A git ref, a contract file, or a directory (default: origin/main, main or HEAD)."),
    ] = None,
    as_json: Json = False,
    project: ProjectDir = None,
) -> None:
    """List what has changed in the contracts, and for whom it breaks.

    Ends with code 1 if a contract's version does not say so: breaking is a new major version, compatible a
    new minor, a note a new patch.
    """
    with opened(project, None) as here:
        from sluicegate.contracts.diff import difference

        found = difference(here.settings.project_dir, against)
    if as_json:
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
        print_changes(found.changes, found.against)
        for problem in found.problems:
            err.print(str(problem), style="red", markup=False)
    raise ended(found.problems)


def print_changes(changes: Sequence["Change"], against: str) -> None:
    """Print changes, or that there is none since `against`; "" where nothing was compared."""
    for change in changes:
        affects = f" for {change.affects}" if change.affects else ""
        out.print(
            f"{change.file}:{change.line}: {change.weight}{affects}: {change.what}",
            markup=False, soft_wrap=True,
        )  # fmt: skip
    if against and not changes:
        out.print(f"no change since {against}", markup=False, soft_wrap=True)
