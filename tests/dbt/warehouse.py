"""A dbt project and a warehouse of its own, driven in process as the platform does.

Belongs here: running dbt on a partition and asking the warehouse. Does not: rows or assertions.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

REPOSITORY = Path(__file__).parents[2]
MACROS = REPOSITORY / "orchestration" / "sluicegate" / "transformation" / "dbt_macros"

_manifests: dict[str, Manifest] = {}


@dataclass(frozen=True)
class DbtResult:
    """What an invocation came to: did it succeed, and what each node said."""

    success: bool
    statuses: Mapping[str, str]
    messages: str

    def failed(self) -> set[str]:
        good = {"success", "pass", "skipped", "no-op"}
        return {name for name, status in self.statuses.items() if status not in good}


@dataclass(frozen=True)
class Warehouse:
    """One DuckDB file, and the dbt project that builds in it."""

    project: Path
    directory: Path
    macros: Path = MACROS

    @property
    def path(self) -> Path:
        return self.directory / "warehouse.duckdb"

    def dbt(self, *arguments: str, day: date | None = None) -> DbtResult:
        args = [*arguments, "--project-dir", str(self.project), "--profiles-dir", str(self.project)]
        if day is not None:
            key, end = day.isoformat(), (day + timedelta(days=1)).isoformat()
            variables = {"partition_key": key, "partition_start": key, "partition_end": end}
            args += ["--vars", json.dumps(variables)]
        with self._environment():
            # Parsing takes most of a run, and no partition changes what is parsed.
            outcome = dbtRunner(manifest=self.manifest).invoke([*args, "--quiet"])
        # As the platform does after each call; there is none where dbt did not come to connecting.
        if (opened := vars(DuckDBConnectionManager)["_ENV"]) is not None:
            opened.close()
        results: list[Any] = list(getattr(outcome.result, "results", []) or [])
        messages = [str(outcome.exception or ""), *(str(each.message) for each in results)]
        return DbtResult(
            outcome.success,
            {each.node.name: str(each.status) for each in results if each.node.resource_type != "operation"},
            "\n".join(messages),
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path)) as connection:
            return connection.execute(sql).fetchall()

    def execute(self, sql: str) -> None:
        with duckdb.connect(str(self.path)) as connection:
            connection.execute(sql)

    @property
    def manifest(self) -> Manifest:
        files = sorted(self.project.glob("*.yml")) + [
            path
            for folder in ("models", "seeds", "snapshots", "tests", "macros")
            for path in sorted((self.project / folder).rglob("*.*"))
        ]
        files += sorted(self.macros.iterdir())
        digest = sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
        if digest not in _manifests:
            args = ["--project-dir", str(self.project), "--profiles-dir", str(self.project)]
            parsed = dbtRunner().invoke(["parse", "--quiet", *args])
            if not isinstance(parsed.result, Manifest):
                raise AssertionError(f"dbt cannot parse {self.project}: {parsed.exception}")
            _manifests[digest] = parsed.result
        return _manifests[digest]

    @contextmanager
    def _environment(self) -> Generator[None]:
        ours = {
            "SLUICE_WAREHOUSE": str(self.path),
            "SLUICE_DBT_MACROS": str(self.macros),
            "DBT_TARGET_PATH": str(self.directory / "target"),
            "DBT_LOG_PATH": str(self.directory / "logs"),
        }
        before = {name: os.environ.get(name) for name in ours}
        os.environ.update(ours)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
