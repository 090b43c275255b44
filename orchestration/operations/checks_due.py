"""Checks that are to run again alone, without building: those that could not run, once their time has come.

`sluice run` and the sensor `deliveries` ask the same question; it is separate from `due`, which never looks
at a clock.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime

from orchestration.deployment import Deployment
from orchestration.lineage import Partition
from orchestration.operations.due import DueRun
from orchestration.project import Project
from orchestration.state.records import CheckError


def checks_due(
    deployment: Deployment, project: Project, now: datetime, run_exists: Callable[[str], bool]
) -> list[DueRun]:
    """Return runs of checks alone, one a partition, in the order of their partitions.

    Of a table that was rebuilt since, the build has asked the checks anew. A check that is another by now, as
    somebody has repaired it, has not been tried yet: that waits for nothing.
    """
    together: dict[Partition, list[CheckError]] = {}
    for error in deployment.store.check_errors.all():
        table = project.lineage.tables.get(error.relation)
        rules = table.rules.get(error.check) if table is not None else None
        its_time = error.next_try_at is not None and error.next_try_at <= now
        if table is None or rules is None or not (its_time or rules != error.rules):
            continue
        build = deployment.store.latest_builds(error.relation).get(error.partition_key)
        if build is not None and build.version == error.version:
            together.setdefault(Partition(table.partitioning, error.partition_key), []).append(error)
    runs = [
        DueRun(
            partition=partition,
            relations=(),
            exports=(),
            run_key=_run_key(errors, project),
            requests={},
            checks=tuple((error.relation, error.check) for error in errors),
        )
        for partition, errors in together.items()
    ]
    return sorted((run for run in runs if not run_exists(run.run_key)), key=lambda run: run.partition.order)


def _run_key(errors: list[CheckError], project: Project) -> str:
    tables = project.lineage.tables
    names = [
        f"{error.relation} {error.partition_key} {error.check} {error.version} {error.attempts}"
        f" {error.failed_at} {tables[error.relation].rules[error.check]}"
        for error in errors
    ]
    return hashlib.sha256("\n".join(("checks again", *names)).encode()).hexdigest()
