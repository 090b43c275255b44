"""An export file changes, or something in it expires, while a delivery waits: on the command line."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from orchestration.operations.deliveries_due import deliveries_due
from orchestration.operations.status import Standing
from orchestration.state.records import DeliveryStatus
from tests.company import MON, SHOP_ORDERS, TUE, WEATHER_REPORT, Company, failures, finished, runs
from tests.run.test_deliveries import FILE, SENT, hold, nobody_asked, sluice

pytestmark = [pytest.mark.long, pytest.mark.stories(2)]
BEFORE = [(MON, "a", 3), (MON, "b", 4)]


def rule(left: int, does: str = "filter: {column: shop, drop: [b]}") -> list[str]:
    """Return lines of a last-mile rule that holds for so many days yet."""
    today = datetime.now(UTC).date()
    return [
        "last_mile:", f"  - {does}", "    owner: me@bakery.example", "    reason: closed",
        "    issue: https://x.example/1", f"    declared: {today - timedelta(days=30)}",
        f"    expires: {today + timedelta(days=left)}",
    ]  # fmt: skip


def edited(company: Company, old: str, new: str) -> Company:
    path = company.settings.project_dir / FILE
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    return company.read_anew()


def test_a_loosened_limit_lets_go_what_it_held(open_bakery: Company) -> None:
    company, name = hold(open_bakery)
    short = name[:12]
    company = edited(company, "changed_share: 0.0", "changed_share: 0.5")
    row = company.status()[(SHOP_ORDERS, MON)]
    assert (row.standing, "planned anew by today's export file" in row.why) == (Standing.READY, True), row
    code, said = sluice(company, "delivery", "plan", SHOP_ORDERS)
    assert (code, f"delivery {short}, which is held, would be superseded" in said) == (0, True), said
    for text in ("past a limit", "this is delivery", "sluice delivery approve"):
        assert text not in said
    listed = sluice(company, "delivery", "list")[1]
    assert ("planned anew" in listed, "sluice delivery approve" in listed) == (True, False), listed
    for word in ("approve", "reject"):
        code, said = sluice(company, "delivery", word, short, "--reason", "a feast")
        assert (code, f"planned by another export file than {FILE} is today" in said) == (2, True), said
        assert "`sluice run --retry` plans it anew" in said
    assert company.in_postgres() == BEFORE
    # The same data, not built anew.
    assert company.materialize(MON, SENT) == (True, "")
    assert company.in_postgres() == [(MON, "a", 30), (MON, "b", 4)]
    assert company.status()[(SHOP_ORDERS, MON)].standing is Standing.DELIVERED


def test_an_approval_is_for_that_very_plan(open_bakery: Company) -> None:
    company, name = hold(open_bakery)
    assert sluice(company, "delivery", "approve", name, "--reason", "a feast", "--no-run")[0] == 0
    now = datetime.now(UTC)
    assert deliveries_due(company.site, now, nobody_asked) != []
    company = company.with_line(FILE, *rule(10))
    # Nobody has said a word on what would be sent now.
    assert deliveries_due(company.site, now, nobody_asked) == []
    said = sluice(company, "delivery", "plan", SHOP_ORDERS)[1]
    assert ("1 removed" in said, "past a limit" in said) == (True, True), said
    assert runs(company.run()) == []
    assert company.in_postgres() == BEFORE
    success, said = company.materialize(MON, SENT)
    assert (success, "is held, nothing was sent" in said, name in said) == (False, True, False), said
    assert company.in_postgres() == BEFORE
    store = company.deployment.store.deliveries
    approved = store.of(name)
    assert approved is not None
    assert approved.status is DeliveryStatus.SUPERSEDED
    [waiting] = store.held()
    assert company.status()[(SHOP_ORDERS, MON)].standing is Standing.HELD
    assert (
        f"this is delivery {waiting.delivery_id[:12]}" in sluice(company, "delivery", "plan", SHOP_ORDERS)[1]
    )
    assert sluice(company, "delivery", "approve", waiting.delivery_id, "--reason", "b is closed")[0] == 0
    assert company.in_postgres() == [(MON, "a", 30)]


def test_a_rejection_holds_the_plan_that_was_rejected(open_bakery: Company) -> None:
    company, name = hold(open_bakery)
    assert sluice(company, "delivery", "reject", name, "--reason", "a slip", "--by", "ada")[0] == 0
    company = edited(company, "changed_share: 0.0", "changed_share: 0.1")
    assert company.status()[(SHOP_ORDERS, MON)].standing is Standing.READY
    assert company.materialize(MON, SENT)[0] is False
    [other] = company.deployment.store.deliveries.held()
    assert other.delivery_id != name
    # The file is as it was: so is the person's no.
    company = edited(company, "changed_share: 0.1", "changed_share: 0.0")
    row = company.status()[(SHOP_ORDERS, MON)]
    assert (row.standing, "by ada: a slip" in row.why) == (Standing.REJECTED, True)
    said = sluice(company, "delivery", "plan", SHOP_ORDERS)[1]
    assert f"delivery {name[:12]}, this very plan, was rejected by ada: a slip" in said
    assert company.in_postgres() == BEFORE


def test_a_redelivery_of_another_file_is_to_be_asked_for_anew(open_bakery: Company) -> None:
    company = open_bakery.with_own_project()
    then = str(company.deployment.store.deliveries.newest(SHOP_ORDERS)[0].acknowledged_at)
    company.land_orders(MON, a=30, b=4)
    company.run()
    company = company.with_line(FILE, "limits: {changed_share: 0.0}")
    assert sluice(company, "delivery", "redeliver", SHOP_ORDERS, "--on", then, "--reason", "wrong")[0] == 1
    [waiting] = company.deployment.store.deliveries.held()
    assert (
        f"this is delivery {waiting.delivery_id[:12]}" in sluice(company, "delivery", "plan", SHOP_ORDERS)[1]
    )
    company = edited(company, "changed_share: 0.0", "changed_share: 0.1")
    assert "this is delivery" not in sluice(company, "delivery", "plan", SHOP_ORDERS)[1]
    code, said = sluice(company, "delivery", "approve", waiting.delivery_id, "--reason", "so")
    assert (code, f"`sluice delivery redeliver {SHOP_ORDERS} --on 20" in said) == (2, True), said
    assert company.in_postgres() == [(MON, "a", 30), (MON, "b", 4)]


def test_what_has_expired_holds_its_own_export_and_no_other(open_bakery: Company) -> None:
    company = open_bakery.with_own_project().with_line(FILE, *rule(-1))
    company.land_day(TUE, a=1)
    events = company.run()
    assert runs(events) == [(TUE, False)]
    said = failures(events)
    assert f"`{SHOP_ORDERS}` is held, nothing was sent: the last-mile filter on `shop` expired on" in said
    assert len(finished(events)[0].failures) == 1
    assert (set(company.in_container()), company.in_postgres(TUE)) == ({MON, TUE}, [])
    assert company.status()[(WEATHER_REPORT, TUE)].standing is Standing.DELIVERED
    # What was delivered before is not held by it.
    assert company.status()[(SHOP_ORDERS, MON)].standing is Standing.DELIVERED
    row = company.status()[(SHOP_ORDERS, TUE)]
    assert (row.standing, "expired on" in row.why, "me@bakery.example moves it into" in row.why) == (
        Standing.HELD, True, True,
    )  # fmt: skip
    passed, why = company.check_results(SENT, "delivery")[TUE]
    assert (passed, "expired on" in why) == (False, True)
    assert company.check_results(SENT, "gate")[TUE][0] is True

    code, said = sluice(company, "run", "--retry")
    assert (code, "expired on" in said) == (1, True), said
    assert (
        "held, whatever the data are: the last-mile filter"
        in sluice(company, "delivery", "plan", SHOP_ORDERS)[1]
    )
    code, said = sluice(company, "check")
    assert code == 2
    line = (company.settings.project_dir / FILE).read_text().splitlines().index("last_mile:") + 7
    assert f"{FILE}:{line}: the last-mile filter on `shop` expired on" in said
    assert "dbt_project/models/exports/exp_shop_orders.sql" in said

    # The rule's owner does what the error says.
    path = company.settings.project_dir / FILE
    path.write_text(path.read_text().partition("last_mile:")[0])
    company = company.read_anew()
    assert sluice(company, "check")[0] == 0
    assert sluice(company, "run", "--retry")[0] == 0
    assert company.in_postgres(TUE) == [(TUE, "a", 4), (TUE, "b", 4)]


def test_nobody_approves_what_an_expired_rule_holds(open_bakery: Company) -> None:
    bakery, name = hold(open_bakery.with_own_project().with_line(FILE, *rule(5)))
    company = edited(bakery, rule(5)[-1], rule(-1)[-1])
    code, said = sluice(company, "delivery", "approve", name, "--reason", "so")
    assert (code, "whoever approves it: the last-mile filter" in said) == (2, True), said
    assert company.status()[(SHOP_ORDERS, MON)].why.startswith("the last-mile filter")
    # Once it holds again it is the same plan.
    company = edited(company, rule(-1)[-1], rule(9)[-1])
    assert sluice(company, "delivery", "approve", name, "--reason", "so")[0] == 0
    assert company.in_postgres() == [(MON, "a", 30)]


def excepted(company: Company, left: int) -> str:
    """Let the screens have the rain, which is restricted, for so many days yet; return the line's file."""
    folder = company.settings.project_dir
    described = "dbt_project/models/exports/_exports.yml"
    until = datetime.now(UTC).date() + timedelta(days=left)
    text = (folder / described).read_text()
    column = '{name: rain_mm, data_type: "decimal(6,1)", '
    before, found, after = text.partition(column)
    assert found, text
    after = re.sub(r"^config: .*?\}\}\}, ", "", after)
    said = "{from: restricted, to: internal, reason: agreed, by: me@bakery.example"
    meta = f"config: {{meta: {{declassified: {said}, until: {until}}}}}}}, "
    (folder / described).write_text(f"{before}{column}{meta}{after}")
    return described


def test_an_exception_that_has_ended_holds_its_own_export_and_no_other(open_bakery: Company) -> None:
    company = open_bakery.with_own_project()
    folder = company.settings.project_dir
    contract, report = folder / "contracts/weather.odcs.yaml", folder / "exports/exp_weather_report.yml"
    name = "      - name: rain_mm\n"
    assert name in contract.read_text()
    text = contract.read_text().replace(name, f"{name}        classification: restricted\n")
    masking = "  - {property: masking, value: {restricted: keep}}\n"
    contract.write_text(text.replace("customProperties:\n", f"customProperties:\n{masking}", 1))
    report.write_text(report.read_text() + "classes: [internal, public, restricted]\n")
    described = excepted(company, 14)
    assert sluice(company, "contract", "sources")[0] == 0
    company = company.read_anew()
    code, said = sluice(company, "check")
    assert (code, "ends on" in said, "in 14 days" in said) == (0, True, True), said
    # Something is prepared, and waits for a word, while the exception still holds.
    company = company.with_line(FILE, "limits: {changed_share: 0.0}")
    company.land_orders(MON, a=30, b=4)
    company.run()
    [waiting] = company.deployment.store.deliveries.held()

    excepted(company, -1)
    company = company.read_anew()
    code, said = sluice(company, "delivery", "approve", waiting.delivery_id, "--reason", "so")
    assert (code, "whoever approves it: the exception that lets" in said) == (2, True), said
    company.land_day(TUE, a=1)
    events = company.run()
    ended = "the exception that lets `exports.exp_shop_orders.rain_mm` count as internal ended on"
    assert f"`{SHOP_ORDERS}` is held, nothing was sent: {ended}" in failures(events)
    assert (set(company.in_container()), company.in_postgres(TUE)) == ({MON, TUE}, [])
    assert company.in_postgres() == BEFORE
    row = company.status()[(SHOP_ORDERS, TUE)]
    assert (row.standing, ended in row.why, "me@bakery.example takes the data out" in row.why) == (
        Standing.HELD, True, True,
    )  # fmt: skip
    assert company.status()[(WEATHER_REPORT, TUE)].standing is Standing.DELIVERED
    assert f"held, whatever the data are: {ended}" in sluice(company, "delivery", "plan", SHOP_ORDERS)[1]
    code, said = sluice(company, "check")
    assert (code, f"{described}:8: {ended}" in said) == (2, True), said

    # Its owner decides anew, as the error says.
    excepted(company, 30)
    company = edited(company, "limits: {changed_share: 0.0}", "")
    assert sluice(company, "check")[0] == 0
    assert sluice(company, "run", "--retry")[0] == 0
    assert company.in_postgres(TUE) == [(TUE, "a", 31), (TUE, "b", 4)]
