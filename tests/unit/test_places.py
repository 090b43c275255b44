"""No two writers to one object, nor one into another's folder."""

import itertools

import pytest
from sluicegate.delivery.export_files.places import Places


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (("blob", "a", "weather"), ("blob", "a", "weather"), True),
        (("blob", "a", "weather"), ("blob", "a", "weather/daily"), True),
        (("blob", "a", "weather"), ("blob", "a", "weather/daily/bavaria"), True),
        (("blob", "a", "weather/daily"), ("blob", "a", "weather/hourly"), False),
        (("blob", "a", "weather"), ("blob", "a", "weather_daily"), False),
        (("blob", "a", "weather"), ("blob", "b", "weather"), False),
        (("blob", "a", "weather"), ("adx", "a", "weather"), False),
        (("blob", "s3://a/b"), ("blob", "s3://a/b/c"), True),
        (("blob", "/srv/a"), ("blob", "/srv/ab"), False),
    ],
)
def test_a_place_has_one_writer_whoever_comes_first(
    one: tuple[str, ...], other: tuple[str, ...], shared: bool
) -> None:
    for first, second in itertools.permutations((one, other)):
        places = Places[str]()
        assert places.claim(first, "first") is None
        assert places.claim(second, "second") == ("first" if shared else None)


def test_a_place_stays_with_whom_it_was_first() -> None:
    places = Places[str]()
    assert places.claim(("blob", "a", "x/y"), "first") is None
    assert places.claim(("blob", "a", "x"), "second") == "first"
    assert places.claim(("blob", "a", "x/y/z"), "third") in ("first", "second")
    assert places.claim(("blob", "a", "q"), "fourth") is None
