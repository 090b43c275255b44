"""Which database of Azure Data Explorer a deployment may change.

Production changes that of its connection, work that of its own connection, and not production's. Scratch and
local change the one database that `database.yml` names, by `SLUICE_SCRATCH_KUSTO`, and neither production's
nor work's. Belongs here: that, and one spelling for a database. Does not belong here: what is changed.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from pydantic import SecretStr

from orchestration.areas import Area, storage_errors
from orchestration.core.catalogues import names_in, said_by
from orchestration.core.environments import Environment, made_from, place_digest
from orchestration.core.loopback import is_here
from orchestration.core.settings import SettingsError, not_here
from orchestration.destinations.adx.cluster import Address
from orchestration.destinations.errors import DeliveryError
from orchestration.kusto.database_file import FILE
from orchestration.kusto.objects import KustoProject
from orchestration.state.deployment import Deployment

VARIABLE = "SLUICE_SCRATCH_KUSTO"
_HTTPS = ":443"
_AUTHORITY = re.compile(r"(\[.*\]|[^:]*)(?::(\d+))?")


@dataclass(frozen=True)
class Place:
    """A database that may be changed.

    Args:
        url: the connection's; secret.
        kind: of the deployment.
        environment: what the deployment is called.
        name: the database in one spelling, as it is on record.
    """

    url: str = field(repr=False)
    kind: Environment
    environment: str
    name: str


def place_of(deployment: Deployment, project: KustoProject, expected: str = "") -> Place:
    """Return the database of a deployment.

    Args:
        deployment: which one.
        project: what `kusto/` says.
        expected: what a person says that the deployment is; "" if nothing.

    Raises:
        SettingsError: it has none, or one that it may not change; or it is another deployment.
    """
    kind = deployment.identity.kind
    if kind is None:
        raise SettingsError(f"{deployment.kept_back()}")
    called = str(deployment.identity.declared)
    if expected and expected not in (called, kind.value):
        raise SettingsError(
            f"this deployment is `{called}`, and --environment says `{expected}`; expected them to agree;"
            f" name the data directory of `{expected}` by --data, or leave --environment out"
        )
    alone = kind in (Environment.SCRATCH, Environment.LOCAL)
    variable, url = _scratch(deployment, project) if alone else _connected(deployment, project)
    address = _address(variable, url)
    if kind is Environment.LOCAL and not address.is_loopback:
        raise SettingsError(str(not_here(variable, address.host)))
    if alone and address.database != project.scratch_database:
        said = f"`scratch: {project.scratch_database}`" if project.scratch_database else "none"
        raise SettingsError(
            f"{variable} leads to the database {address.database}, and {FILE} names {said} for scratch;"
            " expected the database that the file names; correct the variable, or say"
            " `scratch: DATABASE` in the file"
        )
    for other, theirs in _others(deployment, project):
        if spelled(address) == spelled(theirs):
            raise SettingsError(_taken(variable, address, f"that of {other}", called))
    if kind is not Environment.PRODUCTION and _is_productions(deployment, project, address):
        raise SettingsError(_taken(variable, address, "production's, as its catalogue says", called))
    return Place(url, kind, called, spelled(address))


def _connected(deployment: Deployment, project: KustoProject) -> tuple[str, str]:
    settings = deployment.settings
    variable, url = settings.variable_of(project.connection), settings.connection(project.connection)
    if url is None:
        raise SettingsError(
            f"{variable} is not set; expected the database of the connection `{project.connection}`, which"
            f" {FILE} names; set it to adx://APP_ID:SECRET@CLUSTER.REGION.kusto.windows.net/DATABASE?tenant=TENANT_ID"
        )
    return variable, url


def _scratch(deployment: Deployment, project: KustoProject) -> tuple[str, str]:
    secret = deployment.settings.scratch_kusto
    if secret is None:
        raise SettingsError(
            f"{VARIABLE} is not set, and this deployment is `{deployment.identity.declared}`; expected the"
            f" database that {FILE} names for scratch: {project.scratch_database or 'it names none yet'}; set"
            " it to adx://APP_ID:SECRET@CLUSTER.REGION.kusto.windows.net/DATABASE?tenant=TENANT_ID"
        )
    return VARIABLE, secret.get_secret_value()


def _address(variable: str, url: str) -> Address:
    try:
        return Address.of(url)
    except DeliveryError as error:
        raise SettingsError(f"{variable}: {error.what}; expected {error.expected}; {error.mend}") from None


def _others(deployment: Deployment, project: KustoProject) -> Iterator[tuple[str, Address]]:
    """Yield the databases of production and of work that this process knows and is not."""
    settings, kind, name = deployment.settings, deployment.identity.kind, project.connection
    if kind in (Environment.PRODUCTION, Environment.WORK):
        return
    known: list[tuple[Environment, SecretStr | None]] = [
        (Environment.PRODUCTION, settings.connections.get(name)),
        (Environment.WORK, settings.work_connections.get(name)),
    ]
    for other, secret in known:
        variable = settings.connection_variable(name, other)
        if secret is not None:
            yield f"{other} ({variable})", _address(variable, secret.get_secret_value())


def _is_productions(deployment: Deployment, project: KustoProject, address: Address) -> bool:
    """Whether production's newest catalogue has this database among production's places.

    Older code published those of its tables alone: they are known where both have a table in common.

    Raises:
        SettingsError: a shelf is named, and does not say what is production's.
    """
    url = made_from(deployment.settings.data_dir)
    area = Area(url, deployment.settings.storage_access) if url else deployment.published
    if area is None or deployment.identity.kind is Environment.LOCAL:
        return False
    digests = _digests(area)
    if _digest(address) in digests:
        return True
    host = address.host.removesuffix(_HTTPS).rstrip(".")
    hosts = [f"{host}{dot}{port}" for dot in ("", ".") for port in ("", _HTTPS)]
    databases = {address.database, address.database.lower()}
    tables = {fed.table for fed in project.feeds}
    places = (f"adx://{h}/{database}/{table}" for h in hosts for database in databases for table in tables)
    return any(place_digest(place) in digests for place in places)


def _digests(area: Area) -> Collection[str]:
    try:
        found = names_in(area)
        if found:
            return frozenset(said_by(area, found[-1])["places"])
        why = "no catalogue is there"
    except (*storage_errors(), KeyError, TypeError, ValueError) as error:
        why = type(error).__name__
    raise SettingsError(
        f"{area.url} does not say what is production's ({why}); expected the shelf that production publishes"
        " to; set SLUICE_PUBLISHED_URL to the same as in production; if nothing was published yet, type"
        " `sluice env publish` there"
    )


def database_digest(url: str) -> str:
    """Return a digest of the database of a connection's URL, which production's catalogue has.

    Raises:
        DeliveryError: the URL is none of a database.
    """
    return _digest(Address.of(url))


def _digest(address: Address) -> str:
    return place_digest(spelled(address))


def spelled(address: Address) -> str:
    """One spelling of a database: neither the case, nor a dot at the end, nor the port of HTTPS counts."""
    host, port = _AUTHORITY.fullmatch(address.host).groups("")  # pyright: ignore[reportOptionalMemberAccess]
    host = "localhost" if is_here(host) else host.rstrip(".")
    shown = f":{port}" if port and f":{port}" != _HTTPS else ""
    return f"adx://{host}{shown}/{address.database.casefold()}"


def _taken(variable: str, address: Address, whose: str, called: str) -> str:
    return (
        f"{variable} leads to {address.host}/{address.database}, which is {whose}, and this deployment is"
        f" `{called}`; expected a database of its own; set {variable} to another one"
    )
