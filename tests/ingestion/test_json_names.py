"""Keys of JSON that rows spell in several ways: no value is lost without a word."""

import json
from pathlib import Path
from typing import Any

import pytest
from sluicegate.operations.mending import export_quarantined, replay

from tests.ingestion.door import DAY, Door, column, contract

ALIAS: dict[str, Any] = {"customProperties": [{"property": "aliases", "value": ["identifier", "key"]}]}


def door(folder: Path, format_: str = "jsonl", id_: dict[str, Any] | None = None, **custom: Any) -> Door:
    return Door(
        folder,
        contract(
            column("id", "BIGINT", **(id_ or {})),
            column("name", "VARCHAR"),
            path="orders/{date}." + format_,
            server={"format": format_},
            quarantineLimit={"rows": 9},
            **custom,
        ),
    )


def written(format_: str, *rows: str) -> str:
    return "\n".join(rows) if format_ == "jsonl" else f"[{','.join(rows)}]"


@pytest.mark.sampled(3)
@pytest.mark.parametrize("format_", ["json", "jsonl"])
@pytest.mark.parametrize("key", ["ID", "Id", " id", "i_d", "Id "])
def test_a_key_that_is_spelled_otherwise_is_no_row_of_nulls(tmp_path: Path, format_: str, key: str) -> None:
    at = door(tmp_path, format_)
    loaded = at.load(written(format_, '{"id":1,"name":"a"}', f'{{"{key}":2,"name":"b"}}', '{"name":"c"}'))
    assert at.rows("id, name") == [(1, "a"), (None, "c")]
    assert at.quarantine("line, column_name, rule, raw") == [
        (2, "id", f"column `id` is called `{key}`; expected `id`", f'{{"id":null,"name":"b","{key}":"2"}}')
    ]
    assert loaded.quarantined == 1


def test_a_new_key_beside_the_one_that_is_meant_is_new(tmp_path: Path) -> None:
    at = door(tmp_path)
    loaded = at.load('{"id":1,"ID":7,"name":"a"}\n{"id":2,"name":"b"}')
    assert at.rows("id, name") == [(1, "a"), (2, "b")]
    assert loaded.warnings == ("column `ID` is not in the contract: left out",)


def test_an_alias_is_read_in_each_row(tmp_path: Path) -> None:
    at = door(tmp_path, id_=ALIAS)
    loaded = at.load(
        '{"key":1,"name":"a"}\n{"identifier":2,"name":"b"}\n{"id":3,"key":3}\n{"id":4,"identifier":5}'
    )
    assert at.rows("id, name") == [(1, "a"), (2, "b"), (3, None)]
    assert loaded.warnings == ()
    said = "column `id` is called `identifier` as well, with another value; expected one of the two"
    assert at.quarantine() == [(4, "id", said)]


def test_a_name_that_is_meant_by_the_contract_is_read_in_each_row(tmp_path: Path) -> None:
    at = door(tmp_path, shapeChanges={"renamedColumn": "ignore"})
    loaded = at.load('{"id":1,"name":"a"}\n{"ID":2,"name":"b"}')
    assert at.rows("id, name") == [(1, "a"), (2, "b")]
    assert loaded.warnings == ("column `id` is called `ID` in some rows: read as the column meant",)


def test_a_name_is_not_shown_where_it_may_be_a_value(tmp_path: Path) -> None:
    at = door(tmp_path, id_={"classification": "personal"}, masking={"personal": "redact"})
    at.load('{"id":1,"name":"a"}\n{"ID":2,"name":"b"}')
    (bad,) = at.quarantine("line, rule, raw")
    assert bad[:2] == (2, "column `id` is called by another name; expected `id`")
    assert "ID" not in bad[2]


def test_files_of_a_drop_may_spell_it_otherwise(tmp_path: Path) -> None:
    said = contract(
        column("id", "BIGINT", **ALIAS),
        path="orders/{date}/*.json",
        server={"format": "json"},
        quarantineLimit={"rows": 9},
    )
    at = Door(tmp_path, said)
    at.load({"1": '[{"id":1}]', "2": '[{"key":2}]', "3": '[{"ID":3}]'})
    assert at.rows("id") == [(1,), (2,)]
    assert at.quarantine("file, line") == [("orders/2024-01-01/3.json", 1)]


def test_a_value_below_another_name_is_mended_below_its_own(tmp_path: Path) -> None:
    at = door(tmp_path)
    at.load('{"id":1,"name":"a"}\n{"ID":2,"name":"b"}')
    file = tmp_path / "fix.csv"
    export_quarantined(at.deployment, at.contract, DAY, file)
    # Nothing is to be mended in it: the value is in its column already.
    replay(at.deployment, at.contract, DAY, file)
    assert (at.load().quarantined, at.rows("id, name")) == (0, [(1, "a"), (2, "b")])


@pytest.mark.sampled(3)
@pytest.mark.parametrize("format_", ["json", "jsonl"])
@pytest.mark.parametrize("policy", [{}, {"newColumn": "add"}, {"renamedColumn": "ignore"}])
@pytest.mark.parametrize("key", ["id\0", "\0id", "i'\0\0d", "\0"])
def test_a_key_may_have_any_character(tmp_path: Path, format_: str, policy: dict[str, str], key: str) -> None:
    at = door(tmp_path, format_, shapeChanges=policy)
    at.load(written(format_, json.dumps({"id": 1, "name": "a", key: 1}), '{"id":2,"name":"b"}'))
    assert at.rows("id, name") == [(1, "a"), (2, "b")]
