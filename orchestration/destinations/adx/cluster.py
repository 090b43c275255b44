"""The way to one database of Azure Data Explorer: its address, credentials, commands and queries.

Belongs here: the connection's URL, trying again, and what errors mean. Does not: what is asked (`adx`),
ingestion (`ingestion`).

azure-kusto-data tries nothing again by itself and waits an hour for a command; both are bounded here.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from importlib import import_module
from threading import Event
from typing import Any, Self, TypeVar
from urllib.parse import parse_qsl, unquote

from ..errors import DeliveryError, redact
from ..http import LOOPBACK, wait_asked_for
from ..pace import back_off_seconds
from ..permission import may_send

_EXPECTED_URL = "adx://APP_ID:APP_SECRET@CLUSTER.REGION.kusto.windows.net/DATABASE?tenant=TENANT_ID"
_AUTHORITY = re.compile(r"[a-z0-9.-]+(?::\d+)?|\[[0-9a-f:]+\](?::\d+)?")
_DATABASE = re.compile(r"[A-Za-z0-9_ .-]{1,1024}")
_SIGNED_URL = re.compile(r"(https?://[^\s?'\"]+|/[^\s?'\"]+)\?[^\s'\")]*sig=[^\s'\")]*")
# The service ends a command after 10 minutes if it is not told otherwise ("Query limits").
_SERVER_TIMEOUT = timedelta(minutes=10)
_TRIES = 4
# Characters of the service's words that are shown.
_SHOWN = 1000

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Address:
    """What the URL of a connection says."""

    host: str
    database: str
    app_id: str = ""
    secret: str = field(default="", repr=False)
    tenant: str = ""

    @classmethod
    def of(cls, url: str) -> "Address":
        """Read a URL. The prefix `ingest-` of the host may be there or not: both endpoints are derived.

        Raises:
            DeliveryError: the URL names no host or database, or half of the credentials.
        """
        # By hand: a secret with an unescaped character is read wrongly by urllib.
        kind, _, rest = url.partition("://")
        place, _, query = rest.partition("?")
        credentials, _, place = place.rpartition("@")
        authority, _, database = place.partition("/")
        host = authority.lower().removeprefix("ingest-")
        app_id, _, secret = credentials.partition(":")
        given = dict(parse_qsl(query))
        address = cls(
            host, unquote(database).strip("/"), unquote(app_id), unquote(secret), given.pop("tenant", "")
        )
        whole = kind == "adx" and not given
        placed = _AUTHORITY.fullmatch(host) and _DATABASE.fullmatch(address.database)
        halved = bool(address.app_id) != bool(address.secret)
        untold = address.secret and not address.tenant and not address.is_loopback
        if not whole or not placed or halved or untold:
            raise DeliveryError(
                "the connection's URL is none of Azure Data Explorer",
                f"{_EXPECTED_URL}; without credentials, those of the machine or the environment are used; "
                "a character that is special in URLs is written as %XX",
                "set the connection's variable to such a URL",
            )
        return address

    @property
    def is_loopback(self) -> bool:
        """Whether it is a service on this machine, which is spoken to without TLS."""
        return self.host.rpartition(":")[0] in LOOPBACK or self.host.strip("[]") in LOOPBACK

    def connection(self, endpoint: str) -> Any:
        """The library's connection to an endpoint: "" for the engine, "ingest-" for data management.

        A loopback host gets the secret as a plain bearer token, as there is no Microsoft Entra for it.
        """
        builder: Any = import_module("azure.kusto.data").KustoConnectionStringBuilder
        if self.is_loopback:
            url = f"http://{self.host}"
            if not self.secret:
                return builder.with_no_authentication(url)
            return builder.with_aad_application_token_authentication(url, self.secret)
        url = f"https://{endpoint}{self.host}"
        if self.secret:
            return builder.with_aad_application_key_authentication(url, self.app_id, self.secret, self.tenant)
        return builder.with_azure_token_credential(
            url, import_module("azure.identity").DefaultAzureCredential()
        )


class EntityMissing(DeliveryError):
    """The database has no table of a name that it was asked about."""


class Cluster:
    """One database, over one pool of connections."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.address = Address.of(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the next request opens them again."""
        if "_engine" in self.__dict__:
            self._engine.close()
            del self.__dict__["_engine"]

    @cached_property
    def _engine(self) -> Any:
        return import_module("azure.kusto.data").KustoClient(self.address.connection(""))

    def command(self, text: str, doing: str) -> list[Mapping[str, Any]]:
        """Execute a management command that may be executed twice; return the rows of its answer.

        Raises:
            DeliveryError: it is refused, or the service cannot be reached; `doing` says at what.
        """
        answer = self._asking(
            lambda: self._engine.execute_mgmt(self.address.database, text, _properties()), doing
        )
        return [row.to_dict() for row in answer.primary_results[0]]

    def count(self, query: str, doing: str) -> int:
        """Execute a query that ends in `| count`.

        Raises:
            DeliveryError: as `command`.
        """
        answer = self._asking(
            lambda: self._engine.execute_query(self.address.database, query, _properties()), doing
        )
        return int(answer.primary_results[0][0][0])

    def rows(self, query: str, at_once: int, doing: str) -> Iterator[Sequence[Sequence[Any]]]:
        """Yield the rows of a query as the service writes them, some at a time; never all in memory.

        Raises:
            DeliveryError: as `command`.
        """
        properties = _properties()
        # Otherwise the answer ends after 500,000 records or 64 MB ("Query limits").
        properties.set_option("notruncation", True)
        answer = self._asking(
            lambda: self._engine.execute_streaming_query(
                self.address.database, query, _SERVER_TIMEOUT, properties
            ),
            doing,
        )
        primary: Any = self.once(lambda: next(answer.iter_primary_results()), doing)
        some: list[Sequence[Any]] = []
        while (row := self.once(lambda: next(primary.raw_rows, None), doing)) is not None:
            some.append(row)
            if len(some) == at_once:
                yield some
                some = []
        if some:
            yield some

    def once(self, ask: Callable[[], _T], doing: str) -> _T:
        """Call the library; its errors are said as ours.

        Raises:
            DeliveryError: it failed.
        """
        try:
            return ask()
        except Exception as error:
            if isinstance(error, DeliveryError) or not is_theirs(error):
                raise
            raise self.refusal(error, doing) from None

    def shown(self, error: object) -> str:
        """What an error says, without secrets and signatures, shortened."""
        text = _SIGNED_URL.sub(r"\1", " ".join(str(error).split()))
        return redact(text, self._url)[:_SHOWN]

    def refusal(self, error: Exception, doing: str) -> DeliveryError:
        """An error of the library, said so that somebody can mend it."""
        host = self.address.host
        kind, status = type(error).__name__, _status(error)
        if kind == "KustoAuthenticationError":
            return DeliveryError(
                f"{host}: Microsoft Entra gave no token to {doing}: "
                f"{self.shown(getattr(error, 'exception', error))}",
                "an application (client) id, its secret and its tenant; without them a managed identity or a "
                "login on this machine",
                "renew the secret in the connection's variable, and check the tenant",
            )
        if status in (401, 403):
            return DeliveryError(
                f"{host} does not let the principal {doing}: {_code(error)} {self.shown(_said(error))}",
                "on the database: Database User and Ingestor; for mode snapshot also Table Admin on the "
                "table and its staging table; for erasure Database Admin",
                "have an administrator grant it: `.add database NAME admins ('aadapp=APP_ID;TENANT')`, or a "
                "lesser role",
            )
        if (
            kind in ("KustoNetworkError", "KustoThrottlingError", "TimeoutError")
            or status == 429
            or status >= 500
        ):
            causes = [self.shown(e) for e in (error, error.__cause__) if e is not None]
            return DeliveryError(
                f"{host} could not be asked to {doing}, {_TRIES} times: {'; '.join(causes)}",
                "a cluster that runs, is reachable from here, and answers",
                "see in the Azure portal whether the cluster is stopped or overloaded; then run the "
                "delivery again",
            )
        is_missing = "EntityNotFound" in _code(error) and "'Database'" not in str(_said(error))
        return (EntityMissing if is_missing else DeliveryError)(
            f"{host} refused to {doing}: {_code(error)} {self.shown(_said(error))}",
            "a request that the cluster takes",
            "mend what the message names, then run the delivery again",
        )

    def _asking(self, ask: Callable[[], _T], doing: str) -> _T:
        for attempt in range(_TRIES - 1):
            may_send()
            try:
                return ask()
            except Exception as error:
                if not is_theirs(error):
                    raise
                if not _passes(error):
                    raise self.refusal(error, doing) from None
                response = _response(error)
                asked = wait_asked_for(response.headers, time.time()) if response is not None else None
                Event().wait(back_off_seconds(attempt, asked))
        may_send()
        return self.once(ask, doing)


def _properties() -> Any:
    properties = import_module("azure.kusto.data").ClientRequestProperties()
    properties.set_option(properties.request_timeout_option_name, _SERVER_TIMEOUT)
    properties.application = "sluice"
    return properties


def is_theirs(error: Exception) -> bool:
    """Whether an error comes of the library, or of the network under it."""
    # By module, so that nothing of the library is imported before it is used; ValueError comes of its
    # parsing.
    return type(error).__module__.partition(".")[0] in (
        "azure",
        "requests",
        "urllib3",
        "ijson",
    ) or isinstance(error, (OSError, ValueError))


def _passes(error: Exception) -> bool:
    """Whether an error may be another one in a moment."""
    status = _status(error)
    lost = type(error).__name__ in ("KustoNetworkError", "KustoThrottlingError")
    return lost or status == 429 or status >= 500


def _response(error: Exception) -> Any:
    response = getattr(error, "http_response", None)
    # KustoThrottlingError holds the answer among its arguments alone.
    return (
        response if response is not None else next((a for a in error.args if hasattr(a, "status_code")), None)
    )


def _status(error: Exception) -> int:
    return int(getattr(_response(error), "status_code", 0) or 0)


def _code(error: Exception) -> str:
    return getattr(getattr(error, "error", None), "code", None) or type(error).__name__


def _said(error: Exception) -> Any:
    return getattr(getattr(error, "error", None), "description", None) or error
