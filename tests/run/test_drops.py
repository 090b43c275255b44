"""Drops that are not quite as agreed, taken through the whole graph by command line."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.graph.headless import Started, run_everything
from orchestration.graph.instance import open_instance
from tests.company import BAKERY, MON, Company, orders, runs
from tests.gate.deployments import deployed
from tests.gate.edits import replace
from tests.typed import sluice_apart

pytestmark = [pytest.mark.long, pytest.mark.stories(2)]


@pytest.fixture(scope="module")
def lenient_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bakery, which takes an order in that is not as agreed, beside others."""
    project = tmp_path_factory.mktemp("lenient") / "bakery"
    shutil.copytree(BAKERY, project)
    limit = "customProperties:\n  - {property: quarantineLimit, value: {rows: 1}}\n"
    replace("contracts/orders.odcs.yaml", "customProperties:\n", limit)(project)
    return project


@pytest.fixture
def lenient(tmp_path: Path, postgres_url: str, lenient_project: Path) -> Iterator[Company]:
    """A lenient bakery with its shops and Monday's weather."""
    with deployed(lenient_project, tmp_path, postgres_url) as company:
        company.land_shops("a", "b")
        company.land_weather(MON)
        yield company


def test_rows_in_quarantine_warn_hold_nothing_and_are_mended_by_command(
    lenient: Company, tmp_path: Path
) -> None:
    lenient.land("orders", MON, orders(MON, a=3) + f"9,{MON},b,four\n")
    assert runs(lenient.run()) == [("", True), (MON, True)]
    passed, said = lenient.check_results("raw/orders", "contract")[MON]
    assert (passed, lenient.check_severity("raw/orders", "contract", MON)) == (False, "WARN")
    assert "1 rows as agreed; 1 of 2 rows are in quarantine.orders (the contract allows 1 rows)" in said
    assert lenient.in_postgres(MON) == [(MON, "a", 3)]

    code, written, _ = sluice_apart(lenient, "source", "quarantine", "orders", "--partition", MON)
    assert (code, "INTEGER" in written, '"Loaves' in written) == (0, True, True)
    file = tmp_path / "mend.csv"
    assert (
        sluice_apart(lenient, "source", "quarantine", "orders", "--partition", MON, "--export", str(file))[0]
        == 0
    )
    file.write_text(file.read_text().replace("four", "4"))
    code, written, _ = sluice_apart(lenient, "source", "replay", "orders", str(file), "--partition", MON)
    assert (code, "registered as orders:2024-01-01:2:" in written) == (0, True)

    assert runs(lenient.run()) == [(MON, True)]
    assert lenient.check_results("raw/orders", "contract")[MON][0]
    assert lenient.in_postgres(MON) == [(MON, "a", 3), (MON, "b", 4)]
    assert (
        "no row is in quarantine"
        in sluice_apart(lenient, "source", "quarantine", "orders", "--partition", MON)[1]
    )


def test_a_partition_is_taken_back_to_an_earlier_drop_by_command(lenient: Company) -> None:
    for loaves in (3, 5):
        lenient.land_orders(MON, a=loaves)
        lenient.run()
    assert lenient.in_postgres(MON) == [(MON, "a", 5)]
    assert sluice_apart(lenient, "source", "restore", "orders", "--partition", MON, "--drop", "1")[0] == 0
    assert runs(lenient.run()) == [(MON, True)]
    assert lenient.in_postgres(MON) == [(MON, "a", 3)]
    code, _, complained = sluice_apart(
        lenient, "source", "restore", "orders", "--partition", MON, "--drop", "7"
    )
    assert (code, "has no earlier drop 7; expected one of: 1, 2" in complained) == (2, True)


def test_a_drop_for_a_partition_that_is_running_is_what_is_delivered_in_the_end(lenient: Company) -> None:
    lenient.land_orders(MON, a=3)
    seen: list[str] = []
    with open_instance(lenient.settings) as instance:
        for event in run_everything(lenient.desk(instance)):
            if isinstance(event, Started):
                seen.append(event.run.partition_key)
                if seen == ["", MON]:
                    lenient.land_orders(MON, a=8)
    assert seen == ["", MON, MON]
    assert lenient.in_postgres(MON) == [(MON, "a", 8)]
    assert runs(lenient.run()) == []
