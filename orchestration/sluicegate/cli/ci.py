"""`sluice ci`: the one command of the pipeline that answers a pull request.

Belongs here: arguments, files that are written, exit codes. Does not belong here: the answer (`review`).
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluicegate.cli.main import BESIDE, app
from sluicegate.cli.opened import DataDir, ProjectDir, err, opened, out, reason_of

if TYPE_CHECKING:
    from sluicegate.review.review import Review


@app.command(rich_help_panel=BESIDE)
def ci(
    since: Annotated[
        str, typer.Option(help="What it is to be merged into; compared is with where the branch began.")
    ] = "origin/main",
    name: Annotated[
        str | None, typer.Option(help="The environment's name, as pr-12 (default: you and git's branch).")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(help="Where the comment is written.")] = None,
    as_json: Annotated[
        Path | None, typer.Option("--json", help="Where the answer is written for machines.")
    ] = None,
    outputs: Annotated[
        Path | None, typer.Option(help="A file to which `verdict=…` is added, as $GITHUB_OUTPUT is one.")
    ] = None,
    azure: Annotated[
        bool,
        typer.Option("--azure", help="In an Azure pipeline: set its variable `verdict`, keep one comment."),
    ] = False,
    closed: Annotated[
        bool, typer.Option("--closed", help="The pull request is closed: drop its environment, and end.")
    ] = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Answer a pull request: check, build, compare, who approves.

    With a shelf (SLUICE_PUBLISHED_URL) an environment is made, built and compared with what production has
    published; without one only the files are asked, and the comment says so. Ends with code 0 if there is
    nothing to see to, 1 if it is refused, 2 if it could not be asked, 3 if those named must approve.
    """
    review: Review | None = None
    with opened(project, data) as here:
        from sluicegate.environments.record import usual_name
        from sluicegate.review.review import not_asked, reviewed
        from sluicegate.review.trial import close

        called = name or usual_name(here.settings.project_dir)
        if closed:
            close(here.settings, called)
            return
        try:
            review = reviewed(here.settings, since, called, here.now.date(), _told)
        except Exception as error:
            # Whoever reads the pull request is told, and not only who reads the log.
            review = not_asked(reason_of(error))
            raise
        finally:
            if review is not None:
                _write(review, markdown, as_json, outputs, azure)
    assert review is not None
    for one in review.findings:
        place = f"{one.file}:{one.line}: " if one.file else ""
        err.print(f"{one.verdict} ({one.rule}): {place}{one.what}; {one.do}", style="red", markup=False)
    out.print(
        f"{review.verdict}{': ' if review.approvers else ''}{', '.join(review.approvers)}", markup=False
    )
    raise typer.Exit(review.verdict.exit_code)


def _told(line: str) -> None:
    err.print(f"… {line}", style="dim", markup=False)


def _write(
    review: "Review", markdown: Path | None, as_json: Path | None, outputs: Path | None, azure: bool
) -> None:
    """Write what was asked for: a comment that cannot be posted is told, and changes no verdict."""
    from sluicegate.cli.impact_text import markdown_of as impact_markdown
    from sluicegate.comparing.markdown import markdown_of as diff_markdown
    from sluicegate.review.comment import comment_of

    comment = comment_of(
        review,
        impact_markdown(review.impact) if review.impact else "",
        diff_markdown(review.diff) if review.diff else "",
    )
    if markdown:
        markdown.write_text(comment, encoding="utf-8")
    if as_json:
        as_json.write_text(
            json.dumps(review.as_data(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
        )
    if outputs:
        with outputs.open("a", encoding="utf-8") as file:
            file.write(f"verdict={review.verdict}\n")
    if azure:
        from sluicegate.review.azure import post

        typer.echo(f"##vso[task.setvariable variable=verdict;isOutput=true]{review.verdict}")
        try:
            post(comment, os.environ)
        except ValueError as error:
            err.print(f"warning: {error}", style="yellow", markup=False)
