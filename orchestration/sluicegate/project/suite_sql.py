"""The SQL of suites, bound by the engine against the project's tables without rows, when it is loaded.

A rule that cannot run, or reads more than the rows that it judges, is told before a day lands. Belongs here:
the tables that a suite's SQL is bound against. Does not belong here: what one rule may read
(`quality.rule_reads`), the SQL of dbt (`transformation.binding`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sluicegate.core.problems import Problem
from sluicegate.core.settings import Settings
from sluicegate.quality.rule_reads import reads_by_itself, wrong_reads
from sluicegate.quality.suites import SuiteTarget
from sluicegate.transformation.binding import bound_tables, stand_in

_BATCH = "judged_rows"


def suite_sql_problems(
    settings: Settings, content: Mapping[str, Any], targets: Sequence[SuiteTarget]
) -> Iterator[Problem]:
    """Yield what is wrong with the SQL of rules, each at its line.

    Args:
        settings: the deployment, whose dbt project was bound.
        content: that of `manifest.json`.
        targets: the suites, with their tables. Of a table whose own SQL is wrong nothing is told.
    """
    import duckdb

    targets = [target for target in targets if any(map(reads_by_itself, target.suite.rules))]
    if not targets:
        return
    connection = bound_tables(settings, content).connection
    for target in targets:
        condition = target.condition(stand_in(target.table.partitioning))
        where = f" where {condition}" if condition else ""
        try:
            connection.execute(
                f"create or replace temp view {_BATCH} as select * from {target.table.relation}{where}"
            )
        except duckdb.Error:
            continue
        for index, rule in enumerate(target.suite.rules):
            for wrong in wrong_reads(connection, rule, _BATCH):
                yield target.suite.file.problem(
                    f"`{wrong.kwarg}`: {wrong.what}", expected=wrong.expected, fix=wrong.fix,
                    at=("expectations", index, "kwargs", wrong.kwarg), code="SLU-P067",
                )  # fmt: skip
