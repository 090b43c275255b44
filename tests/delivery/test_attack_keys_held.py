"""Attacks on keys that held, as tables: what people write otherwise, and what the destination makes of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from .cases import case_class
from .keys_kit import NEXT_DAY, RESYNC, Rows, opened

Make = Callable[..., Rows]


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """What delivers to a case, by its name."""
    with ExitStack() as stack:
        opening = contextmanager(opened)
        yield lambda name, **stated: stack.enter_context(
            opening(case_class(name), request, tmp_path, **stated)
        )


@pytest.mark.parametrize(
    ("kind", "key", "named", "after", "then"),
    [
        ("varchar", "'0042'", "0042", "integer", "42"),
        ("integer", "42", " +42", "varchar", "'42'"),
        ("integer", "42", "42.0", "double", "42"),
        ("decimal(9,2)", "42.5", "42.50", "double", "42.5"),
        ("double", "(-0.0)::double", "0", "double", "0.0"),
        ("bigint", "9007199254740993", "9007199254740993", "varchar", "'9007199254740993'"),
        ("date", "'2024-01-01'", "2024-01-01", "timestamp", "'2024-01-01'"),
        ("timestamptz", "'2024-01-01 00:00:00+00'", "2024-01-01 02:00:00+02", "timestamp", "'2024-01-01'"),
        ("blob", "'x'::blob", "x", "varchar", "'x'"),
        ("struct(a varchar)", "{'a': 'x'}", "{'a': x}", "struct(a varchar)", "{'a': 'x'}"),
    ],
)
def test_who_was_erased_stays_away(
    make: Make, kind: str, key: str, named: str, after: str, then: str
) -> None:
    """Under another type of the key, on another day, by a resync."""
    rows = make("webhook", kind=kind)
    rows.deliver({key: "ada"})
    rows.forget(code=named)
    rows.kind = after
    rows.deliver({then: "ada"})
    rows.deliver({then: "ada"}, NEXT_DAY, RESYNC)
    assert rows.notes() == []
