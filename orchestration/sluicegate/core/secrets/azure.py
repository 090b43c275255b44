"""Secrets of Azure Key Vault: `secret+azkv://vault/name` or `…/name/version`, by `DefaultAzureCredential`.

Without a version the newest is read. What the vault says is told with the fix. Documentation:
"Authentication, requests and responses", "Azure Key Vault throttling guidance", "Troubleshoot 403".
"""

import os
import re
import time
from functools import lru_cache
from typing import Any

from sluicegate.core.secrets.errors import SecretError

# A vault's name, or the whole host where that is not in Azure's public cloud.
_VAULT = r"[A-Za-z][A-Za-z0-9-]{2,23}|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::\d+)?"
FORM = rf"//({_VAULT})/([A-Za-z0-9-]{{1,127}})(?:/([A-Za-z0-9]+))?/?"
EXPECTED = "secret+azkv://VAULT/NAME or secret+azkv://VAULT/NAME/VERSION"
ROLE = "Key Vault Secrets User"
_PATIENCE_SECONDS = 20.0
_CONNECT_SECONDS, _READ_SECONDS = 5, 10
_SHOWN = 300
_TRY_AGAIN = (408, 429, 500, 502, 503, 504)
_PRINCIPAL = re.compile(r"\b(?:appid|oid)=[^\s'\"/]*[^\s'\"/;]")


def hosts(address: str) -> tuple[str, ...]:
    """Return the host that an address leads to, without a port."""
    return (_host(address).partition(":")[0],)


def read(address: str) -> str:
    """Read a secret.

    Raises:
        SecretError: there is no token, the vault does not answer or says no.
    """
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

    host = _host(address)
    found = re.fullmatch(FORM, address)
    assert found is not None
    name, version = found[2], found[3]
    ends = time.monotonic() + _PATIENCE_SECONDS
    try:
        while True:
            try:
                return _client(host).get_secret(name, version).value or ""
            except HttpResponseError as error:
                wait = _wait(error)
                if wait is None or time.monotonic() + wait > ends:
                    raise
                time.sleep(wait)
    except ClientAuthenticationError as error:
        told = SecretError(
            f"{host} takes no token of this process: {_said(error)}",
            "a managed identity, a workload identity, or AZURE_CLIENT_ID, AZURE_TENANT_ID and"
            " AZURE_CLIENT_SECRET that are valid",
            "give this process one; `az login` does on a person's machine",
        )
    except HttpResponseError as error:
        told = _refused(error, host, name, version)
    except (AzureError, ValueError) as error:  # ValueError: its challenge is none of a vault
        told = SecretError(
            f"{host} does not answer as a Key Vault: {_said(error)}",
            "a vault that can be reached over HTTPS, with a certificate that is valid and trusted",
            "check its name and DNS, its firewall or private endpoint, and this machine's clock; behind a"
            " company's proxy, set REQUESTS_CA_BUNDLE",
        )
    # Outside the handler: an error of the library holds the whole answer.
    raise told


def _host(address: str) -> str:
    vault = address.removeprefix("//").partition("/")[0]
    return vault if "." in vault else f"{vault}.vault.azure.net"


@lru_cache(100)
def _client(host: str) -> Any:
    from azure.identity import DefaultAzureCredential
    from azure.keyvault.secrets import SecretClient

    # What waits, and how often, is said here and not in the library: it would sleep as long as it is told to.
    bounds = {"retry_total": 0, "connection_timeout": _CONNECT_SECONDS, "read_timeout": _READ_SECONDS}
    # An authority that is named is not looked up in Azure's public list, which a closed network cannot reach.
    named = bool(os.environ.get("AZURE_AUTHORITY_HOST"))
    credential = DefaultAzureCredential(disable_instance_discovery=named, **bounds)
    return SecretClient(f"https://{host}", credential, **bounds)


def _wait(error: Any) -> float | None:
    """Return the seconds after which the same may be asked again, None where it may not."""
    if error.status_code not in _TRY_AGAIN:
        return None
    said = (error.response.headers if error.response is not None else {}).get("Retry-After", "1")
    return float(said) if re.fullmatch(r"\d{1,6}(\.\d+)?", said) else 1.0


def _refused(error: Any, host: str, name: str, version: str | None) -> SecretError:
    said, vault = _said(error), host.partition(".")[0]
    what = f"{host} said HTTP {error.status_code}: {said}"
    if error.status_code == 404:
        return SecretError(
            what,
            f"a secret `{name}` that is not deleted" + (f", with version {version}" if version else ""),
            f"correct the reference, or `az keyvault secret set --vault-name {vault} --name {name} --file …`",
        )
    if error.status_code != 403:
        return SecretError(
            f"{what}; it was asked for as long as {_PATIENCE_SECONDS:g} s", "an answer",
            "see the vault's metrics for who asks so much; then run again",
        )  # fmt: skip
    if "disabled" in said.lower():
        fix = f"`az keyvault secret set-attributes --vault-name {vault} --name {name} --enabled true`"
        return SecretError(what, f"a secret `{name}` that is enabled", fix)
    if "Firewall" in said or "trusted service" in said or "Public network access" in said:
        fix = "allow this machine under Networking of the vault, or give it a private endpoint"
        return SecretError(what, "a vault whose firewall lets this machine in", fix)
    who = ";".join(dict.fromkeys(_PRINCIPAL.findall(str(error)))) or "this process's identity"
    return SecretError(
        what,
        f"the role `{ROLE}` on the vault for {who}",
        f'`az role assignment create --role "{ROLE}" --assignee OBJECT_ID --scope VAULT_ID`, or, where the'
        " vault has access policies, the permission `get` for secrets; it takes some minutes to be so",
    )


def _said(error: Exception) -> str:
    # The library writes code and message once more, below.
    whole = str(getattr(error, "message", "") or error).partition("\nCode:")[0]
    text = " ".join(whole.split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
