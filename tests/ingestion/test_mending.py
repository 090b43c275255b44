"""Quarantined rows that a person fixes, and drops that are taken back to; all of it is in the originals."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sluicegate.areas import Area, Entry
from sluicegate.ingestion.originals import keep_originals
from sluicegate.ingestion.refusal import DropRefused
from sluicegate.operations.mending import CannotMend, export_quarantined, replay, restore

from tests.ingestion.door import DAY, HEADER, Door, column, contract

pytestmark = pytest.mark.long

CONTENT = f"{HEADER}\n1,{DAY},a,3\n2,{DAY},b,many\n3,{DAY}\n4,{DAY},,4\n"


def door(folder: Path, rows: int | None = 10, **more: Any) -> Door:
    return Door(folder, contract(quarantineLimit=None if rows is None else {"rows": rows}, **more))


def exported(at: Door) -> tuple[Path, list[dict[str, str]]]:
    file = at.folder / "to fix.csv"
    export_quarantined(at.deployment, at.contract, DAY, file)
    with file.open(newline="") as stream:
        return file, list(csv.DictReader(stream))


def fix(at: Door, file: Path, rows: list[dict[str, str]]) -> None:
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    replay(at.deployment, at.contract, DAY, file)


def test_what_is_exported_is_what_came_in_with_its_place(tmp_path: Path) -> None:
    at = door(tmp_path)
    at.load(CONTENT)
    _, rows = exported(at)
    assert [(row["_file"], row["_line"], row["_rule"]) for row in rows] == [
        (f"orders/{DAY}.csv", "3", "column `Loaves (pcs)` does not hold INTEGER"),
        (f"orders/{DAY}.csv", "4", "too few columns"),
        (f"orders/{DAY}.csv", "5", "column `Shop` is empty"),
    ]
    assert (rows[0]["Order No."], rows[0]["Loaves (pcs)"], rows[1]["_raw"]) == ("2", "many", f"3,{DAY}")


@pytest.mark.parametrize("limit", [10, None], ids=["quarantined before", "refused before"])
def test_mended_rows_are_loaded_in_their_place_and_every_row_is_accounted_for(
    tmp_path: Path, limit: int | None
) -> None:
    at = door(tmp_path, limit)
    if limit is None:
        at.refused(CONTENT)
    else:
        assert at.load(CONTENT).quarantined == 3
    file, rows = exported(at)
    rows[0]["Loaves (pcs)"] = "5"
    rows[1] |= {"Order No.": "3", "Date": DAY, "Shop": "c", "Loaves (pcs)": "6"}
    rows[2]["Shop"] = "d"
    fix(at, file, rows)
    loaded = at.load()
    assert (loaded.read, loaded.rows, loaded.quarantined) == (4, 4, 0)
    assert at.rows() == [("1", "a", 3), ("2", "b", 5), ("3", "c", 6), ("4", "d", 4)]
    assert at.quarantine() == []
    assert at.drop().ordinal == 2


def test_a_mended_row_is_judged_like_any_other(tmp_path: Path) -> None:
    at = door(tmp_path)
    at.load(CONTENT)
    file, rows = exported(at)
    rows[0]["Loaves (pcs)"] = "five"
    fix(at, file, rows[:1])
    loaded = at.load()
    assert (loaded.read, loaded.rows, loaded.quarantined) == (4, 1, 3)
    assert [(line, rule) for line, rule in at.quarantine("line, rule") if line == 2] == [
        (2, "column `Loaves (pcs)` does not hold INTEGER")
    ]


FILE = f"orders/{DAY}.csv"
# What one mended row says wrongly, and what is said of it.
WRONG: dict[str, tuple[dict[str, str], str]] = {
    "a row in order": ({"_line": "2"}, f"a mended row is for {FILE} line 2, which is not in quarantine"),
    "no row": ({"_line": "99"}, f"a mended row is for {FILE} line 99, which is not in quarantine"),
    "no number": ({"_line": "two"}, "`_file` and `_line` name no row"),
    "nothing": ({"_line": ""}, "`_file` and `_line` name no row"),
    "another file": ({"_file": "b.csv"}, "a mended row is for b.csv line 3, which is not in quarantine"),
    "a mended file": ({"_file": "mended/b.csv"}, "a mended row is for mended/b.csv line 3, which is no"),
    "another's row": ({"_line": "5"}, f"a mended row is for {FILE} line 5, for which there is more than one"),
    "a key that is there": ({"Order No.": "1"}, "key (order_number) of a mended row stands in"),
    "a key of another": ({"Order No.": "4"}, "key (order_number) stands twice"),
    "no value": ({"Loaves (pcs)": "many"}, "column `Loaves (pcs)` does not hold INTEGER"),
}  # fmt: skip


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("wrong", "said"), WRONG.values(), ids=WRONG)
def test_a_mended_row_that_is_wrong_stops_no_other_and_is_mended_again(
    wrong: dict[str, str], said: str, tmp_path: Path
) -> None:
    # A rule of the whole drop is none of the mended rows'.
    at = Door(
        tmp_path,
        contract(
            quarantineLimit={"rows": 10},
            table={"quality": [{"metric": "rowCount", "mustBeGreaterOrEqualTo": 4}]},
        ),
    )
    at.load(CONTENT)
    file, rows = exported(at)
    two, four = {**rows[0], "Loaves (pcs)": "5"}, {**rows[2], "Shop": "d"}
    fix(at, file, [two | wrong, four])
    loaded = at.load()
    assert loaded.read == loaded.rows + loaded.quarantined
    shared = "twice" in said or "more than one" in said  # which of the two is right nobody can tell
    assert at.rows() == [("1", "a", 3), *([] if shared else [("4", "d", 4)])]
    mended = [rule for file, rule in at.quarantine("file, rule") if file.startswith("mended/")]
    assert [rule.startswith(said) for rule in mended] == [True, True] if shared else [True]
    # Exported anew and mended as it should be.
    file, again = exported(at)
    open_rows = [row for row in again if not row["_rule"].startswith(("a mended row is for", "`_file`"))]
    fixed = {"2": two, "4": four}
    left = [row for row in open_rows if row["_rule"] != "too few columns"]
    numbers = ["2", "4"] if shared else ["2"]
    assert len(left) == len(numbers)
    fix(at, file, [{**row, **_values_of(fixed[number])} for row, number in zip(left, numbers, strict=True)])
    at.load()
    assert at.rows() == [("1", "a", 3), ("2", "b", 5), ("4", "d", 4)]


def _values_of(row: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in row.items() if not name.startswith("_")}


def test_mended_rows_that_are_bad_count_for_the_limit_with_the_others(tmp_path: Path) -> None:
    at = door(tmp_path, 2)
    at.refused(CONTENT)
    file, rows = exported(at)
    for row in rows:
        row |= {"Order No.": row["_line"], "Date": DAY, "Shop": "s", "Loaves (pcs)": "many"}
    fix(at, file, rows)
    with pytest.raises(DropRefused, match="3 of 4 rows break the contract, which allows 2 rows"):
        at.load()
    file, rows = exported(at)
    fix(at, file, [{**rows[0], "Loaves (pcs)": "7"}])
    assert (at.load().rows, at.load().quarantined) == (2, 2)


def test_a_mended_row_is_mended_time_and_again(tmp_path: Path) -> None:
    at = door(tmp_path)
    at.load(CONTENT)
    for loaves in ("five", "fife", "5"):
        file, rows = exported(at)
        [row] = [row for row in rows if row["Order No."] == "2"]
        fix(at, file, [{**row, "Loaves (pcs)": loaves}])
        loaded = at.load()
        assert (loaded.read, loaded.rows) == (4, 2 if loaves == "5" else 1)
        assert replay(at.deployment, at.contract, DAY, file) == at.drop()  # the same once more
    assert at.rows() == [("1", "a", 3), ("2", "b", 5)]


def test_bad_mended_rows_of_a_classified_source_are_exported_as_they_are(tmp_path: Path) -> None:
    columns = [
        column("order_number", "VARCHAR", "Order No.", required=True),
        column("loaves", "INTEGER", "Loaves (pcs)", classification="secret"),
    ]
    own = contract(*columns, masking={"secret": "hash"}, quarantineLimit={"rows": 9})
    at = Door(tmp_path, own, {"SLUICE_MASKING_KEY": "k" * 40})
    at.load("Order No.,Loaves (pcs)\n1,many\n2,2\n")
    file, rows = exported(at)
    fix(at, file, [{**rows[0], "Loaves (pcs)": "lots"}])
    at.load()
    assert "lots" not in str(at.quarantine("raw, rules"))
    assert [row["Loaves (pcs)"] for row in exported(at)[1]] == ["lots"]


def test_a_file_that_is_no_export_cannot_be_replayed(tmp_path: Path) -> None:
    at = door(tmp_path)
    at.load(CONTENT)
    file = tmp_path / "other.csv"
    file.write_text(CONTENT)
    with pytest.raises(CannotMend, match=r"other\.csv:1: column `_file` is missing"):
        replay(at.deployment, at.contract, DAY, file)
    at.load(f"{HEADER}\n1,{DAY},a,3\n")
    with pytest.raises(CannotMend, match="no row of orders .* is in quarantine"):
        export_quarantined(at.deployment, at.contract, DAY, file)


def test_a_mended_day_is_made_again_from_its_originals_alone(tmp_path: Path) -> None:
    at = door(tmp_path, staging="remove")
    at.load(CONTENT)
    file, rows = exported(at)
    rows[0]["Loaves (pcs)"] = "5"
    fix(at, file, rows[:1])
    at.load()
    file.unlink()
    assert list(at.deployment.staging.listing()) == []
    assert at.load().rows == 2
    assert at.rows() == [("1", "a", 3), ("2", "b", 5)]


def test_a_provider_who_corrects_the_drop_wins_over_what_was_mended(tmp_path: Path) -> None:
    at = door(tmp_path)
    at.load(CONTENT)
    file, rows = exported(at)
    rows[0]["Loaves (pcs)"] = "5"
    fix(at, file, rows[:1])
    at.load()
    assert at.load(f"{HEADER}\n1,{DAY},a,9\n").rows == 1
    assert at.rows() == [("1", "a", 9)]


def test_an_earlier_drop_is_taken_back_to(tmp_path: Path) -> None:
    at = door(tmp_path, staging="remove")
    for loaves in (3, 4, 5):
        at.load(f"{HEADER}\n1,{DAY},a,{loaves}\n")
    restored = restore(at.deployment, at.contract, DAY, 1)
    assert (restored.ordinal, at.scan().drops) == (4, ())
    at.load()
    assert at.rows() == [("1", "a", 3)]
    with pytest.raises(CannotMend, match="has no earlier drop 4; expected one of: 1, 2, 3"):
        restore(at.deployment, at.contract, DAY, 4)


def test_staging_is_emptied_only_where_the_contract_says_so_and_after_the_load(tmp_path: Path) -> None:
    keeps = door(tmp_path / "keeps")
    keeps.load(CONTENT)
    assert {entry.path for entry in keeps.deployment.staging.listing()} == {
        f"orders/{DAY}.csv", f"orders/{DAY}.done",
    }  # fmt: skip
    removes = door(tmp_path / "removes", None, staging="remove")
    removes.refused(CONTENT)
    assert len(list(removes.deployment.staging.listing())) == 2
    removes.load(f"{HEADER}\n1,{DAY},a,3\n")
    assert list(removes.deployment.staging.listing()) == []
    assert removes.scan().drops == ()
    assert removes.load().rows == 1


def test_an_original_that_somebody_changed_is_told(tmp_path: Path) -> None:
    at = door(tmp_path)
    at.load(f"{HEADER}\n1,{DAY},a,3\n")
    [kept] = [entry.path for entry in at.deployment.originals.listing("orders/**")]
    at.deployment.originals.write(kept, [b"something else"])
    assert at.load().rows == 1  # staging has the very file, and it is kept once more
    at.deployment.originals.write(kept, [b"something else"])
    at.deployment.staging.remove(f"orders/{DAY}.csv")
    with pytest.raises(DropRefused, match="was changed: digest .* restore it, or land the drop again"):
        at.load()
    assert at.rows() == [("1", "a", 3)]


def test_content_that_changed_after_its_marker_is_refused(tmp_path: Path) -> None:
    at = door(tmp_path)
    at.land(f"{HEADER}\n1,{DAY},a,3\n")
    at.deployment.staging.write(f"orders/{DAY}.csv", [f"{HEADER}\n1,{DAY},a,4\n".encode()])
    with pytest.raises(
        DropRefused, match="content changed: .* write the marker again once the file is whole"
    ):
        at.load()
    at.deployment.staging.remove(f"orders/{DAY}.csv")
    with pytest.raises(DropRefused, match="is gone from staging and no original is kept"):
        at.load()


def test_the_manifest_tells_what_came_of_a_drop(tmp_path: Path) -> None:
    import json

    at = door(tmp_path)
    loaded = at.load(CONTENT)
    [path] = [
        e.path for e in at.deployment.processing.listing("orders/**") if e.path.endswith("manifest.json")
    ]
    manifest = json.loads(b"".join(at.deployment.processing.chunks(path)))
    [file] = manifest["files"]
    assert (file["path"], file["size"]) == (f"orders/{DAY}.csv", len(CONTENT))
    assert manifest["rows"] == {"read": 4, "loaded": 1, "quarantined": 3}
    assert (manifest["drop"], manifest["version"], manifest["contract"]["version"]) == (
        1,
        loaded.version,
        "1.0.0",
    )
    [rows] = manifest["converted"]
    folder = path.rpartition("/")[0]
    assert at.deployment.processing.size(f"{folder}/{rows['file']}") == rows["size"]
    engine = at.deployment.processing.engine_path(f"{folder}/{rows['file']}")
    assert at.query(f"select order_number, loaves from read_parquet('{engine}')") == [("1", 3)]


def test_what_is_overwritten_while_it_is_read_is_not_what_is_loaded(tmp_path: Path) -> None:
    """A drop is read from staging while its original is kept; the provider must not come in between."""
    at = door(tmp_path)
    at.land(f"{HEADER}\n1,{DAY},a,3\n")
    staging = at.deployment.staging
    keep_originals(at.drop(), staging, at.deployment.originals)
    overwriting = iter([True])

    def listing(pattern: str) -> Iterator[Entry]:
        found = list(Area.listing(staging, pattern))
        if pattern == f"orders/{DAY}.csv" and next(overwriting, False):
            staging.write(pattern, [f"{HEADER}\n1,{DAY},a,4\n".encode()])
        return iter(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staging, "listing", listing)
        at.load()
    assert at.rows() == [("1", "a", 3)]
