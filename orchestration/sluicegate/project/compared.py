"""The project of the working tree beside that of a git revision.

Belongs here: both states as they are compared, and what is still compared where the working tree does not
load. Does not belong here: git (`earlier`), what counts as a change (`columns.changes`).
"""

import json

from sluicegate.columns.changes import State
from sluicegate.columns.graph import ColumnGraph
from sluicegate.columns.kusto_columns import kusto_types
from sluicegate.columns.receivers import EXPOSED, receivers, with_exposures
from sluicegate.columns.report import ImpactReport, Names
from sluicegate.columns.since import since, since_of_contracts
from sluicegate.contracts.load import load_contracts
from sluicegate.core.column_origins import Place
from sluicegate.core.problems import ProjectError
from sluicegate.core.relations import Relation
from sluicegate.core.settings import Settings
from sluicegate.project.earlier import Earlier, earlier
from sluicegate.project.loading import Project, load_project
from sluicegate.transformation.binding import bound_sql
from sluicegate.transformation.code_digests import session_of


def state_of(project: Project, settings: Settings) -> State:
    """Return what is compared of a project that is loaded."""
    types: dict[Relation, dict[str, str]] = {
        contract.relation: {column.name: column.loaded_type for column in contract.loaded_columns}
        for contract in project.contracts.values()
    }
    bound = bound_sql(settings, project.manifest.digests)
    for node in project.manifest.nodes.values():
        types[node.relation] = dict(bound.columns.get(node.unique_id, ()))
    if project.kusto is not None:
        types |= kusto_types(project.kusto)
    return State(
        project.contracts, project.suites, project.exports, project.manifest, project.columns, types,
        _classes(project), json.dumps(session_of(settings)), bound.compiled, project.kusto,
    )  # fmt: skip


def _classes(project: Project) -> dict[Place, frozenset[str]]:
    """Return the classes of every column that has one; an exposure's fields are what they are made of."""
    found: dict[Place, frozenset[str]] = {}
    for relation, table in with_exposures(project.columns, project.manifest).tables.items():
        for name, origins in table.columns.items():
            place = Place(relation, name)
            of = [origin.place for origin in origins] if relation.schema == EXPOSED else [place]
            if classes := frozenset[str]().union(*map(project.classes.of, of)):
                found[place] = classes
    return found


def names_of(project: Project) -> Names:
    """Return what an answer about a project is written with; exposures are in its graph."""
    graph = with_exposures(project.columns, project.manifest)
    receiving = receivers(project.exports, project.manifest, project.kusto)
    return Names(graph, receiving, project.contracts, _classes(project))


def impact_since(settings: Settings, revision: str) -> ImpactReport:
    """Return what changes for destinations between a git revision and the project as it lies there.

    A project that does not load is compared by its contracts alone, if those load: what is taken out of one
    is told with all that hung on it, beside what is wrong.

    Raises:
        ValueError: there is no such revision, or its project does not load.
        ProjectError: the project does not load, nor do its contracts.
    """
    with earlier(settings, revision) as then:
        try:
            project = load_project(settings)
        except ProjectError as error:
            return impact_of_contracts(then, settings, error)
        return impact_between(then, project)


def impact_of_contracts(then: Earlier, settings: Settings, error: ProjectError) -> ImpactReport:
    """Return what the contracts alone change, of a project that does not load.

    Raises:
        ProjectError: nor do they.
    """
    contracts, problems = load_contracts(settings.project_dir)
    if problems or then.project is None:
        raise error
    found = since_of_contracts(state_of(then.project, then.settings), contracts)
    return names_of(then.project).since(found, then.commit, error.told)


def impact_between(then: Earlier, project: Project) -> ImpactReport:
    """Return what changes for destinations between an earlier project and one that is loaded."""
    before = state_of(then.project, then.settings) if then.project else State()
    found = since(before, state_of(project, project.identity.settings))
    names = names_of(project)
    if then.project:  # what is gone had an owner, too
        old = names_of(then.project)
        tables = {**old.graph.tables, **names.graph.tables}
        names = Names(
            ColumnGraph(tables.values()), names.receivers, {**old.contracts, **names.contracts},
            {**old.classes, **names.classes}, old.receivers,
        )  # fmt: skip
    return names.since(found, then.commit)
