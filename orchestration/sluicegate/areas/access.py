"""How an area's URL is read, and with what the storage behind it is reached.

Belongs here: which URLs there are, and the credentials beside them, which no URL may hold. Does not belong
here: where the credentials come from (`settings`), or any byte of a file.
"""

import base64
import os
import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from pydantic import SecretStr

_AZURE_HOST = re.compile(r"([a-z0-9]{3,24})\.(?:dfs|blob)\.[a-z0-9.-]+", re.IGNORECASE)
_ACCOUNT_NAME = re.compile(r"(?:^|;)\s*AccountName=([^;]+)", re.IGNORECASE)
_CONNECTION_STRING = re.compile(r"(?:^|;)\s*(?:AccountName|BlobEndpoint)=[^;]+", re.IGNORECASE)
_BLOB_ENDPOINT = re.compile(r"(?:^|;)\s*BlobEndpoint=([^;]+)", re.IGNORECASE)
_EXPECTED = (
    "a path, abfs://container/path, abfs://container@account.dfs.core.windows.net/path or s3://bucket/path"
)


class StorageUrlError(ValueError):
    """A URL that names no area; the message never repeats what may be a secret."""


class Scheme(StrEnum):
    """The kinds of storage."""

    LOCAL = "local"
    AZURE = "azure"
    S3 = "s3"


_SCHEMES = {
    "": Scheme.LOCAL,
    "file": Scheme.LOCAL,
    "local": Scheme.LOCAL,
    "abfs": Scheme.AZURE,
    "abfss": Scheme.AZURE,
    "az": Scheme.AZURE,
    "s3": Scheme.S3,
    "s3a": Scheme.S3,
}


@dataclass(frozen=True)
class StorageAccess:
    """With what object storage is reached, one Azure account and one S3 endpoint a deployment.

    Azure: a connection string, or an account's name, which `DefaultAzureCredential` then signs in to, or a
    shared access signature. S3: a key and its secret, or the standard `AWS_*` environment; an endpoint where
    it is not Amazon's; how objects are to be encrypted, where the bucket's policy wants it said.
    """

    azure_connection_string: SecretStr | None = None
    azure_account: str | None = None
    s3_endpoint_url: str | None = None
    azure_sas: SecretStr | None = None
    s3_key: SecretStr | None = None
    s3_secret: SecretStr | None = None
    s3_region: str | None = None
    s3_encryption: str | None = None
    s3_kms_key: str | None = None

    def account_of(self, named: str | None) -> str | None:
        """Return the Azure account to sign in to without a connection string; None with one.

        Args:
            named: the account that an area's URL names, if any.

        Raises:
            StorageUrlError: no account at all, two that differ, or a connection string that is none.
        """
        account = self.azure_account
        if self.azure_connection_string is not None:
            connection_string = self.azure_connection_string.get_secret_value()
            check_connection_string(connection_string)
            found = _ACCOUNT_NAME.search(connection_string)
            account = found[1] if found else None
        if named and account and named.lower() != account.lower():
            raise StorageUrlError(
                f"the URL names the storage account `{named}`, the settings `{account}`;"
                " expected one account; correct one of them"
            )
        if self.azure_connection_string is not None:
            return None
        if os.environ.get("AZURE_STORAGE_CONNECTION_STRING"):
            # adlfs would follow it in silence, to whatever account it names.
            raise StorageUrlError(
                "AZURE_STORAGE_CONNECTION_STRING is set; expected SLUICE_AZURE_CONNECTION_STRING;"
                " rename or unset it"
            )
        if not (named or account):
            raise StorageUrlError(
                "no Azure storage account is configured; expected SLUICE_AZURE_CONNECTION_STRING or"
                " SLUICE_AZURE_ACCOUNT; set one of them"
            )
        return named or account

    def hosts(self, place: "Place") -> tuple[str, ...]:
        """Return the hosts that are spoken to for a place; none where it is a directory."""
        if place.scheme is Scheme.LOCAL:
            return ()
        if place.scheme is Scheme.S3:
            said = (
                self.s3_endpoint_url
                or os.environ.get("AWS_ENDPOINT_URL_S3")
                or os.environ.get("AWS_ENDPOINT_URL")
            )
            return (urlsplit(said).hostname or "",) if said else ("s3.amazonaws.com",)
        text = self.azure_connection_string.get_secret_value() if self.azure_connection_string else ""
        if endpoints := [urlsplit(url).hostname or "" for url in _BLOB_ENDPOINT.findall(text)]:
            return tuple(endpoints)
        named = _ACCOUNT_NAME.search(text)
        account = place.account or self.azure_account or (named[1] if named else None)
        return (".".join(part for part in (account, "blob.core.windows.net") if part),)


@dataclass(frozen=True)
class Place:
    """An area's URL, taken apart: `container` is Azure's container or S3's bucket, `root` a path in it.

    `account` is Azure's, where the URL names it. Of a local area `root` is the absolute directory.
    """

    scheme: Scheme
    container: str
    root: str
    account: str | None = None

    def __str__(self) -> str:
        if self.scheme is Scheme.LOCAL:
            return self.root
        scheme = "abfs" if self.scheme is Scheme.AZURE else str(self.scheme)
        at = f"@{self.account}.dfs.core.windows.net" if self.account else ""
        return f"{scheme}://{self.container}{at}" + (f"/{self.root}" if self.root else "")

    def lies_in(self, other: "Place") -> bool:
        """Whether this is the other place, or below it."""
        same = (self.scheme, self.container) == (other.scheme, other.container)
        return same and f"{self.root}/".startswith(f"{other.root}/" if other.root else "")


def place_of(url: str) -> Place:
    """Take a URL apart.

    Raises:
        StorageUrlError: it is no area's URL, or holds a credential.
    """
    scheme_name, separator, rest = url.partition("://")
    scheme = _SCHEMES.get(scheme_name.lower() if separator else "")
    if scheme is None:
        raise StorageUrlError(f"a URL of an unknown scheme; expected {_EXPECTED}; correct the scheme")
    if scheme is Scheme.LOCAL:
        path = rest if separator else url
        if scheme_name.lower() == "file" and separator:
            path = rest.removeprefix("localhost") if rest.startswith("localhost/") else rest
            if rest and not path.startswith(("/", "~")):
                raise StorageUrlError(
                    f"a file URL that names another host; expected {_EXPECTED}; write file:///path, of a path"
                    " that is mounted here"
                )
        if not path:
            raise StorageUrlError(f"an empty URL; expected {_EXPECTED}; name a place")
        return Place(scheme, "", os.path.abspath(os.path.expanduser(path)))
    _check_no_credential(url)
    host, _, path = rest.partition("/")
    container, at, account_host = host.partition("@")
    if not container:
        raise StorageUrlError(f"a URL without a container or bucket; expected {_EXPECTED}; name one")
    account = None
    if at:
        found = _AZURE_HOST.fullmatch(account_host) if scheme is Scheme.AZURE else None
        if found is None:
            raise StorageUrlError(
                f"a URL with a user, which may be a credential and is not repeated; expected {_EXPECTED};"
                " leave out what stands before the @"
            )
        account = found[1]
    return Place(scheme, container, path.strip("/"), account)


def check_endpoint(url: str) -> None:
    """Raise StorageUrlError unless this is an http(s) URL of a host, without a credential."""
    _check_no_credential(url)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise StorageUrlError("no endpoint; expected https://host or https://host:port; correct it")


def check_connection_string(text: str) -> None:
    """Raise StorageUrlError unless this is a connection string of an Azure storage account.

    The client would find a part that is none, an endpoint that is no URL and a key that is cut off only when
    it asks, each by another error.
    """
    expected = (
        "expected AccountName=…;AccountKey=…, as the account's page of access keys shows it;"
        " copy it again, whole"
    )
    if _CONNECTION_STRING.search(text) is None:
        raise StorageUrlError(f"no connection string of an Azure storage account; {expected}")
    for part in filter(None, map(str.strip, text.split(";"))):
        name, given, value = part.partition("=")
        # A connection string has no quotes: what is no name is not repeated, as it may be half of a key.
        if not given or not name.strip().isalpha():
            raise StorageUrlError(f"a connection string with a part that is no Name=value; {expected}")
        if name.casefold() == "accountkey" and not _is_key(value):
            raise StorageUrlError(f"a connection string whose AccountKey is no base64; {expected}")
        if name.casefold().endswith("endpoint") and not _is_endpoint(value):
            raise StorageUrlError(f"a connection string whose {name} is no URL; {expected}")


def _is_key(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


def _is_endpoint(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _check_no_credential(url: str) -> None:
    """A credential in a URL ends up in every log that tells where something lies."""
    rest = url.partition("://")[2]
    user, at, _ = rest.partition("/")[0].rpartition("@")
    if "?" in rest or "#" in rest or (at and ":" in user):
        raise StorageUrlError(
            "a URL with a password or a query, which may be a credential and is not repeated;"
            f" expected {_EXPECTED}; set SLUICE_AZURE_CONNECTION_STRING or AWS_ACCESS_KEY_ID and"
            " AWS_SECRET_ACCESS_KEY instead"
        )
