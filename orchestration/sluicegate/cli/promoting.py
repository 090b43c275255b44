"""`sluice env promote`: what is work becomes production's, in the working tree.

Belongs here: arguments, and what is said. Does not belong here: what moves (`project.promoting`).
"""

from typing import Annotated

import typer

from sluicegate.cli.environments import app
from sluicegate.cli.opened import DataDir, ProjectDir, opened, out


@app.command()
def promote(
    model: Annotated[str, typer.Argument(help="A model, seed, snapshot, or object of kusto/, that is work.")],
    to: Annotated[
        str,
        typer.Option(
            help="The folder below `models` (default: exports for an exp_ model, else marts), `seeds` or"
            " `snapshots` (default: that)."
        ),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Move what is work to where production's is: SQL, YAML, suite, export, tests. No data are touched.

    What production demands of an export's model is drafted beside it. What is left to do is said.
    """
    with opened(project, data) as here:
        from sluicegate.core.stages import Stage
        from sluicegate.drafting.suite import draft_suite
        from sluicegate.kusto.promoting import destination_of, work_named
        from sluicegate.project.export_models import ExportModels
        from sluicegate.project.promoting import begun, carry_out, end_begun, planned, promotion
        from sluicegate.quality.suites import FOLDER
        from sluicegate.transformation.manifest import load_manifest

        if Stage.WORK not in here.settings.stages:
            raise ValueError(
                "this deployment is `production`, whose files are what was merged; expected a clone of your"
                " own; run it there, with another --data"
            )
        if other := begun(here.settings):
            if other != model or dry_run:
                raise ValueError(
                    f"the promotion of `{other}` was begun and has not ended; expected that it ends first;"
                    f" `sluice env promote {other}`"
                )
            for line in end_begun(here.settings):
                out.print(line, markup=False, soft_wrap=True)
            out.print("Ended what was begun. Next: `git diff`, then `sluice check` names what is open.")
            return
        manifest = load_manifest(here.settings)
        if model not in {node.name for node in manifest.nodes.values()} and (
            one := work_named(here.project.kusto, model)
        ):
            assert here.project.kusto is not None
            place = destination_of(here.settings.project_dir, here.project.kusto, one)
            if not dry_run:
                (here.settings.project_dir / place).parent.mkdir(parents=True, exist_ok=True)
                (here.settings.project_dir / one.file).rename(here.settings.project_dir / place)
            out.print(f"{one.file} -> {place}", markup=False, soft_wrap=True)
            out.print(
                "Nothing was done (--dry-run)." if dry_run else "Next: `git diff`, then `sluice check`."
            )
            return
        done = promotion(here.settings, manifest, model, to)
        if done.sent and not done.suite:
            known = ExportModels(manifest).model(done.node)
            columns = [name for name in known.types if name != known.partition_column]
            done.texts[f"{FOLDER}/{model}.yml"] = draft_suite(model, known.key, columns)
        for line in planned(done) if dry_run else carry_out(here.settings, done):
            out.print(line, markup=False, soft_wrap=True)
    if done.readers:
        out.print(f"It is read by: {', '.join(done.readers)}", markup=False, soft_wrap=True)
    if done.sent and not done.export:
        out.print(
            f"It has no export yet: sluice export new {model} --type … --connection … --object …",
            markup=False, soft_wrap=True,
        )  # fmt: skip
    out.print(
        "Nothing was done (--dry-run)."
        if dry_run
        else "Next: `git diff`, then `sluice check` names what is open."
    )
