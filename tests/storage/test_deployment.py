"""A deployment's areas are where its settings say, and its warehouse reads them."""

import dataclasses
from pathlib import Path

import pytest
from sluicegate.areas import Area
from sluicegate.contracts.load import load_contracts
from sluicegate.contracts.model import SourceContract
from sluicegate.core.settings import REPOSITORY, Settings, SettingsError
from sluicegate.state.deployment import Deployment

from tests.storage.fixtures import Storage
from tests.warehouse.bare import bare


def deployment_on(storage: Storage, tmp_path: Path, **environ: str) -> Deployment:
    names = ("STAGING", "ORIGINALS", "COLD", "PROCESSING")
    urls = {f"SLUICE_{name}_URL": f"{storage.fresh_url()}/{name.lower()}" for name in names}
    settings = {name: value for name, value in storage.environ.items() if name.startswith("SLUICE_")}
    return Deployment(Settings.load(urls | settings | environ, data_dir=tmp_path / "data"))


def contract_of(connector: str) -> SourceContract:
    contracts, problems = load_contracts(REPOSITORY)
    assert not problems
    return dataclasses.replace(contracts["sales"], connector=connector)


def test_the_warehouse_reads_every_area(storage: Storage, tmp_path: Path) -> None:
    deployment = deployment_on(storage, tmp_path)
    assert deployment.cold is not None
    areas = [deployment.staging, deployment.originals, deployment.cold, deployment.processing]
    assert len({area.url for area in areas}) == len(areas)
    for area in areas:
        area.write("a.csv", [b"a\n1\n"])
    with bare(deployment.warehouse) as connection:
        paths = [area.engine_path("a.csv") for area in areas]
        assert connection.execute("from read_csv(?)", [paths]).fetchall() == [(1,)] * 4


def test_without_a_cold_tier_there_is_none(tmp_path: Path) -> None:
    assert Deployment(Settings.load({}, data_dir=tmp_path)).cold is None


def test_a_contracts_connector_is_its_staging_area(storage: Storage, tmp_path: Path) -> None:
    wholesaler = storage.fresh_url()
    deployment = deployment_on(storage, tmp_path, SLUICE_CONNECTION_WHOLESALER=wholesaler)
    assert deployment.staging_of(contract_of("staging")) is deployment.staging
    area = deployment.staging_of(contract_of("wholesaler"))
    assert area == Area(wholesaler)
    area.write("sales/a.csv", [b"a"])
    assert deployment.staging_of(contract_of("wholesaler")).exists("sales/a.csv")


def test_a_connector_that_is_not_configured_is_said_to_be(tmp_path: Path) -> None:
    deployment = Deployment(Settings.load({}, data_dir=tmp_path))
    told = (
        r"connector `wholesaler` of source `sales` is not configured; expected its URL in SLUICE_CONNECTION_W"
    )
    with pytest.raises(SettingsError, match=told):
        deployment.staging_of(contract_of("wholesaler"))


def test_a_connectors_url_with_a_credential_is_refused_and_not_repeated(tmp_path: Path) -> None:
    environ = {"SLUICE_CONNECTION_WHOLESALER": "s3://key:hush@bucket/sales"}
    deployment = Deployment(Settings.load(environ, data_dir=tmp_path))
    with pytest.raises(SettingsError, match="SLUICE_CONNECTION_WHOLESALER is a URL with a") as refused:
        deployment.staging_of(contract_of("wholesaler"))
    assert "hush" not in str(refused.value)


def test_an_account_that_is_not_the_settings_is_refused(tmp_path: Path) -> None:
    environ = {
        "SLUICE_ORIGINALS_URL": "abfs://originals@bakery.dfs.core.windows.net/sales",
        "SLUICE_AZURE_ACCOUNT": "brewery",
    }
    deployment = Deployment(Settings.load(environ, data_dir=tmp_path))
    with pytest.raises(ValueError, match=r"names the storage account `bakery`, the settings `brewery`"):
        list(deployment.originals.listing())


def test_an_account_from_nowhere_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = Deployment(Settings.load({"SLUICE_ORIGINALS_URL": "abfs://originals"}, data_dir=tmp_path))
    with pytest.raises(ValueError, match="no Azure storage account is configured"):
        list(deployment.originals.listing())
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "AccountName=production;AccountKey=aHVzaA==")
    with pytest.raises(ValueError, match="expected SLUICE_AZURE_CONNECTION_STRING; rename or unset it"):
        list(deployment.originals.listing())
