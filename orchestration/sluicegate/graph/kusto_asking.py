"""When the checks of functions and views are asked: once a day, and when columns of their tables changed.

Belongs here: when. Does not: the checks (`kusto`).
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import dagster as dg

from sluicegate.graph.kusto import check_keys
from sluicegate.kusto.objects import Kind, KustoObject, KustoProject
from sluicegate.operations.kusto_checks import ANSWERS
from sluicegate.operations.kusto_database import database_of
from sluicegate.operations.site import Site
from sluicegate.state.records import DeliveryStatus

_INTERVAL_SECONDS = 300
# Newer plans than the last that was acknowledged are few.
_LOOKED_AT = 10


def kusto_sensor(
    site: Site, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> list[dg.SensorDefinition]:
    """Return the sensor that asks the checks; none where there is no function and no view."""
    kusto = site.project.kusto
    shown = [one for one in kusto.objects if one.kind is not Kind.TABLE] if kusto is not None else []
    if kusto is None or not shown:
        return []
    everything = [key for one in shown for key in check_keys(one).values()]

    @dg.sensor(
        name="kusto",
        asset_selection=dg.AssetSelection.checks(*everything),
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Once a day: is what Azure Data Explorer holds what git says. After a delivery that"
        " altered a table's columns: do functions of it give what they are to give.",
    )
    def kusto_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        database, why = database_of(site)
        if database is None:  # a check that is clicked says the same
            return dg.SkipReason(f"not asked: {why}")
        day = f"{clock():%Y-%m-%d}"
        requests = [] if context.cursor == day else [_request(f"kusto {day}", everything)]
        for export, shape in _shapes(site, kusto):
            reading = [one for one in shown if one.key in _below(kusto, export)]
            if reading:
                keys = [check_keys(one)[ANSWERS] for one in reading]
                requests.append(_request(f"kusto {export} {shape}", keys))
        if not requests:
            return dg.SkipReason("asked today, and no delivery altered a table's columns")
        return dg.SensorResult(run_requests=requests, cursor=day)

    return [kusto_sensor]


def _request(run_key: str, keys: list[dg.AssetCheckKey]) -> dg.RunRequest:
    return dg.RunRequest(run_key=run_key, asset_selection=[], asset_check_keys=keys)


def _shapes(site: Site, kusto: KustoProject) -> Iterator[tuple[str, str]]:
    """Yield the exports that feed tables, with the shape of what was delivered last; each is asked once."""
    for export in {fed.export for fed in kusto.feeds}:
        settled = (
            one
            for one in site.deployment.store.deliveries.newest(export, _LOOKED_AT)
            if one.status is DeliveryStatus.ACKNOWLEDGED
        )
        if (newest := next(settled, None)) is not None:
            yield export, newest.shape


def _below(kusto: KustoProject, export: str) -> set[tuple[Kind, str]]:
    """Return the tables that an export feeds, and all that reads them, however far."""
    found = {(Kind.TABLE, fed.table) for fed in kusto.feeds if fed.export == export}
    more = True
    while more:
        new: set[tuple[Kind, str]] = {one.key for one in _unfound(kusto, found)}
        new |= {
            (Kind.TABLE, table.table) for table in kusto.filled if (Kind.FUNCTION, table.function) in found
        } - found
        found |= new
        more = bool(new)
    return found


def _unfound(kusto: KustoProject, found: set[tuple[Kind, str]]) -> Iterator[KustoObject]:
    return (one for one in kusto.objects if one.key not in found and found & set(one.reads))
