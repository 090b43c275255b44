"""Personal values: what becomes of them, and that they stand nowhere but in the locked originals."""

import hashlib
import hmac
import json
import os
from pathlib import Path
from typing import Any

import pytest
from sluicegate.ingestion.masking import MaskingKeyMissing
from sluicegate.ingestion.refusal import DropRefused

from tests.ingestion.door import DAY, Door, column, contract

KEY = "a key for these tests alone"
SECRETS = ("anna@example.com", "Anna Schmidt", "DE89370400440532013000", "+49 170 1234567")
HEADER = "id,email,name,iban,phone,town"
ROW = ",".join(["1", *SECRETS, "Ulm"])


def customers(**custom: Any) -> dict[str, Any]:
    masking = {"email": "hash", "name": "redact", "bank": "drop"}
    return contract(
        column("id", "INTEGER", required=True),
        column("email", "VARCHAR", classification="email", logicalTypeOptions={"pattern": "@"}),
        column("name", "VARCHAR", classification="name"),
        column("iban", "VARCHAR", classification="bank"),
        column("phone", "VARCHAR", classification="phone"),
        column("town", "VARCHAR", classification="public"),
        path="orders/{date}.csv",
        **{"masking": {**masking, "phone": "keep"}, **custom},
    )


def door(folder: Path, said: dict[str, Any] | None = None, key: str | None = KEY) -> Door:
    return Door(folder, said or customers(), {"SLUICE_MASKING_KEY": key} if key else {})


def test_each_classification_is_treated_as_the_contract_says(tmp_path: Path) -> None:
    at = door(tmp_path)
    at.load(f"{HEADER}\n{ROW}\n2,,,,,Bonn\n")
    hashed = hmac.new(KEY.encode(), SECRETS[0].encode(), hashlib.sha256).hexdigest()
    assert at.query("select * exclude (_partition_key, _drop) from raw.orders order by id") == [
        (1, hashed, "***", SECRETS[3], "Ulm"),
        (2, None, None, None, "Bonn"),
    ]


def test_equal_values_stay_equal_so_that_joins_still_work(tmp_path: Path) -> None:
    at = door(tmp_path)
    at.load(f"{HEADER}\n{ROW}\n2,anna@example.com,,,,Bonn\n3,otto@example.com,,,,Bonn\n")
    assert at.query("select count(distinct email), count(email) from raw.orders") == [(2, 3)]


def test_without_a_key_nothing_is_loaded_and_the_error_says_what_to_set(tmp_path: Path) -> None:
    at = door(tmp_path, key=None)
    with pytest.raises(MaskingKeyMissing, match="columns email .*no key.*SLUICE_MASKING_KEY"):
        at.load(f"{HEADER}\n{ROW}\n")
    assert at.query("select count(*) from information_schema.tables where table_schema = 'raw'") == [(0,)]


def test_of_a_column_that_no_file_has_nothing_is_hashed_and_no_key_is_needed(tmp_path: Path) -> None:
    at = door(tmp_path, customers(shapeChanges={"lostColumn": "add"}), key=None)
    names = HEADER.split(",")
    place = names.index("email")
    rows = [
        ",".join(part for at_, part in enumerate(line.split(",")) if at_ != place) for line in (HEADER, ROW)
    ]
    at.load("\n".join([*rows, ""]))
    assert at.query("select email, town from raw.orders") == [(None, "Ulm")]


def test_another_key_is_another_version(tmp_path: Path) -> None:
    first = door(tmp_path).load(f"{HEADER}\n{ROW}\n").version
    at = door(tmp_path, key=KEY + "!")
    assert at.load().version != first
    assert at.load().version == at.load().version


BAD_ROWS = (
    f"x{ROW}\n",  # the id is no number: the row's text is kept
    f"{ROW},too many\n",  # cannot be split: nobody can tell which part is what
    "2,not an address,Anna Schmidt,DE89370400440532013000,+49 170 1234567,Ulm\n",
)


@pytest.mark.parametrize("limit", [{"rows": 10}, None], ids=["quarantined", "refused"])
def test_a_personal_value_stands_nowhere_but_in_the_originals(
    tmp_path: Path, limit: dict[str, int] | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Every byte of every file of the deployment is looked through, the engine's own and the log."""
    at = door(tmp_path, customers(quarantineLimit=limit))
    said = ""
    try:
        at.load(f"{HEADER}\n{ROW.replace(SECRETS[3], '')}\n{''.join(BAD_ROWS)}")
    except DropRefused as refused:
        said = str(refused)
    at.deployment.store.close()
    assert bool(said) == (limit is None)
    kept = {path for path in at.deployment.settings.data_dir.rglob("*") if path.is_file()}
    outside = [
        path for path in kept
        if not {"originals", "staging"} & set(path.relative_to(at.deployment.settings.data_dir).parts)
    ]  # fmt: skip
    assert len(outside) >= 2
    texts = {str(path): path.read_bytes() for path in outside} | {
        "error": said.encode(), "log": caplog.text.encode(),
    }  # fmt: skip
    for secret in (*SECRETS, KEY):
        for place, text in texts.items():
            assert secret.encode() not in text, f"{secret} stands in {place}"
    assert at.quarantine("line, rule") == [
        (3, "column `id` does not hold INTEGER"),
        (4, "too many columns"),
        (5, "column `email` does not match @"),
    ]
    assert all(SECRETS[1] not in str(row) for row in at.quarantine("raw"))


def test_a_classification_without_a_treatment_does_not_load(tmp_path: Path) -> None:
    said = customers(masking={"email": "hash", "name": "redact", "bank": "drop"})
    with pytest.raises(AssertionError, match="nothing says what becomes of values classified `phone`"):
        _ = door(tmp_path, said).contract


def test_originals_are_what_came_in(tmp_path: Path) -> None:
    at = door(tmp_path)
    at.load(f"{HEADER}\n{ROW}\n")
    [kept] = at.deployment.originals.listing("orders/**")
    assert f"{DAY}.csv" in kept.path
    assert b"".join(at.deployment.originals.chunks(kept.path)).decode() == f"{HEADER}\n{ROW}\n"
    assert os.path.isdir(at.deployment.settings.data_dir / "originals")


# A row whose fields are shifted, cut short, or right but for one: {what: (the row, its column and rule)}
SHIFTED = {
    "by one to the right": (
        f"{SECRETS[1]},1,{SECRETS[0]},{SECRETS[1]},{SECRETS[2]},{SECRETS[3]}",
        "column `id` does not hold INTEGER",
    ),
    "by one to the left": (
        f"{','.join(SECRETS)},Ulm,",
        "column `id` does not hold INTEGER",
    ),
    "two columns exchanged": (
        f"1,{SECRETS[1]},{SECRETS[0]},{SECRETS[2]},Ulm,{SECRETS[3]}",
        "column `email` does not match @",
    ),
}


@pytest.mark.parametrize("way", SHIFTED)
def test_quarantine_shows_no_value_of_a_row_whose_fields_are_shifted(tmp_path: Path, way: str) -> None:
    row, rule = SHIFTED[way]
    at = door(tmp_path, customers(quarantineLimit={"rows": 1}))
    loaded = at.load(f"{HEADER}\n{ROW}\n{row}\n")
    [(line, told, raw)] = at.quarantine("line, rule, raw")
    assert (loaded.rows, line, told) == (1, 3, rule)
    assert set(json.loads(raw)) == set(HEADER.split(","))
    assert set(json.loads(raw).values()) <= {"***", None}


def test_quarantine_shows_a_row_where_nothing_is_classified(tmp_path: Path) -> None:
    said = contract(
        column("id", "INTEGER", required=True), column("town", "VARCHAR"), quarantineLimit={"rows": 1}
    )
    at = Door(tmp_path, said)
    at.load("id,town\n1,Ulm\nx,Bonn\n")
    assert [json.loads(raw) for (raw,) in at.quarantine("raw")] == [{"id": "x", "town": "Bonn"}]


_DATA = f"7,{','.join(SECRETS)},Ulm"
# What stands for the names of columns, under a policy: {what: (file, policies, what is told)}
HEADERS: dict[str, tuple[str, dict[str, str], str]] = {
    "no header line": (f"{_DATA}\n{ROW}\n", {}, "is the header line missing?"),
    "no header line, new columns refused": (
        f"{_DATA}\n{ROW}\n", {"newColumn": "refuse"}, "6 columns, at places 1, 2, 3, 4, 5, 6, whose",
    ),
    "no header line, columns may be lost and added": (
        f"{_DATA}\n{ROW}\n", {"newColumn": "add", "lostColumn": "add"}, "is the header line missing?",
    ),
    "one value among the names": (
        f"{HEADER},{SECRETS[0]}\n{ROW},x\n", {"newColumn": "refuse"}, "the column at place 7, whose",
    ),
    "a value twice": (
        f"{HEADER},{SECRETS[0]},{SECRETS[0]}\n{ROW},x,x\n", {}, "the column at place 7, whose",
    ),
    "a value instead of a name": (f"id,email,name,iban,phone,{SECRETS[1]}\n{ROW}\n", {}, "`town` is missing"),
}  # fmt: skip


@pytest.mark.parametrize("what", HEADERS)
def test_what_stands_for_a_name_is_not_shown_near_classified_columns(tmp_path: Path, what: str) -> None:
    text, policies, told = HEADERS[what]
    said = "\n".join(door(tmp_path, customers(shapeChanges=policies or None)).refused(text))
    assert told in said
    assert [secret for secret in (*SECRETS, "Ulm", *SECRETS[1].split()) if secret in said] == []


def test_a_new_name_is_shown_where_nothing_is_classified(tmp_path: Path) -> None:
    said = contract(column("id", "INTEGER"), column("town", "VARCHAR"), shapeChanges={"newColumn": "refuse"})
    assert "column `phone` is not in the contract" in "\n".join(
        Door(tmp_path, said).refused("id,town,phone\n1,Ulm,2\n")
    )
