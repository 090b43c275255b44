"""Rules that look at each row: how many rows fail, and whether `mostly` allows it."""

from sluicegate.quality.pushdown.steps import Sample, Scan, Verdict
from sluicegate.quality.pushdown.wording import share_of_rows


def map_scan(columns: tuple[str, ...], looked_at: str, failing: str, mostly: float) -> Scan:
    """Return the scan of a rule whose failing rows a predicate (SQL) finds.

    `looked_at` is the aggregate that counts the rows that the rule looks at; no such row is a pass, as
    Great Expectations has it.
    """
    return Scan(
        (looked_at, f"count(*) filter (where {failing})"),
        lambda found: map_verdict(found[0], found[1], mostly, Sample(columns, failing)),
    )


def map_verdict(rows: int, failing: int, mostly: float, sample: Sample) -> Verdict:
    """Return the verdict on a rule of which `failing` of `rows` rows fail."""
    return Verdict(
        passed=rows == 0 or (rows - failing) / rows >= mostly,
        observed=share_of_rows(failing, rows),
        rows=rows,
        failing_rows=failing,
        sample=sample,
    )
