"""Which catalogues show a column that has got a class since, whatever became of its name."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sluicegate.publishing.catalogue import UNKNOWN, Catalogue, PublishedTable

_NOTHING = Catalogue("1", "d", 1, datetime(2024, 1, 5, tzinfo=UTC), "", {}, frozenset(), {})
_TABLE = PublishedTable("", "", 0, {}, {}, "", {}, {})
# {table: {column: why it is left out, "" where it is published}}
_Tables = dict[str, dict[str, str]]
CASES: dict[str, tuple[_Tables, _Tables, bool]] = {
    "nothing is another": ({"raw.a": {"x": "", "y": ""}}, {"raw.a": {"x": "", "y": ""}}, False),
    "it got a class": ({"raw.a": {"x": "", "y": ""}}, {"raw.a": {"x": "", "y": "pii"}}, True),
    "it was left out before": ({"raw.a": {"x": "", "y": "pii"}}, {"raw.a": {"x": "", "y": "pii"}}, False),
    "it got a class and a name": ({"raw.a": {"x": "", "y": ""}}, {"raw.a": {"x": "", "z": "pii"}}, True),
    "it got a name": ({"raw.a": {"x": "", "y": ""}}, {"raw.a": {"x": "", "z": ""}}, False),
    "another one came, with a class": ({"raw.a": {"x": ""}}, {"raw.a": {"x": "", "z": "pii"}}, False),
    "it was dropped": ({"raw.a": {"x": "", "y": ""}}, {"raw.a": {"x": ""}}, False),
    "dropped here, with a class elsewhere": (
        {"raw.a": {"y": ""}, "marts.b": {"x": "", "y": ""}},
        {"raw.a": {"y": "pii"}, "marts.b": {"x": ""}},
        True,
    ),
    "with its table": (
        {"raw.a": {"x": "", "y": "pii"}, "marts.b": {"y": ""}}, {"raw.a": {"x": "", "y": "pii"}}, True,
    ),
    "a table alone": ({"raw.a": {"x": ""}, "marts.b": {"y": ""}}, {"raw.a": {"x": ""}}, False),
    "nobody knows it": ({"raw.a": {"x": "", "y": ""}}, {"raw.a": {"x": "", "y": UNKNOWN}}, False),
}  # fmt: skip


def _catalogue(tables: _Tables) -> Catalogue:
    made = {
        name: replace(
            _TABLE,
            relation=name,
            columns={column: "VARCHAR" for column, why in columns.items() if not why},
            left_out={column: why for column, why in columns.items() if why},
        )
        for name, columns in tables.items()
    }
    return replace(_NOTHING, tables=made)


@pytest.mark.parametrize(("before", "now", "shows"), CASES.values(), ids=CASES)
def test_what_has_got_a_class_is_shown_by_no_catalogue(before: _Tables, now: _Tables, shows: bool) -> None:
    assert _catalogue(before).shows_more_than(_catalogue(now)) == shows
