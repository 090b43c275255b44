"""The environment is read strictly: nothing falls back in silence, no secret is printed."""

from pathlib import Path

import pytest

from orchestration.settings import Settings, SettingsError

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
    environ = {"SLUICE_CONNECTION_SHOP_SCREENS": SECRET, "SLUICE_STATE_URL": SECRET}
    settings = Settings.load(environ, project_dir=tmp_path)
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert "hush" not in shown
    assert settings.connection("shop_screens") == SECRET


def test_a_connection_that_is_not_configured_or_empty_is_none(tmp_path: Path) -> None:
    settings = Settings.load({"SLUICE_CONNECTION_MILLER": ""}, project_dir=tmp_path)
    assert settings.connection("miller") is None
    assert settings.connection("nobody") is None


def test_everything_lies_below_the_data_directory_by_default(tmp_path: Path) -> None:
    settings = Settings.load({}, project_dir=tmp_path)
    places = [
        settings.staging_url,
        settings.processing_url,
        settings.state_url.get_secret_value().removeprefix("sqlite:///"),
        settings.warehouse_path,
        settings.deliveries_dir,
        settings.dbt_target_dir,
        settings.dagster_home,
    ]
    assert all(Path(place).is_relative_to(tmp_path / ".sluice") for place in places)


def test_another_process_sees_the_same_deployment(tmp_path: Path) -> None:
    environ = {"SLUICE_CONNECTION_MILLER": SECRET, "SLUICE_SENSOR_INTERVAL": "7"}
    settings = Settings.load(environ, project_dir=tmp_path, data_dir=tmp_path / "data")
    assert Settings.load(settings.environment()) == settings


def test_what_the_caller_says_wins_over_the_environment(tmp_path: Path) -> None:
    other = tmp_path / "other"
    environ = {"SLUICE_DATA_DIR": str(tmp_path / "from the environment")}
    settings = Settings.load(environ, project_dir=tmp_path, data_dir=other)
    assert settings.data_dir == other
    assert Settings.load(environ, project_dir=tmp_path).data_dir == tmp_path / "from the environment"
