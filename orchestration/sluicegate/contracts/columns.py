"""A column of a source: its name and type, how its values are written, what they must hold.

Belongs here: what a contract says of one column. Does not belong here: how it is enforced; `ingestion` does
that, in the engine.
"""

from dataclasses import dataclass, field
from enum import StrEnum

# What may be shown to whoever sees the graph; every other classification hides a column's values.
OPEN_CLASSIFICATIONS = frozenset({"", "public", "internal"})


class Masking(StrEnum):
    """What becomes of a column's values before they land anywhere but in the originals.

    `HASH` is a keyed HMAC-SHA256 as 64 hex digits: equal values stay equal, so that joins still work.
    `REDACT` leaves a value's presence alone, `DROP` leaves the column out.
    """

    KEEP = "keep"
    HASH = "hash"
    REDACT = "redact"
    DROP = "drop"


@dataclass(frozen=True)
class ValueFormat:
    """How a column's values are written in text, where that is not the type's usual way.

    `dates` is a strptime format of DuckDB; `null_words` are taken for NULL, besides nothing at all.
    """

    dates: str = ""
    decimal_separator: str = "."
    thousands_separator: str = ""
    currency: tuple[str, ...] = ()
    null_words: tuple[str, ...] = ()
    true_words: tuple[str, ...] = ()
    false_words: tuple[str, ...] = ()


@dataclass(frozen=True)
class ValueRules:
    """What every value of a column must hold: ODCS `logicalTypeOptions` and `invalidValues`.

    Bounds are text as the contract has it, cast to the column's type by the engine; `exclusive_…` where the
    bound itself is not allowed.
    """

    pattern: str = ""
    min_length: int | None = None
    max_length: int | None = None
    minimum: str | None = None
    maximum: str | None = None
    exclusive_minimum: str | None = None
    exclusive_maximum: str | None = None
    multiple_of: str | None = None
    valid_values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """One property of the contract: `name` in the raw table, `header` in the landed file.

    `aliases` are other headers that mean this column. `classification` is how sensitive its values are, in
    the contract's own word; empty if it says nothing.
    """

    name: str
    header: str
    type: str
    required: bool
    description: str
    classification: str = ""
    unique: bool = False
    masking: Masking = Masking.KEEP
    aliases: tuple[str, ...] = ()
    written: ValueFormat = field(default=ValueFormat())
    rules: ValueRules = field(default=ValueRules())

    @property
    def classified(self) -> bool:
        """Whether its values are not for everybody."""
        return self.classification not in OPEN_CLASSIFICATIONS or self.masking is not Masking.KEEP

    @property
    def loaded_type(self) -> str:
        """The type in the raw table: masked values are text."""
        return "VARCHAR" if self.masking in (Masking.HASH, Masking.REDACT) else self.type
