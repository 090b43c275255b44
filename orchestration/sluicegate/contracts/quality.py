"""ODCS `quality` rules that hold a drop or a row at the door.

Belongs here: the standard's `library` metrics that can be told of one drop. Does not belong here: rules that
need SQL, history or another table; those are the suite's and dbt's.
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from sluicegate.core.yaml_files import YamlFile

Location = tuple[str | int, ...]


def _rules(
    file: YamlFile, holder: Mapping[str, Any], at: Location, metrics: tuple[str, ...]
) -> Iterator[tuple[Location, dict[str, Any]]]:
    """Yield the library rules of a holder; what cannot be held at the door is a problem, text is not."""
    for index, rule in enumerate(cast("list[dict[str, Any]]", holder.get("quality") or [])):
        place = (*at, "quality", index)
        type_ = str(rule.get("type") or "library")
        if type_ == "text":
            continue
        metric = str(rule.get("metric") or rule.get("rule") or "")
        if type_ == "library" and metric in metrics:
            yield place, rule
            continue
        file.complain(
            f"quality rule `{metric or rule.get('name') or type_}` is not held at the door",
            expected=f"type text, or library with metric {' or '.join(metrics)}",
            fix="write it as an expectation of the source's suite",
            at=place,
            code="SLU-P025",
        )


def row_count(file: YamlFile, table: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return the least and the greatest number of rows that a drop may have."""
    least: int | None = None
    greatest: int | None = None
    for place, rule in _rules(file, table, ("schema", 0), ("rowCount",)):
        bounds: dict[str, tuple[int, int]] = {
            "mustBe": (0, 0), "mustBeGreaterThan": (1, 1), "mustBeGreaterOrEqualTo": (0, 1),
            "mustBeLessThan": (-1, -1), "mustBeLessOrEqualTo": (0, -1),
        }  # fmt: skip
        said = [(name, rule[name]) for name in [*bounds, "mustBeBetween"] if rule.get(name) is not None]
        for name, value in said:
            ends = _whole_numbers(value if name == "mustBeBetween" else [value])
            if not ends:
                file.complain(
                    f"`{name}` of rowCount is `{value}`", expected="whole numbers, 0 or more",
                    fix="correct the value", at=(*place, name), code="SLU-P025",
                )  # fmt: skip
            elif name == "mustBeBetween":
                least, greatest = ends[0], ends[-1]
            else:
                shift, side = bounds[name]
                least = ends[0] + shift if side >= 0 else least
                greatest = ends[0] + shift if side <= 0 else greatest
        if not said:
            file.complain(
                "rowCount without a bound", expected=f"one of: {', '.join([*bounds, 'mustBeBetween'])}",
                fix="add one", at=place, code="SLU-P025",
            )  # fmt: skip
    if least is not None and greatest is not None and least > greatest:
        file.complain(
            f"rowCount of at least {least} and at most {greatest}", expected="a number between them",
            fix="correct the bounds", at=("schema", 0, "quality"), code="SLU-P025",
        )  # fmt: skip
    return least, greatest


def _whole_numbers(values: object) -> list[int]:
    """Return the values as whole numbers of 0 or more; nothing, if one of them is none."""
    listed = cast("list[object]", values) if isinstance(values, list) else []
    numbers = [int(value) for value in listed if isinstance(value, int | float) and value == int(value) >= 0]
    return numbers if len(numbers) == len(listed) else []


def valid_values(
    file: YamlFile, item: Mapping[str, Any], at: Location, *, of_text: bool
) -> tuple[tuple[str, ...], str]:
    """Return the values that a column may hold and the pattern they match; nothing where none is said.

    `of_text` is whether the column's values are text: then each must be one to YAML, too.
    """
    values: tuple[str, ...] = ()
    pattern = ""
    for place, rule in _rules(file, item, at, ("invalidValues",)):
        arguments = cast("dict[str, Any]", rule.get("arguments") or {})
        if rule.get("mustBe") != 0 or not arguments.keys() & {"validValues", "pattern"}:
            file.complain(
                "invalidValues that the door cannot hold row by row",
                expected="`mustBe: 0`, and `arguments` with `validValues` or `pattern`",
                fix="or write it as an expectation of the source's suite", at=place, code="SLU-P025",
            )  # fmt: skip
            continue
        listed: object = arguments.get("validValues") or []
        if not isinstance(listed, list):
            file.complain(
                f"`validValues` is `{listed}`", expected="a list of values",
                fix="write it as in `[A, I]`", at=(*place, "arguments", "validValues"), code="SLU-P025",
            )  # fmt: skip
            continue
        values += tuple(
            _as_text(file, value, (*place, "arguments", "validValues", index), of_text=of_text)
            for index, value in enumerate(cast("list[object]", listed))
        )
        if "pattern" in arguments:
            pattern = _as_text(file, arguments["pattern"], (*place, "arguments", "pattern"), of_text=True)
    return values, pattern


def _as_text(file: YamlFile, value: object, at: Location, *, of_text: bool) -> str:
    """Return a value as it is written; YAML's true and false are the engine's, in lower case."""
    written = file.read_otherwise(value, *at)
    if value is None or written or (of_text and not isinstance(value, str)):
        name = at[-2] if isinstance(at[-1], int) else at[-1]
        file.complain(
            f"`{name}` has `{written or file.written(*at)}`, which YAML reads as `{value}`",
            expected="a value as it is written", fix="write it in quotes", at=at, code="SLU-P008",
        )  # fmt: skip
    return str(value).lower() if isinstance(value, bool) else str(value)
