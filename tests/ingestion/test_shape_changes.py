"""A drop whose columns are not the contract's: each change, under each policy, and what the user is told."""

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.ingestion.door import DAY, HEADER, NEXT, ORDERS, Door, contract

ROW = f"1,{DAY},a,3"
EXPECTED = "expected header: Order No., Date, Shop, Loaves (pcs); ask ovens@bakery.example"


def door(folder: Path, **policies: str) -> Door:
    return Door(folder, contract(shapeChanges=policies or None))


def test_a_new_column_is_left_out_and_warned_of(tmp_path: Path) -> None:
    loaded = door(tmp_path).load(f"{HEADER},Paid\n{ROW},yes\n")
    assert loaded.rows == 1
    assert loaded.warnings == ("column `Paid` is not in the contract: left out",)


def test_a_new_column_is_refused_where_the_contract_says_so(tmp_path: Path) -> None:
    rules = door(tmp_path, newColumn="refuse").refused(f"{HEADER},Paid\n{ROW},yes\n")
    assert rules[0] == "line 1: column `Paid` is not in the contract"
    assert rules[-1].startswith(EXPECTED)
    assert rules[-1].endswith("or change contracts/orders.odcs.yaml")


def test_a_new_column_is_added_as_nullable_text(tmp_path: Path) -> None:
    at = door(tmp_path, newColumn="add")
    at.load(f"{HEADER}\n{ROW}\n")
    loaded = at.load(f"{HEADER},Paid In\n1,{NEXT},a,3,cash\n", NEXT)
    assert loaded.warnings == ("column `Paid In` is not in the contract: taken in as text, `paid_in`",)
    assert at.query("select _partition_key, paid_in from raw.orders order by 1") == [
        (DAY, None),
        (NEXT, "cash"),
    ]
    # A later drop without it is as agreed.
    assert at.load(f"{HEADER}\n2,{DAY},b,4\n").warnings == ()


@pytest.mark.parametrize("policy", ["refuse", None])
def test_a_lost_column_is_refused(tmp_path: Path, policy: str | None) -> None:
    at = door(tmp_path, **({"lostColumn": policy} if policy else {}))
    rules = at.refused(f"Order No.,Date,Shop\n1,{DAY},a\n")
    assert rules[0] == "line 1: column `Loaves (pcs)` is missing"


def test_a_lost_column_is_null_where_the_contract_says_so(tmp_path: Path) -> None:
    at = door(tmp_path, lostColumn="add")
    loaded = at.load(f"Order No.,Date,Shop\n1,{DAY},a\n")
    assert loaded.warnings == ("column `Loaves (pcs)` is missing: NULL in every row",)
    assert at.rows() == [("1", "a", None)]
    assert at.refused(f"Order No.,Date,Loaves (pcs)\n1,{DAY},3\n")[0] == (
        "line 1: column `Shop` is missing (it is required)"
    )


@pytest.mark.parametrize("header", ["Loaves (pieces)", "loaves pcs", "LOAVES (PCS)", " Loaves (pcs) "])
def test_a_renamed_column(tmp_path: Path, header: str) -> None:
    text = f"Order No.,Date,Shop,{header}\n{ROW}\n"
    rules = door(tmp_path / "refuse").refused(text)
    assert rules[0] == f"line 1: column `Loaves (pcs)` is missing; `{header}` stands in the file: renamed?"
    lenient = door(tmp_path / "ignore", renamedColumn="ignore")
    loaded = lenient.load(text)
    assert loaded.warnings == (f"column `Loaves (pcs)` is called `{header}`: read as the column meant",)
    assert lenient.rows() == [("1", "a", 3)]


@pytest.mark.parametrize(
    ("agreed", "header"),
    [
        ("Größe", "Gro\u0308ße"),
        ("Gro\u0308ße", "Größe"),
        ("Loaves (pcs)", "Loaves\u00a0(pcs)"),
        ("Loaves (pcs)", "Loaves\u200b (pcs)"),
        ("Loaves (pcs)", "\ufeffLoaves (pcs)"),
        ("Loaves (pcs)", "Loaves\u2009(pcs)\u200f"),
        ("Loaves (pcs)", "Loaves (\uff50cs)"),
    ],
)
def test_a_header_that_looks_the_same_is_told_and_mended_as_it_is_told(
    tmp_path: Path, agreed: str, header: str
) -> None:
    columns = [*ORDERS[:3], {**ORDERS[3], "physicalName": agreed}]
    text = f"Order No.,Date,Shop,{header}\n{ROW}\n"
    rules = Door(tmp_path / "refuse", contract(*columns)).refused(text)
    said, _, fix = rules[0].partition(": it looks the same, and has other characters; if that is meant, ")
    assert said == f"line 1: column `{agreed}` is missing; `{header}` stands in the file"
    written = re.fullmatch('add (".*") to `aliases` of the column', fix)
    assert written is not None
    assert written[1].isascii()
    alias = yaml.safe_load(written[1])
    columns[3]["customProperties"] = [{"property": "aliases", "value": [alias]}]
    mended = Door(tmp_path / "mended", contract(*columns))
    assert mended.load(text).warnings == ()
    assert mended.rows() == [("1", "a", 3)]


@pytest.mark.parametrize("policy", ["ignore", "refuse"])
def test_many_new_columns_are_told_in_one_message(tmp_path: Path, policy: str) -> None:
    at = door(tmp_path, newColumn=policy)
    names, values = "".join(f",n{n}" for n in range(20_000)), ",1" * 20_000
    text = f"{HEADER}{names}\n{ROW}{values}\n"
    first = ", ".join(f"column `n{n}`" for n in range(5))
    said = f"{first} and 19995 more are not in the contract"
    if policy == "ignore":
        assert at.load(text).warnings == (f"{said}: left out",)
    else:
        assert at.refused(text)[0] == f"line 1: {said}"


def test_another_name_that_the_contract_knows_is_no_change(tmp_path: Path) -> None:
    columns = [*ORDERS]
    columns[3] = {**columns[3], "customProperties": [{"property": "aliases", "value": ["Loaves", "Qty"]}]}
    at = Door(tmp_path, contract(*columns))
    assert at.load(f"Order No.,Date,Shop,Qty\n{ROW}\n").warnings == ()
    assert at.rows() == [("1", "a", 3)]


@pytest.mark.parametrize(
    "names", [("Loaves", "Qty"), ("Loaves (pcs)", "Qty")], ids=["aliases", "one of them"]
)
@pytest.mark.parametrize("policy", ["ignore", "add", "refuse"])
def test_two_names_of_one_column_in_a_file_are_refused(
    tmp_path: Path, names: tuple[str, str], policy: str
) -> None:
    columns = [*ORDERS]
    columns[3] = {**columns[3], "customProperties": [{"property": "aliases", "value": ["Loaves", "Qty"]}]}
    at = Door(tmp_path, contract(*columns, shapeChanges={"newColumn": policy}))
    one, two = names
    assert at.refused(f"Order No.,Date,Shop,{two},{one}\n{ROW},4\n")[0] == (
        f"line 1: `{one}` and `{two}` both mean column `loaves`; expected one of them; take the other out of"
        " `aliases` if it is a column of its own"
    )


def test_another_order(tmp_path: Path) -> None:
    text = f"Order No.,Shop,Date,Loaves (pcs)\n1,a,{DAY},3\n"
    rules = door(tmp_path / "refuse").refused(text)
    assert rules[0] == "line 1: columns stand in another order: Order No., Shop, Date, Loaves (pcs)"
    lenient = door(tmp_path / "ignore", changedOrder="ignore")
    assert lenient.load(text).warnings == (
        "columns stand in another order: Order No., Shop, Date, Loaves (pcs); they are told by their names",
    )
    assert lenient.rows() == [("1", "a", 3)]


def test_another_type(tmp_path: Path) -> None:
    lines = "".join(f"{n},{DAY},a,three\n" for n in range(3))
    rules = door(tmp_path / "refuse").refused(f"{HEADER}\n{lines}")
    assert "no value of column `Loaves (pcs)` is a INTEGER: has its type changed?" in rules
    said = contract(shapeChanges={"changedType": "ignore"}, quarantineLimit={"rows": 10})
    lenient = Door(tmp_path / "ignore", said)
    assert lenient.load(f"{HEADER}\n{lines}9,{DAY},a,3\n").quarantined == 3
    assert lenient.rows() == [("9", "a", 3)]


@pytest.mark.parametrize(
    ("value", "type_", "told"),
    [
        ({"otto@example.org": 1}, None, "STRUCT(…)"),
        ([{"otto@example.org": 1}], None, "STRUCT(…)[]"),
        (
            [("a", {"otto@example.org": 1})],
            pa.map_(pa.string(), pa.struct([("otto@example.org", pa.int64())])),
            "MAP(…)",
        ),
    ],
)
@pytest.mark.parametrize("classification", ["", "personal"])
def test_names_within_a_nested_type_are_not_told(
    tmp_path: Path, value: object, type_: Any, told: str, classification: str
) -> None:
    """An object by address, as many a dump has it, is a struct in Parquet, with a field of each key."""
    shop = {**ORDERS[2], **({"classification": classification} if classification else {})}
    said = contract(
        *ORDERS[:2], shop, ORDERS[3],
        path="orders/{date}.parquet", server={"format": "parquet"},
        **({"masking": {"personal": "keep"}} if classification else {}),
    )  # fmt: skip
    content = BytesIO()
    columns = zip(HEADER.split(","), (["1"], [DAY], pa.array([value], type_), [1]), strict=True)
    pq.write_table(pa.table(dict(columns)), content)

    rules = "\n".join(Door(tmp_path, said).refused(content.getvalue()))

    assert f"column `Shop` is {told} in the file; the contract says VARCHAR" in rules
    assert "otto" not in rules


def test_a_header_that_is_missing_or_repeats_a_name(tmp_path: Path) -> None:
    at = door(tmp_path)
    for row in (ROW, f"{ROW},,", f"3,{DAY},3,3"):
        rules = at.refused(f"{row}\n2,{DAY},b,4\n")
        assert rules[0] == "line 1: no column of the contract is there: is the header line missing?"
    rules = at.refused(f"Order No.,Date,Shop,Shop\n1,{DAY},a,3\n")
    assert "line 1: column `Shop` stands 2 times; expected each name once" in rules


def test_without_a_header_the_number_of_columns_tells(tmp_path: Path) -> None:
    at = Door(tmp_path, contract(options={"header": False}))
    assert at.load(f"{ROW}\n").rows == 1
    assert at.refused(f"{ROW},more\n")[0] == "line 1: 5 columns; expected 4"


def test_earlier_data_stays_when_the_shape_is_refused(tmp_path: Path) -> None:
    at = door(tmp_path)
    at.load(f"{HEADER}\n{ROW}\n")
    at.refused(f"Something else\n{ROW}\n")
    assert at.rows() == [("1", "a", 3)]


@pytest.mark.parametrize("policies", [{"newColumn": "maybe"}, {"lostColumn": "ignore"}, {"newColum": "add"}])
def test_a_policy_that_is_none_does_not_load(tmp_path: Path, policies: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match=r"orders\.odcs\.yaml:\d+: .*expected one of"):
        _ = Door(tmp_path, contract(shapeChanges=policies)).contract
