"""Names, types and numbers that dbt writes into SQL as they stand: those that are more do not load.

Belongs here: what people call columns in files, SQL and YAML, and what stands beside it. Does not: names of
tables, exports and checks (tests/graph/test_names.py).
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from sluicegate.core.problems import Problem, ProjectError
from sluicegate.core.settings import Settings
from sluicegate.project.loading import load_project
from sluicegate.transformation.names_in_sql import is_plain, is_type, is_word, outside_parentheses

from tests.company import BAKERY
from tests.gate.edits import append

MARTS, SEEDS = "dbt_project/models/marts", "dbt_project/seeds"
DBT = "dbt_project/dbt_project.yml"
SEEDED = (
    "\nseeds:\n  bakery:\n    +schema: reference\n    +post-hook: '{{ record_table_version() }}'\n"
    "snapshots:\n  bakery:\n    +schema: history\n    +post-hook: '{{ record_table_version() }}'\n"
)
ORDERS = "{{ ref('stg_orders') }}"
ENDS = 'b"" int); delete from raw.weather; create table main.zz(""c'

# {case: (the first line of the file, its config, what is said; None where it is taken)}.
HEADERS: dict[str, tuple[str, Mapping[str, object], str | None]] = {
    "names": ("id,name", {}, None),
    "other_signs": ("id,Größe %,Hive no.,a-b,_x,§ 3", {}, None),
    "quoted_names": ('id,"a name"', {"quote_columns": True}, None),
    "a_comma_within": ('id,"a, b"', {}, None),
    "a_byte_order_mark": ("\ufeffid,name", {}, None),
    "its_delimiter": ("id;name", {"delimiter": ";"}, None),
    "tabs": ("id\tname", {"delimiter": "\t"}, None),
    "bare_names": ("id,größe_2", {"quote_columns": False}, None),
    "a_statement": (f'id,"{ENDS}"', {}, "column 2 of seed"),
    "a_statement_in_quotes": (f'id,"{ENDS}"', {"quote_columns": True}, "column 2 of seed"),
    "a_bare_statement": (
        'id,"b int); delete from raw.weather; create table main.zz(c"', {"quote_columns": False}, "column 2",
    ),
    "a_bare_column_more": ("id,b int default 3", {"quote_columns": False}, "column 2"),
    "a_bare_number": ("id,2024", {"quote_columns": False}, "column 2"),
    "a_quote": ('id,"a""b"', {}, 'is called `a"b`'),
    "a_single_quote": ("id,driver's", {}, "is called `driver's`"),
    "two_lines": ('id,"a\nb"', {}, "is called `a b`"),
    "parentheses": ("id,f(x)", {}, "is called `f(x)`"),
    "an_end": ("id,a;b", {}, "is called `a;b`"),
    "no_name": ("id,,x", {}, "is called nothing"),
    "a_type_that_ends": ("id,x", {"column_types": {"x": "int) as (x"}}, "has `column_types: int) as (x"),
    "a_type_that_is_two": ("id,x", {"column_types": {"x": "int, y int"}}, "has `column_types: int, y int"),
    "a_type_and_more": (
        "id,x", {"column_types": {"x": "int default 3"}}, "says `int default 3` of `x`",
    ),
    "a_type_of_no_engine": ("id,x", {"column_types": {"x": "loaf"}}, "says `loaf` of `x`"),
    "a_name_of_a_type": ("id,x", {"column_types": {'x"': "int"}}, "column_types of `a_name_of_a_type` names"),
    "types": ("id,x", {"column_types": {"id": "decimal(18, 3)", "x": "timestamp with time zone"}}, None),
    "a_delimiter_of_two_lines": ("id,x", {"delimiter": "\n"}, "has `delimiter:"),
    "a_quote_for_a_delimiter": ("id,x", {"delimiter": '"'}, "has `delimiter:"),
}  # fmt: skip

LATER = "*/ x, 2 as"
# {case: (the name of a column as SQL has it, whether it is taken)}.
COLUMNS: dict[str, tuple[str, bool]] = {
    "plain": ("total", True),
    "spaced": ('"Hive no"', True),
    "signs": ('"Größe, in % (gross)"', True),
    "a_call": ("count(*) over ()", True),
    "quote": ('"a""b"', False),
    "single_quote": ('"driver\'s"', False),
    "ends": ('"a; b"', False),
    "comment": ('"a -- b"', False),
    "opens": ('"a /* b"', False),
    "closes": (f'"{LATER}"', False),
    "lines": ('"a\nb"', False),
    "insert": (
        f'"{LATER}"") select 1; copy (select 42 as a) to \'x.csv\'; select * from (select 1 as /* /*"',
        False,
    ),
    "unnamed_text": ("'a text'", False),
}

# {case: (a described column, its config, what is said; None where it is taken)}.
DESCRIBED: dict[str, tuple[Mapping[str, object], Mapping[str, object], str | None]] = {
    "described": ({"name": "x", "data_type": "integer"}, {}, None),
    "spaces_in_quotes": ({"name": "x y", "quote": True}, {"contract": {"enforced": False}}, None),
    "spaces_without": ({"name": "x y"}, {}, None),
    "kept_without": ({"name": "x y"}, {"persist_docs": {"columns": True}}, "describes a column `x y`"),
    "kept_in_quotes": ({"name": "x y", "quote": True}, {"persist_docs": {"columns": True}}, None),
    "enforced_without": (
        {"name": "x y", "data_type": "integer"}, {"contract": {"enforced": True}}, "describes a column `x y`",
    ),
    "a_query": (
        {"name": "x from raw.weather", "data_type": "integer"}, {"contract": {"enforced": True}},
        "describes a column `x from raw.weather`",
    ),
    "described_quote": ({"name": 'x"y', "quote": True}, {}, 'describes a column `x"y`'),
    "described_end": ({"name": "x; y"}, {}, "describes a column `x; y`"),
    "type_of_two": ({"name": "x", "data_type": "integer)), ((1"}, {}, "has `data_type: integer)), ((1"),
    "type_that_ends": ({"name": "x", "data_type": "integer; select 1"}, {}, "has `data_type: integer;"),
}  # fmt: skip

# {case: (config of a snapshot, what is said)}.
KEPT: dict[str, tuple[Mapping[str, object], str | None]] = {
    "by_a_sum": ({"unique_key": "x || '-' || x", "strategy": "check", "check_cols": ["x"]}, None),
    "by_two": ({"unique_key": "x, 1", "strategy": "check", "check_cols": ["x"]}, "has `unique_key: x, 1`"),
    "by_a_table": (
        {"unique_key": "x from raw.weather", "strategy": "check", "check_cols": ["x"]},
        "has `unique_key: x from",
    ),
    "by_columns": (
        {"unique_key": "x", "strategy": "check", "check_cols": ["x) from raw.weather where (1"]},
        "has `check_cols: x) from",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Problem, ...]:
    """What is wrong with a bakery that has all of them: one is told whatever is wrong with another."""
    folder = tmp_path_factory.mktemp("names") / "bakery"
    shutil.copytree(BAKERY, folder)
    append(DBT, SEEDED)(folder)
    for place in (SEEDS, "dbt_project/snapshots"):
        (folder / place).mkdir()
    described: dict[str, list[object]] = {"seeds": [], "models": [], "snapshots": []}
    for name, (header, config, _) in HEADERS.items():
        mark = str(config.get("delimiter") or ",")
        cells = mark.join("1" for _ in header.split(mark))
        (folder / SEEDS / f"{name}.csv").write_text(f"{header}\n{cells}\n", encoding="utf-8")
        described["seeds"].append({"name": name, "config": dict(config)})
    for name, (column, _) in COLUMNS.items():
        called = column if column[0] == "'" or "(*)" in column else f"1 as {column}"
        sql = f"select\n    business_date,\n    {called}\nfrom {ORDERS}\n"
        (folder / MARTS / f"{name}.sql").write_text(sql)
    for name, (column, config, _) in DESCRIBED.items():
        called = str(column["name"]).replace('"', '""')
        sql = f"{{{{ config(materialized='table') }}}}\nselect 1 as \"{called}\"\n"
        (folder / MARTS / f"{name}.sql").write_text(sql)
        described["models"].append({"name": name, "config": dict(config), "columns": [dict(column)]})
    for name, (config, _) in KEPT.items():
        sql = f"{{% snapshot {name} %}}select 1 as x{{% endsnapshot %}}\n"
        (folder / "dbt_project/snapshots" / f"{name}.sql").write_text(sql)
        described["snapshots"].append({"name": name, "config": dict(config)})
    for kind, place in (("seeds", SEEDS), ("models", MARTS), ("snapshots", "dbt_project/snapshots")):
        (folder / place / f"_more_{kind}.yml").write_text(yaml.safe_dump({kind: described[kind]}))
    with pytest.raises(ProjectError) as caught:
        load_project(Settings.load({}, project_dir=folder, data_dir=folder.parent / "data"))
    for problem in caught.value.problems:
        assert 1 <= problem.line <= len((folder / problem.file).read_text().splitlines()), problem
    return caught.value.problems


def of(told: tuple[Problem, ...], name: str) -> list[Problem]:
    return [problem for problem in told if f"`{name}`" in problem.what]


@pytest.mark.parametrize("name", HEADERS)
def test_a_seed_has_names_in_its_header_and_types_in_its_config(told: tuple[Problem, ...], name: str) -> None:
    said, found = HEADERS[name][2], of(told, name)
    if said is None:
        assert found == []
    elif "column " in said or "called" in said:
        assert [(one.file, one.line) for one in found if said in one.what] == [(f"{SEEDS}/{name}.csv", 1)]
    else:
        assert any(said in one.what for one in found), found


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_that_a_model_selects_has_a_plain_name(told: tuple[Problem, ...], name: str) -> None:
    found = of(told, name)
    assert [one.file for one in found] == ([] if COLUMNS[name][1] else [f"{MARTS}/{name}.sql"])
    assert all("has a column called" in one.what and "… as total" in one.fix for one in found)
    assert name == "lines" or all(one.line == 3 for one in found), found


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_described_column_is_a_name_and_a_type(told: tuple[Problem, ...], name: str) -> None:
    said, found = DESCRIBED[name][2], of(told, name)
    if said is None:
        assert found == []
    else:
        assert any(said in one.what for one in found), found
        assert {one.file for one in found} <= {f"{MARTS}/_more_models.yml", f"{MARTS}/{name}.sql"}


@pytest.mark.parametrize("name", KEPT)
def test_a_key_of_a_snapshot_is_one_column(told: tuple[Problem, ...], name: str) -> None:
    said, found = KEPT[name][1], of(told, name)
    assert found == [] if said is None else any(said in one.what for one in found), found


def test_a_path_of_a_seed_has_no_quote(tmp_path: Path) -> None:
    folder = tmp_path / "bakery"
    shutil.copytree(BAKERY, folder)
    append(DBT, SEEDED)(folder)
    (folder / SEEDS / "it's").mkdir(parents=True)
    (folder / SEEDS / "it's/prices.csv").write_text("id\n1\n")
    with pytest.raises(ProjectError) as caught:
        load_project(Settings.load({}, project_dir=folder, data_dir=tmp_path / "data"))
    assert any("the path of seed `prices` has a quote" in one.what for one in caught.value.problems)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("integer", True), ("decimal(18, 3)", True), ("varchar[]", True), ("integer[3][]", True),
        ("timestamp with time zone", True), ("struct(a integer, \"b c\" varchar[])", True),
        ("enum('a', 'b)')", True), ("map(varchar, integer)", True), ("int; drop table t", False),
        ("int) as x, (1", False), ("int, y int", False), ("int -- x", False), ("int /* x", False),
        ("int'", False), ("", False), ("(select 1)", False), ("(int", False), ("int$$", False),
    ],
)  # fmt: skip
def test_a_type_is_a_type_whatever_stands_around_it(text: str, right: bool) -> None:
    assert is_type(text) is right


def test_what_is_a_name() -> None:
    assert [name for name in ("a", "_a1", "größe") if not is_word(name)] == []
    assert [name for name in ("", "1a", "a b", "a-b", 'a"') if is_word(name)] == []
    assert [name for name in ("a b", "§ %", "f(x)", "2024") if not is_plain(name)] == []
    assert [name for name in ("", " ", "a;", "a\tb", "a`", "--", "\x85") if is_plain(name)] == []


@pytest.mark.parametrize(
    ("text", "outside"),
    [("a", "a"), ("f(x, y) + 1", "f + 1"), ("a || ')'", "a || "), (")(", None), ("(", None), ("'", None)],
)
def test_what_stands_outside_parentheses(text: str, outside: str | None) -> None:
    assert outside_parentheses(text) == outside
