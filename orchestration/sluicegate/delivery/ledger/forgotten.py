"""Which rows are those of a key that was erased, however it is spelt, and whatever the key is by now.

An erasure remembers a person twice: by the model's columns and values, as they are before the last mile, and
by the fields as they were written to the destination, for rows that lack those columns. A row is left out if
the whole erased key stands in it; or if its key is of those columns that a person named, and has their
values. So an erasure holds where the key became another column or joined others, where `names` or a
mapping of the last mile came or went, and where the type changed: of each value there is a digest of every
form that it may have (`compute.same_value`). Two texts that differ in case alone are one where the
destination says so, and nowhere else.

Plain values are never kept. A salt keeps digests of two requests apart; it stands beside them, so a field of
few values can be found out by trying them all.

Belongs here: the digests, and the condition. Does not belong here: how an erasure goes (`delivery.erasure`),
what older versions have written (`forgotten_before`).
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from sluicegate.compute.alike import EXACT
from sluicegate.compute.same_value import Family, family_of, form_of_row, forms_of
from sluicegate.compute.sql import literal, quoted
from sluicegate.delivery.ledger.forgotten_before import Value, found_before
from sluicegate.delivery.ledger.keys import Alikes
from sluicegate.state.records import ForgottenKey

if TYPE_CHECKING:
    import duckdb

Key = tuple[str | None, ...]
# A column of an opened source that is not sent: a model's, under this and its name, before the last mile.
BEFORE = "_before_last_mile_"
# In a record's `fields`; without a form it is an older version's.
_FORM, _KEY, _NAMED, _MODEL = "form", "key", "named", "model"
_FAMILY, _DIGESTS = "family", "digests"
_THIS_FORM = 2
_NO_KINDS: Mapping[str, str] = {}


@dataclass(frozen=True)
class Values:
    """One identity of a person: {field or column: its values as text}, of the key and of what was named.

    More than one value of a name are those that it may have had: a mapping makes one of several. `kinds` are
    the SQL types, as far as they are known.
    """

    key: Mapping[str, Sequence[str]]
    named: Mapping[str, Sequence[str]]
    kinds: Mapping[str, str] = field(default_factory=lambda: _NO_KINDS)


@dataclass(frozen=True)
class Row:
    """What a row of an export is made of.

    `kinds` are {field: SQL type}, `columns` {field: the model's column} where that has another name, `before`
    {column: SQL type} of what stands beside the fields as it was before the last mile, `mapped` the fields of
    which the model's values are not known otherwise.
    """

    kinds: Mapping[str, str]
    columns: Mapping[str, str] = field(default_factory=lambda: _NO_KINDS)
    before: Mapping[str, str] = field(default_factory=lambda: _NO_KINDS)
    mapped: frozenset[str] = frozenset()

    def of_fields(self) -> dict[str, Value]:
        """Return {field: (SQL of its value, SQL type, field)}."""
        return {name: (quoted(name), kind, name) for name, kind in self.kinds.items()}

    def of_model(self) -> dict[str, Value]:
        """Return the same by the model's columns, as far as their values are known."""
        found = {
            self.columns.get(name, name): (quoted(name), kind, name)
            for name, kind in self.kinds.items()
            if name not in self.mapped
        }
        fields = {column: name for name, column in self.columns.items()}
        return found | {
            column: (quoted(BEFORE + column), kind, fields.get(column, column))
            for column, kind in self.before.items()
        }


def digest_of(salt: str, key: Key) -> str:
    """Return the digest of a whole key as it is spelt, as `is_forgotten` works it out in SQL."""
    text = json.dumps(list(key), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256((salt + text).encode()).hexdigest()


def digests_of(
    connection: "duckdb.DuckDBPyConnection", salt: str, written: Values, model: Values | None
) -> str:
    """Return what a record keeps of an erased key: as it was written, and as the model has it.

    `model` is None where both are the same.
    """
    kept: dict[str, Any] = {_FORM: _THIS_FORM, **_kept(connection, salt, written)}
    if model is not None:
        kept[_MODEL] = _kept(connection, salt, model)
    return json.dumps(kept)


def names_in(record: ForgottenKey) -> set[str]:
    """Return the fields that a person named for an erasure; none of an older version's."""
    kept = json.loads(record.fields) if record.fields else {}
    return set(kept[_NAMED]) if _FORM in kept else set()


def as_named_only(record: ForgottenKey) -> ForgottenKey | None:
    """Return an erasure as it holds for another export: what a person named of the models, not its key."""
    kept = json.loads(record.fields) if record.fields else {}
    if not kept:
        return None
    told = {_KEY: {}, _NAMED: {}, _MODEL: {_KEY: {}, _NAMED: kept.get(_MODEL, kept)[_NAMED]}}
    if _FORM not in kept:
        return replace(record, fields=json.dumps({_KEY: {}, _NAMED: kept[_NAMED]}))
    return replace(record, fields=json.dumps({_FORM: kept[_FORM], **told}))


def of_a_person(columns: Mapping[str, str], forgotten: Sequence[ForgottenKey]) -> tuple[str, int]:
    """Return the SQL condition that a row of any table is somebody's, and how many erasures it is made of.

    `columns` are the table's, {name: SQL type}. An erasure counts for a table that has all the columns by
    which a person named somebody.
    """
    named = (one for record in forgotten if (one := as_named_only(record)) is not None)
    counting = [record for record in named if (asked := _named_columns(record)) and asked <= columns.keys()]
    return is_forgotten((), Row(columns), {}, counting), len({record.salt for record in counting})


def _named_columns(record: ForgottenKey) -> set[str]:
    kept = json.loads(record.fields)
    return set(kept.get(_MODEL, kept)[_NAMED])


def is_forgotten(key: Sequence[str], row: Row, alike: Alikes, forgotten: Sequence[ForgottenKey]) -> str:
    """Return the SQL condition that a row is of a key that is never to be sent again; "" where none can be.

    Args:
        key: the fields that tell rows apart now.
        row: what the row is made of.
        alike: what makes two values of a key's field one.
        forgotten: the erasures of the export.
    """
    wanted: dict[tuple[str, ...], list[str]] = {}
    for record in forgotten:
        for digests in _sought(key, row, alike, record):
            found = wanted.setdefault(tuple(digests), [])
            found += [", ".join(map(literal, one)) for one in product(*digests.values())]
    return " or ".join(
        f"({', '.join(columns)}) in ({', '.join(f'({digests})' for digests in dict.fromkeys(found))})"
        for columns, found in wanted.items()
    )


def _sought(
    key: Sequence[str], row: Row, alike: Alikes, record: ForgottenKey
) -> Iterator[Mapping[str, Sequence[str]]]:
    """Yield {SQL of a digest: those that it may be}, for each way to know a row of the record's key."""
    kept = json.loads(record.fields) if record.fields else {}
    columns = [row.columns.get(name, name) for name in key]
    by_fields, by_columns = row.of_fields(), row.of_model()
    if _FORM not in kept:
        for names, values in ((key, by_fields), (columns, by_columns)):
            yield from found_before(names, values, alike, record)
        return
    of_model = _ways(kept.get(_MODEL, kept), columns, by_columns)
    for way, in_model in zip(_ways(kept, key, by_fields), of_model, strict=True):
        # Whom the model has is who it is; who else is sent under the same key is somebody else.
        known = bool(in_model) and in_model.keys() <= by_columns.keys()
        asked, values = (in_model, by_columns) if known else (way, by_fields)
        if found := _digests_of_row(asked, values, alike, record.salt):
            yield found


def _ways(
    identity: Mapping[str, Any], key: Sequence[str], values: Collection[str]
) -> list[Mapping[str, Any]]:
    """Return what makes a row the person's: the erased key; or what was named, where that is the key now.

    A way that leads nowhere is empty.
    """
    of_key, named = identity[_KEY], identity[_NAMED]
    if not set(key) <= named.keys():
        return [of_key, {}]
    # Of another export's request all that was named has to hold: it was not one for this key.
    counting = key if of_key else [name for name in named if name in values]
    return [of_key, {name: named[name] for name in counting}]


def _digests_of_row(
    way: Mapping[str, Any], values: Mapping[str, Value], alike: Alikes, salt: str
) -> dict[str, Sequence[str]]:
    """Return the digests of one way, {} where a row has none of them."""
    digests: dict[str, Sequence[str]] = {}
    for name, kept in way.items():
        if name not in values:
            return {}
        value, kind, of_field = values[name]
        form, text = form_of_row(value, kind, Family(kept[_FAMILY]), alike.get(of_field, EXACT))
        if form not in kept[_DIGESTS]:
            return {}
        digests[_digest(salt, name, form, text)] = kept[_DIGESTS][form]
    return digests


def _kept(connection: "duckdb.DuckDBPyConnection", salt: str, values: Values) -> dict[str, Any]:
    return {
        part: {
            name: {
                _FAMILY: family_of(values.kinds.get(name, "")),
                _DIGESTS: _digests(connection, salt, name, texts, values.kinds.get(name, "")),
            }
            for name, texts in sorted(found.items())
            if texts
        }
        for part, found in ((_KEY, values.key), (_NAMED, values.named))
    }


def _digests(
    connection: "duckdb.DuckDBPyConnection", salt: str, name: str, texts: Sequence[str], kind: str
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in texts:
        forms = list(forms_of("spelt", kind))
        listed = ", ".join(_digest(salt, name, form, value) for form, value in forms)
        row = connection.execute(f"select {listed} from (select ?::varchar as spelt)", [text]).fetchone()
        assert row is not None
        for (form, _), digest in zip(forms, row, strict=True):
            if digest is not None and digest not in found.setdefault(form, []):
                found[form].append(digest)
    return {form: digests for form, digests in found.items() if digests}


def _digest(salt: str, name: str, form: str, text: str) -> str:
    """Return SQL of the digest of a form of a value; `text` is SQL of it."""
    return f"sha256({literal(f'{salt}{form}:{name}:')} || {text})"
