"""How dbt's models are cut: by their own word, or as what they read is.

Belongs here: a model and its parents. Does not belong here: what a partition is made of (`lineage`).
"""

from collections.abc import Mapping

from sluicegate.contracts.model import SourceContract
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.core.problems import Problem, did_you_mean
from sluicegate.transformation.manifest import DbtManifest, DbtNode

_TIMED = tuple(grain.value for grain in Grain if grain.timed)
_UNPARTITIONED = Partitioning(Grain.SNAPSHOT)


def partitionings(manifest: DbtManifest, contracts: Mapping[str, SourceContract]) -> dict[str, Partitioning]:
    """Return {relation: how it is cut} of all sources and models; what is wrong with them is another's."""
    found: dict[str, Partitioning] = {
        contract.relation: contract.partitioning for contract in contracts.values()
    }
    for node in manifest.nodes.values():  # parents before children
        parents = [manifest.relation(unique_id) for unique_id in node.parents]
        found[node.relation], _ = model_partitioning(
            node, {name: found[name] for name in parents if name in found}
        )
    return found


def model_partitioning(
    node: DbtNode, parents: Mapping[str, Partitioning]
) -> tuple[Partitioning, list[Problem]]:
    """Return how a model is cut and what is wrong with it; `parents` is {relation: how it is cut}.

    With a problem the answer is the nearest that lets the other rules be looked at.
    """
    partitioned = {name: how for name, how in parents.items() if how.partitioned}
    if node.partition_column is None:
        return _UNPARTITIONED, _reads_partitioned(node, partitioned)
    said, problems = _said(node)
    if not partitioned:
        problems.append(
            _problem(
                node, f"`{node.name}` is partitioned, but nothing that it reads is",
                "a partitioned source or model among what it reads",
                "make it a table: begin it with {{ config(materialized='table') }}",
            )
        )  # fmt: skip
        return Partitioning(said or Grain.DAILY), problems
    ways = sorted(set(partitioned.values()), key=lambda how: (how.grain, how.source))
    drops = [how for how in ways if not how.grain.timed]
    if drops:
        return drops[0], [*problems, *_drop_problems(node, partitioned, ways, said)]
    if said is None and len(ways) > 1 and not node.partition_grain:
        problems.append(
            _problem(
                node, f"`{node.name}` reads partitions of several grains: {_listed(partitioned)}",
                f"meta partition_grain, one of: {', '.join(_TIMED)}", "say how the model is cut",
            )
        )  # fmt: skip
    return Partitioning(said) if said else ways[0], problems


def _said(node: DbtNode) -> tuple[Grain | None, list[Problem]]:
    said = node.partition_grain
    if said and said not in _TIMED:
        return None, [
            _problem(
                node, f"meta partition_grain of `{node.name}` is `{said}`",
                f"one of: {', '.join(_TIMED)}", did_you_mean(said, _TIMED),
            )
        ]  # fmt: skip
    return (Grain(said) if said else None), []


def _reads_partitioned(node: DbtNode, partitioned: Mapping[str, Partitioning]) -> list[Problem]:
    """Facts stay cut through the whole chain: a table over all partitions has none to hold back."""
    if not partitioned:
        return []
    return [
        _problem(
            node, f"`{node.name}` is not partitioned, but reads `{next(iter(partitioned))}`, which is",
            "incremental_strategy='partition' and partition_by", "partition the model as what it reads",
        )
    ]  # fmt: skip


def _drop_problems(
    node: DbtNode,
    partitioned: Mapping[str, Partitioning],
    ways: list[Partitioning],
    said: Grain | None,
) -> list[Problem]:
    """A drop has no time and no neighbours: nothing else can be cut as it is."""
    problems: list[Problem] = []
    if len(ways) > 1:
        what = "drops of several sources" if all(not how.grain.timed for how in ways) else "drops and time"
        problems.append(
            _problem(
                node, f"`{node.name}` mixes {what}: {_listed(partitioned)}",
                "models cut by drop of one source, and what is not partitioned",
                "make a model for each of them",
            )
        )  # fmt: skip
    if said is not None:
        problems.append(
            _problem(
                node, f"`{node.name}` is cut by drop, but its meta says partition_grain: {said}",
                "no partition_grain: a drop has no time", "take it away",
            )
        )  # fmt: skip
    if node.trailing_days:
        problems.append(
            _problem(
                node, f"`{node.name}` is cut by drop, but its meta has trailing_days",
                "no trailing_days: no drop lies before another", "take them away",
            )
        )  # fmt: skip
    return problems


def _listed(partitioned: Mapping[str, Partitioning]) -> str:
    return ", ".join(
        f"`{name}` ({how.grain}{f' of {how.source}' if how.source else ''})"
        for name, how in sorted(partitioned.items())
    )


def _problem(node: DbtNode, what: str, expected: str, fix: str) -> Problem:
    return Problem(node.file, 1, what, expected, fix)
