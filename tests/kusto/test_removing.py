"""What git has no more: what is ours goes, dependents first, and what anybody else uses stays.

Does not belong here: what git has (`test_deploying`).
"""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sluicegate.core.environments import Environment
from sluicegate.kusto.plan import OTHERS
from sluicegate.kusto.planned import State
from sluicegate.state.store import StateStore

from tests.kusto.bench import KustoBench, function

KEPT = {"functions/Stays.kql": function("Stays", "print x = 1")}
# A reads B, B reads C; V is a view.
GONE = {
    "functions/A.kql": function("A", "B() | take 1"),
    "functions/B.kql": function("B", "C | take 2"),
    "functions/C.kql": function("C", "items | where note == 'x'"),
    "views/V.kql": ".create-or-alter materialized-view V on table items { items | summarize count() by day }",
    "tables/made.kql": ".create-merge table made (a: int)",
}


@pytest.fixture
def bench(kusto_there: KustoBench) -> KustoBench:
    """All is deployed, and git has but one of it left; somebody's own things are there, too."""
    kusto_there.write(KEPT | GONE)
    kusto_there.deliver()
    kusto_there.command(".create-or-alter function Human() { print 5 }")
    kusto_there.deploy()
    kusto_there.write(KEPT)
    return kusto_there


def test_it_stays_until_somebody_says_prune_and_goes_dependents_first(bench: KustoBench) -> None:
    assert bench.states() == dict.fromkeys(["function A", "function B", "function C", "view V"], State.REMOVE)
    before = len(bench.sent())
    assert bench.deploy() == 0
    assert bench.deploy(prune=True) == 4
    drops = [one.split("[")[0] + one.split("'")[1] for one in bench.sent()[before:]]
    assert drops == [".drop function A", ".drop function B", ".drop function C", ".drop materialized-view V"]
    assert {*bench.kusto.objects.functions} == {"Human", "Stays"}
    assert {*bench.kusto.engine.tables} == {"items", "made"}
    assert {name for _, name in bench.store.kusto_objects.of("adx://there/db")} == {"Stays"}
    assert bench.states() == {}


@pytest.mark.parametrize(
    ("typed", "stays", "why"),
    [
        (".create-or-alter function Human() { B() }", {"B", "C"}, "function Human"),
        (".create-or-alter function Human() { C }", {"C"}, "function Human"),
        (".create-or-alter function Human() { union A, (print 1) }", {"A", "B", "C"}, "function Human"),
        (".alter table items policy row_level_security enable 'C'", {"C"}, "row_level_security of [items]"),
        (
            ".create-or-alter materialized-view W on table items"
            " { items | where note == 'V' | summarize count() by day }",
            {"V"}, "view W",
        ),
        (".create-or-alter function B() { C | take 3 }", {"B", "C"}, "somebody has changed it"),
        (".create-or-alter function Human() { print 'B is a letter' }", set[str](), ""),
    ],
)  # fmt: skip
def test_what_a_person_uses_or_has_changed_is_told_and_stays(
    bench: KustoBench, typed: str, stays: set[str], why: str
) -> None:
    bench.command(typed)
    kept = bench.plan().of(State.KEPT)
    assert {item.name for item in kept} == stays
    assert not stays or any(why in note for item in kept for note in item.notes)
    bench.deploy(prune=True)
    there = {*bench.kusto.objects.functions, *bench.kusto.objects.views}
    assert there & {"A", "B", "C", "V"} == stays
    assert {one for _, one in bench.store.kusto_objects.of("adx://there/db")} >= stays


def test_what_somebody_dropped_is_forgotten_and_what_was_never_ours_is_not_named(bench: KustoBench) -> None:
    for name in ("A", "B", "C"):
        bench.command(f".drop function {name}")
    bench.command(".drop materialized-view V")
    assert bench.states() == {}
    assert "Human" not in {item.name for item in bench.plan().items}
    bench.deploy()
    assert {name for _, name in bench.store.kusto_objects.of("adx://there/db")} == {"Stays"}


def test_what_takes_its_place_in_the_same_deploy_frees_it(bench: KustoBench) -> None:
    bench.write(KEPT | {"functions/A.kql": function("A", "items | take 1")})
    bench.deploy(prune=True)
    assert {*bench.kusto.objects.functions} == {"A", "Human", "Stays"}


def test_a_prune_that_ends_early_goes_on(bench: KustoBench) -> None:
    bench.kusto.lost = [".drop function ['B']"]
    bench.deploy(prune=True)
    assert {*bench.kusto.objects.functions} == {"Human", "Stays"}
    assert bench.states() == {}


def test_in_a_scratch_database_that_is_shared_nobody_removes_anothers(
    kusto_there: KustoBench, tmp_path: Path
) -> None:
    ada = kusto_there
    ada.kind = Environment.SCRATCH
    files = {"functions/A.kql": function("A", "print 1"), "functions/B.kql": function("B", "print 1")}
    ada.write(files)
    ada.deploy()
    (tmp_path / "bob").mkdir()
    with closing(StateStore(f"sqlite:///{tmp_path / 'bob' / 'state.db'}")) as store:
        bob = replace(ada, folder=tmp_path / "bob", store=store, said=[])
        bob.write(files)
        assert bob.deploy() == 0
        assert len(store.kusto_objects.of("adx://there/db")) == 2
        bob.write(KEPT)
        assert bob.states() == {"function Stays": State.CREATE}
        assert bob.deploy(prune=True) == 1
        assert {*ada.kusto.objects.functions} == {"A", "B", "Stays"}
        assert {name for _, name in store.kusto_objects.of("adx://there/db")} == {"Stays"}
        # What he has changed is his, until she changes it back.
        bob.write(files)
        bob.deploy()
        bob.write(files | {"functions/A.kql": function("A", "print 2")})
        bob.deploy()
        assert bob.said[-2].startswith(
            f"function A: {OTHERS} made what stands there; it is replaced (aadapp="
        )
        assert [one.drifted for one in ada.plan().items] == [True, False]
        ada.deploy()
        bob.write(KEPT)
        assert {*bob.states().values()} == {State.KEPT}
        assert bob.deploy(prune=True) == 0
