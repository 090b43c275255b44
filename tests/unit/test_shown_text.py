"""What is shown of others' texts where classified values are near: known words, whatever the text's form."""

import traceback

import pytest
from sluicegate.core.problems import ProjectChanged
from sluicegate.core.shown_text import (
    NOTHING_CLASSIFIED,
    Near,
    Undisclosed,
    names_in_code,
    showing_errors,
    shown,
    shown_code,
)

from tests.canaries import found_in

VALUE = "Zq07vkxw Schmidt@example.org"
NEAR = Near(True, frozenset({"email", "Email__c", "stg_guests", "models/staging/stg_guests.sql", "staging"}))
# {who says it: (the text, what of it helps the engineer)}
TEXTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "DuckDB converts": (
        f"Conversion Error: Could not convert string '{VALUE}' to INT32 when casting from column email",
        ("Conversion Error", "Could not convert string", "INT32", "email"),
    ),
    "DuckDB shows SQL": (
        f"Binder Error: Referenced column \"x\" not found\n\nLINE 12: select '{VALUE}'\n               ^",
        ("Binder Error", "column", "not found", "LINE 12"),
    ),
    "dbt": (
        "Runtime Error in model stg_guests (models/staging/stg_guests.sql)\n"
        f"  Conversion Error: Could not convert string '{VALUE}' to INT32\n"
        f"  compiled code at /data/dbt/target/{VALUE}.sql",
        ("Runtime Error in model stg_guests", "models/staging/stg_guests.sql", "Conversion Error"),
    ),
    "Arrow": (
        f"ArrowInvalid: CSV parse error: Row 3: Expected 2 columns, got 1: {VALUE}",
        ("ArrowInvalid", "Row 3", "2 columns"),
    ),
    "Postgres": (
        f'duplicate key value violates unique constraint "guests_{VALUE}" DETAIL: Key (email)=({VALUE})'
        " already exists. (SQLSTATE 23505)",
        ("duplicate key value violates unique constraint", "email", "SQLSTATE 23505"),
    ),
    "HubSpot": (
        'HTTP 400 {"status":"error","category":"VALIDATION_ERROR","message":"Property values were not'
        f' valid: [{{\\"isValid\\":false,\\"message\\":\\"{VALUE}\\",\\"error\\":\\"INVALID_EMAIL\\"}}]"}}',
        ("HTTP 400", "VALIDATION_ERROR", "INVALID_EMAIL"),
    ),
    "Salesforce": (
        f"duplicate value found: Email__c duplicates value on record with id: {VALUE} (DUPLICATE_VALUE)",
        ("duplicate value found", "Email__c", "DUPLICATE_VALUE"),
    ),
    "Kusto": (
        f"KustoServiceError: BadRequest: Semantic error: '{VALUE}' [line 3]", ("BadRequest", "line 3"),
    ),
    "Great Expectations": (
        f"MetricResolutionError: 1 value {VALUE!r} of staging.stg_guests", ("staging.stg_guests",),
    ),
    "a URL": ("GET /contacts/Zq07vkxw%20Schmidt%40example.org?idProperty=email failed", ("failed",)),
    "base64": ("key WnEwN3ZreHcgU2NobWlkdEBleGFtcGxlLm9yZw== was refused", ("key", "was refused")),
    "a number": ("row with phone 01712345678 and 4111111111111111 refused", ("row with",)),
}  # fmt: skip


@pytest.mark.parametrize("who", TEXTS)
def test_words_that_are_none_of_the_data_are_shown_and_no_others(who: str) -> None:
    text, kept = TEXTS[who]
    told = shown(text, NEAR)
    assert [part for part in kept if part not in told] == [], told
    assert found_in(told.encode(), VALUE) == []
    assert not any(part in told for part in ("Schmidt", "0171234", "4111111"))
    assert shown(told, NEAR) == told


@pytest.mark.parametrize("who", TEXTS)
def test_all_is_shown_where_nothing_classified_is_near(who: str) -> None:
    text, _ = TEXTS[who]
    assert shown(text, NOTHING_CLASSIFIED) == text
    assert shown(text, Near(False, NEAR.names)) == text


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("DUPLICATE_VALUE", "DUPLICATE_VALUE"), ("INVALID_EMAIL", "INVALID_EMAIL"), ("422", "422"), ("", ""),
        ("UNWRITABLE", "UNWRITABLE"), ("23505-ZQ07VKXW", "…"), ("ZQ07VKXW", "…"), (VALUE, "…"),
    ],
)  # fmt: skip
def test_a_code_is_shown_whole_or_not_at_all(code: str, told: str) -> None:
    assert shown_code(code, NEAR) == told


def _raise(error: Exception) -> None:
    try:
        raise ValueError(VALUE)
    except ValueError as cause:
        raise error from cause


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (RuntimeError(f"could not convert {VALUE}"), Undisclosed, "RuntimeError: could not convert …"),
        (ProjectChanged("the dbt project"), ProjectChanged, "the dbt project has changed"),
    ],
)
def test_an_error_comes_out_without_what_it_came_of(error: Exception, kind: type, said: str) -> None:
    with pytest.raises(kind) as caught, showing_errors(NEAR):
        _raise(error)
    whole = "".join(traceback.format_exception(caught.value))
    assert said in whole
    # The test's own file is the only place that names it.
    assert found_in(whole.encode(), VALUE) == []


def test_an_error_stays_as_it_is_where_nothing_classified_is_near() -> None:
    with pytest.raises(RuntimeError, match="said") as caught, showing_errors(NOTHING_CLASSIFIED):
        _raise(RuntimeError("said"))
    assert str(caught.value.__cause__) == VALUE


def test_names_in_code_are_those_outside_of_literals_and_comments() -> None:
    code = "select emial, 'Anna o''Neil' as x -- Otto\nfrom {{ ref('guests') }} /* Ida */ {# Eva #}"
    assert names_in_code(code) == {"select", "emial", "as", "x", "from", "ref"}


def test_what_is_near_two_tables_is_near_both() -> None:
    other = Near(True, frozenset({"iban"}))
    both = NEAR.beside([NOTHING_CLASSIFIED, other])
    assert (both.classified, both.names >= {"iban", "email"}) == (True, True)
    assert not NOTHING_CLASSIFIED.beside([NOTHING_CLASSIFIED]).classified
