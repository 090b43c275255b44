"""The database of `kusto/` of a deployment, and whether its functions are those of git.

Belongs here: one answer for filled tables and for the checks of assets. Does not belong here: what differs in
which words, and deploying (`kusto.plan`).
"""

from collections.abc import Collection, Iterator

from orchestration.core.environments import Environment
from orchestration.destinations.adx import kql
from orchestration.destinations.adx.cluster import Address, Cluster, EntityMissing
from orchestration.kusto.objects import Kind, KustoObject
from orchestration.operations.site import Site

_SCRATCH = "SLUICE_SCRATCH_KUSTO"


def database_variable(site: Site) -> str:
    """Return the variable that names the database of a deployment of this kind."""
    kusto = site.project.kusto
    assert kusto is not None
    if site.deployment.identity.kind in (Environment.SCRATCH, Environment.LOCAL):
        return _SCRATCH
    return site.deployment.settings.variable_of(kusto.connection)


def database_url(site: Site) -> str | None:
    """Return the secret URL of the database of a deployment; None where it has none."""
    settings, kusto = site.deployment.settings, site.project.kusto
    assert kusto is not None
    if site.deployment.identity.kind in (Environment.SCRATCH, Environment.LOCAL):
        return settings.scratch_kusto.get_secret_value() if settings.scratch_kusto else None
    return settings.connection(kusto.connection)


def place_of(url: str) -> str:
    """Return the one spelling of a database, without secrets, as deliveries have it."""
    address = Address.of(url)
    return f"adx://{address.host}/{address.database}"


def unlike_git(cluster: Cluster, objects: Collection[KustoObject]) -> Iterator[str]:
    """Yield how functions in a database are not what git says."""
    for one in objects:
        if one.kind is not Kind.FUNCTION:
            continue
        doing = "show a function"
        try:
            [shown] = cluster.command(f".show function {kql.name(one.name)}", doing)
        except EntityMissing:
            yield f"{one.name} is not in the database: `sluice kusto deploy`"
            continue
        held = (cluster.told(shown, name, str, doing) for name in ("Parameters", "Body"))
        if ["".join(text.split()) for text in held] != [
            "".join(text.split()) for text in (one.parameters, one.body)
        ]:
            yield f"{one.name} is another in the database than in git: `sluice kusto deploy`"
