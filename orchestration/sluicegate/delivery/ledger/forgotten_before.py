"""What older versions have written of erased keys, and which rows are those.

They kept digests of the whole key alone, or of three forms of each field's value: the text, the text without
what destinations fold, and the number that it writes. Belongs here: reading those. Does not belong here: what
is written now (`forgotten`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sluicegate.compute.alike import EXACT, Alike, as_number, canonical, is_number, number_text, type_name
from sluicegate.compute.sql import literal
from sluicegate.delivery.ledger.keys import Alikes, text_of
from sluicegate.state.records import ForgottenKey

# (SQL of a row's value, its SQL type, the field that it is)
Value = tuple[str, str, str]
_TEXT, _FOLDED, _NUMBER = "text", "folded", "number"
_KEY, _NAMED, _WAS_NUMBER = "key", "named", "was_number"
_FOLDS = frozenset({Alike.TRIMMED, Alike.CASE})


def found_before(
    key: Sequence[str], values: Mapping[str, Value], alike: Alikes, record: ForgottenKey
) -> Iterator[Mapping[str, Sequence[str]]]:
    """Yield {SQL of a digest: those that it may be}, for each way to know a row of an older record's key.

    `key` are names of `values`; for the others see `is_forgotten`.
    """
    if not record.fields:
        if set(key) <= set(values):
            text = text_of([values[name][0] for name in key])
            yield {f"sha256({literal(record.salt)} || {text})": [record.key_digest]}
        return
    kept: Mapping[str, Mapping[str, Mapping[str, Any]]] = json.loads(record.fields)
    ways = [kept[_KEY]]
    if set(key) <= set(kept[_NAMED]):
        ways.append({name: kept[_NAMED][name] for name in key})
    for way in ways:
        digests: dict[str, Sequence[str]] = {}
        for name, of_field in way.items():
            if name not in values:
                break
            value, kind, named = values[name]
            form, text = _form_of(of_field, f"{value}::varchar", kind, alike.get(named, EXACT))
            if form not in of_field:
                break
            digests[_digest(record.salt, name, form, text, kind)] = [of_field[form]]
        else:
            if digests:
                yield digests


def _form_of(of_field: Mapping[str, Any], text: str, kind: str, alike: frozenset[Alike]) -> tuple[str, str]:
    """Return the form that a field of a row is compared in, and SQL of the row's text."""
    # What is written with an exponent, a NaN and an infinity had no digest as a number.
    if of_field[_WAS_NUMBER] and is_number(kind) and _NUMBER not in of_field:
        return _TEXT, text
    if of_field[_WAS_NUMBER] or is_number(kind):
        return _NUMBER, text
    if Alike.CASE in alike:
        return _FOLDED, text
    return _TEXT, canonical(text, "VARCHAR", alike) if alike else text


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
