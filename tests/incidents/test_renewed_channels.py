"""A channel whose key is renewed in the vault tells all the same, and a heartbeat says why it cannot call."""

from collections.abc import Iterator

import pytest
from sluicegate.core.settings import Settings
from sluicegate.incidents.alerts_file import Alerts
from sluicegate.incidents.alerts_spec import AlertsSpec
from sluicegate.incidents.channels.base import ChannelRefused
from sluicegate.incidents.channels.opening import tell

from tests.doubles.key_vault import Fault, KeyVaultDouble
from tests.doubles.pagerduty import PagerDutyDouble
from tests.doubles.serving import serve
from tests.incidents.places import KEY, VARIABLE, notice
from tests.vaults import kept, vault

__all__ = ["kept", "vault"]
OLD_KEY = "9876543210abcdefghijABCDEFGHIJ42"
ALERTS = Alerts(
    AlertsSpec.model_validate(
        {"channels": {"there": {"type": "pagerduty", "connection": "there"}}, "routes": [{"to": "there"}]}
    )
)


@pytest.fixture
def pager() -> Iterator[tuple[PagerDutyDouble, str]]:
    double = PagerDutyDouble(KEY)
    with serve(double.app) as address:
        yield double, address


def test_a_key_that_is_renewed_is_taken_up_once(
    vault: KeyVaultDouble, pager: tuple[PagerDutyDouble, str]
) -> None:
    double, address = pager
    settings = Settings.load({VARIABLE: f"secret+azkv://{vault.host}/pager"})
    vault.put("pager", f"pagerduty://:{OLD_KEY}@{address}")
    assert settings.connection("there") is not None
    with pytest.raises(ChannelRefused) as refused:
        tell(ALERTS, "there", settings, notice())
    assert (double.events, vault.asked) == ([], ["pager"] * 2)
    assert OLD_KEY not in str(refused.value)
    vault.put("pager", f"pagerduty://:{KEY}@{address}")
    tell(ALERTS, "there", settings, notice())
    tell(ALERTS, "there", settings, notice())
    assert vault.asked == ["pager"] * 3
    assert len(double.events) == 2


def test_a_vault_that_says_no_is_what_the_channel_says(vault: KeyVaultDouble) -> None:
    settings = Settings.load({VARIABLE: f"secret+azkv://{vault.host}/pager"})
    vault.faults.append(Fault(403, "Forbidden", "Caller is not authorized"))
    with pytest.raises(ChannelRefused, match=r"(?s)HTTP 403.*az role assignment create.*Secrets User"):
        tell(ALERTS, "there", settings, notice())
