"""What a plan would do, or does: counted, with some rows of each sort.

Belongs here: that, as text. Does not belong here: comparing (`difference`), tables on a terminal.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sluicegate.compute.row_hash import differ, fields_of
from sluicegate.compute.sql import quoted
from sluicegate.core.shown_text import CLASSIFIED
from sluicegate.delivery.ledger.content import Content, as_type
from sluicegate.delivery.ledger.difference import DIFFERENCE
from sluicegate.delivery.ledger.keys import KeyForm
from sluicegate.delivery.ledger.limits import Difference
from sluicegate.destinations.base import Mode
from sluicegate.state.records import Delivery

if TYPE_CHECKING:
    import duckdb

_SHOWN_ROWS = 5


@dataclass(frozen=True)
class Shown:
    """Rows of a plan, at most five of each sort, and {field: how many changed rows have another value}.

    `added` and `removed` are rows as {field: text}, `changed` {field: (old, new)} of key and changed fields.
    """

    fields: Mapping[str, int]
    added: Sequence[Mapping[str, str]] = ()
    changed: Sequence[Mapping[str, tuple[str, str]]] = ()
    removed: Sequence[Mapping[str, str]] = ()


@dataclass(frozen=True)
class Look:
    """A plan, counted. `delivery` is the one on record that is shown, `superseded` one that would end.

    `overtaken_by` is the newer partition that the destination holds, where it holds one alone: nothing would
    be sent. `rejected` is this very plan, to which a person said no: nothing would be sent either.
    """

    export: str
    partition_key: str
    mode: Mode
    rows: int
    counts: Mapping[str, int]
    limits: tuple[str, ...]
    whole: bool
    shown: Shown
    delivery: Delivery | None = None
    superseded: Delivery | None = None
    overtaken_by: str = ""
    rejected: Delivery | None = None

    @property
    def kept(self) -> bool:
        """Whether what is gone from the model stays at the destination, as the mode takes nothing out."""
        return self.mode in (Mode.APPEND, Mode.UPSERT)


def counts_of(plan: Difference | Delivery) -> dict[str, int]:
    """Return how many rows of each sort there are, by its name."""
    return {
        "added": plan.added, "changed": plan.changed, "removed": plan.removed, "unchanged": plan.unchanged
    }  # fmt: skip


def some_rows(
    connection: "duckdb.DuckDBPyConnection",
    form: KeyForm,
    fields: Mapping[str, str],
    new: str,
    content: Content,
    hidden: Collection[str],
) -> Shown:
    """Return some rows of each sort, and how many changed rows differ in which field.

    `fields` are {field: SQL type}, `new` is SQL of the rows, `content` what they are compared with; the table
    of differences tells which of them count. Values are compared as a delivery does, and shown as they were.
    """
    new = f"select {form.selected(fields)}, * from ({new})"
    old = f"select * from ({new}) where false" if content.empty else content.values(DIFFERENCE)
    keys, key = form.listed, form.names
    others = [name for name in fields if name not in key]
    sort = f"order by {keys} limit {_SHOWN_ROWS}"
    both = f"select {keys} from {DIFFERENCE} where _new is not null and _old is not null"
    changed = f"from ({new}) s join ({both}) d using ({keys}) join ({old}) w using ({keys})"
    held = fields_of(connection, old)
    differs = [
        differ(f"s.{quoted(name)}", as_type(f"w.{quoted(name)}", held[name], fields[name]), fields[name])
        for name in others
    ]
    counted = ", ".join(["count(*)", *(f"count(*) filter (where {condition})" for condition in differs)])
    counts = connection.execute(f"select {counted} {changed}").fetchone() or (0,)
    of_key = [f"s.{_as_text(name)}" for name in key]
    told = [
        text
        for name, condition in zip(others, differs, strict=True)
        for text in (condition, f"w.{_as_text(name)}", f"s.{_as_text(name)}")
    ]
    found = connection.execute(f"select {', '.join([*of_key, *told])} {changed} {sort}").fetchall()
    whole_row = ", ".join(f"r.{_as_text(name)}" for name in fields)
    added, removed = (
        connection.execute(
            f"select {whole_row} from ({rows}) r"
            f" join (select {keys} from {DIFFERENCE} where {condition}) d using ({keys}) {sort}"
        ).fetchall()
        for rows, condition in ((new, "_old is null"), (old, "_new is null"))
    )
    return Shown(
        fields={name: count for name, count in zip(others, counts[1:], strict=True) if count},
        added=[_row(list(fields), row, hidden) for row in added],
        changed=[_changed_row(key, others, row, hidden) for row in found],
        removed=[_row(list(fields), row, hidden) for row in removed],
    )


def _as_text(name: str) -> str:
    return f"{quoted(name)}::varchar"


def _row(fields: Sequence[str], row: Sequence[Any], hidden: Collection[str]) -> dict[str, str]:
    return {name: _told(name, value, hidden) for name, value in zip(fields, row, strict=True)}


def _changed_row(
    key: Sequence[str], others: Sequence[str], row: Sequence[Any], hidden: Collection[str]
) -> dict[str, tuple[str, str]]:
    told: dict[str, tuple[str, str]] = {}
    for name, value in zip(key, row, strict=False):
        text = _told(name, value, hidden)
        told[name] = (text, text)
    for place, name in enumerate(others):
        differs, old, new = row[len(key) + 3 * place : len(key) + 3 * place + 3]
        if differs:
            told[name] = (_told(name, old, hidden), _told(name, new, hidden))
    return told


def _told(name: str, value: str | None, hidden: Collection[str]) -> str:
    if name in hidden:
        return CLASSIFIED
    return "null" if value is None else value
