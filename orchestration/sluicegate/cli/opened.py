"""How a command opens its deployment, shows its errors, and prints.

Belongs here: what all commands share, opened as far as each asks for it. Does not belong here: a command,
work. Heavy things are imported where they are asked for, so that `sluice --help` answers at once, and a
command of the records alone never waits for dbt or Dagster.
"""

import json
import sys
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from sluicegate.cli.completion import exports
from sluicegate.cli.exits import Code
from sluicegate.core.collecting import collect_seldom, without_collecting
from sluicegate.core.problems import ProjectChanged, ProjectError, did_you_mean

if TYPE_CHECKING:
    from sluicegate.contracts.model import SourceContract
    from sluicegate.core.settings import Settings
    from sluicegate.delivery.deliver import Target
    from sluicegate.graph.desk import Desk
    from sluicegate.incidents.alerts_file import Alerts
    from sluicegate.operations.site import Site
    from sluicegate.project.loading import Project
    from sluicegate.state.deployment import Deployment

# A pipe has no width; a log file's reader has more than rich's 80 columns.
_WIDTH = None if sys.stdout.isatty() else 140
out = Console(width=_WIDTH, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)

ProjectDir = Annotated[
    Path | None,
    typer.Option("--project", help="Project directory (SLUICE_PROJECT_DIR; default: this repository)."),
]
DataDir = Annotated[
    Path | None, typer.Option("--data", help="Data directory (SLUICE_DATA_DIR; default: PROJECT/.sluice).")
]
DemoDestinations = Annotated[
    bool,
    typer.Option(
        "--demo-destinations",
        help="For the demo company: a Postgres for `retailer_app`, a folder for `partner_drop`, where they"
        " are not set.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="For machines: JSON, all of it, with keys that stay.")]
Export = Annotated[str, typer.Argument(help="The export's name, as its file's.", autocompletion=exports)]
SentPartition = Annotated[
    str | None,
    typer.Option(
        "--partition", help="The partition, as 2022-10-05; none of a model that is not partitioned."
    ),
]
By = Annotated[str | None, typer.Option(help="Who answers for it (default: your account).")]


def why(text: str) -> str:
    """Return a reason as it goes on record: on one line, and nothing in it that a terminal would obey."""
    said = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    if not said:
        raise typer.BadParameter("it needs a reason: say why, as it is kept")
    return said


Reason = Annotated[str, typer.Option(help="Why; it is kept.", callback=why)]


@dataclass
class Opened:
    """One command's deployment, of which each part is opened when it is first asked for."""

    settings: "Settings"
    stack: ExitStack

    @cached_property
    def deployment(self) -> "Deployment":
        """The records, the engine and the areas."""
        with without_collecting():
            from sluicegate.state.deployment import Deployment

            deployment = Deployment(self.settings)
        self.stack.callback(deployment.close)
        if deployment.identity.kind is None:
            err.print(str(deployment.kept_back()), style="yellow", markup=False)
        return deployment

    @cached_property
    def contracts(self) -> "Mapping[str, SourceContract]":
        """The contracts alone, where no more of the project is needed."""
        from sluicegate.contracts.load import load_contracts

        contracts, problems = load_contracts(self.settings.project_dir)
        if problems:
            raise ProjectError(problems)
        return contracts

    @cached_property
    def project(self) -> "Project":
        """The project directory, checked."""
        with without_collecting():  # what is imported stays
            from sluicegate.project.loading import load_project

            return load_project(self.settings)

    @cached_property
    def alerts(self) -> "Alerts":
        """Who is told of what, as the project's `alerts.yaml` says."""
        from sluicegate.incidents.alerts_file import load_alerts

        return load_alerts(self.settings.project_dir, self.project)

    @cached_property
    def site(self) -> "Site":
        """The deployment and its project."""
        from sluicegate.operations.site import Site

        return Site(self.deployment, self.project)

    @cached_property
    def desk(self) -> "Desk":
        """The site and Dagster's instance, which is open until the command ends."""
        site = self.site  # a project that does not hold is told before anything is opened
        with without_collecting():
            from sluicegate.graph.desk import Desk
            from sluicegate.graph.instance import open_instance

            return Desk.of(site, self.stack.enter_context(open_instance(self.settings)))

    @cached_property
    def now(self) -> datetime:
        """When the command began."""
        return datetime.now(UTC)

    def source(self, name: str) -> "SourceContract":
        """Return a source's contract.

        Raises:
            ValueError: there is none.
        """
        if name not in self.contracts:
            raise ValueError(f"no contract for source `{name}`; {did_you_mean(name, self.contracts)}")
        return self.contracts[name]

    def partition(self, target: "Target", key: str | None) -> str:
        """Return the partition that is named, or else the newest that is built."""
        from sluicegate.operations.asking import partition_of

        return partition_of(self.deployment, target, key)


@contextmanager
def opened(
    project: Path | None,
    data: Path | None,
    demo_destinations: bool = False,
    *,
    typed: bool = True,
    half_restored: bool = False,
    ended: bool = False,
) -> Generator[Opened]:
    """Yield what a command works with; `typed` is as for `errors_told`.

    Without `half_restored` a data directory is refused whose restore did not end, without `ended` that of an
    environment whose time has ended.
    """
    collect_seldom()
    with errors_told(typed=typed), ExitStack() as stack:
        from sluicegate.core.environments import MADE_FROM
        from sluicegate.core.own_account import require_own_account
        from sluicegate.core.settings import Settings

        settings = Settings.load(project_dir=project, data_dir=data)
        require_own_account(settings)
        if not half_restored:
            from sluicegate.state.restore_mark import require_whole

            require_whole(settings.data_dir)
        if not ended and (settings.data_dir / MADE_FROM).exists():
            from sluicegate.environments.record import require_usable

            require_usable(settings)
        if demo_destinations:
            from sluicegate.demo.destinations import PARTNER_DROP, RETAILER_APP, are_used_by
            from sluicegate.demo.destinations import demo_destinations as equipped

            if are_used_by(settings):
                settings = stack.enter_context(equipped(settings))
            else:
                err.print(
                    f"--demo-destinations does nothing here: no export of {settings.project_dir} has the"
                    f" connection `{RETAILER_APP}` or `{PARTNER_DROP}`; set SLUICE_CONNECTION_<NAME>",
                    style="yellow", markup=False,
                )  # fmt: skip
        yield Opened(settings, stack)


@contextmanager
def errors_told(*, typed: bool = True) -> Generator[None]:
    """Show what people can fix in its own words, and end with code 2, or 1 if a delivery failed.

    `typed`: the command has arguments, so a ValueError is about them. In any other it is an error of ours,
    which keeps its stack of calls.
    """
    try:
        yield
    except typer.Exit:
        raise
    except Exception as error:
        code = Code.NOT_DONE if typed and isinstance(error, ValueError) else _code(error)
        if code is None:
            raise
        for said in error.told if isinstance(error, ProjectError) else [str(error)]:
            err.print(said, style="red", markup=False)
        raise typer.Exit(code) from None


def reason_of(error: Exception) -> str:
    """Return what an error says that people can fix; of any other, which may quote data, its kind."""
    if isinstance(error, ProjectError):
        return "; ".join(error.told)
    if isinstance(error, ValueError) or _code(error) is not None:
        return str(error)
    return f"it ended with {type(error).__name__}; the command's log tells more"


def _code(error: Exception) -> Code | None:
    """Return the exit code of an error that people can fix."""
    from sluicegate.core.settings import SettingsError
    from sluicegate.environments.record import NotUsable
    from sluicegate.operations.asking import NOT_SENT
    from sluicegate.operations.backup.folder import BackupError
    from sluicegate.publishing.shelf import NotPublished
    from sluicegate.state.erasure_journal import JournalError
    from sluicegate.state.leases import LeaseTimeout
    from sluicegate.state.restore_mark import HalfRestored
    from sluicegate.state.upgrade import RecordsTooNew, StateStoreUnavailable

    refused = (ProjectError, ProjectChanged, SettingsError, RecordsTooNew, StateStoreUnavailable, NotUsable)
    if isinstance(error, (*refused, HalfRestored, JournalError)):
        return Code.NOT_DONE
    lost = isinstance(error, (*NOT_SENT, BackupError, NotPublished, LeaseTimeout))
    return Code.ATTENTION if lost else None


def account(by: str | None) -> str:
    """Return who answers for what is done: who is named, or else the account that runs the command."""
    import getpass

    return by or getpass.getuser()


def print_json(data: object) -> None:
    """Print data for machines."""
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))


def table(title: str, *headings: str) -> Table:
    """Return an empty table; headings that begin with `#` are of numbers."""
    made = Table(title=title, title_justify="left", caption_justify="left")
    for heading in headings:
        made.add_column(
            heading.removeprefix("#"),
            justify="right" if heading.startswith("#") else "left",
            overflow="fold",
            no_wrap=heading in ("delivery", "status"),
        )
    return made
