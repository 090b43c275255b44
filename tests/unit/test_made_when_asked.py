"""A context whose members are made when they are asked for is, to whoever looks, one that has them all."""

import copy
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sluicegate.transformation.dbt_contexts import MadeWhenAsked

WHOLE = {"a": 1, "b": 20, "c": 30, "d": 40}


def lazy(made: list[str]) -> MadeWhenAsked:
    """Have `a` and a `b` that another goes before; the rest is made."""
    members = MadeWhenAsked()
    members.update(a=1, b=2)

    def make(item: Any) -> Any:
        made.append(item)
        return {"x": 20, "y": 30, "z": 40}[item]

    members.makes({"b": "x", "c": "y", "d": "z"}, make)
    return members


@pytest.mark.parametrize(
    ("name", "asks"),
    [
        ("keys", lambda it: sorted(it.keys())),
        ("values", lambda it: sorted(it.values())),
        ("items", lambda it: sorted(it.items())),
        ("iterated", lambda it: sorted(it)),
        ("reversed", lambda it: Counter(reversed(it))),
        ("length", len),
        ("dict", dict),
        ("keywords", lambda it: dict(**it)),
        ("unpacked", lambda it: {**it}),
        ("into another", lambda it: {"e": 5} | it),
        ("and another", lambda it: it | {"e": 5}),
        ("updates", lambda it: (lambda other: other.update(it) or other)({"e": 5})),
        ("copied", lambda it: it.copy()),
        ("copied by copy", lambda it: dict(copy.copy(it))),
        ("equal", lambda it: it == WHOLE),
        ("lookup", lambda it: (it["c"], it["c"], it["a"], it["b"])),
        ("get", lambda it: (it.get("c"), it.get("e"), it.get("e", 7))),
        ("in", lambda it: ("c" in it, "a" in it, "e" in it)),
        ("set", lambda it: (it.update(c=5), it["c"], sorted(it.items()))),
        ("setdefault", lambda it: (it.setdefault("c", 5), it.setdefault("e", 6), sorted(it.items()))),
        ("pop", lambda it: (it.pop("c"), it.pop("c", None), "c" in it, sorted(it.items()))),
        ("del", lambda it: (it.__delitem__("c"), "c" in it, sorted(it.items()))),
        ("popitem", lambda it: (len([it.popitem() for _ in range(4)]), sorted(it.items()))),
        ("clear", lambda it: (it.clear(), len(it), "c" in it)),
    ],
)  # fmt: skip
def test_it_is_as_if_all_were_there(name: str, asks: Callable[[Any], Any]) -> None:
    assert asks(lazy([])) == asks(dict(WHOLE)), name


def test_a_member_is_made_once_and_only_if_it_is_asked_for() -> None:
    made: list[str] = []
    members = lazy(made)
    assert "c" in members
    assert made == []
    assert [members["c"], members.get("c")] == [30, 30]
    assert made == ["y"]
    with pytest.raises(KeyError):
        members["e"]
    assert sorted(members) == sorted(WHOLE)
    assert sorted(made) == ["x", "y", "z"]
