"""A bakery whose rain is restricted and whose towns are personal: what comes of them by real SQL."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from sluicegate.contracts.dbt_sources import write_sources
from sluicegate.contracts.load import load_contracts
from sluicegate.core.problems import ProjectError
from sluicegate.core.settings import Settings
from sluicegate.project.loading import Project

from tests.company import BAKERY
from tests.parses import loaded, own_copy, places_given_back

CLASSES = """\
declassify:
  - {from: personal, by: masked, to: internal}
  - {from: restricted, by: measure, to: internal, at_least: 5}
indirect: {personal: refuse, restricted: warn}
"""
DBT = "dbt_project/models"
STAGED, SENT = f"{DBT}/staging/stg_weather.sql", f"{DBT}/exports/exp_weather_report.sql"
DESCRIBED, REPORT = f"{DBT}/exports/_exports.yml", "exports/exp_weather_report.yml"
DAMP = '{name: damp, data_type: "decimal(6,1)", '
# The rain by other names: `wet` in staging, `damp` for the miller; the shops' screens lose it.
_SCREENS = '{name: rain_mm, data_type: "decimal(6,1)", description: Rain of'
_MILLER = '{name: rain_mm, data_type: "decimal(6,1)", description: Rain in'
RENAMED: Mapping[str, tuple[tuple[str, str], ...]] = {
    STAGED: (("as rain_mm", "as wet"),),
    SENT: (("    rain_mm", "    wet as damp"),),
    f"{DBT}/marts/shop_orders.sql": (
        ("        rain_mm\n", "        {{ to_type('1.5', 'decimal(6,1)') }} as mm\n"),
        ("    weather.rain_mm", "    weather.mm"),
    ),
    f"{DBT}/exports/exp_shop_orders.sql": (("    rain_mm", "    mm"),),
    DESCRIBED: (
        (_SCREENS, _SCREENS.replace("rain_mm", "mm")), (_MILLER, f"{DAMP}description: Rain in"),
    ),
    "expectations/stg_weather.yml": (("column: rain_mm", "column: wet"), ("column: rain_mm", "column: wet")),
}  # fmt: skip


class Edited:
    """A copy of the bakery to be edited, and what becomes of it when it is loaded."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder = folder
        self.settings = Settings.load({}, project_dir=folder, data_dir=data)

    def write(self, name: str, text: str) -> "Edited":
        (self.folder / name).write_text(text)
        return self

    def edit(self, name: str, *changes: tuple[str, str]) -> "Edited":
        text = (self.folder / name).read_text()
        for old, new in changes:
            assert old in text, f"{old!r} is not in {name}"
            text = text.replace(old, new, 1)
        return self.write(name, text)

    def edit_all(self, changes: Mapping[str, tuple[tuple[str, str], ...]]) -> "Edited":
        for name, of_file in changes.items():
            self.edit(name, *of_file)
        return self

    def classify(self, source: str, described: str, class_: str, masking: str = "keep") -> "Edited":
        """Classify the column with this description, in its contract and so in dbt's sources."""
        self.edit(
            f"contracts/{source}.odcs.yaml",
            (f"description: {described}\n", f"description: {described}\n        classification: {class_}\n"),
            ("customProperties:\n",
             f"customProperties:\n  - {{property: masking, value: {{{class_}: {masking}}}}}\n"),
        )  # fmt: skip
        contracts, problems = load_contracts(self.folder)
        assert problems == []
        write_sources(self.folder, contracts)
        return self

    def line(self, name: str, text: str) -> int:
        """Return the line of a file that has a text."""
        lines = (self.folder / name).read_text().splitlines()
        return next(number for number, line in enumerate(lines, 1) if text in line)

    def load(self) -> Project:
        return loaded(self.settings)

    def told(self) -> list[str]:
        """Return what is wrong with it, as it is printed."""
        try:
            self.load()
        except ProjectError as error:
            return list(error.told)
        return []


@pytest.fixture
def bakery(tmp_path: Path) -> Iterator[Edited]:
    """The bakery with its rain classified."""
    with places_given_back():
        edited = Edited(own_copy(BAKERY), tmp_path / "data").write("contracts/classes.yml", CLASSES)
        rain = "Rain in millimetres; empty where the gauge was dry or broken."
        yield edited.classify("weather", rain, "restricted")
