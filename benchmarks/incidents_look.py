"""What a look for what is wrong costs, beside one for what is due: a month of days of each export.

Each export has a raw table, a staging model, a mart and its own model, all of them asked for, built, judged
and delivered for 31 days; the last day of forty exports failed a check. Both looks read the same records,
and both are at all of them: the look for what is due as after a start, the one for what is wrong as at any
time. The ratio that counts: what is wrong to what is due. Also how long it takes to settle what was found,
first and again.

Run as `python -m benchmarks.incidents_look`.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from sluicegate.contracts.load import load_contracts
from sluicegate.core.lineage import Lineage
from sluicegate.core.settings import Settings
from sluicegate.core.stages import Stage
from sluicegate.delivery.export_files.exports import load_exports
from sluicegate.incidents.settling import known_of, settle
from sluicegate.incidents.trouble import Action, Trouble
from sluicegate.incidents.troubles import find_troubles
from sluicegate.operations.due import Cursor, find_due
from sluicegate.operations.site import Site
from sluicegate.project.loading import Project
from sluicegate.state import schema
from sluicegate.state.deployment import Deployment

from benchmarks.gate import lineage_of
from benchmarks.measuring import Side, peak_mb, show

GOAL = "what is wrong 0.1 x what is due"
SMALLEST = ("--exports", "41")
PROJECT = Path(__file__).parent.parent
DAYS, FAILING = 31, 40
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
NOW = FIRST + timedelta(days=DAYS, hours=12)
KEYS = [f"{FIRST + timedelta(days=day):%Y-%m-%d}" for day in range(DAYS)]


@dataclass(frozen=True)
class _Node:
    """What a look asks of a dbt model."""

    name: str
    relation: str
    partition_column: str = "day"
    classified: frozenset[str] = frozenset()
    unique_id: str = ""
    described_in: str = ""
    stage: Stage = Stage.PRODUCTION


class _Manifest:
    """A company's models, without dbt."""

    content: Mapping[str, Any] = {"nodes": {}, "sources": {}, "groups": {}}

    def __init__(self, lineage: Lineage) -> None:
        self.nodes = {name: _Node(name.name, name) for name in map(_relation, lineage.tables.values())}

    def tests(self) -> list[Any]:
        return []


def _relation(table: Any) -> Any:
    return table.relation


def project_of(exports: int) -> Project:
    """Return a company of so many exports: the demo's sales, and one of its exports, again and again."""
    lineage = lineage_of(exports, 1)
    sales = load_contracts(PROJECT)[0]["sales"]
    sent = next(iter(load_exports(PROJECT)[0].values()))
    contracts = {
        f"r_{n}": replace(sales, name=f"r_{n}", gaps_allowed=False, latency=timedelta(hours=6))
        for n in range(exports)
    }
    deadline = {"deadline": {"latency": 8, "unit": "h"}}
    specs = {
        f"e_{n}": type(sent.spec).model_validate(
            sent.spec.model_dump(exclude_none=True) | deadline | {"model": f"e_{n}", "partitions": "each"}
        )
        for n in range(exports)
    }
    files = {name: replace(sent, name=name, spec=spec) for name, spec in specs.items()}
    parts = (contracts, _Manifest(lineage), {}, files, lineage, None, None, None, None, {})
    return cast("Callable[..., Project]", Project)(*parts)


def fill(project: Project, url: str) -> None:
    """Write a month of drops, builds, evidence and deliveries; some of the newest day's checks said no."""
    now = datetime.now(UTC)
    failing = {f"staging.s_{n}" for n in range(FAILING)}
    builds: list[dict[str, Any]] = []
    evidence: list[dict[str, Any]] = []
    for table in project.lineage.tables.values():
        number = table.relation.name.partition("_")[2]
        for key in KEYS:
            behind = int(number) < FAILING and key == KEYS[-1] and not table.relation.startswith("raw.")
            if behind and table.relation not in failing:
                continue
            place = {"relation": table.relation, "partition_key": key, "run_id": "run", "version": f"v-{key}"}
            inputs = {parent: {key: f"v-{key}"} for parent in table.parents}
            ordinal = None if table.parents else 1
            builds.append(
                place
                | {"built_at": now, "inputs": inputs, "code": table.code, "project": "p", "row_count": 1}
                | {"drop_ordinal": ordinal}
            )
            evidence += [
                place
                | {"check_name": check, "passed": not behind, "summary": "3 rules hold", "judged_at": now}
                | {"rules": "rules", "content": ""}
                for check in table.rules
            ]
    drops = [
        {"source": name, "partition_key": key, "ordinal": 1, "digest": "0" * 64, "file": f"{name}/{key}.csv"}
        | {"size_bytes": 1, "marker_stamp": "s", "landed_at": now}
        for name in project.contracts
        for key in KEYS
    ]
    deliveries = [
        {"delivery_id": f"{name} {key}", "export": name, "partition_key": key, "version": f"v-{key}"}
        | {
            "digest": "d",
            "row_count": 1,
            "shard": "",
            "status": "acknowledged",
            "location": "",
            "run_id": "run",
        }
        | {"planned_at": now, "acknowledged_at": now, "scope": key}
        for number, name in enumerate(project.exports)
        for key in (KEYS[:-1] if number < FAILING else KEYS)
    ]
    with sa.create_engine(url).begin() as connection:
        for table, rows in (
            (schema.builds, builds), (schema.evidence, evidence), (schema.drops, drops),
            (schema.deliveries, deliveries),
        ):  # fmt: skip
            connection.execute(sa.insert(table), rows)


def _timed(call: Callable[[], Any]) -> tuple[tuple[float, float], Any]:
    """Return the seconds that a call takes, with the peak of memory so far, and what it returns."""
    began = time.perf_counter()
    found = call()
    return (time.perf_counter() - began, peak_mb()), found


def _pager(trouble: Trouble, action: Action) -> Iterable[str]:
    del trouble, action
    return ("pager",)


def deployed(folder: Path, project: Project, *, asked: bool) -> tuple[Deployment, Project]:
    """Return a deployment of a company, filled; `asked`: its runs were asked for."""
    connection = next(iter(project.exports.values())).spec.destination.connection
    environ = {Settings.connection_variable(connection): "nowhere"}
    settings = Settings.load(environ, project_dir=PROJECT, data_dir=folder / "data")
    deployment = Deployment(settings, lambda: NOW)
    store = deployment.store
    fill(project, settings.state_url.get_secret_value())
    Path(settings.staging_url).mkdir()
    if asked:
        for run in find_due(Site(deployment, project), Cursor(), lambda _: True).runs:
            store.record_requests(run.run_key, run.partition_key, run.requests)
    return deployment, project


def measure(exports: int) -> dict[str, tuple[float, float]]:
    """Return {what: seconds, and MB so far} of looks at a company of so many exports."""
    with tempfile.TemporaryDirectory() as temporary:
        deployment, project = deployed(Path(temporary), project_of(exports), asked=True)
        site, store = Site(deployment, project), deployment.store

        def due() -> Any:
            return find_due(Site(deployment, project), Cursor(), lambda _: True)

        def settled(troubles: list[Trouble]) -> Any:
            return settle(store, store.incidents.look(), troubles, NOW, _pager, deployment="bench")

        figures: dict[str, tuple[float, float]] = {}
        figures["due"], found_due = _timed(due)
        assert len(found_due.held) >= FAILING, len(found_due.held)
        idle = lambda: find_due(Site(deployment, project), found_due.cursor, lambda _: True)  # noqa: E731
        figures["due, nothing new"], _ = _timed(idle)
        figures["wrong, the first time"], troubles = _timed(lambda: find_troubles(site, NOW))
        assert len(troubles) == FAILING, len(troubles)
        assert all(len(one.affected) == 1 for one in troubles)
        figures["settle, the first time"], _ = _timed(lambda: settled(troubles))
        figures["wrong"], again = _timed(lambda: find_troubles(site, NOW, known=known_of(store)))
        assert again == troubles
        figures["settle"], _ = _timed(lambda: settled(again))
        deployment.close()
    return figures


def main() -> None:
    """Print the figures, and the ratio that counts as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exports", type=int, default=300)
    figures = measure(parser.parse_args().exports)
    sides = [Side(what, seconds * 1000, peak) for what, (seconds, peak) in figures.items()]
    show("a look at what is wrong beside one at what is due, in one process", "ms", sides, GOAL)
    print(json.dumps({"wrong_to_due": round(figures["wrong"][0] / figures["due"][0], 3)}))


if __name__ == "__main__":
    main()
