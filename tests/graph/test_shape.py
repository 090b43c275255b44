"""The graphs of the companies, pinned: a change of shape is seen in review, or it is a mistake."""

import json
from typing import Any

import pytest

from tests.graph.shape import COMPANIES, company_shape, snapshot_file

pytestmark = pytest.mark.long


@pytest.fixture(scope="module", params=sorted(COMPANIES))
def company(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def shape(company: str) -> dict[str, Any]:
    return company_shape(company)


def test_the_graph_has_the_shape_that_was_reviewed(company: str, shape: dict[str, Any]) -> None:
    pinned = json.loads(snapshot_file(company).read_text())
    assert shape == pinned, "if this is meant: python -m tests.graph.renew, and review the difference"


def test_no_data_wait_for_a_clock(shape: dict[str, Any]) -> None:
    assert shape["schedules"] == []
    # Three look at one: when a refused row is tried again, and when what others hold is read back.
    kusto = {"kusto"} if any(asset["group"] == "kusto" for asset in shape["assets"].values()) else set[str]()
    sensors = {"drops", "deliveries", "incidents", "reconcile"} | kusto
    assert shape["sensors"] == dict.fromkeys(sensors, "RUNNING")
    assert not any(asset["automation"] for asset in shape["assets"].values())


def test_every_check_is_partitioned_as_its_table(shape: dict[str, Any]) -> None:
    for name, asset in shape["assets"].items():
        assert asset["checks"], f"{name} has no check"
        assert {check["partitions"] for check in asset["checks"].values()} == {asset["partitions"]}, name


def test_what_writes_to_the_warehouse_waits_in_its_pool_and_deliveries_do_not(shape: dict[str, Any]) -> None:
    for name, asset in shape["assets"].items():
        assert asset["pools"] == ([] if asset["group"] in ("deliveries", "kusto") else ["warehouse"]), name
        assert asset["described"], name


def test_every_export_reads_its_own_model_alone(company: str, shape: dict[str, Any]) -> None:
    exports = {name: asset for name, asset in shape["assets"].items() if asset["group"] == "deliveries"}
    assert len(exports) == {"demo": 7, "bakery": 2, "observatory": 5}[company]
    for name, asset in exports.items():
        assert asset["deps"] == {name.replace("delivered/", "exports/"): "same day"}
        assert set(asset["checks"]) - {"reconciled"} == {"gate", "delivery"}
        assert asset["owners"]


def test_what_can_be_read_back_is_compared(company: str, shape: dict[str, Any]) -> None:
    without = {name for name, asset in shape["assets"].items()
               if asset["group"] == "deliveries" and "reconciled" not in asset["checks"]}  # fmt: skip
    silent = {"delivered/exp_missing_items_messaging", "delivered/exp_wide_gaps_partner_hook"}
    assert without == (silent if company == "demo" else set())
