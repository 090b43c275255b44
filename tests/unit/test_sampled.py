"""A sampled table: the part that is chosen, alike in every process; all of it; one case by its name."""

import pytest

from tests import sampled


def items_of(request: pytest.FixtureRequest, *names: str) -> list[pytest.Item]:
    found: list[pytest.Item] = []
    for name in names:
        item = pytest.Function.from_parent(request.node.parent, name=name, callobj=lambda: None)
        if not name.startswith("plain"):
            item.add_marker(pytest.mark.sampled(3))
        found.append(item)
    return found


def kept(request: pytest.FixtureRequest, *names: str) -> list[str]:
    items = items_of(request, *names)
    sampled.pytest_collection_modifyitems(request.config, items)
    return [item.name for item in items]


TABLE = tuple(f"one[{number}]" for number in range(10))


@pytest.fixture(autouse=True)
def some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampled, "_ALL", False)
    monkeypatch.setenv("PYTEST_SAMPLED_SEED", "1")


def test_one_in_three_is_chosen_in_their_order_and_all_else_stays(request: pytest.FixtureRequest) -> None:
    found = kept(request, "plain[1]", *TABLE, "plain[2]")
    assert len(found) == 6
    assert found == sorted(found, key=["plain[1]", *TABLE, "plain[2]"].index)
    assert {"plain[1]", "plain[2]"} <= {*found}


def test_a_seed_repeats_the_choice_and_another_chooses_others(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = kept(request, *TABLE)
    assert kept(request, *TABLE) == first
    all_found = {*first}
    for seed in range(2, 40):
        monkeypatch.setenv("PYTEST_SAMPLED_SEED", str(seed))
        all_found |= {*kept(request, *TABLE)}
    assert all_found == {*TABLE}


def test_one_in_two_stories_of_a_file_with_all_their_cases(request: pytest.FixtureRequest) -> None:
    names = ("plain_a[1]", "plain_a[2]", "plain_b", "plain_c[1]", "plain_c[2]", "plain_d")
    items = items_of(request, *names)
    for item in items:
        item.add_marker(pytest.mark.stories(2))
    sampled.pytest_collection_modifyitems(request.config, items)
    found = [item.name for item in items]
    told = {name.partition("[")[0] for name in found}
    assert len(told) == 2
    assert found == [name for name in names if name.partition("[")[0] in told]


def test_what_a_fixture_prepares_is_drawn_with_what_others_need(monkeypatch: pytest.MonkeyPatch) -> None:
    found = sampled.part_of("ways", TABLE, one_in=5, also=[TABLE[3]])
    assert len({*found} - {TABLE[3]}) in (1, 2)
    assert TABLE[3] in found
    assert found == sorted(found)
    monkeypatch.setattr(sampled, "_ALL", True)
    assert sampled.part_of("ways", TABLE, one_in=5) == [*TABLE]


def test_some_are_drawn_by_the_seed_and_all_where_there_are_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    first = sampled.some_of("steps", TABLE, 3)
    assert len({*first}) == 3
    assert sampled.some_of("steps", TABLE, 3) == first
    others = [sampled.some_of(f"steps {number}", TABLE, 3) for number in range(9)]
    monkeypatch.setenv("PYTEST_SAMPLED_SEED", "2")
    others.append(sampled.some_of("steps", TABLE, 3))
    assert any(other != first for other in others[:-1])
    assert {*sampled.some_of("steps", TABLE, 99)} == {*TABLE}


def test_one_case_by_its_name_and_all_by_a_variable(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kept(request, TABLE[7]) == [TABLE[7]]
    monkeypatch.setattr(sampled, "_ALL", True)
    assert kept(request, *TABLE) == [*TABLE]
