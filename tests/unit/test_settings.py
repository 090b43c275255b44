"""The environment is read strictly: nothing falls back in silence, no secret is printed."""

from pathlib import Path

import pytest
from sluicegate.core.settings import Settings, SettingsError

# What is left of a connection string that was copied in a hurry; `hush` stands for what nobody may see.
CUT_OFF = (
    ("AccountName=bakery;AccountKey=hush!", "whose AccountKey is no base64"),
    ("AccountName=bakery;AccountKey=hushh", "whose AccountKey is no base64"),
    ("AccountName=bakery;AccountKey=hu sh", "whose AccountKey is no base64"),
    ("AccountName=bakery;accountkey=häsh", "whose AccountKey is no base64"),
    ("AccountName=bakery;AccountKey=", "whose AccountKey is no base64"),
    ("AccountName=bakery;AccountKey=aHVzaA==;hush", "with a part that is no Name=value"),
    ("AccountName=bakery;AccountKey=aHVzaA==;BlobEndpoint=http://[::1", "whose BlobEndpoint is no URL"),
    ("AccountName=bakery;AccountKey=aHVzaA==;BlobEndpoint=bakery", "whose BlobEndpoint is no URL"),
    ("AccountName=bakery;AccountKey=aHVzaA==;BlobEndpoint=http://a:x/", "whose BlobEndpoint is no URL"),
)
CONNECTION_STRING = "DefaultEndpointsProtocol=https;AccountName=bakery;AccountKey=aHVzaA==;"
SECRET = "postgresql://counter:hush@db.bakery.example/screens"


def test_a_misspelt_variable_raises_with_the_nearest_name() -> None:
    with pytest.raises(SettingsError, match=r"SLUICE_WAREHOSE .* did you mean `SLUICE_WAREHOUSE`"):
        Settings.load({"SLUICE_WAREHOSE": "/somewhere"})


def test_a_variable_that_is_near_nothing_raises_with_all_names() -> None:
    with pytest.raises(SettingsError, match=r"use one of: .*SLUICE_PROJECT_DIR"):
        Settings.load({"SLUICE_XYZZY_PLUGH_QUUX": "1"})


def test_a_project_directory_that_is_not_there_raises(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no-such-place does not exist"):
        Settings.load({"SLUICE_PROJECT_DIR": str(tmp_path / "no-such-place")})


def test_no_secret_is_shown(tmp_path: Path) -> None:
    environ = {
        "SLUICE_CONNECTION_SHOP_SCREENS": SECRET,
        "SLUICE_STATE_URL": SECRET,
        "SLUICE_MASKING_KEY": "hush, hush, hush, hush",
        "SLUICE_AZURE_CONNECTION_STRING": CONNECTION_STRING,
    }
    settings = Settings.load(environ, project_dir=tmp_path)
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    shown += repr(settings.storage_access)
    assert "hush" not in shown
    assert "aHVzaA==" not in shown
    assert settings.connection("shop_screens") == SECRET


def test_a_connection_that_is_not_configured_or_empty_is_none(tmp_path: Path) -> None:
    settings = Settings.load({"SLUICE_CONNECTION_MILLER": ""}, project_dir=tmp_path)
    assert settings.connection("miller") is None
    assert settings.connection("nobody") is None


def test_everything_lies_below_the_data_directory_by_default(tmp_path: Path) -> None:
    settings = Settings.load({}, project_dir=tmp_path)
    places = [
        settings.staging_url,
        settings.originals_url,
        settings.processing_url,
        settings.state_url.get_secret_value().removeprefix("sqlite:///"),
        settings.warehouse_path,
        settings.deliveries_dir,
        settings.dbt_target_dir,
        settings.dagster_home,
    ]
    assert all(Path(place).is_relative_to(tmp_path / ".sluice") for place in places)


def test_another_process_sees_the_same_deployment(tmp_path: Path) -> None:
    environ = {
        "SLUICE_CONNECTION_MILLER": SECRET,
        "SLUICE_SENSOR_INTERVAL": "7",
        "SLUICE_COLD_URL": "abfs://cold/originals",
        "SLUICE_ORIGINALS_URL": "s3://originals",
        "SLUICE_S3_ENDPOINT_URL": "https://storage.bakery.example:9000",
        "SLUICE_AZURE_CONNECTION_STRING": CONNECTION_STRING,
        "SLUICE_MASKING_KEY": "0123456789abcdef",
    }
    settings = Settings.load(environ, project_dir=tmp_path, data_dir=tmp_path / "data")
    assert Settings.load(settings.environment()) == settings


def test_what_the_caller_says_wins_over_the_environment(tmp_path: Path) -> None:
    other = tmp_path / "other"
    environ = {"SLUICE_DATA_DIR": str(tmp_path / "from the environment")}
    settings = Settings.load(environ, project_dir=tmp_path, data_dir=other)
    assert settings.data_dir == other
    assert Settings.load(environ, project_dir=tmp_path).data_dir == tmp_path / "from the environment"


@pytest.mark.parametrize(
    "url",
    [
        "s3://key:hush@bucket/sales",
        "s3://hush@bucket/sales",
        "abfs://container/sales?sig=hush",
        "abfs://container:hush@bakery.dfs.core.windows.net/sales",
        "s3://bucket/sales?key=hush",
        "az://container/sales#hush",
    ],
)
@pytest.mark.parametrize("area", ["STAGING", "ORIGINALS", "COLD", "PROCESSING"])
def test_a_url_with_a_credential_is_refused_and_not_repeated(area: str, url: str) -> None:
    with pytest.raises(SettingsError, match=rf"SLUICE_{area}_URL is a URL with a .* not repeated") as refused:
        Settings.load({f"SLUICE_{area}_URL": url})
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "SLUICE_STAGING_URL",
            "gs://bucket/sales",
            "is a URL of an unknown scheme; expected a path, abfs://",
        ),
        ("SLUICE_STAGING_URL", "", "is an empty URL; expected a path"),
        ("SLUICE_STAGING_URL", "s3:///sales", "is a URL without a container or bucket"),
        ("SLUICE_S3_ENDPOINT_URL", "https://key:hush@storage.bakery.example", "a URL with a password"),
        ("SLUICE_S3_ENDPOINT_URL", "storage.bakery.example", "is no endpoint; expected https://host"),
        ("SLUICE_AZURE_CONNECTION_STRING", "hush", "is no connection string of an Azure storage account"),
        *(
            ("SLUICE_AZURE_CONNECTION_STRING", text, f"is a connection string {said}; expected AccountName=")
            for text, said in CUT_OFF
        ),
        ("SLUICE_MASKING_KEY", "hush", "is 4 characters long; expected 16 or more"),
    ],
)
def test_what_storage_cannot_be_reached_with_is_refused(variable: str, value: str, said: str) -> None:
    with pytest.raises(
        SettingsError, match=f"{variable} {said}" if said.startswith("is") else said
    ) as refused:
        Settings.load({variable: value})
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("cold", "originals"),
    [
        ("s3://bucket/originals", "s3://bucket/originals/"),
        ("abfs://container/originals/cold", "az://container/originals"),
        ("/data/originals/cold", "/data/originals"),
        ("s3://bucket/originals", "s3://bucket"),
    ],
)
def test_no_area_lies_in_another(cold: str, originals: str) -> None:
    told = r"SLUICE_\w+_URL is .*, which lies in SLUICE_\w+_URL, .*; expected areas of their own"
    for one, other in ((cold, originals), (originals, cold)):
        with pytest.raises(SettingsError, match=told):
            Settings.load({"SLUICE_COLD_URL": one, "SLUICE_ORIGINALS_URL": other})


def test_areas_side_by_side_are_apart() -> None:
    urls = {"SLUICE_COLD_URL": "s3://bucket/originals-cold", "SLUICE_ORIGINALS_URL": "s3://bucket/originals"}
    assert Settings.load(urls).cold_url == "s3://bucket/originals-cold"


def test_what_is_optional_may_be_empty() -> None:
    settings = Settings.load({"SLUICE_COLD_URL": "", "SLUICE_MASKING_KEY": ""})
    assert (settings.cold_url, settings.masking_key) == (None, None)
