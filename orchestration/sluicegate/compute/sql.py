"""Names and values as SQL text."""

from collections.abc import Iterable


def quoted(identifier: str) -> str:
    """Return an SQL identifier, quoted."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return an SQL string literal.

    In what every run does it stands in the place of a parameter: to bind one, the engine imports pandas,
    which takes half a second.
    """
    if "\0" in text:  # the engine takes it for the end of the statement
        return "(" + " || chr(0) || ".join(literal(part) for part in text.split("\0")) + ")"
    return "'" + text.replace("'", "''") + "'"


def value_literal(value: object) -> str:
    """Return an SQL literal of a number, a text, a date, a moment, a truth value or None."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{literal(repr(value))}::double"
    return literal(str(value))


def literals(texts: Iterable[str]) -> str:
    """Return an SQL list of string literals."""
    return f"[{', '.join(literal(text) for text in texts)}]::varchar[]"
