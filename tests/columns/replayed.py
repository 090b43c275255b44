"""A company's SQL run from raw tables to destinations' fields, in memory, as often as a question needs.

What is run is what the platform has bound (`bound_sql`),
for one partition that stands for all; the raw tables
are filled here. So a company's days cost milliseconds, where dbt and deliveries take minutes.
Belongs here: data and runs. Does not: any opinion on lineage, and what is asserted.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from sluicegate.compute.engine import open_engine
from sluicegate.compute.sql import quoted
from sluicegate.core.partitions import STAND_IN_DROP, Grain
from sluicegate.core.settings import Settings
from sluicegate.demo.generate import generate_feed
from sluicegate.project.loading import Project
from sluicegate.transformation.binding import STAND_IN, bound_sql

Rows = list[tuple[Any, ...]]
# How a value is made another of the same type: all of them, and half of them.
_OTHER = {
    "VARCHAR": "'x' || coalesce({0}, '')", "BOOLEAN": "not coalesce({0}, false)",
    "DATE": "{0} + 400", "TIMESTAMP": "{0} + interval 400 day",
}  # fmt: skip
_NUMBER = "coalesce({0}, 0) * 3 + 7"


class Replayed:
    """A project's tables, filled; every run starts at the raw tables."""

    def __init__(self, project: Project, settings: Settings, digests: Mapping[str, str]) -> None:
        self.project = project
        self.connection = open_engine(name=settings.warehouse_path.stem)
        self.connection.execute("set threads = 1")
        bound = bound_sql(settings, digests)
        content = project.manifest.content
        self._models = [
            (node.relation, bound.compiled[node.unique_id].strip().rstrip(";"))
            for node in project.manifest.nodes.values()  # parents before children
            if node.resource_type != "seed"
        ]
        for node in project.manifest.nodes.values():
            self.connection.execute(f"create schema if not exists {node.relation.partition('.')[0]}")
            if node.resource_type == "seed":
                raw = content["nodes"][node.unique_id]
                columns = dict(bound.columns[node.unique_id])
                file = settings.dbt_dir / raw["original_file_path"]
                self.connection.execute(
                    f"create table {node.relation} as select * from read_csv(?, header=true,"
                    f" columns={columns!r})",
                    [str(file)],
                )
        self.connection.execute("create schema raw")
        for source in content["sources"].values():
            columns = [(name, item["data_type"]) for name, item in source["columns"].items()]
            listed = ", ".join(f"{quoted(name)} {type_}" for name, type_ in columns)
            self.connection.execute(f"create table raw.{source['name']} ({listed})")

    def fill(self, random: Random, rows: int = 12) -> None:
        """Fill the raw tables with random rows of few values, in the partition that stands for all."""
        for name, contract in self.project.contracts.items():
            how = contract.partitioning
            first = how.grain.span.floor(STAND_IN) if how.grain.timed else STAND_IN.replace(hour=0)
            drawn: list[list[Any]] = []
            columns = self._columns(f"raw.{name}")
            for _ in range(rows):
                row: list[Any] = []
                for column, type_ in columns:
                    if column == "_partition_key":
                        row.append(how.key_at(STAND_IN) if how.grain.timed else STAND_IN_DROP)
                    elif type_.startswith("TIMESTAMP"):
                        row.append(first + timedelta(minutes=random.randrange(50)))
                    elif type_ == "DATE":
                        row.append(first.date())
                    elif type_ == "VARCHAR":
                        row.append(random.choice("abcd"))
                    else:
                        row.append(random.randrange(1, 90) / (1 if "INT" in type_ else 4))
                drawn.append(row)
            marks = ", ".join("?" for _ in columns)
            self.connection.executemany(f"insert into raw.{name} values ({marks})", drawn)
            if contract.key:  # a key's rows are different from each other; the first column among them
                keys = ", ".join(quoted(key) for key in contract.key)
                self.connection.execute(
                    f"delete from raw.{name} where rowid not in"
                    f" (select min(rowid) from raw.{name} group by {keys})"
                )

    def fill_demo(self, folder: Path) -> None:
        """Fill the demo's raw tables with days of its generator; the last is the one that stands for all."""
        days = 3
        start = STAND_IN.date() - timedelta(days=days - 1)
        generate_feed(folder, start=start, days=days, stores=25, products=70, seed=1, contacts=True)
        for name, contract in self.project.contracts.items():
            headers = {column.name: column.header for column in contract.columns}
            cut = headers.get(contract.partition_column or "")
            if cut:
                headers["_partition_key"] = cut
            listed = ", ".join(
                f"cast({quoted(headers[column])} as {type_})" if column in headers else "0"
                for column, type_ in self._columns(f"raw.{name}")
            )
            files = (
                f"{folder}/{name}.csv.gz"
                if contract.partitioning.grain is Grain.SNAPSHOT
                else f"{folder}/{name}/*"
            )
            self.connection.execute(
                f"insert into raw.{name} select {listed} from read_csv('{files}', header=true,"
                f" all_varchar=true)"
            )

    def run(self) -> dict[str, Rows]:
        """Make all models anew from the raw tables as they are; return {export: rows that would be sent}."""
        for relation, sql in self._models:
            self.connection.execute(f"create or replace table {relation} as ({sql}\n)")
        return {name: self.connection.execute(self._sent(name)).fetchall() for name in self.project.exports}

    def fields(self, export: str) -> list[str]:
        """Return a destination's fields, in the order of what is sent."""
        spec = self.project.exports[export]
        return [spec.field(name) for name, _ in self._columns(self.project.node_of(spec).relation)]

    def types(self, export: str) -> dict[str, str]:
        """Return {field: type} of what is sent."""
        spec = self.project.exports[export]
        columns = self._columns(self.project.node_of(spec).relation)
        return {spec.field(name): type_ for name, type_ in columns}

    @contextmanager
    def changed(self, relation: str, statement: str) -> Generator[None]:
        """Change a table by a statement, for the length of the block."""
        self.connection.execute(f"create or replace temp table before as from {relation}")
        self.connection.execute(statement)
        try:
            yield
        finally:
            self.connection.execute(f"delete from {relation}")
            self.connection.execute(f"insert into {relation} from before")

    def changes(self, relation: str) -> dict[str, list[str]]:
        """Return {column: statements that change its values} of a table."""
        found: dict[str, list[str]] = {}
        for column, type_ in self._columns(relation):
            name = quoted(column)
            other = _OTHER.get(type_.split("(")[0], _NUMBER).format(name)
            few = f"(select {name} from {relation} order by hash({name}), rowid limit 1)"
            found[column] = [
                f"update {relation} set {name} = {other}",
                f"update {relation} set {name} = {other} where hash(rowid) % 2 = 0",
                f"update {relation} set {name} = {few}",
                f"update {relation} as mine set {name} = theirs.{name} from (select rowid + 1 as at, {name}"
                f" from {relation}) as theirs where mine.rowid = theirs.at and hash(mine.rowid) % 3 > 0",
                f"update {relation} set {name} = null where hash(rowid) % 2 = 1",
            ]
        return found

    def _columns(self, relation: str) -> Sequence[tuple[str, str]]:
        described = self.connection.execute(f"describe {relation}").fetchall()
        return [(str(row[0]), str(row[1])) for row in described]

    def _sent(self, name: str) -> str:
        export = self.project.exports[name]
        relation = self.project.node_of(export).relation
        columns = dict(self._columns(relation))
        conditions, instead = export.last_mile_sql(columns, quoted)
        listed = ", ".join(
            f"{instead.get(one, quoted(one))} as {quoted(export.field(one))}" for one in columns
        )
        return f"select {listed} from {relation} where {' and '.join(conditions) or 'true'} order by all"
