"""A bakery whose destinations are tables of Azure Data Explorer, and functions that fill further ones.

Belongs here: the project, the double as its database, deploying, what tables hold. Does not: any expectation.
"""

import shutil
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sluicegate.core.settings import OWN, Settings
from sluicegate.kusto.deploying import alone, cluster_of, deploy, planned
from sluicegate.kusto.places import place_of
from sluicegate.operations.filling import Filled, fill_partition
from sluicegate.operations.fills import fills_of

from tests.company import BAKERY, MON, NO_WAIT, TUE, Company
from tests.doubles.kusto import Kusto
from tests.doubles.kusto_queries import Queries
from tests.prepared import take_over

ORDERS, WEATHER = "exp_shop_orders", "exp_weather_report"
RAIN, REPORT, TOWNS = "rain_by_town", "day_report", "towns"
_EXPORT = """model: {model}
destination: {{type: adx, connection: telemetry, object: {table}, options: {{wait_minutes: 0.5}}}}
key: {key}
mode: snapshot
partitions: each
owner: counter@bakery.example
purpose: Feeds the mill's reports.
"""
_PARTITION = "(partition_start: datetime, partition_end: datetime)"
_IN_IT = "| where business_date >= partition_start and business_date < partition_end"
FILES = {
    "exports/exp_shop_orders.yml": _EXPORT.format(
        model=ORDERS, table="shop_orders", key="[business_date, shop]"
    ),
    "exports/exp_weather_report.yml": _EXPORT.format(
        model=WEATHER, table="weather", key="[business_date, town]"
    ),
    "kusto/database.yml": "connection: telemetry\nscratch: try\n",
    "kusto/functions/RainByTown.kql": f"""// what fell in each town
.create-or-alter function with (folder = "mill") RainByTown{_PARTITION} {{
    weather
    {_IN_IT}
    | summarize days = count() by town
}}
""",
    "kusto/functions/DayReport.kql": f""".create-or-alter function DayReport{_PARTITION} {{
    let wet = RainByTown(partition_start, partition_end);
    shop_orders
    {_IN_IT}
    | summarize shops = count(), loaves = sum(loaves) by business_date
}}
""",
    "kusto/functions/Towns.kql": """.create-or-alter function Towns() {
    weather
    | summarize days = count() by town
}
""",
    # Of a table that is made when it is filled first: it waits for that.
    "kusto/functions/Wettest.kql": """.create-or-alter function Wettest(least: long) {
    rain_by_town
    | where days >= least
    | project town
}
""",
    "kusto/filled/rain_by_town.yml": "function: RainByTown\ndescription: Rain.\nowner: mill@bakery.example\n",
    "kusto/filled/day_report.yml": "function: DayReport\ndescription: Loaves.\nowner: mill@bakery.example\n",
    "kusto/filled/towns.yml": "function: Towns\ndescription: Towns.\nowner: mill@bakery.example\n"
    "grain: whole\n",
}


@dataclass(frozen=True)
class Mill:
    """A deployment, production if nothing else is said, beside its database."""

    company: Company
    kusto: Kusto
    queries: Queries

    def held(self, table: str) -> list[tuple[object, ...]]:
        """The rows of a table, in order; none where there is no table."""
        found = self.kusto.engine.tables.get(table)
        return sorted(tuple(row.values()) for row in found.rows()) if found else []

    def sent(self, *beginnings: str) -> list[str]:
        """The commands so far that begin so."""
        return [text for text in self.kusto.engine.commands if text.startswith(beginnings)]

    def fill(self, table: str, key: str) -> Filled:
        """Fill a partition, as the step of a run does."""
        fills = fills_of(self.company.site)
        assert fills is not None
        return fill_partition(self.company.site, fills.tables[table], key, "a run", lambda _: None)

    def fill_everything(self) -> None:
        """Fill all that was delivered."""
        for table, key in ((RAIN, MON), (RAIN, TUE), (REPORT, MON), (REPORT, TUE), (TOWNS, "")):
            self.fill(table, key)

    def deploy(self) -> int:
        """Deploy what git says to the database; return how many commands were sent."""
        deployment, project = self.company.deployment, self.company.project.kusto
        assert project is not None
        place, store = place_of(deployment, project), deployment.store
        words = self.kusto.objects.parser.tokens
        with cluster_of(place) as cluster, alone(store, place, deployment.kept_back, lambda _: None):
            plan = planned(cluster, store, place, project, words)
            return deploy(
                cluster, store, place, plan, commit="c0ffee", prune=False, say=lambda _: None, words=words
            )

    @contextmanager
    def copied(self, folder: Path, *statements: str) -> Generator["Mill"]:
        """Open a copy of its records, changed by SQL; the database is as it was when the block ends."""
        engine, objects = self.kusto.engine, self.kusto.objects
        held = deepcopy((engine.tables, objects.functions))
        shutil.copytree(self.company.settings.data_dir, folder / "data")
        with closing(sqlite3.connect(folder / "data" / "state.db")) as records:
            for statement in statements:
                assert records.execute(statement).rowcount, statement
            records.commit()
        settings = self.company.settings.model_copy(
            update={
                name: _moved(value, self.company.settings.data_dir, folder / "data")
                for name, value in self.company.settings
                if name in (*OWN.values(), "data_dir")
            }
        )
        take_over(settings)
        company = Company(settings, "", folder, self.company.clock)
        vars(company)["project"] = self.company.project  # read already, and of the same files
        engine.commands.clear()
        try:
            yield Mill(company, self.kusto, self.queries)
        finally:
            company.deployment.close()
            engine.tables, objects.functions = held
            self.kusto.before, self.queries.calling = _nothing, _nothing
            self.kusto.lost.clear()
            self.queries.beside = False


def _nothing(_: str) -> None:
    """What happens beside a command: nothing."""


def _moved(value: Any, before: Path, after: Path) -> Any:
    """A setting of a deployment that lies elsewhere now."""
    if isinstance(value, SecretStr):
        return SecretStr(value.get_secret_value().replace(str(before), str(after)))
    return type(value)(str(value).replace(str(before), str(after))) if value is not None else None


def project_in(folder: Path) -> Path:
    """Make the mill's project in a folder."""
    project = shutil.copytree(BAKERY, folder / "project")
    for name, text in FILES.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return project


def mill_in(folder: Path, project: Path, kusto: Kusto, url: str, **environ: str) -> Mill:
    """Return a mill in a folder; its database is at a URL."""
    said = {"SLUICE_ENVIRONMENT": "production", "SLUICE_CONNECTION_TELEMETRY": url, **NO_WAIT, **environ}
    settings = Settings.load(said, project_dir=project, data_dir=folder / "data")
    return Mill(Company(settings, "", folder), kusto, Queries(kusto.engine, kusto.objects))


def land(mill: Mill) -> None:
    """Land Monday and Tuesday."""
    mill.company.land_shops("a", "b")
    for day in (MON, TUE):
        mill.company.land_day(day, a=3, b=4)
