"""Owners as Dagster takes them: fewer than files may name."""

import re

# Dagster's own rule: no domain that ends in more than seven letters, no letter beyond ASCII. Whoever it
# does not take is shown as a team, whose name it leaves alone.
_TAKEN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._%+-]*@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}|team:.+")


def asset_owners(*said: str | None) -> list[str] | None:
    """Return the owners of an asset, whatever the files call them; None if they name nobody."""
    return [one if _TAKEN.fullmatch(one) else f"team:{one}" for one in said if one] or None
