"""The gate: open by evidence on the very version that the warehouse holds, closed by anything less."""

from collections.abc import Mapping

import pytest

from orchestration.quality.gate import Finding, Gate, GateClosed, GateReport, Verdict
from orchestration.state.records import Evidence
from orchestration.warehouse.engine import record_version
from tests.company import MON, THU, TUE, WED, Company

EXPORT = "exports.exp_shop_orders"


class Judged:
    """A bakery's gate over versions and evidence that the test writes itself."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.lineage = company.project.lineage
        self.gate = Gate(self.lineage, company.deployment.store)

    def build(self, relation: str, day: str, version: str = "v1") -> None:
        with self.company.deployment.warehouse.connect() as connection:
            record_version(connection, relation, day, version)

    def say(self, relation: str, day: str, version: str = "v1", *, passed: bool = True) -> None:
        checks = self.lineage.tables[relation].blocking_checks
        self.company.deployment.store.record_evidence(
            [Evidence(relation, day, check, version, passed, "as told", "run") for check in checks]
        )

    def day(self, day: str, *, but: str = "") -> None:
        """Build and pass all that the export's own day is made of, one table left out."""
        for item in self.lineage.chain(EXPORT, day):
            if item.required and item.relation != but:
                self.build(item.relation, item.partition_key)
                self.say(item.relation, item.partition_key)

    def report(self, day: str, relation: str = EXPORT) -> GateReport:
        with self.company.deployment.warehouse.connect() as connection:
            return self.gate.report(connection, relation, day)


@pytest.fixture
def judged(bakery: Company) -> Judged:
    return Judged(bakery)


def verdicts(findings: tuple[Finding, ...]) -> Mapping[tuple[str, str], set[Verdict]]:
    said: dict[tuple[str, str], set[Verdict]] = {}
    for item in findings:
        said.setdefault((item.relation, item.partition_key), set()).add(item.verdict)
    return said


def test_it_opens_when_every_blocking_check_has_passed(judged: Judged) -> None:
    judged.day(MON)
    report = judged.report(MON)
    assert report.open
    assert set(verdicts(report.findings)) == {
        (item.relation, item.partition_key) for item in judged.lineage.chain(EXPORT, MON) if item.required
    }
    assert report.versions[(EXPORT, MON)] == "v1"
    assert report.refusals == ()


@pytest.mark.parametrize("relation", ["raw.weather", "staging.stg_orders", "marts.shop_orders", EXPORT])
def test_no_evidence_is_a_closed_gate(judged: Judged, relation: str) -> None:
    judged.day(MON, but=relation)
    judged.build(relation, MON)
    report = judged.report(MON)
    assert verdicts(report.closed_by) == {(relation, MON): {Verdict.MISSING}}
    assert report.refusals == ()  # nothing has said no yet


@pytest.mark.parametrize("relation", ["raw.orders", "staging.stg_weather", EXPORT])
def test_a_failed_check_closes_it(judged: Judged, relation: str) -> None:
    judged.day(MON)
    judged.say(relation, MON, passed=False)
    report = judged.report(MON)
    assert verdicts(report.closed_by) == {(relation, MON): {Verdict.FAILED}}
    assert report.refusals == report.closed_by
    assert "as told" in str(report.closed_by[0])


def test_the_newest_word_on_a_version_counts(judged: Judged) -> None:
    judged.day(MON)
    judged.say(EXPORT, MON, passed=False)
    judged.say(EXPORT, MON, passed=True)
    assert judged.report(MON).open


def test_evidence_on_an_older_version_does_not_count(judged: Judged) -> None:
    judged.day(MON)
    judged.build("marts.shop_orders", MON, "v2")
    assert verdicts(judged.report(MON).closed_by) == {("marts.shop_orders", MON): {Verdict.STALE}}
    judged.say("marts.shop_orders", MON, "v2")
    assert judged.report(MON).open


def test_a_failure_of_an_older_version_does_not_hold_the_new_one(judged: Judged) -> None:
    judged.day(MON)
    judged.say("marts.shop_orders", MON, passed=False)
    judged.build("marts.shop_orders", MON, "v2")
    assert verdicts(judged.report(MON).closed_by) == {("marts.shop_orders", MON): {Verdict.MISSING}}
    judged.say("marts.shop_orders", MON, "v2")
    assert judged.report(MON).open


def test_one_check_of_several_is_not_enough(judged: Judged) -> None:
    judged.day(MON, but="staging.stg_orders")
    judged.build("staging.stg_orders", MON)
    checks = judged.lineage.tables["staging.stg_orders"].blocking_checks
    assert len(checks) == 2
    judged.company.deployment.store.record_evidence(
        [Evidence("staging.stg_orders", MON, checks[0], "v1", True, "holds", "run")]
    )
    assert [item.check for item in judged.report(MON).closed_by] == [checks[1]]


def test_a_table_that_was_never_built_closes_it(judged: Judged) -> None:
    judged.day(MON, but="raw.shops")
    report = judged.report(MON)
    assert verdicts(report.closed_by) == {("raw.shops", ""): {Verdict.NOT_BUILT}}
    assert report.refusals == ()


def test_a_drop_that_was_refused_is_told_as_the_reason(judged: Judged) -> None:
    judged.day(MON, but="raw.orders")
    judged.say("raw.orders", MON, "orders:2024-01-01:1:abc", passed=False)
    report = judged.report(MON)
    assert verdicts(report.refusals) == {("raw.orders", MON): {Verdict.NOT_BUILT}}
    assert "as told" in str(report.refusals[0])


def test_another_partition_neither_holds_nor_releases(judged: Judged) -> None:
    judged.day(MON)
    judged.day(TUE)
    judged.say("staging.stg_weather", TUE, passed=False)
    assert judged.report(MON).open
    assert verdicts(judged.report(TUE).closed_by) == {("staging.stg_weather", TUE): {Verdict.FAILED}}


def test_a_failed_day_inside_the_window_holds_and_one_outside_does_not(judged: Judged) -> None:
    for day in (MON, TUE, WED, THU):
        judged.day(day)
    judged.say("staging.stg_orders", MON, passed=False)
    closed = {day: verdicts(judged.report(day).closed_by) for day in (MON, TUE, WED, THU)}
    failed = {("staging.stg_orders", MON): {Verdict.FAILED}}
    assert closed == {MON: failed, TUE: failed, WED: failed, THU: {}}


def test_a_day_of_the_window_that_does_not_exist_does_not_hold(judged: Judged) -> None:
    judged.day(WED)
    assert judged.report(WED).open


def test_parents_are_asked_before_a_table_is_built(judged: Judged) -> None:
    with judged.company.deployment.warehouse.connect() as connection:
        with pytest.raises(GateClosed, match=r"raw\.orders \[2024-01-01\].*never built") as closed:
            judged.gate.require_parents(connection, "staging.stg_orders", MON)
        assert closed.value.report.relation == "staging.stg_orders"
    judged.build("raw.orders", MON)
    judged.say("raw.orders", MON)
    judged.build("staging.stg_orders", MON)
    judged.say("staging.stg_orders", MON, passed=False)
    with judged.company.deployment.warehouse.connect() as connection:
        judged.gate.require_parents(connection, "staging.stg_orders", MON)
    assert not judged.report(MON, "staging.stg_orders").open
