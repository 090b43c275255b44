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

from ..answers import Line, Meaning, unexpected
from ..bounded import GoOn, bounded
from ..errors import DeliveryError, UnexpectedAnswer, redact
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
_BEGINNING = 200
_EXPECTED_ANSWER = "tables of the form that Kusto's REST interface documents"
_AGAIN = f"asked again, up to {_TRIES} times and within the budget; then the delivery fails"

# "Query/management HTTP response" (https://learn.microsoft.com/kusto/api/rest/response-http). Every command
# may be given twice: whether rows are there is told by the tags of extents alone.
DECISIONS: Sequence[Line] = (
    Line(
        "extents whose `ingest-by` tags are those of a part, and whose rows are all of it",
        Meaning.TAKEN,
        "the part's rows are acknowledged",
    ),
    Line(
        "a message of failed ingestion, or `.show ingestion failures`, with a failure that is not transient",
        Meaning.REFUSED,
        "the delivery fails with the service's words; the part is queued anew by the next run",
    ),
    Line("401, 403, or no token from Microsoft Entra", Meaning.NOTHING_DONE, "the delivery fails"),
    Line("another 4xx with an error", Meaning.NOTHING_DONE, "the delivery fails with the service's words"),
    Line("429, 5xx, whatever the body", Meaning.TRY_AGAIN, f"{_AGAIN}; it may have been done"),
    Line(
        "no connection, one that breaks, a body that is not in its encoding, no answer in time",
        Meaning.TRY_AGAIN,
        f"{_AGAIN}; it may have been done",
    ),
    Line(
        "2xx with anything but tables with the columns that were asked for: HTML, JSON that is cut or of"
        " another form; a redirect",
        Meaning.UNEXPECTED,
        "the delivery fails, and what was queued may have arrived",
    ),
)

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
                "SLU-V001",
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
    """One database, over one pool of connections.

    Args:
        url: the connection's.
        left: how many seconds a call may take now.
        late: the error that says that they are spent, by what was done and what it waited for.
    """

    def __init__(
        self, url: str, left: Callable[[], float], late: Callable[[str, str], DeliveryError]
    ) -> None:
        self._url = url
        self.address = Address.of(url)
        self.left = left
        self._late = late

    def too_late(self, doing: str) -> DeliveryError:
        """The error that says that the time was spent while the cluster was asked to do something."""
        return self._late(f"Azure Data Explorer is to {doing}", f"an answer of {self.address.host}")

    def bounded(self, ask: Callable[[GoOn], _T], doing: str) -> _T:
        """Call the library, which listens for as long as it is fed, within the time that is left.

        Raises:
            DeliveryError: the time is spent.
        """
        return bounded(self.left(), ask, lambda: self.too_late(doing))

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

    def command(self, text: str | Callable[[], str], doing: str) -> list[Mapping[str, Any]]:
        """Execute a management command that may be executed twice; return the rows of its answer.

        `text` may make another one each time that it is sent.

        Raises:
            DeliveryError: it is refused, or the service cannot be reached; `doing` says at what.
        """

        def ask() -> list[Mapping[str, Any]]:
            said = text if isinstance(text, str) else text()
            answer = self._engine.execute_mgmt(self.address.database, said, self._properties())
            return [row.to_dict() for row in answer.primary_results[0]]

        return self.asking(lambda _: ask(), doing)

    def told(self, row: Mapping[str, Any], name: str, kind: type[_T], doing: str) -> _T:
        """A column of a row of an answer.

        Raises:
            UnexpectedAnswer: it is not there, or of another type.
        """
        value = row.get(name)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.strange(doing, f"{name} is {type(value).__name__}, not {kind.__name__}")
        return value

    def strange(self, doing: str, why: str, beginning: str = "") -> UnexpectedAnswer:
        """The error for an answer that is none to what was asked."""
        host = self.address.host
        return unexpected(host, f"asked to {doing}, {why}", self.shown(beginning), _EXPECTED_ANSWER)

    def count(self, query: str, doing: str) -> int:
        """Execute a query that ends in `| count`.

        Raises:
            DeliveryError: as `command`.
        """

        def ask() -> int:
            answer = self._engine.execute_query(self.address.database, query, self._properties())
            return int(answer.primary_results[0][0][0])

        return self.asking(lambda _: ask(), doing)

    def rows(self, query: str, at_once: int, doing: str) -> Iterator[Sequence[Sequence[Any]]]:
        """Yield the rows of a query as the service writes them, some at a time; never all in memory.

        Raises:
            DeliveryError: as `command`.
        """
        properties = self._properties()
        # Otherwise the answer ends after 500,000 records or 64 MB ("Query limits").
        properties.set_option("notruncation", True)
        answer = self.asking(
            lambda _: self._engine.execute_streaming_query(
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
            return self.bounded(lambda _: ask(), doing)
        except DeliveryError:
            raise
        except Exception as error:
            raise self.refusal(error, doing) from None

    def shown(self, error: object) -> str:
        """What an error says, without secrets and signatures, shortened."""
        text = _SIGNED_URL.sub(r"\1", " ".join(str(error).split()))
        return redact(text, self._url)[:_SHOWN]

    def refusal(self, error: Exception, doing: str) -> DeliveryError:
        """An error of the library, said so that somebody can fix it."""
        host = self.address.host
        kind, status = type(error).__name__, _status(error)
        if kind == "KustoAuthenticationError":
            return DeliveryError(
                "SLU-V002",
                f"{host}: Microsoft Entra gave no token to {doing}: "
                f"{self.shown(getattr(error, 'exception', error))}",
                "an application (client) id, its secret and its tenant; without them a managed identity or a "
                "login on this machine",
                "renew the secret in the connection's variable, and check the tenant",
                nothing_done=True,
            )
        if status in (401, 403):
            return DeliveryError(
                "SLU-V002",
                f"{host} does not let the principal {doing}: {_code(error)} {self.shown(_said(error))}",
                "on the database: Database User and Ingestor; for mode snapshot also Table Admin on the "
                "table and its staging table; for erasure Database Admin",
                "have an administrator grant it: `.add database NAME admins ('aadapp=APP_ID;TENANT')`, or a "
                "lesser role",
                nothing_done=True,
            )
        if (
            kind in ("KustoNetworkError", "KustoThrottlingError", "TimeoutError")
            or status == 429
            or status >= 500
        ):
            causes = [self.shown(e) for e in (error, error.__cause__) if e is not None]
            return DeliveryError(
                "SLU-V600",
                f"{host} could not be asked to {doing}, {_TRIES} times: {'; '.join(causes)}",
                "a cluster that runs, is reachable from here, and answers",
                "see in the Azure portal whether the cluster is stopped or overloaded; then run the "
                "delivery again",
            )
        if not 400 <= status < 500 and not _is_of_the_engine(error):
            # The library stumbles in ways of its own over what is no answer of Kusto's.
            text = str(getattr(_response(error), "text", ""))[:_BEGINNING]
            came = f"HTTP {status}" if status else "it said what is no answer of Kusto's"
            return self.strange(doing, f"{came} ({type(error).__name__})", text)
        is_missing = "EntityNotFound" in _code(error) and "'Database'" not in str(_said(error))
        return (EntityMissing if is_missing else DeliveryError)(
            "SLU-V607",
            f"{host} refused to {doing}: {_code(error)} {self.shown(_said(error))}",
            "a request that the cluster takes",
            "fix what the message names, then run the delivery again",
            nothing_done=True,
        )

    def _properties(self) -> Any:
        properties = import_module("azure.kusto.data").ClientRequestProperties()
        seconds = timedelta(seconds=max(1.0, self.left()))
        properties.set_option(properties.request_timeout_option_name, min(_SERVER_TIMEOUT, seconds))
        properties.application = "sluice"
        return properties

    def asking(self, ask: Callable[[GoOn], _T], doing: str) -> _T:
        """Call the library for what may be done twice, and again where it may succeed in a moment.

        Raises:
            DeliveryError: it failed, or the time is spent.
        """
        for attempt in range(_TRIES):
            may_send()
            try:
                return self.bounded(ask, doing)
            except DeliveryError:
                raise
            except Exception as error:
                if not _passes(error) or attempt == _TRIES - 1:
                    raise self.refusal(error, doing) from None
                response = _response(error)
                asked = wait_asked_for(response.headers, time.time()) if response is not None else None
                pause = back_off_seconds(attempt, asked)
                if pause >= self.left():
                    raise self.too_late(doing) from None
                Event().wait(pause)
        raise AssertionError("the last attempt has returned or raised")


def _is_of_the_engine(error: Exception) -> bool:
    """Whether it is an error that the engine has said, in the form that it documents."""
    return getattr(error, "error", None) is not None or bool(getattr(error, "errors", None))


def _passes(error: Exception) -> bool:
    """Whether an error may be another one in a moment."""
    status = _status(error)
    lost = type(error).__name__ in ("KustoNetworkError", "KustoThrottlingError")
    return lost or status == 429 or status >= 500


def _response(error: BaseException | None) -> Any:
    while error is not None:
        response = getattr(error, "http_response", None)
        if response is None:
            response = getattr(error, "response", None)
        if response is None:
            # KustoThrottlingError holds the answer among its arguments alone.
            response = next((a for a in error.args if hasattr(a, "status_code")), None)
        if response is not None:
            return response
        # Where the library stumbles over the body of an error, that is what it stumbled in.
        error = error.__context__
    return None


def _status(error: Exception) -> int:
    return int(getattr(_response(error), "status_code", 0) or 0)


def _code(error: Exception) -> str:
    return getattr(getattr(error, "error", None), "code", None) or type(error).__name__


def _said(error: Exception) -> Any:
    return getattr(getattr(error, "error", None), "description", None) or error
