"""A relation is its text wherever a text is wanted, and knows its parts wherever those are."""

from __future__ import annotations

import copy
import json
import pickle

import duckdb
import pytest
from sluicegate.compute.select_only import scans
from sluicegate.core.relations import Relation

PARTS = [("raw", "sales"), ("a.b", "c"), ("a", "b.c"), ('say "so"', "x; drop table t"), ("Räume", "0")]


@pytest.mark.parametrize(("schema", "name"), PARTS)
def test_it_is_its_text_and_its_parts(schema: str, name: str) -> None:
    relation = Relation(schema, name)
    assert (relation.parts, relation) == ((schema, name), f"{schema}.{name}")
    assert f"{schema}.{name}" in {relation}
    assert json.loads(json.dumps(relation)) == f"{schema}.{name}"
    for other in (copy.deepcopy(relation), pickle.loads(pickle.dumps(relation))):
        assert (other, other.parts) == (relation, relation.parts)


@pytest.mark.parametrize(("schema", "name"), PARTS)
def test_the_engine_finds_the_table_by_its_parts_whatever_is_in_them(schema: str, name: str) -> None:
    relation = Relation(schema, name)
    [quoted_schema] = [relation.quoted.removesuffix('."' + name.replace('"', '""') + '"')]
    with duckdb.connect() as connection:
        connection.execute(f"create schema if not exists {quoted_schema}")
        connection.execute(f"create table {relation.quoted} as select 1 as one")
        [scan] = scans(connection, f"select one from {relation.quoted}")
        assert (scan.relation, scan.relation.parts) == (relation, (schema, name))
        assert connection.execute("select ? || ''", [relation]).fetchone() == (str(relation),)


@pytest.mark.parametrize("text", ["", "sales", ".sales", "raw.", "a.b.c", "."])
def test_a_text_that_does_not_tell_two_names_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no table; expected a schema and a name"):
        Relation.parse(text)


def test_a_text_of_two_names_is_parsed() -> None:
    assert Relation.parse("marts.sales").parts == ("marts", "sales")
