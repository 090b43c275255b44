"""Secrets of Azure Key Vault: versions, what is kept, and each way in which a vault says no.

Does not belong here: other kinds of references (`test_secrets`).
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sluicegate.core.secrets import SecretError, azure
from sluicegate.core.secrets.by_reference import KEPT_SECONDS, ByReference
from sluicegate.core.secrets.kinds import reference_of
from sluicegate.core.settings import Settings

from tests.doubles.key_vault import CLIENT_SECRET, PRINCIPAL, TOKEN, Fault, KeyVaultDouble
from tests.vaults import kept, vault

__all__ = ["kept", "vault"]

VARIABLE, NAME = "SLUICE_CONNECTION_CRM", "crm-url"
FIRST, SECOND = "webhook://:canary-no-1@127.0.0.1:9/a", "webhook://:canary-no-2@127.0.0.1:9/a"
_RBAC = f"Caller is not authorized to perform action on resource. Caller: {PRINCIPAL};iss=https://sts/x/"
_POLICY = (
    f"The user, group or application '{PRINCIPAL};iss=https://sts.windows.net/x/' does not have secrets get"
)


def secret(vault: KeyVaultDouble, version: str = "", name: str = NAME) -> ByReference:
    return ByReference(f"secret+azkv://{vault.host}/{name}{version and '/'}{version}", VARIABLE)


def test_the_newest_version_is_read_or_the_one_that_is_named(vault: KeyVaultDouble) -> None:
    first = vault.put(NAME, FIRST)
    vault.put(NAME, SECOND)
    assert secret(vault).get_secret_value() == SECOND
    assert secret(vault, first).get_secret_value() == FIRST
    assert vault.challenged == 1  # the token serves for the second


def test_it_is_asked_once_in_five_minutes_and_whenever_what_it_said_is_of_no_use(
    vault: KeyVaultDouble, kept: list[float]
) -> None:
    vault.put(NAME, FIRST)
    settings = Settings.load({VARIABLE: f"secret+azkv://{vault.host}/{NAME}"})
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda _: settings.connection("crm"), range(16))) == {FIRST}
    assert len(vault.asked) == 1
    vault.put(NAME, SECOND)
    kept[0] += KEPT_SECONDS - 1
    assert settings.connection("crm") == FIRST
    assert settings.renewed("crm", FIRST) == SECOND
    assert settings.connection("crm") == SECOND
    # Others that failed with the old one find the new one without another request; a useless one costs one.
    assert settings.renewed("crm", FIRST) == SECOND
    assert len(vault.asked) == 2
    assert settings.renewed("crm", SECOND) is None
    assert len(vault.asked) == 3
    vault.put(NAME, FIRST)
    kept[0] += KEPT_SECONDS
    assert settings.connection("crm") == FIRST


def test_where_the_vault_does_not_answer_nothing_is_renewed(vault: KeyVaultDouble) -> None:
    vault.put(NAME, FIRST)
    assert secret(vault).get_secret_value() == FIRST
    vault.faults.append(Fault(403, "Forbidden", _RBAC))
    assert secret(vault).renewed(FIRST) is None


REFUSALS = {
    "a role that lacks": (Fault(403, "Forbidden", _RBAC), PRINCIPAL, "Key Vault Secrets User"),
    "a policy that lacks": (Fault(403, "Forbidden", _POLICY), PRINCIPAL, "permission `get` for secrets"),
    "a caller who is not named": (Fault(403, "Forbidden", "no"), "this process's identity", azure.ROLE),
    "a firewall": (
        Fault(403, "Forbidden", "Client address is not authorized and caller is not a trusted service."),
        "HTTP 403", "under Networking",
    ),
    "a disabled one": (
        Fault(403, "Forbidden", "Operation get is not allowed on a disabled secret."),
        "HTTP 403", f"set-attributes --vault-name 127 --name {NAME} --enabled true",
    ),
    "none of that name": (None, "HTTP 404", f"az keyvault secret set --vault-name 127 --name {NAME}"),
    "too many requests": (Fault(429, "Throttled", headers={"Retry-After": "3600"}), "HTTP 429", "metrics"),
    "its own fault": (Fault(500, "Internal", headers={"Retry-After": "60"}), "HTTP 500", "metrics"),
}  # fmt: skip


@pytest.mark.parametrize(("fault", "named", "fix"), REFUSALS.values(), ids=REFUSALS)
def test_what_the_vault_says_is_told_with_the_fix(
    vault: KeyVaultDouble, fault: Fault | None, named: str, fix: str
) -> None:
    vault.faults.extend([fault] if fault else [])
    with pytest.raises(SecretError) as caught:
        secret(vault).get_secret_value()
    said = str(caught.value)
    assert said.startswith(
        f"{VARIABLE}: `secret+azkv://{vault.host}/{NAME}` cannot be read: {vault.host} said"
    )
    assert named in said
    assert fix in caught.value.fix
    assert TOKEN not in said
    assert len(vault.asked) == 1


def test_a_vault_that_asks_to_wait_a_moment_is_asked_again(vault: KeyVaultDouble) -> None:
    vault.put(NAME, FIRST)
    vault.faults.extend([Fault(429, headers={"Retry-After": "0"}), Fault(503, headers={"Retry-After": "0"})])
    assert secret(vault).get_secret_value() == FIRST
    assert len(vault.asked) == 3


def test_a_version_that_is_not_there_is_named(vault: KeyVaultDouble) -> None:
    vault.put(NAME, FIRST)
    with pytest.raises(SecretError, match=f"HTTP 404.*with version {'f' * 32}"):
        secret(vault, "f" * 32).get_secret_value()


def test_without_a_token_it_is_said_what_gives_one(vault: KeyVaultDouble) -> None:
    vault.signs_in = False
    with pytest.raises(
        SecretError, match=r"(?s)takes no token of this process.*AADSTS7000222.*az login"
    ) as caught:
        secret(vault).get_secret_value()
    assert CLIENT_SECRET not in str(caught.value)


def test_a_slow_vault_is_not_waited_for(vault: KeyVaultDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure, "_READ_SECONDS", 0.2)
    vault.faults.append(Fault(200, hangs=True))
    with pytest.raises(SecretError, match=r"does not answer as a Key Vault: .*timed out"):
        secret(vault).get_secret_value()


def test_a_certificate_that_has_expired_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with KeyVaultDouble(tmp_path, days_left=-1).served() as double:
        for name, value in double.environ.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SecretError, match=r"(?s)certificate has expired.*this machine's clock"):
            secret(double).get_secret_value()


def test_what_asks_for_a_token_of_another_service_gets_none(vault: KeyVaultDouble) -> None:
    vault.resource = "management.azure.com"
    with pytest.raises(SecretError, match="does not answer as a Key Vault: The challenge resource"):
        secret(vault).get_secret_value()
    assert vault.asked == []


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("//sluice-kv/crm", "sluice-kv.vault.azure.net"),
        ("//sluice-kv.vault.azure.cn/crm", "sluice-kv.vault.azure.cn"),
        ("//127.0.0.1:8443/crm", "127.0.0.1"),
    ],
)
def test_a_vault_is_named_or_its_host_is(address: str, host: str) -> None:
    found = reference_of(f"secret+azkv:{address}")
    assert found.kind.hosts(found.address) == (host,)
