"""Sample files -> how they are read: format, compression, encoding, dialect.

Belongs here: looking into a file without a contract, the only place where anything is sniffed. Does not
belong here: reading rows; the drops' own readers do that, as the draft says.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from orchestration.compute.engine import open_engine
from orchestration.contracts.reading import Compression, Format, ReadOptions, compression_of

_SUFFIXES = {
    ".parquet": Format.PARQUET, ".avro": Format.AVRO, ".xlsx": Format.EXCEL, ".bag": Format.ROSBAG,
    ".jsonl": Format.JSONL, ".ndjson": Format.JSONL, ".csv": Format.CSV, ".tsv": Format.CSV,
}  # fmt: skip
_MAGICS = {b"PAR1": Format.PARQUET, b"Obj\x01": Format.AVRO, b"#ROSBAG": Format.ROSBAG}
_TEXT = (Format.CSV, Format.JSON, Format.JSONL)
_HEAD_BYTES = 1 << 20
_VALUE_LIKE = re.compile(
    r"[+-]?[\d.,]+([eE][+-]?\d+)?|\d{1,4}[-./]\d{1,2}[-./]\d{1,4}.*|true|false", re.IGNORECASE
)
_NO_QUOTE = ("", "\0", "(empty)")


def read_options(file: Path, scratch: Path) -> ReadOptions:
    """Return how a sample is read.

    Raises:
        ValueError: it is empty, or of a format that cannot be drafted from a file alone.
    """
    with file.open("rb") as stream:
        magic = stream.read(8)
    suffix = Path(file.name.removesuffix(_packing_suffix(file.name))).suffix.lower()
    compression = Compression.NONE
    if _SUFFIXES.get(suffix) is not Format.EXCEL:
        from orchestration.ingestion.formats.unpack import packed_as

        compression = packed_as(magic)
    head = _head(file, compression)
    if not head:
        raise ValueError(f"{file}: the sample is empty; expected some rows; name another")
    format_ = _format(head, suffix)
    if format_ is Format.ROSBAG:
        raise ValueError(f"{file}: a ROS bag holds several topics; expected rows; write its contract by hand")
    options = ReadOptions(format=format_, compression=compression)
    if format_ in _TEXT:
        options = replace(options, encoding=_encoding(file, compression, head))
    return _with_dialect(file, options, head, scratch) if format_ is Format.CSV else options


def _packing_suffix(name: str) -> str:
    return Path(name).suffix if compression_of(name) is not Compression.NONE else ""


def _chunks(file: Path, compression: Compression) -> Iterator[bytes]:
    from orchestration.ingestion.formats import unpack

    with file.open("rb") as stream:
        if compression is Compression.ZIP:
            yield from unpack.member_chunks(stream, str(file), unpack.zip_members(stream, str(file))[0])
        elif compression is Compression.NONE:
            yield from unpack.raw_chunks(stream)
        else:
            yield from unpack.unpacked_chunks(stream, str(file), compression)


def _head(file: Path, compression: Compression) -> bytes:
    head = b""
    for chunk in _chunks(file, compression):
        head += chunk
        if len(head) >= _HEAD_BYTES:
            break
    return head


def _format(head: bytes, suffix: str) -> Format:
    for magic, format_ in _MAGICS.items():
        if head.startswith(magic):
            return format_
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    first = head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0")[:1]
    return {b"[": Format.JSON, b"{": Format.JSONL}.get(first, Format.CSV)


def _encoding(file: Path, compression: Compression, head: bytes) -> str:
    """Return UTF-8 if the whole sample is; else what a byte order mark says, or Windows' western code."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return name
    for name in ("utf-8", "cp1252"):
        decoder = codecs.getincrementaldecoder(name)()
        try:
            for chunk in _chunks(file, compression):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        return name
    return "latin-1"


def _with_dialect(file: Path, options: ReadOptions, head: bytes, scratch: Path) -> ReadOptions:
    """Let the engine sniff the beginning of the sample."""
    import duckdb

    text = (
        codecs.getincrementaldecoder(options.encoding)(errors="replace").decode(head).removeprefix("\ufeff")
    )
    beginning = text if len(head) < _HEAD_BYTES else text[: text.rfind("\n") + 1]
    plain = scratch / "sniffed.csv"
    plain.write_text(beginning, encoding="utf-8", newline="")
    with open_engine() as connection:
        try:
            sniffed = connection.execute(
                "select Delimiter, Quote, Escape, SkipRows, HasHeader from sniff_csv(?, sample_size = -1)",
                [str(plain)],
            ).fetchone()
        except duckdb.Error as error:
            raise ValueError(
                f"{file}: no CSV dialect fits it ({error}); write its contract by hand"
            ) from None
    assert sniffed is not None
    delimiter, quote, escape, skipped, has_header = sniffed
    quote = '"' if quote in _NO_QUOTE else str(quote)
    escape = quote if escape in _NO_QUOTE else str(escape)
    found = replace(
        options, delimiter=str(delimiter), quote=quote, escape=escape, skip_lines=int(skipped or 0)
    )
    return replace(found, header=bool(has_header) or _looks_like_header(beginning, found))


def _looks_like_header(text: str, options: ReadOptions) -> bool:
    """The engine tells a header by its types; where all is text, names differ and are no values."""
    lines = io.StringIO(text)
    for _ in range(options.skip_lines):
        lines.readline()
    first = next(csv.reader(lines, delimiter=options.delimiter, quotechar=options.quote), [])
    return len(set(first)) == len(first) and all(
        name.strip() and not _VALUE_LIKE.fullmatch(name.strip()) for name in first
    )


def all_alike(files: Sequence[Path], scratch: Path) -> ReadOptions:
    """Return how all samples are read.

    Raises:
        ValueError: they are not read in one way.
    """
    found = {file: read_options(file, scratch) for file in files}
    first, options = next(iter(found.items()))
    for file, other in found.items():
        # A file of ASCII alone is of any encoding.
        if replace(other, encoding="") != replace(options, encoding=""):
            raise ValueError(
                f"{file}: not read as {first} is ({_told(other)}, not {_told(options)});"
                " expected samples of one source; draft from one of them"
            )
    encodings = {other.encoding for other in found.values()} - {"utf-8"}
    return replace(options, encoding=encodings.pop() if encodings else "utf-8")


def _told(options: ReadOptions) -> str:
    packed = f" in {options.compression}" if options.compression is not Compression.NONE else ""
    if options.format is not Format.CSV:
        return f"{options.format}{packed}"
    header = "with" if options.header else "without"
    return f"csv{packed} by `{options.delimiter}`, quoted by `{options.quote}`, {header} a header"
