"""Where a blob connection's secret URL points to, and with what the storage there is reached.

Belongs here: the forms of the URL, its credentials, one spelling for one place. Does not: any byte of a file
(`sluicegate.areas`), what the files are.

    /a/path                                                  a directory
    abfs://container@account.dfs.core.windows.net/path       Azure, signed in to by `DefaultAzureCredential`
    abfs://container@account.dfs.core.windows.net/path?sas=… with a shared access signature
    abfs://container/path?connection_string=…                with a connection string
    s3://bucket/path                                         S3, with the `AWS_…` environment
    s3://bucket/path?key=…&secret=…&region=…&endpoint=…      with a key of its own, or at another endpoint
    s3://bucket/path?sse=aws:kms&kms_key=…                   with what the bucket's policy wants to be said

Values of the query are URL-encoded. The version of Azure's interface is that of its library.
"""

import os
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from pydantic import SecretStr

from sluicegate.areas import Area, StorageAccess, StorageUrlError
from sluicegate.areas.access import Place, Scheme, check_connection_string, check_endpoint, place_of

from ..errors import DeliveryError, redact

_PARAMETERS: Mapping[Scheme, frozenset[str]] = {
    Scheme.LOCAL: frozenset(),
    Scheme.AZURE: frozenset({"connection_string", "sas"}),
    Scheme.S3: frozenset({"key", "secret", "region", "endpoint", "sse", "kms_key"}),
}
_PUBLIC = frozenset({"region", "endpoint", "sse", "kms_key"})
# "Protecting data with server-side encryption": values of x-amz-server-side-encryption.
_ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")
_NAMED_VALUE = re.compile(r"(?i)(?:^|[;&?])\s*(AccountKey|SharedAccessSignature|sig)=([^;&]+)")
_ACCOUNT_NAME = re.compile(r"(?i)(?:^|;)\s*AccountName=([^;]+)")
_FIX = (
    "correct the connection's environment variable, SLUICE_CONNECTION_<NAME>, or of a work deployment"
    " SLUICE_WORK_CONNECTION_<NAME>"
)


@dataclass(frozen=True)
class BlobConnection:
    """A place in storage with its access; `name` spells the place in one way and holds no secret."""

    area: Area
    name: str
    secrets: tuple[str, ...]

    def redacted(self, text: str) -> str:
        """Return a text without any secret of the connection."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def connection_of(url: str) -> BlobConnection:
    """Take a connection's URL apart; nothing is opened.

    Raises:
        DeliveryError: the URL is none of a storage; the message holds nothing of it.
    """
    problem = ""
    try:
        return _connection_of(url)
    except StorageUrlError as error:
        problem = str(error)
    # Outside the handler, so that the original, which may hold a secret, is not its context.
    raise DeliveryError(
        "SLU-V001",
        f"the connection has {redact(problem.partition('; expected')[0], url)}",
        "a path, abfs://container@account.dfs.core.windows.net/path, abfs://container/path?connection_string=…"
        " or s3://bucket/path, credentials URL-encoded in its query: sas=, or key= and secret=",
        _FIX,
    )


def _connection_of(url: str) -> BlobConnection:
    bare, _, query = url.partition("?") if "://" in url else (url, "", "")
    place = place_of(_tidied(bare))
    # By hand: a `+` stands for itself, as keys are often pasted without encoding it.
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    given = {name: unquote(value) for name, _, value in pairs}
    unknown = set(given) - _PARAMETERS[place.scheme]
    if unknown or not all(given.values()):
        raise StorageUrlError("a URL whose query has an unknown or an empty parameter")
    access = _access(place, given)
    # Nothing of the URL but the place goes into the area: it shows its URL to everybody.
    area = Area(_tidied(bare), access)
    return BlobConnection(area, _name(place, given), _secrets(given, url))


def _tidied(url: str) -> str:
    """The URL with a path of one spelling: `//`, `.` and `..` mean nothing to object storage."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() in ("file", "local"):
        return url
    host, _, path = rest.partition("/")
    path = posixpath.normpath(f"/{path}").strip("/")
    user, at, account = host.rpartition("@")
    # Names of containers, buckets and accounts are of small letters.
    host = f"{user.lower()}{at}{account.lower()}"
    return f"{scheme}://{host}/{path}" if path else f"{scheme}://{host}"


def _access(place: Place, given: Mapping[str, str]) -> StorageAccess:
    if place.scheme is Scheme.AZURE:
        connection_string, sas = given.get("connection_string"), given.get("sas")
        if connection_string:
            check_connection_string(connection_string)
        elif place.account is None:
            raise StorageUrlError("a URL that names no storage account and no connection string")
        access = StorageAccess(
            azure_connection_string=SecretStr(connection_string) if connection_string else None,
            azure_sas=SecretStr(sas) if sas else None,
        )
        access.account_of(place.account)  # raises where two accounts are named
        return access
    if ("key" in given) != ("secret" in given):
        raise StorageUrlError("a key without a secret, or a secret without a key")
    if given.get("sse", "AES256") not in _ENCRYPTIONS:
        raise StorageUrlError(f"an encryption that S3 does not know, which has {', '.join(_ENCRYPTIONS)}")
    if "kms_key" in given and not given.get("sse", "").startswith("aws:kms"):
        raise StorageUrlError("a kms_key without sse=aws:kms")
    if "endpoint" in given:
        check_endpoint(given["endpoint"])
    return StorageAccess(
        s3_endpoint_url=given.get("endpoint"),
        s3_key=SecretStr(given["key"]) if "key" in given else None,
        s3_secret=SecretStr(given["secret"]) if "secret" in given else None,
        s3_region=given.get("region"),
        s3_encryption=given.get("sse"),
        s3_kms_key=given.get("kms_key"),
    )


def _name(place: Place, given: Mapping[str, str]) -> str:
    if place.scheme is Scheme.LOCAL:
        return f"file://{os.path.realpath(place.root)}"
    if place.scheme is Scheme.S3 and "endpoint" in given:
        # The same bucket at another endpoint is another bucket.
        below = f"/{place.root}" if place.root else ""
        return f"{given['endpoint'].rstrip('/')}/{place.container}{below}"
    if place.scheme is Scheme.AZURE and place.account is None:
        found = _ACCOUNT_NAME.search(given.get("connection_string", ""))
        if found:
            place = Place(place.scheme, place.container, place.root, found[1].strip().lower())
    return str(place)


def _secrets(given: Mapping[str, str], url: str) -> tuple[str, ...]:
    """Every secret of the URL as meant and as written, longest first."""
    meant = {value for name, value in given.items() if name not in _PUBLIC}
    for value in tuple(meant):
        meant.update(found[2] for found in _NAMED_VALUE.finditer(value))
    written = {pair.partition("=")[2] for pair in url.partition("?")[2].split("&")} - {
        given[name] for name in _PUBLIC if name in given
    }
    every = meant | {quote(value, safe="") for value in meant} | {unquote(value) for value in meant} | written
    return tuple(sorted((value for value in every if len(value) > 3), key=len, reverse=True))
