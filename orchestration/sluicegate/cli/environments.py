"""`sluice env init`, `adopt` and `retire`: what a deployment is, and which of its copies sends.

Belongs here: arguments and what is printed. Does not belong here: work (`state.adoption`).
"""

from contextlib import closing
from typing import Annotated

import typer

from sluicegate.cli.opened import By, DataDir, ProjectDir, Reason, account, opened, out

app = typer.Typer(help="What this deployment is; environments; what they become.")


@app.command()
def init(
    kind: Annotated[str, typer.Argument(help="local, scratch[:NAME], work[:NAME] or production.")],
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Say what a data directory is: a new one, or one that older code made. It stays that.

    Until somebody has said it, nothing is sent from what older code made.
    """
    with opened(project, data) as here:
        from sluicegate.core.environments import Declared
        from sluicegate.state.adoption import declare
        from sluicegate.state.deployment import Deployment

        with closing(Deployment(here.settings)) as deployment:
            identity = declare(deployment.records.identities, here.settings, Declared.of(kind))
    out.print(f"{here.settings.data_dir} is {identity}", markup=False, soft_wrap=True)


@app.command()
def adopt(
    reason: Reason,
    gone: Annotated[
        bool,
        typer.Option("--original-is-gone", help="There is no original any more, whatever is still seen."),
    ] = False,
    by: By = None,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Let this copy of a deployment send, and no other one: where an area is shared, the older one stops."""
    with opened(project, data) as here:
        from sluicegate.state.adoption import adopt as adopt_copy

        deployment, said = here.deployment, f"adopted by {account(by)}: {reason}"
        identity = adopt_copy(deployment.store.identities, here.settings, deployment.shared, said, gone=gone)
    out.print(f"{here.settings.data_dir} is {identity}, epoch {identity.epoch}", markup=False, soft_wrap=True)


@app.command()
def retire(reason: Reason, by: By = None, project: ProjectDir = None, data: DataDir = None) -> None:
    """Have this data directory send nothing any more, so that a copy of it may be adopted."""
    with opened(project, data) as here:
        from sluicegate.state.adoption import give_up

        identity = give_up(here.deployment.store.identities, here.settings, f"{account(by)}: {reason}")
    out.print(f"{identity} is retired; nothing is sent from it any more", markup=False, soft_wrap=True)
