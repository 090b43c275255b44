"""Checks that are to run again alone, without building: those that could not run, once their time has come.

`sluice run` and the sensor `deliveries` ask the same question; it is separate from `due`, which never looks
at a clock.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime

from sluicegate.core.lineage import Partition
from sluicegate.operations.due_run import DueRun
from sluicegate.operations.site import Site
from sluicegate.project.loading import Project
from sluicegate.state.records import CheckError


def checks_due(site: Site, now: datetime, run_exists: Callable[[str], bool]) -> list[DueRun]:
    """Return runs of checks alone, one a partition, in the order of their partitions.

    Of a table that was rebuilt since, the build has asked the checks anew. A check that is another by now, as
    somebody has repaired it, has not been tried yet: that waits for nothing.
    """
    deployment, project = site.deployment, site.project
    together: dict[Partition, list[tuple[CheckError, str]]] = {}
    for error in deployment.store.check_errors.all():
        relation = _where_it_runs(project, error)
        if relation is None:
            continue
        table = project.lineage.tables[relation]
        another = (relation, table.rules[error.check]) != (error.relation, error.rules)
        if not another and (error.next_try_at is None or error.next_try_at > now):
            continue
        build = deployment.store.latest_builds(relation).get(error.partition_key)
        if build is not None and (relation != error.relation or build.version == error.version):
            partition = Partition(table.partitioning, error.partition_key)
            together.setdefault(partition, []).append((error, relation))
    runs = [
        DueRun(
            partition=partition,
            relations=(),
            exports=(),
            run_key=_run_key(errors, project),
            requests={},
            checks=tuple((relation, error.check) for error, relation in errors),
        )
        for partition, errors in together.items()
    ]
    return sorted((run for run in runs if not run_exists(run.run_key)), key=lambda run: run.partition.order)


def _where_it_runs(project: Project, error: CheckError) -> str | None:
    """Return the table in whose step a check runs today; None if there is none.

    A data test that reads other tables than before may have moved to another's step.
    """
    tables = project.lineage.tables
    if error.relation in tables and error.check in tables[error.relation].rules:
        return error.relation
    others = [name for name, table in tables.items() if error.check in table.rules]
    same_cut = [name for name in others if tables[name].partitioning.holds(error.partition_key)]
    return same_cut[0] if len(others) == len(same_cut) == 1 else None


def _run_key(errors: list[tuple[CheckError, str]], project: Project) -> str:
    names = [
        f"{error.relation} {error.partition_key} {error.check} {error.version} {error.attempts}"
        f" {error.failed_at} {relation} {project.lineage.tables[relation].rules[error.check]}"
        for error, relation in errors
    ]
    return hashlib.sha256("\n".join(("checks again", *names)).encode()).hexdigest()
