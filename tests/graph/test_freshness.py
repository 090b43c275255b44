"""Freshness policies on the graph, and Dagster's own daemon judging them."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import freeze_time
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.freshness import FreshnessDaemon
from dagster._time import get_current_timestamp
from sluicegate.core.settings import Settings
from sluicegate.graph.building import build_definitions
from sluicegate.graph.instance import open_instance

from tests.company import Company
from tests.graph.shape import COMPANIES

pytestmark = pytest.mark.long

HOUR = timedelta(hours=1)
GRAPH = LoadableTargetOrigin(module_name="sluicegate.definitions", attribute="defs")


@pytest.mark.parametrize(
    ("company", "windows"),
    [
        ("demo", {
            "raw/sales": 54 * HOUR, "raw/inventory": 54 * HOUR,
            "raw/stores": 48 * HOUR, "raw/products": 48 * HOUR,
            **dict.fromkeys(
                (f"delivered/exp_{name}" for name in (
                    "top_items_partner_drop", "top_items_retailer_app", "store_gaps_crm",
                    "vendor_gaps_marketing", "missing_items_messaging", "city_gaps_telemetry",
                    "wide_gaps_partner_hook",
                )),
                60 * HOUR,
            ),
        }),
        ("bakery", {
            "raw/orders": 30 * HOUR, "raw/shops": timedelta(days=9), "delivered/exp_shop_orders": 36 * HOUR,
        }),
    ],
)  # fmt: skip
@pytest.mark.sampled(2)
def test_a_policy_is_where_a_promise_is_and_nowhere_else(
    tmp_path: Path, company: str, windows: dict[str, timedelta]
) -> None:
    settings = Settings.load({}, project_dir=COMPANIES[company], data_dir=tmp_path)
    definitions = build_definitions(settings)
    graph = definitions.resolve_asset_graph()
    policies = {key.to_user_string(): graph.get(key).freshness_policy for key in graph.get_all_asset_keys()}
    assert {name: policy for name, policy in policies.items() if policy} == {
        name: dg.FreshnessPolicy.time_window(window) for name, window in windows.items()
    }
    assert not list(definitions.schedules or [])


@pytest.mark.long
def test_dagsters_daemon_sees_what_is_overdue_and_by_how_much(
    open_bakery: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in open_bakery.settings.environment().items():
        monkeypatch.setenv(name, value)
    target = InProcessWorkspaceLoadTarget(InProcessCodeLocationOrigin(GRAPH))
    orders, sent = dg.AssetKey(["raw", "orders"]), dg.AssetKey(["delivered", "exp_shop_orders"])
    unpromised = dg.AssetKey(["raw", "weather"])

    with open_instance(open_bakery.settings) as instance:
        # What the daemon process does: nothing in dagster.yaml is needed for it.
        assert FreshnessDaemon.daemon_type() in instance.get_required_daemon_types()
        with WorkspaceProcessContext(instance, target) as workspace:

            def states(later: timedelta) -> dict[dg.AssetKey, FreshnessState]:
                with freeze_time(get_current_timestamp() + later.total_seconds()):
                    list(FreshnessDaemon().run_iteration(workspace))
                records = instance.get_freshness_state_records([orders, sent, unpromised])
                return {key: record.freshness_state for key, record in records.items()}

            none = FreshnessState.NOT_APPLICABLE
            fresh, overdue = FreshnessState.PASS, FreshnessState.FAIL
            assert states(29 * HOUR) == {orders: fresh, sent: fresh, unpromised: none}
            assert states(31 * HOUR) == {orders: overdue, sent: fresh, unpromised: none}
            assert states(37 * HOUR) == {orders: overdue, sent: overdue, unpromised: none}
            assert states(29 * HOUR) == {orders: fresh, sent: fresh, unpromised: none}
