"""Kept results, as Data Docs show them: for each suite its newest partitions, each as it was judged last."""

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestration.core.partitions import SNAPSHOT_PARTITION
from orchestration.core.severity import Severity
from orchestration.quality.rule_results import Outcome
from orchestration.quality.suites import CHECK_NAME

if TYPE_CHECKING:
    import duckdb

_NEWEST = """
    with newest as (
        select *
        from sluice.rule_results
        qualify
            dense_rank() over (
                partition by relation, check_name, partition_key order by judged_at desc, run_id desc
            ) = 1
            and dense_rank() over (partition by relation, check_name order by partition_key desc) <= ?
    )
    select
        relation, check_name, partition_key, version, run_id, judged_at, rule_number, type, kwargs,
        severity, outcome, expected, observed, row_count, failing_rows, failing_share, error,
        (
            select list(sample.row order by sample.row_number)
            from sluice.failing_rows as sample
            where
                sample.relation = newest.relation
                and sample.check_name = newest.check_name
                and sample.partition_key = newest.partition_key
                and sample.run_id = newest.run_id
                and sample.judged_at = newest.judged_at
                and sample.rule_number = newest.rule_number
        ) as sample
    from newest
    order by relation, check_name, partition_key desc, rule_number
"""


@dataclass(frozen=True)
class KeptRule:
    """One kept row: what a rule said."""

    number: int
    type: str
    kwargs: Mapping[str, Any]
    severity: Severity
    outcome: Outcome
    expected: str
    observed: str
    rows: int | None
    failing_rows: int | None
    failing_share: float | None
    error: str | None
    sample: tuple[str, ...]


@dataclass(frozen=True)
class Judgement:
    """One page: what a suite said of a partition the last time."""

    suite: str
    relation: str
    partition_key: str
    version: str
    run_id: str
    judged_at: datetime
    rules: tuple[KeptRule, ...]


def read_judgements(connection: "duckdb.DuckDBPyConnection", newest_per_table: int) -> Iterator[Judgement]:
    """Yield the judgements of each suite together, its newest partition first."""
    rows = connection.execute(_NEWEST, [newest_per_table]).fetchall()
    for said, rules in itertools.groupby(rows, key=lambda row: row[:6]):
        relation, check, partition_key, table_version, run_id, judged_at = said
        yield Judgement(
            suite=relation if check == CHECK_NAME else f"{relation}.{check}",
            relation=relation,
            partition_key=partition_key or SNAPSHOT_PARTITION,
            version=table_version,
            run_id=run_id,
            judged_at=judged_at.replace(tzinfo=UTC),
            rules=tuple(
                KeptRule(
                    number=row[6], type=row[7], kwargs=json.loads(row[8]), severity=Severity(row[9]),
                    outcome=Outcome(row[10]), expected=row[11] or "", observed=row[12] or "", rows=row[13],
                    failing_rows=row[14], failing_share=row[15], error=row[16], sample=tuple(row[17] or ()),
                )
                for row in rules
            ),
        )  # fmt: skip
