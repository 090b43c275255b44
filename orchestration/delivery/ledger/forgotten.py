"""Which rows are those of a key that was erased, however it is spelt, and whatever the key is by now.

Each field that was the key, and each that a person named, has digests of its own, of three forms of its
value: the text, the text without what destinations fold, and the number that it writes. A row is left out if
all fields of the erased key stand in it; or if its key is of fields that were named, and has their values. So
an erasure holds where the key became another column or joined others, and where its type changed. Two texts
that differ in case alone are one where the destination says so, and nowhere else.

Plain values are never kept. A salt keeps digests of two requests apart; it stands beside them, so a field of
few values can be found out by trying them all.

Belongs here: the digests, and the condition. Does not belong here: how an erasure goes (`delivery.erasure`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestration.compute.alike import Alike, as_number, canonical, is_number, number_text, type_name
from orchestration.compute.sql import literal, quoted
from orchestration.delivery.ledger.keys import Alikes, text_of
from orchestration.state.records import ForgottenKey

if TYPE_CHECKING:
    import duckdb

Key = tuple[str | None, ...]
# The forms of a value that have a digest.
_TEXT, _FOLDED, _NUMBER = "text", "folded", "number"
# In a record's `fields`.
_KEY, _NAMED, _WAS_NUMBER = "key", "named", "was_number"
_FOLDS = frozenset({Alike.TRIMMED, Alike.CASE})


def digest_of(salt: str, key: Key) -> str:
    """Return the digest of a whole key as it is spelt, as `is_forgotten` works it out in SQL."""
    text = json.dumps(list(key), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256((salt + text).encode()).hexdigest()


def digests_of(
    connection: "duckdb.DuckDBPyConnection",
    salt: str,
    key: Mapping[str, str | None],
    named: Mapping[str, str],
    kinds: Mapping[str, str],
) -> str:
    """Return what a record keeps of an erased key and of what a person named, both as {field: text}.

    `kinds` are SQL types of the fields, as far as they are known.
    """
    kept = {
        part: {
            name: _digests(connection, salt, name, text, kinds.get(name, "VARCHAR"))
            for name, text in sorted(values.items())
            if text is not None
        }
        for part, values in ((_KEY, key), (_NAMED, named))
    }
    return json.dumps(kept)


def names_in(record: ForgottenKey) -> set[str]:
    """Return the fields that a person named for an erasure; none of an older version's."""
    return set(json.loads(record.fields)[_NAMED]) if record.fields else set()


def is_forgotten(
    key: Sequence[str], kinds: Mapping[str, str], alike: Alikes, forgotten: Sequence[ForgottenKey]
) -> str:
    """Return the SQL condition that a row is of a key that is never to be sent again; "" where none can be.

    Args:
        key: the fields that tell rows apart now.
        kinds: {field: SQL type} of the row.
        alike: what makes two values of a key's field one.
        forgotten: the erasures of the export.
    """
    wanted: dict[tuple[str, ...], list[str]] = {}
    for record in forgotten:
        for digests in _sought(key, kinds, alike, record):
            wanted.setdefault(tuple(digests), []).append(", ".join(map(literal, digests.values())))
    return " or ".join(
        f"({', '.join(columns)}) in ({', '.join(f'({digests})' for digests in dict.fromkeys(found))})"
        for columns, found in wanted.items()
    )


def _sought(
    key: Sequence[str], kinds: Mapping[str, str], alike: Alikes, record: ForgottenKey
) -> list[dict[str, str]]:
    """Return {SQL of a digest: its value}, in each way to know a row of the record's key."""
    if not record.fields:
        if not set(key) <= set(kinds):
            return []
        return [{f"sha256({literal(record.salt)} || {text_of(list(map(quoted, key)))})": record.key_digest}]
    kept: Mapping[str, Mapping[str, Mapping[str, Any]]] = json.loads(record.fields)
    ways = [kept[_KEY]]
    if set(key) <= set(kept[_NAMED]):
        ways.append({name: kept[_NAMED][name] for name in key})
    found: list[dict[str, str]] = []
    for way in ways:
        digests: dict[str, str] = {}
        for name, of_field in way.items():
            kind = kinds.get(name)
            form = _NUMBER if of_field[_WAS_NUMBER] or is_number(kind or "") else _TEXT
            if form == _TEXT and alike.get(name):
                form = _FOLDED
            if kind is None or form not in of_field:
                break
            digests[_digest(record.salt, name, form, f"{quoted(name)}::varchar", kind)] = of_field[form]
        else:
            if digests:
                found.append(digests)
    return found


def _digests(
    connection: "duckdb.DuckDBPyConnection", salt: str, name: str, text: str, kind: str
) -> dict[str, Any]:
    forms = (_TEXT, _FOLDED, _NUMBER)
    row = connection.execute(
        f"select {', '.join(_digest(salt, name, form, literal(text), kind) for form in forms)}"
    ).fetchone()
    assert row is not None
    found = {form: digest for form, digest in zip(forms, row, strict=True) if digest is not None}
    return found | {_WAS_NUMBER: is_number(kind)}


def _digest(salt: str, name: str, form: str, text: str, kind: str) -> str:
    """Return SQL of the digest of a form of a value; `text` is SQL of it as text, `kind` its type."""
    return f"sha256({literal(f'{salt}{form}:{name}:')} || {_form(form, text, kind)})"


def _form(form: str, text: str, kind: str) -> str:
    if is_number(kind):
        text = number_text(text)
    elif type_name(kind).startswith("TIMESTAMP"):
        # A day that became a moment is the day still.
        text = f"regexp_replace({text}, ' 00:00:00([+]00)?$', '')"
    if form == _NUMBER:
        return as_number(text)
    return canonical(f"nfc_normalize({text})", "VARCHAR", _FOLDS) if form == _FOLDED else text
