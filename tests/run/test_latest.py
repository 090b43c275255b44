"""An export whose destination holds the newest day alone, and days that are corrected out of their order."""

import json

import pytest

from orchestration.operations.status import Standing
from orchestration.state.records import DeliveryStatus
from tests.company import MON, TUE, WEATHER_REPORT, Company, failures, runs
from tests.gate.edits import replace
from tests.typed import sluice_apart

pytestmark = pytest.mark.stories(2)

EXPORT = f"exports/{WEATHER_REPORT}.yml"


@pytest.fixture
def miller(bakery: Company) -> Company:
    """A bakery whose miller holds the newest day alone, of one town unless somebody approves more."""
    company = bakery.with_own_project()
    for edit in (
        replace(EXPORT, "partitions: each", "partitions: latest"),
        replace(EXPORT, "key: [business_date, town]", "key: [town]"),
        replace(EXPORT, "mode: snapshot", "mode: snapshot\nlimits:\n  rows: {max: 1}"),
    ):
        edit(company.settings.project_dir)
    company = company.read_anew()
    land(company, MON, Ulm=1)
    assert runs(company.run()) == [(MON, True)]
    return company


def land(company: Company, day: str, **rain: float) -> None:
    rows = "".join(f"{day},{town},{fallen}\n" for town, fallen in rain.items())
    company.land("weather", day, f"date,town,rain_mm\n{rows}")


def held_there(company: Company) -> tuple[str, int]:
    """Return (day, rows) that the miller holds."""
    shown = company.container / "weather"
    newest = json.loads((shown / "latest.json").read_text())
    return newest["partition_key"], json.loads((shown / newest["manifest"]).read_text())["rows"]


def standing(company: Company, day: str) -> Standing:
    return company.status()[(WEATHER_REPORT, day)].standing


def test_a_correction_reaches_the_destination_while_a_newer_day_is_held(miller: Company) -> None:
    land(miller, TUE, Ulm=2, Bonn=2)
    assert runs(miller.run()) == [(TUE, False)]
    before = miller.deployment.store.deliveries.held()[0].delivery_id
    land(miller, MON, Ulm=7)
    # The correction goes out; what it ended is planned anew, and is held again for the same reason.
    assert runs(miller.run()) == [(MON, True), (TUE, False)]
    assert held_there(miller)[0] == MON
    assert (standing(miller, MON), standing(miller, TUE)) == (Standing.DELIVERED, Standing.HELD)
    [plan] = miller.deployment.store.deliveries.held()
    assert plan.delivery_id != before
    assert runs(miller.run()) == []

    code, said, complained = sluice_apart(
        miller, "delivery", "approve", plan.delivery_id, "--reason", "two towns now"
    )
    assert (code, complained) == (0, ""), said
    assert held_there(miller) == (TUE, 2)
    land(miller, MON, Ulm=8)
    assert failures(miller.run()) == ""
    assert held_there(miller) == (TUE, 2)
    assert (standing(miller, MON), standing(miller, TUE)) == (Standing.OVERTAKEN, Standing.DELIVERED)


def test_a_no_to_a_newer_day_outlives_a_correction_of_the_older(miller: Company) -> None:
    land(miller, TUE, Ulm=2, Bonn=2)
    miller.run()
    [plan] = miller.deployment.store.deliveries.held()
    assert (
        sluice_apart(miller, "delivery", "reject", plan.delivery_id, "--reason", "Bonn is none of ours")[0]
        == 0
    )
    land(miller, MON, Ulm=7)
    assert runs(miller.run()) == [(MON, True)]
    assert (standing(miller, MON), standing(miller, TUE)) == (Standing.DELIVERED, Standing.REJECTED)
    pressed, said = miller.materialize(TUE, f"delivered/{WEATHER_REPORT}")
    assert (pressed, "was rejected by" in said) == (False, True)
    _, said, _ = sluice_apart(miller, "delivery", "plan", WEATHER_REPORT, "--partition", TUE)
    assert "rejected" in said
    assert held_there(miller)[0] == MON


def test_what_was_called_overtaken_by_a_day_that_never_went_is_ready(miller: Company) -> None:
    """As earlier versions recorded it: the newer day was planned alone."""
    land(miller, TUE, Ulm=2, Bonn=2)
    miller.run()
    land(miller, MON, Ulm=7)
    miller.run()
    store = miller.deployment.store.deliveries
    monday = store.latest(WEATHER_REPORT, acknowledged=True)[MON]
    acknowledged, overtaken = DeliveryStatus.ACKNOWLEDGED, DeliveryStatus.OVERTAKEN
    assert store.move(monday.delivery_id, overtaken, out_of=[acknowledged])
    assert standing(miller, MON) is Standing.READY
