"""What Great Expectations' core expectations take, from the JSON schemas that it ships.

Importing GX takes seconds; its schemas are read in its stead when the graph loads. Belongs here: types and
keywords. Does not belong here: judging.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# Fields of an expectation that are no keywords of the rule; `severity` and `meta` stand beside `kwargs`.
_NOT_KWARGS = frozenset(
    {
        "id", "meta", "notes", "result_format", "description", "catch_exceptions", "rendered_content",
        "windows", "batch_id", "severity", "metadata", "library_metadata",
    }
)  # fmt: skip
PARAMETER = "$PARAMETER"
_COLUMN_KWARGS = ("column", "column_A", "column_B")
_COLUMN_LIST_KWARGS = ("column_list", "column_set")
# These take the names that a table must have, or must not; not only those that it has.
_NAMES_ARE_THE_RULE = frozenset(
    {
        "expect_column_to_exist",
        "expect_table_columns_to_match_set",
        "expect_table_columns_to_match_ordered_list",
    }
)
# These are whole queries.
QUERY_KWARGS = ("unexpected_rows_query", "base_query", "comparison_query")
# These say what they read in SQL.
_SQL_KWARGS = (*QUERY_KWARGS, "row_condition")
_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "number": (int, float), "integer": (int,), "string": (str,), "boolean": (bool,), "object": (dict,),
    "array": (list, tuple), "null": (type(None),),
}  # fmt: skip


@cache
def expectation_types() -> frozenset[str]:
    """Return the types of GX's core expectations."""
    return frozenset(_schema_files())


@cache
def known_kwargs(expectation_type: str) -> Mapping[str, Mapping[str, Any]]:
    """Return {keyword: JSON schema of its value} of a core expectation."""
    properties = _schema(expectation_type)["properties"]
    return {name: schema for name, schema in properties.items() if name not in _NOT_KWARGS}


@cache
def required_kwargs(expectation_type: str) -> tuple[str, ...]:
    """Return the keywords that a core expectation cannot do without."""
    return tuple(name for name in _schema(expectation_type).get("required", ()) if name not in _NOT_KWARGS)


def columns_read(
    expectation_type: str, kwargs: Mapping[str, Any]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield (place in kwargs, column) for each column that a rule reads."""
    if expectation_type in _NAMES_ARE_THE_RULE:
        return
    for name in _COLUMN_KWARGS:
        if isinstance(kwargs.get(name), str):
            yield (name,), kwargs[name]
    for name in _COLUMN_LIST_KWARGS:
        for place, column in enumerate(kwargs.get(name) or ()):
            if isinstance(column, str):
                yield (name, place), column


def reads_by_sql(kwargs: Mapping[str, Any]) -> bool:
    """Whether a rule says in SQL what it reads, so that it may be any column."""
    return any(kwargs.get(name) for name in _SQL_KWARGS)


def value_problem(schema: Mapping[str, Any], value: Any) -> str | None:
    """Return what a keyword's value ought to be, or None where it may be what it is.

    Looks at JSON types and at bounds of numbers; what else GX thinks of a value it says when it judges.
    """
    if isinstance(value, dict) and PARAMETER in value:
        return None
    choices = [choice for choice in schema.get("anyOf", [schema]) if "type" in choice]
    if len(choices) < len(schema.get("anyOf", [schema])) or any(_fits(choice, value) for choice in choices):
        return None
    named = [str(name) for choice in choices for name in choice.get("enum", ())]
    if named and isinstance(value, str):
        return f"one of: {', '.join(named)}"
    kinds = list(dict.fromkeys(choice["type"] for choice in choices if choice["type"] != "object"))
    bounds = [
        f"from {choice['minimum']} to {choice['maximum']}"
        for choice in choices
        if "minimum" in choice and "maximum" in choice
    ]
    return " or ".join(kinds) + "".join(f" {text}" for text in bounds)


def _fits(schema: Mapping[str, Any], value: Any) -> bool:
    if schema["type"] == "string" and not isinstance(value, str):
        return hasattr(value, "isoformat") and "format" in schema  # YAML reads dates by itself
    if not isinstance(value, _PYTHON_TYPES[schema["type"]]):
        return False
    if value not in schema.get("enum", (value,)):
        return False
    if isinstance(value, bool):
        return schema["type"] == "boolean"
    if isinstance(value, (int, float)):
        return schema.get("minimum", value) <= value <= schema.get("maximum", value)
    return True


def _schema(expectation_type: str) -> Mapping[str, Any]:
    return json.loads(_schema_files()[expectation_type].read_bytes())


@cache
def _schema_files() -> dict[str, Path]:
    spec = find_spec("great_expectations")
    assert spec is not None
    assert spec.origin is not None
    schemas = Path(spec.origin).parent / "expectations" / "core" / "schemas"
    return {_snake_case(path.stem): path for path in schemas.glob("*.json") if path.stem != "index"}


def _snake_case(name: str) -> str:
    """`ExpectColumnKLDivergence…` -> `expect_column_kl_divergence…`, as GX itself names types."""
    letters: list[str] = []
    for index, letter in enumerate(name):
        after_lower = index > 0 and not name[index - 1].isupper()
        before_lower = index + 1 < len(name) and name[index + 1].islower()
        if index > 0 and letter.isupper() and (after_lower or before_lower):
            letters.append("_")
        letters.append(letter.lower())
    return "".join(letters)
