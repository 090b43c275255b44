"""Which objects one kind of deployment has, and what its tables keep.

Belongs here: stages, the spans of `database.yml`, tables that nothing is delivered to. Does not belong here:
comparing (`plan`).
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sluicegate.core.environments import Environment
from sluicegate.core.stages import Stage
from sluicegate.destinations.adx import kql
from sluicegate.kusto.database_file import FILE
from sluicegate.kusto.held import Held
from sluicegate.kusto.objects import Fed, Kind, KustoObject, KustoProject, Statement
from sluicegate.kusto.planned import Item, State


def deployed_objects(project: KustoProject, kind: Environment) -> list[KustoObject]:
    """Return what is deployed by a kind of deployment, in order; production has no work.

    In work and scratch the tables keep rows as `database.yml` says, whatever their files say for production.
    """
    stages = (Stage.PRODUCTION,) if kind is Environment.PRODUCTION else tuple(Stage)
    objects = [one for one in project.objects if one.stage in stages]
    tables = {one.name: one for one in objects if one.kind is Kind.TABLE}
    for fed in project.feeds:
        if fed.stage in stages and fed.table not in tables:
            tables[fed.table] = KustoObject(Kind.TABLE, fed.table, FILE, fed.stage, ())
    made = [_keeping(one, project, kind) for one in tables.values()]
    others = [one for one in objects if one.kind is not Kind.TABLE]
    return [*(one for one in made if one.statements), *others]


def made_here(
    project: KustoProject, objects: Sequence[KustoObject], kind: Environment, held: Held
) -> Iterator[Fed]:
    """Yield the tables that exports feed elsewhere: to scratch and local nothing is delivered."""
    if kind not in (Environment.SCRATCH, Environment.LOCAL):
        return
    read = {name for one in objects for table, name in one.reads if table is Kind.TABLE}
    read |= {one.name for one in objects if one.kind is Kind.TABLE}
    feeds = {fed.table: fed for fed in project.feeds if fed.table in read and fed.table not in held.tables}
    yield from feeds.values()


def making(fed: Fed) -> Item:
    """Return the command that makes such a table as a delivery would."""
    listed = ", ".join(f"{kql.name(name)}:{kind}" for name, kind in fed.columns)
    made = command("CreateMergeTable", f".create-merge table {kql.name(fed.table)} ({listed})")
    note = "is made here, as nothing is delivered to this database"
    return Item(Kind.TABLE, fed.table, fed.file, State.CREATE, [made], notes=[note])


def command(kind: str, text: str) -> Statement:
    """Return a command that stands in no file."""
    return Statement(kind, text, 1, hashlib.sha256(text.encode()).hexdigest())


def _keeping(table: KustoObject, project: KustoProject, kind: Environment) -> KustoObject:
    """Return what is said of a table, with what `database.yml` says for how long it keeps rows."""
    statements = list(table.statements)
    name = kql.name(table.name)
    for policy, spans, made, text in (
        ("Retention", project.retention, "AlterMergeTablePolicyRetention",
         f".alter-merge table {name} policy retention softdelete ="),
        ("Caching", project.caching, "AlterTablePolicyCaching", f".alter table {name} policy caching hot ="),
    ):  # fmt: skip
        span = spans.get(kind.value)
        if span is not None:
            statements = [one for one in statements if not one.kind.endswith(f"Policy{policy}")]
            statements.append(command(made, f"{text} {span}"))
    return replace(table, statements=statements)
