"""Generated tables, the same in DuckDB and in pandas, and Great Expectations' own pandas engine on them."""

import inspect
import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from typing import Any

import duckdb
import pandas as pd
from hypothesis import strategies as st
from sluicegate.quality.suites import Rule

DAYS = [date(2022, 10, 3) + timedelta(days=n) for n in range(4)]
TIMES = [datetime(2022, 10, 3, 12) + timedelta(hours=12 * n) for n in range(4)]
INTEGERS = [-2, -1, 0, 1, 2, 3, 1000]
# Halves and quarters: sums of them are exact in any order, and as decimals as well.
FLOATS = [-1.5, -0.25, 0.0, 0.5, 1.0, 2.0, 2.25, 1000.0]
TEXTS = [
    "",
    " ",
    "Ames",
    "ames",
    "Pella",
    "Århus",
    "東京",
    "e\u0301",
    "🍺",
    "A1",
    "2022-10-03",
    "2022-13-01",
    "%_",
]
DECIMALS = [Decimal("-0.25"), Decimal("0.00"), Decimal("0.50"), Decimal("1.00"), Decimal("2.25")]
INFINITE = [float("inf"), float("-inf")]
NAN = float("nan")

# column -> (DuckDB's type, pandas' dtype, values); a value may be missing unless the name ends in `_kept`.
COLUMNS: Mapping[str, tuple[str, str, Sequence[Any]]] = {
    "i": ("bigint", "float64", INTEGERS),
    "j": ("integer", "float64", INTEGERS),
    "i_kept": ("bigint", "int64", INTEGERS),
    "f": ("double", "float64", [*FLOATS, *INFINITE, *[NAN] * 3]),
    "g": ("double", "float64", [*FLOATS, *[NAN] * 3]),
    "d": ("decimal(12, 2)", "object", DECIMALS),
    "d_kept": ("decimal(12, 2)", "object", DECIMALS),
    "s": ("varchar", "str", TEXTS),
    "day": ("date", "object", DAYS),
    "time": ("timestamp", "datetime64[us]", TIMES),
    "b_kept": ("boolean", "bool", [True, False]),
}


@st.composite
def tables(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Draw the rows of a table, few enough that values are shared and sometimes all are missing."""
    size = draw(st.integers(0, 8))
    columns: list[list[Any]] = []
    for name, (_, _, values) in COLUMNS.items():
        some = st.sampled_from(values)
        value = some if name.endswith("_kept") else draw(st.sampled_from([some, some | st.none(), st.none()]))
        columns.append(draw(st.lists(value, min_size=size, max_size=size)))
    return list(zip(*columns, strict=True))


def in_duckdb(rows: Sequence[tuple[Any, ...]]) -> duckdb.DuckDBPyConnection:
    """Return a connection to a database with the rows in `generated`."""
    connection = duckdb.connect()
    columns = ", ".join(f"{name} {kind}" for name, (kind, _, _) in COLUMNS.items())
    connection.execute(f"create table generated ({columns})")
    if rows:
        marks = ", ".join("?" for _ in COLUMNS)
        connection.executemany(f"insert into generated values ({marks})", [list(row) for row in rows])
    return connection


def in_pandas(rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    """Return the rows as pandas has them: NaN for what is missing among numbers, None among objects."""
    return pd.DataFrame(
        {
            name: pd.Series([row[place] for row in rows], dtype=dtype)  # pyright: ignore
            for place, (name, (_, dtype, _)) in enumerate(COLUMNS.items())
        }
    )


@dataclass(frozen=True)
class Answer:
    """What Great Expectations says of a rule; counts are None where it gives none."""

    success: bool
    observed: Any
    failing: int | None
    rows: int | None
    wrong_values: int
    error: str | None


def judged_by_gx(frame: pd.DataFrame, rules: Sequence[Rule]) -> list[Answer]:
    """Judge a frame with the pandas engine, all rules in one batch."""
    gx, definition = _pandas_engine()
    suite = gx.ExpectationSuite(
        name="suite",
        expectations=[
            {"type": rule.type, "kwargs": dict(rule.kwargs), "meta": {"place": place}}
            for place, rule in enumerate(rules)
        ],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batch = definition.get_batch({"dataframe": frame})
        answers = batch.validate(suite, result_format="SUMMARY").results
    by_place = {item.expectation_config.meta["place"]: _answer(item) for item in answers}
    return [by_place[place] for place in range(len(rules))]


def _answer(item: Any) -> Answer:
    info = item.exception_info
    records = [info] if "raised_exception" in info else list(info.values())
    errors = [str(record["exception_message"]) for record in records if record["raised_exception"]]
    details = dict(item.result or {})
    total = details.get("element_count")
    missing, failing = details.get("missing_count") or 0, details.get("unexpected_count")
    return Answer(
        success=bool(item.success),
        observed=details.get("observed_value"),
        failing=None if total is None else failing,
        rows=None if total is None else total - missing,
        wrong_values=(failing or 0) + (details.get("missing_count") or 0),
        error="; ".join(errors) or None,
    )


@cache
def _pandas_engine() -> tuple[Any, Any]:
    import great_expectations as gx
    from great_expectations import util

    # For each decimal it looks who has called, by file and function. The lines of code beside them, which it
    # does not read, are sought in all modules of the process: half of the time that an answer takes.
    setattr(util, "stack", partial(inspect.stack, 0))  # noqa: B010
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("generated").add_dataframe_asset("rows")
    return gx, asset.add_batch_definition_whole_dataframe("all")
