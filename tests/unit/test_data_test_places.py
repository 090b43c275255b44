"""Where data tests run: after all that they read, and never in a circle, whatever reads what."""

import random
from collections.abc import Mapping
from typing import Any

import pytest
from sluicegate.core.lineage import Lineage, Table
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.core.relations import Relation
from sluicegate.core.stages import Stage
from sluicegate.transformation.data_test_places import DataTestPlaces, place_tests
from sluicegate.transformation.manifest import DbtManifest

DAILY, SNAPSHOT, MONTHLY = (Partitioning(grain) for grain in (Grain.DAILY, Grain.SNAPSHOT, Grain.MONTHLY))
DROP = Partitioning(Grain.DROP, "films")


def _manifest(
    parents: Mapping[str, tuple[str, ...]], tests: Mapping[str, tuple[tuple[str, ...], str]]
) -> DbtManifest:
    """Return a manifest of models (with what they read) and tests (what they read, and their table or "").

    What has a name that begins with `w` is work.
    """
    nodes: dict[str, dict[str, Any]] = {}
    for name, read in parents.items():
        nodes[f"model.{name}"] = {
            "unique_id": f"model.{name}", "name": name, "alias": name, "schema": "s", "package_name": "p",
            "resource_type": "model", "fqn": ["p", name],
            "original_file_path": f"models/{_folder(name)}{name}.sql", "checksum": {"checksum": ""},
            "config": {"materialized": "table"}, "depends_on": {"nodes": [f"model.{one}" for one in read]},
        }  # fmt: skip
    for name, (read, attached) in tests.items():
        nodes[f"test.{name}"] = {
            "unique_id": f"test.{name}", "name": name, "resource_type": "test", "package_name": "p",
            "original_file_path": f"tests/{_folder(name)}{name}.sql", "config": {"severity": "error"},
            "depends_on": {"nodes": [f"model.{one}" for one in read]},
            "attached_node": f"model.{attached}" if attached else None,
        }  # fmt: skip
    metadata = {"adapter_type": "duckdb", "project_name": "p"}
    return DbtManifest({"nodes": nodes, "sources": {}, "macros": {}, "metadata": metadata})


def _folder(name: str) -> str:
    return "work/" if name.startswith("w") else ""


def _lineage(parents: Mapping[str, tuple[str, ...]], places: DataTestPlaces) -> Lineage:
    return Lineage(
        Table(
            relation=Relation("s", name), asset_key=("s", name), partitioning=DAILY, rules={},
            parents=dict.fromkeys((f"s.{one}" for one in read), 1),
            tested_beside=places.before.get(f"s.{name}", frozenset()),
            awaits=places.awaited.get(f"s.{name}", {}),
        )
        for name, read in parents.items()
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(150))
def test_no_order_goes_round_in_a_circle(seed: int) -> None:
    dice = random.Random(seed)
    names = [f"t{number}" for number in range(dice.randint(2, 9))]
    parents = {
        name: tuple(sorted(dice.sample(names[:at], dice.randint(0, min(at, 2)))))
        for at, name in enumerate(names)
    }
    tests: dict[str, tuple[tuple[str, ...], str]] = {}
    for number in range(dice.randint(1, 8)):
        read = tuple(dice.sample(names, dice.randint(1, min(4, len(names)))))
        tests[f"test_{number}"] = (read, dice.choice(["", read[0]]))
    places = place_tests(_manifest(parents, tests), dict.fromkeys((f"s.{name}" for name in names), DAILY))
    lineage = _lineage(parents, places)
    order = {relation: at for at, relation in enumerate(lineage.tables)}
    # A circle has no such order.
    for relation, table in lineage.tables.items():
        assert all(order[earlier] < order[relation] for earlier in table.comes_after)
    for name, (read, attached) in tests.items():
        host = places.tables[f"test.{name}"]
        needed = {item.relation for item in lineage.chain(host, "2024-01-01")}
        assert {f"s.{one}" for one in read} <= needed
        # Whatever is made of the tested table waits for its word, but for what the test waits for.
        waits = {host, *lineage.descendants(host)}
        waited_for = {earlier for earlier in lineage.tables if host in lineage.descendants(earlier)}
        for below in lineage.tables:
            if f"s.{attached}" in lineage.ancestors(below):
                assert below in waits or below in waited_for


@pytest.mark.parametrize("seed", range(60))
def test_what_is_work_changes_nothing_of_production(seed: int) -> None:
    """Neither what comes before what, nor which checks a table has: whatever is tried beside it."""
    dice = random.Random(seed)
    names = [f"{dice.choice('tw')}{number}" for number in range(dice.randint(2, 9))]
    names.sort(key=lambda name: dice.random())
    own, work = ([name for name in names if name.startswith(stage)] for stage in "tw")
    parents: dict[str, tuple[str, ...]] = {}
    for stage in (own, work):
        for name in stage:
            known = [*parents]
            parents[name] = tuple(sorted(dice.sample(known, dice.randint(0, min(len(known), 2)))))
    tests: dict[str, tuple[tuple[str, ...], str]] = {}
    for number in range(dice.randint(1, 8)):
        if own:
            read = tuple(dice.sample(own, dice.randint(1, min(3, len(own)))))
            tests[f"test_{number}"] = (read, dice.choice(["", read[0]]))
        if work:
            first = dice.choice(work)
            others = dice.sample(names, dice.randint(0, min(3, len(names))))
            tests[f"w_test_{number}"] = (tuple(dict.fromkeys([first, *others])), dice.choice(["", first]))
    manifest = _manifest(parents, tests)
    cut = {f"s.{name}": dice.choice([DAILY, SNAPSHOT]) for name in names}
    whole, alone = place_tests(manifest, cut), place_tests(manifest.of_stages([Stage.PRODUCTION]), cut)
    production = {f"s.{name}" for name in own}
    ours = {name for name in whole.tables if name.startswith("test.test_")}
    assert {name: host for name, host in whole.tables.items() if name in ours} == alone.tables
    assert {name: others for name, others in whole.others.items() if name in ours} == alone.others
    assert {name: found for name, found in whole.awaited.items() if name in production} == alone.awaited
    assert {host for name, host in whole.tables.items() if name not in ours} & production == set()
    assert all("which is work" in str(problem) for problem in whole.problems[len(alone.problems) :])


@pytest.mark.parametrize(
    ("cut", "host"),
    [
        ({"a": DAILY, "b": DAILY}, "a"),
        ({"a": DAILY, "b": SNAPSHOT}, "a"),
        ({"a": SNAPSHOT, "b": DAILY}, "b"),
        ({"a": SNAPSHOT, "b": SNAPSHOT}, "a"),
        ({"a": MONTHLY, "b": DAILY}, "a"),
        ({"a": DROP, "b": SNAPSHOT}, "a"),
        ({"a": DROP, "b": DROP}, "a"),
        ({"a": DROP, "b": DAILY}, None),
        ({"a": DROP, "b": Partitioning(Grain.DROP, "tapes")}, None),
    ],
)
def test_a_test_runs_with_what_has_partitions_or_is_told_to_be_split(
    cut: Mapping[str, Partitioning], host: str | None
) -> None:
    manifest = _manifest({"a": (), "b": ()}, {"both": (("a", "b"), "a")})
    places = place_tests(manifest, {f"s.{name}": how for name, how in cut.items()})
    assert places.tables == ({"test.both": f"s.{host}"} if host else {})
    told = [str(problem) for problem in places.problems]
    assert len(told) == (host is None)
    assert all("dbt_project/tests/both.sql" in text and "test each of them alone" in text for text in told)
