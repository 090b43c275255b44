"""The contract's server: how files are read, and what says that a drop is whole."""

import codecs
from collections.abc import Mapping
from typing import Any

from sluicegate.contracts.custom import CustomProperties
from sluicegate.contracts.drops import CompleteOn, Completion, DropTemplate, default_completion
from sluicegate.contracts.reading import Compression, Format, ReadOptions, compression_of
from sluicegate.core.problems import did_you_mean
from sluicegate.core.yaml_files import YamlFile

AT = ("servers", 0)
# How values are written, for all columns that do not say it themselves.
VALUE_PROPERTIES = ("nullWords", "decimalSeparator", "thousandsSeparator")
# The standard has a `delimiter` of its own for some types of server; for the others it is ours.
_DIALECT = ("delimiter", "quote", "escape", "encoding", "header", "skipLines")
_OWN = {
    Format.CSV: _DIALECT,
    Format.JSON: ("encoding",),
    Format.JSONL: ("encoding",),
    Format.EXCEL: ("sheet", "header", "skipLines"),
    Format.ROSBAG: ("topic",),
}
# What the standard, and people, call these formats elsewhere.
_ALIASES = {"json_lines": "jsonl", "ndjson": "jsonl", "excel": "xlsx", "bag": "rosbag"}
SERVER_PROPERTIES = ("compression", "sheet", "topic", *_DIALECT, *VALUE_PROPERTIES)


def server_properties(file: YamlFile) -> CustomProperties:
    """Return the server's own custom properties."""
    return CustomProperties(file, AT, SERVER_PROPERTIES)


def read_options(file: YamlFile, server: Mapping[str, Any], custom: CustomProperties) -> ReadOptions | None:
    """Return how the files are read, or None after complaining of what is wrong."""
    found = len(file.problems)
    said = str(server.get("format"))
    try:
        format_ = Format(_ALIASES.get(said.lower(), said.lower()))
    except ValueError:
        formats = [str(item) for item in Format]
        file.complain(
            f"format is `{said}`", expected=f"one of: {', '.join(formats)}",
            fix=did_you_mean(said, formats), at=(*AT, "format"), code="SLU-P006",
        )  # fmt: skip
        return None
    for name in (*_DIALECT, "sheet", "topic"):
        if custom.has(name) and name not in _OWN.get(format_, ()):
            custom.problem(
                name, "SLU-P006", f"custom property `{name}` means nothing to format `{format_}`",
                f"one of: {', '.join((*_OWN.get(format_, ()), *VALUE_PROPERTIES))}", "remove it",
            )  # fmt: skip
    compression = Compression(
        custom.choice("compression", [str(c) for c in Compression], compression_of(str(server.get("path"))))
        or Compression.NONE
    )
    encoding = custom.text("encoding", "utf-8")
    try:
        encoding = codecs.lookup(encoding).name
    except LookupError:
        custom.problem(
            "encoding", "SLU-P008",
            f"encoding is `{encoding}`", "a codec that Python knows, as utf-8 or cp1252",
            "correct the value",
        )  # fmt: skip
    delimiter = custom.text("delimiter", str(server.get("delimiter") or ","))
    quote, escape = custom.text("quote", '"'), custom.text("escape", custom.text("quote", '"'))
    for name, letter in (("quote", quote), ("escape", escape)):
        if len(letter) > 1:
            custom.problem(
                name, "SLU-P008", f"`{name}` is `{letter}`", "one character, or none", "correct the value"
            )
    if format_ is Format.CSV and len(delimiter) != 1 and custom.has("delimiter"):
        custom.problem(
            "delimiter", "SLU-P008", f"delimiter is `{delimiter}`", "one character", "correct the value"
        )
    elif format_ is Format.CSV and len(delimiter) != 1:
        file.complain(
            f"delimiter is `{delimiter}`", expected="one character", fix="correct the value",
            at=(*AT, "delimiter"), code="SLU-P008",
        )  # fmt: skip
    options = ReadOptions(
        format=format_,
        compression=compression,
        delimiter=delimiter,
        quote=quote,
        escape=escape,
        encoding=encoding,
        header=custom.flag("header", True),
        skip_lines=custom.whole_number("skipLines") or 0,
        sheet=custom.text("sheet"),
        topic=custom.text("topic"),
    )
    if format_ is Format.ROSBAG and not options.topic:
        custom.problem(
            "topic", "SLU-P007", "no `topic`", "the ROS topic that is the table", "add `- property: topic`"
        )
    return options if len(file.problems) == found else None


def completion(custom: CustomProperties, template: DropTemplate) -> Completion | None:
    """Return what says that a drop is whole: a `.done` marker, if the contract says nothing."""
    said = custom.mapping("completion", keys=["on", "path", "seconds"], values=None)
    try:
        on = CompleteOn(said.get("on", "marker"))
        seconds = float(said.get("seconds", 0))
    except ValueError:
        custom.problem(
            "completion", "SLU-P008", f"`completion` is {dict(said)}",
            f"`on`: one of {', '.join(CompleteOn)}; `seconds`: a number", "correct the value",
        )  # fmt: skip
        return None
    if on is CompleteOn.STABLE:
        if seconds <= 0 or "path" in said:
            custom.problem(
                "completion", "SLU-P008",
                "a stable drop without the time it has rested", "`seconds`, and no `path`",
                "write `{on: stable, seconds: 600}`",
            )  # fmt: skip
            return None
        return Completion(on, None, seconds)
    if on is CompleteOn.MARKER and "path" not in said:
        return default_completion(template)
    place = DropTemplate(said.get("path", ""), template.partitioning)
    wrong = place.problem() or ("a pattern" if place.several else "")
    if wrong or "seconds" in said:
        custom.problem(
            "completion", "SLU-P008",
            f"the {on}'s path is `{place.text}`: {wrong or '`seconds` is for stable drops'}",
            "a path with the fields of the drop's own path", "write `{on: manifest, path: …}`",
        )  # fmt: skip
        return None
    return Completion(on, place)
