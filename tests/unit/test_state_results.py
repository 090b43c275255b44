"""What rules said and what versions measure, on record: on SQLite and on the real Postgres."""

import math
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sluicegate.core.settings import REPOSITORY
from sluicegate.core.severity import Severity
from sluicegate.state.metrics import Measured
from sluicegate.state.results import Judgement, KeptRule
from sluicegate.state.store import StateStore
from sluicegate.state.upgrade import FORM, RecordsTooNew

from tests.unit.test_state_leases import engine_of

ORDERS, SHOPS = "staging.stg_orders", "raw.shops"
AT = datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
RULES = (
    KeptRule(
        "expect_a", {"column": "shop", "bounds": [1, None]}, Severity.CRITICAL, "passed", "1 to 2", "1.5", 1.5
    ),
    KeptRule(
        "expect_b", {}, Severity.WARNING, "failed", "none\0", "2 of 9 rows", None, 9, 2, 2 / 9, None,
        ('{"shop": "***"}', '{"shop": null, "text": "\\u0000"}'),
    ),
    KeptRule("expect_c", {}, Severity.INFO, "did not run", error="no column \0"),
)  # fmt: skip


def judgement(key: str, version: str = "v1", *, relation: str = ORDERS, check: str = "expectations",
              rules: tuple[KeptRule, ...] = RULES) -> Judgement:  # fmt: skip
    return Judgement(relation, key, check, version, "run", AT, rules)


def test_a_judgement_is_read_as_it_was_kept(store: StateStore) -> None:
    store.results.keep(judgement("2024-01-01"))
    [found] = store.results.newest(30)
    assert (found.relation, found.partition_key, found.check) == (ORDERS, "2024-01-01", "expectations")
    assert (found.version, found.run_id, found.judged_at) == ("v1", "run", AT)
    # Postgres takes no NUL.
    assert found.rules[0] == RULES[0]
    assert (found.rules[1].expected, found.rules[2].error) == ("none\\0", "no column \\0")
    assert found.rules[1].sample == RULES[1].sample
    assert (found.rules[1].rows, found.rules[1].failing_rows, found.rules[1].failing_share) == (9, 2, 2 / 9)


def test_the_newest_partitions_are_read_each_as_it_was_judged_last(store: StateStore) -> None:
    for key, version in (("1", "a"), ("3", "a"), ("2", "a"), ("2", "b")):
        store.results.keep(judgement(key, version))
    store.results.keep(judgement("", relation=SHOPS))
    store.results.keep(judgement("9", check="other", rules=()))
    found = [
        (item.relation, item.check, item.partition_key, item.version) for item in store.results.newest(2)
    ]
    assert found == [
        (SHOPS, "expectations", "", "v1"),
        (ORDERS, "expectations", "3", "a"), (ORDERS, "expectations", "2", "b"),
        (ORDERS, "other", "9", "v1"),
    ]  # fmt: skip


def test_it_is_told_what_was_judged_and_whether_anything_has_come(store: StateStore) -> None:
    assert (store.results.last(), store.results.judged_versions(ORDERS)) == (0, set())
    numbers = [store.results.last()]
    for key, version in (("1", "a"), ("1", "b"), ("1", "b"), ("2", "a")):
        store.results.keep(judgement(key, version))
        numbers.append(store.results.last())
    store.results.keep(judgement("1", "c", relation=SHOPS))
    assert numbers == sorted(set(numbers))
    assert store.results.judged_versions(ORDERS) == {("1", "a"), ("1", "b"), ("2", "a")}


def test_metrics_are_kept_by_version(store: StateStore) -> None:
    counts = [("1", "a", "row_count"), ("1", "b", "row_count"), ("2", "a", "row_count")]
    kept: dict[Measured, float | None] = dict(zip(counts, (1.5, None, -1e308), strict=True))
    store.metrics.keep(ORDERS, kept)
    store.metrics.keep(ORDERS, {("1", "a", "x.mean"): 7.0})
    store.metrics.keep(SHOPS, {("", "z", "row_count"): 8.0})
    store.metrics.keep(ORDERS, {})
    assert store.metrics.of(ORDERS, counts) == kept
    assert store.metrics.of(ORDERS, [("1", "a", "x.mean"), counts[1], ("2", "b", "row_count")]) == {
        ("1", "a", "x.mean"): 7.0,
        counts[1]: None,
    }
    assert store.metrics.of(ORDERS, []) == {}
    store.metrics.keep(ORDERS, {counts[1]: 2.0, counts[0]: None})  # in the place of what was kept
    assert store.metrics.of(ORDERS, counts) == kept | {counts[1]: 2.0, counts[0]: None}
    many: dict[Measured, float | None] = {
        (str(number), "a", name): math.sqrt(number) for number in range(1_250) for name in ("n.max", "n.min")
    }
    store.metrics.keep(SHOPS, many)
    assert store.metrics.of(SHOPS, many) == many


def test_metrics_of_a_past_are_kept_together(store: StateStore) -> None:
    names, days = ["n.max", "n.min"], [str(number) for number in range(1_250)]
    past = {(day, "a"): [None, 1e308, 0.1 + 0.2, -5e-324][int(day) % 3 :][:2] for day in days}
    wanted = [(day, "a", name) for day in days for name in names]
    together: dict[Measured, float | None] = {
        (day, "a", name): value
        for (day, _), values in past.items()
        for name, value in zip(names, values, strict=True)
    }
    store.metrics.keep_past(ORDERS, names, past)
    store.metrics.keep_past(SHOPS, names, {("1", "a"): [9.0, 9.0]})
    assert store.metrics.of(ORDERS, wanted) == together
    assert store.metrics.of(ORDERS, [("1", "b", "n.max"), ("1", "a", "row_count")]) == {}
    # Others of the same versions leave these as they are, and the same ones go in their place.
    store.metrics.keep_past(ORDERS, ["row_count"], {("1", "a"): [3.0]})
    store.metrics.keep_past(ORDERS, names, {("1", "a"): [1.0, 2.0]})
    store.metrics.keep(ORDERS, {("2", "a", "n.max"): 4.0})  # as the version was built
    store.metrics.keep_past(ORDERS, names, {})
    assert store.metrics.of(ORDERS, [*wanted, ("1", "a", "row_count")]) == together | {
        ("1", "a", "n.max"): 1.0,
        ("1", "a", "n.min"): 2.0,
        ("1", "a", "row_count"): 3.0,
        ("2", "a", "n.max"): 4.0,
    }


def test_versions_are_told_in_the_order_in_which_they_were_measured(store: StateStore) -> None:
    for version in ("zebra", "ant", "mole"):
        store.metrics.keep(SHOPS, {("", version, "row_count"): 1.0})
    store.metrics.keep(SHOPS, {("", "ant", "x.mean"): 1.0})
    assert store.metrics.versions(SHOPS) == ["zebra", "ant", "mole"]


def test_nothing_is_written_beside_newer_code(store: StateStore, state_url: str) -> None:
    engine = engine_of(state_url)
    with engine.begin() as connection:
        connection.execute(sa.text(f"update records_form set version = {FORM + 1}"))
    engine.dispose()
    with pytest.raises(RecordsTooNew):
        store.results.keep(judgement("1"))
    with pytest.raises(RecordsTooNew):
        store.metrics.keep(ORDERS, {("1", "a", "row_count"): 1.0})
    with pytest.raises(RecordsTooNew):
        store.metrics.keep_past(ORDERS, ["row_count"], {("1", "a"): [1.0]})


def test_the_query_in_the_guide_finds_what_rules_said(store: StateStore, state_url: str) -> None:
    guide = Path(REPOSITORY / "docs/adding-a-check.md").read_text()
    [query] = re.findall(r"```sql\n(select[^`]*\bjudgements\b[^`]*)```", guide)
    store.results.keep(judgement("1"))
    engine = engine_of(state_url)
    with engine.connect() as connection:
        rows = connection.execute(sa.text(query)).all()
    engine.dispose()
    assert [(row.partition_key, row.type, row.outcome, row.failing_rows) for row in rows] == [
        ("1", "expect_a", "passed", None), ("1", "expect_b", "failed", 2),
        ("1", "expect_c", "did not run", None),
    ]  # fmt: skip


def test_two_judgements_at_one_moment_are_two(store: StateStore) -> None:
    store.results.keep(judgement("1"))
    store.results.keep(judgement("1"))
    later = Judgement(ORDERS, "1", "expectations", "v2", "run", AT - timedelta(days=1), RULES[:1])
    store.results.keep(later)  # a clock that was set back
    assert [item.version for item in store.results.newest(1)] == ["v2"]
