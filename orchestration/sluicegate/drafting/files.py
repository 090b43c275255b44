"""Sample files -> how they are read: format, compression, encoding, dialect.

Belongs here: looking into a file without a contract, the only place where anything is sniffed. Does not
belong here: reading rows; the drops' own readers do that, as the draft says.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sluicegate.compute.engine import open_engine
from sluicegate.contracts.reading import Compression, Format, ReadOptions, compression_of

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
_SNIFF = "select Delimiter, Quote, Escape, SkipRows, HasHeader from sniff_csv(?, sample_size = -1"
_DELIMITERS = ",;\t|"
_NO_QUOTE = ("", "\0", "(empty)")


@dataclass(frozen=True)
class _Sniffed:
    """How one sample is read. ASCII alone is of any encoding; what is `unquoted`, of any quote."""

    options: ReadOptions
    ascii: bool = False
    unquoted: bool = False

    @property
    def told(self) -> ReadOptions:
        """What it shows."""
        quote = {"quote": "", "escape": ""} if self.unquoted else {}
        return replace(self.options, encoding="", **quote)


def _sniffed(file: Path, scratch: Path, topic: str) -> _Sniffed:
    """Return how a sample is read.

    Raises:
        ValueError: it is empty, or of a format that cannot be drafted from a file alone.
    """
    with file.open("rb") as stream:
        magic = stream.read(8)
    suffix = Path(file.name.removesuffix(_packing_suffix(file.name))).suffix.lower()
    compression = Compression.NONE
    if _SUFFIXES.get(suffix) is not Format.EXCEL:
        from sluicegate.ingestion.formats.unpack import packed_as

        compression = packed_as(magic)
    head = _head(file, compression)
    if not head:
        raise ValueError(f"{file}: the sample is empty; expected some rows; name another")
    format_ = _format(head, suffix)
    options = ReadOptions(format=format_, compression=compression)
    if format_ is Format.ROSBAG:
        return _Sniffed(replace(options, topic=_topic(file, compression, topic, scratch)))
    if format_ not in _TEXT:
        return _Sniffed(options)
    encoding = _encoding(file, compression, head)
    options = replace(options, encoding="utf-8" if encoding == "ascii" else encoding)
    unquoted = False
    if format_ is Format.CSV:
        options, unquoted = _with_dialect(file, options, head, scratch)
    return _Sniffed(options, encoding == "ascii", unquoted)


def _topic(file: Path, compression: Compression, topic: str, scratch: Path) -> str:
    """Return the topic whose messages are the rows: the one that is named, or the only one."""
    from rosbags.highlevel import AnyReader

    bag = scratch / "topics.bag"
    with bag.open("wb") as copy:
        for chunk in _chunks(file, compression):
            copy.write(chunk)
    try:
        with AnyReader([bag]) as reader:
            topics = sorted(reader.topics)
    except Exception as error:
        # Whatever the bytes led it to: not all its errors are of its own kind.
        said = str(error).replace(str(bag), str(file)) or type(error).__name__
        raise ValueError(
            f"{file}: no ROS bag, or not closed ({said}); expected a whole bag; name another"
        ) from None
    finally:
        bag.unlink()
    if topic in topics or (not topic and len(topics) == 1):
        return topic or topics[0]
    said = f"no topic `{topic}`" if topic else f"{len(topics)} topics, and a source is one of them"
    raise ValueError(
        f"{file}: {said}; expected one of: {', '.join(topics)};"
        f" add `--topic {topics[0] if topics else 'NAME'}`"
    )


def _packing_suffix(name: str) -> str:
    return Path(name).suffix if compression_of(name) is not Compression.NONE else ""


def _chunks(file: Path, compression: Compression) -> Iterator[bytes]:
    from sluicegate.ingestion.formats import unpack

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
    """Return ASCII or UTF-8 if all of it is; else what a byte order mark says, or Windows' western code."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return name
    for name in ("ascii", "utf-8", "cp1252"):
        decoder = codecs.getincrementaldecoder(name)()
        try:
            for chunk in _chunks(file, compression):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        return name
    return "latin-1"


def _with_dialect(file: Path, options: ReadOptions, head: bytes, scratch: Path) -> tuple[ReadOptions, bool]:
    """Let the engine sniff the beginning of the sample; return also whether it shows no quotes."""
    import duckdb

    text = (
        codecs.getincrementaldecoder(options.encoding)(errors="replace").decode(head).removeprefix("\ufeff")
    )
    beginning = text if len(head) < _HEAD_BYTES else text[: text.rfind("\n") + 1]
    plain = scratch / "sniffed.csv"
    plain.write_text(beginning, encoding="utf-8", newline="")
    with open_engine() as connection:
        try:
            sniffed = connection.execute(f"{_SNIFF})", [str(plain)]).fetchone()
            assert sniffed is not None
            delimiter = _likely_delimiter(beginning)
            if str(sniffed[0]) not in beginning and delimiter:
                # A row that cannot be split makes one column of all: whoever wrote the header meant several.
                sniffed = connection.execute(
                    f"{_SNIFF}, delim = ?, ignore_errors = true)", [str(plain), delimiter]
                ).fetchone()
        except duckdb.Error as error:
            raise ValueError(
                f"{file}: no CSV dialect fits it ({error}); write its contract by hand"
            ) from None
    assert sniffed is not None
    delimiter, quote, escape, skipped, has_header = sniffed
    unquoted = str(quote) in _NO_QUOTE or str(quote) not in beginning
    quote = '"' if unquoted else str(quote)
    escape = quote if unquoted or str(escape) in _NO_QUOTE else str(escape)
    found = replace(
        options, delimiter=str(delimiter), quote=quote, escape=escape, skip_lines=int(skipped or 0)
    )
    header = bool(has_header) or looks_like_names(_first_row(beginning, found))
    return replace(found, header=header), unquoted


def _likely_delimiter(text: str) -> str:
    """Return the sign between the names in the first line; empty, if there is none."""
    first = text.partition("\n")[0]
    likely = max(_DELIMITERS, key=first.count)
    return likely if likely in first else ""


def _first_row(text: str, options: ReadOptions) -> list[str]:
    lines = io.StringIO(text)
    for _ in range(options.skip_lines):
        lines.readline()
    return next(csv.reader(lines, delimiter=options.delimiter, quotechar=options.quote), [])


def looks_like_names(first: Sequence[str]) -> bool:
    """Whether a first row may be of names: they differ, and none is a value, whatever the types below."""
    return len(set(first)) == len(first) and all(
        name.strip() and not _VALUE_LIKE.fullmatch(name.strip()) for name in first
    )


def all_alike(files: Sequence[Path], scratch: Path, topic: str = "") -> ReadOptions:
    """Return how all samples are read; `topic` is that of bags, empty if they have one alone.

    Raises:
        ValueError: they are not read in one way.
    """
    found = {file: _sniffed(file, scratch, topic) for file in files}
    # What tells most comes first: what it shows holds for those that do not show it.
    first, sniffed = min(found.items(), key=lambda item: item[1].unquoted)
    for file, other in found.items():
        like = replace(sniffed, unquoted=sniffed.unquoted or other.unquoted)
        if replace(other, unquoted=like.unquoted).told != like.told:
            raise _not_alike(file, _told(other.options), first, _told(sniffed.options))
    encoded = [(file, one.options.encoding) for file, one in found.items() if not one.ascii]
    for file, encoding in encoded:
        if encoding != encoded[0][1]:
            raise _not_alike(file, encoding, encoded[0][0], encoded[0][1])
    return replace(sniffed.options, encoding=encoded[0][1] if encoded else sniffed.options.encoding)


def _not_alike(file: Path, told: str, first: Path, wanted: str) -> ValueError:
    return ValueError(
        f"{file}: not read as {first} is ({told}, not {wanted}); expected samples of one source, which is"
        " read in one way; draft from those that are alike, or have the provider write all of them so"
    )


def _told(options: ReadOptions) -> str:
    packed = f" in {options.compression}" if options.compression is not Compression.NONE else ""
    if options.format is not Format.CSV:
        topic = f" of topic {options.topic}" if options.topic else ""
        return f"{options.format}{packed}{topic}"
    header = "with" if options.header else "without"
    escape = f", escaped by `{options.escape}`" if options.escape != options.quote else ""
    skipped = f" after {options.skip_lines} lines" if options.skip_lines else ""
    return (
        f"csv{packed} by `{options.delimiter}`, quoted by `{options.quote}`{escape},"
        f" {header} a header{skipped}"
    )
