"""A deployment whose project is edited while it is at work, and every hand that may ask for a delivery.

Belongs here: editing, judging, rebuilding, restoring, asking, reading back. Does not: any case, and what it
must come to.
"""

import os
import shutil
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor
from typer.testing import CliRunner

from orchestration.cli import main
from tests.company import SHOP_ORDERS, TUE, WED, Company, runs
from tests.gate.edits import Edit, append
from tests.gate.triggers import (
    by_automation,
    by_backfill,
    by_command,
    by_hand,
    by_reexecution,
    launch,
    look,
)
from tests.observatory import archived

# An export and a partition of it.
Place = tuple[str, str]
# What a destination holds of one: the rows, without the column that tells the partition.
Rows = list[tuple[Any, ...]]
_WIDE = 400  # nothing that is looked for is broken over two lines
_MOST_LOOKS = 6


def unsent_tuesday(company: Company) -> None:
    """Build Tuesday while no connection is set: all is validated, nothing is sent.

    It is a day that a tighter rule would not let pass: ten loaves for b, 30 mm of rain.
    """
    company.land_orders(TUE, a=1, b=10)
    company.land_weather(TUE, rain=30)
    _build_unsent(company, TUE)


def unsent_wednesday(company: Company) -> None:
    """Build Wednesday as well, with which nothing is wrong."""
    company.land_day(WED, a=2, b=2)
    _build_unsent(company, WED)


def _build_unsent(company: Company, day: str) -> None:
    nowhere = replace(company, settings=company.settings.model_copy(update={"connections": {}}))
    assert runs(nowhere.run()) == [(day, True)]
    nowhere.deployment.store.close()


@dataclass
class Office:
    """One deployment; `company` is it as its project was last loaded."""

    company: Company
    patch: pytest.MonkeyPatch

    # -- the project

    def edit(self, *edits: Edit) -> None:
        """Change project files, and have everybody load them."""
        self.edit_unseen(*edits)
        self.reload()

    def edit_unseen(self, *edits: Edit) -> None:
        """Change project files under the processes that have loaded them."""
        for edit in edits:
            edit(self.company.settings.project_dir)

    def reload(self) -> None:
        """Load the project as a new process does."""
        self.company.deployment.store.close()
        self.company = replace(self.company)

    @contextmanager
    def unconfigured(self) -> Generator[None]:
        """Have no connection for a while: what is built is not sent."""
        configured = self.company
        without = configured.settings.model_copy(update={"connections": {}})
        self.company = replace(configured, settings=without)
        yield
        self.company.deployment.store.close()
        self.company = replace(configured)

    # -- what an operator does

    def sluice(self, *arguments: str) -> tuple[int, str]:
        """Run a command in this process; return its exit code and all that it wrote."""
        self.patch.setattr(main.out, "width", _WIDE)
        result = CliRunner().invoke(main.app, arguments, env=self.company.environment())
        assert result.exit_code in (0, 1), (arguments, result.output, result.exception)
        return result.exit_code, result.output

    def judge(self, relation: str, first: str = "", last: str = "", *options: str) -> None:
        """Judge what is there by today's rules, and build nothing; without days, what is not cut by any."""
        days = ("--from", first, "--to", last or first) if first else ()
        self.sluice("table", "judge", relation, *days, *options)

    def rerun(self, relation: str, first: str, last: str = "") -> None:
        """Build partitions anew, with all that is made of them, and send the exports below."""
        days = ("--from", first, "--to", last) if last else ("--partition", first)
        self.sluice("table", "rerun", relation, *days)

    def retry(self) -> None:
        """`sluice run --retry`: all that is validated and was never sent."""
        self.sluice("run", "--retry")

    def opened(self, place: Place) -> bool:
        """Return whether the gate of an export's partition is open."""
        return self.company.site.gate_report(*place).open

    def on_call(self, partition: str, *tables: str) -> None:
        """Build these tables alone, in the run that the sensor asks for now: it asks for nothing after it."""
        asked = {str(request.partition_key): request for request in look(self.company)}
        request = asked[partition]
        ok, said = self.company.materialize(partition, *tables, tags=request.tags)
        assert ok, said

    def by_hand(self, partition: str, *tables: str) -> None:
        """Build these tables alone."""
        ok, said = self.company.materialize(partition, *tables)
        assert ok, said

    @contextmanager
    def backup(self) -> Generator[None]:
        """Back the warehouse's file up, and restore it once all in the block has happened."""
        file = self.company.settings.warehouse_path
        kept = file.with_suffix(".backup")
        shutil.copyfile(file, kept)
        yield
        shutil.copyfile(kept, file)

    # -- what is there

    def sent(self) -> Any:
        """Return all that the destinations hold, to be compared: every byte, and every row's transaction."""
        container = self.company.container
        files = {path: path.read_bytes() for path in container.rglob("*") if path.is_file()}
        if not self.company.postgres_url:
            return files, []
        with psycopg.connect(self.company.postgres_url) as connection:
            query = "select xmin::text, t::text from bakery.shop_orders as t order by 2"
            return files, connection.execute(query).fetchall()

    def rows(self, place: Place) -> Rows:
        """Return what the destination holds of an export's partition."""
        export, partition = place
        if export == SHOP_ORDERS:
            return [row[1:] for row in self.company.in_postgres(partition)]
        folder = _FOLDERS[export]
        return [row[1:] for row in archived(self.company, folder).get(partition, [])]

    def built(self, relation: str) -> dict[str, str]:
        """Return {partition: version} of a table, as last recorded."""
        builds = self.company.deployment.store.latest_builds(relation)
        return {key: build.version for key, build in builds.items()}


_FOLDERS = {
    "exp_weather_report": "weather",
    "exp_day_sums": "day_sums",
    "exp_week_offsets": "week_offsets",
    "exp_hour_readings": "hour_readings",
    "exp_month_plans": "month_plans",
}


def ask_the_sensor(company: Company) -> None:
    """Run what the sensor asks for, until it asks for nothing."""
    for _ in range(_MOST_LOOKS):
        asked = look(company)
        if not asked:
            return
        launch(company, *asked)
    raise AssertionError("the sensor asks again and again")


def hands(
    office: Office, closed: Collection[Place], evening: AssetDaemonCursor | None
) -> dict[str, Callable[[], object]]:
    """Return who may ask for these in this process, and takes no time: a hand on a button, and so on.

    `evening` is what automation had seen before anything of these days was there; without one it is left out.
    """
    company, days, exports = office.company, _days(closed), _exports(closed)
    asking: dict[str, Callable[[], object]] = {
        "button": lambda: by_hand(company, *days, exports=exports),
        "sensor": lambda: ask_the_sensor(company),
    }
    if evening is not None:
        asking["automation"] = lambda: by_automation(company, evening, *days)
    return asking


def daemons(office: Office, closed: Collection[Place]) -> dict[str, Callable[[], object]]:
    """Return what asks for these through the daemon's own queue, which takes a little."""
    company, days, exports = office.company, _days(closed), _exports(closed)
    return {
        "backfill": lambda: by_backfill(company, *days, exports=exports),
        "re-execution from failure": lambda: by_reexecution(company, days[0], exports=exports),
    }


def _days(closed: Collection[Place]) -> list[str]:
    return sorted({partition for _, partition in closed})


def _exports(closed: Collection[Place]) -> list[str]:
    return sorted({f"delivered/{export}" for export, _ in closed})


def commands(office: Office, closed: Collection[Place]) -> dict[str, Callable[[], object]]:
    """Return the commands that may ask for these, each in a process of its own, which takes seconds."""
    export, day = next(iter(closed))
    return {
        "dagster asset materialize": lambda: by_command(office.company, day, [f"delivered/{export}"]),
        "sluice run --retry": lambda: office.company.process("run", "--retry"),
    }


# -- edits


def rule(suite: str, column: str, limits: str) -> Edit:
    """Add a critical rule to an existing suite: values of a column lie between limits."""
    return _expect(suite, "expect_column_values_to_be_between", f"column: {column}, {limits}")


def not_in_set(suite: str, column: str, value: str) -> Edit:
    """Add a critical rule to an existing suite: no value of a column is this one."""
    return _expect(suite, "expect_column_values_to_not_be_in_set", f"column: {column}, value_set: [{value}]")


def _expect(suite: str, kind: str, arguments: str) -> Edit:
    return append(
        f"expectations/{suite}.yml",
        f"  - type: {kind}\n    kwargs: {{{arguments}}}\n    severity: critical\n"
        "    meta: {notes: Nobody has ever seen another.}\n",
    )


def unnoticed(name: str, old: str, new: str) -> Edit:
    """Replace a text by one of the same length, and give the file the time back that it had."""

    def change(folder: Path) -> None:
        file = folder / name
        before, text = file.stat(), file.read_text()
        assert old in text
        assert len(old) == len(new)
        file.write_text(text.replace(old, new))
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    return change


@contextmanager
def opened_office(company: Company, patch: pytest.MonkeyPatch) -> Generator[Office]:
    """Yield the office of a company; its project directory becomes again what it was, times included.

    It is not copied to another place: dbt would parse all of it anew, which takes longer than many a case.
    """
    project = company.settings.project_dir
    kept = company.settings.data_dir.with_name("project_as_it_was")
    shutil.copytree(project, kept)
    office = Office(company, patch)
    yield office
    office.company.deployment.store.close()
    shutil.rmtree(project)
    shutil.copytree(kept, project)


def places(export: str, *partitions: str) -> tuple[Place, ...]:
    """Return these partitions of an export."""
    return tuple((export, partition) for partition in partitions)
