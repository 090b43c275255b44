"""The form on which two keys are equal if a destination takes them for one; and who else works it out."""

from collections.abc import Collection
from dataclasses import replace
from importlib import import_module
from typing import Any

import duckdb
import pytest
from sluicegate.compute.alike import EXACT, Alike, as_number, canonical
from sluicegate.destinations.salesforce.fields import Field, alike_in, comparable_key, comparable_keys
from sluicegate.destinations.strangers import strangers

TEXTS = (
    *("A-7", " A-7", "A-7 ", "a-7", "\tA-7\r\n", "\u00a0A-7\u2003", "A 7", "É", "é", "e\u0301", "ß", "ẞ"),
    *("7", "07", "7.0", "O'Neil", "a\\b", "Ünï", "ΣΊΣΥΦΟΣ", "σίσυφος", "\u200ba", "İ", "ı", "I", "#N/A"),
)
TEXT_FIELD = Field(
    name="Code__c",
    type="string",
    scale=0,
    precision=0,
    createable=True,
    updateable=True,
    filterable=True,
    required=False,
    identifies=True,
    case_sensitive=False,
)


def form(value: str, kind: str, *alike: Alike) -> Any:
    """The canonical form of a value that is given as SQL."""
    found = duckdb.execute(f"select {canonical(f'({value})', kind, frozenset(alike))}").fetchone()
    assert found is not None
    return found[0]


@pytest.mark.parametrize(
    ("one", "other", "kind", "alike", "same"),
    [
        ("'A'", "'a'", "VARCHAR", EXACT, False),
        ("'A'", "'a'", "VARCHAR", {Alike.CASE}, True),
        ("'A '", "'A'", "VARCHAR", {Alike.CASE}, False),
        ("'A '", "'A'", "VARCHAR", {Alike.TRIMMED}, True),
        ("chr(160) || 'A'", "'A' || chr(9)", "VARCHAR", {Alike.TRIMMED}, True),
        ("' A'", "'A'", "VARCHAR", {Alike.PADDED}, False),
        ("'A  '", "'A'", "VARCHAR", {Alike.PADDED}, True),
        ("'é'", "'e' || chr(769)", "VARCHAR", {Alike.CASE, Alike.TRIMMED}, False),
        ("9007199254740993", "9007199254740992", "BIGINT", EXACT, False),
        ("9007199254740993", "9007199254740992", "BIGINT", {Alike.TEXT}, False),
        ("9007199254740993", "9007199254740992", "BIGINT", {Alike.DOUBLE}, True),
        ("7.50", "7.5", "DECIMAL(9,2)", {Alike.TEXT}, True),
        ("700", "7", "INTEGER", {Alike.TEXT}, False),
        ("'700'", "'7'", "VARCHAR", {Alike.TEXT}, False),
    ],
)
def test_two_values_have_one_form_if_they_are_alike(
    one: str, other: str, kind: str, alike: Collection[Alike], same: bool
) -> None:
    assert (form(one, kind, *alike) == form(other, kind, *alike)) is same


@pytest.mark.parametrize(
    ("number", "kind", "text"),
    [("7", "INTEGER", "7"), ("7.00::decimal(9,2)", "DECIMAL(9,2)", "7"), ("0.5", "DECIMAL(2,1)", "0.5")],
)
def test_a_number_is_the_text_that_writes_it(number: str, kind: str, text: str) -> None:
    assert form(number, kind, Alike.TEXT) == form(f"'{text}'", "VARCHAR", Alike.TEXT)


def test_what_is_nothing_but_white_space_is_no_key() -> None:
    assert form("' ' || chr(9)", "VARCHAR", Alike.TRIMMED) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("007", "7"), (" 7.0 ", "7"), ("-7.50", "-7.5"), ("+7", "7"), ("700", "700"), ("x7", None)],
)
def test_a_text_is_the_number_that_it_writes(text: str, number: str | None) -> None:
    assert duckdb.execute(f"select {as_number(f'{text!r}')}").fetchone() == (number,)


@pytest.mark.parametrize("case_sensitive", [True, False])
def test_salesforce_finds_records_by_the_form_in_which_keys_are_compared(case_sensitive: bool) -> None:
    """What it answers is looked up in Python; that must be the very same form."""
    arrow: Any = import_module("pyarrow")
    field = replace(TEXT_FIELD, case_sensitive=case_sensitive)
    ours = [form(f"'{text.replace(chr(39), 2 * chr(39))}'", "VARCHAR", *alike_in(field)) for text in TEXTS]
    assert [comparable_key(text, field) for text in TEXTS] == ours
    assert comparable_keys(arrow.array(TEXTS), field).to_pylist() == ours


def test_a_stranger_is_a_key_that_none_of_ours_is() -> None:
    held = {"1": "a", "2": "B", "3": "c ", "4": "d", "5": "C"}
    folds = frozenset({Alike.TRIMMED, Alike.CASE})
    assert strangers([" A ", "b", "c"], held, folds) == ["4"]
    assert strangers(["a", "B"], held, EXACT) == ["3", "4", "5"]
    assert strangers([], held, EXACT) == ["1", "2", "3", "4", "5"]
