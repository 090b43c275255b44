"""The graphs of the companies, pinned: a change of shape is seen in review, or it is a mistake."""

import json
from typing import Any

import pytest

from tests.graph.shape import COMPANIES, company_shape, snapshot_file


@pytest.fixture(scope="module", params=sorted(COMPANIES))
def company(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def shape(company: str) -> dict[str, Any]:
    return company_shape(company)


def test_the_graph_has_the_shape_that_was_reviewed(company: str, shape: dict[str, Any]) -> None:
    pinned = json.loads(snapshot_file(company).read_text())
    assert shape == pinned, "if this is meant: python -m tests.graph.renew, and review the difference"


def test_nothing_has_a_clock(shape: dict[str, Any]) -> None:
    assert shape["schedules"] == []
    assert shape["sensors"] == {"drops": "RUNNING"}
    assert not any(asset["automation"] for asset in shape["assets"].values())


def test_every_check_is_partitioned_as_its_table(shape: dict[str, Any]) -> None:
    for name, asset in shape["assets"].items():
        assert asset["checks"], f"{name} has no check"
        assert {check["partitions"] for check in asset["checks"].values()} == {asset["partitions"]}, name


def test_everything_waits_in_the_pool_of_the_warehouse_and_is_described(shape: dict[str, Any]) -> None:
    for name, asset in shape["assets"].items():
        assert asset["pools"] == ["warehouse"], name
        assert asset["described"], name


def test_every_export_reads_its_own_model_alone(company: str, shape: dict[str, Any]) -> None:
    exports = {name: asset for name, asset in shape["assets"].items() if asset["group"] == "deliveries"}
    assert len(exports) == {"demo": 2, "bakery": 2, "observatory": 5}[company]
    for name, asset in exports.items():
        assert asset["deps"] == {name.replace("delivered/", "exports/"): "same day"}
        assert set(asset["checks"]) == {"gate"}
        assert asset["owners"]
