"""Policies of the Kusto double: what they say, and how they are shown.

Belongs here: reading a policy as strictly as the service. Does not: tables and extents (`kusto_engine`).

Sources, under https://learn.microsoft.com/kusto/management/: "Extent tags retention policy" (extent-tags-
retention-policy: a table's own goes before the database's; a prefix ends with its only colon; tags go some
time after their extent has the age), "Row level security policy" (row-level-security-policy: the query is
what everybody reads in place of the table, administrators too).
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from .kusto_language import Predicate, Refused, Row, Words, syntax_error


@dataclass
class Answer:
    """One table of an answer: columns as (name, type) and rows of values."""

    columns: Sequence[tuple[str, str]]
    rows: list[list[Any]]


class Security:
    """Row-level security of a table; the double knows queries that choose rows, and executes no other."""

    def __init__(self, enabled: bool, query: str, columns: Mapping[str, str]) -> None:
        self._enabled = enabled
        self._chosen: Predicate | None = None
        with suppress(Refused):
            words = Words(query)
            words.name()
            chosen = words.take("|", "where").predicate(columns)
            words.end()
            self._chosen = chosen

    def shows(self, row: Row) -> bool:
        """Whether anybody sees a row."""
        if self._enabled and self._chosen is None:
            raise syntax_error("the double does not execute this row level security")
        return not self._enabled or self._chosen is None or self._chosen(row)


def tag_policy(text: str) -> list[dict[str, str]]:
    """Read an extent tags retention policy, as strictly as the service."""
    policy = json.loads(text)
    for one in policy:
        prefix = str(one.get("TagPrefix", ""))
        if set(one) != {"TagPrefix", "RetentionPeriod"} or prefix.count(":") != 1 or prefix[-1] != ":":
            raise Refused("BadRequest_InvalidPolicy", "Kusto.Data.Exceptions.PolicyException", str(one))
        timespan(one["RetentionPeriod"])
    return policy


def timespan(text: str) -> timedelta:
    """A length of time as policies have it: `[d.]hh:mm:ss`."""
    days, _, clock = text.rpartition(".")
    hours, minutes, seconds = map(int, clock.split(":"))
    return timedelta(days=int(days or 0), hours=hours, minutes=minutes, seconds=seconds)


def policy_shown(policy: str, name: str, said: Any, kind: str) -> Answer:
    """A policy as `.show … policy` has it; `null` where there is none."""
    names = ("PolicyName", "EntityName", "Policy", "ChildEntities", "EntityType")
    row = [policy, f"[{name}]", json.dumps(said), "", kind]
    return Answer([(one, "string") for one in names], [row])
