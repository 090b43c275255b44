"""One text for one JSON value: what keeps values, and not the text, writes names in another order.

Belongs here: that text. Does not belong here: when it is asked for (`reconcile`).
"""

import json
from collections.abc import Generator
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

FUNCTION = "_one_json_text"


@contextmanager
def knowing_json(connection: "duckdb.DuckDBPyConnection") -> Generator[None]:
    """Let SQL of a connection call `FUNCTION`, of a text and giving one.

    It goes again: a function is the engine's, and the engine is lent to others afterwards.
    """
    connection.create_function(FUNCTION, one_text, ["VARCHAR"], "VARCHAR")
    try:
        yield
    finally:
        connection.remove_function(FUNCTION)


def one_text(text: str) -> str:
    """Return the same text for all texts of one value; what is no JSON comes back as it is."""
    try:
        return _written(json.loads(text, parse_int=Decimal, parse_float=Decimal))
    except (ValueError, RecursionError):
        return text


def _written(value: Any) -> str:
    if isinstance(value, dict):
        pairs: dict[str, Any] = value
        return "{" + ",".join(f"{json.dumps(name)}:{_written(pairs[name])}" for name in sorted(pairs)) + "}"
    if isinstance(value, list):
        items: list[Any] = value
        return "[" + ",".join(map(_written, items)) + "]"
    if isinstance(value, Decimal) and value.is_finite():
        # Not normalize(): it rounds to 28 digits.
        sign, digits, exponent = value.as_tuple()
        written = "".join(map(str, digits))
        kept = written.rstrip("0")
        exponent = int(exponent) + len(written) - len(kept)
        return f"{'-' * sign}{kept.lstrip('0')}e{exponent}" if kept else "0"
    return json.dumps(value)
