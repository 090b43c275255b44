"""`sluice ops`: what it prints, and what it says where it cannot.

Belongs here: arguments, text and JSON, exit codes. Does not: what is published (`test_publish`).
"""

import json
from datetime import timedelta

import pytest
from sluicegate.contracts.load import load_contracts
from sluicegate.reporting.source import PREFIX
from sluicegate.state.moments import now
from sluicegate.state.ops_views import FACTS, VIEWS

from tests.company import SHOP_ORDERS, Company
from tests.typed import sluice, sluice_apart

OWNER = ("--owner", "ovens@bakery.example")
REFUSED = {
    ("show", "slas"): "no table `slas`; did you mean `sla`",
    ("source", "delivery", *OWNER): "no fact `delivery`; did you mean `deliveries`",
    ("source", "sla", *OWNER): "no fact `sla`",
    ("source", "runs", "--owner", "ovens"): "`--owner ovens`; expected an e-mail address, or team:NAME",
    ("publish", "https://reports.example/ops"): "expected",
    ("publish", "/proc/nowhere"): "cannot be written to",
}


@pytest.mark.parametrize(("arguments", "said"), REFUSED.items())
def test_what_cannot_be_is_told(records_alone: Company, arguments: tuple[str, ...], said: str) -> None:
    code, told = sluice(records_alone, "ops", *arguments)
    assert (code, said in told) == (2, True), told


def test_a_table_is_printed(records_alone: Company) -> None:
    code, said = sluice(records_alone, "ops", "show")
    assert code == 0
    assert [name for name in VIEWS if name not in said] == []
    due = now() - timedelta(hours=3)
    places = [("delivery", SHOP_ORDERS, f"2024-01-{day:02}") for day in range(1, 31)]
    places += [
        ("delivery", SHOP_ORDERS, f"2024-02-{day:02}-{hour:02}:00") for day in (1, 2, 3) for hour in range(24)
    ]
    records_alone.deployment.store.incidents.note_due(dict.fromkeys(places, (due, due)))
    code, said = sluice(records_alone, "ops", "show", "late_now")
    assert code == 0
    assert SHOP_ORDERS in said
    assert "the last 100 of 102 rows; `sluice ops show late_now --json` has all" in said
    code, printed, _ = sluice_apart(records_alone, "ops", "show", "late_now", "--json")
    rows = json.loads(printed)
    assert (code, len(rows), list(rows[0])) == (0, 102, [column.name for column in VIEWS["late_now"].columns])
    assert 3 * 3600 <= rows[0]["late_seconds"] < 4 * 3600


def test_each_fact_has_a_contract_that_is_written_once(records_alone: Company) -> None:
    company = records_alone.with_own_project()
    for fact in FACTS:
        assert sluice(company, "ops", "source", fact, *OWNER)[0] == 0
    contracts, problems = load_contracts(company.settings.project_dir)
    assert problems == []
    for fact, view in FACTS.items():
        made = contracts[f"{PREFIX}{fact}"]
        assert (made.owner, made.key, made.partition_column) == (OWNER[1], view.key, "day")
        assert [column.name for column in made.columns] == [column.name for column in view.columns]
    code, said = sluice(company, "ops", "source", "runs", *OWNER)
    assert (code, "is there already; expected none" in said) == (2, True)
    file = company.settings.project_dir / "contracts" / "sluice_ops_runs.odcs.yaml"
    file.rename(f"{file}.mine")  # as it says
    assert sluice(company, "ops", "source", "runs", *OWNER)[0] == 0
