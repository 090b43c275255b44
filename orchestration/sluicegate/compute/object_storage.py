"""The engine reads object storage itself, without a byte going through Python.

Belongs here: DuckDB's own extensions, loaded from the packages of the lock file and never from the net, and
what they sign in with. Does not belong here: what is read; where an area's files lie (`Area.engine_path`).
"""

import os
import uuid
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from sluicegate.areas import Area, StorageAccess
from sluicegate.areas.access import Scheme
from sluicegate.compute.sql import literal

if TYPE_CHECKING:
    import duckdb

_EXTENSIONS = {Scheme.AZURE: "azure", Scheme.S3: "httpfs"}
_AZURE_SCHEMES = ("az://", "azure://", "abfs://", "abfss://")
_DEFAULT_REGION = "us-east-1"


class ObjectStorageError(Exception):
    """The engine cannot reach object storage; the message holds no secret."""


@contextmanager
def object_storage(
    connection: "duckdb.DuckDBPyConnection",
    areas: Sequence[Area],
    access: StorageAccess,
    extensions: Sequence[str] = (),
) -> Generator[None]:
    """Let a connection read the files of these areas; local areas need nothing. `extensions` are loaded, too.

    Secrets live in memory as long as the context, under names of their own: another connection of this
    process may be at work with its own.

    Raises:
        ObjectStorageError: an extension cannot be loaded, or there is nothing to sign in with.
        StorageUrlError: no Azure account is configured, or another one than an area's.
    """
    names: list[str] = []
    for extension in (*extensions, *extensions_for(areas)):
        load_extension(connection, extension)
    try:
        for scheme in sorted({area.place.scheme for area in areas} & _EXTENSIONS.keys()):
            accounts = sorted({area.place.account or "" for area in areas if area.place.scheme is scheme})
            for account in accounts:
                name = f"sluice_{scheme}_{uuid.uuid4().hex}"
                options = _azure(account or None, access) if scheme is Scheme.AZURE else _s3(access)
                _create_secret(connection, name, options)
                names.append(name)
        yield
    finally:
        for name in names:
            connection.execute(f"drop temporary secret if exists {name}")


def extension_path(name: str) -> Path:
    """Return the file of a DuckDB extension in its package, `duckdb-extension-<name>`.

    Raises:
        ObjectStorageError: the package is not installed, or is for another version of DuckDB.
    """
    import duckdb

    package = f"duckdb_extension_{name}"
    try:
        folder = Path(str(import_module(package).__file__)).parent
    except ImportError:
        folder = None
    path = folder and folder / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    if path is None or not path.is_file():
        raise ObjectStorageError(
            f"DuckDB's extension `{name}` is not there; expected package duckdb-extension-{name}"
            f" {duckdb.__version__}; install it"
        )
    return path


def extensions_for(areas: Sequence[Area]) -> list[str]:
    """Return the names of the extensions by which the engine reads these areas."""
    return sorted({_EXTENSIONS[area.place.scheme] for area in areas if area.place.scheme in _EXTENSIONS})


def load_extension(connection: "duckdb.DuckDBPyConnection", name: str) -> None:
    """Load an extension, if this engine has not loaded it.

    Raises:
        ObjectStorageError: its package is not installed, or is for another version of DuckDB.
    """
    loaded = connection.execute(
        "select 1 from duckdb_extensions() where extension_name = ? and loaded", [name]
    ).fetchone()
    if not loaded:
        connection.execute(f"load {literal(str(extension_path(name)))}")


def _azure(account: str | None, access: StorageAccess) -> dict[str, Any]:
    name = access.account_of(account)
    if access.azure_connection_string is not None:
        secret = access.azure_connection_string.get_secret_value()
        return {"type": "azure", "provider": "config", "connection_string": secret}
    options: dict[str, Any] = {"type": "azure", "provider": "credential_chain", "account_name": name}
    if account:
        options["scope"] = [f"{scheme}{account}." for scheme in _AZURE_SCHEMES]
    return options


class S3SignIn(NamedTuple):
    """With what S3 is signed in to; `token` is None where there is none."""

    key: str
    secret: str
    token: str | None
    region: str


def s3_sign_in() -> S3SignIn:
    """Return what botocore finds in the standard places, as s3fs finds it.

    Raises:
        ObjectStorageError: there is nothing to sign in with.
    """
    from botocore.session import get_session

    session = get_session()
    found = session.get_credentials()
    if found is None:
        raise ObjectStorageError(
            "no S3 credentials; expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or another of AWS's"
            " standard ways to sign in; set one of them"
        )
    frozen = found.get_frozen_credentials()
    region = session.get_config_variable("region") or os.environ.get("AWS_REGION") or _DEFAULT_REGION
    return S3SignIn(frozen.access_key, frozen.secret_key, frozen.token, region)


def _s3(access: StorageAccess) -> dict[str, Any]:
    found = s3_sign_in()
    options: dict[str, Any] = {
        "type": "s3",
        "provider": "config",
        "key_id": found.key,
        "secret": found.secret,
        "region": found.region,
    }
    if found.token:
        options["session_token"] = found.token
    if access.s3_endpoint_url:
        endpoint = urlsplit(access.s3_endpoint_url)
        options |= {
            "endpoint": endpoint.netloc + endpoint.path.rstrip("/"),
            "url_style": "path",
            "use_ssl": endpoint.scheme == "https",
        }
    return options


def _create_secret(connection: "duckdb.DuckDBPyConnection", name: str, options: dict[str, Any]) -> None:
    """Values go as parameters, never into SQL, which an error would repeat."""
    problem = ""
    said = ", ".join(f"{option} {'?' if option not in _WORDS else options[option]}" for option in options)
    try:
        connection.execute(
            f"create temporary secret {name} ({said})",
            [value for option, value in options.items() if option not in _WORDS],
        )
    except Exception as error:
        problem = type(error).__name__
    if problem:  # outside the handler, so that the original, which may hold a secret, is not its context
        raise ObjectStorageError(
            f"DuckDB refused what it was to sign in with to {options['type']} ({problem}); expected"
            " credentials as that storage gives them out; correct the settings"
        )


# Parts of the statement itself, which take no parameter.
_WORDS = frozenset({"type", "provider"})
