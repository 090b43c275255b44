"""Numbers as text -> SQL of the typed value, and of whether the type holds it as it is written.

A value counts where it is printed as it was written; only other texts are looked at more closely, by what
`contracts.equalities` lists. Belongs here: integers, decimals, floats, and how a contract says that they are
written. Does not belong here: rules (`value_rules`).
"""

import re

from sluicegate.compute.sql import literal
from sluicegate.contracts import equalities
from sluicegate.contracts.columns import ValueFormat
from sluicegate.contracts.floats import FLOATS, LEAST, SURE_DIGITS
from sluicegate.contracts.types import RANGES, base_of, scale_of

# No double has more significant digits, written out.
_MOST_DIGITS = 767
# Also those that do not break a line: they stand between a number and its currency.
_SPACE = "[ \u00a0\u202f]*"
# In JSON one step: all up to the next number, strings as a whole, then the number, or the end of the text,
# without which the search would begin anew inside of a string.
# It has one way to match, or the engine would take five times as long.
UP_TO_NUMBER = r'((?:[^"0-9-]|"(?:[^"\\]|\\.)*")*)([0-9-][0-9A-Za-z.+-]*|$)'


def number(type_: str, written: ValueFormat, text: str) -> tuple[str, str]:
    """Return SQL of a number's value, and of whether it does not fit, both over a text that is not NULL."""
    base, plain = base_of(type_), _plain_number(written, text)
    value = f"try_cast({plain} as {type_})"
    if base in FLOATS:
        same = (
            f"case when cast({value} as varchar) = {plain} then true"
            f" when regexp_full_match({plain}, {literal(equalities.FLOAT)}) then {_exact(base, plain, value)}"
            " else false end"
        )
        return value, f"{value} is null or not isfinite({value}) or not {same}"
    well_written = equalities.INTEGER if base in RANGES else equalities.decimal(scale_of(type_))
    return value, (
        f"{value} is null or (cast({value} as varchar) <> {plain}"
        f" and not regexp_full_match({plain}, {literal(well_written)}))"
    )


def _exact(base: str, plain: str, value: str) -> str:
    """Return SQL of whether a float, printed with as many digits as are written, is what is written.

    See `contracts.floats`. If the digits are the same the exponents are: no number is nearer.
    """
    digits = significant_digits(plain)
    printed = f"format('{{:.' || (length({digits}) - 1) || 'e}}', cast({value} as double))"
    shown = f"regexp_replace(regexp_replace({printed}, 'e.*$', ''), '[^0-9]', '', 'g')"
    return (
        f"case when length({plain}) <= {SURE_DIGITS[base]} and abs({value}) >= {LEAST[base]} then true"
        f" when {digits} = '' then true"
        f" when length({digits}) <= {SURE_DIGITS[base]} and abs({value}) >= {LEAST[base]} then true"
        f" when length({digits}) > {_MOST_DIGITS} then false else {shown} = {digits} end"
    )


def significant_digits(number_: str) -> str:
    """Return SQL of a number's digits, without its zeros at either end, its sign and its exponent."""
    return f"trim(regexp_replace(regexp_replace({number_}, '[eE].*$', ''), '[^0-9]', '', 'g'), '0')"


def _plain_number(written: ValueFormat, text: str) -> str:
    """Return SQL of the number as the engine writes it; NULL where it is not written as the contract says."""
    plain = text
    if written.currency:
        symbols = "|".join(re.escape(symbol) for symbol in sorted(written.currency, key=len, reverse=True))
        before = literal(f"^{_SPACE}([+-]?){_SPACE}(?:{symbols}){_SPACE}(.*)$")
        after = literal(f"^{_SPACE}([^ ].*?){_SPACE}(?:{symbols}){_SPACE}$")
        # A symbol stands at an end. In the midst of digits it is something else.
        plain = (
            f"trim(case when regexp_matches({text}, {before}) then regexp_replace({text}, {before}, '\\1\\2')"
            f" else regexp_replace({text}, {after}, '\\1') end)"
        )
    decimal, thousands = written.decimal_separator, written.thousands_separator
    if decimal == "." and not thousands:
        return plain
    point, group = _class(decimal), _class(thousands)
    fraction = f"{point}[0-9]*"
    pattern = f"[+-]?[0-9]*({fraction})?([eE][+-]?[0-9]+)?"
    if thousands:
        # No number that is cut into groups begins with 0, or has an exponent.
        pattern += f"|[+-]?[1-9][0-9]{{0,2}}({group}[0-9]{{3}})+({fraction})?"
    cleaned = f"replace({plain}, {literal(thousands)}, '')" if thousands else plain
    cleaned = cleaned if decimal == "." else f"replace({cleaned}, {literal(decimal)}, '.')"
    return f"(case when regexp_full_match({plain}, {literal(pattern)}) then {cleaned} end)"


def _class(letter: str) -> str:
    return "[" + ("\\" + letter if letter in "\\]^-[" else letter) + "]"
