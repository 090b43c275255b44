"""What earlier partitions looked like: the numbers behind suite parameters.

Only partitions that may go on count as history, so that a bad day never becomes the measure of the next.
Metrics are on record by version of the data, so a corrected day is measured anew; a table's past is read from
the table itself where nothing is kept yet. Only finite numbers are history: NaN and infinities are left out
when a metric is measured, as one of them would open or close a rule for ever.
Belongs here: measuring and remembering.
"""

import math
import statistics
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from sluicegate.compute.sql import literal, quoted
from sluicegate.core.lineage import Table
from sluicegate.core.partitions import Partitioning
from sluicegate.core.shown_text import CLASSIFIED
from sluicegate.quality.parameters import (
    COLUMN_METRICS,
    ROW_COUNT,
    Metric,
    Reference,
    Value,
    Window,
    evaluate,
    references,
)
from sluicegate.quality.suites import CHECK_NAME
from sluicegate.state.metrics import Measured, Metrics, Place
from sluicegate.state.store import StateStore
from sluicegate.warehouse.base import Session
from sluicegate.warehouse.slices import key_expression

# Partitions; a window looks at 999 at most, of one weekday in seven.
_LONGEST_LOOK_BACK = 7 * 999
# Metrics that one scan measures: the values of all columns in memory at once were half a gigabyte.
_AT_ONCE = 40
# Metrics that tell of any value; the others are of finite numbers.
_OF_ANY_VALUE = ("null_ratio", "distinct_count")


class NoHistory(Exception):
    """A parameter needs earlier partitions, and there is none that counts."""


@dataclass(frozen=True)
class Past:
    """The partitions that count as history, as (partition key, version), oldest first.

    For a table that is not partitioned they are its earlier versions, under the key `""`. Drops have no
    order but that in which they came: of a table that is cut by drop, those built before are earlier.
    """

    relation: str
    partitioning: Partitioning
    partition_column: str | None
    partitions: Sequence[tuple[str, str]]
    known: dict[Measured, float | None] = field(default_factory=dict[Measured, float | None], compare=False)
    """What was looked up of them already (`recall`)."""
    selected: dict[tuple[int, bool, str], Sequence[Place]] = field(
        default_factory=dict[tuple[int, bool, str], Sequence[Place]], compare=False
    )
    """What windows took already: most rules of a suite have the same one."""

    def select(self, window: Window, partition_key: str) -> Sequence[Place]:
        """Return the last `window.size` of them that the window takes."""
        asked = window.size, window.same_weekday, partition_key
        if asked not in self.selected:
            chosen = self.partitions
            if self.partitioning.grain.timed:
                chosen = [item for item in chosen if item[0] < partition_key]
            if window.same_weekday:
                weekday = date.fromisoformat(partition_key).weekday()
                chosen = [item for item in chosen if date.fromisoformat(item[0]).weekday() == weekday]
            self.selected[asked] = chosen[-window.size :]
        return self.selected[asked]


def validated_past(
    session: Session,
    store: StateStore,
    table: Table,
    partition_column: str | None,
    partition_key: str,
) -> Past:
    """Return the partitions of a table that were judged as they are now, and of which no check said no."""
    relation = table.relation
    if partition_column is None:
        current = session.versions([relation]).get((relation, partition_key))
        candidates = [("", version) for version in store.metrics.versions(relation) if version != current]
    else:
        held = [item for item in session.written(relation) if item[0] != partition_key]
        if table.partitioning.grain.timed:
            held = sorted(item for item in held if item[0] < partition_key)
        candidates = held[-_LONGEST_LOOK_BACK:]
    said: dict[tuple[str, str], dict[str, bool]] = {}
    for item in store.evidence_of((relation, key) for key, _ in candidates):
        # Oldest first: of what a check said by several rules the last word counts.
        said.setdefault((item.partition_key, item.version), {})[item.check] = item.passed
    # Judged by the suite, which came to no verdict as a rule could not run: nobody knows what it would say.
    open_ends = {
        place for place in store.results.judged_versions(relation) if CHECK_NAME not in said.get(place, {})
    }
    counting = [
        place for place in candidates if place not in open_ends and all(said.get(place, {"": False}).values())
    ]
    return Past(relation, table.partitioning, partition_column, counting)


def recall(
    session: Session, kept: Metrics, past: Past, wanted: Iterable[Reference], partition_key: str
) -> None:
    """Look up what these look at, together: one look at what is kept, and few scans for all that is not.

    Metrics of which other partitions are lacking have a scan of their own: a window of one day does not have
    a year measured.

    Raises:
        duckdb.Error: one of them cannot be measured; what was measured before it is kept.
    """
    looked_at: dict[Metric, set[Place]] = {}
    for metric, window in dict.fromkeys((reference.metric, reference.window) for reference in wanted):
        looked_at.setdefault(metric, set()).update(past.select(window, partition_key))
    places = [place for metric, those in looked_at.items() for place in _unknown(past, metric, those)]
    past.known.update(kept.of(past.relation, places))
    if past.partition_column is None:
        return
    lacking: dict[frozenset[Place], list[Metric]] = {}
    for metric, those in looked_at.items():
        if unknown := frozenset((key, version) for key, version, _ in _unknown(past, metric, those)):
            lacking.setdefault(unknown, []).append(metric)
    for those, metrics in lacking.items():
        # Those of a column together: DuckDB reads a column once for all of them.
        metrics.sort(key=lambda metric: metric.column or "")
        for first in range(0, len(metrics), _AT_ONCE):
            some = metrics[first : first + _AT_ONCE]
            names, measured = [str(metric) for metric in some], _measured(session, past, some, those)
            kept.keep_past(past.relation, names, measured)
            for (key, version), values in measured.items():
                past.known.update(
                    ((key, version, name), value) for name, value in zip(names, values, strict=True)
                )


def _unknown(past: Past, metric: Metric, places: Iterable[Place]) -> list[Measured]:
    name, known = str(metric), past.known
    wanted = [(key, version, name) for key, version in places]
    return [one for one in wanted if one not in known] if known else wanted


def resolve(
    session: Session,
    kept: Metrics,
    expression: str,
    past: Past,
    partition_key: str,
    classified: Collection[str] = (),
) -> tuple[Value, str]:
    """Return what a parameter comes to for a partition, and what it was made of, for people.

    They are not told what is worked out of the values of `classified` columns.

    Raises:
        NoHistory: a name in it has no partition to look at.
        ParameterProblem: the arithmetic does not work out.
    """
    values: dict[str, Value] = {}
    if past.partitioning.grain.timed:
        start, end = past.partitioning.bounds(partition_key)
        values |= {"partition.start": start, "partition.end": end}
    said: list[str] = []
    for reference in references(expression):
        number, made_of = _number(session, kept, reference, past, partition_key)
        values[reference.text] = number
        told = CLASSIFIED if reference.metric.tells_of(classified) else f"{number:,.6g}"
        said.append(f"{reference.text} = {told} ({made_of})")
    return evaluate(expression, values), "; ".join(said)


def measure(
    session: Session,
    kept: Metrics,
    relation: str,
    partition_key: str,
    version: str,
    condition: str | None,
    metrics: Collection[Metric],
) -> None:
    """Keep the metrics of the version that the table holds; call it in a snapshot of that version."""
    if not metrics:
        return
    chosen = list(metrics)
    where = f" where {condition}" if condition else ""
    aggregates = ", ".join(_aggregate(metric) for metric in chosen)
    [row] = session.query(f"select {aggregates} from {relation}{where}")
    kept.keep(
        relation, {(partition_key, version, str(m)): value for m, value in zip(chosen, row, strict=True)}
    )


def metrics_of(expressions: Iterable[str]) -> frozenset[Metric]:
    """Return the metrics that parameters look at."""
    return frozenset(reference.metric for text in expressions for reference in references(text))


def _number(
    session: Session,
    kept: Metrics,
    reference: Reference,
    past: Past,
    partition_key: str,
) -> tuple[float, str]:
    chosen = past.select(reference.window, partition_key)
    if _unknown(past, reference.metric, chosen):
        recall(session, kept, past, [reference], partition_key)
    name, known = str(reference.metric), past.known
    found = [number for key, version in chosen if (number := known.get((key, version, name))) is not None]
    if not found:
        raise NoHistory(f"{reference.text}: no validated partition before this one")
    if len(found) == 1:
        return found[0], f"of {chosen[-1][0] or 'the version before'}"
    return _combined(
        reference.window.of, found
    ), f"of {len(found)} partitions since {chosen[0][0] or 'the first'}"


def _combined(of: str, numbers: Sequence[float]) -> float:
    if of.startswith("p"):
        # Linear interpolation, as DuckDB's quantile_cont and numpy have it.
        ordered = sorted(numbers)
        place = (len(ordered) - 1) * int(of[1:]) / 100
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        share, step = place - low, ordered[high] - ordered[low]
        if math.isinf(step):  # between extremes of both signs
            return ordered[low] * (1 - share) + ordered[high] * share
        return ordered[low] + step * share
    # statistics.mean is exact: no sum overflows, and the mean of equal numbers is that number.
    if of == "median":
        of, numbers = "mean", (statistics.median_low(numbers), statistics.median_high(numbers))
    return float({"mean": statistics.mean, "min": min, "max": max}[of](numbers))


def _measured(
    session: Session,
    past: Past,
    metrics: Sequence[Metric],
    partitions: Collection[Place],
) -> dict[Place, Sequence[float | None]]:
    """Measure past partitions from the table itself, in one scan of them."""
    assert past.partition_column is not None
    key_of_row = key_expression(past.partition_column, past.partitioning)
    keys = ", ".join(literal(key) for key, _ in partitions)
    rows = session.query(
        f"select {', '.join((key_of_row, *map(_aggregate, metrics)))} from {past.relation}"
        f" where {key_of_row} in ({keys}) group by 1"
    )
    numbers: dict[str, Sequence[float | None]] = {key: values for key, *values in rows}
    empty = [0.0 if metric.name == ROW_COUNT else None for metric in metrics]
    return {(key, version): numbers.get(key, empty) for key, version in partitions}


def _aggregate(metric: Metric) -> str:
    if metric.column is None:
        return "cast(count(*) as double)"
    column = quoted(metric.column)
    if metric.name in _OF_ANY_VALUE:
        return f"cast({COLUMN_METRICS[metric.name].format(column=column)} as double)"
    number = f"cast({column} as double)"
    # DuckDB's stddev_samp raises where a square is infinite, and where a value is.
    looked_at = f"{number} * {number}" if metric.name == "stdev" else number
    finite = f"case when isfinite({looked_at}) then {column} end"
    if metric.name in COLUMN_METRICS:
        aggregate = COLUMN_METRICS[metric.name].format(column=finite)
    else:
        aggregate = f"quantile_cont({finite}, {int(metric.name[1:]) / 100})"
    found = f"cast({aggregate} as double)"
    return f"case when isfinite({found}) then {found} end"
