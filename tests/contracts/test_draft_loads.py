"""A draft loads every sample that it was given, or says which it does not load, where and why.

Each case is drafted as a user does it, and then loaded as a provider's drops, apart from the proof that the command
itself makes.
"""

import gzip
import json
import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

import duckdb
import pytest
from openpyxl import Workbook
from typer.testing import CliRunner

from orchestration.cli import app
from tests.contracts.test_draft import Drafted, new

DAYS = ("s_2024-03-05.csv", "s_2024-03-06.csv")
Files = Mapping[str, bytes]


def two(first: str, second: str) -> Files:
    """The samples of two days."""
    return {DAYS[0]: first.encode(), DAYS[1]: second.encode()}


# {case: (samples, rows in the table)}: what differs between samples of one source.
DIFFERING: dict[str, tuple[Files, int]] = {
    "a column more in the middle": (two("id,v\n1,a\n2,b\n", "id,n,v\n3,x,a\n4,y,b\n"), 4),
    "a column more at the beginning": (two("id,v\n1,a\n2,b\n", "n,id,v\nx,3,a\ny,4,b\n"), 4),
    "a column less": (two("id,n,v\n1,x,a\n2,y,b\n", "id,v\n3,a\n4,b\n"), 4),
    "one more and one less": (two("id,n,v\n1,x,a\n2,y,b\n", "id,v,w\n3,a,k\n4,b,l\n"), 4),
    "another order": (two("id,v,w\n1,a,k\n2,b,l\n", "w,id,v\nk,3,a\nl,4,b\n"), 4),
    "another order and one more": (two("id,v\n1,a\n2,b\n", "v,n,id\na,x,3\nb,y,4\n"), 4),
    "names in capitals": (two("id,v\n1,a\n2,b\n", "ID,V\n3,a\n4,b\n"), 4),
    "names with other signs": (two("item id,v\n1,a\n2,b\n", "Item_ID,v\n3,a\n4,b\n"), 4),
    "an ambiguous name and one in capitals": (two("id,amount\n1,2\n2,3\n", "ID,amount,amount2\n3,4,5\n4,5,6\n"), 4),
    "quotes in one alone": (two("id;v\n1;'a;b'\n2;b\n", "id;v\n3;c\n4;d\n"), 4),
    "ASCII and Latin": ({DAYS[0]: b"id,v\n1,a\n2,b\n", DAYS[1]: "id,v\n3,\u00fc\n".encode("cp1252")}, 3),
    "other dates": (two("id,d\n1,2024-03-05\n2,2024-03-05\n", "id,d\n3,06.03.2024\n4,06.03.2024\n"), 4),
    "one without rows": (two("id,v\n1,a\n2,b\n", "id,v\n"), 2),
    "numbers, then text": (two("id,v\n1,1\n2,2\n", "id,v\n3,x\n4,y\n"), 4),
    "JSON keys that come and go": (
        {"s_2024-03-05.jsonl": b'{"id":1,"v":"a"}\n{"id":2}\n', "s_2024-03-06.jsonl": b'{"n":"x","id":3}\n'}, 3,
    ),
}  # fmt: skip
ALONE: dict[str, tuple[Files, int]] = {
    "one row": ({"s.csv": b"id,v\n1,a\n"}, 1),
    "no row": ({"s.csv": b"id,v\n"}, 0),
    "no end of line": ({"s.csv": b"id,v\n1,a\n2,b"}, 2),
    "no header": ({"s.csv": b"1,2.5,2024-01-01\n"}, 1),
    "one column": ({"s.csv": b"id\n1\n2\n"}, 2),
    "a column without a name": ({"s.csv": b"id,v,\n1,a,\n2,b,\n"}, 2),
    "words of SQL": ({"order.csv": b"select,from,_drop,_partition_key,Group,table\n1,a,b,c,d,e\n2,a,b,c,d,f\n"}, 2),
    "names that are not plain": ({"s.csv": "価格,Größe (€),a\"\"b,1st,#,x: y,'q'\n1,2,3,4,5,6,7\n".encode()}, 1),
    "names that become one": ({"s.csv": b"a b,a_b,A-B\n1,2,3\n4,5,6\n"}, 2),
    "numbers past doubles": ({"s.json": b'[{"id":9007199254740993,"n":123456789012345678901},{"id":2}]'}, 2),
    "nested values": ({"s.json": b'[{"id":1,"o":{"a":[1]},"l":[1,2]},{"id":2,"o":null,"l":[]}]'}, 2),
    "no key": ({"s.csv": b"a,b\n1,x\n1,x\n1,x\n"}, 3),
    "values in many ways": (
        {"s.csv": b"id;amount;share;code;zoned;word;gone;clock\n"
                  b"1;1.234,50;5%;007;2024-03-05T10:00:00+02:00;ja;N/A;9:05\n"
                  b"2;0,05;10%;012;2024-03-05T11:00:00Z;nein;-;10:15\n"}, 2,
    ),
    "dates in many ways": (
        {"s.csv": b"a,b,c,d,e,f\n"
                  b'8-Mar-2024,08-Mar-24,3/25/2024 9:05 AM,"March 8, 2024",2024/03/08,25.3.2024 7:15\n'
                  b'25-Mar-2024,25-Mar-24,12/1/2024 12:15 PM,"May 10, 2024",2024/12/01,1.12.2024 17:15\n'}, 2,
    ),
}  # fmt: skip


def sheet(*rows: tuple[object, ...]) -> bytes:
    book, stream = Workbook(), BytesIO()
    for row in rows:
        assert book.active is not None
        book.active.append(row)
    book.save(stream)
    return stream.getvalue()


def zipped(**members: str) -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in members.items():
            archive.writestr(f"{name}.csv", text)
    return stream.getvalue()


def parquet(folder: Path, select: str) -> bytes:
    path = folder / "made.parquet"
    duckdb.execute(f"copy ({select}) to '{path}' (format parquet)")
    return path.read_bytes()


TYPES = (
    "true", "1::tinyint", "1::smallint", "1::integer", "9007199254740993::bigint", "1::ubigint", "1.5::float",
    "1.5::double", "1.50::decimal(12,2)", "'x'", "date '2024-03-05'", "timestamp '2024-03-05 10:00:00'",
    "timestamptz '2024-03-05 10:00:00+02'", "time '10:00:00'", "'a'::blob", "uuid()", "[1, 2]",
    "{'a': 1}", "null::integer", "null::varchar", "'a'::enum_of",
)  # fmt: skip
BINARY: dict[str, tuple[Callable[[Path], Files], int]] = {
    "xlsx": (lambda _: {"s.xlsx": sheet(("id", "v"), (1, "a"), (2, None))}, 2),
    "xlsx without a header": (lambda _: {"s.xlsx": sheet((1, "a", 2.5), (2, "b", 3))}, 2),
    "zip": (lambda _: {"s_2024-03-05.zip": zipped(a="id,v\n1,a\n", b="id,v\n2,b\n")}, 2),
    "gzip": (lambda _: {"s_2024-03-05.csv.gz": gzip.compress(b"id,v\n1,a\n")}, 1),
    "files of one folder": (
        lambda _: {f"s/2024-03-05/part-{at}.csv": f"id,v\n{at},a\n".encode() for at in range(3)}, 3,
    ),
    "parquet whose types differ": (
        lambda folder: {
            "s_2024-03-05.parquet": parquet(folder, "select 1::integer as id, 1.5::decimal(9,1) as v"),
            "s_2024-03-06.parquet": parquet(folder, "select 2::bigint as id, 2.55::decimal(9,2) as v"),
        }, 2,
    ),
    "parquet with a column more": (
        lambda folder: {
            "s_2024-03-05.parquet": parquet(folder, "select 1 as id, 'a' as v"),
            "s_2024-03-06.parquet": parquet(folder, "select 2 as id, 5 as n, 'a' as v"),
        }, 2,
    ),
}  # fmt: skip


def drafted(project: Path, folder: Path, files: Files, **options: str) -> tuple[Drafted, list[Path]]:
    paths: list[Path] = []
    for name, content in files.items():
        path = folder / "samples" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        paths.append(path)
    return new(project, *paths, **options), paths


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Path:
    (tmp_path / "project" / "contracts").mkdir(parents=True)
    return tmp_path / "project"


@pytest.mark.parametrize("case", [*DIFFERING, *ALONE, *BINARY])
def test_every_sample_is_loaded(project: Path, tmp_path: Path, case: str) -> None:
    made, count = BINARY[case] if case in BINARY else (None, (DIFFERING | ALONE)[case][1])
    files = made(tmp_path) if made else (DIFFERING | ALONE)[case][0]
    draft, paths = drafted(project, tmp_path, files)
    nameless = case == "a column without a name"
    if not nameless:
        assert len(draft.load(paths, differing=case not in ALONE)) == count
    assert f"drafted from {count} rows" in draft.output
