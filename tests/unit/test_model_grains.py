"""How a dbt model is cut: as it says, or as what it reads; and what cannot be."""

from collections.abc import Mapping

import pytest
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.core.relations import Relation
from sluicegate.transformation.grains import model_partitioning
from sluicegate.transformation.manifest import DbtNode

HOURLY, DAILY, MONTHLY, SNAPSHOT = (
    Partitioning(grain) for grain in (Grain.HOURLY, Grain.DAILY, Grain.MONTHLY, Grain.SNAPSHOT)
)
RECORDINGS, IMAGES = Partitioning(Grain.DROP, "recordings"), Partitioning(Grain.DROP, "images")


def node(*, column: str | None = "at", grain: str = "", trailing: Mapping[str, int] | None = None) -> DbtNode:
    return DbtNode(
        unique_id="model.observatory.sums", name="sums", relation=Relation("marts", "sums"),
        resource_type="model", file="dbt_project/models/sums.sql", partition_column=column,
        trailing_days=trailing or {}, parents=(), contract_enforced=False, columns=(), partition_grain=grain,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("grain", "parents", "expected"),
    [
        ("", {"a": HOURLY, "b": SNAPSHOT}, HOURLY),
        ("", {"a": DAILY, "b": DAILY}, DAILY),
        ("daily", {"a": HOURLY, "b": MONTHLY}, DAILY),
        ("monthly", {"a": DAILY}, MONTHLY),
        ("hourly", {"a": DAILY}, HOURLY),
        ("", {"a": RECORDINGS, "b": SNAPSHOT}, RECORDINGS),
    ],
)
def test_a_model_is_cut_as_it_says_or_as_what_it_reads(
    grain: str, parents: Mapping[str, Partitioning], expected: Partitioning
) -> None:
    assert model_partitioning(node(grain=grain), parents) == (expected, [])


def test_a_model_on_snapshots_alone_is_not_cut() -> None:
    assert model_partitioning(node(column=None), {"a": SNAPSHOT}) == (SNAPSHOT, [])


@pytest.mark.parametrize(
    ("model", "parents", "what", "expected"),
    [
        (
            node(), {"raw.a": HOURLY, "raw.b": MONTHLY},
            "`sums` reads partitions of several grains: `raw.a` (hourly), `raw.b` (monthly)",
            "meta partition_grain, one of: hourly, daily, weekly, monthly",
        ),
        (node(grain="dayly"), {"raw.a": HOURLY}, "meta partition_grain of `sums` is `dayly`",
         "one of: hourly, daily, weekly, monthly"),
        (node(grain="drop"), {"raw.a": HOURLY}, "meta partition_grain of `sums` is `drop`",
         "one of: hourly, daily, weekly, monthly"),
        (node(column=None), {"raw.a": HOURLY}, "`sums` is not partitioned, but reads `raw.a`, which is",
         "incremental_strategy='partition' and partition_by"),
        (node(), {"raw.a": SNAPSHOT}, "`sums` is partitioned, but nothing that it reads is",
         "a partitioned source or model among what it reads"),
        (
            node(), {"raw.a": RECORDINGS, "raw.b": IMAGES},
            "`sums` mixes drops of several sources: `raw.a` (drop of recordings), `raw.b` (drop of images)",
            "models cut by drop of one source, and what is not partitioned",
        ),
        (
            node(), {"raw.a": RECORDINGS, "raw.b": DAILY},
            "`sums` mixes drops and time: `raw.a` (drop of recordings), `raw.b` (daily)",
            "models cut by drop of one source, and what is not partitioned",
        ),
        (node(grain="daily"), {"raw.a": RECORDINGS},
         "`sums` is cut by drop, but its meta says partition_grain: daily",
         "no partition_grain: a drop has no time"),
        (node(trailing={"a": 3}), {"raw.a": RECORDINGS},
         "`sums` is cut by drop, but its meta has trailing_days",
         "no trailing_days: no drop lies before another"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_with_the_file(
    model: DbtNode, parents: Mapping[str, Partitioning], what: str, expected: str
) -> None:
    _, [problem] = model_partitioning(model, parents)
    assert (problem.file, problem.line) == ("dbt_project/models/sums.sql", 1)
    assert (problem.what, problem.expected) == (what, expected)
    assert problem.fix
