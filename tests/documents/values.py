"""The page of how values are written: `docs/values.md`, made of the list of what is equal.

Belongs here: the page's form. Does not: the list, which stands where contracts are read.
"""

from sluicegate.contracts.equalities import EQUALITIES, Equality
from sluicegate.core.settings import REPOSITORY

PAGE = REPOSITORY / "docs" / "values.md"
_HEAD = """# How values may be written

Made by `python -m tests.documents.renew` of the list in the code (`contracts/equalities.py`).

A value is taken where its type holds it as it is written: the value is printed again, and compared with the
text. What differs is taken only if it is listed here. All else is quarantined, and nothing is rounded, cut or
completed. The raw table and the Parquet beside it hold the same. A file has no type for 128-bit numbers,
intervals, times with a zone, lists of a fixed length; there they are text or lists, and the file's note
`sluice_types` says what they were.

## Text: CSV, Excel, JSON

White space counts. Digits are `0` to `9` alone.

| Type | Equal, though written otherwise | Taken | Quarantined |
| --- | --- | --- | --- |
"""
_WRITTEN = """
## Text that is written as the contract says

| The contract | Equal, though written otherwise | Taken | Quarantined |
| --- | --- | --- | --- |
"""
_TAIL = """
`format` has the letters of JDK's DateTimeFormatter: `yyyy`, `yy`, `MMMM`, `MMM`, `MM`, `M`, `dd`, `d`,
`EEEE`, `EEE`, `HH`, `H`, `hh`, `h`, `mm`, `ss`, `SSS`, `SSSSSS`, `a`, `X`, `XX`, `XXX`, `Z`, and `'text'`.
Of numbers with nothing between them one may have a single letter, as in `Hmm`. Names are English.
Without a zone a moment is taken for UTC. A percent sign may be a `currency`: 5 % is 5, then.

## Files with types: Parquet, Avro

The same type comes through as it is, NaN and Infinity too. Of another one each value is cast and cast back:
what does not come back the same is quarantined, as is a number of a FLOAT or DOUBLE that is printed
otherwise. A FLOAT in a DECIMAL column is the number that it is printed as. -0 is 0 where the
type has one zero. Another kind of type (a time for a number) is a change of shape: see `changedType`.

Nanoseconds and decimals of more than 38 digits come through where the contract's type holds them, within
lists and structs they are refused. A `UNION` is no type of a contract, as no file says which of its types a
value has.

## Rules

`minimum`, `maximum` and the exclusive ones hold finite values alone: NaN and Infinity break each of them,
from text and from typed files. `multipleOf` is exact for whole numbers and decimals of any size. Of a FLOAT
or DOUBLE it takes the digits that it is printed with; of numbers from 10^28 on only multiples of what divides
10^11 can be told, and others break the rule.

## Words in the contract

YAML reads `NULL`, `~`, `true`, `1.10`, `0x10` as something other than these letters. In lists of words
(`nullWords`, `trueWords`, `falseWords`, `aliases`, `currency`), in a `pattern` and in `validValues` of a
column of text, `sluice check` refuses what is no text: write it in quotes. It refuses numbers that YAML reads
as others (`0o17`, more digits than it keeps) wherever a rule has one. """


def page() -> str:
    """The page's text."""
    plain = "".join(_line(", ".join(f"`{type_}`" for type_ in line.types), line)
                    for line in EQUALITIES if not line.options)  # fmt: skip
    said = "".join(_line(_said(line), line) for line in EQUALITIES if line.options)
    return f"{_HEAD}{plain}{_WRITTEN}{said}{_TAIL}"


def _said(line: Equality) -> str:
    options = ", ".join(f"`{name}: {_yaml(value)}`" for name, value in line.options)
    return f"{options}, `{line.types[0]}`"


def _yaml(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def _line(first: str, line: Equality) -> str:
    return f"| {first} | {line.equal} | {_texts(line.taken)} | {_texts(line.refused)} |\n"


def _texts(texts: tuple[str, ...]) -> str:
    return ", ".join(f"`{text}`" for text in texts) or "–"
