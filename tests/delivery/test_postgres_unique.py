"""Unique indexes of a table besides the key's: named with their columns and a row, and the key is not blamed.

Belongs here: what is refused with SQLSTATE 23505. Does not: other constraints (`test_postgres_owned`).
"""

import re
from importlib import import_module
from typing import Any

import pytest
from sluicegate.destinations.base import DeliveryError

from .support import NEXT_DAY, MakeShard, execute
from .test_postgres_owned import deliver, emails

pa: Any = import_module("pyarrow")

_OTHERS = {
    "an expression": ("(lower(email))", "stand twice in lower(email), which constraint"),
    "a part of the table": ("(email) where email like '%@x'", "WHERE (email ~~ '%@x'::text), allows once"),
    "another column": ("(email)", 'stand twice in email, which constraint "one_email" allows once'),
}


@pytest.mark.parametrize("index", _OTHERS)
def test_another_unique_index_than_the_keys_is_named_and_never_the_key_blamed(
    database_url: str, make_shard: MakeShard, index: str
) -> None:
    made, words = _OTHERS[index]
    execute(
        database_url,
        "create table items (item int, business_date date, email text, primary key (business_date, item));"
        f"create unique index one_email on items {made};"
        f"insert into items values (9, '{NEXT_DAY}', 'a@x')",
    )
    for addresses in (["b@x", "a@x"], ["c@x", "c@x"]):
        table = emails(item=pa.array([1, 2], pa.int32()), email=pa.array(addresses))
        with pytest.raises(DeliveryError) as caught:
            deliver(database_url, make_shard(table))
        assert words in caught.value.what
        assert "SQLSTATE 23505" in caught.value.what
        assert re.search(r"e\.g\. at business_date = 2022-10-03, item = [12]", caught.value.what)
        assert "partition" not in caught.value.fix
        assert "`key`" not in caught.value.fix


def test_a_unique_index_of_a_table_that_a_trigger_writes_is_named(
    database_url: str, make_shard: MakeShard
) -> None:
    execute(
        database_url,
        "create table items (item int, business_date date, email text, primary key (business_date, item));"
        "create table audit (email text constraint audited_once unique);"
        "create function note() returns trigger language plpgsql as"
        " 'begin insert into audit values (new.email); return new; end';"
        "create trigger note after insert on items for each row execute function note();"
        "insert into audit values ('a@x')",
    )
    table = emails(item=pa.array([1], pa.int32()), email=pa.array(["a@x"]))
    with pytest.raises(DeliveryError) as caught:
        deliver(database_url, make_shard(table))
    assert 'stand twice in email of "public"."audit", which a trigger' in caught.value.what
    assert 'constraint "audited_once" allows once' in caught.value.what
    assert "partition" not in caught.value.fix
