"""Postgres: columns that take two texts for one, as a key and as any other.

Belongs here: citext, and collations that are not deterministic. Does not: other types (`types`).
"""

import datetime as dt
from importlib import import_module
from typing import Any

import psycopg
import pytest
from sluicegate.destinations.base import DeliveryError, Mode, Receipt, Shard
from sluicegate.destinations.postgres import PostgresDestination

from .journals import MemoryJournal
from .support import DAY, MakeShard, execute, query

pa: Any = import_module("pyarrow")


def deliver(url: str, shard: Shard) -> Receipt:
    return PostgresDestination(url, "items").send(shard, MemoryJournal(shard.rows))


# What the extension citext makes, of parts that every server has: a text that is compared in small letters.
_CITEXT = """
create type citext;
create function citextin(cstring) returns citext language internal immutable strict as 'textin';
create function citextout(citext) returns cstring language internal immutable strict as 'textout';
create type citext (input = citextin, output = citextout, internallength = variable, storage = extended,
    category = 'S', collatable = true);
create cast (citext as text) without function as implicit;
create cast (text as citext) without function as assignment;
create function citext_cmp(citext, citext) returns int language sql immutable strict as
    'select bttextcmp(lower($1::text), lower($2::text))';
"""
_OPERATORS = {"<": "lt", "<=": "le", "=": "eq", ">=": "ge", ">": "gt"}


def make_citext(url: str) -> None:
    """Make the type citext: the extension, or where the server lacks it, a stand-in."""
    try:
        execute(url, "create extension citext")
    except psycopg.errors.FeatureNotSupported:
        execute(url, _CITEXT)
        for sign, name in _OPERATORS.items():
            execute(
                url,
                f"create function citext_{name}(citext, citext) returns boolean language sql immutable strict"
                f" as 'select citext_cmp($1, $2) {sign} 0';"
                f"create operator {sign} (leftarg = citext, rightarg = citext, procedure = citext_{name}"
                f"{', commutator = =, merges' if sign == '=' else ''})",
            )
        listed = ", ".join(f"operator {place} {sign}" for place, sign in enumerate(_OPERATORS, 1))
        execute(
            url,
            f"create operator class citext_ops default for type citext using btree as {listed},"
            " function 1 citext_cmp(citext, citext)",
        )


def make_collation(url: str) -> None:
    """Make a collation that takes capitals for small letters; skip the test where the server cannot."""
    try:
        execute(
            url,
            "create collation folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        )
    except psycopg.errors.FeatureNotSupported as error:
        pytest.skip(f"this server has no such collation: {error}")


@pytest.fixture(params=["citext", 'text collate "folding"'])
def folding(request: pytest.FixtureRequest, database_url: str) -> str:
    """A table whose key takes capitals for small letters."""
    kind: str = request.param
    (make_citext if kind == "citext" else make_collation)(database_url)
    execute(
        database_url,
        f"create table items (item {kind} primary key, business_date date, value {kind},"
        " owner text default 'nobody')",
    )
    return database_url


def test_two_spellings_that_the_table_takes_for_one_are_refused(folding: str, make_shard: MakeShard) -> None:
    day = dt.date.fromisoformat(DAY)

    def shard(*items: str, value: str = "x", **stated: Any) -> Shard:
        columns = {"item": items, "business_date": [day] * len(items), "value": [value] * len(items)}
        return make_shard(pa.table(columns), key=("item",), **stated)

    deliver(folding, shard("Ann"))
    execute(folding, "update items set owner = 'ann'")
    with pytest.raises(DeliveryError, match="'ANN' and 'ann'|'ann' and 'ANN'"):
        deliver(folding, shard("ann", "ANN"))
    # Another spelling is the same row: it is changed, and spelled as it was sent.
    deliver(folding, shard("ANN", value="X"))
    held = "select item::text, value::text, owner from items"
    assert query(folding, held) == [("ANN", "X", "ann")]
    deliver(folding, shard("ANN", "ann", mode=Mode.MIRROR, changes=["removed", "added"]))
    assert query(folding, held) == [("ann", "x", "ann")]


def test_a_key_that_others_refer_to_is_not_spelled_otherwise(folding: str, make_shard: MakeShard) -> None:
    """`on update cascade` would change their rows along."""
    execute(
        folding,
        "create table theirs as select item from items; insert into items (item) values ('Ann');"
        " alter table theirs add constraint of_item foreign key (item) references items on update cascade;"
        " insert into theirs values ('Ann')",
    )
    day = pa.array([dt.date.fromisoformat(DAY)])
    shard = make_shard(pa.table({"item": ["ANN"], "business_date": day}), key=("item",))
    with pytest.raises(DeliveryError, match='"of_item", `on update cascade`'):
        deliver(folding, shard)
    assert query(folding, "select item::text from theirs") == [("Ann",)]
