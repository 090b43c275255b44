"""One text for one JSON value, as `reconcile` compares what a `jsonb` column gives back."""

import pytest
from sluicegate.delivery.json_text import one_text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"b": 1, "a": [1.50, null]}', '{"a":[1.5,null],"b":1}'),
        ("1e2", "100"),
        ("-0.0", "0"),
        ("9" * 50, "9" * 50 + ".0"),
        ('"\\u00fc"', '"ü"'),
        ("[true, false, null, {}]", "[true,false,null,{}]"),
    ],
)
def test_one_value_has_one_text(one: str, other: str) -> None:
    assert one_text(one) == one_text(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "1.0000000000000000000000000000000001"),
        ("1", '"1"'),
        ("100", "10"),
        ('{"a": 1}', '{"a": null}'),
        ("[1, 2]", "[2, 1]"),
        ("{", "{ "),
        ("9007199254740993", "9007199254740992"),
    ],
)
def test_two_values_have_two(one: str, other: str) -> None:
    assert one_text(one) != one_text(other)
