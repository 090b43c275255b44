"""Every type that a model may have, at every destination: a value is there exactly, or its row is refused.

What is there is read by another client than ours: psycopg, Python's own readers, or the vendor's double. A
destination may refuse a type as a whole, by the column's name. The first value of a type is an ordinary one,
which arrives wherever the type does.

Does not belong here: the types of tables that are there already, keys.
"""

import base64
import json
import math
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from sluicegate.compute.exact_parquet import exact_rows, write_exact
from sluicegate.compute.sql import quoted
from sluicegate.delivery.reconcile import reconcile
from sluicegate.destinations.base import DeliveryError, Mode, Shard

from tests.doubles.hubspot import Property
from tests.doubles.salesforce_records import Field

from .cases import Case, case_class
from .deliveries import DAY, Sender

HUGE = "170141183460469231731687303715884105727"
# Values are SQL of the engine; null is sent of each type.
TYPES: Mapping[str, tuple[str, ...]] = {
    "BOOLEAN": ("true", "false"),
    "TINYINT": ("-128", "127"),
    "INTEGER": ("-2147483648", "2147483647"),
    "BIGINT": ("7", "9007199254740992", "9007199254740993", "-9223372036854775808"),
    "UBIGINT": ("7", "18446744073709551615"),
    "HUGEINT": ("7", "9007199254740993", "-99999999999999999999999999999999999999", HUGE),
    "DECIMAL(12,2)": ("0.10", "-9999999999.99"),
    "DECIMAL(38,10)": ("0.1", "1234567890123456789012345678.0123456789", "9007199254740993"),
    "FLOAT": ("0.1", "'nan'", "'-inf'"),
    "DOUBLE": ("0.5", "0.1", "5e-324", "1.7976931348623157e308", "'nan'", "'inf'", "'-inf'"),
    "VARCHAR": ("'a'", "''", "'é\U0001f600 \"''\\,;'", "'a' || chr(10) || 'b'", "chr(0)", "'null'", "'#N/A'"),
    "BLOB": ("'ab'", "'\\x00\\xFF'", "''"),
    "UUID[]": ("['ffffffff-ffff-ffff-ffff-ffffffffffff']", "[null]"),
    "UUID": ("'ffffffff-ffff-ffff-ffff-ffffffffffff'",),
    "BIT": ("'0101001'",),
    "ENUM('a', 'it''s')": ("'it''s'",),
    "JSON": ("'{\"a\": [1, null]}'",),
    "BIGNUM": ("'123456789012345678901234567890123456789012345678901234567890'",),
    "DATE": (
        "'2024-02-29'", "'1582-10-14'", "'0001-01-01'", "'9999-12-31'", "'10000-01-01'", "'0044-03-15 (BC)'",
        "'infinity'", "'-infinity'", "'5881580-07-10'",
    ),
    "TIME": ("'12:00:00'", "'00:00:00.000001'", "'23:59:59.999'", "'24:00:00'"),
    "TIMETZ": ("'12:34:56.123456+05:30'",),
    "TIMESTAMP": (
        "'2024-01-01 00:00:01'", "'2024-01-01 00:00:01.000001'", "'9999-12-31 23:59:59'", "'infinity'",
        "'-infinity'", "'0044-03-15 (BC) 12:00:00'", "'294247-01-10 04:00:54.775806'", "'290000-01-01 (BC)'",
    ),
    "TIMESTAMP_S": ("'2024-01-01 00:00:01'",),
    "TIMESTAMP_MS": ("'2024-01-01 00:00:01'", "'2024-01-01 00:00:01.123'"),
    "TIMESTAMP_NS": ("'2024-01-01 00:00:01'", "'2024-01-01 00:00:01.123456789'", "'infinity'"),
    "TIMESTAMPTZ": ("'2024-03-31 02:30:00+02'", "'infinity'", "'-infinity'", "'0044-03-15 (BC) 12:00:00+00'"),
    "INTERVAL": ("'1 month 2 days 00:00:00.000003'", "'-1 day'"),
    "VARCHAR[]": ("['a', 'b']", "[]", "['a', null]", "['']", "['a;b']", "[chr(0)]"),
    "INTEGER[]": ("[1]", "[]", "[1, null]"),
    "DOUBLE[]": ("[0.5]", "['nan']"),
    "DATE[]": ("['2024-02-29']", "['infinity']"),
    "HUGEINT[]": (f"[{HUGE[:38]}]",),
    "STRUCT(a INTEGER, b VARCHAR)": ("{'a': 1, 'b': 'x'}", "{'a': null, 'b': null}", "{'a': 1, 'b': ''}"),
    "STRUCT(a INTEGER[])[]": ("[{'a': [1]}]", "[null, {'a': null}, {'a': []}]"),
    "MAP(VARCHAR, INTEGER)": ("map {'k': 1}", "map {}", "map {'k': null}"),
    "INTEGER[2]": ("[1, null]",),
    "VARIANT": ("5",),
    "UNION(a INTEGER)": ("5",),
}  # fmt: skip
EVERYWHERE = ("BOOLEAN", "INTEGER", "BIGINT", "HUGEINT", "DECIMAL(12,2)", "VARCHAR", "DATE", "TIMESTAMP")
# What would be something else over there, so that it has to be refused.
NO_DAYS = {
    (kind, text) for kind in ("DATE", "TIMESTAMP", "TIMESTAMPTZ") for text in ("'infinity'", "'-infinity'")
}
# Braze drops an event's dates in arrays.
DATES_IN_LISTS = {("DATE[]", "['2024-02-29']")}
WIDE = {("HUGEINT", HUGE)}
OTHER_CENTURIES = {("DATE", "'10000-01-01'"), ("DATE", "'0044-03-15 (BC)'")}
NO_NUMBERS = {("DOUBLE", "'nan'"), ("DOUBLE", "'inf'"), ("FLOAT", "'-inf'")}
SALESFORCE = (
    NO_DAYS
    | NO_NUMBERS
    | WIDE
    | {
        ("VARCHAR", "'#N/A'"),
        ("BIGINT", "9007199254740993"),
        ("TIMESTAMP", "'2024-01-01 00:00:01.000001'"),
        ("DOUBLE", "1.7976931348623157e308"),
    }
)
REFUSED: Mapping[str, set[tuple[str, str]]] = {
    "postgres": WIDE | {("VARCHAR", "chr(0)"), ("TIMESTAMP_NS", "'2024-01-01 00:00:01.123456789'")},
    "webhook": NO_DAYS | OTHER_CENTURIES | {("TIME", "'24:00:00'")},
    "hubspot": WIDE | NO_DAYS | OTHER_CENTURIES | NO_NUMBERS,
    "braze": WIDE | NO_DAYS | OTHER_CENTURIES | NO_NUMBERS | {("DOUBLE[]", "['nan']")},
    "braze_events": WIDE | NO_DAYS | OTHER_CENTURIES | NO_NUMBERS | DATES_IN_LISTS,
    "salesforce": SALESFORCE,
    "salesforce_bulk": SALESFORCE,
    "adx": WIDE | NO_DAYS | OTHER_CENTURIES,
    "parquet": WIDE,
    "csv": WIDE | NO_DAYS | OTHER_CENTURIES | {("VARCHAR", "chr(0)")},
    "json_lines": WIDE | NO_DAYS | OTHER_CENTURIES | NO_NUMBERS | {("DOUBLE[]", "['nan']")},
}
# HubSpot's lists come back as one text; the Kusto double shows no number that is none.
NOT_COMPARED = ("hubspot", "adx")
NUMBERS = ("TINYINT", "INTEGER", "BIGINT", "UBIGINT", "HUGEINT", "DECIMAL", "FLOAT", "DOUBLE")


@dataclass(frozen=True)
class Value:
    """One value, which is the row `item`, in the column `column`; all others are null there."""

    item: int
    column: str
    kind: str
    sql: str


@dataclass
class Wide(Sender):
    """Delivers a row for each value, a column for each type."""

    values: list[Value] = field(default_factory=list[Value])

    def source(self, connection: duckdb.DuckDBPyConnection, rows: Mapping[int, str], day: str) -> str:
        assert rows
        columns = {value.column: value.kind for value in self.values}
        connection.execute("set TimeZone = 'UTC'")
        listed = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
        keys = f"{quoted(self.name('item'))} integer, {quoted(self.name('business_date'))} date"
        connection.execute(f"create table items ({keys}, {listed})")
        for value in self.values:
            keyed = ", ".join(quoted(self.name(name)) for name in ("item", "business_date"))
            connection.execute(
                f"insert into items ({keyed}, {quoted(value.column)})"
                f" select {value.item}, '{day}', cast({value.sql} as {value.kind})"
            )
        return "select * from items"


class Place:
    """A destination, with the fields of every type where it has to know them beforehand."""

    def __init__(self, name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        formats = ("parquet", "csv", "json_lines")
        self.name = name
        self.case: Case = case_class("blob" if name in formats else name)(request, tmp_path)
        self.tmp_path = tmp_path
        if name in formats:
            self.case.options = {"format": name}
        self.folds = self.case.destination_class.capabilities.folds_text
        modes = self.case.destination_class.capabilities.modes
        self.mode = next(m for m in (Mode.UPSERT, Mode.SNAPSHOT, Mode.APPEND) if m in modes)
        for place, kind in enumerate(TYPES):
            double: Any = getattr(self.case, "double", None)
            if name == "hubspot":
                double.properties[self.column(place)] = Property(_property(kind))
            elif name.startswith("salesforce"):
                double.table.fields[self.column(place)] = _field(kind)

    def column(self, place: int) -> str:
        return f"c{place}__c" if self.name.startswith("salesforce") else f"c{place}"

    def takes(self, column: str, kind: str) -> bool:
        """Whether the destination takes the type at all; it names the column if not."""
        key = {self.case.name("item"): "1", self.case.name("business_date"): f"date '{DAY}'"}
        keyed = ", ".join(f"{value} as {quoted(name)}" for name, value in key.items())
        file = self.tmp_path / f"{column}.parquet"
        with duckdb.connect() as connection:
            write_exact(
                connection,
                "select 0::bigint as _row, 'added' as _change, null::varchar[] as _changed_fields,"
                f" 0::ubigint as _row_hash, {keyed}, cast({TYPES[kind][0]} as {kind}) as {quoted(column)}",
                file,
            )
        shard = Shard(
            export="exp_items", partition_key=DAY, delivery_id="probe", path=file, rows=1, key=self.case.key,
            partition_column=self.case.name("business_date"), digest="", mode=self.mode,
            full=self.mode is Mode.SNAPSHOT,
        )  # fmt: skip
        try:
            self.case.destination().check(shard)
        except DeliveryError as error:
            if column not in error.what:
                raise
            return False
        return True

    def held(self) -> dict[int, dict[str, Any]]:
        """What is there, by item."""
        item = self.case.name("item")
        return {int(float(row[item])): row for row in self._rows()}

    def _rows(self) -> list[dict[str, Any]]:
        if self.name == "postgres":
            with psycopg.connect(self.case.url) as connection:
                connection.execute("set time zone 'UTC'")
                columns = connection.execute(
                    "select column_name, data_type from information_schema.columns where table_name = 'items'"
                ).fetchall()
                names = [name for name, _ in columns]
                texts = ", ".join(
                    f"""replace(to_json("{name}")::text, '"NaN"', 'NaN')"""
                    if kind == "ARRAY"
                    else f'"{name}"::text'
                    for name, kind in columns
                )
                rows = connection.execute(f"select {texts} from public.items".encode()).fetchall()
                return [dict(zip(names, row, strict=True)) for row in rows]
        if self.name in ("csv", "json_lines"):
            [file] = [
                path for path in Path(self.case.url).rglob("part-*") if path.suffix in (".csv", ".jsonl")
            ]
            if self.name == "json_lines":
                return [json.loads(line, parse_float=Decimal) for line in file.read_text().splitlines()]
            with duckdb.connect() as connection:
                read = f"read_csv('{file}', all_varchar = true, allow_quoted_nulls = false, header = true)"
                found = connection.execute(f"select * from {read}")
                names = [column[0] for column in found.description]
                return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        if self.name == "parquet":
            [file] = Path(self.case.url).rglob("part-*.parquet")
            with duckdb.connect() as connection:
                connection.execute("set TimeZone = 'UTC'")
                found = connection.execute(
                    f"select item, to_json(columns(* exclude (item)))::varchar from read_parquet('{file}')"
                )
                names = [column[0] for column in found.description]
                return [
                    {
                        name: value if name == "item" or value is None else json.loads(value, parse_float=str)
                        for name, value in zip(names, row, strict=True)
                    }
                    for row in found.fetchall()
                ]
        return self.case.contents()


@pytest.fixture(params=list(REFUSED))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    opened = Place(request.param, request, tmp_path)
    yield opened
    opened.case.close()


@pytest.mark.sampled(6)
def test_every_value_is_there_exactly_or_its_row_is_refused_by_name(place: Place, tmp_path: Path) -> None:
    taken = {kind: place.column(n) for n, kind in enumerate(TYPES) if place.takes(place.column(n), kind)}
    assert set(EVERYWHERE) <= set(taken)
    pairs = [(kind, sql) for kind in taken for sql in (*TYPES[kind], "null")]
    values = [Value(item, taken[kind], kind, sql) for item, (kind, sql) in enumerate(pairs, 1)]
    single = place.case.destination_class.capabilities.keys.single
    names = place.case.names
    sender = Wide(
        tmp_path, place.case.destination(), place.mode, names=names, single_key=single, values=values
    )
    outcome = sender.deliver({1: "all"}, "1")
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        rows = exact_rows(connection, outcome.delivery.shard)
        item = quoted(place.case.name("item"))
        numbers = dict(connection.execute(f"select _row, {item} from {rows}").fetchall())
        ours = {value.item: _ours(connection, value) for value in values}
    refused = {numbers[one.row]: one.said for one in outcome.refused}
    held = place.held()
    assert not held.keys() & refused.keys()
    wrong = [
        (value.kind, value.sql, ours[value.item], held.get(value.item, {}).get(value.column))
        for value in values
        if value.item not in refused and not _same(place, value, ours[value.item], held.get(value.item))
    ]
    assert wrong == []
    unnamed = [
        (v.kind, v.sql, refused[v.item]) for v in values if v.column not in refused.get(v.item, v.column)
    ]
    assert unnamed == []
    of = {(value.kind, value.sql): value.item in refused for value in values}
    assert [pair for pair in REFUSED[place.name] if pair[0] in taken and not of[pair]] == []
    ordinary = {(kind, TYPES[kind][0]) for kind in taken} - REFUSED[place.name]
    assert [pair for pair in [*ordinary, *((kind, "null") for kind in taken)] if of[pair]] == []
    if sender.destination.capabilities.read_back and place.name not in NOT_COMPARED:
        compared = reconcile(sender.engine(), sender.order())
        assert compared is not None
        assert compared.equal, (compared.said, compared.changed, compared.missing_keys)
    sender.store.close()


def _ours(connection: duckdb.DuckDBPyConnection, value: Value) -> Any:
    cast = f"cast({value.sql} as {value.kind})"
    if value.kind == "BLOB":
        form = f"hex({cast})"
    elif value.kind.endswith("]") or value.kind.startswith(("STRUCT", "MAP", "JSON")):
        form = f"to_json({cast})"
    else:
        form = cast
    found = connection.execute(f"select ({form})::varchar").fetchone()
    assert found is not None
    return found[0]


def _same(place: Place, value: Value, ours: Any, row: Mapping[str, Any] | None) -> bool:
    if row is None:
        return False
    theirs = row.get(value.column)
    if ours is None or theirs is None:
        empty = (None, "", "[]") if place.folds else (None,)
        return ours in empty and theirs in (None, "")
    return _meant(place, value.kind, ours) == _meant(place, value.kind, theirs, there=True)


def _meant(place: Place, kind: str, value: Any, *, there: bool = False) -> Any:
    """A value as it is meant, whatever form it has."""
    text = str(value)
    if kind == "BLOB":
        if not there:
            return text.lower()
        if place.name in ("webhook", "json_lines", "csv"):
            return base64.b64decode(text).hex()
        if place.name == "parquet":
            return re.sub(r"\\x(..)|(.)", lambda m: m[1].lower() if m[1] else f"{ord(m[2]):02x}", text)
        return text.removeprefix("\\x").lower()
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "JSON")):
        if place.name == "hubspot" and there and kind.endswith("]"):
            return text.split(";")
        found = json.loads(text) if isinstance(value, str) else value
        return [] if place.name == "hubspot" and found is None else _plain(found)
    if kind == "BOOLEAN":
        return text.lower()
    if kind in ("FLOAT", "DOUBLE"):
        number = float(text)
        if kind == "FLOAT" and math.isfinite(number):
            [number] = struct.unpack("f", struct.pack("f", number))
        return repr(number)
    if kind.startswith(NUMBERS):
        return Decimal(text)
    if kind == "DATE":
        if isinstance(value, datetime):
            text = text[:10]
        return re.sub(r"[ T]00:00:00.*", "", text).replace("(BC)", "BC")
    if kind.startswith("TIME"):
        text = text.replace("T", " ")
        if "BC" in text:
            text = re.sub(r" \(?BC\)?", "", text) + " BC"
        if kind != "TIMETZ":
            text = re.sub(r"Z$|\+00(:?00)?(?=$| )", "", text)
        return re.sub(r"(\.\d*?)0+(?=$| |\+)", r"\1", text).replace(". ", " ").removesuffix(".")
    return text


def _plain(found: Any) -> Any:
    """Nested values with numbers and days as text, however a reader gives them."""
    if isinstance(found, dict):
        return {key: _plain(item) for key, item in found.items()}
    if isinstance(found, (list, tuple)):
        return [_plain(item) for item in found]
    if found is None or isinstance(found, (bool, str)):
        return found
    return str(Decimal(repr(found)) if isinstance(found, float) and math.isfinite(found) else found)


def _property(kind: str) -> str:
    if kind.endswith("]"):
        return "enumeration"
    if kind.startswith(NUMBERS):
        return "number"
    if kind.startswith("TIMESTAMP"):
        return "datetime"
    return {"BOOLEAN": "bool", "DATE": "date"}.get(kind, "string")


def _field(kind: str) -> Field:
    if kind.startswith(NUMBERS):
        return Field(
            "double", precision=18, scale=10 if kind.startswith(("DECIMAL", "FLOAT", "DOUBLE")) else 0
        )
    if kind.startswith("TIMESTAMP"):
        return Field("datetime")
    return Field({"BOOLEAN": "boolean", "DATE": "date", "TIME": "time"}.get(kind, "string"))
