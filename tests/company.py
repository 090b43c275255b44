"""One deployment of a company, on a directory of its own: what the tests land, run and read back.

Belongs here: driving the platform as its users do, and reading the destinations without its help.
Does not: any expectation.
"""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import sqlalchemy as sa
from dagster._core.storage.tags import PARTITION_NAME_TAG
from sluicegate.cli.main import app
from sluicegate.contracts.model import CONTRACT_CHECK
from sluicegate.contracts.reading import Compression
from sluicegate.core.partitions import SNAPSHOT_PARTITION
from sluicegate.core.settings import Settings
from sluicegate.graph.building import build_definitions
from sluicegate.graph.deliveries_shown import DELIVERY_CHECK, GATE_CHECK
from sluicegate.graph.desk import Desk
from sluicegate.graph.finished import Finished
from sluicegate.graph.headless import Event, run_everything
from sluicegate.graph.instance import open_instance
from sluicegate.ingestion.landing import land
from sluicegate.operations.due import Held
from sluicegate.operations.site import Site
from sluicegate.operations.status import Row, status
from sluicegate.project.loading import Project
from sluicegate.state.deployment import Deployment
from sluicegate.state.moments import now
from typer.testing import CliRunner

from tests.parses import loaded, own_copy

BAKERY = Path(__file__).parent / "companies" / "bakery"
SHOP_ORDERS, WEATHER_REPORT = "exp_shop_orders", "exp_weather_report"
MON, TUE, WED, THU, FRI = (f"2024-01-0{day}" for day in range(1, 6))
# A check that could not run is tried again at once.
NO_WAIT = {"SLUICE_CHECK_RETRY": "0"}

_ALWAYS = (CONTRACT_CHECK, GATE_CHECK, DELIVERY_CHECK)


@dataclass(frozen=True)
class Company:
    """A bakery with its data in a temporary directory and real destinations."""

    settings: Settings
    postgres_url: str
    container: Path
    clock: Callable[[], datetime] = now

    @cached_property
    def project(self) -> Project:
        """The project directory, loaded once."""
        return loaded(self.settings)

    @cached_property
    def deployment(self) -> Deployment:
        """The records and the engine of this deployment."""
        return Deployment(self.settings, self.clock)

    @cached_property
    def site(self) -> Site:
        """The two of them."""
        return Site(self.deployment, self.project)

    def desk(self, instance: dg.DagsterInstance) -> Desk:
        """Return what people's commands work with, on an instance that is open."""
        return Desk.of(self.site, instance)

    @cached_property
    def definitions(self) -> dg.Definitions:
        """The graph of this deployment, made once."""
        return build_definitions(self.settings, self.project, self.clock)

    def with_own_project(self) -> "Company":
        """Return the same deployment on a copy of the project directory, to be edited by a test."""
        folder = own_copy(self.settings.project_dir)
        if folder == self.settings.project_dir:
            return self
        return self.__class__(
            self.settings.model_copy(update={"project_dir": folder}), self.postgres_url, self.container,
            self.clock,
        )  # fmt: skip

    def with_line(self, name: str, *lines: str) -> "Company":
        """Write lines at the end of a file of an own project; return the deployment that has read it anew."""
        path = self.settings.project_dir / name
        path.write_text(path.read_text() + "".join(f"{line}\n" for line in lines))
        return self.read_anew()

    def read_anew(self) -> "Company":
        """Return the same deployment, as a process that starts now sees it."""
        return self.__class__(self.settings, self.postgres_url, self.container, self.clock)

    def at(self, moment: datetime) -> "Company":
        """Return the same deployment, as a process that starts at a moment sees it."""
        return self.__class__(self.settings, self.postgres_url, self.container, lambda: moment)

    # -- what a provider does

    def land(self, source: str, day: str | None, text: str) -> None:
        """Land a file of this text; gzipped where the contract's path says so."""
        contract = self.project.contracts[source]
        content = text.encode()
        file = self.settings.data_dir / "to_land"
        if contract.reading.compression is Compression.GZIP:
            content = gzip.compress(content, mtime=0)
        file.write_bytes(content)
        key = day or SNAPSHOT_PARTITION
        landed = list(land(contract, self.deployment.staging_of(contract), {key: file}))
        assert landed == [key]
        file.unlink(missing_ok=True)

    def land_shops(self, *shops: str) -> None:
        """Land the snapshot: shops in town Ulm, or `shop:town`."""
        lines = [(name, town or "Ulm") for name, _, town in (shop.partition(":") for shop in shops)]
        self.land("shops", None, "shop,town\n" + "".join(f"{shop},{town}\n" for shop, town in lines))

    def land_orders(self, day: str, **loaves: int) -> None:
        """Land a day's orders: loaves by shop."""
        self.land("orders", day, orders(day, **loaves))

    def land_weather(self, day: str, rain: float = 1.5) -> None:
        """Land a day's weather."""
        self.land("weather", day, f"date,town,rain_mm\n{day},Ulm,{rain}\n")

    def land_day(self, day: str, **loaves: int) -> None:
        """Land both daily feeds of a day."""
        self.land_orders(day, **loaves)
        self.land_weather(day)

    # -- what an operator does

    def run(self, *, retry: bool = False) -> list[Event]:
        """Take everything that is due through the graph, and with `retry` what has failed."""
        with open_instance(self.settings) as instance:
            return list(run_everything(self.desk(instance), retry=retry))

    def materialize(
        self, day: str, *keys: str, checks: bool = True, tags: Mapping[str, str] | None = None
    ) -> tuple[bool, str]:
        """Press the button: these assets (`schema/name`) alone, for a day; return success and complaints.

        The day of what is not cut into days is "".
        Without `checks`, all are left out that a person can leave out: the contract's and the gate's own
        belong to what loads and what sends.
        """
        repository = self.definitions.get_repository_def()
        selected = {dg.AssetKey(key.split("/")) for key in keys}
        parts = [key for key in repository.asset_graph.asset_check_keys if key.asset_key in selected]
        job = repository.get_implicit_global_asset_job_def().get_subset(
            asset_selection=selected,
            asset_check_selection=None if checks else {key for key in parts if key.name in _ALWAYS},
        )
        with open_instance(self.settings) as instance:
            result = job.execute_in_process(
                instance=instance,
                tags={**({PARTITION_NAME_TAG: day} if day else {}), **(tags or {})},
                raise_on_error=False,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
        said = [event.step_failure_data for event in result.all_events if event.is_step_failure]
        texts = [
            data.user_failure_data.description if data.user_failure_data else str(data.error) for data in said
        ]
        return result.success, "\n".join(text or "" for text in texts)

    def status(self) -> dict[tuple[str, str], Row]:
        """Return what `sluice status` knows, by (name, partition key)."""
        return {(row.name, row.partition_key): row for row in status(self.site)}

    def environment(self) -> dict[str, str]:
        """Return the variables for a process of this deployment."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
        return plain | self.settings.environment()

    def start(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        """Start `sluice` in a process of its own, with these variables on top."""
        return subprocess.Popen(
            [Path(sys.executable).with_name("sluice"), *arguments],
            env=self.environment() | {"COLUMNS": "250"} | variables, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def process(self, *arguments: str, **variables: str) -> tuple[int, str, str]:
        """Run `sluice` in a process of its own; return its exit code and what it wrote to stdout and stderr.

        It takes seconds to start: `sluice` does where nothing depends on a process.
        """
        with self.start(*arguments, **variables) as process:
            written, complained = process.communicate(timeout=120)
            return process.returncode, written, complained

    def sluice(self, *arguments: str, **variables: str) -> tuple[int, str, str]:
        """Run `sluice` in this process; return as `process` does."""
        return self.sluice_with(self.environment() | variables, *arguments)

    def sluice_with(self, variables: Mapping[str, str], *arguments: str) -> tuple[int, str, str]:
        """Run `sluice` in this process, of the platform's variables with these alone."""
        unset = {name: None for name in os.environ if name.startswith("SLUICE_")}
        told = CliRunner().invoke(app, arguments, env=unset | dict(variables))
        assert told.exception is None or isinstance(told.exception, SystemExit), told.exception
        return told.exit_code, told.stdout, told.stderr

    # -- what Dagster knows

    def check_results(self, asset: str, check: str) -> dict[str, tuple[bool, str]]:
        """Return {partition: (passed, description)}, the newest result of each, of an asset's check."""
        key = dg.AssetCheckKey(dg.AssetKey(asset.split("/")), check)
        found: dict[str, tuple[bool, str]] = {}
        with open_instance(self.settings) as instance:
            for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=100):
                event = record.event.dagster_event if record.event else None
                # What was only planned, as the step was never reached, has said nothing.
                if event is not None and event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                    said = event.asset_check_evaluation_data
                    found.setdefault(record.partition or "", (said.passed, said.description or ""))
        return found

    def check_severity(self, asset: str, check: str, partition: str) -> str:
        """Return the severity of a check that has failed, as the UI shows it; empty where none has."""
        key = dg.AssetCheckKey(dg.AssetKey(asset.split("/")), check)
        with open_instance(self.settings) as instance:
            for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=100):
                event = record.event.dagster_event if record.event else None
                if (
                    record.partition == partition
                    and event is not None
                    and event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
                ):
                    said = event.asset_check_evaluation_data
                    return "" if said.passed else said.severity.value
        return ""

    def materialized(self, asset: str) -> set[str]:
        """Return the partitions of an asset that Dagster holds a materialization of."""
        with open_instance(self.settings) as instance:
            return instance.get_materialized_partitions(dg.AssetKey(asset.split("/")))

    # -- what the receivers see

    def in_postgres(self, day: str | None = None) -> list[tuple[str, str, int]]:
        """Return (day, shop, loaves) of the shops' screens, of one day or all."""
        with psycopg.connect(self.postgres_url) as connection:
            if connection.execute("select to_regclass('bakery.shop_orders')").fetchone() == (None,):
                return []
            rows = connection.execute(
                "select business_date::text, shop, loaves from bakery.shop_orders order by 1, 2"
            ).fetchall()
        return [(row[0], row[1], row[2]) for row in rows if day in (None, row[0])]

    def in_container(self) -> dict[str, int]:
        """Return {day: rows} of the miller's files, as their manifests say."""
        manifests = sorted((self.container / "weather").glob("*/manifest.json"))
        found = {path.parent.name: json.loads(path.read_text()) for path in manifests}
        return {day: int(manifest["rows"]) for day, manifest in found.items()}

    def untouched(self, *but: str) -> Any:
        """Return what both destinations hold of all days but these, to be compared.

        Every byte of the files; of the rows the transaction that wrote them, which a rewrite changes.
        """
        folder = self.container / "weather"
        days = [path for path in folder.iterdir() if path.name not in but]
        files = {path: path.read_bytes() for day in days for path in day.rglob("*") if path.is_file()}
        with psycopg.connect(self.postgres_url) as connection:
            rows = connection.execute(
                "select xmin::text, t::text from bakery.shop_orders as t"
                " where business_date::text <> all(%s) order by 2",
                [list(but)],
            ).fetchall()
        return files, rows


def orders(day: str, **loaves: int) -> str:
    """Return a day's orders as the feed publishes them."""
    lines = [f"{day}-{number},{day},{shop},{count}" for number, (shop, count) in enumerate(loaves.items())]
    return "\n".join(["Order No.,Date,Shop,Loaves (pcs)", *lines, ""])


def failures(events: list[Event]) -> str:
    """Return all that the failed runs of these events said."""
    return "\n".join(said for event in events if isinstance(event, Finished) for said in event.failures)


def runs(events: list[Event]) -> list[tuple[str, bool]]:
    """Return (partition key, success) of each run."""
    return [(event.run.partition_key, event.success) for event in events if isinstance(event, Finished)]


def held(events: list[Event]) -> list[tuple[str, str]]:
    """Return (export, partition key) of what is held at the end."""
    return [(event.export, event.partition_key) for event in events if isinstance(event, Held)]


def finished(events: list[Event]) -> list[Finished]:
    """Return the runs that have ended, in their order."""
    return [event for event in events if isinstance(event, Finished)]


def recorded(settings: Settings, sql: str) -> list[Any]:
    """Return the rows of a query on the state store."""
    url = settings.state_url.get_secret_value().replace("postgresql://", "postgresql+psycopg://")
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(sa.text(sql)).all()
    engine.dispose()
    return [tuple(row) for row in rows]
