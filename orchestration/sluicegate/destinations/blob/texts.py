"""Values in files of text, CSV and JSON lines: how the engine writes each, and what it reads them as again.

| What | As text |
| --- | --- |
| a moment | ISO 8601, with `Z` where it is UTC |
| bytes | Base64 |
| JSON | the very text in both formats, in JSON lines with blanks for line ends |
| in JSON lines a decimal of more than 15 digits | text: readers of JSON make a double of a number |

The same form at each depth. A line of JSON is put together here, as the engine would write the numbers
within a value of type JSON anew, by a double; they are read by Python, which keeps their digits.

Belongs here: forms, types, what a format cannot say. Does not: files, and which rows are in them (`parts`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, cast

from sluicegate.compute.sql import literal, quoted
from sluicegate.compute.sql_types import LIST, MAP, STRUCT, SqlType, UnknownType, parse_type

from ..exact_values import DIGITS_IN_DOUBLE, Unfit, days_outside, no_numbers, with_names, zero_signs

Fields = Sequence[tuple[str, str]]

_TEXT = SqlType("VARCHAR")
_WITHOUT_TEXT = ("VARIANT", "GEOMETRY")
# Of a text of JSON, what stands between quotes; the engine takes for JSON what the standard does not.
_STRING = r'"(?:[^"\\]|\\.)*"'
_NO_JSON = r"(?i)nan|inf|,\s*[\]}]"
_LINES = 10_000


class _Number(str):
    """A number as a text of JSON has it."""

    __slots__ = ()


def has_text(file_format: str, kind: SqlType) -> bool:
    """Return whether a format has a form for a type, whatever is within it."""
    if file_format == "parquet":
        return True
    if kind.name == MAP and kind.members[0][1].members:
        return False  # names are text
    return kind.name not in _WITHOUT_TEXT


def unfit(file_format: str, value: str, kind: SqlType) -> Iterator[Unfit]:
    """Yield what a format cannot say of a value; Parquet says all."""
    if file_format == "parquet":
        return
    yield from days_outside(value, kind, 1, 9999, "ISO 8601")
    if file_format == "csv":
        yield from zero_signs(value, kind, "CSV")
        return
    yield from no_numbers(value, kind, "JSON")
    if kind.name == "JSON":
        yield Unfit(
            f"regexp_full_match({value}::varchar, '\\s*null\\s*')",
            "in JSON lines the JSON value null and no value are one",
            "make it null in the model",
        )
        yield Unfit(
            f"regexp_matches(regexp_replace({value}::varchar, '{_STRING}', '0', 'g'), '{_NO_JSON}')",
            "JSON has no NaN, no infinity and no comma behind the last value",
            "correct it in the model",
        )


def csv_value(name: str, kind: str) -> str:
    """Return the expression that writes a field to CSV."""
    return f"{_plain(quoted(name), parse_type(kind))} as {quoted(name)}"


def json_line(fields: Fields) -> str:
    """Return SQL of a row as one line of JSON."""
    return _object((name, _json(quoted(name), parse_type(kind))) for name, kind in fields)


def read(path: Path, file_format: str, held: Fields, fields: Fields, scratch: Path) -> str:
    """Return SQL of a file's rows in their order: some of the fields `held`, with their types.

    It is good until it is asked for again with the same folder `scratch`, where a file may lie for it.
    """
    if file_format == "csv":
        source = csv_rows(path, held)
    else:
        shapes = {name: _shape(kind) for name, kind in fields}
        exact = {name: shape for name, shape in shapes.items() if _has_json(shape)}
        columns = ", ".join(
            f"{literal(name)}: {literal(_written(shape))}"
            for name, shape in shapes.items()
            if name not in exact
        )
        sources = [f"read_json({literal(str(path))}, format = 'newline_delimited', columns = {{{columns}}})"]
        if exact:
            values = scratch / "values_of_json.parquet"
            _write_by_python(path, exact, values)
            sources.append(f"read_parquet({literal(str(values))})")
        source = " positional join ".join(sources[not columns :])
    typed = ", ".join(f"{_typed(name, kind)} as {quoted(name)}" for name, kind in fields)
    return f"(select {typed} from {source})"


def csv_rows(path: Path, held: Fields) -> str:
    """Return SQL of the rows of a CSV file, each field as the text that stands there."""
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name, _ in held)
    return (
        f"read_csv({literal(str(path))}, auto_detect = false, header = true, delim = ',', quote = '\"',"
        f" escape = '\"', new_line = '\\r\\n', allow_quoted_nulls = false, columns = {{{columns}}})"
    )


def _plain(value: str, kind: SqlType) -> str:
    """Return SQL of a value that nests nothing, in the form that a file has."""
    if kind.name == "TIMESTAMP_NS":
        return f"strftime({value}, '%Y-%m-%dT%H:%M:%S.%n')"
    if kind.name == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({value}::timestamp, '%Y-%m-%dT%H:%M:%S.%fZ')"
    if kind.name.startswith("TIMESTAMP"):
        return f"strftime({value}, '%Y-%m-%dT%H:%M:%S.%f')"
    return f"to_base64({value})" if kind.name == "BLOB" else value


def _json(value: str, kind: SqlType, depth: int = 0) -> str:
    """Return SQL of a value as JSON, on one line and never null."""
    item = f"_item{depth}"
    match kind.name:
        case "JSON":
            return f"coalesce(translate({value}::varchar, chr(10) || chr(13), '  '), 'null')"
        case name if name == LIST:
            inner = _json(item, kind.members[0][1], depth + 1)
            text = f"concat('[', {_joined(value, item, inner)}, ']')"
        case name if name == MAP:
            (_, of_key), (_, of_value) = kind.members
            key = f"to_json({_plain(f'struct_extract_at({item}, 1)', of_key)}::varchar)::varchar"
            inner = f"concat({key}, ':', {_json(f'struct_extract_at({item}, 2)', of_value, depth + 1)})"
            text = f"concat('{{', {_joined(f'map_entries({value})', item, inner)}, '}}')"
        case name if name == STRUCT:
            text = _object(
                (name, _json(f"struct_extract_at({value}, {place})", member, depth))
                for place, (name, member) in enumerate(kind.members, 1)
            )
        case _:
            plain = _plain(value, kind)
            if kind.name == "DECIMAL" and kind.numbers[0] > DIGITS_IN_DOUBLE:
                plain = f"{plain}::varchar"
            return f"coalesce(to_json({plain})::varchar, 'null')"
    return f"case when {value} is null then 'null' else {text} end"


def _joined(items: str, item: str, inner: str) -> str:
    return f"array_to_string(list_transform({items}, lambda {item}: {inner}), ',')"


def _object(members: Iterable[tuple[str, str]]) -> str:
    named = (f"{literal(json.dumps(name, ensure_ascii=False) + ':')}, {text}" for name, text in members)
    separated = ", ',', ".join(named)
    # Not by ||, which would nest as deep as there are fields.
    return f"concat('{{', {separated}, '}}')"


def _known(kind: str) -> SqlType | None:
    """Return a field's type; None for one that an earlier version sent, and that has no form here."""

    def fits(known: SqlType) -> bool:
        return (
            with_names(known)
            and has_text("json_lines", known)
            and all(fits(member) for _, member in known.members)
        )

    try:
        known = parse_type(kind)
    except UnknownType:
        return None
    return known if fits(known) else None


def _shape(kind: str) -> SqlType:
    """Return the type of texts that a field is read as: nested as the field is."""
    known = _known(kind)
    return _shape_of(known) if known else _TEXT


def _shape_of(kind: SqlType) -> SqlType:
    if kind.name == MAP:
        return SqlType(MAP, members=(("", _TEXT), ("", _shape_of(kind.members[1][1]))))
    if kind.members:
        return SqlType(kind.name, members=tuple((name, _shape_of(member)) for name, member in kind.members))
    return kind if kind.name == "JSON" else _TEXT


def _has_json(shape: SqlType) -> bool:
    return shape.name == "JSON" or any(_has_json(member) for _, member in shape.members)


def _written(shape: SqlType) -> str:
    """Return a shape as SQL writes a type."""
    members = [_written(member) for _, member in shape.members]
    match shape.name:
        case name if name == LIST:
            return f"{members[0]}[]"
        case name if name == MAP:
            return f"MAP({', '.join(members)})"
        case name if name == STRUCT:
            names = (quoted(name) for name, _ in shape.members)
            return f"STRUCT({', '.join(map(' '.join, zip(names, members, strict=True)))})"
        case _:
            return shape.name


def _typed(name: str, kind: str) -> str:
    """Return SQL of a field's values, from texts in its shape."""
    known = _known(kind)
    return f"{_bytes(quoted(name), known)}::{kind}" if known else f"{quoted(name)}"


def _bytes(value: str, kind: SqlType, depth: int = 0) -> str:
    """Return SQL of texts in a shape with those of bytes as bytes, null where one is no Base64."""
    if not _has_bytes(kind):
        return value
    item = f"_item{depth}"
    if kind.name == LIST:
        return f"list_transform({value}, lambda {item}: {_bytes(item, kind.members[0][1], depth + 1)})"
    if kind.name == MAP:
        entry = ", ".join(
            f"{name} := {_bytes(f'struct_extract_at({item}, {place})', member, depth + 1)}"
            for place, (name, (_, member)) in enumerate(zip("kv", kind.members, strict=True), 1)
        )
        entries = f"list_transform(map_entries({value}), lambda {item}: struct_pack({entry}))"
        return f"case when {value} is null then null else map_from_entries({entries}) end"
    if kind.name == STRUCT:
        packed = ", ".join(
            f"{quoted(name)} := {_bytes(f'struct_extract_at({value}, {place})', member, depth)}"
            for place, (name, member) in enumerate(kind.members, 1)
        )
        return f"case when {value} is null then null else struct_pack({packed}) end"
    return f"try(from_base64({value}))"


def _has_bytes(kind: SqlType) -> bool:
    return kind.name == "BLOB" or any(_has_bytes(member) for _, member in kind.members)


def _write_by_python(path: Path, shapes: Mapping[str, SqlType], to: Path) -> None:
    """Write fields of a file of JSON lines to Parquet, as texts in their shapes."""
    arrow = import_module("pyarrow")
    schema = arrow.schema([(name, _arrow_type(shape)) for name, shape in shapes.items()])
    decode = json.JSONDecoder(parse_int=_Number, parse_float=_Number).decode
    with (
        path.open(encoding="utf-8", newline="\n") as lines,
        import_module("pyarrow.parquet").ParquetWriter(to, schema) as writer,
    ):
        while rows := [decode(line) for line in islice(lines, _LINES)]:
            columns = [
                arrow.array([_texts(row.get(name), shape) for row in rows], schema.field(name).type)
                for name, shape in shapes.items()
            ]
            writer.write_batch(arrow.record_batch(columns, schema=schema))


def _arrow_type(shape: SqlType) -> Any:
    arrow = import_module("pyarrow")
    members = [_arrow_type(member) for _, member in shape.members]
    if shape.name == LIST:
        return arrow.list_(members[0])
    if shape.name == MAP:
        return arrow.map_(*members)
    if shape.name == STRUCT:
        names = (name for name, _ in shape.members)
        return arrow.struct(list(zip(names, members, strict=True)))
    return arrow.string()


def _texts(value: Any, shape: SqlType) -> Any:
    """Return a value of JSON with texts for all within it that nests nothing."""
    if value is None:
        return None
    if shape.name == LIST:
        return [_texts(item, shape.members[0][1]) for item in value]
    if shape.name == MAP:
        return [(name, _texts(item, shape.members[1][1])) for name, item in value.items()]
    if shape.name == STRUCT:
        return {name: _texts(value.get(name), member) for name, member in shape.members}
    return value if isinstance(value, str) and shape == _TEXT else _one_text(value)


def _one_text(value: Any) -> str:
    """Return the text of a JSON value, each number with the digits that it had."""
    if isinstance(value, _Number):
        return value
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value).items()
        return f"{{{','.join(f'{json.dumps(name)}:{_one_text(item)}' for name, item in members)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_one_text, cast('list[Any]', value)))}]"
    return json.dumps(value)
