"""The properties of the contract's table -> columns."""

import re
from collections.abc import Mapping
from typing import Any, cast

from sluicegate.compute.type_text import type_text
from sluicegate.contracts.columns import OPEN_CLASSIFICATIONS, Column, Masking, ValueFormat
from sluicegate.contracts.custom import CustomProperties
from sluicegate.contracts.dates import UnknownDateFormat, format_problem, strptime_format
from sluicegate.contracts.rules import RulesOf
from sluicegate.contracts.types import KNOWN, Kind, base_of, kind_of, type_problem
from sluicegate.core.problems import did_you_mean
from sluicegate.core.yaml_files import YamlFile

COLUMN_PROPERTIES = (
    "aliases", "nullWords", "decimalSeparator", "thousandsSeparator", "currency", "trueWords",
    "falseWords", "masking",
)  # fmt: skip
# ODCS v3.1's options; `format` of a date is how it is written, the others are rules or for other tools.
_OPTIONS = (
    "pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf", "format", "timezone", "defaultTimezone", "minItems", "maxItems", "uniqueItems",
    "minProperties", "maxProperties", "required",
)  # fmt: skip
_UTC = ("UTC", "Etc/UTC", "Z", "GMT", "Etc/GMT")
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]*")


def columns_of(
    file: YamlFile, table: Mapping[str, Any], masking: Mapping[str, str], usual: CustomProperties
) -> tuple[Column, ...]:
    """Return the columns; `masking` is {classification: treatment}, `usual` the server's properties."""
    columns: dict[int, Column] = {}
    items = cast("list[dict[str, Any]]", table.get("properties") or [])
    for index, item in enumerate(items):
        column = _column(file, index, item, masking, usual)
        if column is not None:
            columns[index] = column
    _check_names(file, columns)
    used = {str(item.get("classification") or "") for item in items}
    for name in masking.keys() - used:
        file.complain(
            f"masking names the classification `{name}`, which no column has",
            expected=f"one of: {', '.join(sorted(used - {''})) or 'none: no column is classified'}",
            fix=did_you_mean(name, used - {""}), at=("customProperties",), code="SLU-P024",
        )  # fmt: skip
    return tuple(columns.values())


def _column(
    file: YamlFile,
    index: int,
    item: Mapping[str, Any],
    masking: Mapping[str, str],
    usual: CustomProperties,
) -> Column | None:
    at = ("schema", 0, "properties", index)
    if not item.get("physicalType"):
        file.complain(
            f"column `{item.get('name')}` has no physicalType",
            expected="the warehouse's type, as VARCHAR or DECIMAL(12,2)",
            fix="add `physicalType:`", at=at, code="SLU-P022",
        )  # fmt: skip
        return None
    custom = CustomProperties(file, at, COLUMN_PROPERTIES)
    options = cast("dict[str, Any]", item.get("logicalTypeOptions") or {})
    for name in options.keys() - set(_OPTIONS):
        file.complain(
            f"unknown field `{name}`", expected="a logicalTypeOption of ODCS v3.1",
            fix=did_you_mean(name, _OPTIONS), at=(*at, "logicalTypeOptions", name), code="SLU-P006",
        )  # fmt: skip
    classification = str(item.get("classification") or "")
    required = bool(item.get("required") or item.get("primaryKey"))
    type_ = type_text(str(item["physicalType"]))
    if wrong := type_problem(type_):
        file.complain(
            f"physicalType is `{item['physicalType']}`: {wrong}",
            expected="a type of the warehouse, as VARCHAR, BIGINT or DECIMAL(12,2)",
            fix=did_you_mean(base_of(type_), KNOWN) if base_of(type_) not in KNOWN else "correct it",
            at=(*at, "physicalType"),
            code="SLU-P022",
        )
        return None
    column = Column(
        name=str(item["name"]),
        header=str(item.get("physicalName") or item["name"]),
        type=type_,
        required=required,
        description=str(item.get("description") or ""),
        classification=classification,
        unique=bool(item.get("unique")),
        masking=_masking(file, at, classification, masking, custom),
        aliases=custom.texts("aliases"),
        written=_written(file, at, type_, options, custom, usual),
        rules=RulesOf(file, at, item, type_).read(),
    )
    _check_masking(file, at, item, column)
    return column


def _masking(
    file: YamlFile,
    at: tuple[str | int, ...],
    classification: str,
    masking: Mapping[str, str],
    custom: CustomProperties,
) -> Masking:
    said = custom.choice("masking", [str(item) for item in Masking], masking.get(classification, "keep"))
    if classification not in (*OPEN_CLASSIFICATIONS, *masking) and not custom.has("masking"):
        file.complain(
            f"nothing says what becomes of values classified `{classification}`",
            expected=f"`masking: {{{classification}: {' | '.join(Masking)}}}` in customProperties",
            fix="add it, or `masking` to the column", at=(*at, "classification"), code="SLU-P024",
        )  # fmt: skip
    return Masking(said or "keep")


def _written(
    file: YamlFile,
    at: tuple[str | int, ...],
    type_: str,
    options: Mapping[str, Any],
    custom: CustomProperties,
    usual: CustomProperties,
) -> ValueFormat:
    dates = ""
    if options.get("format") and kind_of(type_) in (Kind.DATE, Kind.MOMENT, Kind.TIME):
        try:
            dates = strptime_format(str(options["format"]))
            if wrong := format_problem(dates, type_):
                raise UnknownDateFormat(f"{wrong}, and the column is {type_}")
        except UnknownDateFormat as error:
            example = "HH:mm" if kind_of(type_) is Kind.TIME else "dd.MM.yyyy"
            file.complain(
                f"date format `{options['format']}`: {error}", expected="JDK DateTimeFormatter letters",
                fix=f"write it as in `{example}`", at=(*at, "logicalTypeOptions", "format"), code="SLU-P023",
            )  # fmt: skip
    elif options.get("format") and base_of(type_) in ("TIMETZ", "TIME WITH TIME ZONE"):
        file.complain(
            f"date format `{options['format']}`: the column is {type_}, which is read as ISO 8601 alone",
            expected="no format, as for `10:00:00+02:00`",
            fix="remove it; or take the column as VARCHAR, and convert it in a staging model",
            at=(*at, "logicalTypeOptions", "format"),
            code="SLU-P023",
        )
    said = str(options.get("defaultTimezone") or "UTC")
    if kind_of(type_) is Kind.MOMENT and said not in _UTC:
        file.complain(
            f"defaultTimezone is `{said}`", expected="UTC, for which a moment without a zone is taken",
            fix="remove it, and convert the moments in a staging model",
            at=(*at, "logicalTypeOptions", "defaultTimezone"), code="SLU-P023",
        )  # fmt: skip
    decimal, thousands = _separators(custom, usual)
    written = ValueFormat(
        dates=dates,
        decimal_separator=decimal,
        thousands_separator=thousands,
        currency=custom.texts("currency"),
        null_words=custom.texts("nullWords") or usual.texts("nullWords"),
        true_words=custom.texts("trueWords"),
        false_words=custom.texts("falseWords"),
    )
    _check_words(custom, written)
    return written


def _separators(custom: CustomProperties, usual: CustomProperties) -> tuple[str, str]:
    def separator(name: str, default: str) -> str:
        holder = custom if custom.has(name) else usual
        value = holder.text(name, default)
        if len(value) > 1 or value.isalnum() or value in ("+", "-"):
            expected = "one character that no number has: neither digit, letter nor sign"
            holder.problem(name, "SLU-P008", f"`{name}` is `{value}`", expected, "correct the value")
        return value

    decimal, thousands = separator("decimalSeparator", ".") or ".", separator("thousandsSeparator", "")
    if decimal == thousands:
        where = custom if custom.has("thousandsSeparator") or custom.has("decimalSeparator") else usual
        where.problem(
            "thousandsSeparator" if where.has("thousandsSeparator") else "decimalSeparator", "SLU-P008",
            f"`{decimal}` separates both decimals and thousands", "two different characters",
            "correct one of them (decimalSeparator is `.` where nothing else is said)",
        )  # fmt: skip
    return decimal, thousands


def _check_words(custom: CustomProperties, written: ValueFormat) -> None:
    """A word means one thing, and a currency is no part of a number."""
    meant: dict[str, str] = {}
    lists = {"trueWords": written.true_words or ("true",), "falseWords": written.false_words or ("false",)}
    for name, words in lists.items():
        for word in words:
            other = meant.setdefault(word.lower(), name)
            if other != name:
                at = name if custom.has(name) else other
                expected = "a word for one of them, whatever its case"
                fix = f"correct {' or '.join(lists)}"
                custom.problem(at, "SLU-P008", f"`{word}` stands for true and for false", expected, fix)
    for symbol in written.currency:
        if not symbol.strip() or any(sign.isdigit() or sign in "+-" for sign in symbol):
            custom.problem(
                "currency", "SLU-P008",
                f"`currency` has `{symbol}`", "a symbol or a word, without digits and signs",
                "correct it, or remove it",
            )  # fmt: skip


def _check_masking(
    file: YamlFile,
    at: tuple[str | int, ...],
    item: Mapping[str, Any],
    column: Column,
) -> None:
    """What rows are told apart by, or cut by, must still be there to do so."""
    uses = {"partitioned": bool(item.get("partitioned")), "unique": column.unique,
            "primaryKey": bool(item.get("primaryKey"))}  # fmt: skip
    loses = {
        "partitioned": (Masking.HASH, Masking.REDACT, Masking.DROP),
        "unique": (Masking.REDACT, Masking.DROP),
        "primaryKey": (Masking.REDACT, Masking.DROP),
    }
    for use, used in uses.items():
        if used and column.masking in loses[use]:
            allowed = [str(masking) for masking in Masking if masking not in loses[use]]
            file.complain(
                f"column `{column.name}` is {use}, and its masking is `{column.masking}`",
                expected=f"masking {' or '.join(allowed)} for it",
                fix=f"change its masking, or leave out `{use}`", at=(*at, use), code="SLU-P024",
            )  # fmt: skip


def _check_names(file: YamlFile, columns: Mapping[int, Column]) -> None:
    """Names are SQL identifiers that need no quotes; a header or alias means one column alone."""
    meant: dict[str, str] = {}
    names: set[str] = set()
    for index, column in columns.items():
        at = ("schema", 0, "properties", index)
        if column.name in names:
            file.complain(
                f"column `{column.name}` stands twice", expected="a name of its own for every column",
                fix="rename one of them", at=(*at, "name"), code="SLU-P009",
            )  # fmt: skip
        names.add(column.name)
        if not _IDENTIFIER.fullmatch(column.name) or column.name.startswith("_"):
            file.complain(
                f"column name `{column.name}`", fix="rename it; the file's own name is `physicalName`",
                expected="lower case letters, digits and underscores, a letter first", at=(*at, "name"),
                code="SLU-P010",
            )  # fmt: skip
        for header in (column.header, *column.aliases):
            other = meant.setdefault(header, column.name)
            if other != column.name:
                file.complain(
                    f"header `{header}` means `{other}` and `{column.name}`",
                    expected="a header of its own for every column", fix="rename one of them", at=at,
                    code="SLU-P009",
                )  # fmt: skip
