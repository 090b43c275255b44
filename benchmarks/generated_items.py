"""The table of which a thousandth changes: six columns, keyed by whole numbers.

Belongs here: that. Does not belong here: what is made of it.
"""

# The share of keys that a round changes: those whose id leaves the round's number.
EVERY = 1000


def items(keys: int | str) -> str:
    """Return the query of a table with so many rows."""
    return f"""select range as id,
        'name ' || range * 7919 % 1000003 as name,
        cast(range * 31 % 10000 / 100 as decimal(12, 2)) as amount,
        date '2024-01-01' + cast(range % 365 as integer) as day,
        cast(range % 97 as integer) as quantity,
        case when range % 3 = 0 then 'x' else 'yy' end as kind
        from range({keys})"""
