"""The generator: same arguments, same bytes; a fault changes its own file and no other."""

from __future__ import annotations

import csv
import gzip
import io
import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from sluicegate.demo.faults import Fault
from sluicegate.demo.generate import generate_feed

START = date(2022, 9, 30)  # A Friday, so that the days run over a Sunday.
BROKEN = "2022-10-03"
DAYS = [START + timedelta(days=offset) for offset in range(5)]


def generate(
    directory: Path, *faults: str, seed: int = 7, days: int = len(DAYS), contacts: bool = False
) -> list[Path]:
    return generate_feed(
        directory,
        start=START,
        days=days,
        stores=30,
        products=120,
        seed=seed,
        faults=[Fault.parse(text) for text in faults],
        contacts=contacts,
    )


def content(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode())))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sound")
    generate(directory)
    return directory


def test_same_arguments_give_same_bytes(sound: Path, tmp_path: Path) -> None:
    written = generate(tmp_path)
    assert content(tmp_path) == content(sound)
    assert sorted(written) == sorted(path for path in tmp_path.rglob("*") if path.is_file())


def test_another_seed_gives_other_facts(sound: Path, tmp_path: Path) -> None:
    generate(tmp_path, seed=8)
    assert content(tmp_path).keys() == content(sound).keys()
    assert all(content(tmp_path)[name] != found for name, found in content(sound).items())


def test_more_days_do_not_change_the_days_before(sound: Path, tmp_path: Path) -> None:
    generate(tmp_path, days=len(DAYS) + 2)
    longer = content(tmp_path)
    daily = {name: found for name, found in content(sound).items() if "/" in name}
    assert {name: longer[name] for name in daily} == daily
    assert len(longer) > len(content(sound))


def test_files_and_headers_are_as_published(sound: Path) -> None:
    days = [day.isoformat() for day in DAYS]
    expected = [f"inventory/{day}.csv.gz" for day in days]
    expected += [f"sales/{day}.csv.gz" for day in days if day != "2022-10-02"]  # A Sunday.
    assert sorted(content(sound)) == sorted([*expected, "products.csv.gz", "stores.csv.gz"])
    assert list(rows(sound / "stores.csv.gz")[0]) == [
        "Store", "Report Date", "Name", "Store Status", "Address", "State", "Zip Code",
        "latitude", "longitude", "City",
    ]  # fmt: skip
    assert list(rows(sound / "products.csv.gz")[0]) == [
        "Item Number", "Category Name", "Item Description", "Vendor", "Vendor Name",
        "Bottle Volume (ml)", "Pack", "Inner Pack", "Age", "Proof", "List Date", "UPC", "SCC",
        "State Bottle Cost", "State Case Cost", "State Bottle Retail", "Report Date",
    ]  # fmt: skip
    assert list(rows(sound / "sales" / f"{BROKEN}.csv.gz")[0]) == [
        "Invoice/Item Number", "Date", "Store Number", "Item Number", "Bottles Sold",
        "Sale (Dollars)",
    ]  # fmt: skip
    assert list(rows(sound / "inventory" / f"{BROKEN}.csv.gz")[0]) == [
        "Date", "Store Number", "Item Number", "Remaining Quantity",
    ]  # fmt: skip


def test_people_are_added_and_change_nothing_else(sound: Path, tmp_path: Path) -> None:
    for folder in (tmp_path / "a", tmp_path / "b"):
        generate(folder, contacts=True)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    with_people, without = rows(tmp_path / "a" / "stores.csv.gz"), rows(sound / "stores.csv.gz")
    added = ["Contact Name", "Contact E-Mail", "Licensee"]
    assert list(with_people[0]) == [*without[0], *added]
    assert [{name: row[name] for name in without[0]} for row in with_people] == without
    assert all(
        row["Contact E-Mail"].endswith("@stores.example") for row in with_people if row["Contact Name"]
    )
    others = {name: found for name, found in content(sound).items() if name != "stores.csv.gz"}
    assert {name: content(tmp_path / "a")[name] for name in others} == others


def test_the_dirt_that_is_normal_is_in_it(tmp_path: Path) -> None:
    generate_feed(tmp_path, start=START, days=21, stores=100, products=300, seed=1)
    stores, products = rows(tmp_path / "stores.csv.gz"), rows(tmp_path / "products.csv.gz")
    sales = [row for path in sorted((tmp_path / "sales").iterdir()) for row in rows(path)]
    returns = [row for row in sales if row["Invoice/Item Number"].startswith("RINV-")]
    assert returns
    assert all(int(row["Bottles Sold"]) < 0 for row in returns)
    assert all(float(row["Sale (Dollars)"]) < 0 for row in returns)
    assert all(int(row["Bottles Sold"]) > 0 for row in sales if row not in returns)
    assert {row["Store Status"] for row in stores} == {"A", "I"}
    assert any(row["latitude"] == "" == row["longitude"] for row in stores)
    assert len({row["City"] for row in stores}) > 3
    assert any("  " in row["Vendor Name"] for row in products)
    assert any("," in row["Vendor Name"] for row in products)
    assert any(row["Bottle Volume (ml)"] == "50" for row in products)
    assert any(row["Category Name"] == "TEMPORARY & SPECIALTY PACKAGES" for row in products)
    codes = [row["UPC"] for row in products if row["UPC"]]
    assert len(set(codes)) < len(codes)


def test_keys_are_unique_and_refer_to_what_there_is(sound: Path) -> None:
    stores = {row["Store"] for row in rows(sound / "stores.csv.gz")}
    products = {row["Item Number"] for row in rows(sound / "products.csv.gz")}
    assert (len(stores), len(products)) == (30, 120)
    numbers: list[str] = []
    for path in sorted((sound / "sales").iterdir()):
        for row in rows(path):
            numbers.append(row["Invoice/Item Number"])
            assert f"{row['Date']}.csv.gz" == path.name
            assert row["Store Number"] in stores
            assert row["Item Number"] in products
    assert len(set(numbers)) == len(numbers)
    assert all(re.fullmatch(r"R?INV-[0-9]{11}", number) for number in numbers)
    counts = rows(sound / "inventory" / f"{BROKEN}.csv.gz")
    assert len({(row["Store Number"], row["Item Number"]) for row in counts}) == len(counts)
    assert min(int(row["Remaining Quantity"]) for row in counts) == 0


@pytest.mark.parametrize("stores", [1, 2])
@pytest.mark.parametrize("seed", range(5))
def test_every_weekday_has_sales_however_small(tmp_path: Path, stores: int, seed: int) -> None:
    generate_feed(tmp_path, start=START, days=14, stores=stores, products=1, seed=seed)
    assert len(list((tmp_path / "sales").iterdir())) == 12
    assert all(rows(path) for path in (tmp_path / "sales").iterdir())


FAULTS = [
    f"{feed}:{BROKEN}:{kind}"
    for feed in ("sales", "inventory")
    for kind in (
        "negative-quantities", "missing-stores", "renamed-column", "duplicate-rows", "wrong-date",
        "text-in-number", "ten-times", "yesterday-again", "truncated",
    )
] + [
    f"{feed}:snapshot:{kind}"
    for feed in ("stores", "products")
    for kind in ("renamed-column", "duplicate-rows", "text-in-number", "truncated")
]  # fmt: skip


@pytest.mark.parametrize("fault", [*FAULTS, "stores:snapshot:missing-stores"])
def test_a_fault_changes_its_own_file_and_no_other(sound: Path, tmp_path: Path, fault: str) -> None:
    generate(tmp_path, fault)
    before, after = content(sound), content(tmp_path)
    feed, day, _ = fault.split(":")
    own = f"{feed}.csv.gz" if day == "snapshot" else f"{feed}/{day}.csv.gz"
    assert {name for name in before if before[name] != after[name]} == {own}
    assert before.keys() == after.keys()


def faulty(tmp_path: Path, *kinds: str) -> list[dict[str, str]]:
    generate(tmp_path, *(f"inventory:{BROKEN}:{kind}" for kind in kinds))
    return rows(tmp_path / "inventory" / f"{BROKEN}.csv.gz")


def test_what_each_fault_does(sound: Path, tmp_path: Path) -> None:
    good = rows(sound / "inventory" / f"{BROKEN}.csv.gz")
    quantities = [int(row["Remaining Quantity"]) for row in good]
    stores = {row["Store Number"] for row in good}

    negative = faulty(tmp_path / "1", "negative-quantities")
    assert [int(row["Remaining Quantity"]) for row in negative] == [-value for value in quantities]
    missing = faulty(tmp_path / "2", "missing-stores")
    assert len({row["Store Number"] for row in missing}) == len(stores) - len(stores) // 3
    assert "Remaining Quantity (new)" in faulty(tmp_path / "3", "renamed-column")[0]
    twice = faulty(tmp_path / "4", "duplicate-rows")
    assert len(twice) == len(good) + (len(good) + 9) // 10
    assert {row["Date"] for row in faulty(tmp_path / "5", "wrong-date")} == {BROKEN, "2022-10-02"}
    texts = faulty(tmp_path / "6", "text-in-number")
    assert any(row["Remaining Quantity"] == "n/a" for row in texts)
    tenfold = faulty(tmp_path / "7", "ten-times")
    assert [int(row["Remaining Quantity"]) for row in tenfold] == [10 * n for n in quantities]
    yesterday = rows(sound / "inventory" / "2022-10-02.csv.gz")
    assert faulty(tmp_path / "8", "yesterday-again") == yesterday
    with pytest.raises(EOFError):
        faulty(tmp_path / "9", "truncated")


def test_faults_of_one_file_add_up(sound: Path, tmp_path: Path) -> None:
    good = rows(sound / "inventory" / f"{BROKEN}.csv.gz")
    bad = faulty(tmp_path, "negative-quantities", "missing-stores")
    assert len(bad) < len(good)
    assert max(int(row["Remaining Quantity"]) for row in bad) == 0


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("inventory:2022-10-03", "FEED:DAY:FAULT"),
        ("stock:2022-10-03:truncated", "sales, inventory, stores, products"),
        ("inventory:tomorrow:truncated", "YYYY-MM-DD"),
        ("inventory:snapshot:truncated", "YYYY-MM-DD"),
        ("stores:2022-10-03:truncated", "'snapshot'"),
        ("inventory:2022-10-03:locusts", "negative-quantities, missing-stores"),
        ("stores:snapshot:ten-times", "renamed-column"),
    ],
)
def test_an_unknown_fault_says_what_is_allowed(text: str, names: str) -> None:
    with pytest.raises(ValueError, match=re.escape(names)):
        Fault.parse(text)


@pytest.mark.parametrize(
    ("fault", "names"),
    [
        ("inventory:2022-12-24:truncated", "2022-09-30, 2022-10-01"),
        ("sales:2022-10-02:truncated", "2022-10-01, 2022-10-03"),
        ("sales:2022-09-30:yesterday-again", "one of 2022-10-01, 2022-10-03"),
    ],
)
def test_a_fault_on_a_day_without_a_file_says_which_days_there_are(
    tmp_path: Path, fault: str, names: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(names)):
        generate(tmp_path, fault)
    assert content(tmp_path) == {}


@pytest.mark.parametrize("name", ["days", "stores", "products"])
@pytest.mark.parametrize("value", [0, 1_000_000])
def test_impossible_sizes_are_refused(tmp_path: Path, name: str, value: int) -> None:
    sizes = {"days": 1, "stores": 1, "products": 1, name: value}
    with pytest.raises(ValueError, match=f"{name} is {value}: expected 1 to"):
        generate_feed(
            tmp_path,
            start=START,
            days=sizes["days"],
            stores=sizes["stores"],
            products=sizes["products"],
            seed=1,
        )
    assert content(tmp_path) == {}
