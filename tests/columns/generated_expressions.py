"""Random SQL expressions over columns of known types.

Belongs here: what stands in a select list or a condition. Does not: whole queries (`generated_queries`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

# Kinds of types, as far as an expression cares: integer, text, date, decimal, boolean, integer[], struct.
TYPES = ("int", "text", "date", "num", "bool", "list", "struct")
_CONSTANTS: Mapping[str, Sequence[str]] = {
    "int": ("1", "3", "4"),
    "text": ("'b'", "'cab'", "'-'"),
    "date": ("date '2024-01-03'", "date '2024-02-01'"),
    "num": ("2.50", "1.00"),
    "bool": ("true", "false"),
    "list": ("[1, 3]", "[4]"),
    "struct": ("{'p': 3, 'q': 'b'}",),
}
# `{i}` is another expression of integer type, `{t}` of text, and so on; see `_PLACES`.
_PATTERNS: Mapping[str, Sequence[str]] = {
    "int": (
        "({i} + {i})",
        "({i} * 2 - {i})",
        "abs({i})",
        "length({t})",
        "case when {b} then {i} else {i} end",
        "coalesce({i}, {i})",
        "cast(year({d}) as integer)",
        "try_cast({t} as integer)",
        "({i} % 3)",
        "({s}).p",
        "cast(len({l}) as integer)",
        "cast(list_sum(list_transform({l}, lambda e: e + {i})) as integer)",
        "nullif({i}, {i})",
        "greatest({i}, {i})",
        "cast(strpos({t}, 'b') as integer)",
        "cast({b} as integer)",
        "cast(datediff('day', {d}, {d}) as integer)",
        "cast(floor({n}) as integer)",
        "{l}[1]",
        "case {i} when 1 then {i} when 3 then {i} end",
        "cast(day({d}) as integer)",
        "-{i}",
        "cast(list_reduce(list_prepend(0, {l}), lambda e, g: e + g) as integer)",
        "if({b}, {i}, {i})",
    ),
    "text": (
        "upper({t})",
        "({t} || {t})",
        "concat({t}, '-', {i})",
        "left({t}, 2)",
        "replace({t}, 'a', 'b')",
        "cast({i} as varchar)",
        "case when {b} then {t} else {t} end",
        "coalesce({t}, {t})",
        "({s}).q",
        "strftime({d}, '%d')",
        "regexp_replace({t}, '[ab]', 'z')",
        "substr({t}, {i}, 2)",
        "cast({d} as varchar)",
        "md5({t})",
        "reverse({t})",
        "format('{{}}/{{}}', {t}, {i})",
        "case {t} when 'b' then {t} else 'no' end",
        "cast({n} as varchar)",
        "array_to_string({l}, '+')",
        "to_json({s})::varchar",
        "trim({t}, 'a')",
        "nullif({t}, 'b')",
        "string_split({t}, 'a')[1]",
        "json_object('v', {i})::varchar",
    ),
    "date": (
        "cast({d} + cast({i} % 5 as integer) as date)",
        "cast(date_trunc('month', {d}) as date)",
        "coalesce({d}, {d})",
        "case when {b} then {d} else {d} end",
        "cast({d} + interval 3 day as date)",
        "least({d}, {d})",
        "last_day({d})",
        "make_date(2024, 1, 1 + abs({i}) % 20)",
    ),
    "num": (
        "cast({n} * 2 as decimal(12, 2))",
        "cast(round({n}, 1) as decimal(12, 2))",
        "coalesce({n}, {n})",
        "cast({i} as decimal(12, 2))",
        "cast(case when {b} then {n} else {n} end as decimal(12, 2))",
        "cast({n} + {i} as decimal(12, 2))",
        "try_cast({t} as decimal(12, 2))",
    ),
    "bool": (
        "({i} > {i})",
        "({i} between 1 and {i})",
        "({t} like '%a%')",
        "({t} in ('a', 'b', {t}))",
        "({d} is null)",
        "({b} or {b})",
        "({b} and {i} > 1)",
        "(not {b})",
        "list_contains({l}, {i})",
        "({i} is distinct from {i})",
        "({d} < {d})",
        "({n} >= {n})",
        "({i} in (1, 2, {i}))",
        "coalesce({b}, {b})",
        "({t} = {t})",
        "starts_with({t}, 'b')",
        "({t} is not null)",
        "regexp_matches({t}, '^[ab]')",
    ),
    "list": (
        "[{i}, {i}]",
        "list_filter({l}, lambda e: e > {i})",
        "list_sort({l})",
        "range(abs({i}) % 4)::integer[]",
        "list_transform({l}, lambda e: e * {i})",
        "list_append({l}, {i})",
        "case when {b} then {l} else {l} end",
        "[e + 1 for e in {l} if e > 1]",
        "list_concat({l}, [{i}])",
    ),
    "struct": (
        "{{'p': {i}, 'q': {t}}}",
        "struct_pack(p := {i}, q := {t})",
        "coalesce({s}, {s})",
        "row({i}, {t})::struct(p integer, q varchar)",
    ),
}
_PLACES = {"i": "int", "t": "text", "d": "date", "n": "num", "b": "bool", "l": "list", "s": "struct"}


@dataclass(frozen=True)
class Column:
    """A column that an expression may name, as it is named there, and the kind of its type."""

    name: str
    type: str


def expression(random: Random, columns: Sequence[Column], type_: str, depth: int = 2) -> str:
    """Return a random expression of a type, over some of these columns."""
    fitting = [column.name for column in columns if column.type == type_]
    if fitting and (depth == 0 or random.random() < 0.45):
        return random.choice(fitting)
    if depth == 0:
        return random.choice(_CONSTANTS[type_])
    pattern = random.choice(_PATTERNS[type_])
    at, parts = 0, list[str]()
    while (begin := pattern.find("{", at)) >= 0:
        if pattern[begin : begin + 2] == "{{":
            parts.append(pattern[at : begin + 1].replace("}}", "}"))
            at = begin + 2
            continue
        parts.append(pattern[at:begin].replace("}}", "}"))
        inner = expression(random, columns, _PLACES[pattern[begin + 1]], depth - 1)
        parts.append(inner)
        at = begin + 3
    return "".join([*parts, pattern[at:].replace("}}", "}")])
