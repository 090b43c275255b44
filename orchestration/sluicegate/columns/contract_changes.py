"""Two versions of a contract -> which columns and rows of its raw table are others, and what judges it.

Each field of a contract is named here with what a change of it does; a test asks for one that nobody has
thought of. Belongs here: that. Does not belong here: for whom it breaks,
and what `version` should be (`contracts.changes`).
"""

from collections.abc import Iterator, Sequence, Set
from dataclasses import fields
from typing import Any

from sluicegate.columns.impact import Change, How
from sluicegate.contracts.changes import renamed_columns
from sluicegate.contracts.columns import Column, Masking
from sluicegate.contracts.model import SourceContract
from sluicegate.contracts.rule_changes import rule_changes

# Another file is read, it is cut otherwise, or other rows of it go to quarantine.
_ROWS = {
    "partitioning": "partition grain", "partition_start": "the first partition", "connector": "connector",
    "template": "path", "key": "key", "partition_column": "partition column",
}  # fmt: skip
# A drop may be refused that was taken, or wait that did not, or the other way round.
_JUDGED = {
    "gaps_allowed": "daysWithoutDrop", "completion": "what completes a drop", "row_count": "rowCount",
    "limit": "what may be quarantined", "shape": "shapeChanges", "max_age": "maxAge",
}  # fmt: skip
# For people, and for the platform's own work.
_OF_NO_EFFECT = frozenset(
    {"name", "version", "description", "owner", "provider", "latency", "frequency", "file", "empties_staging",
     "cold_after_days", "channel"}
)  # fmt: skip
_COMPARED = frozenset({"columns", "reading"})
FIELDS = _ROWS.keys() | _JUDGED.keys() | _OF_NO_EFFECT | _COMPARED

# Of a column: what its values are read from, and what they may be. Each decides as well which rows are taken:
# what cannot be read, or does not hold, is quarantined.
_OF_COLUMN = {
    "header": "its header", "aliases": "its aliases", "written": "how it is written",
    "required": "required", "unique": "unique", "rules": "its rules",
}  # fmt: skip
_COLUMN_COMPARED = frozenset({"name", "type", "masking", "classification"})
COLUMN_FIELDS = _OF_COLUMN.keys() | _COLUMN_COMPARED | {"description"}


def contract_changes(before: SourceContract, after: SourceContract) -> Iterator[Change]:
    """Yield what is another of a raw table, by its contract."""
    relation = after.relation
    yield from _columns(before, after)
    for name in _differing(before, after, _ROWS.keys()):
        yield Change(relation, How.ROWS, f"{_ROWS[name]} changed")
    if differing := _differing(before.reading, after.reading, {item.name for item in fields(before.reading)}):
        what = f"files are read otherwise: {', '.join(name.replace('_', ' ') for name in differing)}"
        yield Change(relation, How.VALUES, what, tuple(_loaded(after)))
        yield Change(relation, How.ROWS, what)


def renamed_loaded(before: SourceContract, after: SourceContract) -> dict[str, str]:
    """Return {earlier name: later name} of the raw table's columns that are renamed."""
    return renamed_columns(_loaded(before), _loaded(after))


def judged_otherwise(before: SourceContract, after: SourceContract) -> Iterator[str]:
    """Yield what decides otherwise whether a drop is taken at all."""
    for name in _differing(before, after, _JUDGED.keys()):
        yield f"{_JUDGED[name]} changed"


def _columns(before: SourceContract, after: SourceContract) -> Iterator[Change]:
    relation, these, those = after.relation, _loaded(before), _loaded(after)
    renamed = renamed_loaded(before, after)
    deciding: list[str] = []
    for name, old in these.items():
        now = renamed.get(name, name)
        if now not in those:
            dropped = now in {column.name for column in after.columns}
            what = f"masking is {Masking.DROP} now" if dropped else "the contract has it no more"
            yield Change(relation, How.GONE, what, (name,))
            continue
        if now != name:
            yield Change(relation, How.GONE, f"is called `{now}` now", (name,), renamed=True)
            yield Change(relation, How.NEW, f"was called `{name}`", (now,), renamed=True)
        new = those[now]
        yield from (Change(relation, how, what, (now,)) for how, what in _column(old, new))
        if old.type != new.type or _differing(old, new, _OF_COLUMN.keys()):
            deciding.append(now)
    for name in those:
        if name not in these and name not in renamed.values():
            yield Change(relation, How.NEW, "the contract has it now", (name,))
    if deciding:
        what = f"which rows are taken, and which go to quarantine, by {_named(deciding)}"
        yield Change(relation, How.ROWS, what)


def _column(old: Column, new: Column) -> Iterator[tuple[How, str]]:
    """Yield what is another of a column that both have."""
    if old.loaded_type != new.loaded_type:
        yield How.TYPE, f"type is {new.loaded_type}, was {old.loaded_type}"
    elif old.type != new.type:
        yield How.VALUES, f"type is {new.type}, was {old.type}"
    if old.masking is not new.masking:
        yield How.VALUES, f"masking is {new.masking}, was {old.masking}"
    if old.classification != new.classification:
        yield How.CLASS, f"class is {new.classification or 'none'}, was {old.classification or 'none'}"
    for name in _differing(old, new, _OF_COLUMN.keys()):
        if name in ("rules", "written") and old.type == new.type:
            continue
        yield How.VALUES, f"{_OF_COLUMN[name]} changed"
    if old.type == new.type:
        yield from ((How.VALUES, what) for _, what in rule_changes(old, new))


def _loaded(contract: SourceContract) -> dict[str, Column]:
    return {column.name: column for column in contract.loaded_columns}


def _differing(before: Any, after: Any, names: Set[str]) -> list[str]:
    return [name for name in sorted(names) if getattr(before, name) != getattr(after, name)]


def _named(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
