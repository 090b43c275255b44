"""What FLOAT and DOUBLE hold of a number that is written in decimal digits.

A text is a value of such a type where the value, printed with as many significant digits as are written, is
that text. So every text that a program prints of a float comes through, the shortest one and longer ones
(0.1, 0.10000000000000001); a number that the type would round does not (16777217 as FLOAT). Any number of 6
digits or fewer holds for FLOAT, of 15 or fewer for DOUBLE (C's FLT_DIG and DBL_DIG), unless it is nearer to
zero than `LEAST`, from where on digits are lost.

Belongs here: that rule for a text of a contract. Does not belong here: the same rule as SQL
(`ingestion.number_texts`).
"""

import math
import re
import struct
from decimal import Decimal

FLOATS = ("DOUBLE", "FLOAT", "REAL")
_SINGLE = ("FLOAT", "REAL")
# Digits that any number keeps, and the least number of full precision.
SURE_DIGITS = {"DOUBLE": 15, "FLOAT": 6, "REAL": 6}
LEAST = {"DOUBLE": "2.2250738585072014e-308", "FLOAT": "1.17549435e-38", "REAL": "1.17549435e-38"}


def float_problem(type_: str, text: str) -> str:
    """Return what the type makes of a number that it would round, or nothing if it holds it.

    Raises:
        decimal.InvalidOperation: the text is no number.
    """
    number = Decimal(text)
    value = _nearest(type_, float(number))
    if not math.isfinite(value):
        return str(value)
    digits = len(re.sub(r"^0+|0+$", "", "".join(map(str, number.as_tuple().digits)))) or 1
    return "" if Decimal(f"{value:.{digits - 1}e}") == number else repr(value)


def _nearest(type_: str, value: float) -> float:
    if type_ not in _SINGLE:
        return value
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.inf
