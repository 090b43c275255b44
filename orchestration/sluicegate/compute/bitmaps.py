"""How many different whole numbers there are, by a bitmap: one bit a number that might be there.

That takes a fraction of a hash table's time and memory, where the numbers lie close together. Belongs here:
when it pays, and the SQL. Does not belong here: what to do where it does not pay.
"""

# 64 MB a thread at most; and beyond that many bits a value, a hash table is the smaller.
_MOST_BITS = 1 << 29
_BITS_A_VALUE = 64
_ALWAYS_FEW_BITS = 1 << 20
# Types whose values are all a BIGINT.
WITHIN_BIGINT = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"})


def bitmap_pays(count: int, low: int, high: int) -> bool:
    """Return whether a bitmap is the way to count the different ones of `count` numbers in these bounds."""
    bits = high - low + 1
    return bits <= _MOST_BITS and bits <= max(_BITS_A_VALUE * count, _ALWAYS_FEW_BITS)


def different_numbers(value: str, low: int, high: int) -> str:
    """Return SQL, an aggregate, of how many different numbers there are; a NULL is none.

    `value` is SQL of a whole number within the bounds, both inclusive, and within a BIGINT.
    """
    return f"bit_count(bitstring_agg({value}::bigint, {low}, {high}))"
