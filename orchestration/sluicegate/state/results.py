"""What each rule of a suite said, with a few failing rows: for people, for trends, for Data Docs.

The gate does not read it; what it reads is the evidence. Whoever judges writes these first and the evidence
after them, each in a transaction of its own: where a process dies between the two, or before either, there is
no evidence of that version, so the gate stays closed and the next run judges again. Belongs here: writing and
reading them. Does not belong here: masking, which has to come before (`quality`).
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from sluicegate.core.severity import Severity
from sluicegate.state import schema
from sluicegate.state.rows import record_of, values_of
from sluicegate.state.upgrade import require_form


@dataclass(frozen=True)
class KeptRule:
    """What a rule said. `sample` has a few failing rows, each a JSON object; `failing_share` is of `rows`."""

    type: str
    kwargs: Mapping[str, Any]
    severity: Severity
    outcome: str
    expected: str = ""
    observed: str = ""
    observed_value: float | None = None
    rows: int | None = None
    failing_rows: int | None = None
    failing_share: float | None = None
    error: str | None = None
    sample: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """What a check said of a version of a partition, when (UTC): a result a rule, in the suite's order."""

    relation: str
    partition_key: str
    check: str
    version: str
    run_id: str
    judged_at: datetime
    rules: tuple[KeptRule, ...]


class Results:
    """The judgements in a state store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep(self, judgement: Judgement) -> None:
        """Keep what the rules said; what is classified in it is masked already."""
        with self._engine.begin() as connection:
            require_form(connection)
            insert(connection, [judgement])

    def judged_versions(self, relation: str) -> set[tuple[str, str]]:
        """Return (partition key, version) of all that a suite has judged of a table, whatever it said."""
        table = schema.judgements
        query = sa.select(table.c.partition_key, table.c.version).where(table.c.relation == relation)
        with self._engine.connect() as connection:
            return {(key, version) for key, version in connection.execute(query.distinct())}

    def last(self) -> int:
        """Return a number that is higher after each judgement; 0 before the first."""
        with self._engine.connect() as connection:
            return connection.execute(sa.select(sa.func.max(schema.judgements.c.id))).scalar() or 0

    def newest(self, per_table: int) -> Iterator[Judgement]:
        """Yield the newest partitions of each check of a table together, newest first, as judged last."""
        table = schema.judgements
        place = (table.c.relation, table.c.check_name, table.c.partition_key)
        query = sa.select(*place, sa.func.max(table.c.id)).group_by(*place)
        with self._engine.connect() as connection:
            # Sorted here, as databases sort text by rules of their own.
            found = sorted(connection.execute(query).all(), key=lambda row: row[2], reverse=True)
            found.sort(key=lambda row: (row[0], row[1]))
            for _, rows in itertools.groupby(found, key=lambda row: (row[0], row[1])):
                yield from _read(connection, [row[3] for row in itertools.islice(rows, per_table)])


def insert(connection: sa.Connection, judgements: Sequence[Judgement]) -> None:
    """Write judgements in a transaction that the caller has begun."""
    if not judgements:
        return
    table = schema.judgements
    made = [values_of(item, table) for item in judgements]
    numbered = sa.insert(table).returning(table.c.id, sort_by_parameter_order=True)
    ids = connection.execute(numbered, made).scalars().all()
    placed = [
        ({"judgement_id": id_, "rule_number": number}, rule)
        for id_, item in zip(ids, judgements, strict=True)
        for number, rule in enumerate(item.rules)
    ]
    rules = [
        place
        | values_of(
            rule,
            schema.rule_results,
            kwargs=json.dumps(rule.kwargs, default=str),
            expected=_text(rule.expected),
            observed=_text(rule.observed),
            error=None if rule.error is None else _text(rule.error),
        )
        for place, rule in placed
    ]
    rows = [
        place | {"row_number": number, "row": row}
        for place, rule in placed
        for number, row in enumerate(rule.sample)
    ]
    for into, values in ((schema.rule_results, rules), (schema.failing_rows, rows)):
        if values:
            connection.execute(sa.insert(into), values)


def _text(value: str) -> str:
    return value.replace("\0", "\\0")  # Postgres takes no such character


def _read(connection: sa.Connection, ids: Sequence[int]) -> list[Judgement]:
    """Return the judgements of these ids, in that order."""
    heads, rules, samples = (
        connection.execute(sa.select(table).where(column.in_(ids)).order_by(*table.primary_key)).mappings()
        for table, column in (
            (schema.judgements, schema.judgements.c.id),
            (schema.rule_results, schema.rule_results.c.judgement_id),
            (schema.failing_rows, schema.failing_rows.c.judgement_id),
        )
    )
    rows: dict[tuple[int, int], list[str]] = {}
    for item in samples:
        rows.setdefault((item["judgement_id"], item["rule_number"]), []).append(item["row"])
    kept: dict[int, list[KeptRule]] = {id_: [] for id_ in ids}
    for item in rules:
        sample = tuple(rows.get((item["judgement_id"], item["rule_number"]), ()))
        kwargs, severity = json.loads(item["kwargs"]), Severity(item["severity"])
        rule = record_of(KeptRule, item, kwargs=kwargs, severity=severity, sample=sample)
        kept[item["judgement_id"]].append(rule)
    found = {item["id"]: item for item in heads}
    return [record_of(Judgement, found[id_], rules=tuple(kept[id_])) for id_ in ids]
