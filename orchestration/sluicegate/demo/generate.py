"""Made-up feeds in the shape in which the demo company's providers publish theirs.

Belongs here: the shape (file names, headers, number formats, the dirt that is normal) and a small
simulation that fills it. Does not: the faults (faults.py), landing files, or any rule of the
business; those are in the contracts and in dbt.

The same arguments give the same bytes. A fault changes its own file and no other, since it is put
in after the simulation. Everything random comes from `random.Random.random()`, the one method
whose sequence Python promises to keep.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import TypeVar

from sluicegate.core.progress import step
from sluicegate.demo.faults import (
    SNAPSHOT_FEEDS,
    TRUNCATED,
    YESTERDAY_AGAIN,
    Fault,
    Row,
    Table,
    with_faults,
)

STORES_HEADER: Row = (
    "Store", "Report Date", "Name", "Store Status", "Address", "State", "Zip Code",
    "latitude", "longitude", "City",
)  # fmt: skip
# What the marketplace's own account team adds to the state's list: the state publishes no people.
CONTACTS_HEADER: Row = ("Contact Name", "Contact E-Mail", "Licensee")
PRODUCTS_HEADER: Row = (
    "Item Number", "Category Name", "Item Description", "Vendor", "Vendor Name",
    "Bottle Volume (ml)", "Pack", "Inner Pack", "Age", "Proof", "List Date", "UPC", "SCC",
    "State Bottle Cost", "State Case Cost", "State Bottle Retail", "Report Date",
)  # fmt: skip
SALES_HEADER: Row = (
    "Invoice/Item Number", "Date", "Store Number", "Item Number", "Bottles Sold", "Sale (Dollars)",
)  # fmt: skip
INVENTORY_HEADER: Row = ("Date", "Store Number", "Item Number", "Remaining Quantity")

SEASONAL = "TEMPORARY & SPECIALTY PACKAGES"
_CATEGORIES = (
    "AMERICAN VODKAS", "CANADIAN WHISKIES", "SPICED RUM", "STRAIGHT BOURBON WHISKIES",
    "WHISKEY LIQUEUR", "100% AGAVE TEQUILA", "IMPORTED VODKAS", "AMERICAN FLAVORED VODKA",
    "IMPORTED BRANDIES", "SCOTCH WHISKIES", "CREAM LIQUEURS", "COCKTAILS/RTD",
)  # fmt: skip
_BRANDS = (
    "HAWK RIDGE", "OLD FERRY", "BLUE HERON", "PRAIRIE STAR", "SEVEN ELMS", "IRON BRIDGE",
    "LANTERN BAY", "COPPER FOX", "QUARRY LANE", "NORTH FORK", "WILD PLUM", "GREY TERN",
)  # fmt: skip
# Doubled spaces and a comma, as published: both are normal and must be survived.
_VENDORS = (
    "HAWK RIDGE DISTILLING  INC", "FERRY BROTHERS", "HERON SPIRITS  COMPANY INC",
    "PRAIRIE STAR, LTD", "ELMS & SONS  LLC", "IRON BRIDGE BRANDS", "BAY IMPORTS",
    "COPPER FOX USA  INC",
)  # fmt: skip
_CITIES = (
    ("RIVERBEND", 41.98, -91.67), ("OAK FALLS", 41.52, -90.58), ("CAPITAL GROVE", 41.59, -93.62),
    ("COLLEGE HILL", 41.66, -91.53), ("LAKE ST. CLAIRE", 42.50, -92.34),
)  # fmt: skip
_GIVEN = ("ALEX", "KIM", "ROBIN", "SASHA", "TONI", "JO")
_FAMILY = ("ALDER", "BIRCH", "CEDAR", "HAZEL", "MAPLE", "ROWAN", "WILLOW")
_STREETS = ("MAIN STREET", "1ST AVE", "HIGHWAY 6  EAST", "MILL ROAD", "UNIVERSITY AVE")
_VOLUMES = (750, 750, 750, 1000, 1750, 375, 200)

_FIRST_STORE = 20001
_FIRST_ITEM = 10001
_MOST_STORES = 2500
_MOST_PRODUCTS = 9000
_SUNDAY = 6

_T = TypeVar("_T")


@dataclass(frozen=True)
class _Store:
    number: str
    city: int
    active: bool
    order_weekday: int
    row: Row


@dataclass(frozen=True)
class _Product:
    number: str
    retail_cents: int
    pack: int
    appeal: tuple[float, ...]
    """Bottles a store sells a day, by city."""
    row: Row


@dataclass
class _Shelf:
    """One item in one store."""

    store: _Store
    product: _Product
    stock: float = 0.0
    bought: int = 0
    """Bottles of the latest order, which a return may take back a part of."""


def generate_feed(
    directory: Path,
    *,
    start: date,
    days: int,
    stores: int,
    products: int,
    seed: int,
    faults: Sequence[Fault] = (),
    contacts: bool = False,
) -> list[Path]:
    """Write `days` days from `start`, and the two snapshots; the paths come back in order.

    `sales/{date}.csv.gz` (none on a Sunday, when nothing is sold), `inventory/{date}.csv.gz`,
    `stores.csv.gz` and `products.csv.gz`, gzip CSV. With `contacts` the stores have the made-up people who
    answer for them, too; then what takes them in needs a key to mask by.
    """
    for name, value, most in (
        ("days", days, 3650),
        ("stores", stores, _MOST_STORES),
        ("products", products, _MOST_PRODUCTS),
    ):
        if not 1 <= value <= most:
            raise ValueError(f"{name} is {value}: expected 1 to {most}")
    calendar = [start + timedelta(days=offset) for offset in range(days)]
    _check_days(faults, calendar)

    everyone = _make_stores(stores, calendar[-1], _random(seed, "stores"))
    catalogue = _make_products(products, start, calendar[-1], _random(seed, "products"))
    listed = Table("stores", STORES_HEADER, [store.row for store in everyone])
    written = [
        _write(
            directory / f"{table.feed}.csv.gz",
            table,
            None,
            [fault for fault in faults if fault.feed == table.feed],
        )
        for table in (
            _with_contacts(listed, _random(seed, "contacts")) if contacts else listed,
            Table("products", PRODUCTS_HEADER, [product.row for product in catalogue]),
        )
    ]
    yesterday: dict[str, Table] = {}
    with step("writing", len(calendar), "days") as under_way:
        for day, tables in _simulate(everyone, catalogue, calendar, seed):
            for table in tables:
                own = [fault for fault in faults if (fault.feed, fault.day) == (table.feed, day)]
                path = directory / table.feed / f"{day.isoformat()}.csv.gz"
                written.append(_write(path, table, yesterday.get(table.feed), own))
                yesterday[table.feed] = table
            under_way.add()
    return written


def _check_days(faults: Sequence[Fault], calendar: Sequence[date]) -> None:
    for fault in faults:
        if fault.feed in SNAPSHOT_FEEDS:
            continue
        allowed = [day for day in calendar if fault.feed != "sales" or _has_sales(day)]
        if fault.kind == YESTERDAY_AGAIN:
            allowed = allowed[1:]  # There is nothing to send again on the first day.
        if fault.day not in allowed:
            raise ValueError(
                f"no '{fault.feed}' for '{fault.kind}' on {fault.day}: expected one of "
                f"{', '.join(day.isoformat() for day in allowed) or 'no day at all'}"
            )


def _has_sales(day: date) -> bool:
    return day.weekday() != _SUNDAY


def _random(seed: int, purpose: str) -> Random:
    # One sequence a purpose: more stores do not change the products. Nothing here is a secret.
    return Random(f"{seed}/{purpose}")  # noqa: S311


def _pick(random: Random, values: Sequence[_T]) -> _T:
    return values[int(random.random() * len(values))]


def _make_stores(count: int, report_date: date, random: Random) -> list[_Store]:
    made: list[_Store] = []
    for index in range(count):
        number = str(_FIRST_STORE + index)
        city_index = index % len(_CITIES)
        city, latitude, longitude = _CITIES[city_index]
        # The first stores are sound in every respect, so that the smallest feed has some.
        active = index < 3 or random.random() >= 0.08
        has_coordinates = index < 3 or random.random() >= 0.05
        row = (
            number,
            report_date.isoformat(),
            f"{_pick(random, _BRANDS)} MARKET #{index + 1} / {city}",
            "A" if active else "I",
            f"{1 + int(random.random() * 999)} {_pick(random, _STREETS)}",
            "IA",
            "" if random.random() < 0.002 else f"5{city_index}{int(random.random() * 1000):03d}",
            f"{latitude + (random.random() - 0.5) / 10:.6f}" if has_coordinates else "",
            f"{longitude + (random.random() - 0.5) / 10:.6f}" if has_coordinates else "",
            city,
        )
        made.append(_Store(number, city_index, active, int(random.random() * 6), row))
    return made


def _with_contacts(stores: Table, random: Random) -> Table:
    """A store in ten has no contact; some licensees have several stores."""
    people = [f"{given} {family}" for given in _GIVEN for family in _FAMILY]
    rows: list[Row] = []
    for index, row in enumerate(stores.rows):
        name = _pick(random, people) if index < 3 or random.random() >= 0.1 else ""
        address = f"{name.lower().replace(' ', '.')}.{row[0]}@stores.example" if name else ""
        rows.append((*row, name, address, f"LIC-{1000 + int(random.random() * len(stores.rows))}"))
    return Table(stores.feed, (*stores.header, *CONTACTS_HEADER), rows)


def _make_products(count: int, start: date, report_date: date, random: Random) -> list[_Product]:
    made: list[_Product] = []
    upc = ""
    for index in range(count):
        number = str(_FIRST_ITEM + index)
        seasonal = index % 10 == 4
        miniature = index % 14 == 6
        volume = 50 if miniature else _pick(random, _VOLUMES)
        if index % 1000 == 500:
            volume = 0
        vendor = int(random.random() * len(_VENDORS))
        # Seasons: some over, most running, some not begun.
        age_days = int(random.random() * 500) - 30 if seasonal else int(random.random() * 9000)
        cost = 90 + int(random.random() * 3000) * max(volume, 50) // 750
        pack = _pick(random, (6, 12, 12, 24)) if volume < 1500 else 6
        retail = (cost * 3 + 1) // 2
        if index % 40 != 39:  # Every fortieth shares the bar code of the one before it.
            upc = "" if random.random() < 0.002 else f"{80_000_000_000 + index * 7919:011d}"
        row = (
            number,
            SEASONAL if seasonal else _pick(random, _CATEGORIES),
            f"{_pick(random, _BRANDS)} {'GIFT SET' if seasonal else 'RESERVE'} {index + 1}",
            f"{33 + vendor * 97:03d}",
            _VENDORS[vendor],
            str(volume),
            str(pack),
            "1",
            str(int(random.random() * 12)) if index % 8 == 0 else "0",
            str(60 + int(random.random() * 40)),
            (start - timedelta(days=age_days)).isoformat(),
            upc,
            f"{10_000_000_000_000 + (index // 2) * 104_729}",
            _dollars(cost),
            _dollars(cost * pack),
            _dollars(retail),
            report_date.isoformat(),
        )
        # A few items sell very well and most hardly; each city has its own taste.
        base = 3.0 / (1 + index % 97) ** 0.7
        appeal = tuple(base * (0.4 + 1.2 * random.random()) for _ in _CITIES)
        made.append(_Product(number, retail, pack, appeal, row))
    return made


def _simulate(
    stores: Sequence[_Store], products: Sequence[_Product], calendar: Sequence[date], seed: int
) -> Iterator[tuple[date, list[Table]]]:
    """Stock wears off a little every day; once a week a store orders what runs low."""
    shelves = _stock_shelves(stores, products, _random(seed, "shelves"))
    for day in calendar:
        random = _random(seed, day.isoformat())
        tables: list[Table] = []
        if _has_sales(day):
            lines = _order(shelves, day, day == calendar[0], len(stores), random)
            tables.append(Table("sales", SALES_HEADER, lines))
        day_text = day.isoformat()
        counts: list[Row] = []
        for shelf in (shelf for store_shelves in shelves for shelf in store_shelves):
            sold = shelf.product.appeal[shelf.store.city] * 2 * random.random()
            shelf.stock = max(0.0, shelf.stock - sold)
            counts.append((day_text, shelf.store.number, shelf.product.number, str(int(shelf.stock))))
        tables.append(Table("inventory", INVENTORY_HEADER, counts))
        yield day, tables


def _stock_shelves(
    stores: Sequence[_Store], products: Sequence[_Product], random: Random
) -> list[list[_Shelf]]:
    shelves: list[list[_Shelf]] = []
    for store in stores:
        size = 0.1 + 0.5 * random.random()
        own = [
            _Shelf(store, product, stock=float(int(random.random() * 8)))
            for product in products
            if random.random() < size * min(1.0, 0.3 + product.appeal[store.city])
        ]
        # A store that carried nothing at all would never report.
        shelves.append(own or [_Shelf(store, products[0], stock=1.0)])
    return shelves


def _order(
    shelves: Sequence[Sequence[_Shelf]],
    day: date,
    first_day: bool,
    number_of_stores: int,
    random: Random,
) -> list[Row]:
    """The invoice lines of a day. On the first day every store orders, so that there are some."""
    lines: list[Row] = []
    # Seven digits for the invoice and four for the line, unique over some eleven years.
    first_invoice = (day.toordinal() % 4000) * number_of_stores
    for index, own in enumerate(shelves):
        store = own[0].store
        if not (store.active and (first_day or store.order_weekday == day.weekday())):
            continue
        for line, shelf in enumerate(own, start=1):
            if shelf.stock >= 4:
                continue
            number = f"{first_invoice + index:07d}{line:04d}"
            # A store sends a part of its latest order back now and then.
            if shelf.bought and random.random() < 0.02:
                lines.append(_line(f"RINV-{number}", day, shelf, -max(1, shelf.bought // 2)))
                shelf.bought = 0
            else:
                lines.append(_buy(f"INV-{number}", day, shelf))
    if not lines:
        # A weekday always has a file, however few the stores; the first store is always active.
        lines.append(_buy(f"INV-{first_invoice:07d}0001", day, shelves[0][0]))
    return lines


def _buy(number: str, day: date, shelf: _Shelf) -> Row:
    """Whole cases, for about a week."""
    weekly = shelf.product.appeal[shelf.store.city] * 7
    shelf.bought = shelf.product.pack * max(1, round(weekly / shelf.product.pack))
    shelf.stock += shelf.bought
    return _line(number, day, shelf, shelf.bought)


def _line(number: str, day: date, shelf: _Shelf, bottles: int) -> Row:
    return (
        number,
        day.isoformat(),
        shelf.store.number,
        shelf.product.number,
        str(bottles),
        _dollars(bottles * shelf.product.retail_cents),
    )


def _dollars(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def _write(path: Path, table: Table, yesterday: Table | None, faults: Sequence[Fault]) -> Path:
    table = with_faults(table, yesterday, faults)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.header)
    writer.writerows(table.rows)
    # No file name and no time in the header of the archive: the same rows are the same bytes.
    content = gzip.compress(text.getvalue().encode(), compresslevel=4, mtime=0)
    if any(fault.kind == TRUNCATED for fault in faults):
        content = content[: len(content) * 2 // 3]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
