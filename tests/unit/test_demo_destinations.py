"""What is made up goes to the demo's own destinations, whatever the environment knows."""

from pathlib import Path

import pytest
from sluicegate.core.settings import Settings
from sluicegate.demo.destinations import demo_destinations


@pytest.mark.parametrize("alone", [True, False])
def test_the_demo_uses_no_other_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    for name in ("retailer_app", "partner_drop", "crm"):
        monkeypatch.setenv(Settings.connection_variable(name), f"url-of-{name}")
    with demo_destinations(Settings.load(data_dir=tmp_path), alone=alone) as equipped:
        assert equipped.connection("retailer_app") == "url-of-retailer_app"
        assert equipped.connection("crm") == (None if alone else "url-of-crm")
