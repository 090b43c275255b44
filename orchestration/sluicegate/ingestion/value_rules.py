"""What a contract says that every value of a column must hold -> SQL of where one does not.

None of it raises for any value, however large. Belongs here: rules over the typed value. Does not belong
here: how a value comes to its type (`values`).
"""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from sluicegate.compute.sql import literal
from sluicegate.contracts.columns import Column, ValueRules
from sluicegate.contracts.floats import FLOATS
from sluicegate.contracts.types import RANGES, Kind, base_of, kind_of, scale_of

_MOST_DIGITS = 38
# Of a number, as many decimals as `multipleOf` may have.
_DECIMALS = 9
# 28 digits before the point, of which a double prints at most 17.
_ZEROS = 11


def broken_rules(column: Column, value: str) -> Iterator[tuple[str, str]]:
    """Yield (SQL that is true where the typed value breaks a rule of the contract, what to say of it)."""
    rules, type_ = column.rules, column.type
    if rules.pattern:
        yield f"not regexp_matches({value}, {literal(rules.pattern)})", f"does not match {rules.pattern}"
    if rules.min_length is not None:
        yield f"length({value}) < {rules.min_length}", f"is shorter than {rules.min_length}"
    longest = rules.max_length if rules.max_length is not None else _length_of(type_)
    if longest is not None:
        yield f"length({value}) > {longest}", f"is longer than {longest}"
    yield from _bounds(rules, type_, value)
    if rules.multiple_of is not None:
        yield _no_multiple(type_, value, rules.multiple_of), f"is no multiple of {rules.multiple_of}"
    if rules.valid_values:
        listed = ", ".join(_constant(type_, item) for item in rules.valid_values)
        shown = ", ".join(rules.valid_values[:8]) + (", …" if len(rules.valid_values) > 8 else "")
        yield f"{value} not in ({listed})", f"is none of {shown}"


def _bounds(rules: ValueRules, type_: str, value: str) -> Iterator[tuple[str, str]]:
    bounds = (
        ("<", rules.minimum, "is less than"),
        (">", rules.maximum, "is more than"),
        ("<=", rules.exclusive_minimum, "is not more than"),
        (">=", rules.exclusive_maximum, "is not less than"),
    )
    for operator, bound, words in bounds:
        if bound is not None:
            yield f"{value} {operator} {_constant(type_, bound)}", f"{words} {bound}"
    endless = base_of(type_) in FLOATS or kind_of(type_) in (Kind.DATE, Kind.MOMENT)
    if endless and any(bound is not None for _, bound, _ in bounds):
        # To the engine NaN is more than any number, and Infinity is above every minimum.
        yield f"not isfinite({value})", "is not finite, and has bounds"


def _constant(type_: str, text: str) -> str:
    """Return SQL of a value that a contract names."""
    if kind_of(type_) is Kind.NUMBER and base_of(type_) not in FLOATS:
        text = format(Decimal(text), "f")
    return f"cast({literal(text)} as {type_})"


def _no_multiple(type_: str, value: str, step: str) -> str:
    """Return SQL of whether a number is no multiple of a step.

    All is reckoned in whole numbers of the type's own last decimal, as no wider type holds the largest ones.
    """
    base, fraction = base_of(type_), Fraction(step)
    if base in FLOATS:
        return _no_multiple_of_float(base, value, step)
    scale = 0 if base in RANGES else scale_of(type_)
    whole = (fraction * 10**scale).numerator
    if base in RANGES:
        wide = "uhugeint" if base == "UHUGEINT" else "hugeint"
        least, most = RANGES["UHUGEINT" if base == "UHUGEINT" else "HUGEINT"]
        # Of a larger step only nothing is a multiple.
        fits = least <= whole <= most
        return f"cast({value} as {wide}) % cast('{whole}' as {wide}) <> 0" if fits else f"{value} <> 0"
    if whole >= 10**_MOST_DIGITS:
        return f"{value} <> 0"
    same = f"decimal({_MOST_DIGITS}, {scale})"
    return f"cast({value} as {same}) % cast({literal(_shifted(whole, scale))} as {same}) <> 0"


def _no_multiple_of_float(base: str, value: str, step: str) -> str:
    """By the digits that a float is printed with, as for JSON; what is not finite is no multiple."""
    wide = f"decimal({_MOST_DIGITS}, {_DECIMALS})"
    exact = f"try_cast(cast({value} as varchar) as {wide})"
    # Larger ones end in this many zeros at least: whatever goes into those, goes into them.
    large = f"abs({value}) >= 1e28" if 10**_ZEROS % Fraction(step).numerator == 0 else "false"
    same = f"cast({exact} as {base}) = {value}"
    return (
        f"({value} is not null and case when isfinite({value}) and {large} then false"
        f" else coalesce(not {same} or {exact} % cast({literal(step)} as {wide}) <> 0, true) end)"
    )


def _shifted(whole: int, scale: int) -> str:
    """Return a whole number with its point moved to the left; Python's decimals would round it."""
    digits = str(whole).rjust(scale + 1, "0")
    return f"{digits[: len(digits) - scale]}.{digits[len(digits) - scale :]}" if scale else digits


def _length_of(type_: str) -> int | None:
    """The length of a VARCHAR(n), which the engine does not hold."""
    _, _, arguments = type_.partition("(")
    return int(arguments.rstrip(") ")) if kind_of(type_) is Kind.TEXT and arguments else None
