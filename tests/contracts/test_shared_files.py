"""Two contracts on the same files, of which one would let in unclassified what the other classifies.

Belongs here: which paths may name one file, and what both must say of it. Does not: what one path may be.
"""

import pytest
from sluicegate.contracts.drops import DropTemplate
from sluicegate.contracts.load import load_contracts
from sluicegate.contracts.shared_files import may_meet
from sluicegate.core.partitions import Grain, Partitioning

from tests.columns.conftest import Edited
from tests.columns.conftest import bakery as bakery

DAILY = Partitioning(Grain.DAILY, "")
FIRST, SECOND = "contracts/weather.odcs.yaml", "contracts/weather2.odcs.yaml"
# {two paths: whether some file is of both}
PATHS: dict[tuple[str, str], bool] = {
    ("weather/{date}.csv", "weather/{date}.csv"): True,
    ("weather/{date}.csv", "Weather/{date}.CSV"): True,
    ("weather/{date}.csv", "weather/{date}*.csv"): True,
    ("weather/{date}.csv", "weather/{year}-{month}-{day}.csv"): True,
    ("weather/{date}.csv", "weather/{year}*.csv"): True,
    ("weather/{date}.csv", "*/2024-01-01.csv"): True,
    ("weather/{date}.csv", "weather/????-01-01.csv"): True,
    ("{drop}/*.csv", "a.b/c.csv"): True,
    ("{year}*/x", "*-{month}/x"): True,
    ("weather/{date}.csv", "weather/stations.csv"): False,
    ("weather/{date}.csv", "weather/{date}.csv.gz"): False,
    ("weather/{date}.csv", "weather/{week}.csv"): False,
    ("weather/{date}.csv", "*.csv"): False,
    ("weather/{date}.csv", "weather/x/{date}.csv"): False,
    ("{drop}/a.csv", "/a.csv"): False,
    ("*a", "*b"): False,
}


@pytest.mark.parametrize(("one", "other"), PATHS)
def test_two_paths_may_name_one_file(one: str, other: str) -> None:
    templates = [DropTemplate(text, DAILY) for text in (one, other)]
    assert may_meet(*templates) is may_meet(*reversed(templates)) is PATHS[one, other]


UNCLASSIFIED = [
    ("        classification: restricted\n", ""),
    ("  - {property: masking, value: {restricted: keep}}\n", ""),
]
# {how a second contract differs from the first: whether it may stand beside it}
CHANGES: dict[str, tuple[list[tuple[str, str]], bool]] = {
    "in nothing": ([], True),
    "in its class": (UNCLASSIFIED, False),
    "in its class, of files by another pattern": (
        [*UNCLASSIFIED, ("{date}.csv", "{date}*.csv")], False,
    ),
    "in its class, of other files": (
        [*UNCLASSIFIED, ("weather/{date}", "rain/{date}")], True,
    ),
    "in how it masks": ([("{restricted: keep}", "{restricted: hash}")], False),
    "in how it reads": ([("    format: csv\n", "    format: csv\n    delimiter: ';'\n")], False),
    "in its headers": (
        [("- name: town\n", "- name: town\n        physicalName: rain_mm\n"),
         ("- name: rain_mm\n", "- name: rain_mm\n        physicalName: town\n")], False,
    ),
    "in a column of no class": ([("name: town", "name: city\n        physicalName: town")], True),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "right"), CHANGES.values(), ids=CHANGES)
def test_a_second_contract_says_the_same_of_what_is_classified(
    bakery: Edited, changes: list[tuple[str, str]], right: bool
) -> None:
    text = (bakery.folder / FIRST).read_text().replace("name: weather\n", "name: weather2\n")
    bakery.write(SECOND, text.replace("id: bakery-weather", "id: bakery-weather2")).edit(SECOND, *changes)
    contracts, told = load_contracts(bakery.folder)
    assert {"weather", "weather2"} <= contracts.keys()
    what = "reads such files too, and says otherwise what is classified in them"
    assert [what in problem.what for problem in told] == ([] if right else [True])


@pytest.mark.parametrize(
    "second", ["*/{date}.csv", "WEATHER/{date}*.csv", "w{date}.csv", "weather/{date}.csv"]
)
def test_whatever_stands_between_them_two_paths_that_meet_are_compared(bakery: Edited, second: str) -> None:
    """Contracts whose paths begin otherwise, and a third on the same files, stand between the two."""
    text = (bakery.folder / FIRST).read_text()
    between = ["weather/x/{date}.csv", "weather-old/{date}.csv", "waste/{date}.csv", "{date}/x.csv"]
    for number, path in enumerate([*between, second], 2):
        file = f"contracts/weather{number}.odcs.yaml"
        other = text.replace("name: weather\n", f"name: weather{number}\n")
        other = other.replace("id: bakery-weather", f"id: bakery-weather{number}")
        bakery.write(file, other).edit(file, *UNCLASSIFIED, ("weather/{date}.csv", path))
    told = [problem.what for problem in load_contracts(bakery.folder)[1]]
    meets = may_meet(*[DropTemplate(one, DAILY) for one in ("weather/{date}.csv", second)])
    assert [what.split("`")[1] for what in told if "reads such files too" in what] == [second] * meets


def test_of_files_without_a_class_two_contracts_may_say_what_they_like(bakery: Edited) -> None:
    text = (
        (bakery.folder / "contracts/shops.odcs.yaml").read_text().replace("name: shops\n", "name: shops2\n")
    )
    bakery.write("contracts/shops2.odcs.yaml", text)
    assert load_contracts(bakery.folder)[1] == []
