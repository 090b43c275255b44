"""The gate: open by evidence on the very version that the warehouse holds, closed by anything less."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg
import pytest

from orchestration.gate.gate import Finding, Gate, GateClosed, GateReport, Verdict
from orchestration.gate.sent_rows import sent_content
from orchestration.graph.deliveries_shown import gate_result
from orchestration.state.records import Evidence, FailedCheck, Release
from orchestration.warehouse.duckdb_file import DuckDBSession, record_version
from tests.company import MON, THU, TUE, WED, Company
from tests.unit.records import whole_build
from tests.warehouse.bare import bare

pytestmark = pytest.mark.long

EXPORT = "exports.exp_shop_orders"


class Judged:
    """A bakery's gate over versions and evidence that the test writes itself."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.lineage = company.project.lineage
        self.gate = Gate(self.lineage, company.deployment.store)

    def build(self, relation: str, day: str, version: str = "v1") -> None:
        """Build a partition of what its parents hold, by today's SQL; an export's table has no rows."""
        with bare(self.company.deployment.warehouse) as connection:
            record_version(connection, relation, day, version)
            held = DuckDBSession(connection).versions(list(self.lineage.tables))
            if self.lineage.tables[relation].sent:
                connection.execute("create schema if not exists exports")
                connection.execute(f"create table if not exists {relation} (business_date date)")
        self.company.deployment.store.record_build(whole_build(self.lineage, relation, day, version, held))

    def say(self, relation: str, day: str, version: str = "v1", *, passed: bool = True) -> None:
        with bare(self.company.deployment.warehouse) as connection:
            content = sent_content(DuckDBSession(connection), self.lineage.tables[relation], day)
        rules = self.lineage.tables[relation].rules
        self.company.deployment.store.record_evidence(
            [
                Evidence(relation, day, check, version, passed, "as told", "run", rules=by, content=content)
                for check, by in rules.items()
            ]
        )

    def day(self, day: str, *, but: str = "", unjudged: str = "") -> None:
        """Build and pass all that the export's own day is made of; one table left out, or not judged."""
        for item in self.lineage.chain(EXPORT, day):
            if item.required and item.relation != but:
                self.build(item.relation, item.partition_key)
                if item.relation != unjudged:
                    self.say(item.relation, item.partition_key)

    def report(self, day: str, relation: str = EXPORT) -> GateReport:
        with bare(self.company.deployment.warehouse) as connection:
            return self.gate.report(DuckDBSession(connection), relation, day)


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


@pytest.mark.sampled(2)
@pytest.mark.parametrize("relation", ["raw.weather", "staging.stg_orders", "marts.shop_orders", EXPORT])
def test_no_evidence_is_a_closed_gate(judged: Judged, relation: str) -> None:
    judged.day(MON, unjudged=relation)
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
    judged.build(EXPORT, MON, "v2")
    assert verdicts(judged.report(MON).closed_by) == {(EXPORT, MON): {Verdict.STALE}}
    judged.say(EXPORT, MON, "v2")
    assert judged.report(MON).open


def test_a_failure_of_an_older_version_does_not_hold_the_new_one(judged: Judged) -> None:
    judged.day(MON)
    judged.say(EXPORT, MON, passed=False)
    judged.build(EXPORT, MON, "v2")
    assert verdicts(judged.report(MON).closed_by) == {(EXPORT, MON): {Verdict.MISSING}}
    judged.say(EXPORT, MON, "v2")
    assert judged.report(MON).open


def test_one_check_of_several_is_not_enough(judged: Judged) -> None:
    judged.day(MON, unjudged="staging.stg_orders")
    (first, rules), (second, _) = judged.lineage.tables["staging.stg_orders"].rules.items()
    judged.company.deployment.store.record_evidence(
        [Evidence("staging.stg_orders", MON, first, "v1", True, "holds", "run", rules=rules)]
    )
    assert [item.check for item in judged.report(MON).closed_by] == [second]


def test_a_check_by_other_rules_has_not_run(judged: Judged) -> None:
    judged.day(MON, unjudged="staging.stg_orders")
    checks = judged.lineage.tables["staging.stg_orders"].rules
    judged.company.deployment.store.record_evidence(
        [
            Evidence("staging.stg_orders", MON, check, "v1", True, "holds", "run", rules="other")
            for check in checks
        ]
    )
    assert verdicts(judged.report(MON).closed_by) == {("staging.stg_orders", MON): {Verdict.OTHER_RULES}}
    judged.say("staging.stg_orders", MON)
    assert judged.report(MON).open


def test_a_parent_that_was_built_again_closes_it_until_its_child_is(judged: Judged) -> None:
    judged.day(MON)
    judged.build("staging.stg_orders", MON, "v2")
    judged.say("staging.stg_orders", MON, "v2")
    report = judged.report(MON)
    assert verdicts(report.closed_by) == {("marts.shop_orders", MON): {Verdict.OTHER_PARENT}}
    assert report.steps == (f"`sluice table rerun marts.shop_orders --partition {MON}`",)
    for relation in ("marts.shop_orders", EXPORT):
        judged.build(relation, MON, "v2")
        judged.say(relation, MON, "v2")
    assert judged.report(MON).open


def test_a_version_older_than_the_newest_on_record_closes_it(judged: Judged) -> None:
    judged.day(MON)
    for relation in ("marts.shop_orders", EXPORT):
        judged.build(relation, MON, "v2")
        judged.say(relation, MON, "v2")
    with bare(judged.company.deployment.warehouse) as connection:
        for relation in ("marts.shop_orders", EXPORT):
            record_version(connection, relation, MON, "v1")
    report = judged.report(MON)
    assert verdicts(report.closed_by) == {
        ("marts.shop_orders", MON): {Verdict.RESTORED}, (EXPORT, MON): {Verdict.RESTORED}
    }  # fmt: skip
    assert report.steps == (f"`sluice table rerun marts.shop_orders --partition {MON}`",)


def test_a_version_that_is_not_on_record_closes_it(judged: Judged) -> None:
    judged.day(MON)
    with bare(judged.company.deployment.warehouse) as connection:
        record_version(connection, "marts.shop_orders", MON, "a killed run's")
    found = verdicts(judged.report(MON).closed_by)
    assert Verdict.UNRECORDED in found[("marts.shop_orders", MON)]
    assert found[(EXPORT, MON)] == {Verdict.OTHER_PARENT}


@pytest.mark.parametrize("relation", ["staging.stg_weather", "marts.shop_orders", EXPORT])
def test_older_sql_closes_it(judged: Judged, relation: str) -> None:
    judged.day(MON)
    store = judged.company.deployment.store
    store.record_build(replace(store.builds_of([(relation, MON)])[-1], code="older"))
    assert verdicts(judged.report(MON).closed_by) == {(relation, MON): {Verdict.OLDER_SQL}}


def test_a_day_of_the_window_may_be_built_by_older_sql(judged: Judged) -> None:
    for day in (MON, TUE):
        judged.day(day)
    store = judged.company.deployment.store
    store.record_build(replace(store.builds_of([("staging.stg_orders", MON)])[-1], code="older"))
    assert judged.report(TUE).open
    assert not judged.report(MON).open


def test_a_window_counts_by_what_was_read_and_has_not_been_found_bad_since(judged: Judged) -> None:
    for day in (MON, TUE):
        judged.day(day)
    judged.build("staging.stg_orders", MON, "v2")
    judged.say("staging.stg_orders", MON, "v2")
    assert judged.report(TUE).open  # it has read v1, which was good then
    judged.say("staging.stg_orders", MON, "v2", passed=False)
    assert judged.report(TUE).open
    judged.say("staging.stg_orders", MON, "v1", passed=False)
    report = judged.report(TUE)
    assert verdicts(report.closed_by) == {("staging.stg_orders", MON): {Verdict.FAILED}}
    assert report.steps == (f"`sluice table rerun marts.shop_orders --partition {TUE}`",)


def test_what_a_day_of_the_window_was_made_of_counts_too(judged: Judged) -> None:
    for day in (MON, TUE):
        judged.day(day)
    judged.say("raw.orders", MON, passed=False)
    assert verdicts(judged.report(TUE).closed_by) == {("raw.orders", MON): {Verdict.FAILED}}


def test_rows_that_changed_after_the_check_close_it(judged: Judged) -> None:
    judged.day(MON)
    with bare(judged.company.deployment.warehouse) as connection:
        connection.execute(f"insert into {EXPORT} values (date '{MON}')")
    report = judged.report(MON)
    assert verdicts(report.closed_by) == {(EXPORT, MON): {Verdict.OTHER_ROWS}}
    assert report.steps == (f"`sluice table rerun {EXPORT} --partition {MON}`",)


def test_a_build_of_older_code_is_judged_first(judged: Judged) -> None:
    judged.day(MON)
    store = judged.company.deployment.store
    for relation in ("staging.stg_orders", "marts.shop_orders"):
        old = store.builds_of([(relation, MON)])[-1]
        store.record_build(replace(old, inputs=None, code="", project=""))
    report = judged.report(MON)
    assert set().union(*verdicts(report.closed_by).values()) == {Verdict.HALF_RECORDED}
    assert report.steps == (f"`sluice table judge {EXPORT} --from {MON} --to {MON} --with-parents`",)


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
    with bare(judged.company.deployment.warehouse) as connection:
        with pytest.raises(GateClosed, match=r"raw\.orders \[2024-01-01\].*never built") as closed:
            judged.gate.require_parents(DuckDBSession(connection), "staging.stg_orders", MON)
        assert closed.value.report.relation == "staging.stg_orders"
    judged.build("raw.orders", MON)
    judged.say("raw.orders", MON)
    with bare(judged.company.deployment.warehouse) as connection:
        judged.gate.require_parents(DuckDBSession(connection), "staging.stg_orders", MON)
        inputs = judged.gate.inputs(DuckDBSession(connection), "staging.stg_orders", MON)
    assert inputs == {"raw.orders": {MON: "v1"}}
    judged.build("staging.stg_orders", MON)
    judged.say("staging.stg_orders", MON, passed=False)
    with bare(judged.company.deployment.warehouse) as connection:
        judged.gate.require_parents(DuckDBSession(connection), "staging.stg_orders", MON)
    assert not judged.report(MON, "staging.stg_orders").open


def test_a_gate_that_is_closed_is_never_shown_as_open_by_a_release() -> None:
    def finding(relation: str, check: str, verdict: Verdict) -> Finding:
        return Finding(relation, "2024-01-02", check, verdict, "said so", "v", None)

    released = finding("staging.a", "expectations", Verdict.RELEASED)
    release = Release(
        export="exp_a", relation="exports.exp_a", partition_key="2024-01-02",
        checks=frozenset({FailedCheck("staging.a", "2024-01-02", "expectations", "v", "r")}),
        reason="the gauge", released_by="ada", until=datetime(2024, 1, 3, tzinfo=UTC),
    )  # fmt: skip
    key = dg.AssetKey(["delivered", "exp_a"])
    for left, said in (((), "open by release"), ((finding("marts.b", "unique", Verdict.FAILED),), "held, ")):
        report = GateReport("exports.exp_a", "2024-01-02", (released, *left), {}, (release,))
        shown = gate_result(key, report)
        assert shown.description is not None
        assert shown.description.startswith(said)
        assert (shown.passed, shown.severity) == (
            False, dg.AssetCheckSeverity.ERROR if left else dg.AssetCheckSeverity.WARN
        )  # fmt: skip
