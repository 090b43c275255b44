"""What is made up goes to the demo's own destinations, whatever the environment knows."""

from pathlib import Path

import pytest
from sluicegate.core.settings import Settings
from sluicegate.demo.destinations import demo_destinations

from tests.company import Company
from tests.typed import sluice


@pytest.mark.parametrize("alone", [True, False])
def test_the_demo_uses_no_other_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    for name in ("retailer_app", "partner_drop", "crm"):
        monkeypatch.setenv(Settings.connection_variable(name), f"url-of-{name}")
    with demo_destinations(Settings.load(data_dir=tmp_path), alone=alone) as equipped:
        assert equipped.connection("retailer_app") == "url-of-retailer_app"
        assert equipped.connection("crm") == (None if alone else "url-of-crm")


def test_another_company_is_told_that_they_are_the_demos(bakery: Company) -> None:
    code, said = sluice(bakery, "run", "--demo-destinations")
    assert code == 0, said
    assert "--demo-destinations does nothing here" in said
    assert "SLUICE_CONNECTION_<NAME>" in said
    assert not (bakery.settings.data_dir / "postgres").exists()
