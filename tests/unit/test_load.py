"""Loading a drop against its contract: strict, typed, whole or not at all, with line and column."""

import gzip
import uuid
from pathlib import Path
from typing import Any

import pytest

from orchestration.areas import Area
from orchestration.contracts.load import load_contracts
from orchestration.ingestion.load import DropRefused, Loaded, keep_original, load_drop
from orchestration.ingestion.staging import register_landed
from orchestration.state.store import StateStore
from orchestration.warehouse.engine import Warehouse, table_versions
from tests.company import BAKERY, MON, TUE, orders
from tests.unit.conftest import Edit

CONTRACT = load_contracts(BAKERY)[0]["orders"]
HEADER = "Order No.,Date,Shop,Loaves (pcs)"


class Door:
    """Where drops of `orders` are landed and loaded, as the ingestion asset does."""

    def __init__(self, folder: Path, processing: str) -> None:
        self.contract = CONTRACT
        self.staging = Area(str(folder / "staging"))
        self.processing = Area(processing)
        self.store = StateStore(f"sqlite:///{folder / 'state.db'}")
        self.warehouse = Warehouse(folder / "warehouse.duckdb")

    def load(self, content: str | bytes, day: str = MON) -> Loaded:
        raw = content if isinstance(content, bytes) else gzip.compress(content.encode(), mtime=0)
        self.staging.write(CONTRACT.path_of(day), iter([raw]))
        self.staging.remove(CONTRACT.marker_of(day))
        self.staging.write(CONTRACT.marker_of(day), iter(()))
        register_landed(self.contract, self.staging, self.store)
        drop = self.store.latest_drops("orders")[day]
        keep_original(drop, self.staging, self.processing)
        with self.warehouse.connect() as connection:
            return load_drop(connection, self.contract, drop, self.processing)

    def query(self, text: str) -> list[tuple[Any, ...]]:
        with self.warehouse.connect() as connection:
            return connection.execute(text).fetchall()

    def rows(self) -> list[tuple[Any, ...]]:
        return self.query(
            "select _partition_key, shop, loaves from raw.orders order by _partition_key, order_number"
        )


@pytest.fixture(params=["directory", "memory"])
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Door:
    """The originals are kept in a directory, or in a store that the engine reads through fsspec."""
    remote = f"memory://{uuid.uuid4().hex}/processing"
    return Door(tmp_path, remote if request.param == "memory" else str(tmp_path / "processing"))


def refused(door: Door, content: str | bytes, day: str = MON) -> tuple[str, ...]:
    with pytest.raises(DropRefused) as caught:
        door.load(content, day)
    assert caught.value.file == f"orders/{day}.csv.gz"
    return caught.value.rules


def test_rows_come_with_their_origin(door: Door) -> None:
    loaded = door.load(orders(MON, a=3, b=4))
    assert loaded.rows == 2
    assert door.query("from raw.orders order by order_number")[0][:4] == (
        f"{MON}-0", door.query(f"select date '{MON}'")[0][0], "a", 3,
    )  # fmt: skip
    drop = door.store.latest_drops("orders")[MON]
    assert door.query("select distinct _partition_key, _drop_id, _source_file from raw.orders") == [
        (MON, drop.key, f"orders/{MON}.csv.gz")
    ]
    with door.warehouse.connect() as connection:
        assert table_versions(connection, ["raw.orders"]) == {("raw.orders", MON): loaded.version}


def test_a_drop_replaces_its_partition_alone(door: Door) -> None:
    door.load(orders(MON, a=3, b=4))
    door.load(orders(TUE, a=5), TUE)
    first = door.load(orders(MON, c=6))
    assert door.rows() == [(MON, "c", 6), (TUE, "a", 5)]
    again = door.load(orders(MON, a=3, b=4))
    assert first.version != again.version


@pytest.mark.parametrize(
    ("header", "rules"),
    [
        ("Order No.,Date,Shop,Loaves (pieces)",
         ["line 1: column `Loaves (pcs)` is missing; `Loaves (pieces)` stands in the file: renamed?",
          "line 1: column `Loaves (pieces)` is not in the contract"]),
        ("Order No.,Date,Shop", ["line 1: column `Loaves (pcs)` is missing"]),
        (f"{HEADER},Paid", ["line 1: column `Paid` is not in the contract"]),
        ("Order No.,Shop,Date,Loaves (pcs)",
         ["line 1: columns stand in another order: Order No., Shop, Date, Loaves (pcs)"]),
        ("", [f"line 1: column `{name}` is missing" for name in HEADER.split(",")]),
    ],
)  # fmt: skip
def test_another_header_is_refused(door: Door, header: str, rules: list[str]) -> None:
    found = refused(door, f"{header}\n1,{MON},a,3\n" if header else "")
    assert list(found[:-1]) == rules
    assert found[-1].startswith("expected header: Order No., Date, Shop, Loaves (pcs)")
    assert "ask ovens@bakery.example" in found[-1]


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        (f"1,{MON},a,3\n2,{MON},b,many\n", "line 3: column `Loaves (pcs)` does not hold INTEGER"),
        ("1,01/02/2024,a,3\n", "line 2: column `Date` does not hold DATE"),
        (f"1,{MON},a,3\n2,{MON}\n", "line 3: too few columns"),
        (f"1,{MON},a,3,more\n", "line 2: too many columns"),
        (f"1,{MON},,3\n2,{MON},,3\n", "column `Shop` is empty in 2 rows"),
        (f"1,{MON},a,3\n1,{MON},b,4\n", "key (order_number) stands twice in 1 rows"),
        ("", "the file has no rows; expected at least one, since the contract allows no empty day"),
        (f"1,{TUE},a,3\n2,{MON},a,3\n", f"column `order_date` is not {MON} in 1 rows"),
    ],
)
def test_a_row_that_breaks_the_contract_is_located(door: Door, lines: str, rule: str) -> None:
    found = refused(door, f"{HEADER}\n{lines}")
    assert rule in found
    assert found[-1] == "ask ovens@bakery.example for a corrected drop"


def test_many_bad_rows_are_counted_and_the_first_shown(door: Door) -> None:
    found = refused(door, HEADER + "\n" + "".join(f"{n},{MON},a,none\n" for n in range(40)))
    assert len(found) == 7
    assert found[0].startswith("line 2:")
    assert found[5] == "and 35 more"


@pytest.mark.parametrize("keep", [4, 20, 300])
def test_a_truncated_gzip_is_refused(door: Door, keep: int) -> None:
    whole = gzip.compress(orders(MON, **{f"s{n}": n for n in range(1, 200)}).encode(), mtime=0)
    rules = refused(door, whole[:keep])
    assert len(rules) >= 1


def test_what_is_no_gzip_is_refused(door: Door) -> None:
    rules = refused(door, orders(MON, a=1).encode())
    assert rules[0].startswith("damaged or cut short")


def test_earlier_data_stays_when_a_drop_is_refused(door: Door) -> None:
    door.load(orders(MON, a=3))
    with door.warehouse.connect() as connection:
        version = table_versions(connection, ["raw.orders"])
    refused(door, f"{HEADER}\n1,{MON},a,many\n")
    refused(door, f"{HEADER}\n1,{TUE},a,3\n")
    refused(door, "Something else\n")
    assert door.rows() == [(MON, "a", 3)]
    with door.warehouse.connect() as connection:
        assert table_versions(connection, ["raw.orders"]) == version


def test_quotes_delimiters_and_umlauts_within_fields(door: Door) -> None:
    door.load(f'\ufeff{HEADER}\n1,{MON},"Bäcker ""Ö"", Ulm",3\n')
    assert door.rows() == [(MON, 'Bäcker "Ö", Ulm', 3)]


def test_the_original_is_kept_when_staging_is_cleared(door: Door) -> None:
    door.load(orders(MON, a=3))
    drop = door.store.latest_drops("orders")[MON]
    door.staging.remove(f"orders/{MON}.csv.gz")
    kept = keep_original(drop, door.staging, door.processing)
    assert gzip.decompress(b"".join(door.processing.chunks(kept))).decode() == orders(MON, a=3)


def test_content_that_changed_after_its_marker_is_refused(door: Door) -> None:
    door.load(orders(MON, a=3))
    drop = door.store.register_drop(
        "orders", MON, digest="0" * 64, file=f"orders/{MON}.csv.gz", size_bytes=1, marker_stamp="x"
    )
    with pytest.raises(DropRefused, match="content changed after its marker"):
        keep_original(drop, door.staging, door.processing)


def test_a_column_that_the_contract_has_gained_is_added(door: Door, folder: Path, edit: Edit) -> None:
    door.load(orders(MON, a=3))
    edit(
        "contracts/orders.odcs.yaml",
        "customProperties:",
        "      - {name: paid, logicalType: boolean, physicalType: BOOLEAN}\ncustomProperties:",
    )
    door.contract = load_contracts(folder)[0]["orders"]
    door.load(f"{HEADER},paid\n1,{TUE},a,3,true\n", TUE)
    assert door.query("select _partition_key, paid from raw.orders order by 1") == [(MON, None), (TUE, True)]


def test_a_type_that_the_contract_has_changed_is_refused(door: Door, folder: Path, edit: Edit) -> None:
    door.load(orders(MON, a=3))
    edit("contracts/orders.odcs.yaml", "physicalType: INTEGER", "physicalType: VARCHAR")
    door.contract = load_contracts(folder)[0]["orders"]
    with pytest.raises(
        DropRefused, match=r"column `loaves` of raw\.orders is INTEGER, the contract says VARCHAR"
    ):
        door.load(orders(TUE, a=3), TUE)
    assert door.rows() == [(MON, "a", 3)]


@pytest.mark.parametrize("keep", [-4, -8, -40])
def test_a_gzip_cut_at_a_line_end_is_refused(door: Door, keep: int) -> None:
    """The engine takes a file that ends early for a shorter one, above all where a line ends."""
    lines = "".join(f"{n},{MON},s{n},{n}\n" for n in range(1, 200))
    whole = gzip.compress(f"{HEADER}\n{lines}".encode(), mtime=0)
    assert any("cut short" in rule for rule in refused(door, whole[:keep]))


def test_a_damaged_gzip_is_refused(door: Door) -> None:
    damaged = bytearray(gzip.compress(f"{HEADER}\n1,{MON},a,1\n".encode(), mtime=0))
    damaged[-6] ^= 0xFF
    assert any("damaged" in rule for rule in refused(door, bytes(damaged)))


@pytest.mark.parametrize("value", ["1.5", "2.4999", "0.0001", "3000000000"])
def test_a_number_that_an_integer_would_round_or_not_hold_is_refused(door: Door, value: str) -> None:
    found = refused(door, f"{HEADER}\n1,{MON},a,{value}\n")
    assert any("`Loaves (pcs)` does not hold INTEGER" in rule for rule in found)
