"""`sluice delivery forget`: an erasure request, export by export, with a record of each.

Belongs here: which exports it concerns, and telling Dagster. Does not belong here: what is done to one
(`delivery.erasure`).
"""

from collections.abc import Callable, Iterator, Mapping

from sluicegate.core.progress import each
from sluicegate.delivery.deliver import NotConfigured, Target, engine_for, ledger_of, order_of
from sluicegate.delivery.erasure import Erased, Request, erase, forget_unsent, key_names
from sluicegate.delivery.ledger import Order
from sluicegate.destinations.base import DeliveryError
from sluicegate.graph.desk import Desk
from sluicegate.state.deployment import Deployment

_RUN_ID = "sluice forget"


def forget_everywhere(
    desk: Desk,
    values: Mapping[str, str],
    *,
    by: str,
    reason: str,
    log: Callable[[str], None],
) -> Iterator[Erased]:
    """Forget rows by values of model columns, in every export that has them; yield what was done, one by one.

    An export whose key is named whole never sends it again, whether or not it ever did; in the others the
    keys are found in what was sent. What fails for one export does not keep the others from it.

    Raises:
        ProjectChanged: files of the project are others than those that the exports are made of.
    """
    desk.project.identity.require_unchanged()
    for name in each("forgetting", desk.project.exports, "exports", str):
        target = desk.target(name)
        request = Request({target.export.field(c): text for c, text in values.items()}, reason, by)
        erased = _erase(desk.deployment, target, request, log)
        if erased is None:
            continue
        if erased.keys and not erased.problem:
            said = f"an erasure, asked by {by}: {erased.said}"
            desk.show(name, "", said, {"asked by": by, "reason": reason, "done": erased.said})
        yield erased


def _erase(
    deployment: Deployment, target: Target, request: Request, log: Callable[[str], None]
) -> Erased | None:
    store, export = deployment.store, target.export
    known = store.deliveries.of_export(export.name)
    if not known:
        # The plan's own columns are not known yet, but its key's are.
        if key_names(request, export.key_fields):
            return forget_unsent(store, export.name, export.key_fields, request, export.columns, export.maps)
        return None
    # The key that is named, or all the fields that are.
    named = key_names(request, export.key_fields)
    if not named:
        # Under the name that a field has now, or that its column had when it was sent.
        sent = ledger_of(deployment).fields_sent(export.name)
        if any(name not in sent and export.columns.get(name, name) not in sent for name in request.values):
            return None
    try:
        engine = engine_for(deployment, target, _RUN_ID, log)
        orders = _orders(target, [item.scope for item in known])
        if not orders:
            raise DeliveryError(
                "SLU-E019",
                f"what `{export.name}` has sent was cut otherwise than its model is now",
                "partitions of the model's grain",
                "take it out by hand over there, and remove the old shards",
            )
        return erase(engine, orders, request)
    except (NotConfigured, DeliveryError, ValueError) as problem:
        return Erased(export.name, problem=f"{problem}; then ask for the same again")


def _orders(target: Target, scopes: list[str]) -> list[Order]:
    if target.export.spec.latest_only:
        return [order_of(target, "")]
    holds = target.table.partitioning.holds
    return [order_of(target, scope) for scope in sorted(set(scopes)) if holds(scope)]
