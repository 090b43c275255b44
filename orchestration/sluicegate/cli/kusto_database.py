"""`sluice kusto plan`, `deploy`, `drift` and `pull`: what git says, and what the database holds.

Belongs here: arguments, lines and exit codes. Does not belong here: work (`kusto`).
"""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluicegate.cli.exits import Code, ended
from sluicegate.cli.kusto import app
from sluicegate.cli.opened import DataDir, Json, Opened, ProjectDir, err, opened, out, print_json
from sluicegate.core.problems import Problem, ProjectError

if TYPE_CHECKING:
    from sluicegate.destinations.adx.cluster import Cluster
    from sluicegate.kusto.objects import KustoProject
    from sluicegate.kusto.parsed import Parses
    from sluicegate.kusto.places import Place
    from sluicegate.kusto.planned import Plan
    from sluicegate.kusto.pulling import Read
    from sluicegate.project.loading import Project

Named = Annotated[
    str,
    typer.Option(
        "--environment",
        help="What this deployment has to be, as production or work:NAME; else it is refused.",
    ),
]
_COMPARED = "kusto/compared.json"


@dataclass
class _There:
    """A database, and what git says of it."""

    here: Opened
    project: "KustoProject"
    place: "Place"
    cluster: "Cluster"
    parses: "Parses"

    def plan(self) -> "Plan":
        from sluicegate.kusto.deploying import planned

        store = self.here.deployment.store
        return planned(self.cluster, store, self.place, self.project, self.parses.words)


@app.command()
def plan(
    environment: Named = "", as_json: Json = False, project: ProjectDir = None, data: DataDir = None
) -> None:
    """Tell what a deploy would do; only `.show` commands are sent.

    Ends with code 0 if there is nothing to do, 1 if there is, 2 if it could not be asked.
    """
    with opened(project, data) as here, _asked(here, _kusto_of(here, here.project), environment) as there:
        from sluicegate.kusto.report import as_data, lines_of

        found = there.plan()
    if as_json:
        print_json(as_data(found))
    else:
        _told(lines_of(found))
    raise ended(found.differs)


@app.command()
def deploy(
    environment: Named = "",
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Also remove what is ours there and git has no more; never a table."),
    ] = False,
    dirty: Annotated[
        bool, typer.Option("--dirty", help="Also deploy files of kusto/ that are not committed.")
    ] = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Make the database say what git says: what differs, command by command, in the order that it needs.

    Run it again after a failure: it goes on where it ended. What reads a table that no delivery has made yet
    waits, and is told.
    """
    with opened(project, data) as here:
        from sluicegate.review.checking import checked

        found = checked(here.settings, here.now.date())
        if (wrong := [*found.problems, *found.expired]) or found.project is None:
            raise ProjectError(wrong)
        kusto = _kusto_of(here, found.project)
        commit = _commit(here, dirty)
        with _asked(here, kusto, environment, code=Code.ATTENTION) as there:
            from sluicegate.kusto.deploying import alone
            from sluicegate.kusto.deploying import deploy as deploy_plan

            store = here.deployment.store
            with alone(store, there.place, here.deployment.kept_back, _say):
                done = there.plan()
                try:
                    sent = deploy_plan(
                        there.cluster, store, there.place, done,
                        commit=commit, prune=prune, say=_say, words=there.parses.words,
                    )  # fmt: skip
                finally:  # what stands by now, however it ended
                    from sluicegate.graph.kusto import show_deployed

                    show_deployed(here.desk.instance, kusto, store.kusto_objects.of(there.place.name))
    _end(done, sent, prune)


@app.command()
def drift(
    environment: Named = "", as_json: Json = False, project: ProjectDir = None, data: DataDir = None
) -> None:
    """Tell what the database has otherwise than git, and who changed it, as far as its journal says.

    Ends with code 0 if it is what git says, 1 if not, 2 if it could not be asked.
    """
    with opened(project, data) as here, _asked(here, _kusto_of(here, here.project), environment) as there:
        from sluicegate.kusto.held import who_changed
        from sluicegate.kusto.report import as_data, drift_lines

        found = there.plan()
        drifted = [item.name for item in found.items if item.drifted]
        who = who_changed(there.cluster, drifted) if drifted else {}
    if as_json:
        print_json(as_data(found) | {"who": dict(who)})
    else:
        _told(drift_lines(found, who))
    raise ended(found.differs)


@app.command()
def pull(
    names: Annotated[
        list[str] | None, typer.Argument(help="Objects, by their names (default: all).", metavar="NAME…")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also write over files that say something else.")
    ] = False,
    environment: Named = "",
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Write into kusto/ what the database holds: functions, views, and what is said of tables.

    Ends with code 1 if files say something else, and nothing was written over them.
    """
    with opened(project, data) as here:
        from sluicegate.kusto.pulling import pull as pulled_from

        loaded = here.project
        kusto, read = _beginning(here, loaded)
        with _asked(here, kusto, environment) as there:
            from sluicegate.kusto.held import Held

            held = Held(there.cluster, there.parses.words)
            found = pulled_from(
                held, here.settings.project_dir, kusto, there.parses.words, read, names or (),
                here.deployment.store.kusto_objects.of(there.place.name),
            )  # fmt: skip
        for file, text in found.texts.items():
            if file in found.other and not force:
                err.print(f"{file} says something else; --force writes over it", markup=False, soft_wrap=True)
                continue
            path = here.settings.project_dir / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
            _say(f"wrote {file}")
    for one in found.left:
        err.print(f"not written: {one}", markup=False, soft_wrap=True)
    _say(f"{len(found.same)} files say already what the database holds")
    raise ended(found.other and not force)


@contextmanager
def _asked(
    here: Opened, kusto: "KustoProject", environment: str, *, code: Code = Code.NOT_DONE
) -> Generator[_There]:
    """Open the database of a deployment; what it refuses ends the command with a code."""
    from sluicegate.destinations.errors import DeliveryError
    from sluicegate.kusto.deploying import cluster_of
    from sluicegate.kusto.parsed import Parses
    from sluicegate.kusto.places import place_of

    place = place_of(here.deployment, kusto, environment)
    try:
        with cluster_of(place) as cluster, Parses(here.settings.data_dir / _COMPARED) as parses:
            yield _There(here, kusto, place, cluster, parses)
    except DeliveryError as error:
        # What the cluster is asked for elsewhere are deliveries.
        error.reword(fix=error.fix.replace("run the delivery again", "type the same again"))
        err.print(str(error), style="red", markup=False)
        raise typer.Exit(code) from None


def _kusto_of(here: Opened, project: "Project") -> "KustoProject":
    if project.kusto is None:
        raise ValueError(
            f"{here.settings.project_dir} has no kusto/; expected that folder, with its database.yml;"
            " `sluice kusto pull` begins it from the database that is there"
        )
    return project.kusto


def _beginning(here: Opened, project: "Project") -> "tuple[KustoProject, Read]":
    """Return what `kusto/` says, or would without an object, and what reads it elsewhere."""
    from sluicegate.kusto.feeds import ADX
    from sluicegate.kusto.objects import KustoProject
    from sluicegate.kusto.reading import load_kusto
    from sluicegate.project.loading import kusto_feeds
    from sluicegate.transformation.binding import bound_sql

    feeds = kusto_feeds(project.manifest, project.exports, bound_sql(here.settings, project.manifest.digests))

    def read(folder: Path) -> "tuple[KustoProject | None, list[Problem]]":
        return load_kusto(folder, None, feeds)

    if project.kusto is not None:
        return project.kusto, read
    connections = sorted(
        {
            one.spec.destination.connection
            for one in project.exports.values()
            if one.spec.destination.type == ADX
        }
    )
    if len(connections) != 1:
        said = ", ".join(connections) or "none"
        raise ValueError(
            "kusto/database.yml is missing, and exports to Azure Data Explorer have these connections:"
            f" {said}; expected one; write `connection: NAME` into kusto/database.yml"
        )
    return KustoProject(connections[0], feeds=feeds), read


def _commit(here: Opened, dirty: bool) -> str:
    """Return the commit that is deployed, "" where there is no repository.

    Raises:
        ValueError: files of `kusto/` are not committed, and nobody said that it may be so.
    """
    from sluicegate.core.environments import Environment
    from sluicegate.project.repository import Repository, commit_of

    folder = here.settings.project_dir
    repository = Repository.of(folder)
    if repository is None:
        _say(f"{folder} is in no git repository: no commit is on record with what is deployed")
        return ""
    commit = commit_of(folder, "HEAD")
    kusto = f"{repository.prefix}kusto/"
    # What git ignores is deployed like any other file, and is in no commit; hidden files are not.
    found = [*repository.changed_since(commit), *repository.ignored(kusto)]
    changed = [file for file in found if file.startswith(kusto) and not Path(file).name.startswith(".")]
    local = here.deployment.identity.kind is Environment.LOCAL
    if changed and not (dirty or local):
        raise ValueError(
            f"{', '.join(changed[:5])}{' …' if len(changed) > 5 else ''}: not committed; expected that git"
            " has what is deployed; commit it, or say --dirty"
        )
    return f"{commit}+" if changed else commit


def _end(plan: "Plan", sent: int, prune: bool) -> None:
    from sluicegate.kusto.planned import State

    for item in plan.of(State.WAITS, State.KEPT):
        _say(f"{item.called}: {'; '.join(item.notes)}")
    left = [] if prune else plan.of(State.REMOVE)
    if left:
        _say(f"ours, and in git no more: {', '.join(item.called for item in left)}; --prune removes them")
    waits = len(plan.of(State.WAITS))
    _say(
        f"{plan.environment}, {plan.database}: {sent} commands were sent"
        + (f"; {waits} objects wait, deploy again then" if waits else "")
    )


def _told(lines: Iterable[str]) -> None:
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)


def _say(line: str) -> None:
    out.print(line, markup=False, soft_wrap=True)
