"""The database of `kusto/` of a deployment, and whether its functions are those of git.

Belongs here: one answer for filled tables and for the checks of assets. Does not belong here: what differs in
which words, and deploying (`kusto.plan`).
"""

from collections.abc import Collection, Iterator, Mapping

from sluicegate.core.environments import Environment
from sluicegate.core.secrets import SecretError
from sluicegate.core.settings import SettingsError
from sluicegate.destinations.adx.cluster import Address
from sluicegate.destinations.base import DeliveryError
from sluicegate.kusto.held import Held
from sluicegate.kusto.objects import Kind, KustoObject
from sluicegate.kusto.places import Place, place_of, spelled
from sluicegate.kusto.plan import held_digest
from sluicegate.operations.site import Site
from sluicegate.state.kusto_objects import Deployed

_ADX = "adx "


def database_of(site: Site) -> tuple[Place | None, str]:
    """Return the database of a deployment, or None and why it has none."""
    kusto = site.project.kusto
    assert kusto is not None
    try:
        return place_of(site.deployment, kusto), ""
    except (SettingsError, SecretError) as error:
        return None, str(error)


def writes_to_an_outbox(site: Site) -> bool:
    """Whether nothing is delivered to any database: what would be filled is written down."""
    return site.deployment.identity.kind in (Environment.SCRATCH, Environment.LOCAL)


def database_in(place: str, table: str) -> str:
    """Return the one spelling of the database in which a delivery's place is a table; "" if it is in none."""
    if not place.startswith(_ADX) or not place.endswith(f"/{table}"):
        return ""
    try:
        return spelled(Address.of(place.removeprefix(_ADX).removesuffix(f"/{table}")))
    except DeliveryError:
        return ""


def unlike_git(
    held: Held, objects: Collection[KustoObject], ledger: Mapping[tuple[str, str], Deployed]
) -> Iterator[str]:
    """Yield how functions and views in a database are not what git says; tables are looked at elsewhere.

    What it holds is compared with what it held right after the deploy of what git says: Kusto spells things
    in its own way, but always in the same.

    Raises:
        DeliveryError: the database does not answer.
    """
    fix = "`sluice kusto deploy`"
    for one in objects:
        record = ledger.get((one.kind.value, one.name))
        if record is None:
            yield f"{one.name} was not deployed from git: {fix}"
        elif record.digest != one.digest:
            yield f"{one.name} is deployed as another than git has it: {fix}"
        elif (facts := held.facts(one.kind, one.name, {})) is None:
            yield f"{one.name} is not in the database: {fix}"
        elif one.kind is not Kind.TABLE and record.held not in ("", held_digest(facts, one.kind)):
            yield f"{one.name} was changed in the database since it was deployed: {fix}"
