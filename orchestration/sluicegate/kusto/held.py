"""What a database of Azure Data Explorer holds: asked by `.show` commands alone, and only what is needed.

Belongs here: the questions, and answers as facts (`facts`). Does not belong here: what git says.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any, cast

from sluicegate.destinations.adx import kql
from sluicegate.destinations.adx.cluster import Cluster
from sluicegate.destinations.errors import DeliveryError
from sluicegate.kusto.facts import (
    Facts,
    Words,
    function_facts,
    mapping_facts,
    policy_facts,
    property_facts,
    query_words,
)
from sluicegate.kusto.objects import Kind
from sluicegate.kusto.spellings import string, type_name

# Policies of a table, by the words of commands.
POLICIES = ("retention", "caching", "row_level_security", "update")


@dataclass(frozen=True)
class HeldFunction:
    """A function as it is shown."""

    name: str
    parameters: str
    body: str
    folder: str
    docstring: str


@dataclass(frozen=True)
class HeldView:
    """A materialized view as it is shown; `properties` are those that are."""

    name: str
    source: str
    query: str
    properties: Mapping[str, str]


@dataclass(frozen=True)
class HeldTable:
    """A table as it is shown; `columns` are types by name, `docstrings` those of columns."""

    name: str
    folder: str
    docstring: str
    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    docstrings: Mapping[str, str] = field(default_factory=dict[str, str])


class Held:
    """One database; every question is asked once.

    Raises, all of it:
        DeliveryError: the database does not answer, or not so.
    """

    def __init__(self, cluster: Cluster, words: Words) -> None:
        self._cluster = cluster
        self._words = words
        self._policies: dict[tuple[str, str], Any] = {}
        self._mappings: dict[str, Sequence[tuple[str, str, str]]] = {}

    @cached_property
    def functions(self) -> Mapping[str, HeldFunction]:
        """All functions by name."""
        doing = "show its functions"
        rows = self._cluster.command(".show functions", doing)
        return {one.name: one for one in (_function(self._told(row, doing)) for row in rows)}

    @cached_property
    def views(self) -> Mapping[str, HeldView]:
        """All materialized views by name."""
        doing = "show its materialized views"
        rows = self._cluster.command(".show materialized-views", doing)
        return {one.name: one for one in (_view(self._told(row, doing)) for row in rows)}

    @cached_property
    def tables(self) -> Mapping[str, HeldTable]:
        """All tables by name."""
        doing, wrong = "show its schema", ""
        database = self._cluster.address.database
        rows = self._cluster.command(f".show database {kql.name(database)} schema as json", doing)
        if not rows:
            raise self._cluster.strange(doing, "no row")
        # One column, whose name no document tells.
        said = next((one for one in rows[0].values() if isinstance(one, str)), "")
        try:
            databases = json.loads(said)["Databases"]
            tables = next(iter(databases.values()))["Tables"]
            return {name: _table(name, one) for name, one in tables.items()}
        except (ValueError, LookupError, TypeError, AttributeError, StopIteration, RecursionError) as error:
            wrong = f"a schema of another form ({type(error).__name__})"
        raise self._cluster.strange(doing, wrong)

    def policy(self, table: str, policy: str) -> Any:
        """Return a policy of a table that is there, as its JSON says; None where it has none of its own."""
        if (table, policy) not in self._policies:
            doing = f"show the policy {policy} of a table"
            rows = self._cluster.command(f".show table {kql.name(table)} policy {policy}", doing)
            text = str(rows[0].get("Policy") or "null") if rows else "null"
            self._policies[table, policy] = self._json(text, doing)
        return self._policies[table, policy]

    def facts(self, kind: Kind, name: str, asked: Facts) -> Facts | None:
        """Return what the database holds of an object, as `asked` names it; None if it is not there."""
        if kind is Kind.FUNCTION:
            one = self.functions.get(name)
            return None if one is None else _function_facts(one, self._words)
        if kind is Kind.VIEW:
            view = self.views.get(name)
            return None if view is None else _view_facts(view, self._words)
        table = self.tables.get(name)
        if table is None:
            return None
        found: dict[str, Any] = {"folder": table.folder, "docstring": table.docstring}
        found |= {f"column {column}": type_name(one) for column, one in table.columns.items()}
        found |= {f"docstring of {column}": one for column, one in table.docstrings.items()}
        return found | self.policies(name, asked)

    def policies(self, table: str, asked: Collection[str]) -> dict[str, Any]:
        """Return the policies and mappings of a table that is there, of the kinds that some facts are of."""
        found = dict[str, Any]()
        for policy in POLICIES:
            if any(fact.startswith(f"{policy} ") for fact in asked):
                found |= policy_facts(policy, self.policy(table, policy), self._words)
        if any(is_mapping(fact) for fact in asked):
            for kind, name, said in self.mapping_texts(table):
                found |= mapping_facts(kind, name, said)
        return found

    def mapping_texts(self, table: str) -> Sequence[tuple[str, str, str]]:
        """Return (kind, name, JSON) of the ingestion mappings of a table that is there."""
        if table not in self._mappings:
            doing = "show ingestion mappings"
            rows = self._cluster.command(f".show table {kql.name(table)} ingestion mappings", doing)
            found: list[tuple[str, str, str]] = []
            for row in rows:
                kind, name, said = (
                    self._cluster.told(row, one, str, doing) for one in ("Kind", "Name", "Mapping")
                )
                self._json(said, doing)
                found.append((kind, name, said))
            self._mappings[table] = found
        return self._mappings[table]

    def policies_naming(self, word: str) -> Sequence[str]:
        """Return the tables whose row level security or update policy has a word: a function's name."""
        found: list[str] = []
        for policy in ("row_level_security", "update"):
            doing = f"show the policies {policy} of all tables"
            for row in self._cluster.command(f".show table * policy {policy}", doing):
                said = self._json(str(row.get("Policy") or "null"), doing)
                objects = cast("list[Any]", said if isinstance(said, list) else [said])
                queries = [str(one.get("Query") or "") for one in objects if isinstance(one, dict)]
                if any(names(self._words(query), word) for query in queries):
                    found.append(f"{policy} of {row.get('EntityName')}")
        return found

    def _told(self, row: Mapping[str, Any], doing: str) -> "_Row":
        return lambda name: self._cluster.told(row, name, str, doing), row

    def _json(self, text: str, doing: str) -> Any:
        wrong = ""
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            wrong = f"what is no JSON ({type(error).__name__})"
        raise self._cluster.strange(doing, wrong)


def who_changed(cluster: Cluster, objects: Sequence[str]) -> Mapping[str, str]:
    """Return {name: who changed it last, and when}; nothing where the principal may not ask."""
    listed = ", ".join(map(kql.text, objects))
    try:
        rows = cluster.command(
            f".show database {kql.name(cluster.address.database)} journal | where EntityName in ({listed})"
            " | order by EventTimestamp asc | project EventTimestamp, EntityName, Event, Principal",
            "show its journal",
        )
    except DeliveryError:
        return {}
    told = ("Principal", "EventTimestamp", "Event")
    return {str(row.get("EntityName")): "{} at {} ({})".format(*map(row.get, told)) for row in rows}


def shown_facts(kind: Kind, name: str, rows: Sequence[Mapping[str, Any]], words: Words) -> Facts | None:
    """Return what a function or view is, as the command that made it is answered; None if it is not told."""
    row = next((one for one in rows if one.get("Name") == name), None)
    if row is None:
        return None
    shown: _Row = (lambda one: str(row[one])), row
    try:
        if kind is Kind.FUNCTION:
            return _function_facts(_function(shown), words)
        return _view_facts(_view(shown), words)
    except LookupError:
        return None


def is_policy(fact: str) -> bool:
    """Whether a table's fact is of a policy or mapping, in which the service may spell things its own way."""
    return fact.startswith(tuple(f"{policy} " for policy in POLICIES)) or is_mapping(fact)


def is_mapping(fact: str) -> bool:
    """Whether a table's fact is of an ingestion mapping."""
    return fact.split(" ")[1:2] == ["mapping"] and not fact.startswith("column ")


def names(words: Sequence[str], name: str) -> bool:
    """Whether words name an object: as they are, in brackets, or in a string."""
    said = "-".join(name.split("-"))
    return any(string(word) == name for word in words) or (
        "-" in name and f" {' - '.join(said.split('-'))} " in f" {' '.join(words)} "
    )


# How a column of a row is told that has to be there, and the row.
_Row = tuple[Callable[[str], str], Mapping[str, Any]]


def _function(shown: _Row) -> HeldFunction:
    told, row = shown
    aside = (str(row.get(one) or "") for one in ("Folder", "DocString"))
    return HeldFunction(told("Name"), told("Parameters"), told("Body"), *aside)


def _function_facts(one: HeldFunction, words: Words) -> Facts:
    facts = function_facts(one.parameters, one.body, words)
    return {**facts, "folder": one.folder, "docstring": one.docstring}


def _view(shown: _Row) -> HeldView:
    told, row = shown
    there = ("Folder", "DocString", "Lookback", "AutoUpdateSchema")
    properties = {one: _spelled(row[one]) for one in there if row.get(one) is not None}
    return HeldView(told("Name"), told("SourceTable"), told("Query"), properties)


def _view_facts(view: HeldView, words: Words) -> Facts:
    return {"source": view.source, "query": query_words(words(view.query)), **property_facts(view.properties)}


def _spelled(shown: Any) -> str:
    if isinstance(shown, timedelta):
        return f"{shown // timedelta(microseconds=1)}microseconds"
    return str(bool(shown)) if isinstance(shown, int) else str(shown)


def _table(name: str, said: Mapping[str, Any]) -> HeldTable:
    columns: list[Mapping[str, Any]] = said["OrderedColumns"]
    return HeldTable(
        name, str(said.get("Folder") or ""), str(said.get("DocString") or ""),
        {str(one["Name"]): str(one["CslType"]) for one in columns},
        {str(one["Name"]): str(one.get("DocString") or "") for one in columns},
    )  # fmt: skip
