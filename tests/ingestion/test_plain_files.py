"""What was landed, made ready: unpacked, verified, in UTF-8; and what a user sees where it cannot be."""

import codecs
import gzip
import io
import random
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sluicegate.areas import Area
from sluicegate.contracts.reading import Compression, Format, ReadOptions
from sluicegate.ingestion.formats.base import PlainFile, Unreadable
from sluicegate.ingestion.formats.plain import LandedFile, plain_files
from sluicegate.ingestion.formats.text import LineEnds
from sluicegate.ingestion.formats.unpack import CHUNK_BYTES

from tests.storage.memory import MemoryArea

CSV = ReadOptions(Format.CSV)
ROWS = b"id,name\n1,a\n2,b\n"


@pytest.fixture
def area(tmp_path: Path) -> Area:
    return Area(str(tmp_path / "area"))


def packed(content: bytes, compression: Compression) -> bytes:
    if compression is Compression.GZIP:
        return gzip.compress(content)
    if compression is Compression.ZSTD:
        from backports import zstd  # pyright: ignore[reportMissingImports]

        parameter = zstd.CompressionParameter.checksum_flag
        return bytes(zstd.compress(content, options={parameter: True}))
    return content


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def ready(area: Area, tmp_path: Path, content: bytes, options: ReadOptions, name: str) -> list[PlainFile]:
    area.write(f"kept/{name}", iter([content]))
    return plain_files(area, [LandedFile(f"kept/{name}", f"in/{name}")], options, tmp_path / "scratch")


def content_of(file: PlainFile) -> bytes:
    return Path(file.path).read_bytes()


def refusal(area: Area, tmp_path: Path, content: bytes, options: ReadOptions, name: str = "a.csv") -> str:
    with pytest.raises(Unreadable) as caught:
        ready(area, tmp_path, content, options, name)
    assert caught.value.file.startswith(f"in/{name}")
    return caught.value.rule


# -- files that need nothing --


@pytest.mark.parametrize(
    "content",
    [b"", ROWS, ROWS.replace(b"\n", b"\r\n"), ROWS.replace(b"\n", b"\r"), "id\nä€😀\n".encode(), b"id\n1"],
)
def test_a_plain_file_is_read_where_it_is(area: Area, tmp_path: Path, content: bytes) -> None:
    (file,) = ready(area, tmp_path, content, CSV, "a.csv")
    assert file == PlainFile(area.engine_path("kept/a.csv"), "in/a.csv")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_name_that_looks_like_a_pattern_opens_that_very_file(area: Area, tmp_path: Path) -> None:
    area.write("kept/a1.csv", iter([b"other"]))
    (file,) = ready(area, tmp_path, ROWS, CSV, "a[1].csv")
    assert "[" not in Path(file.path).name
    assert (file.name, content_of(file)) == ("in/a[1].csv", ROWS)


def test_text_in_object_storage_is_fetched_and_parquet_is_left_there(tmp_path: Path) -> None:
    area = MemoryArea("s3://plain-files")
    (text,) = ready(area, tmp_path, ROWS, CSV, "a.csv")
    (parquet,) = ready(area, tmp_path, b"PAR1", ReadOptions(Format.PARQUET), "a.parquet")
    assert content_of(text) == ROWS
    assert parquet.path == area.engine_path("kept/a.parquet")


# -- packing --


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
def test_packed_files_of_several_members_are_read_whole(
    area: Area, tmp_path: Path, compression: Compression
) -> None:
    content = packed(ROWS, compression) + packed(b"", compression) + packed(b"3,c\n" * 2_000_000, compression)
    (file,) = ready(area, tmp_path, content, ReadOptions(Format.CSV, compression), "a.csv.x")
    assert content_of(file) == ROWS + b"3,c\n" * 2_000_000
    assert file.name == "in/a.csv.x"


def test_zeros_after_a_gzip_member_fill_a_block(area: Area, tmp_path: Path) -> None:
    (file,) = ready(
        area, tmp_path, gzip.compress(ROWS) + b"\0" * 512, ReadOptions(Format.CSV, Compression.GZIP), "a.gz"
    )
    assert content_of(file) == ROWS


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
def test_every_cut_of_a_packed_file_is_noticed(area: Area, tmp_path: Path, compression: Compression) -> None:
    whole = packed(ROWS, compression)
    for length in range(len(whole)):
        rule = refusal(area, tmp_path, whole[:length], ReadOptions(Format.CSV, compression))
        assert rule.startswith("damaged or cut short: ")
        assert rule.endswith("; land it again whole")


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD, Compression.ZIP])
def test_a_damaged_byte_of_the_packed_text_is_noticed(
    area: Area, tmp_path: Path, compression: Compression
) -> None:
    text = bytes(random.Random(7).choices(range(32, 127), k=2_000))
    whole = zipped({"a.csv": text}) if compression is Compression.ZIP else packed(text, compression)
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0x10
    rule = refusal(area, tmp_path, bytes(damaged), ReadOptions(Format.CSV, compression))
    assert rule.startswith("damaged or cut short: ")


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD, Compression.ZIP])
def test_a_file_that_is_not_packed_as_told_is_refused(
    area: Area, tmp_path: Path, compression: Compression
) -> None:
    assert f"not {'a zip archive' if compression is Compression.ZIP else compression}" in refusal(
        area, tmp_path, ROWS, ReadOptions(Format.CSV, compression)
    )


def test_garbage_after_a_gzip_member_is_refused(area: Area, tmp_path: Path) -> None:
    rule = refusal(
        area, tmp_path, gzip.compress(ROWS) + b"garbage", ReadOptions(Format.CSV, Compression.GZIP)
    )
    assert "not gzip after member 1" in rule


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (gzip.compress(ROWS), CSV),
        (zipped({"a": ROWS}), CSV),
        (gzip.compress(gzip.compress(ROWS)), ReadOptions(Format.CSV, Compression.GZIP)),
    ],
    # What is packed holds the time: as a test's name it would differ between two test processes.
    ids=["gzip", "zip", "gzip in gzip"],
)
def test_packed_content_that_the_contract_does_not_tell_of_is_named(
    area: Area, tmp_path: Path, content: bytes, options: ReadOptions
) -> None:
    assert re.search(
        r"its content is packed \((gzip|zip)\); expected text", refusal(area, tmp_path, content, options)
    )


ZIP = ReadOptions(Format.CSV, Compression.ZIP)


def test_each_member_of_an_archive_is_a_file(area: Area, tmp_path: Path) -> None:
    content = zipped({"part/1.csv": ROWS, "2.csv": b"id\n", "folder/": b""})
    files = ready(area, tmp_path, content, ZIP, "a.zip")
    assert [(file.name, content_of(file)) for file in files] == [
        ("in/a.zip/part/1.csv", ROWS),
        ("in/a.zip/2.csv", b"id\n"),
    ]


@pytest.mark.parametrize(
    "beside",
    [
        "__MACOSX/._2.csv", "__MACOSX/a/._b", ".DS_Store", "part/.DS_Store", "._a.csv", "part/._a.csv",
        "Thumbs.db", "desktop.ini", "README", "readme.txt", "part/README.md", "Read me.pdf", "LICENSE",
    ],
)  # fmt: skip
def test_what_lies_beside_the_files_of_an_archive_is_passed_over(
    area: Area, tmp_path: Path, beside: str
) -> None:
    content = zipped({beside: b"\0not text", "part/a.csv": ROWS})
    (file,) = ready(area, tmp_path, content, ZIP, "a.zip")
    assert (file.name, content_of(file)) == ("in/a.zip/part/a.csv", ROWS)


@pytest.mark.parametrize("name", ["readme.txt", "notes.txt", "a.tsv", ".hidden.csv"])
def test_no_file_of_an_archive_is_left_out_that_may_be_data(area: Area, tmp_path: Path, name: str) -> None:
    alone = ready(area, tmp_path / "alone", zipped({name: ROWS}), ZIP, "a.zip")
    assert [file.name for file in alone] == [f"in/a.zip/{name}"]
    if name != "readme.txt":
        (tmp_path / "beside").mkdir()
        both = ready(area, tmp_path / "beside", zipped({"b.csv": ROWS, name: ROWS}), ZIP, "a.zip")
        assert [file.name for file in both] == ["in/a.zip/b.csv", f"in/a.zip/{name}"]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({}, "the archive is empty; expected at least one file"),
        ({"folder/": b""}, "the archive is empty"),
        ({"b.zip": zipped({"c.csv": ROWS})}, "its member `b.zip` is packed itself"),
        ({"../b.csv": ROWS}, "its member `../b.csv` has a path that leaves the archive"),
        ({"/etc/b.csv": ROWS}, "its member `/etc/b.csv` has a path that leaves the archive"),
        ({"a\\..\\..\\b.csv": ROWS}, "has a path that leaves the archive"),
    ],
)
def test_archives_that_are_not_plain_files_are_refused(
    area: Area, tmp_path: Path, members: dict[str, bytes], said: str
) -> None:
    assert said in refusal(area, tmp_path, zipped(members), ZIP, "a.zip")


def test_an_encrypted_member_is_refused(area: Area, tmp_path: Path) -> None:
    content = bytearray(zipped({"a.csv": ROWS}))
    content[6] |= 1  # the local header's flag
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the directory's
    said = refusal(area, tmp_path, bytes(content), ZIP, "a.zip")
    assert said == "its member `a.csv` is encrypted; expected a plain file; pack it without a password"


def test_an_archive_cut_short_is_refused(area: Area, tmp_path: Path) -> None:
    assert "damaged or cut short: not a zip archive" in refusal(
        area, tmp_path, zipped({"a.csv": ROWS})[:-30], ZIP
    )


# -- encodings --


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("cp1252", "id;Größe €\n".encode("cp1252")),
        ("utf-16", "id;Größe €\n".encode("utf-16")),
        ("utf-16-le", "id;Größe €\n".encode("utf-16-le")),
        ("utf-16-be", codecs.BOM_UTF16_BE + "id;Größe €\n".encode("utf-16-be")),
        ("utf-8", "id;Größe €\n".encode("utf-8-sig")),
        ("utf-8-sig", "id;Größe €\n".encode("utf-8-sig")),
        ("shift_jis", None),
    ],
)
def test_text_becomes_utf_8_without_mark(
    area: Area, tmp_path: Path, encoding: str, content: bytes | None
) -> None:
    text = "id;Größe €\n" if content is not None else "番号;名前\n"
    (file,) = ready(
        area, tmp_path, content or text.encode(encoding), ReadOptions(Format.CSV, encoding=encoding), "a.csv"
    )
    assert content_of(file).decode() == text


def test_a_character_cut_by_a_chunk_is_whole(area: Area, tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-16-le", "shift_jis"):
        text = "x" * (CHUNK_BYTES // (2 if encoding == "utf-16-le" else 1) - 1) + "ä" * (
            0 if encoding == "shift_jis" else 9
        )
        text += "名" * 9
        (file,) = ready(
            area, tmp_path, text.encode(encoding), ReadOptions(Format.CSV, encoding=encoding), "a.csv"
        )
        assert content_of(file).decode() == text


@pytest.mark.parametrize(
    ("encoding", "content", "said"),
    [
        ("utf-8", b"id\n1\nGr\xf6sse\n", "line 3: 0xF6 (byte 8 of the file) is not utf-8; expected utf-8"),
        ("utf-8", b"id\r1\rGr\xf6sse\r", "line 3: 0xF6 (byte 8 of the file) is not utf-8"),
        ("utf-8", b"id\n1\n\xe2\x82", "line 3: 0xE2 0x82 (byte 6 of the file) is not utf-8"),
        ("ascii", "id\nä\n".encode(), "line 2: 0xC3 (byte 4 of the file) is not ascii"),
        ("cp1252", b"id\n\x81\n", "line 2: 0x81 (byte 4 of the file) is not cp1252"),
        (
            "utf-16-le",
            "id\nab\n".encode("utf-16-le") + b"x",
            "line 3: 0x78 (byte 13 of the file) is not utf-16",
        ),
        ("utf-8", "id\n".encode("utf-16"), "it begins with the byte order mark of utf-16-le; expected utf-8"),
        ("utf-8", "id\n".encode("utf-16-le"), "line 1: a NUL (byte 2 of the file); expected text in utf-8"),
        ("utf-8", b"id\n1\n" + b"\0" * 9, "line 3: a NUL (byte 6 of the file)"),
        (
            "cp1252",
            "id\n".encode("utf-8-sig"),
            "it begins with the byte order mark of utf-8; expected cp1252",
        ),
        (
            "utf-16",
            "id\n".encode("utf-16-be"),
            "it has no byte order mark, so that utf-16 may be utf-16-le or",
        ),
        ("utf-16-le", codecs.BOM_UTF16_BE + b"\0i", "it begins with the byte order mark of utf-16-be"),
    ],
)
def test_text_in_another_encoding_is_refused_with_its_place(
    area: Area, tmp_path: Path, encoding: str, content: bytes, said: str
) -> None:
    assert said in refusal(area, tmp_path, content, ReadOptions(Format.JSONL, encoding=encoding))


def test_rows_of_a_csv_file_that_are_not_utf_8_are_left_to_its_reader(area: Area, tmp_path: Path) -> None:
    (file,) = ready(area, tmp_path, b"id\nGr\xf6sse\n", CSV, "a.csv")
    assert file.path == area.engine_path("kept/a.csv")
    said = refusal(area, tmp_path, "id\n".encode("utf-16-le"), CSV)
    assert said.startswith("line 1: a NUL (byte 2 of the file); expected text in utf-8")


def test_files_of_two_byte_orders_that_were_put_together_are_refused(area: Area, tmp_path: Path) -> None:
    first = codecs.BOM_UTF16_LE + "id\n1\n".encode("utf-16-le")
    second = codecs.BOM_UTF16_BE + "id\n2\n".encode("utf-16-be")
    said = refusal(area, tmp_path, first + second, ReadOptions(Format.CSV, encoding="utf-16"))
    assert said.startswith(
        f"line 3: a byte order mark of the other order (byte {len(first) + 1} of the file)"
    )


def test_a_wrong_byte_far_into_a_file_is_placed(area: Area, tmp_path: Path) -> None:
    content = b"abc\n" * CHUNK_BYTES + b"\xff\n"
    assert f"line {CHUNK_BYTES + 1}: 0xFF (byte {4 * CHUNK_BYTES + 1} of" in refusal(
        area, tmp_path, content, ReadOptions(Format.JSONL)
    )


# -- line ends --


def test_csv_of_mixed_ends_is_left_to_its_reader(area: Area, tmp_path: Path) -> None:
    content = b'a,b\r\n1,"x\r\ny\rz\nw ""q"" "\r2,5" pipe\n3,\r\n'
    (file,) = ready(area, tmp_path, content, CSV, "a.csv")
    assert file.path == area.engine_path("kept/a.csv")


def test_mixed_ends_of_a_packed_file_are_mended_too(area: Area, tmp_path: Path) -> None:
    lines = gzip.compress(b'{"a": 1}\r\n{"a": 2}\n')
    (file,) = ready(area, tmp_path, lines, ReadOptions(Format.JSONL, Compression.GZIP), "a.gz")
    assert content_of(file) == b'{"a": 1}\n{"a": 2}\n'
    assert len(list((tmp_path / "scratch").iterdir())) == 1


def test_json_lines_of_mixed_ends_are_mended_and_a_json_array_is_left(area: Area, tmp_path: Path) -> None:
    content = b'{"a": 1}\r\n{"a": 2}\n'
    (lines,) = ready(area, tmp_path, content, ReadOptions(Format.JSONL), "a.jsonl")
    (array,) = ready(area, tmp_path, content, ReadOptions(Format.JSON), "a.json")
    assert content_of(lines) == content.replace(b"\r", b"")
    assert array.path == area.engine_path("kept/a.json")


def pieces(content: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        yield content[at : at + size]
        at += size
    yield content[at:]


@settings(deadline=None)
@given(st.text("a\r\n", max_size=20), st.lists(st.integers(0, 4), max_size=8))
@example("\r\n\r\n", [3])
def test_line_ends_are_told_however_a_file_is_cut(text: str, sizes: list[int]) -> None:
    ends = LineEnds()
    for chunk in pieces(text.encode(), sizes):
        ends.see(chunk)
    assert ends.mixed == (len(set(re.findall("\r\n|\r|\n", text))) > 1)
