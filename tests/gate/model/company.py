"""A kiosk with its data in a directory of its own: what is done to it, and what can be seen of it.

Belongs here: driving the platform, reading which builds took place and what has arrived. Does not: what ought
to have arrived (`oracle`).
"""

import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sluicegate.core.settings import Settings
from sluicegate.graph.deciding import NotDecidable, approve
from sluicegate.graph.finished import Finished
from sluicegate.graph.headless import judge, rerun, run_everything
from sluicegate.graph.instance import open_instance
from sluicegate.graph.releasing import NotReleasable, Request, release
from sluicegate.state.records import DeliveryStatus

from tests.company import NO_WAIT, Company
from tests.gate.model.chronicle import Chronicle
from tests.gate.model.facts import BY_RELATION, EXPORTS, TABLES, Files, Place, Rows
from tests.gate.model.project import ProjectDirectory
from tests.prepared import take_over
from tests.warehouse.bare import bare

_STALLS = "abc"
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Recorded:
    """A row of the records: a build of a place's version, or what `check` said of it."""

    id: int
    place: Place
    version: str
    check: str = ""
    passed: bool = True


@dataclass(frozen=True)
class Planned:
    """A delivery on record, and what has become of it."""

    id: int
    place: Place
    status: str


class Kiosk:
    """One deployment of the kiosk; `known` is what has happened to it."""

    def __init__(self, project: ProjectDirectory, folder: Path, copy_of: "Kiosk | None" = None) -> None:
        self._project = project
        self._folder = folder
        self._landings = 0
        self.known = Chronicle()
        self._container = folder / "container"
        if copy_of is not None:
            shutil.copytree(copy_of._folder, folder, dirs_exist_ok=True)
            self.known, self._landings = copy_of.known.copy(), copy_of._landings
        environ = {"SLUICE_CONNECTION_OFFICE": str(self._container), **NO_WAIT}
        settings = Settings.load(environ, project_dir=project.path, data_dir=folder / "data")
        if copy_of is not None:
            take_over(settings)
        self._company = Company(settings, "", self._container)
        self.edit(self.known.files)

    def close(self) -> None:
        """Close its records."""
        self._company.deployment.store.close()

    # -- what providers and contributors do

    def land(self, day: str, amounts: Sequence[int]) -> None:
        """Land a day's sales, under new numbers: never the same file twice."""
        self._land("sales", day, [str(amount) for amount in amounts])

    def land_stalls(self, amounts: Sequence[int]) -> None:
        """Land the snapshot."""
        self._land("stalls", None, [str(amount) for amount in amounts])

    def land_broken(self, day: str) -> None:
        """Land a file of which no row is as its contract says."""
        self._land("sales" if day else "stalls", day or None, ["many", "few"])

    def edit(self, files: Files) -> None:
        """Change the project directory, and load it as a new process would."""
        self.known.files = files
        self._project.write(files)
        self._company.deployment.store.close()
        self._company = replace(self._company)
        assert len(self._company.project.exports) == len(EXPORTS)

    # -- what operators do

    def press(self, day: str, *names: str, checks: bool = True) -> str:
        """Press the button of these tables alone, or of exports (`delivered/…`); return complaints."""
        keys = [TABLES[name].key if name in TABLES else name for name in names]
        return self._company.materialize(day, *keys, checks=checks)[1]

    def run(self, *, retry: bool, connected: bool) -> Iterator[Finished]:
        """`sluice run`; yields after each of its runs. Unless `connected`, the office has no URL."""
        company = self._company
        if not connected:
            company = replace(company, settings=company.settings.model_copy(update={"connections": {}}))
        with open_instance(company.settings) as instance:
            for event in run_everything(company.desk(instance), retry=retry):
                if isinstance(event, Finished):
                    yield event

    def rebuild(self, name: str, keys: Sequence[str]) -> Iterator[Finished]:
        """Rerun a table and all that is made of it for these keys; yields after each of its runs."""
        company = self._company
        with open_instance(company.settings) as instance:
            for key in keys:
                yield from rerun(company.desk(instance), TABLES[name].relation, key)

    def judge(self, name: str, keys: Sequence[str]) -> None:
        """Have the checks of a table run on what it holds for these keys."""
        company = self._company
        with open_instance(company.settings) as instance:
            for key in keys:
                judge(company.desk(instance), TABLES[name].relation, key, key)

    def release(self, export: str, day: str) -> list[tuple[Place, str, str]]:
        """Let a day pass on all that failed; return that, as (place, version, check)."""
        company = self._company
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        with open_instance(company.settings) as instance:
            try:
                request = Request(export, day, "it is known", "me", tomorrow)
                word = release(company.desk(instance), request)
            except NotReleasable:
                return []
        return [
            (_place(check.relation, check.partition_key), check.version, check.check) for check in word.checks
        ]

    def approve(self, export: str, day: str) -> bool:
        """Approve the plan that is held; return whether there was one that could be."""
        company = self._company
        plan = company.deployment.store.deliveries.open_in(export, day)
        if plan is None or plan.status is not DeliveryStatus.HELD:
            return False
        with open_instance(company.settings) as instance:
            try:
                approve(company.desk(instance), plan, "me", "it is known")
            except NotDecidable:
                return False
        return True

    def copy_warehouse(self) -> None:
        """Copy the warehouse file beside it, over an earlier copy."""
        if self._warehouse.exists():
            shutil.copyfile(self._warehouse, self._copy)

    def restore_warehouse(self) -> None:
        """Put the copy in the place of the warehouse file."""
        shutil.copyfile(self._copy, self._warehouse)

    # -- what can be seen

    def builds(self, after: int) -> list[Recorded]:
        """Return the builds on record since that one."""
        rows = self._records("select id, relation, partition_key, version from builds where id > ?", after)
        return [Recorded(row[0], _place(row[1], row[2]), row[3]) for row in rows]

    def judgements(self, after: int) -> list[Recorded]:
        """Return what checks said on record since that one."""
        columns = "id, relation, partition_key, version, check_name, passed"
        rows = self._records(f"select {columns} from evidence where id > ?", after)
        return [Recorded(row[0], _place(row[1], row[2]), row[3], row[4], bool(row[5])) for row in rows]

    def plans(self) -> frozenset[Planned]:
        """Return all deliveries on record."""
        rows = self._records("select id, export, partition_key, status from deliveries where id > ?", 0)
        return frozenset(Planned(row[0], (row[1], row[2]), row[3]) for row in rows)

    def warehouse(self) -> dict[Place, str]:
        """Return the version of each partition of each table."""
        with bare(self._company.deployment.warehouse) as connection:
            rows = connection.execute(
                "select relation, partition_key, version from sluice.table_versions"
            ).fetchall()
        return {_place(relation, key): version for relation, key, version in rows}

    def arrived(self) -> dict[Place, Rows]:
        """Return what the office reads of each day of each export."""
        found: dict[Place, Rows] = {}
        for export in EXPORTS:
            folder = self._container / export.removeprefix("exp_")
            for manifest in folder.glob("*/manifest.json"):
                said: dict[str, Any] = json.loads(manifest.read_text())
                files = [manifest.parent / said["folder"] / file["path"] for file in said["files"]]
                rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
                day = manifest.parent.name
                assert {row["business_date"] for row in rows} <= {day}
                found[(export, day)] = tuple(sorted((row["stall"], int(row["amount"])) for row in rows))
        return found

    # -- how

    @property
    def _warehouse(self) -> Path:
        return self._company.settings.warehouse_path

    @property
    def _copy(self) -> Path:
        return self._folder / "copy_of_warehouse.duckdb"

    def _land(self, source: str, day: str | None, amounts: Sequence[str]) -> None:
        self._landings += 1
        lines = [f"{stall},{amount}" for stall, amount in zip(_STALLS, amounts, strict=False)]
        header = "stall,amount"
        if day:
            header = f"receipt,sale_date,{header}"
            lines = [f"{self._landings}-{number},{day},{line}" for number, line in enumerate(lines)]
        self._company.land(source, day, "\n".join([header, *lines, ""]))

    def _records(self, query: str, after: int) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self._company.settings.data_dir / "state.db") as connection:
            found = connection.execute(f"{query} order by id", [after]).fetchall()
        connection.close()
        return found


def _place(relation: str, key: str) -> Place:
    return BY_RELATION[relation].name, key
