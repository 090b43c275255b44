"""The warehouse reads every storage itself, and tells nobody how."""

import gzip
from pathlib import Path

import duckdb
import pytest
from pydantic import SecretStr
from sluicegate.areas import Area, StorageAccess, StorageUrlError
from sluicegate.compute.object_storage import ObjectStorageError, extension_path
from sluicegate.core.secrets import ByReference
from sluicegate.warehouse.duckdb_file import DuckDBFile

from tests.storage.fixtures import Storage
from tests.warehouse.bare import bare

ROWS = [(1, "x"), (2, "y")]


def warehouse_of(tmp_path: Path, storage: Storage, *areas: Area) -> DuckDBFile:
    return DuckDBFile(tmp_path / "warehouse.duckdb", areas=areas, access=storage.access)


def loaded_extensions(connection: duckdb.DuckDBPyConnection) -> set[str]:
    found = connection.execute("select extension_name from duckdb_extensions() where loaded").fetchall()
    return {name for (name,) in found}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", ["a.csv", "2022-10-03/a b.csv", "ü+50%#.csv", "it's.csv"])
def test_the_engine_reads_csv(storage: Storage, area: Area, tmp_path: Path, name: str) -> None:
    area.write(name, [b"a,b\n1,x\n2,y\n"])
    with bare(warehouse_of(tmp_path, storage, area)) as connection:
        assert connection.execute("from read_csv(?)", [area.engine_path(name)]).fetchall() == ROWS


def test_the_engine_reads_compressed_csv(storage: Storage, area: Area, tmp_path: Path) -> None:
    area.write("a.csv.gz", [gzip.compress(b"a,b\n1,x\n2,y\n")])
    with bare(warehouse_of(tmp_path, storage, area)) as connection:
        assert connection.execute("from read_csv(?)", [area.engine_path("a.csv.gz")]).fetchall() == ROWS


def test_the_engine_reads_parquet_that_was_uploaded(storage: Storage, area: Area, tmp_path: Path) -> None:
    made = tmp_path / "a.parquet"
    with bare(warehouse_of(tmp_path, storage, area)) as connection:
        connection.execute(f"copy (select range as number from range(1000000)) to '{made}'")
        area.upload("raw/a.parquet", made, create=True)
        several = [area.engine_path("raw/a.parquet")] * 2
        total = connection.execute("select sum(number) from read_parquet(?)", [several]).fetchone()
    assert total == (999_999_000_000,)


def test_the_engine_reads_all_areas_of_a_connection(
    azurite: Storage, s3: Storage, directory: Storage, tmp_path: Path
) -> None:
    access = StorageAccess(
        azure_connection_string=azurite.access.azure_connection_string,
        s3_endpoint_url=s3.access.s3_endpoint_url,
    )
    areas = [Area(storage.fresh_url(), access) for storage in (azurite, s3, directory)]
    for area in areas:
        area.write("a.csv", [b"a\n1\n"])
    with bare(DuckDBFile(tmp_path / "warehouse.duckdb", areas=areas, access=access)) as connection:
        paths = [area.engine_path("a.csv") for area in areas]
        assert connection.execute("from read_csv(?)", [paths]).fetchall() == [(1,)] * 3


def test_local_areas_load_nothing(directory: Storage, tmp_path: Path) -> None:
    area = directory.fresh_area()
    with bare(warehouse_of(tmp_path, directory, area)) as connection:
        assert not {"azure", "httpfs"} & loaded_extensions(connection)


def test_nothing_is_fetched_from_the_net_or_kept(storage: Storage, area: Area, tmp_path: Path) -> None:
    with bare(warehouse_of(tmp_path, storage, area)) as connection:
        settings = connection.execute(
            "select current_setting('autoinstall_known_extensions'),"
            " current_setting('autoload_known_extensions')"
        ).fetchone()
        assert settings == (False, False)
        persistent = connection.execute("select count(*) from duckdb_secrets() where persistent").fetchone()
        assert persistent == (0,)


def test_secrets_go_with_the_connection(storage: Storage, area: Area, tmp_path: Path) -> None:
    expected = 0 if area.local else 1
    without_areas = DuckDBFile(tmp_path / "warehouse.duckdb")
    with bare(without_areas) as other:  # of the same engine, which stays
        with bare(warehouse_of(tmp_path, storage, area)) as connection:
            assert len(connection.execute("from duckdb_secrets()").fetchall()) == expected
        assert other.execute("from duckdb_secrets()").fetchall() == []
    with bare(without_areas) as new:
        assert new.execute("from duckdb_secrets()").fetchall() == []


def test_two_connections_do_not_take_each_others_secrets(
    storage: Storage, area: Area, tmp_path: Path
) -> None:
    area.write("a.csv", [b"a,b\n1,x\n2,y\n"])
    warehouse = warehouse_of(tmp_path, storage, area)
    with bare(warehouse) as outer:
        with bare(warehouse) as inner:
            assert inner.execute("from read_csv(?)", [area.engine_path("a.csv")]).fetchall() == ROWS
        assert outer.execute("from read_csv(?)", [area.engine_path("a.csv")]).fetchall() == ROWS


def test_no_secret_is_shown(storage: Storage, area: Area, tmp_path: Path) -> None:
    secrets = [value for name, value in storage.environ.items() if name.startswith(("SLUICE_AZURE", "AWS_S"))]
    secrets += [
        secret.partition("AccountKey=")[2].partition(";")[0] for secret in secrets if "Key=" in secret
    ]
    area.write("a.csv", [b"a\n1\n"])
    shown = [
        repr(area),
        str(area),
        area.url,
        area.path("a.csv"),
        area.engine_path("a.csv"),
        repr(storage.access),
    ]
    with bare(warehouse_of(tmp_path, storage, area)) as connection:
        shown += [str(row) for row in connection.execute("from duckdb_secrets()").fetchall()]
        with pytest.raises(duckdb.Error) as missing:
            connection.execute("from read_csv(?)", [area.engine_path("none.csv")])
        shown.append(str(missing.value))
    with pytest.raises(FileNotFoundError) as missing_file:
        area.open("none.csv")
    shown.append(str(missing_file.value))
    assert not [secret for secret in secrets if secret in "\n".join(shown)]
    assert storage.kind == "directory" or secrets


def test_a_wrong_key_is_not_repeated(azurite: Storage, tmp_path: Path) -> None:
    connection_string = azurite.environ["SLUICE_AZURE_CONNECTION_STRING"]
    right = connection_string.partition("AccountKey=")[2].partition(";")[0]
    wrong = "aHVzaGh1c2hodXNo" * 5 + "aHVzaA=="
    access = StorageAccess(azure_connection_string=SecretStr(connection_string.replace(right, wrong)))
    area = Area(azurite.fresh_url(), access)
    with pytest.raises(Exception, match="[Aa]uth") as refused:
        area.write("a.csv", [b"a"])
    assert wrong not in str(refused.value)
    with bare(DuckDBFile(tmp_path / "warehouse.duckdb", areas=[area], access=access)) as connection:
        with pytest.raises(duckdb.Error) as refused:
            connection.execute("from read_csv(?)", [area.engine_path("a.csv")])
        assert wrong not in str(refused.value)


def test_a_key_that_is_renewed_is_taken_up(azurite: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    right = azurite.environ["SLUICE_AZURE_CONNECTION_STRING"]
    monkeypatch.setenv("STORAGE", right.replace("AccountKey=", "AccountKey=aHVzaGh1c2hodXNo"))
    access = StorageAccess(azure_connection_string=ByReference("secret+env:STORAGE", "SLUICE_AZURE"))
    area = Area(azurite.fresh_url(), access)
    with pytest.raises(Exception, match="[Aa]uth"):
        area.write("a.csv", [b"a"])
    monkeypatch.setenv("STORAGE", right)
    area.write("a.csv", [b"a"])
    assert area.read("a.csv") == b"a"


def test_what_is_no_connection_string_is_not_repeated(tmp_path: Path) -> None:
    access = StorageAccess(azure_connection_string=SecretStr("AccountKey=hush'hush"))
    area = Area("abfs://sluice/sales", access)
    warehouse = DuckDBFile(tmp_path / "warehouse.duckdb", areas=[area], access=access)
    with pytest.raises(StorageUrlError, match="no connection string") as refused:
        area.write("a.csv", [b"a"])
    assert "hush" not in str(refused.value)
    with pytest.raises(StorageUrlError, match="no connection string"), bare(warehouse):
        pass


def test_without_aws_credentials_the_engine_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    warehouse = DuckDBFile(tmp_path / "warehouse.duckdb", areas=[Area("s3://sluice/sales")])
    with (
        pytest.raises(ObjectStorageError, match="no S3 credentials; expected AWS_ACCESS_KEY_ID"),
        bare(warehouse),
    ):
        pass


def test_an_extension_that_is_not_installed_is_named() -> None:
    assert extension_path("azure").is_file()
    with pytest.raises(
        ObjectStorageError, match=r"expected package duckdb-extension-gpu 1\.5\.\d+; install it"
    ):
        extension_path("gpu")


def test_a_copy_to_object_storage_that_fails_leaves_something_wrong(s3: Storage, tmp_path: Path) -> None:
    """Why the engine writes to a disk and `Area.upload` does the rest. Once this fails, look again."""
    area = s3.fresh_area()
    with bare(warehouse_of(tmp_path, s3, area)) as connection, pytest.raises(duckdb.Error, match="boom"):
        connection.execute(
            "copy (select case when range < 2000000 then random() else error('boom')::int end"
            " from range(3000000))"
            f" to '{area.engine_path('a.parquet')}' (format parquet, row_group_size 100000)"
        )
    assert [entry.path for entry in area.listing()] == ["a.parquet"]
