"""A key as the destination compares it: what SQL joins rows by, and records write.

Belongs here: the canonical form of a key of several fields. Does not belong here: that of one value
(`compute.alike`), what is compared with what (`difference`, `content`).
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sluicegate.compute.alike import EXACT, Alike, canonical
from sluicegate.compute.sql import quoted
from sluicegate.compute.sql_types import without_names

# Columns of the canonical form begin so; no field may.
PREFIX = "_canonical_key_"
Alikes = Mapping[str, frozenset[Alike]]


@dataclass(frozen=True)
class KeyForm:
    """The fields of a key, and what makes two values of each of them one."""

    names: tuple[str, ...]
    alike: Alikes

    @classmethod
    def of(cls, names: Sequence[str], alike: Alikes) -> "KeyForm":
        """Return the form of a key; what is said of other fields is left out."""
        return cls(tuple(names), {name: alike[name] for name in names if alike.get(name)})

    @property
    def exact(self) -> bool:
        """Whether two keys are one only if they are equal as they are."""
        return not self.alike

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the canonical form."""
        return tuple(f"{PREFIX}{place}" for place in range(len(self.names)))

    @property
    def listed(self) -> str:
        """The same, as SQL lists them."""
        return ", ".join(self.columns)

    @property
    def text(self) -> str:
        """SQL for a key as the records write it: the JSON list of its canonical values as text."""
        return text_of(self.columns)

    def forms(self, kinds: Mapping[str, str], table: str = "") -> list[str]:
        """Return SQL of the canonical form of each field, of a table's row; `kinds` are {field: SQL type}.

        Types of fields that are compared as they are may be left out.
        """
        before = f"{table}." if table else ""
        return [
            canonical(f"{before}{quoted(name)}", kinds.get(name, ""), self.alike.get(name, EXACT))
            for name in self.names
        ]

    def selected(self, kinds: Mapping[str, str], table: str = "") -> str:
        """Return the same as SQL of columns, under their names."""
        forms = zip(self.forms(kinds, table), self.columns, strict=True)
        return ", ".join(f"{form} as {name}" for form, name in forms)


def told_as_sent(alike: Alikes, kinds: Mapping[str, str]) -> dict[str, frozenset[Alike]]:
    """Return what makes values one, without what the engine alone takes for equal; `kinds` are SQL types.

    To the engine a month is 30 days. What is sent are two texts.
    """
    return {
        name: alike.get(name, EXACT) | ({Alike.TEXT} if "INTERVAL" in without_names(kind) else EXACT)
        for name, kind in kinds.items()
    }


def text_of(columns: Sequence[str]) -> str:
    """Return SQL for the JSON list of some columns as text."""
    return f"to_json([{', '.join(f'cast({name} as varchar)' for name in columns)}])::varchar"


def alike_text(alike: Alikes) -> str:
    """Return what makes values one as a record of a plan keeps it."""
    return json.dumps({name: sorted(found) for name, found in sorted(alike.items()) if found})


def read_alike(text: str) -> dict[str, frozenset[Alike]] | None:
    """Return what such a record says; None where an older version wrote none."""
    if not text:
        return None
    found: Mapping[str, Collection[str]] = json.loads(text)
    return {name: frozenset(map(Alike, kinds)) for name, kinds in found.items()}
