"""A rule that cannot run: what the others say is theirs, nothing is lost, and an error is no failure."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sluicegate.core.lineage import Table
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.core.relations import Relation
from sluicegate.core.settings import Settings
from sluicegate.core.severity import Severity
from sluicegate.core.yaml_files import YamlFile
from sluicegate.graph.suite_checks import suite_result
from sluicegate.quality.held_rows import HeldRows, NotJudged
from sluicegate.quality.rule_results import Outcome
from sluicegate.quality.suite_verdict import SuiteVerdict, judge_suite, record_verdict
from sluicegate.quality.suites import CHECK_NAME, Rule, Suite, SuiteTarget
from sluicegate.state.deployment import Deployment
from sluicegate.state.records import Evidence
from sluicegate.warehouse.duckdb_file import DuckDBSession, record_version

from tests.company import recorded
from tests.warehouse.bare import bare

pytestmark = pytest.mark.long
RELATION, SUNDAY, MONDAY = "marts.sales", "2024-01-07", "2024-01-08"
SECRET = "Elisabeth"
# `broken` is read without an error by nobody, `broken_then` by nobody on Sunday.
TABLES = f"""
    create schema marts;
    create table marts.rows as select * from (values
        (date '{SUNDAY}', 1, 'Ames', '{SECRET}'), (date '{MONDAY}', 1, 'Ames', '{SECRET}'),
        (date '{MONDAY}', 2, 'Pella', '{SECRET}')) as t (day, number, town, guest);
    create view {RELATION} as select *, cast(guest as integer) as broken,
        cast(case when day = '{SUNDAY}' then guest end as integer) as broken_then from marts.rows;
"""
CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
QUERY = "unexpected_rows_query"


def rule(kind: str, **kwargs: Any) -> Rule:
    return Rule(type=kind, kwargs=kwargs)


def query(sql: str) -> Rule:
    return rule("unexpected_rows_expectation", unexpected_rows_query=sql)


def counted(parameter: str) -> Rule:
    return rule("expect_table_row_count_to_be_between", min_value={"$PARAMETER": parameter})


# kind of error -> (a rule that errs by it, what its message says)
ERRORS: dict[str, tuple[Rule, str]] = {
    "Great Expectations refuses it": (
        rule("expect_column_kl_divergence_to_be_less_than", column="number", threshold=1,
             partition_object={}),
        "partition",
    ),
    "a keyword that nothing knows": (
        rule("expect_column_values_to_not_be_null", column="number", wat=1), "extra fields not permitted"
    ),
    "a type that nothing knows": (rule("expect_nothing"), "expect_nothing"),
    "the parser": (query("selec * from {batch}"), "Parser Error"),
    "the binder": (query("select nosuch from {batch}"), "nosuch"),
    "the catalog": (query("select * from nosuch"), "nosuch"),
    "a cast at run time": (query("select number from {batch} where cast(town as integer) > 0"), "Conv"),
    "a division at run time": (
        query("select number from {batch} where error('too far') = number"), "too far"
    ),
    "a change of the rows": (query(f"delete from marts.rows where day = '{MONDAY}' returning *"), "DELETE"),
    "a condition that does not bind": (
        rule("expect_column_values_to_not_be_null", column="number", row_condition='col("nosuch") > 1',
             condition_parser="great_expectations"), "nosuch"
    ),
    "compiled SQL at run time": (
        rule("expect_column_max_to_be_between", column="broken", max_value=1), "Conversion Error"
    ),
    "a query of its own at run time": (
        rule("expect_column_most_common_value_to_be_in_set", column="broken", value_set=[1]), "Conv"
    ),
    "a column that is not there": (rule("expect_column_values_to_not_be_null", column="nosuch"), "nosuch"),
    "arguments that do not compare": (
        rule("expect_column_values_to_be_between", column="number", min_value=1, max_value="x"), "compare"
    ),
    "a parameter by zero": (counted("1 / (row_count.previous - row_count.previous)"), "zero"),
    "a parameter of text": (counted("town.mean.previous"), "town.mean"),
    "a parameter that errs at run time": (counted("broken.max.previous"), "broken.max"),
    "a parameter that errs on the day before": (counted("broken_then.max.previous"), "Conv"),
}  # fmt: skip
# What judges them: SQL, SQL, Great Expectations, Great Expectations, SQL with history, two in one scan
NEIGHBOURS: list[tuple[Rule, Outcome]] = [
    (rule("expect_table_row_count_to_equal", value=2), Outcome.PASSED),
    (rule("expect_column_values_to_be_in_set", column="town", value_set=["Ames"]), Outcome.FAILED),
    (query("select number from {batch} where number > 5"), Outcome.PASSED),
    (query("select number from {batch} where number = 2"), Outcome.FAILED),
    (counted("row_count.previous"), Outcome.PASSED),
    (rule("expect_column_mean_to_be_between", column="number", max_value={"$PARAMETER":
          "number.mean.previous"}), Outcome.FAILED),
    (rule("expect_column_kl_divergence_to_be_less_than", column="number", threshold=1,
          partition_object={"bins": [0, 1, 3], "weights": [0.1, 0.9]}), Outcome.PASSED),
]  # fmt: skip


@dataclass(frozen=True)
class Shop:
    """A deployment with one table of two days, the first of which is validated."""

    deployment: Deployment

    def judge(
        self, *rules: Rule, classified: frozenset[str] = frozenset(), sent: bool = False
    ) -> SuiteVerdict:
        return self.judge_by(self.target(*rules, classified=classified, sent=sent))

    def judge_by(self, target: SuiteTarget, day: str = MONDAY) -> SuiteVerdict:
        with self.deployment.warehouse.session() as session:
            return judge_suite(session, self.deployment, target, day, "r")

    def target(
        self, *rules: Rule, classified: frozenset[str] = frozenset(), sent: bool = False
    ) -> SuiteTarget:
        table = Table(
            Relation.parse("marts.rows" if sent else RELATION), ("marts", "sales"),
            Partitioning(Grain.DAILY), parents={}, rules={CHECK_NAME: ""}, cut_by="day", sent=sent,
        )  # fmt: skip
        file = YamlFile(Path("expectations/sales.yml"), Path(), {})
        return SuiteTarget(Suite("sales", "", rules, file), table, "day", ("number",), classified)

    def rows(self, sql: str) -> list[Any]:
        with bare(self.deployment.warehouse) as connection:
            return connection.execute(sql).fetchall()

    def recorded(self, sql: str) -> list[Any]:
        return recorded(self.deployment.settings, sql)

    def evidence(self) -> list[bool]:
        found = self.deployment.store.evidence_of([(RELATION, MONDAY)])
        return [item.passed for item in found if item.check == CHECK_NAME]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    settings = Settings.load({}, project_dir=tmp_path, data_dir=tmp_path / "data")
    deployment = Deployment(settings)
    with bare(deployment.warehouse) as connection:
        connection.execute(TABLES)
        for day in (SUNDAY, MONDAY):
            record_version(connection, RELATION, day, f"of {day}")
            record_version(connection, "marts.rows", day, f"of {day}")
    deployment.store.record_evidence(
        [Evidence(RELATION, SUNDAY, CHECK_NAME, f"of {SUNDAY}", True, "", "run")]
    )
    yield Shop(deployment)
    deployment.store.close()


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.sampled(9)
def test_the_others_say_what_they_say_without_it(shop: Shop, kind: str) -> None:
    """First, last or between them; and nothing is lost of what is kept."""
    erring, message = ERRORS[kind]
    before, after = NEIGHBOURS[:4], NEIGHBOURS[4:]
    for place in range(3):
        neighbours = [(), before, NEIGHBOURS][place], [NEIGHBOURS, after, ()][place]
        rules = [*(item for item, _ in neighbours[0]), erring, *(item for item, _ in neighbours[1])]
        verdict = shop.judge(*rules)
        number = len(neighbours[0])
        assert verdict.said[number].outcome is Outcome.ERROR
        assert message in (verdict.said[number].error or "")
        others = [*verdict.said[:number], *verdict.said[number + 1 :]]
        assert [item.outcome for item in others] == [outcome for _, outcome in NEIGHBOURS]
    assert shop.rows("select count(*) from marts.rows") == [(3,)]
    kept = shop.recorded("select count(*) from rule_results")
    assert kept == [(3 * (len(NEIGHBOURS) + 1),)]
    measured = shop.recorded(f"select metric, value from metrics where partition_key = '{MONDAY}'")
    assert {("row_count", 2.0), ("number.mean", 1.5)} <= set(measured)


def test_all_that_err_at_once_leave_the_others_alone(shop: Shop) -> None:
    erring = [item for item, _ in ERRORS.values()]
    neighbours = [item for item, _ in NEIGHBOURS]
    mixed = [*erring[::2], *neighbours, *erring[1::2]]
    said = shop.judge(*mixed).said
    first = len(erring[::2])
    assert [item.outcome for item in said[first : first + len(neighbours)]] == [
        item for _, item in NEIGHBOURS
    ]
    others = [*said[:first], *said[first + len(neighbours) :]]
    assert [item.rule.title for item in others if item.outcome is not Outcome.ERROR] == []


GOOD = NEIGHBOURS[0][0]
BAD = NEIGHBOURS[1][0]


@pytest.mark.parametrize(
    "kind", ["the binder", "a cast at run time", "a parameter by zero", "a column that is not there"]
)
@pytest.mark.parametrize(
    ("severity", "failing", "passed", "shown", "evidence"),
    [
        (CRITICAL, None, None, "ERROR", []),
        (CRITICAL, CRITICAL, False, "ERROR", [False]),
        (CRITICAL, WARNING, None, "ERROR", []),
        (WARNING, None, True, "WARN", [True]),
        (WARNING, CRITICAL, False, "ERROR", [False]),
        (INFO, None, True, "passed", [True]),
        (INFO, WARNING, True, "WARN", [True]),
    ],
)
@pytest.mark.sampled(4)
def test_an_error_is_no_failure(
    shop: Shop,
    kind: str,
    severity: Severity,
    failing: Severity | None,
    passed: bool | None,
    shown: str,
    evidence: list[bool],
) -> None:
    erring = ERRORS[kind][0].model_copy(update={"severity": severity})
    rules = [GOOD, erring, *([BAD.model_copy(update={"severity": failing})] if failing else [])]
    verdict = shop.judge(*rules)
    assert verdict.passed is passed
    assert bool(verdict.errors) == severity.blocks
    result = suite_result(verdict)
    assert ("passed" if result.passed else result.severity.name) == shown
    if severity is WARNING and not failing:
        assert "1 of 2 rules could not run: " in (result.description or "")
        assert erring.type in (result.description or "")
    record_verdict(shop.deployment, verdict)
    assert shop.evidence() == evidence


def test_what_could_not_run_leaves_no_evidence_and_is_kept(shop: Shop) -> None:
    verdict = shop.judge_by(shop.target(GOOD, ERRORS["the binder"][0]))
    assert verdict.passed is None
    record_verdict(shop.deployment, verdict)
    assert shop.evidence() == []
    assert shop.recorded("select outcome from rule_results order by rule_number") == [
        ("passed",), ("did not run",)
    ]  # fmt: skip


def test_a_version_without_a_verdict_is_no_history(shop: Shop) -> None:
    """Though another check has found it good."""
    from_history = counted("row_count.previous")
    assert shop.judge(from_history).said[0].outcome is Outcome.PASSED
    with bare(shop.deployment.warehouse) as connection:
        record_version(connection, RELATION, SUNDAY, "new")
    shop.deployment.store.record_evidence([Evidence(RELATION, SUNDAY, "unique", "new", True, "", "run")])
    assert shop.judge(from_history).said[0].outcome is Outcome.PASSED
    erring = shop.target(ERRORS["the binder"][0])
    assert shop.judge_by(erring, SUNDAY).passed is None
    assert shop.judge(from_history).said[0].outcome is Outcome.NO_HISTORY


@pytest.mark.parametrize(
    "erring",
    [
        query("select number from {batch} where cast(guest as integer) > 0"),
        rule("expect_column_max_to_be_between", column="guest", max_value=1),
        counted("guest.mean.previous"),
        rule("expect_column_values_to_not_be_null", column="number",
             row_condition='col("guest") > 1', condition_parser="great_expectations"),
    ],
)  # fmt: skip
def test_an_error_shows_no_value_of_a_classified_column(shop: Shop, erring: Rule) -> None:
    verdict = shop.judge(erring, classified=frozenset({"guest"}))
    result = suite_result(verdict)
    kept = shop.recorded("select * from rule_results")
    assert verdict.passed is None
    assert SECRET not in f"{verdict.errors} {result.description} {result.metadata} {kept}"


def test_it_leaves_no_transaction_open(shop: Shop) -> None:
    with bare(shop.deployment.warehouse) as connection:
        target = shop.target(GOOD, ERRORS["a cast at run time"][0])
        verdict = judge_suite(DuckDBSession(connection), shop.deployment, target, MONDAY, "r")
        connection.execute("begin")  # which it could not, were one open
        connection.execute("rollback")
    assert [item.outcome for item in verdict.said] == [Outcome.PASSED, Outcome.ERROR]


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (f"insert into marts.rows values (date '{MONDAY}', 9, 'Boone', '')", True),
        (f"delete from marts.rows where day = '{MONDAY}'", True),
        (f"update sluice.table_versions set version = 'new' where partition_key = '{MONDAY}'", True),
        (f"insert into marts.rows values (date '{SUNDAY}', 9, 'Boone', '')", False),
        (f"update sluice.table_versions set version = 'new' where partition_key = '{SUNDAY}'", False),
    ],
)
def test_after_an_error_it_goes_on_with_the_same_rows_or_not_at_all(
    shop: Shop, change: str, refused: bool
) -> None:
    """Another connection of the process changes them between the transaction that has ended and the next."""
    table = shop.target(GOOD, sent=True).table
    with bare(shop.deployment.warehouse) as connection, connection.cursor() as other:
        [(file,)] = connection.execute("select current_database()").fetchall()
        other.execute(f'use "{file}"')
        held = HeldRows(DuckDBSession(connection), table, MONDAY)
        with held.reading() as begin_again:
            other.execute(change)
            assert connection.execute(f"select version from sluice.table_versions where relation ="
                                      f" 'marts.rows' and partition_key = '{MONDAY}'").fetchall() == [
                (f"of {MONDAY}",)
            ]  # fmt: skip
            with pytest.raises(duckdb.Error):
                connection.execute("select cast(guest as integer) from marts.rows").fetchall()
            if refused:
                with pytest.raises(NotJudged, match="was rebuilt, or its rows changed"):
                    begin_again()
            else:
                begin_again()
                counted = connection.execute(f"select count(*) from marts.rows where day = '{MONDAY}'")
                assert counted.fetchall() == [(2,)]


def test_the_digest_of_rows_that_are_sent_is_theirs_after_an_error(shop: Shop) -> None:
    without = shop.judge(GOOD, sent=True)
    after = shop.judge(ERRORS["a cast at run time"][0], ERRORS["a change of the rows"][0], GOOD, sent=True)
    assert without.content == after.content != ""
